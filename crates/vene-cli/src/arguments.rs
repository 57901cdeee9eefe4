//! The command line as a whole: what stands before and around the subcommands.

#[cfg(test)]
mod advised;
mod by_name;
mod given;
mod memory_size;
mod out_file;
mod prompt_text;
mod spans;

use anyhow::anyhow;
use clap::error::ErrorKind;
use clap::{CommandFactory, FromArgMatches, Parser};

use crate::command::Command;

pub use by_name::by_name;
pub(crate) use given::read;
pub use given::{Given, ReadBy};
pub use memory_size::memory_size;
pub use out_file::must_end_with;
pub use prompt_text::prompt_text;
pub use spans::{SpanArguments, in_prompt};

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
    #[arg(long, global = true, value_name = "N", display_order = 900,
        value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub threads: Option<u16>,
}

impl Arguments {
    /// Reads a command line, with the account of what it gives. Help and version are printed, and end the program.
    ///
    /// # Errors
    /// What is wrong with it, in one line as every error of the program.
    pub fn read(
        line: impl IntoIterator<Item = impl Into<std::ffi::OsString> + Clone>,
    ) -> anyhow::Result<(Self, Given)> {
        Self::parsed(line).map_err(|error| match error.kind() {
            ErrorKind::DisplayHelp
            | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand
            | ErrorKind::DisplayVersion => error.exit(),
            _ => anyhow!(in_one_line(&error.render().to_string())),
        })
    }

    /// Reads a command line, the program's name included.
    #[cfg(test)]
    pub fn of(line: &[String]) -> anyhow::Result<(Self, Given)> {
        Self::parsed(line).map_err(|error| anyhow!(in_one_line(&error.render().to_string())))
    }

    fn parsed(
        line: impl IntoIterator<Item = impl Into<std::ffi::OsString> + Clone>,
    ) -> Result<(Self, Given), clap::Error> {
        let command = Self::command();
        let matches = command.clone().try_get_matches_from(line)?;
        let given = Given::of(&command, &matches);
        let arguments = Self::from_arg_matches(&matches);
        Ok((arguments.map_err(|error| error.format(&mut Self::command()))?, given))
    }
}

/// The paragraphs of clap's report that say what is wrong and what is near, without its usage.
fn in_one_line(report: &str) -> String {
    let report = report.strip_prefix("error: ").unwrap_or(report);
    let said: Vec<String> = report
        .split("\n\n")
        .filter(|paragraph| {
            !["Usage: ", "For more information"].iter().any(|start| paragraph.starts_with(start))
        })
        .map(|paragraph| paragraph.split_whitespace().collect::<Vec<_>>().join(" "))
        .filter(|paragraph| !paragraph.is_empty())
        .collect();
    said.join("; ") + " (--help tells all)"
}

const EXAMPLES: &str = "\
Examples:
  The tutorial's experiment on the model that ships inside:
    vene demo

  What does a model say next?
    vene top --model HuggingFaceTB/SmolLM2-135M \"The capital of Spain is\"

  How does it go on?
    vene generate --model HuggingFaceTB/SmolLM2-135M \"Once upon a time\"

  In which layer and at which position does the capital come in?
    vene sweep --model HuggingFaceTB/SmolLM2-135M \\
      --base \"The capital of Spain is\" --source \"The capital of Italy is\" \\
      --component mlp_output,attention_input --token \" Madrid\" --token \" Rome\" --out spain-italy

  What can be read and edited in a model, and what do other tools call it?
    vene sites --model HuggingFaceTB/SmolLM2-135M

Exit codes: 0, or 2 if something was wrong with what was asked (one line says what), or 130 if
stopped by Ctrl-C, SIGTERM or SIGHUP.";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_becomes_one_line() {
        let said = |arguments: &[&str]| match Arguments::try_parse_from(arguments) {
            Ok(_) => String::new(),
            Err(error) => in_one_line(&error.render().to_string()),
        };
        assert_eq!(
            said(&["vene", "sweep", "--base", "x", "--component", "y"]),
            "the following required arguments were not provided: --token <TOKEN> (--help tells all)"
        );
        assert_eq!(
            said(&["vene", "top", "--modle", "x"]),
            "unexpected argument '--modle' found; tip: a similar argument exists: '--model' \
             (--help tells all)"
        );
    }
}
