//! The subcommands, one file each.

pub mod attention;
mod attribute;
mod circuit;
mod collect;
mod completions;
mod demo;
mod direction;
mod evaluate;
mod generate;
mod help;
mod interventions;
pub mod join;
mod lens;
mod man;
mod models;
mod run;
pub mod sites;
mod sweep;
mod task;
mod top;
mod train;
mod weights;

pub use top::likeliest;

use clap::Subcommand;

use crate::arguments::Given;

/// What to do.
#[derive(Subcommand)]
pub enum Command {
    Demo(demo::Arguments),
    Top(top::Arguments),
    Lens(Box<lens::Arguments>),
    Attribute(Box<attribute::Arguments>),
    Attention(Box<attention::Arguments>),
    Direction(Box<direction::Arguments>),
    Weights(weights::Arguments),
    Generate(generate::Arguments),
    Run(Box<run::Arguments>),
    Sweep(Box<sweep::Arguments>),
    Circuit(circuit::Arguments),
    Join(join::Arguments),
    Collect(collect::Arguments),
    Task(task::Arguments),
    Train(Box<train::Arguments>),
    Evaluate(Box<evaluate::Arguments>),
    Sites(sites::Arguments),
    Interventions(interventions::Arguments),
    Models(models::Arguments),
    Help(help::Arguments),
    Completions(completions::Arguments),
    Man(man::Arguments),
}

impl Command {
    /// Does it, and refuses what was given and is not read.
    ///
    /// # Errors
    /// Whatever was wrong with what was asked, or went wrong in doing it.
    pub fn run(&self, given: Given) -> anyhow::Result<()> {
        match self {
            Self::Demo(arguments) => arguments.run(&given),
            Self::Top(arguments) => arguments.run(given),
            Self::Lens(arguments) => arguments.run(given),
            Self::Attribute(arguments) => arguments.run(given),
            Self::Attention(arguments) => arguments.run(given),
            Self::Direction(arguments) => arguments.run(given),
            Self::Weights(arguments) => arguments.run(&given),
            Self::Generate(arguments) => arguments.run(given),
            Self::Run(arguments) => arguments.run(given),
            Self::Sweep(arguments) => arguments.run(given),
            Self::Circuit(arguments) => arguments.run(given),
            Self::Join(arguments) => arguments.run(&given),
            Self::Collect(arguments) => arguments.run(given),
            Self::Task(arguments) => arguments.run(&given),
            Self::Train(arguments) => arguments.run(given),
            Self::Evaluate(arguments) => arguments.run(given),
            Self::Sites(arguments) => arguments.run(&given),
            Self::Interventions(arguments) => arguments.run(&given),
            Self::Models(arguments) => arguments.run(&given),
            Self::Help(arguments) => arguments.run(&given),
            Self::Completions(arguments) => arguments.run(&given),
            Self::Man(arguments) => arguments.run(&given),
        }
    }
}
