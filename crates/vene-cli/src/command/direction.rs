//! `vene direction`: steering vectors and probes, with how well they tell held-out texts apart.

mod files;
mod shown;

use std::path::PathBuf;

use anyhow::{Context, ensure};
use clap::Args;
use serde_json::json;
use vene::data::Role;
use vene::inspect::Summary;
use vene::inspect::direction::{self, DirectionMethod, Directions};

use files::{PLAN, VECTORS};

use crate::arguments::{Given, by_name, heading, read};
use crate::data_set::DataSet;
use crate::drawn::Drawn;
use crate::look::{Look, Seen, Task};
use crate::model::{self, ModelArgument, RunArguments};
use crate::record::Kind;
use crate::selection::Places;
use crate::{prompts, rows, terminal};

/// Steering vectors and probes: from pairs of texts, with their held-out separation
#[derive(Args)]
#[command(
    long_about = "\
Finds directions of activations along which two sides of a data set are told apart: each row's base is on one side, its source on the \
other (pairs of loving and hating, of true and false statements). A direction points from the sources to the bases, and is as long as the way \
between the sides' means along it, so that a steering edit of scale 1 moves the one mean to the other. Where a base may be on either side, \
--positive names the answers that tell.

How well a direction tells texts apart is measured on groups of rows that it was not found on, in five parts: the area under the ROC curve (auc), \
and the share of pairs whose base lies above its source (accuracy), with 95 % intervals over groups.",
    after_help = "\
Examples:
  vene task capital -n 40 --out capital.jsonl
  vene direction --data capital.jsonl --model embedded --positions subject_last --out found
  vene direction --data capital.jsonl --model embedded --method logistic --layers 2..6

With --out: directions.csv (each layer's separation), pairs.csv (each held-out pair's projections), both as Parquet too; the vectors
on all rows, and random ones as long (random/...), in directions.safetensors; steer.toml, a plan that adds the best layer's vector; a figure; run.json."
)]
pub struct Arguments {
    /// A file of rows, bases on one side and sources on the other (CSV, JSONL, JSON, Parquet)
    #[arg(help_heading = heading::DATA, long, value_name = "FILE")]
    data: PathBuf,

    /// Only the first so many rows
    #[arg(help_heading = heading::DATA, long, value_name = "ROWS", value_parser = clap::value_parser!(u32).range(1..))]
    limit: Option<u32>,

    /// How a direction is found [default: means]
    #[arg(help_heading = heading::SEEN, long, value_name = "NAME", value_parser = by_name::<DirectionMethod>())]
    method: Option<DirectionMethod>,

    /// The component whose activations are told apart [default: block_output]
    #[arg(help_heading = heading::SEEN, long, value_name = "NAME")]
    component: Option<String>,

    /// In which layers, each by itself: 0..12, 0,3,5, -1, all [default: all]
    #[arg(help_heading = heading::SEEN, long, value_name = "LIST", allow_hyphen_values = true)]
    layers: Option<String>,

    /// The position, or role, whose activations they are: last, -2, subject_last; the mean, where a role has several tokens [default: last]
    #[arg(help_heading = heading::SEEN, long, value_name = "ROLE", allow_hyphen_values = true)]
    positions: Option<String>,

    /// An answer that tells the first side, with its space: " she"; rows with another target, and it as foil, are turned round
    #[arg(help_heading = heading::DATA, long, value_name = "ANSWER")]
    positive: Vec<String>,

    /// How groups are divided, and the bootstrap, depend on it [default: 0]
    #[arg(help_heading = heading::DATA, long, value_name = "NUMBER")]
    seed: Option<u64>,

    /// How often rows are drawn again for intervals [default: 2000]
    #[arg(help_heading = heading::DATA, hide_short_help = true, long, value_name = "COUNT")]
    resamples: Option<usize>,

    #[command(flatten)]
    model: ModelArgument,

    #[command(flatten)]
    run: RunArguments,

    /// The folder for vectors, tables, figure and record
    #[arg(help_heading = heading::OUTPUT, long, value_name = "DIR")]
    out: Option<PathBuf>,

    /// Replace what is in the folder
    #[arg(help_heading = heading::OUTPUT, long)]
    force: bool,

    /// Print the tables as JSON
    #[arg(help_heading = heading::OUTPUT, long)]
    json: bool,
}

impl Arguments {
    pub fn run(&self, given: Given) -> anyhow::Result<()> {
        let (named, ignored) = self.model.read(&given);
        let form = self.run.prompts.read(&given);
        let precision = *read!(given, self.run => precision);
        let name = model::named(named)?;
        let outline = model::open(&name, ignored)?;
        let role: Role = read!(given, self => positions)
            .as_deref()
            .unwrap_or("last")
            .parse()
            .context("--positions")?;
        let component = read!(given, self => component).as_deref().unwrap_or("block_output");
        let layers = read!(given, self => layers).as_deref().filter(|list| list.trim() != "all");
        let places = Places::named(&[component.to_owned()], layers, outline.config())?;
        let component = places.components[0];
        ensure!(component.per_layer(), "--component {component}: a model has it once, in no layer");
        let seed = read!(given, self => seed).unwrap_or(0);
        let directions = Directions {
            method: read!(given, self => method).unwrap_or_default(),
            component,
            layers: places.layers,
            seed,
        };
        let mut bootstrap = vene::statistics::Bootstrap { seed, ..Default::default() };
        bootstrap.resamples = read!(given, self => resamples).unwrap_or(bootstrap.resamples);
        bootstrap.check().context("--resamples")?;
        let limit = read!(given, self => limit).map(|limit| limit as usize);
        let set = DataSet::of_file(read!(given, self => data), None)?.limited(limit);
        rows::check_role(&role, &set.rows, &set.unused).context("--positions")?;
        let answers = read!(given, self => positive);
        let out = read!(given, self => out).clone();
        let force = out.is_some() && *read!(given, self => force);
        let json = *read!(given, self => json);
        given.check("a search for directions", &[("force", "with --out")])?;
        directions.check(&outline)?;
        let ([positive, negative], left_out) =
            direction::pairs(&outline, &set.rows, &role, &form, answers)?;
        rows::warn_of_left_out(&left_out, set.rows.len());
        if let Some(subject) = positive.first() {
            prompts::warn_about_bos(&outline, subject.prompt());
        }
        let look = Look::of_rows(
            (name.clone(), form, outline),
            (positive, set.into_source(), left_out),
            bootstrap,
            (out, force, json),
        );
        let what = look.what();
        let task = Task {
            kind: Kind::Directions,
            options: json!({
                "method": directions.method.name(),
                "component": component.name(),
                "layers": directions.layers,
                "positions": role.to_string(),
                "positive": answers,
                "prompts": prompts::record(&look.form),
                "precision": precision.to_string(),
                "seed": seed,
                "resamples": look.bootstrap.resamples,
            }),
            tables: vec!["directions", "pairs"],
            figures: vec!["separation".to_owned()],
            more: vec![VECTORS.to_owned(), PLAN.to_owned()],
        };
        look.deliver(task, |outline, positive, bootstrap, folder| {
            let model = model::load(outline, precision)?;
            let bar = terminal::Bar::new(2 * positive.len(), "texts");
            let sides = [positive.to_vec(), negative];
            let found = directions.find(&model, &sides, &mut |done| bar.set(done))?;
            bar.finish();
            let mut summary =
                Summary::new(&sides[0], ["component", "layer", "method"], direction::METRICS);
            summary.add(&found.examples)?;
            let summary = shown::with_lengths(summary.table(bootstrap)?, &found.directions)?;
            let best = shown::best(&summary, &found.directions)?;
            let mut drawn = Drawn::default();
            if folder.is_some() && directions.layers.len() > 1 {
                drawn.take("separation", shown::draw(&model, &what, &summary, &directions));
            }
            let more = vec![
                (VECTORS.to_owned(), files::vectors(&found.directions, directions.method, seed)?),
                (PLAN.to_owned(), files::plan(&name, &found.directions[best], &role).into_bytes()),
            ];
            Ok(Seen {
                text: shown::text(&summary, &found.directions, best, &sides[0])?,
                tables: vec![("directions", summary), ("pairs", found.examples)],
                examples: None,
                drawn,
                more,
            })
        })
    }
}
