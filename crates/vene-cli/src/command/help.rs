//! `vene help`: the documentation in the binary, and the help of each command.

mod page;
mod topic;

use anyhow::bail;
use clap::Args;
use vene_named::{Named, meant_text};

use crate::arguments::{self, Given, read};
use crate::terminal;
use topic::Topic;

/// Pages of the documentation, by topic, and the help of a command
#[derive(Args)]
#[command(after_help = "\
Examples:
  vene help
  vene help plans
  vene help positions
  vene help sweep")]
pub struct Arguments {
    /// A topic (plans, data, metrics, components, positions), or a command; default: a list of both
    #[arg(value_name = "TOPIC")]
    topic: Vec<String>,
}

impl Arguments {
    pub fn run(&self, given: &Given) -> anyhow::Result<()> {
        let words = read!(given, self => topic);
        given.check("help", &[])?;
        if let [topic] = &words[..]
            && let Ok(topic) = topic.parse::<Topic>()
        {
            return terminal::print(&page::plain(&topic.markdown(), width()));
        }
        if words.is_empty() { terminal::print(&list()) } else { of_command(words) }
    }
}

/// The widest that lines are: pages are read best so.
const WIDEST: usize = 100;

/// The narrowest that tables and words are cut for.
const NARROWEST: usize = 40;

/// How wide lines may be: as the terminal is.
fn width() -> usize {
    let (terminal_size::Width(width), _) = terminal_size::terminal_size()
        .unwrap_or((terminal_size::Width(WIDEST as u16), terminal_size::Height(0)));
    usize::from(width).clamp(NARROWEST, WIDEST)
}

/// All topics and commands.
fn list() -> String {
    let mut text = String::from("vene help TOPIC\n\nTopics:\n");
    let line = |name: &str, about: &str| format!("  {name:<14} {about}\n");
    for &topic in Topic::ALL {
        text.push_str(&line(topic.name(), topic.summary().trim_end_matches('.')));
    }
    text.push_str("\nCommands:\n");
    for command in arguments::Arguments::line().get_subcommands() {
        let about = command.get_about().map(ToString::to_string).unwrap_or_default();
        text.push_str(&line(command.get_name(), &about));
    }
    text
}

/// A command's long help, by the words that call it: `circuit edges`.
fn of_command(words: &[String]) -> anyhow::Result<()> {
    let mut command = arguments::Arguments::line();
    command.build();
    for (depth, word) in words.iter().enumerate() {
        let Some(found) = command.find_subcommand(word) else {
            let commands = command.get_subcommands().map(clap::Command::get_name);
            let topics = Topic::ALL.iter().map(|topic| topic.name()).filter(|_| depth == 0);
            let known: Vec<&str> = commands.chain(topics).collect();
            let near = meant_text(word, known.iter().copied());
            let near = near.map_or_else(String::new, |near| format!("; did you mean `{near}`?"));
            bail!("there is no help on `{}`{near} (`vene help` lists all)", words.join(" "));
        };
        command = found.clone();
    }
    Ok(command.print_long_help()?)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_topic_is_no_command() {
        let line = arguments::Arguments::line();
        for topic in Topic::ALL {
            assert!(line.find_subcommand(topic.name()).is_none(), "{topic}");
        }
    }

    #[test]
    fn everything_is_listed() {
        let list = list();
        for name in ["plans", "positions", "sweep", "completions", "help"] {
            assert!(list.contains(&format!("\n  {name} ")), "{name}");
        }
    }
}
