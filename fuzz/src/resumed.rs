//! Runs that were stopped, damaged, and are taken up again.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use rand::RngExt;

use crate::mutate::{Dice, damaged};

/// The model of lines that name none.
pub const MODEL: (&str, &str) = ("VENE_MODEL", "embedded");

/// A run that was stopped on its way.
pub struct Stopped {
    folder: PathBuf,
    data: PathBuf,
}

impl Stopped {
    /// Starts a sweep over a data set in this folder, and kills it when parts of it are there.
    pub fn make(vene: &Path, folder: &Path) -> Result<Self> {
        let stopped = Self { folder: folder.join("stopped"), data: folder.join("rows.jsonl") };
        let data = stopped.data.to_string_lossy().into_owned();
        let made = Command::new(vene)
            .args(["task", "capital", "--count", "48", "--out", &data])
            .stdout(Stdio::null())
            .status()?;
        ensure!(made.success(), "no data set is made");
        let mut run = Command::new(vene)
            .args(stopped.arguments())
            .env(MODEL.0, MODEL.1)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()?;
        let start = Instant::now();
        while files(&stopped.folder).len() < 4
            && run.try_wait()?.is_none()
            && start.elapsed() < Duration::from_secs(60)
        {
            std::thread::sleep(Duration::from_millis(2));
        }
        run.kill()?;
        run.wait()?;
        ensure!(!files(&stopped.folder).is_empty(), "a run leaves nothing when it is stopped");
        Ok(stopped)
    }

    fn arguments(&self) -> Vec<String> {
        let (data, out) = (self.data.to_string_lossy(), self.folder.to_string_lossy());
        let line = format!(
            "sweep|--data|{data}|--component|block_output,mlp_output|--layers|0..8|--positions|last|--threads|1|--out|{out}"
        );
        line.split('|').map(str::to_owned).collect()
    }

    /// The arguments that take up a damaged copy of it.
    pub fn damaged(&self, dice: &mut Dice, copy: &Path) -> Result<Vec<String>> {
        let files = files(&self.folder);
        for path in &files {
            let to = copy.join(path.strip_prefix(&self.folder)?);
            std::fs::create_dir_all(to.parent().context("a file without a folder")?)?;
            std::fs::copy(path, to)?;
        }
        let place =
            |path: &Path| Ok::<_, anyhow::Error>(copy.join(path.strip_prefix(&self.folder)?));
        let chosen = place(&files[dice.random_range(0..files.len())])?;
        let other = place(&files[dice.random_range(0..files.len())])?;
        match dice.random_range(0..8) {
            0 => std::fs::remove_file(&chosen)?,
            1 => drop(std::fs::copy(&other, &chosen)?),
            _ => std::fs::write(&chosen, damaged(dice, std::fs::read(&chosen)?))?,
        }
        let copy = copy.to_string_lossy().into_owned();
        Ok(["sweep", "--threads", "1", "--resume", &copy].map(str::to_owned).to_vec())
    }
}

/// All files within a folder, sorted.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            found.extend(files(&path));
        } else {
            found.push(path);
        }
    }
    found.sort();
    found
}
