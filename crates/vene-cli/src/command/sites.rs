//! `vene sites`: the table of components, of one model or of all families.

mod archetype;
mod table;

use clap::Args;
use vene_model::EMBEDDED;

#[cfg(test)]
pub use archetype::archetype;
pub use table::markdown_of_all_families;

use crate::arguments::{Given, ReadBy, read};
use crate::model::{self, IgnoredKeys};
use crate::terminal;

/// What can be read and edited, what each name means, and what other tools call it
#[derive(Args)]
#[command(
    long_about = "\
The components of a model: vene's name, what it is, the shape of one run's activations with this \
model's numbers, the units it can be edited by, the name that pyvene and TransformerLens have for the \
identical tensor, and a caveat where one bites. Weights are as published: TransformerLens's names hold \
for models loaded without its processing.",
    after_help = "\
Examples:
  vene sites --model HuggingFaceTB/SmolLM2-135M
  vene sites --json | jq '.components[].name'
  vene sites --markdown          the table for all families (docs/components.md)"
)]
pub struct Arguments {
    /// The model, as for `vene top` [default: embedded; with --markdown, all families]
    #[arg(long, short, value_name = "MODEL")]
    model: Option<String>,

    #[command(flatten)]
    ignored: IgnoredKeys,

    /// Print JSON
    #[arg(long)]
    json: bool,

    /// Print Markdown
    #[arg(long)]
    markdown: bool,
}

const READ_BY: &ReadBy = &[
    ("json", "without --markdown"),
    ("ignore_key", "of a model, and with --markdown alone there is none"),
];

impl Arguments {
    pub fn run(&self, given: &Given) -> anyhow::Result<()> {
        let (model, markdown) = (read!(given, self => model), *read!(given, self => markdown));
        let json = !markdown && *read!(given, self => json);
        let of_all_families = markdown && model.is_none();
        let ignored = if of_all_families { &[] } else { self.ignored.read(given) };
        given.check(if markdown { "a table in Markdown" } else { "a table" }, READ_BY)?;
        if of_all_families {
            return terminal::print(&table::markdown_of_all_families());
        }
        let outline = model::open(model.as_deref().unwrap_or(EMBEDDED), ignored)?;
        let (name, config) = (model::short_name(&outline), outline.config());
        if json {
            terminal::print_json(&table::json(name, config))
        } else if markdown {
            terminal::print(&table::markdown(name, config))
        } else {
            terminal::print(&table::text(name, config))
        }
    }
}
