//! What becomes of a checked collection of activations: one file of tensors, or a folder with a record, in which a run that
//! was stopped goes on, and shards are put together.

pub mod file;
pub mod folder;

use std::ops::{ControlFlow, Range};

use anyhow::ensure;
use serde_json::{Value, json};
use vene::plan_sweep::{Collected, PlanBatch, PlanSweep};
use vene::{Component, Forked, Model, Outline, Precision};

use crate::data_set::DataSource;
use crate::experiment::Spec;
use crate::model;
use crate::shard::Shard;
use crate::stacked::Stack;

/// A component in a layer.
pub type CollectedSite = (Component, Option<usize>);

/// What is collected on a model, and how it lies in tensors.
pub struct Checked {
    pub data: DataSource,
    pub sweep: PlanSweep,
    /// How many sites there are.
    pub sites: usize,
    pub layout: Layout,
    /// About how many bytes the rows of one pass may take.
    pub memory: Option<usize>,
}

/// How it is run, and told.
pub struct Settings {
    pub spec: Spec,
    pub precision: Precision,
    pub json: bool,
    /// The stretch of the rows that is run, where not all are.
    pub shard: Option<Shard>,
}

/// How what is collected lies in a file.
#[derive(Clone)]
pub struct Layout {
    /// One for each site.
    pub stacks: Vec<Stack>,
    /// For each of the positions that are kept the first of its places in a row of a tensor.
    pub starts: Vec<usize>,
    /// For each row how many of each of these positions it has, where rows are padded.
    pub lengths: Option<Vec<Vec<usize>>>,
}

impl Layout {
    /// Of so many lists of positions, the same at each site.
    pub fn of(
        outline: &Outline,
        sweep: &PlanSweep,
        sites: &[CollectedSite],
        items: usize,
        pad: bool,
    ) -> anyhow::Result<Self> {
        let config = outline.config();
        let counts = |row| {
            let mut counts = sweep.collected_at(row);
            counts.truncate(items);
            counts
        };
        let counts: Vec<Vec<usize>> = sweep.rows().iter().map(counts).collect();
        let mut most = counts.first().cloned().unwrap_or_default();
        for (row, of_row) in sweep.rows().iter().zip(&counts) {
            for (most, &count) in most.iter_mut().zip(of_row) {
                ensure!(
                    pad || *most == count,
                    "{} has {count} positions, and rows before it have {most}: rows of unequal numbers of positions \
                     make no tensor; collect at positions that each row has once (--positions), or fill up with zeros \
                     (--pad)",
                    row.name()
                );
                *most = (*most).max(count);
            }
        }
        let stack = |&(component, layer): &CollectedSite| {
            let of_row = match component.width(config) {
                Some(width) => vec![most.iter().sum(), width],
                None => vec![config.heads, most[0], most[0]],
            };
            let name = layer.map_or_else(String::new, |layer| format!("/{layer}"));
            Stack { name: format!("{component}{name}"), of_row }
        };
        let starts = (0..items).map(|item| most[..item].iter().sum()).collect();
        let stacks = sites.iter().map(stack).collect();
        Ok(Self { stacks, starts, lengths: pad.then_some(counts) })
    }
}

/// A row's values on their way into a tensor.
pub struct Place<'c> {
    pub tensor: usize,
    pub row: usize,
    /// The first of their places in the row.
    pub first: usize,
    pub shape: &'c [usize],
    pub values: &'c [f32],
}

/// Where what a batch collected belongs, whose first row this is; `starts` are the positions' first places in a row.
pub fn places<'c>(
    collected: &'c Collected,
    first_row: usize,
    starts: &'c [usize],
    sites: usize,
) -> impl Iterator<Item = Place<'c>> {
    let items = collected.values.iter().enumerate().take(sites * starts.len());
    items.flat_map(move |(index, rows)| {
        let (tensor, first) = (index / starts.len(), starts[index % starts.len()]);
        rows.iter().enumerate().map(move |(row, values)| Place {
            tensor,
            row: first_row + row,
            first,
            shape: &values.shape,
            values: &values.values,
        })
    })
}

impl Checked {
    /// The executor of a collection.
    fn executor<'m>(&self, model: &'m Model) -> Forked<'m> {
        let executor = Forked::new(model);
        self.memory.map_or(executor, |bytes| executor.memory(bytes))
    }

    /// Runs a batch; its rows' values are given to `put` one after the other, the first of the batch as row 0.
    fn run_batch(
        &self,
        model: &Model,
        executor: &Forked<'_>,
        batch: Range<usize>,
        progress: &mut dyn FnMut(usize),
        put: &mut dyn FnMut(Place<'_>) -> anyhow::Result<()>,
    ) -> anyhow::Result<PlanBatch> {
        let part = self.sweep.run_batch(model, executor, batch, &mut |done| {
            progress(done);
            ControlFlow::Continue(())
        })?;
        places(&part.collected, 0, &self.layout.starts, self.sites).try_for_each(put)?;
        Ok(part)
    }

    /// The names of the tensors with their shapes, a line each.
    fn listing(&self, rows: usize) -> String {
        let line = |stack: &Stack| {
            format!("  {} {:?}\n", stack.name, [&[rows], &stack.of_row[..]].concat())
        };
        self.layout.stacks.iter().map(line).collect()
    }

    /// What a file of tensors says of itself. Its rows stand in a table of their own, or else are told here.
    fn description(
        &self,
        outline: &Outline,
        spec: &Spec,
        rows: &Range<usize>,
        has_table: bool,
    ) -> anyhow::Result<String> {
        let rows = &self.sweep.rows()[rows.clone()];
        let token = |&id: &u32| model::token_text(outline, id);
        let prompts = rows.iter().map(|row| {
            let prompt = &row.base;
            json!({
                "text": prompt.text(),
                "bos": prompt.has_bos(),
                "token_ids": prompt.tokens(),
                "tokens": prompt.tokens().iter().map(token).collect::<Vec<_>>(),
            })
        });
        let mut description = json!({
            "vene": env!("CARGO_PKG_VERSION"),
            "model": model::record(outline, &spec.model)?,
            "experiment": spec.experiment,
            "plan_files": spec.files,
        });
        if has_table {
            let data = &self.data;
            description["data"] =
                json!({ "from": data.from, "sha256": data.sha256, "rows": data.rows });
            description["rows"] = rows.iter().map(|row| row.index).collect::<Value>();
        } else {
            description["prompts"] = prompts.collect::<Value>();
        }
        Ok(description.to_string())
    }
}
