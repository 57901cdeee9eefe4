//! What the edited runs should say: from a plan's `[train]` and the rows' answers.

use anyhow::{bail, ensure};
use vene::data::{FoilIs, PreparedRow, Reason};
use vene::intervention::{Parameter, ParameterRole};
use vene::plan::{OverRows, ResolvedPlan};
use vene::plan_file::{LossName, TrainSection};
use vene::training::{CrossEntropy, LogitDifference, Objective, SumOf};

/// The parameter on which `boundary_penalty` lies, of boundless rotations.
const BOUNDARIES: &str = "intervention_boundaries";

/// Which of a row's answers its edited run should say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Label {
    /// The base's.
    Target,
    /// The source's.
    Foil,
}

impl Label {
    /// As `labels` says; else the source's answer (the foil) where the plan reads sources, the base's (the
    /// target) where it doesn't.
    pub fn of(section: &TrainSection, plan: &ResolvedPlan) -> anyhow::Result<Self> {
        Ok(match section.labels.as_deref() {
            None if plan.reads_sources() => Self::Foil,
            None | Some("target") => Self::Target,
            Some("foil") => Self::Foil,
            Some(other) => bail!(
                "[train] labels is `{other}`; expected `target`, the base's answer, or `foil`, the source's"
            ),
        })
    }

    /// Why a row cannot be trained on, if it can't.
    pub fn lacks(self, section: &TrainSection, row: &PreparedRow) -> Option<Reason> {
        let [target, foil] = row.first_tokens();
        let both = section.loss == Some(LossName::LogitDifference);
        if target.is_empty() && (both || self == Self::Target) {
            return Some(Reason::NoTarget);
        }
        if foil.is_empty() && (both || self == Self::Foil) {
            return Some(Reason::NoFoil);
        }
        let is_foreign = row.row.foil_is == FoilIs::WrongAnswer;
        (is_foreign && self == Self::Foil).then_some(Reason::FoilNotOfSource)
    }
}

/// The objective over rows, of which none [lacks](Label::lacks) anything.
pub fn of(section: &TrainSection, label: Label, rows: &OverRows) -> anyhow::Result<Objective> {
    refuse_unread(section, rows)?;
    let mut pairs = Vec::with_capacity(rows.rows.len());
    for row in &rows.rows {
        let [target, foil] = row.first_tokens();
        let (label, other) = if label == Label::Foil { (foil, target) } else { (target, foil) };
        let Some(&label) = label.first() else {
            bail!("{} has no answer that its edited run should say", row.name());
        };
        pairs.push((label, other.first().copied()));
    }
    for (row, read) in rows.rows.iter().zip(rows.plan.read()) {
        ensure!(
            read.len() == 1,
            "{}: the plan reads {} positions of it; an answer is read at one",
            row.name(),
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
        Some(weight) => objective.penalty(SumOf { parameter: BOUNDARIES.to_owned(), weight }),
        None => objective,
    })
}

/// Refuses what is about parameters that no intervention of the plan has.
fn refuse_unread(section: &TrainSection, rows: &OverRows) -> anyhow::Result<()> {
    let edits = rows.plan.edits().iter();
    let all: Vec<Parameter> = edits.flat_map(|edit| edit.intervention.parameters()).collect();
    let has_boundaries = all.iter().any(|parameter| parameter.name == BOUNDARIES);
    let has_temperature = all.iter().any(|parameter| parameter.role == ParameterRole::Temperature);
    let keys = [
        ("boundary_penalty", section.boundary_penalty.is_some(), has_boundaries, BOUNDARIES),
        ("annealing", section.annealing.is_some(), has_temperature, "temperature"),
    ];
    for (key, is_given, is_read, parameter) in keys {
        ensure!(
            !is_given || is_read,
            "`{key}` in [train] of the plan would change nothing in this training: it is read only where an \
             intervention has a parameter `{parameter}`; leave it out"
        );
    }
    Ok(())
}
