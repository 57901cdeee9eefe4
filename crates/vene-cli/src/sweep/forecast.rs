//! `--dry-run`: what would run and what it would cost.

use std::path::Path;

use serde_json::json;
use vene::{ExecutorName, Outline, Precision, Prompt, Sweep};

use super::{files, one_or_each};
use crate::{executor as executors, model};
use crate::{terminal, threads};

/// Prints what a sweep would cost on this machine.
pub fn forecast(
    outline: &Outline,
    sweep: &Sweep,
    precision: Precision,
    (executor, memory): (ExecutorName, Option<usize>),
    out: &Path,
    as_json: bool,
) -> anyhow::Result<()> {
    let forecast = sweep.forecast(outline, executors::forecast_of(executor, memory))?;
    let files = files(sweep);
    let measured = sweep.targets().len() + sweep.metrics().len();
    let rows = sweep.interventions() / sweep.method().draws() * measured;
    // The forecast is about 32-bit floats.
    let (memory, double) = match precision {
        Precision::Single => (forecast.memory, ""),
        Precision::Double => (2.0 * forecast.memory, " or more, in double precision"),
    };
    if as_json {
        return terminal::print_json(&json!({
            "model": outline.provenance().name,
            "base_token_ids": sweep.base().tokens(),
            "source_token_ids": one_or_each(sweep.sources().into_iter().map(Prompt::tokens)),
            "intervention": sweep.method().name(),
            "executor": executor.name(),
            "precision": precision.name(),
            "threads": threads::count(),
            "interventions": forecast.interventions,
            "unchanged_by_shared_prefix": forecast.unchanged,
            "forward_passes": forecast.passes,
            "floating_point_operations": forecast.operations,
            "memory_bytes": memory,
            "seconds": forecast.seconds,
            "rows": rows,
            "out": out.display().to_string(),
            "files": files,
        }));
    }
    terminal::print(&format!(
        "\
{} on {}: nothing was run, nothing written
  interventions   {} ({} of them unchanged: base and source are the same up to there)
  forward passes  {} ({} executor)
  operations      {:.1} GFLOP
  memory          {:.0} MB
  time            {}{double} ({} threads; matrix products and attention only, loading not counted)
  table           {rows} rows
  files in {}: {}
",
        sweep.method().name(),
        model::short_name(outline),
        forecast.interventions,
        forecast.unchanged,
        forecast.passes,
        executor.name(),
        forecast.operations / 1e9,
        memory / 1e6,
        duration(forecast.seconds),
        threads::count(),
        out.display(),
        files.join(", "),
    ))
}

/// Seconds, in the unit in which one would say them.
pub fn duration(seconds: f64) -> String {
    match seconds {
        s if s < 10.0 => format!("{s:.2} s"),
        s if s < 120.0 => format!("{s:.0} s"),
        s if s < 7200.0 => format!("{:.0} min", s / 60.0),
        s => format!("{:.1} h", s / 3600.0),
    }
}
