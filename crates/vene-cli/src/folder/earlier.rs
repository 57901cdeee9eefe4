//! What an earlier run left in a folder, and whether it may be replaced or gone on with.

use std::fs;
use std::io;
use std::path::Path;

use anyhow::{Context, bail};

use super::remove_file;
use crate::record::{Kind, RECORD, Record, Status, Unreadable};
use crate::{parts, training};

/// What is in a folder.
pub enum Earlier {
    /// No run's record.
    Nothing,
    /// A record that cannot be trusted, and why.
    Unknown(String),
    Run(Record),
}

/// What a kind of run has in a folder beside files that it lists: what it keeps to be gone on with, and folders.
#[derive(Clone, Copy)]
enum Kept {
    /// The parts of a run over a data set.
    Parts,
    /// The checkpoint of a training.
    Checkpoint,
    /// The trained plan.
    Trained,
    /// The runs of a grid of trainings.
    Runs,
}

impl Kept {
    fn of(kind: Kind) -> &'static [Self] {
        match kind {
            Kind::Demo
            | Kind::Sweep
            | Kind::Generation
            | Kind::Lens
            | Kind::Attribution
            | Kind::Attention
            | Kind::Directions => &[],
            Kind::DataSweep
            | Kind::PlanSweep
            | Kind::Collection
            | Kind::Edges
            | Kind::Paths
            | Kind::Faithfulness
            | Kind::Scrubbing
            | Kind::Pairs => &[Self::Parts],
            Kind::Training => &[Self::Checkpoint, Self::Trained, Self::Runs],
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Parts => parts::FOLDER,
            Self::Checkpoint => training::CHECKPOINT,
            Self::Trained => training::TRAINED,
            Self::Runs => training::grid::RUNS,
        }
    }

    fn is_in(self, folder: &Path) -> bool {
        folder.join(self.name()).symlink_metadata().is_ok()
    }

    /// Refuses what has the name and is something else: it is the user's, and would be in the way.
    fn check(self, folder: &Path) -> anyhow::Result<()> {
        let path = folder.join(self.name());
        let checked = match self {
            Self::Parts => parts::check(&path),
            Self::Checkpoint => return Ok(()),
            Self::Trained => vene_files::check_folder(&path, &vene::plan_file::SAVED_FILES),
            Self::Runs => training::grid::check(&path),
        };
        checked.with_context(|| format!("{} is in the way", path.display()))
    }

    /// Whether it is of no more use once the run is complete.
    fn is_to_go_on_with(self) -> bool {
        matches!(self, Self::Parts | Self::Checkpoint)
    }

    /// Removes it, and nothing else.
    fn remove(self, folder: &Path) -> io::Result<()> {
        let path = folder.join(self.name());
        match self {
            Self::Parts => parts::remove(&path),
            Self::Checkpoint => remove_file(&path),
            Self::Runs => training::grid::remove(&path),
            Self::Trained => {
                for name in vene::plan_file::SAVED_FILES {
                    remove_file(&path.join(name))?;
                }
                if path.is_dir() { fs::remove_dir(&path) } else { Ok(()) }
            }
        }
    }
}

/// Removes what a run of this kind kept to be gone on with, once it is complete.
pub fn remove_kept(path: &Path, kind: Kind) -> anyhow::Result<()> {
    for kept in Kept::of(kind).iter().filter(|kept| kept.is_to_go_on_with() && kept.is_in(path)) {
        let failed = || format!("cannot remove {}", path.join(kept.name()).display());
        kept.remove(path).with_context(failed)?;
    }
    Ok(())
}

impl Earlier {
    pub fn in_folder(path: &Path) -> Self {
        match Record::read(path) {
            Ok(record) => Self::Run(record),
            Err(Unreadable::Missing) => Self::Nothing,
            Err(Unreadable::Damaged(why)) => Self::Unknown(why),
        }
    }

    pub fn record(&self) -> Option<&Record> {
        match self {
            Self::Run(record) => Some(record),
            _ => None,
        }
    }

    /// What there is of the earlier run, and of a new one's kind.
    fn kept(&self, path: &Path, new: Kind) -> impl Iterator<Item = Kept> {
        let earlier = self.record().and_then(Record::kind).filter(|kind| *kind != new);
        let kinds = [Some(new), earlier].into_iter().flatten();
        let path = path.to_owned();
        kinds.flat_map(|kind| Kept::of(kind).iter().copied()).filter(move |kept| kept.is_in(&path))
    }

    /// Refuses a new run where something would be lost by it.
    pub fn check_replaceable(&self, path: &Path, new: Kind, force: bool) -> anyhow::Result<()> {
        for kept in self.kept(path, new) {
            kept.check(path)?;
        }
        if force {
            return Ok(());
        }
        let folder = path.display();
        let replace = "give another folder (--out), or replace what is there (--force)";
        let kept = self.kept(path, new).next();
        let record = match self {
            Self::Run(record) => record,
            Self::Unknown(why) => bail!("{} {why}: {replace}", path.join(RECORD).display()),
            Self::Nothing => match kept {
                None => return Ok(()),
                Some(kept) => bail!(
                    "{} is there already, of a run without a {RECORD}: {replace}",
                    path.join(kept.name()).display()
                ),
            },
        };
        let Some(kind) = record.kind() else { bail!("{folder} holds a run: {replace}") };
        if record.status() == Some(Status::Complete) {
            bail!("{folder} holds a {} that is complete: {replace}", kind.name());
        }
        // Nothing is lost of what was stopped before it kept anything.
        if kept.is_none() && (kind == new || kind.is_in_one_go()) {
            return Ok(());
        }
        bail!(
            "{folder} holds a {} that was not finished: {}, {replace}",
            kind.name(),
            go_on_with(kind, path)
        )
    }

    /// Refuses to go on with anything but a run of this kind.
    pub fn check_resumable(&self, path: &Path, kind: Kind) -> anyhow::Result<()> {
        let folder = path.display();
        let what = kind.short_name();
        let record = match self {
            Self::Run(record) => record,
            Self::Nothing => bail!("{folder} holds no {what} to go on with: there is no {RECORD}"),
            Self::Unknown(why) => bail!(
                "the {what} in {folder} cannot be gone on with, since {} {why}; start again, in another folder (--out) \
                 or in its place (--force)",
                path.join(RECORD).display()
            ),
        };
        let found = record.kind().unwrap_or(Kind::Sweep);
        if found != kind {
            let instead = if found.is_in_one_go() {
                "which is run in one go".to_owned()
            } else {
                go_on_with(found, path)
            };
            bail!("{folder} holds no {what} to go on with, but a {}: {instead}", found.name());
        }
        for kept in self.kept(path, kind) {
            kept.check(path)?;
        }
        Ok(())
    }

    /// Removes what the run wrote, but its record; and what else is in the way of a new one, with `force`.
    pub fn remove_outputs(&self, path: &Path, new: Kind, force: bool) -> io::Result<()> {
        for name in self.record().map(Record::files).unwrap_or_default() {
            let file = path.join(&name);
            if name != Path::new(RECORD) && !file.is_dir() {
                remove_file(&file)?;
            }
        }
        if force {
            for kept in self.kept(path, new) {
                kept.remove(path)?;
            }
        }
        Ok(())
    }
}

/// How a run is gone on with.
fn go_on_with(kind: Kind, path: &Path) -> String {
    match kind {
        Kind::Training => format!("go on with it (vene train --resume {})", path.display()),
        Kind::DataSweep => format!("go on with it (vene sweep --resume {})", path.display()),
        _ => format!("go on with it (vene run --resume {})", path.display()),
    }
}
