//! Hostile inputs for every reader of vene.
//!
//! `docs/fuzzing.md` says how to use it. A loop makes inputs out of others ([`mutate`]), hands them to the
//! readers in processes of their own ([`worker`], [`target`]) with a limit of time and of memory
//! ([`memory`]), and keeps what is found, made as small as it gets ([`campaign`], [`reduce`]); the command
//! `vene` is run in the same way ([`command`], [`resumed`]). It needs no other compiler than the rest.

mod campaign;
mod command;
mod memory;
mod mutate;
mod reduce;
mod resumed;
mod target;
mod worker;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, SystemTime};

use anyhow::Result;
use clap::{Parser, Subcommand};

use campaign::Settings;
use worker::Limits;

#[global_allocator]
static ALLOCATOR: memory::Counted = memory::Counted;

/// Hands hostile inputs to every reader of vene.
#[derive(Parser)]
#[command(name = "vene-fuzz")]
struct Arguments {
    /// Bytes that may be in use at once while one input is read.
    #[arg(long, default_value_t = 256 << 20)]
    memory: usize,
    /// Seconds that one input may take.
    #[arg(long, default_value_t = 10)]
    time_limit: u64,
    #[command(subcommand)]
    job: Job,
}

#[derive(Subcommand)]
enum Job {
    /// Runs readers for some time; exits with 1 if something was found.
    Run {
        /// For all together.
        seconds: u64,
        /// Only these readers.
        #[arg(long, value_delimiter = ',')]
        only: Vec<String>,
        /// What inputs are drawn by: the same seed makes the same inputs. Default: the time.
        #[arg(long)]
        seed: Option<u64>,
        /// Readers at the same time.
        #[arg(long, default_value_t = 2)]
        jobs: usize,
        /// The command, which is run too.
        #[arg(long)]
        vene: Option<PathBuf>,
        /// Where inputs that fail are kept.
        #[arg(long, default_value = "target/fuzz")]
        keep: PathBuf,
    },
    /// Reads one file by one reader, and says what comes of it.
    Once {
        /// The reader's name.
        reader: String,
        /// The input.
        file: PathBuf,
    },
    /// Lists the readers.
    List,
    #[command(hide = true)]
    Worker { reader: String, folder: PathBuf, seed: u64, from: u64, milliseconds: u64 },
}

fn main() -> Result<ExitCode> {
    let arguments = Arguments::parse();
    let limits =
        Limits { memory: arguments.memory, time: Duration::from_secs(arguments.time_limit) };
    match arguments.job {
        Job::List => target::ALL.iter().for_each(|(name, _)| println!("{name}")),
        Job::Once { reader, file } => worker::once(&reader, &file, limits)?,
        Job::Worker { reader, folder, seed, from, milliseconds } => {
            worker::run(&reader, &folder, seed, from, Duration::from_millis(milliseconds), limits)?;
        }
        Job::Run { seconds, only, seed, jobs, vene, keep } => {
            let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)?.as_secs();
            let (time, seed) = (Duration::from_secs(seconds), seed.unwrap_or(now));
            let settings = Settings { time, seed, jobs: jobs.max(1), limits, keep };
            return run(&settings, &only, vene);
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn run(settings: &Settings, only: &[String], vene: Option<PathBuf>) -> Result<ExitCode> {
    let is_chosen =
        |name: &&str| only.is_empty() || only.iter().any(|only| name.starts_with(only.as_str()));
    let readers: Vec<&str> = target::ALL.iter().map(|(name, _)| *name).filter(is_chosen).collect();
    println!("seed {}", settings.seed);
    let vene = vene.filter(|_| only.is_empty() || only.iter().any(|only| only == "command"));
    // The command gets a quarter of the time: a run takes a hundred times as long as a call of a reader.
    let share = if readers.is_empty() { 1.0 } else { 0.25 };
    let of_readers =
        if vene.is_some() { settings.time.mul_f64(1.0 - share) } else { settings.time };
    let mut tallies = campaign::run(&readers, &Settings { time: of_readers, ..settings.clone() })?;
    if let Some(vene) = vene {
        let tally = command::run(&vene, settings.time.mul_f64(share), settings)?;
        tallies.insert("command".to_owned(), tally);
    }
    let (mut read, mut found) = (0, 0);
    println!("{:<20} {:>10} {:>10}", "reader", "inputs", "accepted");
    for (name, tally) in &tallies {
        println!("{name:<20} {:>10} {:>10}", tally.read, tally.accepted);
        for finding in &tally.findings {
            println!(
                "  {} ({} times): {}",
                finding.fault.0,
                finding.times,
                finding.input.display()
            );
        }
        read += tally.read;
        found += tally.findings.len();
    }
    println!("{read} inputs, {found} findings");
    Ok(if found == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
