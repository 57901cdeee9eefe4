//! A generation into a folder: each token with its probability, what was collected as it was drawn, and the record by which
//! it is run again.
//!
//! A row of a tensor is a row of the table: what a pass showed at the position that it read last, and the token that was
//! drawn from what it said.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use anyhow::{Context, ensure};
use serde_json::json;
use vene::generation::{Continuation, NewToken};
use vene::plan::ResolvedPlan;
use vene::{Generation, Model, Outline, Table};

use super::Job;
use crate::data_set::DataSource;
use crate::experiment::{self, Spec};
use crate::folder::Folder;
use crate::record::{Kind, RECORD, Record};
use crate::stacked::{Stack, Stacked};
use crate::{model, terminal};

const TOKENS: &str = "tokens.parquet";
const COLLECTED: &str = "collected.safetensors";

/// A token of a text: whether it is the original's, the sample, and the step.
type Place = (bool, usize, usize);

/// Refuses a plan whose collects make no tensor with a row for each token.
///
/// # Errors
/// Positions of the prompt other than one.
pub fn check(plan: &ResolvedPlan) -> anyhow::Result<()> {
    let last = plan.examples()[0].base.len() - 1;
    for (site, positions) in plan.collected_at(0) {
        ensure!(
            positions == [last],
            "a generation collects {site} where each token is drawn from, which in the prompt is its last position: \
             leave out `positions` in [[collect]]; `vene collect` keeps other positions of prompts"
        );
    }
    Ok(())
}

/// Generates, and writes what came of it into a folder that was claimed for that.
///
/// # Errors
/// Failures of the computation; what cannot be written.
pub fn write(
    job: &Job,
    model: &Model,
    spec: &Spec,
    folder: &Folder,
    as_json: bool,
) -> anyhow::Result<Generation> {
    let stacks = stacks(&job.plan, model);
    let collected = (!stacks.is_empty()).then_some(COLLECTED);
    let files: Vec<String> =
        [TOKENS].into_iter().chain(collected).chain([RECORD]).map(str::to_owned).collect();
    folder.check_files(&files)?;
    let mut record = begin(model, spec, job)?;
    folder.begin(&mut record, &files)?;
    folder.run(|| {
        let most = job.generator.samples * job.generator.max_new_tokens;
        let texts = 1 + usize::from(job.with_original);
        let mut stacked = Stacked::new(folder.path(), stacks, texts * most, None)?;
        let mut rows: BTreeMap<Place, usize> = BTreeMap::new();
        let mut kept = Ok(());
        let mut each = |token: &NewToken<'_>| {
            let row = rows.len();
            rows.insert((token.is_original, token.sample, token.step), row);
            kept = keep(&mut stacked, row, token);
            if kept.is_ok() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        };
        let generation = if as_json {
            job.generator.run(model, &job.plan, &mut each)?
        } else {
            job.stream(model, &mut each)?
        };
        kept?;
        let about = model::record(model, &spec.model)?;
        record.set("result", job.result(model, &generation)?);
        record.set("model", about.clone());
        record.set_files(&files);
        let notes = json!({
            "vene": env!("CARGO_PKG_VERSION"),
            "model": about,
            "experiment": spec.experiment,
            "plan_files": spec.files,
        });
        let order: Vec<usize> = rows.into_values().collect();
        folder.fill(&mut record, |files| {
            files.parquet(TOKENS, table(model, &job.plan, &generation)?)?;
            if collected.is_none() {
                return Ok(());
            }
            stacked.finish_rows(&order, &notes.to_string(), &files.path(COLLECTED))
        })?;
        folder.complete(&mut record)?;
        if as_json {
            terminal::print_json(&record.value())?;
        } else {
            terminal::print(&terminal::written(folder.path().display(), &files))?;
        }
        Ok(generation)
    })
}

/// The record of one that begins.
fn begin(outline: &Outline, spec: &Spec, job: &Job) -> anyhow::Result<Record> {
    let data = DataSource {
        from: "one prompt".to_owned(),
        sha256: vene_files::sha256(&job.prompt),
        rows: 1,
    };
    experiment::begin(Kind::Generation, outline, spec, &data, &[], json!({}))
}

/// A tensor for each site that the plan collects, with a position a row.
fn stacks(plan: &ResolvedPlan, outline: &Outline) -> Vec<Stack> {
    let config = outline.config();
    let stack = |(site, _): (vene::Site, _)| {
        let layer = site.layer().map_or_else(String::new, |layer| format!("/{layer}"));
        let width = site.component().width(config).unwrap_or_default();
        Stack { name: format!("{}{layer}", site.component()), of_row: vec![1, width] }
    };
    plan.collected_at(0).map(stack).collect()
}

/// Writes what was collected as a token was drawn.
fn keep(stacked: &mut Stacked, row: usize, token: &NewToken<'_>) -> anyhow::Result<()> {
    for (tensor, values) in token.collected.iter().enumerate() {
        let values: Vec<f32> =
            values.to_dtype(vene::candle_core::DType::F32)?.flatten_all()?.to_vec1()?;
        stacked.write(tensor, row, 0, &[1, values.len()], &values)?;
    }
    Ok(())
}

/// A row for each new token, text by text.
fn table(outline: &Outline, plan: &ResolvedPlan, generation: &Generation) -> anyhow::Result<Table> {
    let prompt = plan.examples()[0].base.tokens();
    let read = prompt.last().copied().context("the prompt has no token")?;
    struct Line {
        text: &'static str,
        sample: i64,
        step: i64,
        read: u32,
        token: u32,
        log_probability: f64,
    }
    let mut lines = Vec::new();
    let mut add = |text: &'static str, continuations: &[Continuation]| {
        for continuation in continuations {
            let mut read = read;
            let drawn = continuation.tokens.iter().zip(&continuation.log_probabilities);
            for (step, (&token, &log_probability)) in drawn.enumerate() {
                let (sample, step) = (continuation.sample as i64, step as i64);
                lines.push(Line { text, sample, step, read, token, log_probability });
                read = token;
            }
        }
    };
    add(if plan.edits().is_empty() { "text" } else { "edited" }, &generation.continuations);
    add("original", &generation.originals);
    let texts = |of: fn(&Line) -> u32| -> Vec<String> {
        lines.iter().map(|line| model::token_text(outline, of(line))).collect()
    };
    let whole = |of: &dyn Fn(&Line) -> i64| lines.iter().map(of).collect::<Vec<i64>>();
    let first = prompt.len() as i64 - 1;
    let table = Table::builder()
        .column("row", (0..lines.len() as i64).collect::<Vec<_>>())
        .column("text", lines.iter().map(|line| line.text).collect::<Vec<_>>())
        .column("sample", whole(&|line| line.sample))
        .column("step", whole(&|line| line.step))
        .column("position", whole(&|line| first + line.step))
        .column("read_id", whole(&|line| i64::from(line.read)))
        .column("read_token", texts(|line| line.read))
        .column("id", whole(&|line| i64::from(line.token)))
        .column("token", texts(|line| line.token))
        .column(
            "log_probability",
            lines.iter().map(|line| line.log_probability).collect::<Vec<_>>(),
        );
    Ok(table.build()?)
}

/// Whether anything is to be collected, which needs a folder.
pub fn collects(plan: &ResolvedPlan) -> bool {
    plan.collected_at(0).next().is_some()
}
