//! `--dry-run`: what would run and what it would cost.

use std::path::Path;

use serde_json::json;
use vene::{Precision, Prompt};

use super::{Run, files, one_or_each};
use crate::{executor as executors, model};
use crate::{terminal, threads};

/// Prints what a sweep would cost on this machine.
pub fn forecast(run: &Run, out: &Path, as_json: bool) -> anyhow::Result<()> {
    let Run { outline, sweep, precision, executor, memory, .. } = run;
    let (executor, memory) = (*executor, *memory);
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
        terminal::duration(forecast.seconds),
        threads::count(),
        out.display(),
        files.join(", "),
    ))
}
