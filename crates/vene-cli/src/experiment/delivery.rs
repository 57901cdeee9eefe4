//! Where an experiment's results go, and how a run of it is begun, resumed and joined.

use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use vene::plan_file::{ExperimentKind, Format};

use super::{Experiment, circuit, collect, generate, plan, sweep, train};
use crate::arguments::read;
use crate::command::join::Shards;
use crate::folder::{Folder, Purpose, named_by_time};
use crate::record::{Kind, Record, Status};
use crate::shard::Shard;
use crate::terminal;

/// Where results go, and how they are told. Each kind of experiment reads what it has a use for.
#[derive(Default)]
pub struct Delivery {
    /// The folder, or the file.
    pub out: Option<PathBuf>,
    /// Whether what is there is replaced.
    pub force: bool,
    /// Whether the result is printed as JSON.
    pub json: bool,
    /// Whether it is only said what would run.
    pub dry_run: bool,
    /// Whether the experiment is only printed.
    pub print_spec: bool,
    /// The stretch of the rows that is run.
    pub shard: Option<Shard>,
}

impl Delivery {
    /// Claims the folder of a new run; a forecast has none.
    pub(super) fn claim(
        &self,
        experiment: &Experiment,
        kind: Kind,
    ) -> anyhow::Result<Option<Folder>> {
        if *read!(experiment.given, self => dry_run) {
            // So that the line of a run may be tried: what it says names a folder, and writes nothing.
            let _ = (read!(experiment.given, self => out), read!(experiment.given, self => force));
            return Ok(None);
        }
        self.claim_folder(experiment, kind).map(Some)
    }

    /// Claims the folder of a new run.
    pub(super) fn claim_folder(
        &self,
        experiment: &Experiment,
        kind: Kind,
    ) -> anyhow::Result<Folder> {
        let force = *read!(experiment.given, self => force);
        Folder::claim(&self.folder(experiment)?, Purpose::New { kind, force })
    }

    /// The folder that is named, or one after the experiment and the time.
    pub(super) fn folder(&self, experiment: &Experiment) -> anyhow::Result<PathBuf> {
        match read!(experiment.given, self => out) {
            Some(out) => Ok(out.clone()),
            None => named_by_time(experiment.file().unwrap_or(Path::new(experiment.kind.name()))),
        }
    }
}

/// Runs an experiment.
///
/// # Errors
/// Whatever is wrong with it, before a weight is read; or went wrong in doing it.
pub fn run(mut experiment: Experiment, delivery: &Delivery) -> anyhow::Result<()> {
    if delivery.print_spec {
        experiment.name_model()?;
        let format = if delivery.json { Format::Json } else { Format::Toml };
        return terminal::print(&(experiment.text(format).trim_end().to_owned() + "\n"));
    }
    match experiment.kind {
        ExperimentKind::Plan | ExperimentKind::Evaluate => plan::run(experiment, delivery),
        ExperimentKind::Train => train::run(experiment, delivery),
        ExperimentKind::Generate => generate::run(experiment, delivery),
        ExperimentKind::Collect => collect::run(experiment, delivery),
        ExperimentKind::Sweep => sweep::run(experiment, delivery),
        ExperimentKind::Edges
        | ExperimentKind::Paths
        | ExperimentKind::Faithfulness
        | ExperimentKind::Scrub
        | ExperimentKind::Pairs => circuit::run(experiment, delivery),
    }
}

/// Goes on with the run in a folder, which is of one of these kinds, by its own experiment.
///
/// # Errors
/// A folder without such a run; one in which something is other than it was.
pub fn resume(folder: &Path, kinds: &[Kind], json: bool) -> anyhow::Result<()> {
    let folder = folder.canonicalize().with_context(|| format!("--resume {}", folder.display()))?;
    let found = Record::read(&folder).ok().and_then(|record| record.kind());
    let kind = found.filter(|kind| kinds.contains(kind)).unwrap_or(kinds[0]);
    let claimed = Folder::claim(&folder, Purpose::Resume(kind))?;
    let record = claimed.earlier().context("there is no run to go on with")?;
    if record.status() == Some(Status::Complete) {
        return terminal::print(&format!("{} is complete\n", folder.display()));
    }
    let experiment = Experiment::of_record(record)?;
    let shard = Shard::of_record(record);
    match kind {
        Kind::PlanSweep => plan::go_on(experiment, &claimed, shard, json),
        Kind::DataSweep => sweep::go_on(experiment, &claimed, shard, json),
        Kind::Training => train::go_on(experiment, &claimed, shard, json),
        Kind::Edges | Kind::Paths | Kind::Faithfulness | Kind::Scrubbing | Kind::Pairs => {
            circuit::go_on(experiment, &claimed, shard, json)
        }
        Kind::Collection => collect::go_on(experiment, &claimed, shard, json),
        Kind::Demo
        | Kind::Sweep
        | Kind::Generation
        | Kind::Lens
        | Kind::Attribution
        | Kind::Attention
        | Kind::Directions => {
            bail!("{} holds a {}, which is run in one go", folder.display(), kind.name())
        }
    }
}

/// Puts the shards of a run together, in a folder that was claimed for that.
///
/// # Errors
/// Shards that cannot be read; what cannot be written.
pub fn join(shards: &Shards, folder: &Folder, json: bool) -> anyhow::Result<()> {
    let experiment = Experiment::of_record(shards.first())?;
    match experiment.kind {
        ExperimentKind::Plan | ExperimentKind::Evaluate => {
            plan::put_together(experiment, shards, folder, json)
        }
        ExperimentKind::Sweep => sweep::put_together(experiment, shards, folder, json),
        ExperimentKind::Train => train::put_together(experiment, shards, folder, json),
        ExperimentKind::Edges
        | ExperimentKind::Paths
        | ExperimentKind::Faithfulness
        | ExperimentKind::Scrub
        | ExperimentKind::Pairs => circuit::put_together(experiment, shards, folder, json),
        ExperimentKind::Collect => collect::put_together(experiment, shards, folder, json),
        kind => bail!("the shards are of no run over rows, but of kind `{kind}`"),
    }
}
