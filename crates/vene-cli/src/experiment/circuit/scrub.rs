//! Causal scrubbing by hypotheses.

use anyhow::{Context, ensure};
use vene::Outline;
use vene::circuit::{PatchPlace, Scrubbing};
use vene::metric::LOG_PROBABILITY;

use crate::arguments::ReadBy;
use crate::circuit::Measure;
use crate::data_set::DataSet;
use crate::experiment::{Experiment, key};
use crate::rows;

const READ_BY: &ReadBy = &[
    (
        "[circuit] ablation",
        "where edges are patched: what no hypothesis claims is taken from other rows",
    ),
    ("[circuit] graph", "where edges are patched: hypotheses speak of heads"),
    ("[circuit] positions", "where edges are patched: hypotheses speak of all positions"),
];

pub(super) fn prepare(
    experiment: &Experiment,
    outline: &Outline,
    data: &DataSet,
) -> anyhow::Result<(Box<dyn Measure>, String, &'static ReadBy)> {
    let hypotheses = key!(experiment, circuit.hypotheses).context(
        "--hypothesis is missing: a file that says which parts of the model compute what (`vene circuit scrub --help`)",
    )?;
    let mut places: Vec<PatchPlace> = Vec::new();
    for hypothesis in &hypotheses {
        let wrong = || format!("the hypothesis `{}`", hypothesis.name);
        for role in hypothesis.roles(&[]).with_context(wrong)? {
            rows::check_role(&role, &data.rows, &data.unused).with_context(wrong)?;
            let place = PatchPlace::Role(role);
            if !places.contains(&place) {
                places.push(place);
            }
        }
    }
    if places.is_empty() {
        places.push(PatchPlace::All);
    }
    let rows = super::rows_measured(experiment, outline, data, LOG_PROBABILITY)?
        .places(places)
        .reads_source(false)
        .build()?;
    let mut scrubbing =
        Scrubbing::new(rows, hypotheses)?.seed(key!(experiment, statistics.seed).unwrap_or(0));
    if let Some(draws) = key!(experiment, circuit.draws) {
        ensure!(draws <= 100_000, "--draws {draws}: at most 100000");
        scrubbing = scrubbing.draws(draws);
    }
    if let Some(memory) = key!(experiment, limits.memory) {
        scrubbing = scrubbing.memory(memory);
    }
    Ok((Box::new(scrubbing), "causal scrubbing over a data set".to_owned(), READ_BY))
}
