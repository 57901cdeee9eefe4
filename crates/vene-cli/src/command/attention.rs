//! `vene attention`: what heads attend to.

use clap::Args;
use serde_json::json;
use vene::inspect::attention::{self, Patterns};
use vene::inspect::{Subject, Summary};
use vene::{Model, Table};
use vene_report::{AttentionPage, Axis, Caption, ColorScale, Facets, HeadAttention, HeatMap};

use crate::arguments::{Given, ReadBy, heading, read};
use crate::drawn::Drawn;
use crate::look::{self, LookArguments, Seen, Task, aligned, number, over_rows, with_interval};
use crate::model;
use crate::prompts;
use crate::record::Kind;
use crate::terminal;

/// What heads attend to: patterns, and scores of heads
#[derive(Args)]
#[command(
    long_about = "\
The attention patterns of a prompt, head by head, and how much of each head's attention is on the token before \
(previous_token), on earlier occurrences of the same token (duplicate_token), and on what followed these (induction): shares \
from 0 to 1. With --out there is a page, attention.html, on which one points at heads and tokens; it needs no network.

Of a data set (--data) the scores' means with 95 % intervals of a bootstrap over the rows' groups. `vene task induction` makes \
rows that repeat themselves.",
    after_help = "\
Examples:
  vene attention \"The capital of Spain is\" --out attention
  vene attention --layers 3..6 --heads 0,2 \"When Mary and John went to the store, John gave a drink to\" --out ioi
  vene task induction -n 100 --out induction.jsonl
  vene attention --model embedded --data induction.jsonl

With --out: attention.csv (a row for each head, query and key), scores.csv, attention.html, or of a data set summary.csv and
examples.parquet; figures; run.json. All tables are Parquet files too."
)]
pub struct Arguments {
    /// In which layers: 0..12 (0 to 11), 0,3,5, -1 (the last), all, or a mix [default: all]
    #[arg(help_heading = heading::SEEN, long, value_name = "LIST", allow_hyphen_values = true)]
    layers: Option<String>,

    /// Which heads of these layers, written as layers are [default: all]
    #[arg(help_heading = heading::SEEN, long, value_name = "LIST", allow_hyphen_values = true)]
    heads: Option<String>,

    #[command(flatten)]
    look: LookArguments,
}

const READ_BY: &ReadBy = &look::READ_BY;

/// Heads that have a pattern in a figure of their own; more are in the page only.
const DRAWN: usize = 12;

/// Heads that are listed for each score.
const LISTED: usize = 5;

impl Arguments {
    pub fn run(&self, given: Given) -> anyhow::Result<()> {
        let of_rows = self.look.data.is_some();
        let precision = *read!(given, self.look.run => precision);
        let opened = self.look.open(&given, None)?;
        let config = opened.1.config();
        let layers =
            look::numbers(read!(given, self => layers).as_deref(), "layer", config.layers.len())?;
        let heads = look::numbers(read!(given, self => heads).as_deref(), "head", config.heads)?;
        let heads = attention::heads(config, layers.as_deref(), heads.as_deref())?;
        let look = self.look.look(&given, opened, "last", None, |_| [false, false])?;
        given.check("a look at attention", READ_BY)?;
        let what = look.what();
        let mut figures = vec!["scores".to_owned()];
        if !of_rows && heads.len() <= DRAWN {
            figures.push("patterns".to_owned());
        }
        let task = Task {
            kind: Kind::Attention,
            options: json!({
                "heads": heads,
                "prompts": prompts::record(&look.form),
                "precision": precision.to_string(),
                "resamples": of_rows.then_some(look.bootstrap.resamples),
            }),
            tables: if of_rows { vec!["summary"] } else { vec!["attention", "scores"] },
            figures,
            more: if of_rows { Vec::new() } else { vec![PAGE.to_owned()] },
        };
        look.deliver(task, |outline, subjects, bootstrap, folder| {
            let model = model::load(outline, precision)?;
            let mut drawn = Drawn::default();
            if of_rows {
                let summary = Summary::new(subjects, attention::KEYS, attention::METRICS);
                let bytes = |subject: &Subject| attention::bytes(model.config(), subject);
                let (summary, examples) = over_rows(subjects, bytes, summary, folder, |some| {
                    of_heads(&attention::scores(&model, some)?, &heads)
                })?;
                let table = summary.table(bootstrap)?;
                if folder.is_some() {
                    drawn.take("scores", scores_of(&model, &what, &table, "mean"));
                }
                let text = listing(&table, "mean", with_interval)?;
                return Ok(Seen {
                    text,
                    tables: vec![("summary", table)],
                    examples,
                    drawn,
                    more: Vec::new(),
                });
            }
            let mut seen = Seen {
                text: String::new(),
                tables: Vec::new(),
                examples: None,
                drawn,
                more: Vec::new(),
            };
            for subject in subjects {
                let patterns = attention::patterns(&model, subject, &heads)?;
                let scores =
                    of_heads(&attention::scores(&model, std::slice::from_ref(subject))?, &heads)?;
                let long = long(&scores)?;
                seen.text.push_str(&listing(&long, "mean", |table, row| {
                    Ok(terminal::number(number(table, "mean", row)?))
                })?);
                let table = patterns.table()?;
                if folder.is_some() {
                    seen.drawn.take("scores", scores_of(&model, &what, &long, "score"));
                    if heads.len() <= DRAWN {
                        seen.drawn.take("patterns", patterns_of(&model, &what, &patterns, &table));
                    }
                    let title =
                        format!("{}: attention in \"{}\"", model::short_name(&model), what.1);
                    seen.more
                        .push((PAGE.to_owned(), page(title, &patterns, &scores)?.into_bytes()));
                }
                seen.tables.extend([("attention", table), ("scores", scores)]);
            }
            Ok(seen)
        })
    }
}

const PAGE: &str = "attention.html";

/// The rows of these heads.
fn of_heads(scores: &Table, heads: &[(usize, usize)]) -> anyhow::Result<Table> {
    let (layers, numbers) = (scores.integers("layer")?, scores.integers("head")?);
    let wanted: std::collections::HashSet<(i64, i64)> =
        heads.iter().map(|&(layer, head)| (layer as i64, head as i64)).collect();
    Ok(scores.filter(|row| wanted.contains(&(layers[row], numbers[row]))))
}

/// A row for each head and score.
fn long(scores: &Table) -> anyhow::Result<Table> {
    let (layers, heads) = (scores.integers("layer")?, scores.integers("head")?);
    let mut values: Vec<f64> = Vec::new();
    for name in attention::METRICS {
        values.extend(scores.floats(name)?);
    }
    let times = attention::METRICS.len();
    let names = attention::METRICS.iter().flat_map(|name| vec![*name; scores.rows()]);
    Ok(Table::builder()
        .column("layer", layers.repeat(times))
        .column("head", heads.repeat(times))
        .column("metric", names.collect::<Vec<_>>())
        .column("mean", values)
        .build()?)
}

/// For each score the heads that have the most of it.
fn listing(
    table: &Table,
    column: &str,
    shown: impl Fn(&Table, usize) -> anyhow::Result<String>,
) -> anyhow::Result<String> {
    let (layers, heads) = (table.integers("layer")?, table.integers("head")?);
    let metrics = table.text("metric")?;
    let mut columns: Vec<Vec<String>> = Vec::new();
    for name in attention::METRICS {
        let mut rows = Vec::new();
        for row in (0..table.rows()).filter(|&row| metrics[row] == name) {
            let value = number(table, column, row)?;
            if value.is_finite() {
                rows.push((value, row));
            }
        }
        rows.sort_by(|one, other| other.0.total_cmp(&one.0).then(one.1.cmp(&other.1)));
        let mut lines = vec![name.to_owned()];
        for (_, row) in rows.iter().take(LISTED) {
            lines.push(format!("L{}H{} {}", layers[*row], heads[*row], shown(table, *row)?));
        }
        if rows.is_empty() {
            lines.push("no token is repeated".to_owned());
        }
        columns.push(lines);
    }
    let most = columns.iter().map(Vec::len).max().unwrap_or(0);
    let line =
        |at: usize| columns.iter().map(move |column| column.get(at).cloned().unwrap_or_default());
    Ok(aligned(&(0..most).map(|at| line(at).collect()).collect::<Vec<_>>()))
}

fn caption(model: &Model, what: &(&'static str, String), title: &str) -> Caption {
    Caption::new(format!("{}: {title}", model::short_name(model))).note(what.0, &what.1)
}

/// Heads by layers, a panel for each score.
fn scores_of(
    model: &Model,
    what: &(&'static str, String),
    table: &Table,
    title: &str,
) -> anyhow::Result<vene_report::Figure> {
    // A score that no query has makes no panel.
    let values = table.optional_floats("mean")?;
    let table = table.filter(|row| values[row].is_some_and(f64::is_finite));
    let table = table.clone().with_column("component", vec!["attention_weight"; table.rows()])?;
    let map = HeatMap {
        caption: caption(model, what, "what heads attend to"),
        value: "mean".to_owned(),
        value_title: Some(title.to_owned()),
        x: Axis::Head,
        facets: Facets::by("metric"),
        scale: ColorScale::Covering { low: 0.0, high: 0.0 },
        ..HeatMap::default()
    };
    Ok(map.draw(&table)?)
}

/// Queries by keys, a panel for each head.
fn patterns_of(
    model: &Model,
    what: &(&'static str, String),
    patterns: &Patterns,
    table: &Table,
) -> anyhow::Result<vene_report::Figure> {
    let (layers, heads) = (table.integers("layer")?, table.integers("head")?);
    let names: Vec<String> =
        layers.iter().zip(heads).map(|(layer, head)| format!("L{layer}H{head}")).collect();
    // A heat map's rows are layers of a component: here they are queries of a head.
    let table = table
        .select(&["key", "query", "weight"])?
        .with_column("component", names)?
        .with_column("position", table.integers("key")?.to_vec())?
        .with_column("layer", table.integers("query")?.to_vec())?;
    let map = HeatMap {
        caption: caption(model, what, "attention patterns"),
        value: "weight".to_owned(),
        value_title: Some("attention".to_owned()),
        x: Axis::Position(patterns.tokens.clone()),
        facets: Facets::by("component"),
        rows: "query".to_owned(),
        columns: Some("key".to_owned()),
        scale: ColorScale::Sequential { range: Some((0.0, 1.0)) },
        downwards: true,
        ..HeatMap::default()
    };
    Ok(map.draw(&table)?)
}

/// A page on which one points at heads and tokens.
///
/// # Errors
/// Scores that are no table of heads.
pub fn page(title: String, patterns: &Patterns, scores: &Table) -> anyhow::Result<String> {
    let (layers, heads) = (scores.integers("layer")?, scores.integers("head")?);
    let columns = attention::METRICS.map(|name| scores.floats(name));
    let mut shown = Vec::new();
    for pattern in &patterns.heads {
        let row = (0..scores.rows())
            .find(|&row| (layers[row], heads[row]) == (pattern.layer as i64, pattern.head as i64));
        let of_head = columns.iter().map(|column| match (column, row) {
            (Ok(values), Some(row)) => values[row],
            _ => f64::NAN,
        });
        shown.push((format!("L{}H{}", pattern.layer, pattern.head), of_head.collect::<Vec<f64>>()));
    }
    let heads: Vec<HeadAttention<'_>> = patterns
        .heads
        .iter()
        .zip(&shown)
        .map(|(pattern, (name, scores))| HeadAttention { name, weights: &pattern.weights, scores })
        .collect();
    let scores = &attention::METRICS;
    Ok(AttentionPage { title, tokens: &patterns.tokens, scores, heads: &heads }.html())
}
