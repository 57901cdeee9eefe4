//! `vene circuit graph`: the nodes and edges of a model.

use std::fmt::Write;

use clap::Args;
use serde_json::json;
use vene::circuit::{Graph, GroupedKeys};
use vene_model::EMBEDDED;

use crate::arguments::{Given, by_name, read};
use crate::model::{self, IgnoredKeys};
use crate::terminal;

/// List and count the edges of a model's graph; no weight is read
#[derive(Args)]
#[command(after_help = "\
Examples:
  vene circuit graph
  vene circuit graph --model org/name --graph ungrouped --edges > edges.txt")]
pub struct Arguments {
    /// The model, as for `vene top` [default: embedded]
    #[arg(long, short, value_name = "MODEL")]
    model: Option<String>,

    #[command(flatten)]
    ignored: IgnoredKeys,

    /// Whose keys and values are told apart, where several query heads share them [default: grouped]
    #[arg(long, value_name = "NAME", value_parser = by_name::<GroupedKeys>())]
    graph: Option<GroupedKeys>,

    /// Print every edge, one a line
    #[arg(long)]
    edges: bool,

    /// Print the counts, and with --edges the edges, as JSON
    #[arg(long)]
    json: bool,
}

impl Arguments {
    pub fn run(&self, given: &Given) -> anyhow::Result<()> {
        let (model, ignored) = (read!(given, self => model), self.ignored.read(given));
        let keys = read!(given, self => graph).unwrap_or_default();
        let (lists, is_json) = (*read!(given, self => edges), *read!(given, self => json));
        given.check("the graph of a model", &[])?;
        let outline = model::open(model.as_deref().unwrap_or(EMBEDDED), ignored)?;
        let graph = Graph::of(outline.config(), keys)?;
        let edges = || graph.edges().map(|edge| edge.to_string());
        if is_json {
            let mut value = json!({
                "model": model::short_name(&outline),
                "graph": graph.keys().name(),
                "layers": graph.layers(),
                "heads": graph.heads(),
                "senders": graph.sender_count(),
                "receivers": graph.receivers().count(),
                "edges": graph.edge_count(),
            });
            if lists {
                value["list"] = edges().collect();
            }
            return terminal::print_json(&value);
        }
        if lists {
            let mut text = String::new();
            for edge in edges() {
                let _ = writeln!(text, "{edge}");
            }
            return terminal::print(&text);
        }
        terminal::print(&format!(
            "{}, {} graph: {} senders (input, {} heads, {} MLPs), {} receivers, {} edges\n",
            model::short_name(&outline),
            graph.keys(),
            graph.sender_count(),
            graph.layers() * graph.heads(),
            graph.layers(),
            graph.receivers().count(),
            graph.edge_count(),
        ))
    }
}
