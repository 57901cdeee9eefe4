//! What `run.json` says of a sweep over one pair of prompts: everything that is needed to run it again, and what each
//! intervention did.

use serde_json::{Value, json};
use vene::plan::Outcome;
use vene::sweep::{Cell, CellOutcome, noise_floor};
use vene::{Control, Direction, Distribution, Method, Prompt};

use super::{Finished, one_or_each};
use crate::command::likeliest;
use crate::prompts;
use crate::record::Record;
use crate::{model, threads};

const LIKELIEST: usize = 10;

/// Says what came of a run.
pub fn end(
    record: &mut Record,
    run: &Finished,
    draw_seconds: f64,
    files: &[String],
) -> anyhow::Result<()> {
    let sweep = &run.sweep;
    let prompts: Vec<&Prompt> = std::iter::once(sweep.base()).chain(sweep.sources()).collect();
    let distributions =
        crate::executor::on(run.executor, &run.model, run.memory).predict(&prompts)?;
    let mut prompts =
        prompts.into_iter().zip(&distributions).map(|(text, told)| prompt(run, text, told));
    let base = prompts.next();
    let sources: Vec<Value> = prompts.collect();
    let targets: Vec<Value> = sweep
        .targets()
        .iter()
        .enumerate()
        .map(|(index, target)| {
            json!({
                "token": target.text,
                "id": target.id,
                "base_probability": run.outcome.base().map(|base| base.probabilities[index]),
                "source_probability": run.outcome.source().map(|source| source.probabilities[index]),
                "noise_floor": run.outcome.noise_floor().map(|noise| noise[index]),
            })
        })
        .collect();
    let receipts: Vec<Value> =
        run.outcome.interventions().map(|intervention| receipt(run, intervention)).collect();
    let changed = run.outcome.interventions().filter(|(.., cell)| cell.unchanged.is_none()).count();
    record.set("model", model::record(&run.model, &run.spec.model)?);
    record.set("base", json!(base));
    record.set("sources", json!(sources));
    record.set("targets", json!(targets));
    record.set("options", options(run));
    record.set(
        "timings",
        json!({
            "load_seconds": run.load_seconds,
            "sweep_seconds": run.sweep_seconds,
            "draw_seconds": draw_seconds,
        }),
    );
    record.set_files(files);
    record.set("interventions", json!(receipts.len()));
    record.set("noise_places", json!(sweep.noise_places()));
    if !sweep.metrics().is_empty() {
        record.set("noise_floor", json!(noise_floor(run.outcome.examples())));
    }
    record.set("changed", json!(changed));
    record.set("receipts", json!(receipts));
    Ok(())
}

/// All options as they were understood, defaults included.
fn options(run: &Finished) -> Value {
    let sweep = &run.sweep;
    let distinct = |values: &mut dyn Iterator<Item = Option<usize>>| {
        let mut seen = Vec::new();
        for value in values.flatten() {
            if !seen.contains(&value) {
                seen.push(value);
            }
        }
        seen
    };
    let cells = sweep.cells();
    let mut components: Vec<&str> = Vec::new();
    for cell in cells {
        if !components.contains(&cell.component.name()) {
            components.push(cell.component.name());
        }
    }
    let mut intervention = json!({ "name": sweep.method().name() });
    match sweep.method() {
        Method::Scaling { factor } => intervention["factor"] = json!(factor),
        Method::Noise { standard_deviation, draws } => {
            intervention["standard_deviation"] = json!(standard_deviation);
            intervention["seed"] = json!(sweep.seed());
            intervention["draws"] = json!(draws);
        }
        _ => {}
    }
    json!({
        "intervention": intervention,
        "components": components,
        "layers": distinct(&mut cells.iter().map(|cell| cell.layer)),
        "heads": distinct(&mut cells.iter().map(|cell| cell.head)),
        "positions": position_pairs(run),
        "unit": sweep.unit().name(),
        "metrics": sweep.metrics().iter().map(|metric| metric.name()).collect::<Vec<_>>(),
        "target": sweep.rows().first().map(|row| &row.row.target),
        "foil": sweep.rows().first().map(|row| &row.row.foil),
        "answers": if sweep.first_tokens() { "first" } else { "whole" },
        "directions": sweep.directions().iter().map(|direction| direction.name()).collect::<Vec<_>>(),
        "window": sweep.window(),
        "effect": sweep.effect().name(),
        "controls": sweep.controls().iter().map(|control| control.name()).collect::<Vec<_>>(),
        "seed": sweep.seed(),
        "prompts": prompts::record(&run.form),
        "executor": run.executor.name(),
        "precision": run.precision.name(),
        "memory_bytes": run.memory,
        "threads": threads::count(),
    })
}

/// The swept positions, each with that in each source that is read.
fn position_pairs(run: &Finished) -> Vec<Value> {
    let sweep = &run.sweep;
    let mut pairs = Vec::new();
    for cell in sweep.cells() {
        let Some(row) = sweep.rows().first() else { continue };
        let first = |positions: &[usize]| positions.first().copied();
        let sources = sweep.source_positions_of(cell, row).into_iter();
        let source = one_or_each(sources.filter_map(first));
        if let Some(position) = first(sweep.positions_of(cell, row)) {
            let pair = json!({ "base": position, "source": source });
            if !pairs.contains(&pair) {
                pairs.push(pair);
            }
        }
    }
    pairs
}

fn prompt(run: &Finished, prompt: &Prompt, distribution: &Distribution) -> Value {
    let tokens = prompt.tokens().iter().map(|&id| model::token_text(&run.model, id));
    json!({
        "text": prompt.text(),
        "bos": prompt.has_bos(),
        "token_ids": prompt.tokens(),
        "tokens": tokens.collect::<Vec<_>>(),
        "likeliest": likeliest(&run.model, distribution, LIKELIEST),
    })
}

/// What one intervention did, or why it did nothing.
fn receipt(
    run: &Finished,
    (direction, control, cell, outcome): (Direction, Option<Control>, &Cell, &CellOutcome),
) -> Value {
    let receipt = &outcome.receipt;
    let position = cell.position.and_then(|_| receipt.positions.first());
    let mut value = json!({
        "component": cell.component.name(),
        "layer": cell.layer,
        "position": position,
        "head": cell.head,
        "written_positions": receipt.positions,
        "written_keys": receipt.keys,
        "read_positions": one_or_each(receipt.read.iter().map(|(_, positions)| positions)),
    });
    if run.sweep.directions().len() > 1 || control.is_some() {
        value["direction"] = json!(direction.name());
        value["control"] = json!(control.map_or("none", Control::name));
    }
    let unchanged = |reason: &str| json!({ "changed": 0, "unchanged": reason });
    value["outcome"] = match &receipt.outcome {
        Outcome::Changed(change) => json!({
            "written": change.written,
            "changed": change.changed,
            "root_mean_square": change.root_mean_square,
            "largest": change.largest,
            "before_root_mean_square": change.before,
        }),
        Outcome::SharedPrefix => {
            unchanged("shared prefix: base and source are the same up to the read positions")
        }
        Outcome::SameValues => unchanged("same values: what was written is what was there"),
        Outcome::NotEdited => unchanged("not edited: the plan names nothing of this example"),
    };
    value
}
