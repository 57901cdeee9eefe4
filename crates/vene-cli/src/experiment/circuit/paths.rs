//! Paths from senders, each by itself or all together, to receivers.

use anyhow::Context;
use vene::Outline;
use vene::circuit::{PatchPlace, PathEffects, SenderSet};
use vene::plan_file::List;

use super::list::{receives, sends};
use crate::arguments::ReadBy;
use crate::circuit::Measure;
use crate::data_set::DataSet;
use crate::experiment::{Experiment, key};

const READ_BY: &ReadBy = &[
    ("[circuit] method", "by `vene circuit edges`"),
    ("[circuit] steps", "by `vene circuit edges`"),
];

pub(super) fn prepare(
    experiment: &Experiment,
    outline: &Outline,
    data: &DataSet,
) -> anyhow::Result<(Box<dyn Measure>, String, &'static ReadBy)> {
    let rows = super::circuit_rows(
        experiment,
        outline,
        data,
        super::places(experiment, data, PatchPlace::All)?,
    )?;
    let graph = rows.graph();
    let List(receivers) = key!(experiment, circuit.receivers)
        .context("--receivers is missing: what reads the paths, such as a9.h9<q> or logits")?;
    let receivers = receives(&receivers, graph)?;
    let List(named) = key!(experiment, circuit.senders).unwrap_or(List("heads".to_owned()));
    let last = receivers.iter().map(|receiver| graph.read_by(*receiver)).max().unwrap_or(0);
    let senders = sends(&named, graph)?;
    // Of a kind of senders, those that somebody reads.
    let is_kind = |name: &str| matches!(name.trim(), "all" | "heads" | "mlps");
    let senders: Vec<_> = match named.split(',').all(is_kind) {
        true => senders.into_iter().filter(|one| graph.sender_index(*one) < last).collect(),
        false => senders,
    };
    let sets: Vec<SenderSet> = match key!(experiment, circuit.together).unwrap_or(false) {
        true => vec![SenderSet { name: named.replace(',', "+").replace(' ', ""), senders }],
        false => senders.into_iter().map(SenderSet::from).collect(),
    };
    let mut paths = PathEffects::new(rows, sets, receivers)?
        .ablation(super::ablation(experiment))
        .through(key!(experiment, circuit.through).unwrap_or_default())
        .norm(key!(experiment, circuit.norm).unwrap_or_default());
    if let Some(memory) = key!(experiment, limits.memory) {
        paths = paths.memory(memory);
    }
    Ok((Box::new(paths), "path patching over a data set".to_owned(), READ_BY))
}
