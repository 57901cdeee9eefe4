//! `vene circuit`: which part of a model talks to which.

mod compare;
mod edges;
mod faithfulness;
mod graph;
mod over_rows;
mod pairs;
mod paths;
mod save;
mod scrub;

use clap::{Args, Subcommand};

use crate::arguments::Given;

/// Circuits: every edge's effect, path patching, faithfulness, causal scrubbing
#[derive(Args)]
#[command(
    long_about = "\
A model as a graph: senders (the embeddings `input`, heads `a5.h1`, MLPs `m5`) add to the residual stream, receivers (a \
head's queries, keys and values `a5.h1<q>`, `a5.h1<k>`, `a5.h1<v>`, an MLP `m5`, the `logits`) read it. Patching an edge \
lets its receiver alone read what the sender adds in another run, and recomputes all that follows.",
    after_help = "\
Examples:
  vene circuit graph
  vene task capital -n 10 --out capital.jsonl
  vene circuit edges --data capital.jsonl --limit 2 --model embedded --positions subject_last \\
    --receivers logits --out edges"
)]
pub struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Graph(graph::Arguments),
    Edges(Box<edges::Arguments>),
    Paths(Box<paths::Arguments>),
    Faithfulness(Box<faithfulness::Arguments>),
    Pairs(Box<pairs::Arguments>),
    Scrub(Box<scrub::Arguments>),
    Save(save::Arguments),
    Compare(compare::Arguments),
}

impl Arguments {
    pub fn run(&self, given: Given) -> anyhow::Result<()> {
        match &self.command {
            Command::Graph(arguments) => arguments.run(&given),
            Command::Edges(arguments) => arguments.run(given),
            Command::Paths(arguments) => arguments.run(given),
            Command::Faithfulness(arguments) => arguments.run(given),
            Command::Pairs(arguments) => arguments.run(given),
            Command::Scrub(arguments) => arguments.run(given),
            Command::Save(arguments) => arguments.run(&given),
            Command::Compare(arguments) => arguments.run(&given),
        }
    }
}
