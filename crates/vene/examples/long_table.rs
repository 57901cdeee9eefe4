//! Ten million made-up results on their way through writer, summary and figures: what a long sweep takes in memory, without
//! the sweep.
//!
//! ```console
//! cargo run --release -p vene --example long_table -- FOLDER [RESULTS] [PLACES]
//! ```
//!
//! writes parts as a run does, joins, summarises and draws them, and tells the time of each step and the process's largest
//! resident memory (441 MiB for ten million results at 24 places, by `wait4`; 176 s of CPU, most of them the bootstrap's).
//! Each place is one layer of one component; every example is a cluster of its own, which is the most that a bootstrap can
//! have.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::Context;
use vene::statistics::Bootstrap;
use vene::sweep::{Summary, join};
use vene_report::{Axis, Facets, HeatMap, Interval, Profile, Strips};
use vene_table::{Table, TableFile, TableSource};

/// Results of a part, about as many as a batch of a sweep has.
const PART: usize = 1 << 15;

fn main() -> anyhow::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let folder = PathBuf::from(arguments.next().context("name a folder for the tables")?);
    let mut number = |default: usize| arguments.next().map_or(Ok(default), |text| text.parse());
    let (results, places) = (number(10_000_000)?, number(24)?.max(1));
    std::fs::create_dir_all(&folder)?;
    let clock = Instant::now();
    let told = |what: &str| {
        let seconds = clock.elapsed().as_secs_f64();
        println!("{seconds:7.1} s, {:5} MiB at most so far: {what}", largest_mebibytes());
    };

    let examples = results / places;
    let parts = write_parts(&folder, examples, places)?;
    told(&format!("{} results written in {} parts", examples * places, parts.len()));

    let tables = parts.iter().map(TableFile::open).collect::<Result<Vec<_>, _>>()?;
    let joined = join(&tables)?;
    told("parts checked and joined");

    let summary = Summary { bootstrap: Bootstrap::default(), ..Summary::default() }.of(&joined)?;
    told("summarised");

    draw(&folder, &joined, &summary)?;
    told("drawn");

    joined.write_parquet(folder.join("examples.parquet"))?;
    summary.write_parquet(folder.join("summary.parquet"))?;
    summary.write_csv(folder.join("summary.csv"))?;
    told("written as one");
    println!("\n{summary}");
    Ok(())
}

/// Parts of a table of so many examples, each at so many places.
fn write_parts(folder: &Path, examples: usize, places: usize) -> anyhow::Result<Vec<PathBuf>> {
    let size = (PART / places).max(1);
    let mut paths = Vec::new();
    for first in (0..examples).step_by(size) {
        let path = folder.join(format!("part-{:05}.parquet", paths.len()));
        part(first..(first + size).min(examples), places)?.write_parquet(&path)?;
        paths.push(path);
    }
    Ok(paths)
}

/// The results of some examples.
fn part(examples: std::ops::Range<usize>, places: usize) -> anyhow::Result<Table> {
    let rows =
        || examples.clone().flat_map(|example| (0..places).map(move |place| (example, place)));
    let count = rows().count();
    // The last place matters most; the spread is the same everywhere.
    let effect = |example: usize, place: usize| {
        let mean = -3.0 * (place as f64 + 1.0) / places as f64;
        mean + noise(example, place) + 0.5 * noise(example, places)
    };
    let base = |example: usize| 4.0 + noise(example, places + 1);
    let column = |of: &dyn Fn(usize, usize) -> f64| -> Vec<f64> {
        rows().map(|(example, place)| of(example, place)).collect()
    };
    let text = |text: &str| vec![text.to_owned(); count];
    let table = Table::builder()
        .column("example", rows().map(|(example, _)| example).collect::<Vec<_>>())
        .column("group", vec![None::<String>; count])
        .column("component", text("block_output"))
        .column("layer", rows().map(|(_, place)| Some(place)).collect::<Vec<_>>())
        .column("role", vec![Some("subject_last"); count])
        .column("head", vec![None::<usize>; count])
        .column("metric", text("logit_difference"))
        .column("base_value", column(&|example, _| base(example)))
        .column("source_value", rows().map(|(example, _)| Some(-base(example))).collect::<Vec<_>>())
        .column("value", column(&|example, place| base(example) + effect(example, place)))
        .column("effect", column(&effect))
        .column("change", column(&|example, place| noise(example, place).abs()))
        .column("note", vec![None::<String>; count])
        .column("direction", text("noising"))
        .column("control", text("none"))
        .column("intervention", text("interchange"))
        .column("window", vec![1_i64; count])
        .column("effect_type", text("total"))
        .column("draws", vec![1_i64; count]);
    Ok(table.build()?)
}

/// A number between −1 and 1 that looks drawn, and is the same every time: the mean of two uniform ones.
fn noise(example: usize, place: usize) -> f64 {
    let uniform = |salt: u64| {
        // SplitMix64 (Steele, Lea & Flood 2014).
        let mut bits =
            (example as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ ((place as u64) << 40);
        bits = bits.wrapping_add(salt.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((bits ^ (bits >> 31)) >> 11) as f64 / (1_u64 << 53) as f64
    };
    uniform(1) + uniform(2) - 1.0
}

fn draw(folder: &Path, examples: &impl TableSource, summary: &Table) -> anyhow::Result<()> {
    let interval = Some(Interval::default().named("95 % interval"));
    let x = Axis::Role(vec!["subject_last".to_owned()]);
    let map = HeatMap { interval: interval.clone(), ..HeatMap::means(x, Facets::by("component")) };
    let strips = Strips { interval: interval.clone(), ..Strips::default() };
    let columns = ["example", "group", "component", "layer", "role", "head", "effect"];
    let figures: HashMap<&str, vene_report::Figure> = [
        ("mean", map.draw(summary)?),
        ("strips", strips.draw_chunks(summary, examples.chunks(Some(&columns))?)?),
        ("profile", Profile { interval, ..Profile::default() }.draw(summary)?),
    ]
    .into();
    for (name, figure) in figures {
        figure.write_svg(folder.join(format!("{name}.svg")))?;
        figure.write_png(folder.join(format!("{name}.png")))?;
    }
    Ok(())
}

/// The largest resident memory that this process had; 0 where the system does not say.
fn largest_mebibytes() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kibibytes =
        line.and_then(|line| line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok());
    kibibytes.unwrap_or(0) / 1024
}
