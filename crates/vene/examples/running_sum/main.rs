//! A recurrent network whose state holds a variable that is known beforehand: interchanged at a time step, the
//! answer moves as the causal model says.
//!
//! ```sh
//! cargo run --release -p vene --example running_sum -- OUT [PAGE]
//! ```
//!
//! writes the trained network, a table and a figure into the folder OUT, and its table and figure into the page
//! PAGE (`docs/examples/running-sum.md`).

#[path = "../support/accuracy.rs"]
mod accuracy;
mod interchange;
#[path = "../support/learner.rs"]
mod learner;
#[path = "../support/page.rs"]
mod page;
mod recurrent;

use std::error::Error;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use accuracy::Accuracy;
use interchange::running_sum;
use recurrent::LENGTH;
use vene::causal::{Sampler, Value};
use vene::intervention::{Interchange, Intervention};
use vene::{Component, Example, Model, Plan};
use vene_report::{Along, Caption, Facets, Interval, Profile};
use vene_table::Table;

/// Rows of each time step.
const HELD_OUT: usize = 1_000;
const STEPS: usize = 800;
/// Directions, and the number of digits behind which they are learned.
const DIRECTIONS: usize = 2;
const LEARNED_AT: usize = 3;

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1).map(PathBuf::from);
    let out = arguments.next().ok_or("which folder shall the results go to?")?;
    // The products are too small to be shared: threads would only wait for each other.
    rayon::ThreadPoolBuilder::new().num_threads(1).build_global()?;
    let (start, folder) = (Instant::now(), out.join("network"));
    recurrent::train(STEPS, 0, &folder)?;
    let model = Model::load(&folder.display().to_string())?;
    let causal = running_sum()?;

    let settings = Sampler::of(&causal).seed(3).settings(6_000)?;
    let examples =
        settings.iter().map(|setting| Ok(Example::new(interchange::prompt(&model, setting)?)));
    let examples = examples.collect::<Result<Vec<_>, vene::InputError>>()?;
    let own = Plan::new().resolve(&model, &examples)?;
    let own = accuracy::own_accuracy(&model, &own, &causal, &settings, class)?;
    println!("the network is right on {:.2} % of sequences", 100.0 * own);

    let learned = interchange::learned_directions(&model, &causal, LEARNED_AT, DIRECTIONS)?;
    let random = interchange::random_directions(DIRECTIONS, 99)?;
    let whole = || -> Arc<dyn Intervention> { Arc::new(Interchange) };
    let kinds: [(&str, Component, Arc<dyn Intervention>); 6] = [
        ("whole state", Component::BlockOutput, whole()),
        ("2 learned directions", Component::BlockOutput, Arc::new(learned)),
        ("2 random directions", Component::BlockOutput, Arc::new(random)),
        ("new gate", Component::NewGate, whole()),
        ("update gate", Component::UpdateGate, whole()),
        ("reset gate", Component::ResetGate, whole()),
    ];
    let mut measured: Vec<(usize, &str, Accuracy)> = Vec::new();
    for step in 1..=LENGTH {
        let rows = interchange::rows(&causal, step, HELD_OUT, 100 + step as u64)?;
        for (name, component, intervention) in &kinds {
            let plan = interchange::plan(&model, &rows, *component, intervention.clone(), step)?;
            let found = accuracy::accuracy(&model, &plan, &rows, class)?.remove(0);
            let (changed, all) = (page::percent(&found.changed), page::percent(&found.all));
            println!("{}, {name}: {changed}; of all rows {all}", found.exchanged);
            measured.push((step, name, found));
        }
    }
    draw(&measured, &out)?;
    if let Some(page) = arguments.next() {
        let network =
            format!("On 6,000 sequences the network is right in {:.2} % of cases.", 100.0 * own);
        let names = kinds.map(|(name, ..)| name);
        page::fill(&page, &[("network", network), ("steps", steps_table(&measured, &names))])?;
        let figure = page.with_file_name("figures").join("running-sum.png");
        std::fs::copy(out.join("steps.png"), figure)?;
    }
    println!("{:.0} s in all", start.elapsed().as_secs_f64());
    Ok(())
}

/// What a class of the network means.
fn class(number: u32) -> Value {
    Value::from(number)
}

fn steps_table(measured: &[(usize, &str, Accuracy)], names: &[&str]) -> String {
    let rows: Vec<Vec<String>> = measured
        .chunk_by(|a, b| a.0 == b.0)
        .map(|of_step| {
            let mut row = vec![of_step[0].0.to_string()];
            row.extend(of_step.iter().map(|(_, _, found)| page::percent(&found.changed)));
            row
        })
        .collect();
    let titles: Vec<&str> = ["digits"].into_iter().chain(names.iter().copied()).collect();
    page::table(&titles, &rows)
}

fn draw(measured: &[(usize, &str, Accuracy)], out: &Path) -> Result<(), Box<dyn Error>> {
    let number = |of: fn(&Accuracy) -> Option<f64>| -> Vec<Option<f64>> {
        measured.iter().map(|(_, _, found)| of(found)).collect()
    };
    let table = Table::builder()
        .column("component", measured.iter().map(|row| row.1).collect::<Vec<_>>())
        .column("layer", measured.iter().map(|row| row.0 as i64).collect::<Vec<_>>())
        .column("rows", measured.iter().map(|row| row.2.changed.rows as i64).collect::<Vec<_>>())
        .column("accuracy", number(|found| found.changed.share))
        .column("low", number(|found| found.changed.interval.map(|interval| interval.low)))
        .column("high", number(|found| found.changed.interval.map(|interval| interval.high)))
        .build()?;
    table.write_csv(out.join("steps.csv"))?;
    let profile = Profile {
        caption: Caption::new("Running sum modulo 3: interchanges")
            .note("network", "one gated recurrent layer of 16 units")
            .note("rows", "those whose answer should change"),
        along: Along::Numbers {
            column: "layer".to_owned(),
            title: "digits read before".to_owned(),
        },
        value: "accuracy".to_owned(),
        value_title: Some("interchange-intervention accuracy".to_owned()),
        interval: Some(Interval::default().named("95 % interval")),
        facets: Facets::none(),
        ..Profile::default()
    };
    let figure = profile.draw(&table)?;
    figure.write_png(out.join("steps.png"))?;
    figure.write_svg(out.join("steps.svg"))?;
    Ok(())
}
