//! The command `vene`: causal interventions on language models from a terminal.
//!
//! It turns words into the typed calls of the crate `vene` and its results into text, tables and
//! figures; it computes nothing itself. One file a subcommand in [`command`]; around them, what
//! they share:
//!
//! * [`model`]: `--model` and what goes with it; [`selection`]: layers, positions, components as
//!   one writes them;
//! * [`sweep`]: what becomes of a sweep: forecast, run, figures, record, summary; [`data_sweep`]: the
//!   same of one over a data set, which is written as it goes;
//! * [`training`]: what becomes of a training; [`rows`]: the rows of both;
//! * [`folder`]: the output folder, which has one owner and gets all files of a run or none; [`record`]: `run.json` in it,
//!   which says whose it is;
//! * [`terminal`]: standard output and error, progress; [`interrupt`]: Ctrl-C and SIGTERM; [`memory`]: none
//!   left.
//!
//! What is asked for is checked as a whole before a weight is read. Whatever is wrong is one line
//! on standard error, and the exit code is 2.

mod another_model;
mod arguments;
mod command;
mod data_set;
mod data_sweep;
mod executor;
mod experiment;
mod folder;
mod generation;
mod interrupt;
mod memory;
mod model;
mod parts;
mod plan_given;
mod plan_sweep;
mod record;
mod rows;
mod selection;
mod shard;
mod stacked;
mod sweep;
mod terminal;
mod threads;
mod training;

use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: memory::OrExit = memory::OrExit;

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => terminal::report(&error),
    }
}

fn run() -> anyhow::Result<()> {
    let (arguments, given) = arguments::Arguments::read()?;
    if let Some(count) = arguments.threads {
        threads::limit(count);
    }
    memory::reserve();
    interrupt::install()?;
    threads::start()?;
    arguments.command.run(given)
}
