//! What the edited runs should say: from a plan's `[train]` and the rows' answers.

use anyhow::{bail, ensure};
use vene::plan::OverRows;
use vene::plan_file::{LossName, TrainSection};
use vene::training::{CrossEntropy, LogitDifference, Objective, SumOf};

/// The objective over rows. The label is the first token of the source's answer (the foil) where the plan reads
/// sources, else of the base's (the target), unless `labels` says which.
pub fn of(section: &TrainSection, rows: &OverRows) -> anyhow::Result<Objective> {
    refuse_unread(section, rows)?;
    let reads_source = rows.plan.edits().iter().any(|edit| edit.source.is_some());
    let of_source = match section.labels.as_deref() {
        None => reads_source,
        Some("foil") => true,
        Some("target") => false,
        Some(other) => bail!(
            "[train] labels is `{other}`; expected `target`, the base's answer, or `foil`, the source's"
        ),
    };
    let mut pairs = Vec::with_capacity(rows.rows.len());
    for row in &rows.rows {
        let [target, foil] = row.first_tokens();
        let (label, other) = if of_source { (foil, target) } else { (target, foil) };
        let Some(&label) = label.first() else {
            let answer =
                if of_source { "foil, the source's answer" } else { "target, the base's answer" };
            bail!(
                "row {} has no {answer}: there is nothing that its edited run should say",
                row.index
            );
        };
        pairs.push((label, other.first().copied()));
    }
    for (example, read) in rows.plan.read().iter().enumerate() {
        ensure!(
            read.len() == 1,
            "the plan reads {} positions of example {example}; an answer is read at one",
            read.len()
        );
    }
    let objective = match section.loss.unwrap_or(LossName::CrossEntropy) {
        LossName::CrossEntropy => {
            let labels: Vec<u32> = pairs.iter().map(|(label, _)| *label).collect();
            Objective::new(CrossEntropy::new(&labels))
        }
        LossName::LogitDifference => {
            let pairs: Option<Vec<[u32; 2]>> =
                pairs.iter().map(|(label, other)| Some([*label, (*other)?])).collect();
            match pairs {
                Some(pairs) => Objective::new(LogitDifference::new(&pairs)),
                None => bail!("a logit difference needs target and foil in each row"),
            }
        }
    };
    Ok(match section.boundary_penalty {
        Some(weight) => {
            objective.penalty(SumOf { parameter: "intervention_boundaries".to_owned(), weight })
        }
        None => objective,
    })
}

/// Refuses what is about parameters that no intervention of the plan has.
fn refuse_unread(section: &TrainSection, rows: &OverRows) -> anyhow::Result<()> {
    let has = |name: &str| {
        let edits = rows.plan.edits().iter();
        edits
            .flat_map(|edit| edit.intervention.parameters())
            .any(|parameter| parameter.name == name)
    };
    let keys = [
        ("boundary_penalty", section.boundary_penalty.is_some(), "intervention_boundaries"),
        ("annealing", section.annealing.is_some(), "temperature"),
    ];
    for (key, is_given, parameter) in keys {
        ensure!(
            !is_given || has(parameter),
            "`{key}` in [train] of the plan would change nothing in this training: it is read only where an \
             intervention has a parameter `{parameter}`; leave it out"
        );
    }
    Ok(())
}
