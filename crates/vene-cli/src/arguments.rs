//! The command line as a whole: what stands before and around the subcommands.

use std::num::NonZeroUsize;

use clap::Parser;

use crate::command::Command;

/// Causal interventions on language models.
///
/// To know how a transformer computes an answer, replace an internal activation of one run (the
/// base) by that of another (the source) and watch the answer change.
#[derive(Parser)]
#[command(name = "vene", version, after_help = EXAMPLES, max_term_width = 100)]
pub struct Arguments {
    #[command(subcommand)]
    pub command: Command,

    /// How many threads compute [default: one for each core]
    #[arg(long, global = true, value_name = "N", display_order = 900)]
    pub threads: Option<NonZeroUsize>,
}

const EXAMPLES: &str = "\
Examples:
  The tutorial's experiment on the model that ships inside:
    vene demo

  What does a model say next?
    vene top --model HuggingFaceTB/SmolLM2-135M \"The capital of Spain is\"

  In which layer and at which position does the capital come in?
    vene sweep --model HuggingFaceTB/SmolLM2-135M \\
      --base \"The capital of Spain is\" --source \"The capital of Italy is\" \\
      --component mlp_output,attention_input --token \" Madrid\" --token \" Rome\" --out spain-italy

  What can be read and edited in a model, and what do other tools call it?
    vene sites --model HuggingFaceTB/SmolLM2-135M

Exit codes: 0, or 2 if something was wrong with what was asked (one line says what), or 130 if
stopped by Ctrl-C.";
