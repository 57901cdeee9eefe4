//! Is a variable of an algorithm inside of a network? Boundless distributed alignment search on price
//! tagging (Wu et al. 2023, "Interpretability at scale: identifying causal mechanisms in Alpaca").
//!
//! ```text
//! cargo run --release -p vene --example price_tagging -- FOLDER
//! ```
//!
//! Teaches small GPT-2s whether an amount is between two bounds (a minute or two; what was taught
//! before is taken from FOLDER), then looks for the variables of four algorithms behind each of their
//! layers. Writes summary.csv, run.json and a figure into FOLDER; docs/examples/price-tagging.md
//! tells what came of it.

mod align;
// The network that the embedded model was trained as, and the gradients of its operations.
#[allow(dead_code)]
#[path = "../../../vene-embedded/examples/train/model.rs"]
mod model;
mod network;
#[allow(dead_code)]
#[path = "../../../vene-embedded/examples/train/operations.rs"]
mod operations;
mod task;

use std::fs;
use std::path::Path;
use std::time::Instant;

use anyhow::{Context, Result, bail};
use serde_json::json;
use vene::Model;
use vene_report::{Caption, Facets, Figure, FigureError, Interval, Profile};
use vene_table::Table;

use align::Search;
use network::Recipe;
use task::{HIGHEST, hypotheses};

/// The networks: a wide one, in which there is room for anything, and narrow ones, whose blocks have to hand over
/// what they found in few dimensions.
const NETWORKS: [Recipe; 4] = [
    Recipe { width: 64, steps: 1000, learning_rate: 2e-3, ..NARROW },
    NARROW,
    Recipe { seed: 2, ..NARROW },
    Recipe { seed: 3, ..NARROW },
];

const NARROW: Recipe = Recipe {
    highest: HIGHEST,
    width: 8,
    layers: 4,
    steps: 1500,
    rows: 256,
    learning_rate: 6e-3,
    seed: 1,
};

const SEARCH: Search =
    Search { seen: 2048, shown: 500, epochs: 20, learning_rate: 1e-2, cost_of_width: 0.1 };

/// Prompts on which the network is examined.
const EXAMINED: usize = 2000;

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [folder] = arguments.as_slice() else { bail!("expected: FOLDER") };
    let folder = Path::new(folder);
    let start = Instant::now();
    let (mut found, mut records) = (Vec::new(), Vec::new());
    for recipe in &NETWORKS {
        let name = format!("{} dimensions, seed {}", recipe.width, recipe.seed);
        let trained = folder.join(format!("network-{}-{}", recipe.width, recipe.seed));
        if !trained.join("model.safetensors").exists() {
            let network = network::train(recipe, &mut |step, loss| {
                println!("{name}: step {step}, loss {loss:.4} ({} s)", start.elapsed().as_secs());
            })?;
            network::write(&trained, &network, HIGHEST)?;
        }
        let model = Model::load(trained.to_str().context("FOLDER is no text")?)?;
        let accuracy = network::accuracy(&model, HIGHEST, EXAMINED)?;
        println!("{name}: answers {:.1} % of {EXAMINED} held-out prompts", 100.0 * accuracy);
        records.push(json!({ "network": name, "held_out_accuracy": accuracy }));
        for layer in 0..recipe.layers {
            for hypothesis in hypotheses(HIGHEST)? {
                found.push(SEARCH.run(&model, &name, &hypothesis, layer)?);
            }
            println!("{name}: layer {layer} searched ({} s)", start.elapsed().as_secs());
        }
    }
    let summary = align::table(&found)?;
    summary.write_csv(folder.join("summary.csv"))?;
    let record = json!({
        "networks": records,
        "held_out_prompts": EXAMINED,
        "prices": HIGHEST + 1,
        "recipes": NETWORKS.map(|recipe| format!("{recipe:?}")),
        "search": format!("{SEARCH:?}"),
    });
    fs::write(folder.join("run.json"), serde_json::to_string_pretty(&record)? + "\n")?;
    figure(&summary)?.write_png(folder.join("accuracy.png"))?;
    Ok(())
}

/// The accuracy behind each layer, a line for each hypothesis.
fn figure(summary: &Table) -> Result<Figure, FigureError> {
    let profile = Profile {
        caption: Caption::new("Price tagging: interchange-intervention accuracy by boundless DAS")
            .note("pairs", format!("{} held out; half of them change their answer", SEARCH.shown)),
        value: "accuracy".to_owned(),
        value_title: Some("accuracy".to_owned()),
        interval: Some(Interval::new("accuracy_low", "accuracy_high").named("95 % interval")),
        lines: "hypothesis".to_owned(),
        facets: Facets::by("network"),
        ..Profile::default()
    };
    profile.draw(summary)
}
