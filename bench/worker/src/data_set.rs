//! A sweep over a data set, as users of the library declare it.
//!
//! Prompts are texts here, and the models' folders lack a tokenizer, so the sweep is built on the
//! outline of the GGUF file and run on the folder's model, whose weights all tools read. What is
//! timed is all between the rows and the table: tokenizing, finding the positions, the passes.

use std::cell::RefCell;
use std::collections::HashMap;
use std::ops::ControlFlow;
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use serde::Deserialize;
use vene::data::{Role, Row, read};
use vene::plan::ResolvedPlan;
use vene::{Component, Executor, Forked, Model, Outline, PlanOutcome, RunError, Sweep, SweepUnit};

/// A workload of the kind `data_set`; what the fields mean is told in `workloads.py`.
#[derive(Deserialize)]
pub(crate) struct DataSetWorkload {
    pub(crate) model: String,
    /// A file of rows.
    rows: String,
    /// The file whose tokenizer is the model's.
    tokenizer: String,
    roles: Vec<String>,
    /// As many as rows are to be used.
    examples: Vec<serde::de::IgnoredAny>,
    cells: Vec<Cell>,
}

/// A place; several make the smallest grid in which all of them are.
#[derive(Clone, Deserialize, PartialEq, Eq, Hash)]
struct Cell {
    component: String,
    layer: usize,
    role: usize,
    head: Option<usize>,
}

/// What a sweep took.
pub(crate) struct Swept {
    pub(crate) seconds: f64,
    pub(crate) values: Vec<f64>,
    /// What was run, pass by pass.
    pub(crate) passes: Vec<Vec<ResolvedPlan>>,
}

/// The forked executor, which also keeps the plans, so that their operations can be counted after
/// the sweep was timed.
struct Recording<'a> {
    forked: Forked<'a>,
    passes: RefCell<Vec<Vec<ResolvedPlan>>>,
}

impl Executor for Recording<'_> {
    fn name(&self) -> &'static str {
        self.forked.name()
    }

    fn run_all(
        &self,
        plans: &[ResolvedPlan],
        each: &mut dyn FnMut(usize, PlanOutcome) -> ControlFlow<()>,
    ) -> Result<(), RunError> {
        self.passes.borrow_mut().push(plans.to_vec());
        self.forked.run_all(plans, each)
    }

    fn token_embeddings(&self, tokens: &[u32]) -> Result<Vec<Vec<f64>>, RunError> {
        self.forked.token_embeddings(tokens)
    }
}

impl DataSetWorkload {
    /// Sweeps, and gives the values of the workload's cells, row by row.
    pub(crate) fn sweep(&self, model: &Model) -> Result<Swept> {
        let outline = Outline::open(&self.tokenizer, &mut |_| {})?;
        let mut rows = read(&self.rows)?;
        rows.truncate(self.examples.len());
        let executor = Recording { forked: Forked::new(model), passes: RefCell::default() };

        let start = Instant::now();
        let sweep = self.declared(&outline, &rows)?;
        let table = sweep.run_with(&outline, &executor)?.into_examples();
        let seconds = start.elapsed().as_secs_f64();

        if let Some(left_out) = sweep.left_out().first() {
            anyhow::bail!("row {} is left out: {}", left_out.index, left_out.reason);
        }
        let values = self.in_order(&sweep, table.floats("value")?)?;
        Ok(Swept { seconds, values, passes: executor.passes.into_inner() })
    }

    fn declared(&self, outline: &Outline, rows: &[Row]) -> Result<Sweep> {
        let components = distinct(self.cells.iter().map(|cell| cell.component.as_str()));
        let components =
            components.into_iter().map(str::parse).collect::<Result<Vec<Component>, _>>()?;
        let roles = self.roles.iter().map(|role| role.parse()).collect::<Result<Vec<Role>, _>>()?;
        let used = distinct(self.cells.iter().map(|cell| cell.role));
        let mut builder = Sweep::builder(outline)
            .rows(rows)
            .components(components)
            .layers(distinct(self.cells.iter().map(|cell| cell.layer)))
            .roles(used.into_iter().filter_map(|role| roles.get(role).cloned()))
            .first_tokens(true);
        let heads = distinct(self.cells.iter().filter_map(|cell| cell.head));
        if !heads.is_empty() {
            builder = builder.unit(SweepUnit::HeadPosition).heads(heads);
        }
        Ok(builder.build()?)
    }

    /// The table's values, which come row by row, in the workload's order: cell by cell.
    fn in_order(&self, sweep: &Sweep, values: &[f64]) -> Result<Vec<f64>> {
        let (cells, rows) = (sweep.cells().len(), sweep.rows().len());
        ensure!(values.len() == cells * rows, "{} values of {cells} x {rows}", values.len());
        let place: HashMap<Cell, usize> = sweep
            .cells()
            .iter()
            .enumerate()
            .filter_map(|(place, cell)| {
                let role = sweep.roles().get(cell.position?)?.to_string();
                let cell = Cell {
                    component: cell.component.name().to_owned(),
                    layer: cell.layer?,
                    role: self.roles.iter().position(|name| *name == role)?,
                    head: cell.head,
                };
                Some((cell, place))
            })
            .collect();
        let mut ordered = Vec::with_capacity(self.cells.len() * rows);
        for cell in &self.cells {
            let place = *place.get(cell).context("the sweep lacks a cell")?;
            ordered.extend((0..rows).map(|row| values[row * cells + place]));
        }
        Ok(ordered)
    }
}

/// What there is, each once, sorted.
fn distinct<T: Ord>(all: impl Iterator<Item = T>) -> Vec<T> {
    let mut all: Vec<T> = all.collect();
    all.sort_unstable();
    all.dedup();
    all
}
