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
        Some(text) => {
            let example = first_example(&text, command.get_name());
            command.after_help(example).after_long_help(text)
        }
        None => command,
    };
    command.mut_subcommands(|subcommand| of_subcommand(subcommand, everywhere))
}

/// The first of a text's examples that calls the command itself. Each begins with a line that is indented by two.
fn first_example(text: &str, name: &str) -> String {
    let Some((_, examples)) = text.split_once("Examples:\n") else { return String::new() };
    let lines: Vec<&str> = examples.lines().take_while(|line| !line.is_empty()).collect();
    let examples = lines.chunk_by(|_, next| next.starts_with("   "));
    let calls = |example: &&[&str]| {
        let mut words = example.iter().flat_map(|line| line.split_whitespace());
        words.any(|word| word == "vene") && words.take(2).any(|word| word == name)
    };
    let first = examples.clone().find(calls).or_else(|| examples.clone().next());
    format!("Example:\n{}", first.unwrap_or_default().join("\n"))
}

#[cfg(test)]
mod tests {
    use super::first_example;

    #[test]
    fn an_example_is_taken_whole() {
        let text = "Examples:\n  one:\n    vene top \\\n      x\n  two\n\nMore.";
        assert_eq!(first_example(text, "top"), "Example:\n  one:\n    vene top \\\n      x");
        let text = "Examples:\n  vene task ioi\n  vene run x.toml\n  vene run y.toml";
        assert_eq!(first_example(text, "run"), "Example:\n  vene run x.toml");
        assert_eq!(first_example(text, "sweep"), "Example:\n  vene task ioi");
        assert_eq!(first_example("More.", "run"), "");
    }
}
