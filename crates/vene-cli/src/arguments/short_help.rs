//! `-h`, which fits a screen, beside `--help`, which says all.

use clap::{Arg, Command};

/// The same commands, whose short help has one example, and leaves out what all commands take.
pub fn shortened(command: Command) -> Command {
    let everywhere: Vec<Arg> =
        command.get_arguments().filter(|argument| argument.is_global_set()).cloned().collect();
    let everywhere: Vec<Arg> =
        everywhere.into_iter().map(|argument| argument.hide_short_help(true)).collect();
    command.mut_subcommands(|subcommand| of_subcommand(subcommand, &everywhere))
}

fn of_subcommand(command: Command, everywhere: &[Arg]) -> Command {
    let command = command.args(everywhere);
    let command = match command.get_after_help().map(ToString::to_string) {
        Some(text) => command.after_help(first_example(&text)).after_long_help(text),
        None => command,
    };
    command.mut_subcommands(|subcommand| of_subcommand(subcommand, everywhere))
}

/// The first of a text's examples, which are lines that are indented by two.
fn first_example(text: &str) -> String {
    let Some((_, examples)) = text.split_once("Examples:\n") else { return String::new() };
    let is_start = |line: &str| !line.starts_with("   ");
    let mut lines = examples.lines();
    let first = lines.next().into_iter();
    let rest = lines.take_while(|line| !is_start(line));
    let lines: Vec<&str> = first.chain(rest).collect();
    format!("Example:\n{}", lines.join("\n"))
}

#[cfg(test)]
mod tests {
    use super::first_example;

    #[test]
    fn an_example_is_taken_whole() {
        let text = "Examples:\n  one:\n    vene top \\\n      x\n  two\n\nMore.";
        assert_eq!(first_example(text), "Example:\n  one:\n    vene top \\\n      x");
        assert_eq!(
            first_example("Examples:\n  vene top x\n  vene sites"),
            "Example:\n  vene top x"
        );
        assert_eq!(first_example("More."), "");
    }
}
