//! Pairs of heads, and Shapley values.

use anyhow::ensure;
use vene::Outline;
use vene::circuit::{HeadPairs, PatchPlace};
use vene::data::Role;
use vene::plan_file::List;

use super::list::sends;
use crate::arguments::ReadBy;
use crate::circuit::Measure;
use crate::data_set::DataSet;
use crate::experiment::{Experiment, key};

const READ_BY: &ReadBy = &[
    ("[circuit] method", "by `vene circuit edges`"),
    ("[circuit] norm", "by `vene circuit edges` and `vene circuit paths`"),
    ("[circuit] receivers", "by `vene circuit edges` and `vene circuit paths`"),
];

pub(super) fn prepare(
    experiment: &Experiment,
    outline: &Outline,
    data: &DataSet,
) -> anyhow::Result<(Box<dyn Measure>, String, &'static ReadBy)> {
    let places = super::places(experiment, data, PatchPlace::Role(Role::Last))?;
    let rows = super::circuit_rows(experiment, outline, data, places)?;
    let List(named) = key!(experiment, circuit.senders).unwrap_or(List("heads".to_owned()));
    let heads = sends(&named, rows.graph())?;
    let orders = key!(experiment, circuit.shapley).unwrap_or(0);
    ensure!(orders <= 100_000, "--shapley {orders}: at most 100000 orders");
    let mut pairs = HeadPairs::new(rows, &heads)?
        .ablation(super::ablation(experiment))
        .shapley(orders)
        .seed(key!(experiment, statistics.seed).unwrap_or(0));
    if let Some(memory) = key!(experiment, limits.memory) {
        pairs = pairs.memory(memory);
    }
    Ok((Box::new(pairs), "pairs of heads over a data set".to_owned(), READ_BY))
}
