//! What all commands of circuits over data take: rows, the graph, what is measured, where results go.

use std::path::{Path, PathBuf};

use clap::Args;
use vene::AnswerTokens;
use vene::circuit::{Ablation, GroupedKeys};
use vene::plan_file::ExperimentKind;

use crate::arguments::{Given, ReadBy, by_name, heading, memory_size, read};
use crate::experiment::{self, Delivery, Experiment, put};
use crate::model::ExperimentModel;
use crate::record::Kind;
use crate::shard::Shard;

#[derive(Args)]
pub struct OverRows {
    #[command(flatten)]
    model: ExperimentModel,

    /// A file of rows: base, source, target, foil, spans (CSV, JSONL, JSON, Parquet)
    #[arg(help_heading = heading::DATA, long, value_name = "FILE", required_unless_present = "resume")]
    data: Option<PathBuf>,

    /// Only the first so many rows
    #[arg(help_heading = heading::DATA, long, value_name = "ROWS", value_parser = clap::value_parser!(u32).range(1..))]
    limit: Option<u32>,

    /// Which counterfactual of a MIB file is the source
    #[arg(help_heading = heading::DATA, long, value_name = "NAME")]
    counterfactual: Option<String>,

    /// Whose keys and values are told apart, where several query heads share them [default: grouped]
    #[arg(help_heading = heading::CIRCUIT, long, value_name = "NAME", value_parser = by_name::<GroupedKeys>())]
    graph: Option<GroupedKeys>,

    /// What senders add instead [default: resample]
    #[arg(help_heading = heading::CIRCUIT, long, value_name = "NAME", value_parser = by_name::<Ablation>())]
    ablation: Option<Ablation>,

    /// What is measured [default: logit_difference]
    #[arg(help_heading = heading::MEASURED, long, value_name = "NAME,...", value_delimiter = ',')]
    metric: Vec<String>,

    /// `first`: an answer's first token stands for it [default: answers must be single tokens]
    #[arg(help_heading = heading::MEASURED, long, value_name = "HOW", value_parser = by_name::<AnswerTokens>())]
    answers: Option<AnswerTokens>,

    /// Resamples of the bootstrap that intervals come from [default: 2000]
    #[arg(help_heading = heading::MEASURED, long, value_name = "COUNT", value_parser = clap::value_parser!(u32).range(1..))]
    resamples: Option<u32>,

    /// The seed of the bootstrap, and of what is drawn [default: 0]
    #[arg(help_heading = heading::MEASURED, long, value_name = "NUMBER")]
    seed: Option<u64>,

    /// How much memory the rows of one pass may take beside the weights, e.g. 500M or 2G
    #[arg(help_heading = heading::MODEL, long, value_name = "SIZE", value_parser = memory_size)]
    memory: Option<usize>,

    /// Only a stretch of the rows, such as 3/16: the third of sixteen, which `vene join` puts together
    #[arg(help_heading = heading::DATA, long, value_name = "NUMBER/OF")]
    shard: Option<Shard>,

    /// Say what would run; read no weights, write nothing
    #[arg(help_heading = heading::OUTPUT, long)]
    dry_run: bool,

    /// Print the whole experiment as TOML (with --json as JSON), and run nothing
    #[arg(help_heading = heading::OUTPUT, hide_short_help = true, long)]
    print_spec: bool,

    /// Print the record (run.json), or with --dry-run the forecast, as JSON
    #[arg(help_heading = heading::OUTPUT, long)]
    json: bool,

    /// The folder for tables and record [default: vene-out/ and the kind of run and the time]
    #[arg(help_heading = heading::OUTPUT, long, value_name = "DIR")]
    out: Option<PathBuf>,

    /// Replace the run that is in the folder, if there is one
    #[arg(help_heading = heading::OUTPUT, long)]
    force: bool,

    /// Go on with a run that was stopped, by its own experiment: its folder is all that is needed
    #[arg(help_heading = heading::OUTPUT, long, value_name = "DIR", conflicts_with = "data")]
    resume: Option<PathBuf>,
}

impl OverRows {
    /// Runs an experiment of this kind, or goes on with one of these runs. `put` puts what else is said in its place.
    pub fn run(
        &self,
        (kind, run): (ExperimentKind, Kind),
        given: Given,
        put: impl FnOnce(&mut Experiment),
    ) -> anyhow::Result<()> {
        if given.has("resume") {
            let folder = read!(given, self => resume).as_deref().unwrap_or(Path::new(""));
            let json = *read!(given, self => json);
            given.check("a run that is resumed with its own experiment", RESUMED)?;
            return experiment::resume(folder, &[run], json);
        }
        let mut experiment = Experiment::of_line(kind, given)?;
        self.model.put(&mut experiment);
        experiment.take_data(self.data.as_ref())?;
        let count = |count| count as usize;
        put!(experiment, self => limit => data.limit, count);
        put!(experiment, self => counterfactual => data.counterfactual);
        put!(experiment, self => graph => circuit.graph);
        put!(experiment, self => ablation => circuit.ablation);
        put!(experiment, self => metric => measure.metrics);
        put!(experiment, self => answers => measure.answers);
        put!(experiment, self => resamples => statistics.resamples, count);
        put!(experiment, self => seed => statistics.seed);
        put!(experiment, self => memory => limits.memory);
        put(&mut experiment);
        let print_spec = *read!(experiment.given, self => print_spec);
        let delivery = Delivery {
            out: self.out.clone(),
            force: self.force,
            json: self.json,
            dry_run: self.dry_run,
            print_spec,
            shard: self.shard,
        };
        experiment::run(experiment, &delivery)
    }
}

const RESUMED: &ReadBy = &[("force", "where something is written anew (without --resume)")];
