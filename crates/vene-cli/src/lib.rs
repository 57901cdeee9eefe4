//! The command `vene`: causal interventions on language models from a terminal.
//!
//! A library, so that the Python package has the command too.
//!
//! It turns words into the typed calls of the crate `vene` and its results into text, tables and
//! figures; it computes nothing itself. One file a subcommand in `command`; around them, what
//! they share:
//!
//! * `experiment`: what is asked for as one value, whether a command line, a file or a record says it; run, resumed and
//!   joined by its kind;
//! * `model`: `--model` and what goes with it; `selection`: layers, positions, components as
//!   users write them; `rows`: the rows of a data set;
//! * what becomes of an experiment (forecast, run, figures, record, summary): `sweep` of one pair, `data_sweep` of many
//!   rows, `plan_sweep` of a plan, `edges` of a model's graph, `training`, `generation`, `collection` of activations
//!   (`stacked`);
//! * `look`: what the commands that look inside a model share;
//! * `folder`: the output folder, which has one owner and gets all files of a run or none; `record`: `run.json` in it,
//!   which says whose it is;
//! * `terminal`: standard output and error, progress; `interrupt`: Ctrl-C and SIGTERM; `memory`: none
//!   left; `version`: what was built, and what computes.
//!
//! What is asked for is checked as a whole before a weight is read. Whatever is wrong is one line
//! on standard error, and the exit code is 2.

mod another_model;
mod arguments;
mod circuit;
mod collection;
mod command;
mod data_set;
mod data_sweep;
mod drawn;
mod executor;
mod experiment;
mod folder;
mod generation;
mod interrupt;
mod look;
mod memory;
mod model;
mod parts;
mod plan_given;
mod plan_sweep;
mod prompts;
mod record;
mod rows;
mod selection;
mod shard;
mod stacked;
mod sweep;
mod terminal;
mod threads;
mod training;
mod version;

use std::ffi::OsString;
use std::time::Instant;

pub use command::attention::page as attention_page;
pub use experiment::{
    Collection, InMemory, Measured, PlanFrom, PlanRan, Progress, Swept, TrainedPlan, Warned,
    collect_in_memory, measure_in_memory, run_in_memory, sweep_in_memory, train_in_memory,
};
pub use memory::OrExit;
pub use plan_given::read_plan;
pub use stacked::Stack;
pub use terminal::chain as sentence;

/// Runs a command line, the program's name included, and returns the exit code.
///
/// Ctrl-C and SIGTERM end the whole process.
pub fn main(line: impl IntoIterator<Item = impl Into<OsString> + Clone>) -> u8 {
    match run(line) {
        Ok(()) => 0,
        Err(error) => terminal::report(&error),
    }
}

fn run(line: impl IntoIterator<Item = impl Into<OsString> + Clone>) -> anyhow::Result<()> {
    let start = Instant::now();
    let (arguments, given) = arguments::Arguments::read(line)?;
    arguments.loudness().choose();
    if let Some(count) = arguments.threads {
        threads::limit(count);
    }
    memory::reserve();
    interrupt::install()?;
    threads::start()?;
    terminal::detail(|| {
        format!(
            "vene {}, {} threads on {}",
            *version::SHORT,
            threads::count(),
            version::processor()
        )
    });
    let result = arguments.command.run(given);
    terminal::detail_end(start.elapsed());
    result
}
