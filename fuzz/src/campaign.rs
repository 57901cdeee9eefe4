//! All readers, one after the other, each in a process of its own; what is found is made small and kept.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use crate::reduce::reduced;
use crate::worker::{COUNTS, INPUT, Limits};

/// How a campaign is run.
#[derive(Clone, Debug)]
pub struct Settings {
    /// For all readers together.
    pub time: Duration,
    /// What inputs are drawn by.
    pub seed: u64,
    /// Readers at the same time.
    pub jobs: usize,
    /// What one input may take.
    pub limits: Limits,
    /// Where what is found is kept.
    pub keep: PathBuf,
}

/// What a reader did that it should not.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Fault(pub String);

/// Something found.
#[derive(Clone, Debug)]
pub struct Finding {
    /// What happened.
    pub fault: Fault,
    /// The smallest input with which it does.
    pub input: PathBuf,
    /// How often it was met.
    pub times: usize,
}

/// What came of one reader.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    /// Inputs that were read.
    pub read: u64,
    /// Those that were accepted; the others were refused.
    pub accepted: u64,
    /// Each fault once.
    pub findings: Vec<Finding>,
}

/// After so many findings a reader is left.
const ENOUGH: usize = 20;

/// Runs these readers; the tally of each.
pub fn run(readers: &[&str], settings: &Settings) -> Result<BTreeMap<String, Tally>> {
    let queue = Mutex::new(readers.iter().copied().rev().collect::<Vec<_>>());
    let tallies = Mutex::new(BTreeMap::new());
    let each = settings.time.mul_f64(settings.jobs as f64 / readers.len().max(1) as f64);
    let work = || -> Result<()> {
        while let Some(reader) = queue.lock().ok().and_then(|mut queue| queue.pop()) {
            let tally = one(reader, each, settings).with_context(|| reader.to_owned())?;
            if let Ok(mut tallies) = tallies.lock() {
                tallies.insert(reader.to_owned(), tally);
            }
        }
        Ok(())
    };
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..settings.jobs).map(|_| scope.spawn(work)).collect();
        threads.into_iter().try_for_each(|thread| {
            thread.join().unwrap_or_else(|_| anyhow::bail!("a thread panicked"))
        })
    })?;
    tallies.into_inner().map_err(|_| anyhow::anyhow!("a thread panicked"))
}

/// One reader, for so long.
fn one(reader: &str, time: Duration, settings: &Settings) -> Result<Tally> {
    let mut tally = Tally::default();
    let folder = scratch()?;
    let (start, mut from) = (Instant::now(), 0);
    loop {
        let left = time.saturating_sub(start.elapsed());
        let worker = Worker { reader, folder: folder.path(), limits: settings.limits };
        let fault = worker.run(settings.seed, from, left)?;
        let (read, accepted) = counts(folder.path())?;
        tally.read += read;
        tally.accepted += accepted;
        from += read;
        let Some(fault) = fault else { return Ok(tally) };
        let known = tally.findings.iter_mut().find(|finding| finding.fault == fault);
        if let Some(known) = known {
            known.times += 1;
        } else {
            let input = std::fs::read(folder.path().join(INPUT))?;
            let small = reduced(input, |candidate| {
                worker.once(candidate).ok().flatten() == Some(fault.clone())
            });
            let path = kept(&settings.keep, reader, &small)?;
            eprintln!(
                "{reader}: {}; rerun: scripts/fuzz once {reader} {}",
                fault.0,
                path.display()
            );
            tally.findings.push(Finding { fault, input: path, times: 1 });
        }
        if start.elapsed() >= time || tally.findings.len() >= ENOUGH {
            return Ok(tally);
        }
    }
}

/// A folder in memory, where there is one: most readers read files.
fn scratch() -> Result<tempfile::TempDir> {
    let memory = Path::new("/dev/shm");
    Ok(if memory.is_dir() { tempfile::tempdir_in(memory)? } else { tempfile::tempdir()? })
}

fn kept(folder: &Path, reader: &str, input: &[u8]) -> Result<PathBuf> {
    std::fs::create_dir_all(folder)?;
    let mut number = 0;
    loop {
        let path = folder.join(format!("{reader}-{number}"));
        if !path.exists() {
            std::fs::write(&path, input)?;
            return Ok(path);
        }
        number += 1;
    }
}

fn counts(folder: &Path) -> Result<(u64, u64)> {
    let bytes = std::fs::read(folder.join(COUNTS)).unwrap_or_default();
    match bytes.as_chunks::<8>().0 {
        [read, accepted] => Ok((u64::from_le_bytes(*read), u64::from_le_bytes(*accepted))),
        _ => anyhow::bail!("the worker ended before its first input"),
    }
}

/// A process for one reader.
struct Worker<'a> {
    reader: &'a str,
    folder: &'a Path,
    limits: Limits,
}

impl Worker<'_> {
    /// Reads inputs until something goes wrong, or the time is over.
    fn run(&self, seed: u64, from: u64, time: Duration) -> Result<Option<Fault>> {
        let mut command = self.command("worker")?;
        command.arg(self.folder).args([
            seed.to_string(),
            from.to_string(),
            time.as_millis().to_string(),
        ]);
        self.fault(command)
    }

    /// Reads one input.
    fn once(&self, input: &[u8]) -> Result<Option<Fault>> {
        let path = self.folder.join("candidate");
        std::fs::write(&path, input)?;
        let mut command = self.command("once")?;
        command.arg(path);
        self.fault(command)
    }

    fn command(&self, what: &str) -> Result<Command> {
        let mut command = Command::new(std::env::current_exe()?);
        command.arg("--memory").arg(self.limits.memory.to_string());
        command.arg("--time-limit").arg(self.limits.time.as_secs().to_string());
        command.args([what, self.reader]).env_remove("RUST_BACKTRACE");
        Ok(command)
    }

    fn fault(&self, mut command: Command) -> Result<Option<Fault>> {
        let path = self.folder.join("stderr");
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(File::create(&path)?);
        let status = command.status()?;
        if status.success() {
            return Ok(None);
        }
        let said = String::from_utf8_lossy(&std::fs::read(path)?).into_owned();
        let kinds = ["panic: ", "memory: ", "hang: "];
        let line = said.lines().find(|line| kinds.iter().any(|kind| line.starts_with(kind)));
        let line = match line {
            // The number of bytes is another one each time.
            Some(line) if line.starts_with("memory: ") => {
                "memory: too much is asked for".to_owned()
            }
            Some(line) => line.to_owned(),
            None if said.contains("overflowed its stack") => "the stack is too small".to_owned(),
            None => format!("{status}: {}", said.lines().next().unwrap_or("nothing is said")),
        };
        Ok(Some(Fault(line)))
    }
}
