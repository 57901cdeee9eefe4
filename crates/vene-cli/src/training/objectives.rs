//! What the edited runs should say: from a plan's `[train]` and the rows' answers.

use anyhow::{Context, bail, ensure};
use vene::data::{FoilIs, PreparedRow, Reason};
use vene::intervention::{Parameter, ParameterRole};
use vene::plan::{OverRows, PlanRows, ResolvedPlan, TeacherForced};
use vene::plan_file::{LabelName, LossName, TrainSection};
use vene::training::{CrossEntropy, FoilLead, Objective, SumOf};
use vene::{AnswerTokens, Outline, Plan};

/// The parameter on which `boundary_penalty` lies, of boundless rotations.
const BOUNDARIES: &str = "intervention_boundaries";

/// As `labels` says; else the source's answer (the foil) where the plan reads sources, the base's (the
/// target) where it doesn't.
pub fn label(section: &TrainSection, plan: &ResolvedPlan) -> LabelName {
    let usual = if plan.reads_sources() { LabelName::Foil } else { LabelName::Target };
    section.labels.unwrap_or(usual)
}

/// Why a row cannot be trained on with such labels, if it can't.
pub fn lacks(label: LabelName, section: &TrainSection, row: &PreparedRow) -> Option<Reason> {
    let [target, foil] = row.first_tokens();
    let both = section.loss == Some(LossName::LogitDifference);
    if target.is_empty() && (both || label == LabelName::Target) {
        return Some(Reason::NoTarget);
    }
    if foil.is_empty() && (both || label == LabelName::Foil) {
        return Some(Reason::NoFoil);
    }
    let is_foreign = row.row.foil_is == FoilIs::WrongAnswer;
    (is_foreign && label == LabelName::Foil).then_some(Reason::FoilNotOfSource)
}

/// What is trained over some rows: the plan, which in teacher forcing has the answers after the bases, and what its runs
/// should say.
pub struct Task {
    pub plan: ResolvedPlan,
    pub objective: Objective,
}

/// How much of a label a training learns. Default: its first token.
pub fn answers(section: &TrainSection) -> AnswerTokens {
    section.answers.unwrap_or(AnswerTokens::First)
}

/// Refuses what is about whole answers where first tokens are read.
pub fn check_answers(section: &TrainSection) -> anyhow::Result<()> {
    ensure!(
        section.end_token.is_none() || answers(section) == AnswerTokens::Whole,
        "`end_token` in [train] of the plan would change nothing in this training: it is read only with \
         `answers = \"whole\"`; leave it out"
    );
    ensure!(
        section.loss != Some(LossName::LogitDifference) || answers(section) == AnswerTokens::First,
        "[train] answers = \"whole\" goes with the loss `cross_entropy`: two answers of several tokens have no logits in \
         one run; leave `loss` out, or give `answers = \"first\"`"
    );
    Ok(())
}

/// The task over rows that the plan was laid over, of which none [lacks] anything.
pub fn of(
    outline: &Outline,
    plan: &Plan,
    section: &TrainSection,
    label: LabelName,
    over: OverRows,
) -> anyhow::Result<Task> {
    refuse_unread(section, &over.plan)?;
    check_answers(section)?;
    let task = match answers(section) {
        AnswerTokens::First => {
            let objective = of_first_tokens(section, label, &over)?;
            Task { plan: over.plan, objective }
        }
        AnswerTokens::Whole => of_answers(outline, plan, section, label, &over.rows)?,
    };
    let penalty = section.boundary_penalty.map(|weight| {
        let parameter = BOUNDARIES.to_owned();
        SumOf { parameter, weight }
    });
    Ok(match penalty {
        Some(penalty) => Task { objective: task.objective.penalty(penalty), ..task },
        None => task,
    })
}

/// All tokens of each row's label, each read after those before it.
fn of_answers(
    outline: &Outline,
    plan: &Plan,
    section: &TrainSection,
    label: LabelName,
    rows: &[PreparedRow],
) -> anyhow::Result<Task> {
    let end = end_token(outline, section)?;
    let of_row = |row: &PreparedRow| {
        let [target, foil] = row.answer_tokens();
        let own = if label == LabelName::Foil { foil } else { target };
        let mut answer = own.into_iter().next().with_context(|| {
            format!("{} has no answer that its edited run should say", row.name())
        })?;
        answer.extend(end);
        Ok(answer)
    };
    let answers = rows.iter().map(of_row).collect::<anyhow::Result<Vec<_>>>()?;
    let TeacherForced { plan, labels } = plan.teacher_forced_rows(outline, rows, &answers)?;
    Ok(Task { plan, objective: Objective::new(CrossEntropy::of_answers(labels)) })
}

/// The token that ends each whole answer, where one is wanted.
fn end_token(outline: &Outline, section: &TrainSection) -> anyhow::Result<Option<u32>> {
    if section.end_token != Some(true) {
        return Ok(None);
    }
    let end = outline.tokenizer().ends().first().copied();
    Ok(Some(end.context(
        "[train] end_token: the model's files name no token that ends a text; leave `end_token` out",
    )?))
}

fn of_first_tokens(
    section: &TrainSection,
    label: LabelName,
    rows: &OverRows,
) -> anyhow::Result<Objective> {
    let mut pairs = Vec::with_capacity(rows.rows.len());
    for row in &rows.rows {
        let [target, foil] = row.first_tokens();
        let (label, other) = if label == LabelName::Foil { (foil, target) } else { (target, foil) };
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
    Ok(match section.loss.unwrap_or(LossName::CrossEntropy) {
        LossName::CrossEntropy => {
            let labels: Vec<u32> = pairs.iter().map(|(label, _)| *label).collect();
            Objective::new(CrossEntropy::new(&labels))
        }
        LossName::LogitDifference => {
            let pairs: Option<Vec<[u32; 2]>> =
                pairs.iter().map(|(label, other)| Some([*label, (*other)?])).collect();
            match pairs {
                Some(pairs) => Objective::new(FoilLead::new(&pairs)),
                None => bail!("a logit difference needs target and foil in each row"),
            }
        }
    })
}

/// Refuses what is about parameters that no intervention of the plan has.
fn refuse_unread(section: &TrainSection, plan: &ResolvedPlan) -> anyhow::Result<()> {
    let edits = plan.edits().iter();
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
