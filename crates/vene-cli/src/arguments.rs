//! The command line as a whole: what stands before and around the subcommands.

#[cfg(test)]
mod advised;
mod by_name;
mod given;
pub mod heading;
mod memory_size;
mod out_file;
mod prompt_text;
mod short_help;
mod spans;

use anyhow::anyhow;
use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{CommandFactory, FromArgMatches, Parser};

use crate::command::Command;
use crate::terminal::Loudness;
use crate::version;

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
#[command(name = "vene", version = version::SHORT.as_str(), long_version = version::LONG.as_str(), after_help = EXAMPLES,
    max_term_width = 100, disable_help_subcommand = true)]
pub struct Arguments {
    #[command(subcommand)]
    pub command: Command,

    /// How many threads compute [default: one for each core]
    #[arg(long, global = true, value_name = "N", display_order = 900,
        value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub threads: Option<u16>,

    /// Say only what was asked for, and errors: no warnings, no progress, no lists of files
    #[arg(long, global = true, display_order = 901, conflicts_with = "verbose")]
    quiet: bool,

    /// Say too what is loaded, which threads and instructions compute, and what time and memory they took
    #[arg(long, global = true, display_order = 902)]
    verbose: bool,
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
            _ => anyhow!(refusal(&error)),
        })
    }

    /// How much is said.
    pub fn loudness(&self) -> Loudness {
        if self.quiet {
            Loudness::Quiet
        } else if self.verbose {
            Loudness::Verbose
        } else {
            Loudness::Usual
        }
    }

    /// All commands and options, as help shows and clap reads them.
    pub fn line() -> clap::Command {
        short_help::shortened(Self::command())
    }

    /// Reads a command line, the program's name included.
    #[cfg(test)]
    pub fn of(line: &[String]) -> anyhow::Result<(Self, Given)> {
        Self::parsed(line).map_err(|error| anyhow!(refusal(&error)))
    }

    fn parsed(
        line: impl IntoIterator<Item = impl Into<std::ffi::OsString> + Clone>,
    ) -> Result<(Self, Given), clap::Error> {
        let command = Self::line();
        let matches = command.clone().try_get_matches_from(line)?;
        let given = Given::of(&command, &matches);
        let arguments = Self::from_arg_matches(&matches);
        Ok((arguments.map_err(|error| error.format(&mut Self::line()))?, given))
    }
}

/// What is wrong with a command line, with the names that were probably meant.
fn refusal(error: &clap::Error) -> String {
    let text = |kind: ContextKind| match error.get(kind) {
        Some(ContextValue::String(text)) => Some(text.clone()),
        _ => None,
    };
    let line = Arguments::line();
    let (name, known) = match error.kind() {
        ErrorKind::InvalidSubcommand => {
            let known = line.get_subcommands().map(|command| command.get_name().to_owned());
            (text(ContextKind::InvalidSubcommand), known.collect())
        }
        ErrorKind::InvalidValue => match error.get(ContextKind::ValidValue) {
            Some(ContextValue::Strings(known)) => (text(ContextKind::InvalidValue), known.clone()),
            _ => (None, Vec::new()),
        },
        _ => (None, Vec::new()),
    };
    let report = error.render().to_string();
    let near =
        name.and_then(|name| vene_named::meant_text(&name, known.iter().map(String::as_str)));
    match near {
        Some(near) => {
            // In place of what clap finds alike.
            let paragraphs =
                report.split("\n\n").filter(|part| !part.trim_start().starts_with("tip:"));
            let report = paragraphs.collect::<Vec<_>>().join("\n\n");
            in_one_line(&report.replacen("\n\n", &format!("\n\ndid you mean `{near}`?\n\n"), 1))
        }
        None => in_one_line(&report),
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

  Pages on plans, data, metrics, components and positions:
    vene help plans

Exit codes: 0, or 2 if something was wrong with what was asked (one line says what), or 130 if
stopped by Ctrl-C, SIGTERM or SIGHUP.";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_becomes_one_line() {
        let said = |arguments: &[&str]| match Arguments::try_parse_from(arguments) {
            Ok(_) => String::new(),
            Err(error) => refusal(&error),
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

    #[test]
    fn near_misses_name_what_is_meant() {
        let said = |line: &str| {
            let words = std::iter::once("vene").chain(line.split(' ')).map(str::to_owned);
            match Arguments::of(&words.collect::<Vec<String>>()) {
                Ok(_) => String::new(),
                Err(error) => error.to_string(),
            }
        };
        let sweep = "sweep --base x --token y --component mlp_output";
        for (line, meant) in [
            ("tpo x", "did you mean `top`?"),
            ("sweeep", "did you mean `sweep`?"),
            ("patch", "did you mean `sweep` or `run`?"),
            (
                &format!("{sweep} --intervention ablate"),
                "did you mean `zero`, `mean` or `resample`?",
            ),
            (&format!("{sweep} --intervention patching"), "did you mean `interchange`?"),
            (&format!("{sweep} --intervention intercahnge"), "did you mean `interchange`?"),
            (&format!("{sweep} --unit position"), "tip: a similar value exists: 'pos'"),
        ] {
            let said = said(line);
            assert!(said.contains(meant), "{line}: {said}");
            assert!(!said.contains('\n'), "{said}");
        }
    }
}
