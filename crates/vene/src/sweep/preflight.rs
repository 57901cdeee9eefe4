//! Before a sweep: which rows are used, and whether the model can do the task at all.
//!
//! A map of how a model computes an answer that it does not give is a map of nothing.

use std::sync::Arc;

use vene_data::{Continuation, FoilIs, PreparedRow, Role, RowName};
use vene_engine::Executor;
use vene_engine::plan::{Example, Plan, Positions};
use vene_model::ranking::accuracy_of_two;
use vene_model::{Outline, Prompt};

use super::Sweep;
use crate::metric::{
    ACCURACY, AnswerReads, Asked, LOGIT_DIFFERENCE, Metric, Observed, answer_outputs, numbers,
};
use crate::sweep::SweepError;

/// Rows that are run at once.
const ROWS: usize = 32;

/// What is known of a data set before it is swept.
#[derive(Clone, Debug, PartialEq)]
pub struct Preflight {
    /// Rows of the data set.
    pub rows: usize,
    /// Those that are used.
    pub used: usize,
    /// Why others are not: the kind of reason, how many rows, and the first with its reason.
    pub left_out: Vec<(String, usize, (RowName, String))>,
    /// Rows that are used whose foil is not the source's answer, or of which that is not known.
    pub foreign_foils: usize,
    /// Groups among the rows that are used; rows without one are not counted.
    pub groups: usize,
    /// Positions that are the same token in some rows, so that their effects are the same there: two of
    /// the sweep's roles, and in how many of the rows that are used.
    pub coinciding: Vec<(Role, Role, usize)>,
    /// Tokens of the shortest and of the longest base.
    pub base_tokens: (usize, usize),
    /// Likewise of the sources.
    pub source_tokens: Option<(usize, usize)>,
    /// Rows whose source is as long as their base, so that their positions align one to one.
    pub equally_long: usize,
    /// Rows each of whose answers is a single token.
    pub single_token_answers: usize,
    /// What the model says to the bases, where targets are right.
    pub base: Agreement,
    /// What the model says to the sources of the rows whose foils are right there; `None` where there
    /// is no such row.
    pub source: Option<Agreement>,
}

/// How far a model agrees with a data set.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Agreement {
    /// Prompts.
    pub prompts: usize,
    /// Share of them in which a right answer is the likeliest continuation of all; a tie is shared.
    pub likeliest: f64,
    /// Share of those with both answers in which the right one is likelier than the wrong one; a tie is one half.
    pub preferred: Option<f64>,
    /// Mean log-odds of the right against the wrong answer, in nats: the logit difference.
    pub logit_difference: Option<f64>,
}

pub(super) fn of(
    sweep: &Sweep,
    outline: &Outline,
    executor: &dyn Executor,
) -> Result<Preflight, SweepError> {
    let rows = &sweep.rows;
    let mut left_out: Vec<(String, usize, (RowName, String))> = Vec::new();
    for row in &sweep.left_out {
        let kind = row.reason.kind();
        match left_out.iter_mut().find(|(known, ..)| *known == kind) {
            Some((_, count, _)) => *count += 1,
            None => left_out.push((kind, 1, (row.name(), row.reason.to_string()))),
        }
    }
    let mut groups: Vec<&String> = rows.iter().filter_map(|row| row.row.group.as_ref()).collect();
    groups.sort_unstable();
    groups.dedup();
    let length = |prompts: &mut dyn Iterator<Item = &Prompt>| {
        let lengths: Vec<usize> = prompts.map(Prompt::len).collect();
        Some((*lengths.iter().min()?, *lengths.iter().max()?))
    };
    let foreign = |row: &&PreparedRow| {
        row.source.is_some() && !row.row.foil.is_empty() && row.row.foil_is != FoilIs::SourceAnswer
    };
    let both = |row: &&PreparedRow| {
        row.source.is_some() && !row.row.foil.is_empty() && row.row.foil_is == FoilIs::SourceAnswer
    };
    let asked: Vec<&PreparedRow> = rows.iter().collect();
    let answered: Vec<&PreparedRow> = rows.iter().filter(both).collect();
    let on_base = agreement(outline, executor, &asked, |row| Some(&row.base), false)?;
    let on_source = match answered.is_empty() {
        true => None,
        false => Some(agreement(outline, executor, &answered, |row| row.source.as_ref(), true)?),
    };
    Ok(Preflight {
        rows: rows.len() + sweep.left_out.len(),
        used: rows.len(),
        left_out,
        foreign_foils: rows.iter().filter(foreign).count(),
        groups: groups.len(),
        coinciding: coinciding(sweep),
        base_tokens: length(&mut rows.iter().map(|row| &row.base)).unwrap_or_default(),
        source_tokens: length(&mut rows.iter().filter_map(|row| row.source.as_ref())),
        equally_long: rows
            .iter()
            .filter(|row| row.source.as_ref().is_some_and(|source| source.len() == row.base.len()))
            .count(),
        single_token_answers: rows.iter().filter(|row| row.answers.are_single()).count(),
        base: on_base,
        source: on_source,
    })
}

/// Pairs of roles that are the same positions of the base in some rows.
fn coinciding(sweep: &Sweep) -> Vec<(Role, Role, usize)> {
    let mut pairs = Vec::new();
    for (second, other) in sweep.roles.iter().enumerate() {
        for (first, role) in sweep.roles[..second].iter().enumerate() {
            let same = |row: &&PreparedRow| row.base_positions[first] == row.base_positions[second];
            match sweep.rows.iter().filter(same).count() {
                0 => {}
                rows => pairs.push((role.clone(), other.clone(), rows)),
            }
        }
    }
    pairs
}

/// What the model says to one prompt of each row. `swapped`: foils are right, not targets.
fn agreement(
    outline: &Outline,
    executor: &dyn Executor,
    rows: &[&PreparedRow],
    prompt: impl Fn(&PreparedRow) -> Option<&Prompt>,
    swapped: bool,
) -> Result<Agreement, SweepError> {
    let (mut likeliest, mut preferred, mut odds, mut compared) = (0.0, 0.0, 0.0, 0);
    for rows in rows.chunks(ROWS) {
        for mut observed in observe(outline, executor, rows, &prompt)? {
            if swapped {
                std::mem::swap(&mut observed.target, &mut observed.foil);
            }
            likeliest += ACCURACY.value(&observed).unwrap_or_default();
            if let Some(difference) = LOGIT_DIFFERENCE.value(&observed) {
                compared += 1;
                odds += difference;
                preferred += accuracy_of_two(difference);
            }
        }
    }
    let share = |sum: f64| (compared > 0).then(|| sum / f64::from(compared));
    Ok(Agreement {
        prompts: rows.len(),
        likeliest: likeliest / rows.len().max(1) as f64,
        preferred: share(preferred),
        logit_difference: share(odds),
    })
}

/// What unedited runs say about the rows' answers, ranks of all included.
fn observe<'r>(
    outline: &Outline,
    executor: &dyn Executor,
    rows: &[&'r PreparedRow],
    prompt: impl Fn(&'r PreparedRow) -> Option<&'r Prompt>,
) -> Result<Vec<Observed<'static>>, SweepError> {
    let (mut examples, mut runs, mut read) = (Vec::new(), Vec::new(), Vec::new());
    for &row in rows {
        let prompt = prompt(row).unwrap_or(&row.base);
        for run in &row.answers.runs {
            read.push(run.positions_behind(prompt));
            examples
                .push(Example::new(run.behind(prompt, outline).map_err(SweepError::of_answer)?));
            runs.push(Continuation { targets: run.read.len(), ..run.clone() });
        }
    }
    let asked = |run| Asked { run, single: false, first: false, unedited: None };
    let outputs = answer_outputs(AnswerReads::Ranks, runs.iter().map(asked).collect());
    let plan = Plan::new()
        .read(Positions::Each(read))
        .outputs(outputs)
        .resolve_shared(outline, &Arc::from(examples))?;
    let mut observed = Vec::with_capacity(rows.len());
    executor.run_all(&[plan], &mut |_, outcome| {
        let mut showed = outcome.examples.iter().zip(&runs);
        for row in rows {
            let of_row = showed.by_ref().take(row.answers.runs.len());
            let read: Vec<_> = of_row.map(|(showed, run)| numbers(showed, run)).collect();
            let said = row.answers.said(|run, offset| read.get(run)?.get(offset));
            observed.extend(said.map(Observed::of));
        }
        std::ops::ControlFlow::Continue(())
    })?;
    Ok(observed)
}
