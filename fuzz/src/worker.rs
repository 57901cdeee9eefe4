//! A process that reads one input after the other, and ends where one is not refused in order.
//!
//! Running out of the stack and aborts can't be caught, so each reader has a process of its own. Before
//! every input it leaves in its folder what it is going to read.

use std::io::{Seek, Write};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use rand::SeedableRng;

use crate::memory;
use crate::mutate::{Dice, mutated};
use crate::target::{self, Target};

/// The input that is being read.
pub const INPUT: &str = "input";

/// How many were read, and how many of them accepted.
pub const COUNTS: &str = "counts";

/// What one input may take.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Bytes in use at once, beside what is there before.
    pub memory: usize,
    /// How long it may take.
    pub time: Duration,
}

/// When the input that is being read was begun, in milliseconds, counted from 1; 0 between two.
static BEGUN: AtomicU64 = AtomicU64::new(0);

/// Ends the process where something panics or takes too long, and says which.
fn watch(limits: Limits) -> Instant {
    std::panic::set_hook(Box::new(|panic| {
        memory::unlimited();
        let place = panic
            .location()
            .map_or(String::new(), |place| format!("{}:{}", place.file(), place.line()));
        let payload = panic.payload();
        let text = payload.downcast_ref::<&str>().copied();
        let message = text.or(payload.downcast_ref::<String>().map(String::as_str)).unwrap_or("");
        eprintln!(
            "panic: {place}: {}",
            message.chars().take(300).collect::<String>().replace('\n', " ")
        );
        if std::env::var_os("RUST_BACKTRACE").is_some() {
            eprintln!("{}", std::backtrace::Backtrace::force_capture());
        }
        std::process::abort();
    }));
    let start = Instant::now();
    std::thread::spawn(move || {
        loop {
            std::thread::sleep(Duration::from_millis(100));
            let begun = BEGUN.load(Ordering::Relaxed);
            let taken = start.elapsed().as_millis() as u64 + 1;
            if begun > 0 && taken.saturating_sub(begun) > limits.time.as_millis() as u64 {
                memory::unlimited();
                eprintln!("hang: more than {:?}", limits.time);
                std::process::abort();
            }
        }
    });
    start
}

/// Reads one input; whether it was accepted.
fn read(target: &mut Target, bytes: &[u8], limits: Limits, start: Instant) -> Result<()> {
    memory::limit(limits.memory);
    BEGUN.store(start.elapsed().as_millis() as u64 + 1, Ordering::Relaxed);
    let read = (target.read)(bytes);
    BEGUN.store(0, Ordering::Relaxed);
    memory::unlimited();
    read
}

/// Reads inputs from the number `from` on until `time` is over.
pub fn run(
    name: &str,
    folder: &Path,
    seed: u64,
    from: u64,
    time: Duration,
    limits: Limits,
) -> Result<()> {
    let work = tempfile::tempdir_in(folder)?;
    let mut target = target::make(name, work.path())?;
    let mut counts = std::fs::File::create(folder.join(COUNTS))?;
    let limits = patient(name, limits);
    let start = watch(limits);
    let (mut read_so_far, mut accepted) = (0u64, 0u64);
    for number in from.. {
        let bytes = input(&target, seed, number);
        std::fs::write(folder.join(INPUT), &bytes)?;
        read_so_far += 1;
        counts.rewind()?;
        counts.write_all([read_so_far.to_le_bytes(), accepted.to_le_bytes()].as_flattened())?;
        accepted += u64::from(read(&mut target, &bytes, limits, start).is_ok());
        if start.elapsed() > time {
            break;
        }
    }
    counts.rewind()?;
    counts.write_all([read_so_far.to_le_bytes(), accepted.to_le_bytes()].as_flattened())?;
    Ok(())
}

/// A client that is let down tries again, five times for each file, with pauses of a second and more between.
fn patient(name: &str, limits: Limits) -> Limits {
    let time = if name == "hub-client" { limits.time * 10 } else { limits.time };
    Limits { time, ..limits }
}

/// The input of this number: the seeds first, as they are.
fn input(target: &Target, seed: u64, number: u64) -> Vec<u8> {
    if let Some(seed) = usize::try_from(number).ok().and_then(|number| target.seeds.get(number)) {
        return seed.clone();
    }
    let mut dice = Dice::seed_from_u64(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ number);
    mutated(&mut dice, &target.seeds, target.form, &target.words)
}

/// Reads one file, and says what came of it.
pub fn once(name: &str, path: &Path, limits: Limits) -> Result<()> {
    let bytes = std::fs::read(path).with_context(|| path.display().to_string())?;
    let work = tempfile::tempdir()?;
    let mut target = target::make(name, work.path())?;
    let limits = patient(name, limits);
    let start = watch(limits);
    match read(&mut target, &bytes, limits, start) {
        Ok(()) => println!("accepted"),
        Err(error) => println!("refused: {error:#}"),
    }
    Ok(())
}
