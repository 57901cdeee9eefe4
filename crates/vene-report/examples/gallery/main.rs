//! Draws every kind of figure from made-up tables, to look at: a check of the layout, not of
//! any model. `cargo run --release -p vene-report --example gallery -- FOLDER`

mod data_set;
mod single;

use std::error::Error;
use std::path::Path;

use vene_report::{
    Axis, BarPosition, BarScale, Bars, Caption, ColorScale, Facets, Figure, HeatMap, Interval,
    Profile, Reference, Strips,
};

use data_set::DataSet;
use single::{gaps, heads, sweep};

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

    over_data_sets(write)
}

/// Figures of sweeps over whole data sets.
fn over_data_sets(
    write: impl Fn(&str, Figure) -> Result<(), Box<dyn Error>>,
) -> Result<(), Box<dyn Error>> {
    let interval = || Some(Interval::default().named("95 % interval"));
    let about = |what: &str| {
        Caption::new(format!("SmolLM2-135M: interchange, {what}"))
            .note("data set", "made-up numbers, which no model has shown")
            .note("metric", "logit difference of the target and the foil")
    };
    let data = DataSet::trace(30, 200, 4)?;
    let facets = || Facets::by("component");
    let roles = || Axis::Role(words(&data_set::ROLES));
    let metric = || Some("logit_difference".to_owned());
    let summary = Interval::default().with_width(&data.summary)?;
    let maps = [
        ("mean", HeatMap { interval: interval(), ..HeatMap::means(roles(), facets()) }),
        ("width", HeatMap::interval_widths(roles(), facets())),
        ("agreement", HeatMap::sign_agreements(roles(), facets())),
    ];
    for (name, map) in maps {
        let what = map.value_title.clone().unwrap_or_default();
        let map = HeatMap { caption: about(&what), metric: metric(), ..map };
        write(&format!("trace-{name}"), map.draw(&summary)?)?;
    }
    let mixed = HeatMap { interval: interval(), ..HeatMap::means(roles(), Facets::none()) };
    let mixed = HeatMap { caption: about("mean effect"), metric: metric(), ..mixed };
    write("trace-one-panel", mixed.draw(&summary)?)?;

    let wordy = data_set::wordy()?;
    let map = HeatMap { interval: interval(), ..HeatMap::means(Axis::Role(vec![]), facets()) };
    write("wordy-mean", HeatMap { caption: about("long names"), ..map }.draw(&wordy)?)?;
    let profile = Profile { caption: about("long names"), ..Profile::default() };
    write("wordy-profile", profile.draw(&wordy)?)?;

    let metrics = HeatMap { own_scales: true, ..HeatMap::means(roles(), Facets::by("metric")) };
    let mlp = summary.text("component")?;
    let mlp = summary.filter(|row| mlp.get(row).is_some_and(|name| *name == "mlp_output"));
    write("metrics-mean", HeatMap { caption: about("mean effect"), ..metrics }.draw(&mlp)?)?;

    let strips = Strips {
        caption: about("effects of single examples"),
        metric: metric(),
        interval: interval(),
        value_title: Some("change of the logit difference".to_owned()),
        ..Strips::default()
    };
    write("trace-strips", strips.draw(&data.summary, &data.examples)?)?;
    let many = Strips { most: 40, ..strips.clone() };
    let groups = DataSet::trace(30, 200, 9)?;
    write("many-strips", many.draw(&groups.summary, &groups.examples)?)?;
    let eight = DataSet::trace(12, 60, 8)?;
    write("eight-groups-strips", strips.draw(&eight.summary, &eight.examples)?)?;
    let few = DataSet::trace(6, 5, 1)?;
    let short = Strips { most: 3, ..strips.clone() };
    write("few-strips", short.draw(&few.summary, &few.examples)?)?;
    let crowd = DataSet::trace(4, 3000, 2)?;
    write("crowd-strips", strips.draw(&crowd.summary, &crowd.examples)?)?;

    let profile = Profile {
        caption: about("mean effect by layer"),
        metric: metric(),
        interval: interval(),
        ..Profile::default()
    };
    write("trace-profile", profile.draw(&data.summary)?)?;
    write("few-profile", profile.draw(&few.summary)?)?;

    let heads = DataSet::heads(30, 9, 200)?;
    let facets = Facets::by("role").ordered(data_set::ROLES);
    let map = HeatMap::means(Axis::Head, facets.clone());
    let map = HeatMap { caption: about("heads"), interval: interval(), ..map };
    write("heads-mean", map.draw(&heads.summary)?)?;
    let map = HeatMap::sign_agreements(Axis::Head, facets);
    write("heads-agreement", HeatMap { caption: about("heads"), ..map }.draw(&heads.summary)?)?;
    let dense = DataSet::heads(120, 60, 5)?;
    let map = HeatMap::means(Axis::Head, Facets::by("position").ordered(data_set::ROLES));
    let map = HeatMap { caption: about("many heads"), interval: interval(), ..map };
    write("dense-heads-mean", map.draw(&dense.summary)?)?;
    let strips = Strips { metric: None, ..strips };
    write("heads-strips", strips.draw(&heads.summary, &heads.examples)?)?;
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
