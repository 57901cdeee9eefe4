//! The topics, and what is told of each: pages of `docs/`, and tables that the code itself makes.
//!
//! The pages lie outside of this crate's folder: whoever packs it for a registry needs them beside it.

use std::fmt::Write;

use clap::Arg;
use vene::metric;
use vene_named::named;

use crate::arguments::Arguments;
use crate::command::sites;

const PLANS: &str = include_str!("../../../../../docs/plans.md");
const DATA_SETS: &str = include_str!("../../../../../docs/data-sets.md");

named! {
    /// What there is a page on.
    pub enum Topic as "topic", default Plans {
        /// Plans in files: edits, grids, interventions and their settings.
        Plans = "plans",
        /// Data sets: rows and their keys, what is measured over them, tables, long sweeps.
        Data = "data",
        /// What can be measured, and what of the model's answer it reads.
        Metrics = "metrics",
        /// What can be read and edited in a model, and what other tools call it.
        Components = "components",
        /// How positions are named: in a prompt, in the rows of a data set, in a plan.
        Positions = "positions",
    }
}

impl Topic {
    /// Its page, as Markdown.
    pub fn markdown(self) -> String {
        match self {
            Self::Plans => PLANS.to_owned(),
            Self::Data => DATA_SETS.to_owned(),
            Self::Metrics => metrics(),
            Self::Components => sites::markdown_of_all_families(),
            Self::Positions => positions(),
        }
    }
}

/// The built-in metrics, and what the page on data sets says after their table.
fn metrics() -> String {
    let mut text =
        "# Metrics\n\n| `--metric` | what | reads of the unembedding |\n| --- | --- | --- |\n"
            .to_owned();
    for row in &metric::BUILT_IN {
        let names: Vec<String> =
            [row.name].iter().chain(row.aliases).map(|name| format!("`{name}`")).collect();
        let reads = metric::named(row.name).map(|metric| metric.reads().to_string());
        let _ = writeln!(
            text,
            "| {} | {} | {} |",
            names.join(", "),
            row.documentation,
            reads.unwrap_or_default()
        );
    }
    let section = section(DATA_SETS, "Metrics");
    let rest = section.lines().skip(1).filter(|line| !line.starts_with('|'));
    text + &rest.collect::<Vec<_>>().join("\n")
}

/// What `--positions` takes, and what the pages say of positions in rows and plans.
fn positions() -> String {
    let mut text = "# Positions\n\n".to_owned();
    for (command, heading) in [
        ("sweep", "On the command line"),
        ("collect", "Of what is collected (`vene collect`)"),
        ("lens", "Where to look (`vene lens`)"),
    ] {
        let line = Arguments::line();
        let argument =
            line.find_subcommand(command).and_then(|command| option(command, "positions"));
        let said = argument.map(|argument| {
            let help = argument.get_long_help().or(argument.get_help());
            help.map(ToString::to_string).unwrap_or_default()
        });
        let _ = write!(text, "## {heading}\n\n{}\n\n", said.unwrap_or_default());
    }
    let of_rows = section(DATA_SETS, "Positions");
    let of_rows = of_rows.lines().skip(1).collect::<Vec<_>>().join("\n");
    let of_plans: Vec<&str> = PLANS.split("\n\n").filter(|part| is_on_positions(part)).collect();
    let _ = write!(
        text,
        "## In the rows of a data set\n\n{}\n\n## In a plan's file\n\n{}\n",
        of_rows.trim(),
        of_plans.join("\n\n")
    );
    text
}

fn is_on_positions(paragraph: &str) -> bool {
    ["**Positions**", "**The prompt's ends**"].iter().any(|start| paragraph.starts_with(start))
}

fn option<'c>(command: &'c clap::Command, long: &str) -> Option<&'c Arg> {
    command.get_arguments().find(|argument| argument.get_long() == Some(long))
}

/// A section of a page, with its heading, up to the next of its depth.
fn section(page: &str, title: &str) -> String {
    let heading = format!("\n## {title}\n");
    let Some(start) = page.find(&heading) else { return String::new() };
    let rest = &page[start + 1..];
    let end = rest[heading.len()..].find("\n## ").map_or(rest.len(), |end| heading.len() + end + 1);
    rest[..end].to_owned()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    /// The pages are rewritten now and then: what is taken out of them must still be there.
    #[test]
    fn each_topic_is_told() {
        for (topic, phrases) in [
            (Topic::Plans, &["[[edit]]", "| `interchange` |", "## Saved plans"][..]),
            (Topic::Data, &["| `base`, `source` |", "## Rows", "## Tables"]),
            (Topic::Metrics, &["`logit_difference`, `logit_diff`", "unedited run", "**Ties**"]),
            (Topic::Components, &["`mlp_output`", "hook_resid_post"]),
            (
                Topic::Positions,
                &["subject_last", "{ phrase = \"Spain\" }", "`first:3`", "after_NAME"],
            ),
        ] {
            let page = topic.markdown();
            assert!(page.starts_with("# "), "{topic}");
            for phrase in phrases {
                assert!(page.contains(phrase), "{topic}: {phrase}");
            }
        }
        assert_eq!(Topic::ALL.len(), 5);
    }

    #[test]
    fn a_section_ends_where_the_next_begins() {
        let page = "# A\n\n## B\n\nb\n\n### C\n\nc\n\n## D\n\nd\n";
        assert_eq!(section(page, "B"), "## B\n\nb\n\n### C\n\nc\n\n");
        assert_eq!(section(page, "D"), "## D\n\nd\n");
        assert_eq!(section(page, "E"), "");
    }
}
