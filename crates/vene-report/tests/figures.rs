//! Figures say what their tables say.

#![allow(clippy::unwrap_used)]

mod svg;

use svg::{hinted, in_order, texts};
use vene_report::{
    Axis, BarPosition, BarScale, Bars, Caption, ColorScale, Facets, Figure, FigureError, HeatMap,
};
use vene_table::Table;

const TOKENS: [&str; 5] = ["<bos>", "The", "capital", "of", "Spain & co"];

/// Two components in three layers at five positions, for two tokens: probabilities that name
/// their cell.
fn sweep() -> Table {
    let mut rows = Vec::new();
    for layer in 0..3_i64 {
        for component in ["mlp_output", "attention_input"] {
            for position in 0..5_i64 {
                for (token, share) in [(" Madrid", 1.0), (" Rome", 0.01)] {
                    let step = layer * 10 + position + i64::from(component == "mlp_output") * 5;
                    rows.push((
                        component,
                        layer,
                        position,
                        token,
                        share * (step + 1) as f64 / 30.0,
                    ));
                }
            }
        }
    }
    Table::builder()
        .column("component", rows.iter().map(|row| row.0).collect::<Vec<_>>())
        .column("layer", rows.iter().map(|row| row.1).collect::<Vec<_>>())
        .column("position", rows.iter().map(|row| row.2).collect::<Vec<_>>())
        .column("head", vec![None::<i64>; rows.len()])
        .column("token", rows.iter().map(|row| row.3).collect::<Vec<_>>())
        .column("probability", rows.iter().map(|row| row.4).collect::<Vec<_>>())
        .column(
            "base_probability",
            rows.iter().map(|row| if row.3 == " Rome" { 0.002 } else { 0.4 }).collect::<Vec<_>>(),
        )
        .build()
        .unwrap()
}

fn map() -> HeatMap {
    HeatMap {
        caption: Caption::new("tiny: interchange").note("base", "The capital of Spain & co"),
        x: Axis::Position(TOKENS.map(str::to_owned).to_vec()),
        facets: Facets::by("token").titled(" Rome", "the other one"),
        ..HeatMap::default()
    }
}

/// Whether two colours are the same but for rounding.
fn near(one: &str, other: &str) -> bool {
    let channel = |color: &str, at| i32::from_str_radix(&color[at..at + 2], 16).unwrap();
    [1, 3, 5].iter().all(|at| (channel(one, *at) - channel(other, *at)).abs() <= 1)
}

#[test]
fn a_heat_map_has_every_cell_and_label() {
    let figure = map().draw(&sweep()).unwrap();
    let texts = texts(&figure);
    assert!(in_order(&texts, &["tiny: interchange", "base", "The capital of Spain &amp; co"]));
    assert!(in_order(&texts, &["_Madrid", "the other one"]));
    assert!(in_order(&texts, &["&lt;bos&gt;", "The", "capital", "of", "Spain &amp; co"]));
    assert!(in_order(&texts, &["a0", "f0", "a1", "f1", "a2", "f2"]), "{texts:?}");
    assert!(texts.iter().any(|text| text == "a = attention_input,  f = mlp_output"));
    assert!(in_order(&texts, &["position", "probability"]));
    assert_eq!(hinted(&figure).len(), 2 * 6 * 5);
}

#[test]
fn cells_have_the_colours_of_their_values() {
    let cells = hinted(&map().draw(&sweep()).unwrap());
    let fill = |hint: &str| cells.iter().find(|(other, _)| other == hint).map(|(_, fill)| &**fill);
    // The largest is viridis' yellow; the scale starts at 0, of which the smallest is near.
    assert_eq!(fill("f2, position 4 Spain &amp; co: 1"), Some("#fde725"));
    assert_eq!(fill("a0, position 0 &lt;bos&gt;: 0.000333"), Some("#440154"));
    // A half: viridis' middle, a teal.
    let middle = fill("a1, position 4 Spain &amp; co: 0.5").unwrap();
    assert!(near(middle, "#21918c"), "{middle}");
}

#[test]
fn the_deepest_row_is_on_top() {
    let figure = map().draw(&sweep()).unwrap();
    let height = |label: &str| -> f64 {
        let marks: Vec<&str> = figure.svg().split("<text").collect();
        let mark = marks.iter().find(|mark| mark.contains(&format!(">{label}</text>"))).unwrap();
        mark.split_once(" y=\"").unwrap().1.split_once('"').unwrap().0.parse().unwrap()
    };
    let heights = ["f2", "a2", "f1", "a1", "f0", "a0"].map(height);
    assert!(heights.is_sorted(), "{heights:?}");
    let steps: Vec<f64> = heights.windows(2).map(|pair| pair[1] - pair[0]).collect();
    assert!(steps.iter().all(|step| (step - steps[0]).abs() < 0.011), "evenly spaced: {steps:?}");
}

#[test]
fn effects_are_centred_on_zero() {
    let table = sweep();
    let effect: Vec<f64> =
        table.floats("probability").unwrap().iter().map(|value| value - 0.5).collect();
    let table = table.with_column("effect", effect).unwrap();
    let map = HeatMap {
        value: "effect".into(),
        value_title: Some("change".into()),
        scale: ColorScale::Diverging { limit: None },
        ..map()
    };
    let figure = map.draw(&table).unwrap();
    let texts = texts(&figure);
    assert!(in_order(&texts, &["−0.4", "−0.2", "0", "0.2", "0.4"]), "{texts:?}");
    let cells = hinted(&figure);
    let zero = cells.iter().find(|(hint, _)| hint == "a1, position 4 Spain &amp; co: 0").unwrap();
    assert!(near(&zero.1, "#f2efee"), "RdBu's middle, not {}", zero.1);
}

#[test]
fn heads_make_an_axis() {
    let places = || (0..4_i64).flat_map(|layer| (0..6_i64).map(move |head| (layer, head)));
    let table = Table::builder()
        .column("component", vec!["head_result"; 24])
        .column("layer", places().map(|(layer, _)| layer).collect::<Vec<_>>())
        .column("head", places().map(|(_, head)| Some(head)).collect::<Vec<_>>())
        .column("probability", places().map(|(l, h)| (l * 6 + h) as f64).collect::<Vec<_>>())
        .build()
        .unwrap();
    let map = HeatMap { x: Axis::Head, facets: Facets::none(), ..map() };
    let figure = map.draw(&table).unwrap();
    assert_eq!(hinted(&figure).len(), 24);
    assert!(in_order(&texts(&figure), &["0", "1", "2", "3", "4", "5", "h0", "h3", "head"]));
    let bars = Bars { references: vec![], facets: Facets::none(), ..Bars::default() };
    let figure = bars.draw(&table).unwrap();
    assert_eq!(hinted(&figure).len(), 23, "all but the zero, which is a mark at the foot");
    assert!(texts(&figure).iter().any(|text| text == "layer and head"));
}

#[test]
fn cells_without_a_number_are_crossed_out() {
    let table = sweep();
    let count = table.rows();
    let values: Vec<Option<f64>> = (0..count)
        .map(|row| match row {
            0 => None,
            1 => Some(f64::NAN),
            _ => Some(0.5),
        })
        .collect();
    let table =
        table.filter(|row| row < count - 1).with_column("gappy", values[..count - 1].to_vec());
    let figure = HeatMap { value: "gappy".into(), ..map() }.draw(&table.unwrap()).unwrap();
    let gaps = hinted(&figure).iter().filter(|(hint, _)| hint.ends_with("no value")).count();
    assert_eq!(gaps, 3, "one missing, one NaN, one never measured");
    assert!(texts(&figure).iter().any(|text| text == "no value"));
}

#[test]
fn bars_stand_at_the_last_position() {
    let figure = Bars { tokens: TOKENS.map(str::to_owned).to_vec(), ..Bars::default() }
        .draw(&sweep())
        .unwrap();
    let bars = hinted(&figure);
    assert_eq!(bars.len(), 2 * 6);
    assert_eq!(bars[0].0, "a0: 0.167");
    assert_eq!(bars[5].0, "f2: 1");
    let texts = texts(&figure);
    assert!(in_order(&texts, &["_Madrid", "base 0.4", "_Rome", "base 0.002"]), "{texts:?}");
    assert!(in_order(&texts, &["a0", "f0", "a1", "f1", "a2", "f2"]));
    assert!(texts.iter().any(|text| text == "layer, at position 4 (Spain &amp; co)"), "{texts:?}");
    assert_ne!(bars[0].1, bars[1].1, "components have colours");
    assert_eq!(figure.svg().matches("stroke-dasharray").count(), 2, "a dashed line a panel");

    let first = Bars { position: BarPosition::At(0), ..Bars::default() }.draw(&sweep()).unwrap();
    assert_eq!(hinted(&first)[0].0, "a0: 0.0333");
}

#[test]
fn zero_and_underflow_are_marked() {
    let table = sweep();
    let values: Vec<f64> = (0..table.rows()).map(|row| [0.0, 1e-40, 0.5][row % 3]).collect();
    let table = table.with_column("tiny", values).unwrap();
    let figure = Bars { value: "tiny".into(), ..Bars::default() }.draw(&table).unwrap();
    assert!(texts(&figure).iter().any(|text| text.contains("less than 1·10⁻¹², or zero")));
    let marks = figure.svg().matches("<polygon").count();
    assert_eq!(marks + hinted(&figure).len(), 12);
    assert!(marks > 0);

    let zeros = vec![0.0; table.rows()];
    let table = table.with_column("zeros", zeros).unwrap();
    let figure = Bars { value: "zeros".into(), ..Bars::default() }.draw(&table).unwrap();
    assert_eq!(figure.svg().matches("<polygon").count(), 12);
    figure.png().unwrap();
}

#[test]
fn a_png_is_the_figure_at_two_pixels_a_unit() {
    let folder = tempfile::tempdir().unwrap();
    let figure = map().draw(&sweep()).unwrap();
    let path = folder.path().join("map.png");
    figure.write_png(&path).unwrap();
    let decoder = png::Decoder::new(std::io::BufReader::new(std::fs::File::open(&path).unwrap()));
    let mut reader = decoder.read_info().unwrap();
    let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
    let info = reader.next_frame(&mut pixels).unwrap();
    assert_eq!((info.width, info.height), (2 * figure.width(), 2 * figure.height()));
    assert_eq!(reader.info().pixel_dims.unwrap().xppu, 7559, "192 dots an inch");
    let count = |color: [u8; 3]| pixels.chunks_exact(3).filter(|pixel| **pixel == color).count();
    assert_eq!(&pixels[..3], [255, 255, 255], "on white");
    assert!(count([0xfd, 0xe7, 0x25]) > 500, "the largest cell is yellow");
    assert!(count([0x1a, 0x1a, 0x1a]) > 500, "and there is ink: text was drawn");

    let path = folder.path().join("map.svg");
    figure.write_svg(&path).unwrap();
    assert_eq!(std::fs::read_to_string(path).unwrap(), figure.svg());
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 2, "nothing is left over");
}

#[test]
fn every_script_and_control_character_can_be_drawn() {
    let tokens = ["", "\u{0}\n\t", "東京", "🗼", "مدريد"].map(str::to_owned).to_vec();
    let map = HeatMap { x: Axis::Position(tokens), ..map() };
    let figure = map.draw(&sweep()).unwrap();
    assert!(figure.svg().contains("\u{fffd}↵⇥"));
    figure.png().unwrap();
}

#[test]
fn a_table_that_was_written_and_read_is_drawn_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("sweep.parquet");
    sweep().write_parquet(&path).unwrap();
    let read = Table::read_parquet(&path).unwrap();
    assert_eq!(map().draw(&read).unwrap().svg(), map().draw(&sweep()).unwrap().svg());
}

#[test]
fn what_cannot_be_drawn_is_explained() {
    let table = sweep();
    let error = |figure: Result<Figure, FigureError>| figure.unwrap_err().to_string();

    let none = table.filter(|_| false);
    assert!(error(map().draw(&none)).contains("no rows"));
    assert!(error(Bars::default().draw(&none)).contains("no rows"));

    let message = error(HeatMap { value: "logit".into(), ..map() }.draw(&table));
    assert!(message.contains("no column `logit`; it has `component`, `layer`"), "{message}");
    let message = error(HeatMap { value: "token".into(), ..map() }.draw(&table));
    assert!(message.contains("column `token` holds text"), "{message}");
    let message = error(HeatMap { x: Axis::Head, ..map() }.draw(&table));
    assert!(message.contains("no row has a value in column `head`"), "{message}");
    let message = error(HeatMap { facets: Facets::none(), ..map() }.draw(&table));
    assert!(message.contains("two rows of the table fall in one place"), "{message}");
    let message = error(Bars { facets: Facets::none(), ..Bars::default() }.draw(&table));
    assert!(message.contains("two rows of the table fall in one place"), "{message}");
    let message = error(Bars { position: BarPosition::At(9), ..Bars::default() }.draw(&table));
    assert!(message.contains("no row at position 9; it has the positions 0, 1, 2, 3, 4"));

    let nan = table.clone().with_column("nan", vec![f64::NAN; table.rows()]).unwrap();
    for message in [
        error(HeatMap { value: "nan".into(), ..map() }.draw(&nan)),
        error(Bars { value: "nan".into(), ..Bars::default() }.draw(&nan)),
    ] {
        assert!(message.contains("column `nan` holds no finite number"), "{message}");
    }

    let negative = table.clone().with_column("effect", vec![-0.25; table.rows()]).unwrap();
    let bars = Bars { value: "effect".into(), ..Bars::default() };
    assert!(error(bars.draw(&negative)).contains("holds -0.25, which a logarithmic axis"));
    assert!(Bars { scale: BarScale::Linear, ..bars }.draw(&negative).is_ok());

    let uneven: Vec<f64> = (0..table.rows()).map(|row| row as f64).collect();
    let columns = table.columns().filter(|(name, _)| *name != "base_probability");
    let built = columns.fold(Table::builder(), |t, (name, values)| t.column(name, values.clone()));
    let uneven = built.column("base_probability", uneven).build().unwrap();
    let message = error(Bars::default().draw(&uneven));
    assert!(message.contains("`base_probability` differs between the rows of panel `_Madrid`"));

    let figure = map().draw(&table).unwrap();
    for written in [figure.write_svg("no/such/folder/a.svg"), figure.write_png("no/such/a.png")] {
        assert!(written.unwrap_err().to_string().starts_with("cannot write no/such/"));
    }
}

#[test]
fn a_table_of_too_many_cells_is_refused_before_memory_is_taken() {
    let count = 3000_i64;
    let table = Table::builder()
        .column("component", vec!["mlp_output"; 3000])
        .column("layer", (0..count).collect::<Vec<_>>())
        .column("position", (0..count).collect::<Vec<_>>())
        .column("probability", vec![0.5; 3000])
        .build()
        .unwrap();
    let error = HeatMap { facets: Facets::none(), ..map() }.draw(&table).unwrap_err().to_string();
    assert!(error.contains("1 panels of 3000 x 3000 cells"), "{error}");
}
