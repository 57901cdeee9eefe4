//! The subcommands, one file each.

mod collect;
mod demo;
mod generate;
mod models;
pub mod sites;
mod sweep;
mod task;
mod top;
mod train;

pub use top::likeliest;

use clap::Subcommand;

/// What to do.
#[derive(Subcommand)]
pub enum Command {
    Demo(demo::Arguments),
    Top(top::Arguments),
    Generate(generate::Arguments),
    Sweep(Box<sweep::Arguments>),
    Collect(collect::Arguments),
    Task(task::Arguments),
    Train(Box<train::Arguments>),
    Sites(sites::Arguments),
    Models(models::Arguments),
}

impl Command {
    /// Does it.
    ///
    /// # Errors
    /// Whatever was wrong with what was asked, or went wrong in doing it.
    pub fn run(&self) -> anyhow::Result<()> {
        match self {
            Self::Demo(arguments) => arguments.run(),
            Self::Top(arguments) => arguments.run(),
            Self::Generate(arguments) => arguments.run(),
            Self::Sweep(arguments) => arguments.run(),
            Self::Collect(arguments) => arguments.run(),
            Self::Task(arguments) => arguments.run(),
            Self::Train(arguments) => arguments.run(),
            Self::Sites(arguments) => arguments.run(),
            Self::Models(arguments) => arguments.run(),
        }
    }
}
