//! The options of a sweep over a data set.

use std::path::PathBuf;

use clap::Args;
use vene::data::{Role, Together};
use vene::metric::{self, BuiltIn};
use vene::plan_file::MeanOver;
use vene::statistics::Correction;
use vene::{AnswerTokens, Control, Direction, EffectType};

use crate::arguments::{by_name, heading};
use crate::experiment::{Experiment, put};
use crate::shard::Shard;

/// A sweep over a data set
#[derive(Args)]
pub struct OverData {
    /// A file of rows: CSV, JSONL, JSON or Parquet (`vene help data`)
    ///
    /// Its columns are base, source, target, foil, spans, group. A row is {"base": "The capital of Spain is", "source": "The capital of Italy is", "target":
    /// " Madrid", "foil": " Rome", "subject": "Spain", "source_subject": "Italy", "group":
    /// "capital-1"}: the target is the base's answer, the foil the source's, `subject` one of any
    /// number of spans after which positions are named. AutoCircuit's and MIB's files are read too.
    /// `vene task` makes such files.
    #[arg(help_heading = heading::DATA, long, value_name = "FILE")]
    pub data: Option<PathBuf>,

    /// Only the first so many rows
    #[arg(help_heading = heading::DATA, long, value_name = "ROWS",
        value_parser = clap::value_parser!(u32).range(1..))]
    limit: Option<u32>,

    /// Which counterfactual of a MIB file is the source
    #[arg(help_heading = heading::DATA, hide_short_help = true, long, value_name = "NAME")]
    counterfactual: Option<String>,

    /// What is measured [default: logit_difference; of one pair its tokens alone]
    #[arg(help_heading = heading::BOTH, display_order = 500, long, value_name = "NAME,...", value_delimiter = ',', long_help = metric_help())]
    metric: Vec<String>,

    /// How answers of several tokens are read [default: whole]
    #[arg(help_heading = heading::BOTH, display_order = 500, hide_short_help = true, long, value_name = "HOW", value_parser = by_name::<AnswerTokens>())]
    answers: Option<AnswerTokens>,

    /// Leave out rows in which two of --positions are the same token
    #[arg(help_heading = heading::DATA, hide_short_help = true, long)]
    distinct_positions: bool,

    /// Which run is edited: noising, denoising, or both [default: noising]
    ///
    /// noising: the base's, with the source's values, which shows what breaks the answer. denoising: the source's, with
    /// the base's, which shows what brings it back.
    #[arg(help_heading = heading::BOTH, display_order = 500, long, value_name = "DIRECTION", value_parser = directions)]
    direction: Option<Directions>,

    /// How many adjacent layers are edited at once [default: 1]
    ///
    /// They lie around each layer. Of an even number one more lies before the layer than after it, as in the code of Meng et al. (2022).
    #[arg(help_heading = heading::BOTH, display_order = 500, long, value_name = "LAYERS")]
    window: Option<usize>,

    /// What effects go through [default: total]
    #[arg(help_heading = heading::BOTH, display_order = 500, long, value_name = "TYPE", value_parser = by_name::<EffectType>())]
    effect: Option<EffectType>,

    /// resample, noise, restore: how many draws are averaged for each row [default: 1]
    #[arg(help_heading = heading::BOTH, display_order = 500, hide_short_help = true, long, value_name = "DRAWS")]
    draws: Option<usize>,

    /// mean: over which tokens of the data set's bases [default: position]
    #[arg(help_heading = heading::DATA, hide_short_help = true, long, value_name = "TOKENS", value_parser = by_name::<MeanOver>())]
    mean_over: Option<MeanOver>,

    /// restore: the noise's standard deviation, in units of that of the corrupted tokens' embeddings
    ///
    /// 3 is what Meng et al. (2022) take. Token embeddings alone: learned position embeddings (GPT-2's) have no part
    /// in it. --noise-sd gives an absolute one instead
    #[arg(help_heading = heading::DATA, hide_short_help = true, long, value_name = "TIMES",
        allow_hyphen_values = true, value_parser = super::deviation)]
    noise_times: Option<f64>,

    /// restore: the tokens whose embeddings get the noise, e.g. subject
    #[arg(help_heading = heading::DATA, hide_short_help = true, long, value_name = "POSITION")]
    corrupt: Option<Role>,

    /// Maps beside the first, of what should not matter
    #[arg(help_heading = heading::BOTH, display_order = 500, long, value_name = "NAME,...", value_delimiter = ',', value_parser = by_name::<Control>())]
    control: Vec<Control>,

    /// Resamples of the bootstrap that intervals come from [default: 2000]
    #[arg(help_heading = heading::DATA, hide_short_help = true, long, value_name = "COUNT")]
    resamples: Option<usize>,

    /// How p-values are adjusted for the number of places [default: none]
    #[arg(help_heading = heading::DATA, hide_short_help = true, long, value_name = "NAME", value_parser = by_name::<Correction>())]
    correction: Option<Correction>,

    /// Share of the rows in which effects are looked for
    ///
    /// The others show what was found.
    #[arg(help_heading = heading::DATA, long, value_name = "SHARE")]
    discovery: Option<f64>,

    /// Which rows stay on one side of that split [default: prompts]
    #[arg(help_heading = heading::DATA, hide_short_help = true, long, value_name = "ROWS", value_parser = by_name::<Together>())]
    together: Option<Together>,

    /// Only a stretch of the rows, such as 3/16 (see `vene join`)
    ///
    /// The third of sixteen stretches, which `vene join` puts together.
    #[arg(help_heading = heading::DATA, long, value_name = "NUMBER/OF")]
    pub shard: Option<Shard>,

    /// Go on with a sweep over a data set that was stopped
    ///
    /// By its own options: its folder is all that is needed.
    #[arg(help_heading = heading::DATA, long, value_name = "DIR")]
    pub resume: Option<PathBuf>,
}

/// Directions, in their order.
#[derive(Clone, Debug)]
struct Directions(Vec<Direction>);

fn directions(text: &str) -> Result<Directions, String> {
    let each = match text {
        "both" | "all" => return Ok(Directions(Direction::ALL.to_vec())),
        list => list.split(',').map(|name| name.trim().parse::<Direction>()),
    };
    each.collect::<Result<_, _>>().map(Directions).map_err(|error| format!("{error}, both"))
}

impl OverData {
    /// Puts what is said here in the place of the experiment's keys.
    pub fn put(&self, experiment: &mut Experiment) {
        put!(experiment, self => limit => data.limit, |limit| limit as usize);
        put!(experiment, self => counterfactual => data.counterfactual);
        put!(experiment, self => metric => measure.metrics);
        put!(experiment, self => answers => measure.answers);
        put!(experiment, self => distinct_positions => sweep.distinct_positions);
        put!(experiment, self => direction => sweep.directions, |Directions(each)| each);
        put!(experiment, self => window => sweep.window);
        put!(experiment, self => effect => sweep.effect);
        put!(experiment, self => draws => sweep.draws);
        put!(experiment, self => mean_over => sweep.mean_over);
        put!(experiment, self => noise_times => sweep.noise_times);
        put!(experiment, self => corrupt => sweep.corrupt);
        put!(experiment, self => control => sweep.controls);
        put!(experiment, self => resamples => statistics.resamples);
        put!(experiment, self => correction => statistics.correction);
        put!(experiment, self => discovery => statistics.discovery);
        put!(experiment, self => together => statistics.together);
    }
}

/// The help of `--metric`.
fn metric_help() -> String {
    let line = |row: &BuiltIn| format!("\n- {}: {}", with_aliases(row), row.documentation);
    let lines: String = metric::BUILT_IN.iter().map(line).collect();
    format!("What is measured [default: {}]\n{lines}", metric::BUILT_IN[0].name)
}

fn with_aliases(row: &BuiltIn) -> String {
    let names: Vec<&str> = [row.name].into_iter().chain(row.aliases.iter().copied()).collect();
    names.join(", ")
}
