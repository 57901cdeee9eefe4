//! Draws every kind of figure from made-up tables, to look at: a check of the layout, not of
//! any model. `cargo run --release -p vene-report --example gallery -- FOLDER`

use std::error::Error;
use std::path::Path;

use vene_report::{
    Axis, BarPosition, BarScale, Bars, Caption, ColorScale, Facets, Figure, HeatMap, Reference,
};
use vene_table::Table;

const CAPITAL: [&str; 6] = ["<bos>", "The", "capital", "of", "Spain", "is"];

fn main() -> Result<(), Box<dyn Error>> {
    let folder = std::env::args().nth(1).unwrap_or_else(|| "gallery".to_owned());
    let folder = Path::new(&folder);
    std::fs::create_dir_all(folder)?;
    let write = |name: &str, figure: Figure| -> Result<(), Box<dyn Error>> {
        figure.write_svg(folder.join(format!("{name}.svg")))?;
        figure.write_png(folder.join(format!("{name}.png")))?;
        println!("{name}: {} x {}", figure.width(), figure.height());
        Ok(())
    };

    let tutorial = sweep(12, 5, &[" Madrid", " Rome"]);
    let map = HeatMap {
        caption: caption(),
        x: Axis::Position(words(&CAPITAL[1..])),
        facets: Facets::by("token").titled(" Madrid", "_Madrid"),
        ..HeatMap::default()
    };
    let bars = Bars {
        caption: caption(),
        tokens: words(&CAPITAL[1..]),
        references: vec![
            Reference::new("base_probability", "base"),
            Reference::new("source_probability", "source"),
        ],
        ..Bars::default()
    };
    write("tutorial-heatmap", map.draw(&tutorial)?)?;
    write("tutorial-bars", bars.draw(&tutorial)?)?;

    let deep = sweep(30, 12, &[" Madrid", " Rome", " Paris"]);
    let long = "<bos> When Mary and John went to the store , John gave";
    let map = HeatMap { x: Axis::Position(words_of(long)), ..map };
    write("deep-heatmap", map.draw(&deep)?)?;
    let spoken = Bars { tokens: words_of(long), ..bars.clone() };
    write("deep-bars", spoken.draw(&deep)?)?;

    let one = sweep(1, 6, &[" Madrid"]);
    let map = HeatMap { x: Axis::Position(words(&CAPITAL)), ..map };
    write("one-layer-heatmap", map.draw(&one)?)?;
    let at = Bars { position: BarPosition::At(4), tokens: words(&CAPITAL), ..bars.clone() };
    write("one-layer-bars", at.draw(&one)?)?;

    let wide = sweep(12, 128, &[" Madrid", " Rome"]);
    let text = "In the beginning the Universe was created. This has made a lot of people very angry \
                and been widely regarded as a bad move, internationalisation notwithstanding. ";
    let tokens: Vec<String> = words_of(&text.repeat(6)).into_iter().take(128).collect();
    let map = HeatMap {
        caption: Caption::new(
            "gpt2: interchange of one position at a time, probability of the next token",
        )
        .note("base", text.repeat(4))
        .note("source", text.repeat(3)),
        x: Axis::Position(tokens),
        ..map
    };
    write("wide-heatmap", map.draw(&wide)?)?;

    let tokens = words(&["<|begin_of_text|>", "¿Dónde", "Ελλάδα", "Москва", "東京🗼", "a\nb"]);
    let map = HeatMap { x: Axis::Position(tokens), caption: caption(), ..map };
    write("scripts-heatmap", map.draw(&sweep(6, 6, &[" Madrid", "东", "<unk>"]))?)?;

    let heads = heads(12, 12);
    let map = HeatMap {
        caption: Caption::new("gpt2: interchange of one head at a time")
            .note("base", "The capital of Spain is")
            .note("source", "The capital of Italy is"),
        x: Axis::Head,
        value: "effect".to_owned(),
        value_title: Some("change of probability".to_owned()),
        scale: ColorScale::Diverging { limit: None },
        facets: Facets::default(),
        ..map
    };
    write("heads-heatmap", map.draw(&heads)?)?;
    let effects = Bars {
        value: "effect".to_owned(),
        scale: BarScale::Linear,
        references: vec![],
        ..bars.clone()
    };
    write("heads-bars", effects.draw(&heads)?)?;

    let effect = tutorial.floats("probability")?.iter().zip(tutorial.floats("base_probability")?);
    let effect: Vec<f64> = effect.map(|(patched, base)| patched - base).collect();
    let tutorial = tutorial.with_column("effect", effect)?;
    let map = HeatMap { x: Axis::Position(words(&CAPITAL[1..])), caption: caption(), ..map };
    write("effect-heatmap", map.draw(&tutorial)?)?;
    write("effect-bars", effects.draw(&tutorial)?)?;

    let gaps = gaps(sweep(12, 5, &[" Madrid", " Rome"]))?;
    let map = HeatMap {
        value: "probability".into(),
        value_title: None,
        scale: ColorScale::default(),
        ..map
    };
    write("gaps-heatmap", map.draw(&gaps)?)?;
    write("gaps-bars", bars.draw(&gaps)?)?;
    Ok(())
}

fn caption() -> Caption {
    Caption::new("gpt2: interchange, probability of the next token")
        .note("base", "The capital of Spain is")
        .note("source", "The capital of Italy is")
}

fn words(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

fn words_of(text: &str) -> Vec<String> {
    text.split(' ').map(str::to_owned).collect()
}

/// Made-up numbers in the shape of the literature's: the subject counts early, the last position
/// late, and the first target token falls as the second rises.
fn sweep(layers: usize, positions: usize, tokens: &[&str]) -> Table {
    let (mut component, mut layer, mut position) = (vec![], vec![], vec![]);
    let (mut token, mut probability) = (vec![], vec![]);
    let (mut base, mut source) = (vec![], vec![]);
    for depth in 0..layers {
        for name in ["mlp_output", "attention_input"] {
            for at in 0..positions {
                let along = (depth as f64 + 0.5) / layers as f64;
                let near =
                    |x: f64, center: f64, width: f64| (-((x - center) / width).powi(2)).exp();
                let moved = if at + 2 == positions && name == "mlp_output" {
                    near(along, 0.0, 0.3)
                } else if at + 1 == positions {
                    near(along, 0.75, 0.2) * if name == "mlp_output" { 0.5 } else { 0.9 }
                } else {
                    0.01 * (at as f64 * 1.7 + depth as f64).sin().abs()
                };
                for (index, text) in tokens.iter().enumerate() {
                    let (from, to) = match index {
                        0 => (0.37, 0.004),
                        1 => (0.002, 0.38),
                        _ => (3e-6, 2e-5),
                    };
                    component.push(name);
                    layer.push(depth);
                    position.push(at);
                    token.push((*text).to_owned());
                    probability.push(from * (1.0 - moved) + to * moved);
                    base.push(from);
                    source.push(to);
                }
            }
        }
    }
    let head: Vec<Option<i64>> = vec![None; layer.len()];
    let table = Table::builder()
        .column("component", component)
        .column("layer", layer)
        .column("position", position)
        .column("head", head)
        .column("token", token)
        .column("probability", probability)
        .column("base_probability", base)
        .column("source_probability", source);
    table.build().unwrap_or_default()
}

fn heads(layers: usize, heads: usize) -> Table {
    let places = (0..layers).flat_map(|layer| (0..heads).map(move |head| (layer, head)));
    let effect = |(layer, head): (usize, usize)| match (layer, head) {
        (9, 6) | (9, 9) | (10, 0) => 0.31 - 0.1 * (head % 3) as f64,
        (10, 7) | (11, 10) => -0.22,
        _ => 0.03 * ((layer * 7 + head * 13) as f64).sin(),
    };
    let count = layers * heads;
    let table = Table::builder()
        .column("component", vec!["head_attention_value_output"; count])
        .column("layer", places.clone().map(|(layer, _)| layer).collect::<Vec<_>>())
        .column("head", places.clone().map(|(_, head)| head).collect::<Vec<_>>())
        .column("token", vec![" Madrid"; count])
        .column("effect", places.map(effect).collect::<Vec<_>>());
    table.build().unwrap_or_default()
}

/// The same with some numbers lost, underflown or never measured.
fn gaps(table: Table) -> Result<Table, Box<dyn Error>> {
    let lost = |row: usize, value: f64| match row % 40 {
        3 | 19 => None,
        8 => Some(0.0),
        39 => Some(1e-41),
        _ => Some(value),
    };
    let values = table.floats("probability")?.iter().enumerate();
    let values: Vec<Option<f64>> = values.map(|(row, value)| lost(row, *value)).collect();
    let columns = table.columns().filter(|(name, _)| *name != "probability");
    let built =
        columns.fold(Table::builder(), |built, (name, column)| built.column(name, column.clone()));
    Ok(built.column("probability", values).build()?.filter(|row| row % 33 != 5))
}
