//! `vene interventions`: what can be done to activations, by the names that plans' files know.

use std::fmt::Write;

use clap::Args;
use serde_json::{Value, json};
use vene::intervention::SourceCount;
use vene::registry::{self, ALIASES, AliasSource};

use crate::arguments::{Given, ReadBy, read};
use crate::terminal;

/// What can be done at a site: each intervention, what it reads, and its settings
#[derive(Args)]
#[command(
    long_about = "\
The interventions that a plan's file can name: what each does, how many sources it reads, its settings (with \
the default, if there is one), and the class that it is in pyvene or pyreft.",
    after_help = "\
Examples:
  vene interventions
  vene interventions --json | jq -r '.[].name'
  vene interventions --markdown          the table in docs/plans.md"
)]
pub struct Arguments {
    /// Print JSON
    #[arg(long)]
    json: bool,

    /// Print Markdown
    #[arg(long)]
    markdown: bool,
}

const READ_BY: &ReadBy = &[("json", "without --markdown")];

impl Arguments {
    pub fn run(&self, given: &Given) -> anyhow::Result<()> {
        let markdown = *read!(given, self => markdown);
        let json = !markdown && *read!(given, self => json);
        given.check("a table in Markdown", READ_BY)?;
        if json {
            terminal::print_json(&lines().map(|line| line.json()).collect::<Vec<_>>())
        } else if markdown {
            terminal::print(&markdown_table())
        } else {
            terminal::print(&text())
        }
    }
}

/// What is said of an intervention, or of a name for one with its source.
struct Line {
    name: &'static str,
    summary: &'static str,
    reads: &'static str,
    settings: &'static [(&'static str, Option<&'static str>)],
    learns: bool,
    /// The intervention that an alias names.
    alias_of: Option<&'static str>,
    pyvene: Vec<&'static str>,
}

fn lines() -> impl Iterator<Item = Line> {
    let rows = registry::all().map(|row| Line {
        name: row.name,
        summary: row.summary,
        reads: match row.reads {
            Some(SourceCount::None) => "nothing",
            Some(SourceCount::One) => "a source",
            Some(SourceCount::Several) => "all sources",
            None => "as `of`",
        },
        settings: row.settings,
        learns: row.learns,
        alias_of: None,
        pyvene: row.pyvene().collect(),
    });
    let aliases = ALIASES.iter().map(|alias| Line {
        name: alias.name,
        summary: alias.summary,
        reads: match alias.source {
            AliasSource::Given => "given values",
            AliasSource::Base => "the base",
            AliasSource::OwnInput => "its own run",
        },
        settings: alias.settings,
        learns: false,
        alias_of: Some(alias.of),
        pyvene: alias.pyvene().collect(),
    });
    rows.chain(aliases)
}

impl Line {
    /// The settings, with their defaults in brackets, each shown in a form.
    fn settings(&self, form: fn(&str) -> String) -> String {
        let parameters = self.learns.then_some(("parameters", None));
        let settings = self.settings.iter().copied().chain(parameters);
        let shown = settings.map(|(key, default)| match default {
            Some(default) => format!("{} ({default})", form(key)),
            None => form(key),
        });
        shown.collect::<Vec<_>>().join(", ")
    }

    fn json(&self) -> Value {
        let settings = self.settings.iter();
        let settings: Vec<Value> =
            settings.map(|(key, default)| json!({ "key": key, "default": default })).collect();
        json!({
            "name": self.name,
            "alias_of": self.alias_of,
            "summary": self.summary,
            "reads": self.reads,
            "settings": settings,
            "learns": self.learns,
            "pyvene": self.pyvene,
        })
    }
}

/// For a terminal.
fn text() -> String {
    let names = lines().map(|line| line.name.len()).max().unwrap_or(0);
    let reads = lines().map(|line| line.reads.len()).max().unwrap_or(0);
    let row = |name: &str, read: &str, settings: &str| {
        let cells = [format!("{name:<names$}"), format!("{read:<reads$}"), settings.to_owned()];
        cells.join("  ").trim_end().to_owned()
    };
    let mut text = row("INTERVENTION", "READS", "SETTINGS") + "\n";
    for line in lines() {
        let _ = writeln!(text, "{}", row(line.name, line.reads, &line.settings(str::to_owned)));
        let _ = writeln!(text, "    = {}", line.summary);
    }
    text.push_str(
        "\nA default stands in brackets. docs/plans.md says how they stand in a plan's file.\n",
    );
    text
}

/// The table of `docs/plans.md`.
fn markdown_table() -> String {
    let code = |name: &str| format!("`{name}`");
    let mut text = String::from(
        "| name | | reads | settings | pyvene, pyreft |\n| --- | --- | --- | --- | --- |\n",
    );
    for line in lines() {
        let (name, settings) = (code(line.name), line.settings(|key| format!("`{key}`")));
        let classes: Vec<String> = line.pyvene.iter().map(|class| code(class)).collect();
        let cells = [name, line.summary.to_owned(), line.reads.to_owned(), settings];
        let _ = writeln!(text, "| {} | {} |", cells.join(" | "), classes.join(", "));
    }
    text
}
