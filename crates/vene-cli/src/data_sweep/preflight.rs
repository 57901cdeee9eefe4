//! What is known before a sweep over a data set, as text and as JSON.

use std::fmt::Write;
use std::path::Path;

use serde_json::{Value, json};
use vene::sweep::{Agreement, Forecast, Preflight};
use vene::{ExecutorName, Outline, Sweep};

use crate::model;
use crate::terminal::{self, duration};
use crate::threads;

/// With fewer clusters than this an interval holds the mean less often than it says.
pub(super) const FEW_CLUSTERS: usize = 10;

/// The preflight, as text for a terminal.
pub fn text(outline: &Outline, sweep: &Sweep, preflight: &Preflight) -> String {
    let Preflight { rows, used, .. } = *preflight;
    let (shortest, longest) = preflight.base_tokens;
    let mut text = format!(
        "{} on {}: {used} of {rows} rows{}\n  base            {shortest} to {longest} tokens\n",
        sweep.method().name(),
        model::short_name(outline),
        match preflight.groups {
            0 => String::new(),
            groups => format!(", {groups} groups"),
        },
    );
    if (1..FEW_CLUSTERS).contains(&preflight.groups) {
        let _ = writeln!(
            text,
            "  few groups      {}: intervals rest on the groups, not on the rows, and hold less than they say",
            preflight.groups
        );
    }
    for (role, other, rows) in &preflight.coinciding {
        let _ = writeln!(
            text,
            "  positions       {role} and {other} are the same token in {rows} rows"
        );
    }
    if let Some((shortest, longest)) = preflight.source_tokens {
        let equal = preflight.equally_long;
        let _ = writeln!(
            text,
            "  source          {shortest} to {longest} tokens; {equal} rows are as long as their base"
        );
    }
    let _ = match sweep.first_tokens() {
        true => writeln!(text, "  answers         read by their first token"),
        false => {
            let single = preflight.single_token_answers;
            writeln!(
                text,
                "  answers         single tokens in {single} rows, else read in sequence"
            )
        }
    };
    agreement(&mut text, "model on base", &preflight.base);
    if let Some(source) = &preflight.source {
        agreement(&mut text, "model on source", source);
    }
    if preflight.foreign_foils > 0 {
        let _ = writeln!(
            text,
            "  foils           not the source's answer in {} rows, as far as the data set says",
            preflight.foreign_foils
        );
    }
    for (kind, count, (row, reason)) in &preflight.left_out {
        let _ = writeln!(text, "  left out        {count}: {kind} ({row}: {reason})");
    }
    text
}

fn agreement(text: &mut String, whose: &str, agreement: &Agreement) {
    let _ = write!(
        text,
        "  {whose:<15} right answer likeliest of all in {:.0} %",
        100.0 * agreement.likeliest
    );
    if let (Some(preferred), Some(difference)) = (agreement.preferred, agreement.logit_difference) {
        let _ = write!(
            text,
            ", of the two in {:.0} %; logit difference {}",
            100.0 * preferred,
            terminal::number(difference)
        );
    }
    text.push('\n');
}

/// What the sweep costs, as text.
pub fn cost(sweep: &Sweep, forecast: &Forecast, executor: ExecutorName, out: &Path) -> String {
    let saved = forecast.operations_one_by_one / forecast.operations;
    let note = match executor {
        ExecutorName::Forked => "",
        ExecutorName::Reference => " by the forked executor; the reference takes far longer",
    };
    format!(
        "\
nothing was swept, nothing written
  interventions   {} at {}; about {} change nothing: base and source are the same up to there
  forward passes  {}
  operations      {:.1} GFLOP, {saved:.0} times less than a pass over base and source for each
  memory          {:.0} MB
  time            {}{note} ({} threads; matrix products and attention only)
  out             {}
",
        forecast.interventions,
        match sweep.cells().len() {
            1 => "1 place".to_owned(),
            places => format!("{places} places"),
        },
        forecast.unchanged,
        forecast.passes,
        forecast.operations / 1e9,
        forecast.memory / 1e6,
        duration(forecast.seconds),
        threads::count(),
        out.display(),
    )
}

/// The same as JSON.
pub fn json(
    outline: &Outline,
    sweep: &Sweep,
    preflight: &Preflight,
    forecast: &Forecast,
    out: &Path,
) -> Value {
    json!({
        "model": outline.provenance().name,
        "intervention": sweep.method().name(),
        "preflight": of(preflight),
        "interventions": forecast.interventions,
        "unchanged_by_shared_prefix": forecast.unchanged,
        "forward_passes": forecast.passes,
        "floating_point_operations": forecast.operations,
        "floating_point_operations_one_by_one": forecast.operations_one_by_one,
        "memory_bytes": forecast.memory,
        "seconds": forecast.seconds,
        "threads": threads::count(),
        "out": out.display().to_string(),
    })
}

/// A preflight alone.
pub fn of(preflight: &Preflight) -> Value {
    let agreement = |agreement: &Agreement| {
        json!({
            "prompts": agreement.prompts,
            "likeliest": agreement.likeliest,
            "preferred": agreement.preferred,
            "logit_difference": agreement.logit_difference,
        })
    };
    let left_out = preflight.left_out.iter().map(|(kind, count, (row, reason))| {
        json!({ "kind": kind, "rows": count, "first_row": row.to_string(), "first_reason": reason })
    });
    json!({
        "rows": preflight.rows,
        "used": preflight.used,
        "left_out": left_out.collect::<Vec<_>>(),
        "foils_not_of_source": preflight.foreign_foils,
        "groups": preflight.groups,
        "coinciding_positions": preflight.coinciding.iter()
            .map(|(role, other, rows)| {
                json!({ "positions": [role.to_string(), other.to_string()], "rows": rows })
            })
            .collect::<Vec<_>>(),
        "base_tokens": preflight.base_tokens,
        "source_tokens": preflight.source_tokens,
        "equally_long": preflight.equally_long,
        "single_token_answers": preflight.single_token_answers,
        "base": agreement(&preflight.base),
        "source": preflight.source.as_ref().map(agreement),
    })
}
