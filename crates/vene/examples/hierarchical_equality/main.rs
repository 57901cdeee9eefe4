//! A known result, found again from scratch: a network that learned hierarchical equality computes whether the
//! first two objects are equal, and whether the last two are, before it compares (Geiger et al. 2023, "Finding
//! alignments between interpretable causal variables and distributed neural representations").
//!
//! ```sh
//! cargo run --release -p vene --example hierarchical_equality -- OUT [PAGE]
//! ```
//!
//! writes tables, the trained network and a figure into the folder OUT, and its tables and figure into the page
//! PAGE (`docs/examples/hierarchical-equality.md`).

#[path = "../support/accuracy.rs"]
mod accuracy;
mod alignment;
mod experiment;
#[path = "../support/learner.rs"]
mod learner;
#[path = "../support/page.rs"]
mod page;
mod perceptron;

use std::error::Error;
use std::path::{Path, PathBuf};
use std::time::Instant;

use accuracy::Accuracy;
use experiment::{Measured, Network, Sizes};
use perceptron::{LAYERS, Training};
use vene::causal::examples::hierarchical_equality;
use vene_report::{Caption, Facets, Interval, Profile};
use vene_table::Table;

const SIZES: Sizes = Sizes { learned_on: 4_000, held_out: 6_000, epochs: 10 };
const STEPS: usize = 8_000;
const WEIGHT_DECAY: f64 = 0.2;

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1).map(PathBuf::from);
    let out = arguments.next().ok_or("which folder shall the results go to?")?;
    // The products are too small to be shared: threads would only wait for each other.
    rayon::ThreadPoolBuilder::new().num_threads(1).build_global()?;
    std::fs::create_dir_all(&out)?;
    let start = Instant::now();
    let causal = hierarchical_equality(200);

    let training = Training { steps: STEPS, weight_decay: WEIGHT_DECAY, seed: 0 };
    let network = Network::train(&causal, training, SIZES, &out.join("network"))?;
    println!("the network is right on {:.2} % of new inputs", 100.0 * network.accuracy);
    let mut layers = Vec::new();
    for layer in 0..LAYERS {
        let measured = network.align(layer)?;
        println!("layer {layer}: {}", told(&measured));
        layers.push(measured);
    }

    // The same on other networks, and on networks that nothing keeps small.
    let mut others = Vec::new();
    for weight_decay in [WEIGHT_DECAY, 0.0] {
        for seed in 0..3 {
            let training = Training { steps: STEPS, weight_decay, seed };
            let folder = out.join(format!("other-{weight_decay}-{seed}"));
            let network = Network::train(&causal, training, SIZES, &folder)?;
            let measured = network.align(0)?;
            println!("weight decay {weight_decay}, seed {seed}: {}", told(&measured));
            others.push((training, network.accuracy, measured));
        }
    }

    draw(&layers, &out)?;
    if let Some(page) = arguments.next() {
        let network = format!(
            "On 6,000 inputs of objects that it has not seen the network is right in {:.2} % of cases.",
            100.0 * network.accuracy
        );
        let texts = [
            ("network", network),
            ("layers", layers_table(&layers)),
            ("others", others_table(&others)),
        ];
        page::fill(&page, &texts)?;
        let figure = page.with_file_name("figures").join("hierarchical-equality.png");
        std::fs::copy(out.join("layers.png"), figure)?;
    }
    println!("{:.0} s in all", start.elapsed().as_secs_f64());
    Ok(())
}

fn told(measured: &Measured) -> String {
    let of = |found: &[Accuracy]| {
        let one = |one: &Accuracy| format!("{} {}", one.exchanged, page::percent(&one.all));
        found.iter().map(one).collect::<Vec<_>>().join(", ")
    };
    format!("learned: {}; random: {}", of(&measured.learned), of(&measured.random))
}

fn layers_table(layers: &[Measured]) -> String {
    let mut rows = Vec::new();
    for measured in layers {
        for (learned, random) in measured.learned.iter().zip(&measured.random) {
            rows.push(vec![
                format!("layer {}, `{}`", measured.layer, learned.exchanged),
                page::percent(&learned.all),
                page::percent(&learned.changed),
                page::percent(&random.all),
                page::percent(&random.changed),
            ]);
        }
    }
    let titles = [
        "exchanged",
        "learned rotation: all rows",
        "… rows whose answer should change",
        "random rotation: all rows",
        "… rows whose answer should change",
    ];
    page::table(&titles, &rows)
}

fn others_table(others: &[(Training, f64, Measured)]) -> String {
    let rows: Vec<Vec<String>> = others
        .iter()
        .map(|(training, accuracy, measured)| {
            let mut row = vec![
                format!("weight decay {}, seed {}", training.weight_decay, training.seed),
                format!("{:.2} %", 100.0 * accuracy),
            ];
            row.extend(measured.learned.iter().map(|one| page::percent(&one.all)));
            row
        })
        .collect();
    page::table(&["network", "its own accuracy", "`left`", "`right`", "both"], &rows)
}

/// Accuracies along the layers, learned and random, a panel for each set of variables.
fn draw(layers: &[Measured], out: &Path) -> Result<(), Box<dyn Error>> {
    let mut rows = Vec::new();
    for measured in layers {
        for (rotation, found) in
            [("learned rotation", &measured.learned), ("random rotation", &measured.random)]
        {
            rows.extend(found.iter().map(|one| (rotation, measured.layer as i64, one)));
        }
    }
    let number = |of: fn(&Accuracy) -> Option<f64>| -> Vec<Option<f64>> {
        rows.iter().map(|(_, _, one)| of(one)).collect()
    };
    let table = Table::builder()
        .column("component", rows.iter().map(|row| row.0).collect::<Vec<_>>())
        .column("layer", rows.iter().map(|row| row.1).collect::<Vec<_>>())
        .column("variable", rows.iter().map(|row| row.2.exchanged.as_str()).collect::<Vec<_>>())
        .column("rows", rows.iter().map(|row| row.2.all.rows as i64).collect::<Vec<_>>())
        .column("accuracy", number(|one| one.all.share))
        .column("low", number(|one| one.all.interval.map(|interval| interval.low)))
        .column("high", number(|one| one.all.interval.map(|interval| interval.high)))
        .column("accuracy_changed", number(|one| one.changed.share))
        .build()?;
    table.write_csv(out.join("layers.csv"))?;
    let profile = Profile {
        caption: Caption::new("Hierarchical equality: interchange-intervention accuracy by layer")
            .note("network", "multilayer perceptron, three layers of 16 ReLU units")
            .note("exchanged", "8 of 16 directions of a layer's output for each variable"),
        value: "accuracy".to_owned(),
        value_title: Some("accuracy on held-out rows".to_owned()),
        interval: Some(Interval::default().named("95 % interval")),
        facets: Facets::by("variable"),
        ..Profile::default()
    };
    let figure = profile.draw(&table)?;
    figure.write_png(out.join("layers.png"))?;
    figure.write_svg(out.join("layers.svg"))?;
    Ok(())
}
