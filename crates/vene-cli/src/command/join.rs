//! `vene join`: the shards of a run as one.

use std::path::PathBuf;

use anyhow::{Context, bail, ensure};
use clap::Args;
use vene_table::TableFile;

use crate::arguments::{Given, read};
use crate::experiment;
use crate::folder::{Folder, Purpose};
use crate::record::{RECORD, Record, Status, Unreadable};
use crate::shard::Shard;
use crate::terminal;

/// Put the shards of a run together
#[derive(Args)]
#[command(
    long_about = "\
Puts together what `--shard` took apart: tables, tensors and figures are those of one run, to the byte. All shards must \
be there, each once, and be of one experiment; otherwise it is said what is missing or differs.",
    after_help = "\
Examples:
  vene task capital -n 60 --out capital.jsonl
  vene sweep --data capital.jsonl --component block_output --positions last --shard 1/2 --out part-1
  vene sweep --data capital.jsonl --component block_output --positions last --shard 2/2 --out part-2
  vene join part-1 part-2 --out whole

Of a grid of trainings (vene train --shard) the runs are put together."
)]
pub struct Arguments {
    /// The folders of the shards, in any order
    #[arg(required = true, value_name = "DIR")]
    shards: Vec<PathBuf>,

    /// Print the record (run.json) as JSON
    #[arg(long)]
    json: bool,

    /// The folder for the whole
    #[arg(long, value_name = "DIR")]
    out: PathBuf,

    /// Replace the run that is in the folder, if there is one
    #[arg(long)]
    force: bool,
}

/// The shards of a run, in their order.
pub struct Shards {
    /// Each with its folder.
    pub shards: Vec<(PathBuf, Record)>,
}

impl Arguments {
    pub fn run(&self, given: &Given) -> anyhow::Result<()> {
        let shards = Shards::open(read!(given, self => shards))?;
        let (out, force) = (read!(given, self => out), *read!(given, self => force));
        let json = *read!(given, self => json);
        given.check("a joining", &[])?;
        let out = std::path::absolute(out)?;
        let Some(kind) = shards.first().kind().filter(|kind| !kind.is_in_one_go()) else {
            bail!("{} is no shard of a run over a data set", shards.shards[0].0.display());
        };
        let folder = Folder::claim(&out, Purpose::New { kind, force })?;
        experiment::join(&shards, &folder, json)
    }
}

impl Shards {
    /// Reads the records of folders.
    ///
    /// # Errors
    /// A folder that is no complete shard; shards of other experiments; one that is there twice, or not at all.
    fn open(folders: &[PathBuf]) -> anyhow::Result<Self> {
        let mut shards = Vec::new();
        for folder in folders {
            let folder = folder.canonicalize().with_context(|| format!("{}", folder.display()))?;
            let record = match Record::read(&folder) {
                Ok(record) => record,
                Err(Unreadable::Missing) => {
                    bail!("{} holds no run: there is no {RECORD}", folder.display())
                }
                Err(Unreadable::Damaged(why)) => {
                    bail!("{} {why}", folder.join(RECORD).display())
                }
            };
            ensure!(
                record.status() == Some(Status::Complete),
                "the run in {} is not complete: go on with it first",
                folder.display()
            );
            let Some(shard) = Shard::of_record(&record) else {
                bail!("{} is no shard: it was run without --shard", folder.display());
            };
            shards.push((shard, folder, record));
        }
        shards.sort_by_key(|(shard, ..)| shard.number);
        let (first, of) = (&shards[0], shards[0].0.of);
        for (shard, folder, record) in &shards {
            if record.spec() != first.2.spec() || shard.of != of {
                let all = ["data", "model", "plan_files", "experiment"];
                let difference = first
                    .2
                    .difference_in_words(record, &all)
                    .unwrap_or_else(|| format!("it is one of {}, not of {of}", shard.of));
                bail!(
                    "{} is no shard of the run in {}: {difference}",
                    folder.display(),
                    first.1.display()
                );
            }
        }
        for pair in shards.windows(2) {
            ensure!(
                pair[0].0 != pair[1].0,
                "shard {} is there twice: {} and {}",
                pair[0].0,
                pair[0].1.display(),
                pair[1].1.display()
            );
        }
        let missing: Vec<String> = (1..=of)
            .filter(|number| shards.iter().all(|(shard, ..)| shard.number != *number))
            .map(|number| format!("{number}/{of}"))
            .collect();
        ensure!(missing.is_empty(), "shards are missing: {}", missing.join(", "));
        let processors: Vec<&str> =
            shards.iter().filter_map(|(.., record)| record.get("processor").as_str()).collect();
        if let Some(other) = processors.iter().find(|other| **other != processors[0]) {
            terminal::warn(format!(
                "the shards were run on processors with other instructions ({} and {other}): low bits of numbers may \
                 differ from those of one run",
                processors[0]
            ));
        }
        let shards = shards.into_iter().map(|(_, folder, record)| (folder, record)).collect();
        Ok(Self { shards })
    }

    /// The first shard's record.
    pub fn first(&self) -> &Record {
        &self.shards[0].1
    }

    /// A file of each shard.
    pub fn files(&self, name: &str) -> Vec<PathBuf> {
        self.shards.iter().map(|(folder, _)| folder.join(name)).collect()
    }

    /// A table of each shard.
    ///
    /// # Errors
    /// A table that cannot be read.
    pub fn tables(&self, name: &str) -> anyhow::Result<Vec<TableFile>> {
        let read =
            |path: PathBuf| TableFile::open(&path).with_context(|| format!("{}", path.display()));
        self.files(name).into_iter().map(read).collect()
    }

    /// What the shards took together, in seconds.
    pub fn seconds(&self) -> f64 {
        self.shards.iter().filter_map(|(_, record)| record.get("seconds").as_f64()).sum()
    }
}
