//! Figures of sweeps over data sets say what the two tables say.

#![allow(clippy::unwrap_used)]

mod svg;

use svg::{hinted, in_order, texts};
use vene_report::{
    Along, Axis, Caption, Facets, Figure, FigureError, HeatMap, Interval, Profile, Strips,
};
use vene_table::Table;

const ROLES: [&str; 3] = ["subject_last", "after_subject", "last"];
const EXAMPLES: i64 = 20;
/// RdBu's end, as it is interpolated.
const DEEPEST_BLUE: &str = "#042f60";

/// Where something was measured: component, layer, role, metric.
type Cell = (&'static str, i64, &'static str, &'static str);

/// Two components in four layers at three roles, two metrics.
fn cells() -> Vec<Cell> {
    let mut cells = Vec::new();
    for layer in 0..4 {
        for component in ["mlp_output", "attention_output"] {
            for role in ["last", "subject_last", "after_subject"] {
                for metric in ["logit_difference", "probability"] {
                    cells.push((component, layer, role, metric));
                }
            }
        }
    }
    cells
}

/// A mean that names its cell; `subject_last` falls, `last` rises, the rest can't be told from 0.
fn mean((component, layer, role, metric): Cell) -> f64 {
    let size = (layer + 1) as f64 + if component == "mlp_output" { 0.5 } else { 0.0 };
    let share = if metric == "probability" { 0.01 } else { 1.0 };
    share * size * [-1.0, 0.001, 0.1][ROLES.iter().position(|other| *other == role).unwrap()]
}

fn summary() -> Table {
    let cells = cells();
    let each = |value: fn(Cell) -> f64| cells.iter().map(|cell| value(*cell)).collect::<Vec<_>>();
    let end = |sign: f64| -> Vec<Option<f64>> {
        let half = |cell: Cell| if cell.3 == "probability" { 0.0005 } else { 0.05 };
        cells.iter().map(|cell| Some(mean(*cell) + sign * half(*cell))).collect()
    };
    Table::builder()
        .column("component", cells.iter().map(|cell| cell.0).collect::<Vec<_>>())
        .column("layer", cells.iter().map(|cell| cell.1).collect::<Vec<_>>())
        .column("role", cells.iter().map(|cell| Some(cell.2)).collect::<Vec<_>>())
        .column("head", vec![None::<i64>; cells.len()])
        .column("metric", cells.iter().map(|cell| cell.3).collect::<Vec<_>>())
        .column("mean", each(mean))
        .column("low", end(-1.0))
        .column("high", end(1.0))
        .column("sign_agreement", each(|cell| if cell.2 == "last" { 0.5 } else { 0.9 }))
        .build()
        .unwrap()
}

/// Every example's effect is its cell's mean, but for a spread of which the middle is 0.
fn examples(groups: i64) -> Table {
    let rows: Vec<(Cell, i64)> =
        cells().into_iter().flat_map(|cell| (0..EXAMPLES).map(move |at| (cell, at))).collect();
    let effect = |(cell, at): &(Cell, i64)| mean(*cell) + (*at as f64 - 9.5) * 0.01;
    let group = |(_, at): &(Cell, i64)| (at % groups < 8).then(|| format!("g{}", at % groups));
    Table::builder()
        .column("example", rows.iter().map(|row| row.1).collect::<Vec<_>>())
        .column("group", rows.iter().map(group).collect::<Vec<_>>())
        .column("component", rows.iter().map(|row| row.0.0).collect::<Vec<_>>())
        .column("layer", rows.iter().map(|row| row.0.1).collect::<Vec<_>>())
        .column("role", rows.iter().map(|row| Some(row.0.2)).collect::<Vec<_>>())
        .column("head", vec![None::<i64>; rows.len()])
        .column("metric", rows.iter().map(|row| row.0.3).collect::<Vec<_>>())
        .column("effect", rows.iter().map(effect).collect::<Vec<_>>())
        .build()
        .unwrap()
}

fn logits() -> Option<String> {
    Some("logit_difference".to_owned())
}

fn roles() -> Axis {
    Axis::Role(ROLES.map(str::to_owned).to_vec())
}

fn means() -> HeatMap {
    HeatMap { metric: logits(), ..HeatMap::means(roles(), Facets::by("component")) }
}

fn strips() -> Strips {
    Strips { caption: Caption::new("tiny"), metric: logits(), ..Strips::default() }
}

fn profile() -> Profile {
    Profile { metric: logits(), ..Profile::default() }
}

/// The marks with a hint of this kind, with all their attributes and the hint.
fn marks(figure: &Figure, kind: &str) -> Vec<String> {
    let open = format!("<{kind} ");
    let marks = figure.svg().split(&open).skip(1);
    let marks = marks.filter(|mark| mark.contains("><title>"));
    marks.map(|mark| mark.split_once("</title>").unwrap().0.to_owned()).collect()
}

/// The points of the polylines.
fn lines(figure: &Figure) -> Vec<usize> {
    let lines = figure.svg().split("<polyline points=\"").skip(1);
    lines.map(|line| line.split_once('"').unwrap().0.split(' ').count()).collect()
}

fn attribute(mark: &str, name: &str) -> f64 {
    let (_, rest) = mark.split_once(&format!("{name}=\"")).unwrap();
    rest.split_once('"').unwrap().0.parse().unwrap()
}

fn with_column(table: &Table, name: &str, values: impl Into<vene_table::Column>) -> Table {
    let others = table.columns().filter(|(other, _)| *other != name);
    let built = others.fold(Table::builder(), |t, (name, column)| t.column(name, column.clone()));
    built.column(name, values).build().unwrap()
}

#[test]
fn roles_stand_in_the_order_given_and_layers_under_each_component() {
    let figure = means().draw(&summary()).unwrap();
    let texts = texts(&figure);
    assert!(in_order(&texts, &["mlp_output", "subject_last", "after_subject", "last"]));
    assert!(in_order(&texts, &["mlp_output", "0", "1", "2", "3", "attention_output"]), "{texts:?}");
    assert!(in_order(&texts, &["position", "mean effect"]));
    let cells = hinted(&figure);
    assert_eq!(cells.len(), 2 * 4 * 3);
    let fill = |hint: &str| &cells.iter().find(|(other, _)| other == hint).unwrap().1;
    assert_eq!(
        fill("layer 3, subject_last: −4.5 [−4.55, −4.45]"),
        DEEPEST_BLUE,
        "the lowest: blue"
    );

    // Roles that nobody named follow in the order of the table.
    let axis = Axis::Role(vec!["nowhere".into(), "after_subject".into()]);
    let figure = HeatMap { x: axis, ..means() }.draw(&summary()).unwrap();
    let texts = svg::texts(&figure);
    assert!(in_order(&texts, &["after_subject", "last", "subject_last"]), "{texts:?}");
    assert!(!texts.contains(&"nowhere".to_owned()));
}

#[test]
fn panels_stand_in_the_order_given() {
    let facets = Facets::by("role").ordered(["last", "subject_last"]).titled("last", "the end");
    let heads: Vec<Option<i64>> = (0..48).map(|row| Some(row % 2)).collect();
    let table = with_column(&summary(), "head", heads);
    let map = HeatMap { metric: logits(), ..HeatMap::means(Axis::Head, facets) };
    let table = with_column(&table, "metric", vec!["logit_difference"; 48]);
    let texts = texts(&map.draw(&table).unwrap());
    assert!(in_order(&texts, &["the end", "subject_last", "after_subject"]), "{texts:?}");

    // Numbers and gaps make panels as well; rows off the axis make none.
    let table = Table::builder()
        .column("component", vec!["head_result"; 4])
        .column("layer", vec![0_i64, 0, 0, 1])
        .column("position", vec![Some(4_i64), Some(7), None, Some(9)])
        .column("head", vec![Some(0_i64), Some(0), Some(0), None])
        .column("mean", vec![0.5, 0.25, 0.125, 0.5])
        .build()
        .unwrap();
    let map = HeatMap { interval: None, ..HeatMap::means(Axis::Head, Facets::by("position")) };
    let texts = svg::texts(&map.draw(&table).unwrap());
    assert!(in_order(&texts, &["4", "7", "no position"]), "{texts:?}");
    assert!(!texts.contains(&"9".to_owned()));
}

#[test]
fn cells_whose_interval_includes_zero_have_a_dot() {
    let figure = means().draw(&summary()).unwrap();
    // All of after_subject, and one in the key.
    assert_eq!(figure.svg().matches("<circle").count(), 2 * 4 + 1);
    assert!(in_order(&texts(&figure), &["interval includes 0"]));

    let named = Interval::default().named("95 % interval");
    let lows: Vec<Option<f64>> = vec![None; 48];
    let unknown = with_column(&summary(), "low", lows);
    let figure = HeatMap { interval: Some(named), ..means() }.draw(&unknown).unwrap();
    assert_eq!(figure.svg().matches("<circle").count(), 24 + 1, "nobody knows");
    assert!(texts(&figure).concat().contains("95 % interval"));
    assert!(hinted(&figure)[0].0.ends_with("no 95 % interval"));

    let figure = HeatMap { interval: None, ..means() }.draw(&summary()).unwrap();
    assert_eq!(figure.svg().matches("<circle").count(), 0);
}

#[test]
fn widths_and_agreements_have_scales_of_their_own_kind() {
    let table = Interval::default().with_width(&summary()).unwrap();
    let map = HeatMap::interval_widths(roles(), Facets::by("component"));
    let figure = HeatMap { metric: logits(), ..map }.draw(&table).unwrap();
    assert!(
        hinted(&figure).iter().all(|(hint, fill)| hint.ends_with(": 0.1") && fill == "#fde725")
    );
    assert!(in_order(&texts(&figure), &["interval width", "0"]), "the scale begins at 0");

    let map = HeatMap::sign_agreements(roles(), Facets::by("component"));
    let map = HeatMap { metric: logits(), ..map };
    let figure = map.draw(&summary()).unwrap();
    assert!(in_order(&texts(&figure), &["sign agreement", "0.5", "1.0"]));
    let lowest = hinted(&figure).into_iter().find(|(hint, _)| hint.ends_with(", last: 0.5"));
    assert_eq!(lowest.unwrap().1, "#440154");
}

#[test]
fn metrics_have_their_own_scales_where_asked() {
    let only = |table: Table| {
        let names = table.text("component").unwrap().to_vec();
        table.filter(|row| names[row] == "mlp_output")
    };
    let shared = HeatMap::means(roles(), Facets::by("metric"));
    let own = HeatMap { own_scales: true, ..shared.clone() };
    let fills = |map: &HeatMap| {
        let cells = hinted(&map.draw(&only(summary())).unwrap());
        let of =
            |start: &str| cells.iter().find(|(hint, _)| hint.starts_with(start)).unwrap().1.clone();
        (of("f3, subject_last: −4.5"), of("f3, subject_last: −0.045"))
    };
    assert_eq!(fills(&own), (DEEPEST_BLUE.to_owned(), DEEPEST_BLUE.to_owned()));
    let (logits, probabilities) = fills(&shared);
    assert_eq!(logits, DEEPEST_BLUE);
    assert_ne!(probabilities, DEEPEST_BLUE);
    let figure = own.draw(&only(summary())).unwrap();
    assert_eq!(texts(&figure).iter().filter(|text| *text == "mean effect").count(), 2);
    assert_eq!(figure.svg().matches("<linearGradient").count(), 1, "of the same colours");
}

#[test]
fn strips_show_the_largest_means_and_all_their_examples() {
    let strips = Strips { most: 5, ..strips() };
    let figure = strips.draw(&summary(), &examples(2)).unwrap();
    let texts = texts(&figure);
    let rows = ["f3 subject_last", "ao3 subject_last", "f2 subject_last", "ao2 subject_last"];
    assert!(in_order(&texts, &rows), "{texts:?}");
    assert!(in_order(&texts, &["g0", "g1", "mean and its interval", "mean [interval]"]));
    assert!(in_order(&texts, &["−4.50 [−4.55, −4.45]", "−4.00 [−4.05, −3.95]"]), "{texts:?}");
    assert!(in_order(&texts, &["effect", "ao = attention_output,  f = mlp_output"]));
    let note = "the 5 of 24 cells whose mean is largest, of either sign; 20 examples";
    assert!(texts.contains(&note.to_owned()));

    let dots = marks(&figure, "circle");
    assert_eq!(dots.len(), 5 * 20);
    assert!(dots[0].ends_with("example 0, g0: −4.59"), "{}", dots[0]);
    assert!(dots[0].contains("#0072b2") && dots[1].contains("#e69f00"), "groups have colours");
    // Effects grow to the right, evenly here.
    let xs: Vec<f64> = dots[..20].iter().map(|dot| attribute(dot, "cx")).collect();
    let steps: Vec<f64> = xs.windows(2).map(|pair| pair[1] - pair[0]).collect();
    assert!(steps.iter().all(|step| *step > 0.0 && (step - steps[0]).abs() < 0.03), "{steps:?}");
    // Dots are wider than their steps: neighbours stand in different lanes.
    assert_ne!(attribute(&dots[0], "cy"), attribute(&dots[1], "cy"));
}

#[test]
fn groups_have_colours_as_long_as_those_stay_apart() {
    let colors = |groups: i64| {
        let figure = strips().draw(&summary(), &examples(groups)).unwrap();
        let dots = marks(&figure, "circle");
        let fill = |dot: &String| dot.split_once("fill=\"").unwrap().1[..7].to_owned();
        let fills: std::collections::BTreeSet<String> = dots.iter().map(fill).collect();
        (fills.len(), texts(&figure))
    };
    assert_eq!(colors(8).0, 8);
    let (count, texts) = colors(9);
    assert_eq!(count, 9, "eight, and grey for the examples of none");
    assert!(texts.contains(&"no group".to_owned()));

    let many: Vec<String> = (0..960).map(|row| format!("g{}", row % 20)).collect();
    let many = with_column(&examples(1), "group", many);
    let figure = strips().draw(&summary(), &many).unwrap();
    assert!(svg::texts(&figure).contains(&"an example".to_owned()));
    assert!(marks(&figure, "circle").iter().all(|dot| dot.contains("#0072b2")));
}

#[test]
fn profiles_have_a_line_for_each_component_and_break_at_gaps() {
    let facets = Facets::by("role").ordered(ROLES);
    let profile = Profile { facets, ..profile() };
    let figure = profile.draw(&summary()).unwrap();
    let texts = texts(&figure);
    assert!(in_order(&texts, &["attention_output", "mlp_output", "interval"]), "{texts:?}");
    assert!(in_order(&texts, &["subject_last", "0", "1", "2", "3", "mean effect"]), "{texts:?}");
    assert!(in_order(&texts, &["after_subject", "last", "layer"]));
    assert_eq!(lines(&figure), [4; 6]);
    assert_eq!(figure.svg().matches("<polygon").count(), 6, "a band around each");
    let points = marks(&figure, "circle");
    assert_eq!(points.len(), 24);
    assert!(points[7].ends_with("mlp_output, layer 3: −4.5 [−4.55, −4.45]"), "{}", points[7]);
    let heights: Vec<f64> = points[..4].iter().map(|point| attribute(point, "cy")).collect();
    assert!(heights.is_sorted(), "falling means fall");

    // Layer 2 of one component gives no number at one role, its interval is lost at another.
    let table = summary();
    let at = |row: usize, role: &str| {
        let (component, layer, at, _) = cells()[row];
        component == "mlp_output" && layer == 2 && at == role
    };
    let gaps: Vec<Option<f64>> = (0..48)
        .map(|row| Some(if at(row, "last") { f64::NAN } else { mean(cells()[row]) }))
        .collect();
    let low: Vec<Option<f64>> =
        (0..48).map(|row| (!at(row, "subject_last")).then_some(-9.0)).collect();
    let table = with_column(&with_column(&table, "mean", gaps), "low", low);
    let figure = profile.draw(&table).unwrap();
    assert_eq!(lines(&figure), [4, 4, 4, 4, 4, 2]);
    assert_eq!(marks(&figure, "circle").len(), 23);
    assert_eq!(figure.svg().matches("<polygon").count(), 6);
}

#[test]
fn profiles_run_along_numbers_too() {
    let doses = [-4.0, -1.0, 0.0, 0.5, 4.0];
    let each = |value: fn(f64, f64) -> f64| -> Vec<f64> {
        [1.0, 0.1].into_iter().flat_map(|slope| doses.map(|dose| value(slope, dose))).collect()
    };
    let vectors = ["steering", "random"].into_iter().flat_map(|name| [name; 5]);
    let table = Table::builder()
        .column("vector", vectors.collect::<Vec<_>>())
        .column("dose", each(|_, dose| dose))
        .column("mean", each(|slope, dose| slope * dose))
        .column("low", each(|slope, dose| slope * dose - 0.5))
        .column("high", each(|slope, dose| slope * dose + 0.5))
        .build()
        .unwrap();
    let along = |column: &str| Along::Numbers {
        column: column.to_owned(),
        title: "multiples of the vector".to_owned(),
    };
    let profile = Profile {
        along: along("dose"),
        lines: "vector".to_owned(),
        facets: Facets::none(),
        ..Profile::default()
    };
    let figure = profile.draw(&table).unwrap();
    let texts = texts(&figure);
    // Lines in the order in which they appear.
    assert!(in_order(&texts, &["steering", "random", "interval"]), "{texts:?}");
    assert!(in_order(&texts, &["−4", "0", "4", "multiples of the vector"]), "{texts:?}");
    // Uneven doses are no gaps, and stand where they belong.
    assert_eq!(lines(&figure), [5, 5]);
    assert_eq!(figure.svg().matches("<polygon").count(), 2);
    let points = marks(&figure, "circle");
    assert!(points[0].ends_with("steering, dose −4: −4 [−4.5, −3.5]"), "{}", points[0]);
    let x: Vec<f64> = points.iter().map(|point| attribute(point, "cx")).collect();
    let step = (x[4] - x[0]) / 8.0;
    for (x, dose) in x.iter().zip(doses) {
        assert!((x - points_left(&points) - (dose + 4.0) * step).abs() < 0.02, "{x} at {dose}");
    }

    let whole: Vec<i64> = doses.iter().chain(&doses).map(|dose| 2 * *dose as i64).collect();
    let whole = with_column(&table, "dose", whole.iter().map(|x| x + 1).collect::<Vec<i64>>());
    assert!(profile.draw(&whole.filter(|row| row % 5 != 3)).is_ok(), "integers are numbers");

    let message = profile.draw(&with_column(&table, "dose", vec![1.0; 10])).unwrap_err();
    assert!(message.to_string().contains("steering, dose 1"), "{message}");
    let message = profile.draw(&with_column(&table, "dose", vec![f64::NAN; 10])).unwrap_err();
    assert!(message.to_string().contains("no row has a value in column `dose`"), "{message}");
    let one = table.filter(|row| row % 5 == 1);
    assert_eq!(marks(&profile.draw(&one).unwrap(), "circle").len(), 2);
    let missing = Profile { along: along("amount"), ..profile }.draw(&table).unwrap_err();
    assert!(missing.to_string().contains("`amount`"), "{missing}");
}

/// Where the leftmost point stands.
fn points_left(points: &[String]) -> f64 {
    points.iter().map(|point| attribute(point, "cx")).fold(f64::INFINITY, f64::min)
}

#[test]
fn the_same_tables_give_the_same_bytes_and_pictures() {
    let draw = || -> Vec<Figure> {
        vec![
            means().draw(&summary()).unwrap(),
            strips().draw(&summary(), &examples(3)).unwrap(),
            profile().draw(&summary()).unwrap(),
        ]
    };
    for (one, other) in draw().into_iter().zip(draw()) {
        assert_eq!(one.svg(), other.svg());
        assert_eq!(one.png().unwrap(), other.png().unwrap());
    }
}

#[test]
fn numbers_of_any_size_can_be_drawn() {
    for size in [1e-300, 1e300, f64::MAX, 0.0] {
        let scaled: Vec<f64> = cells().into_iter().map(|cell| mean(cell) / 4.6 * size).collect();
        let ends: Vec<Option<f64>> = scaled.iter().map(|mean| Some(*mean)).collect();
        let table = with_column(&summary(), "mean", scaled);
        let table = with_column(&with_column(&table, "low", ends.clone()), "high", ends);
        let effects = vec![-size; 960];
        let examples = with_column(&examples(2), "effect", effects);
        means().draw(&table).unwrap().png().unwrap();
        strips().draw(&table, &examples).unwrap().png().unwrap();
        profile().draw(&table).unwrap().png().unwrap();
    }
}

#[test]
fn what_cannot_be_drawn_is_explained() {
    let (summary, examples) = (summary(), examples(2));
    let error = |figure: Result<Figure, FigureError>| figure.unwrap_err().to_string();

    let (none, nobody) = (summary.filter(|_| false), examples.filter(|_| false));
    for message in [
        error(means().draw(&none)),
        error(HeatMap { metric: None, ..means() }.draw(&none)),
        error(strips().draw(&none, &examples)),
        error(strips().draw(&summary, &nobody)),
        error(Strips { metric: None, ..strips() }.draw(&none, &nobody)),
        error(profile().draw(&none)),
        error(Profile { metric: None, ..profile() }.draw(&none)),
    ] {
        assert!(message.contains("no rows"), "{message}");
    }

    let nan = with_column(&summary, "mean", vec![f64::NAN; 48]);
    for message in [
        error(means().draw(&nan)),
        error(strips().draw(&nan, &examples)),
        error(profile().draw(&nan)),
    ] {
        assert!(message.contains("column `mean` holds no finite number"), "{message}");
    }
    let lost = with_column(&examples, "effect", vec![f64::NAN; 960]);
    let message = error(strips().draw(&summary, &lost));
    assert!(message.contains("no number in column `effect` for"), "{message}");

    let rank = || Some("rank".to_owned());
    let message = error(means().draw(&with_column(&summary, "metric", vec!["rank"; 48])));
    assert!(message.contains("no row of metric `logit_difference`; it has `rank`"), "{message}");
    let message = error(Strips { metric: rank(), ..strips() }.draw(&summary, &examples));
    assert!(message.contains("it has `logit_difference`, `probability`"), "{message}");

    for message in [
        error(HeatMap { metric: None, ..means() }.draw(&summary)),
        error(Strips { metric: None, ..strips() }.draw(&summary, &examples)),
        error(Profile { metric: None, ..profile() }.draw(&summary)),
    ] {
        assert!(message.contains("two rows of the table fall in one place"), "{message}");
    }
    let twice = with_column(&examples, "example", vec![7_i64; 960]);
    let message = error(strips().draw(&summary, &twice));
    assert!(message.contains("subject_last, example 7"), "{message}");

    let nowhere = with_column(&summary, "role", vec![None::<&str>; 48]);
    assert!(error(means().draw(&nowhere)).contains("no row has a value in column `role`"));
    let flat = with_column(&summary, "layer", vec![None::<i64>; 48]);
    assert!(error(profile().draw(&flat)).contains("no row has a value in column `layer`"));
    let mut far = vec![0_i64; 48];
    far[..2].copy_from_slice(&[i64::MIN, i64::MAX]);
    let far = with_column(&summary, "layer", far);
    assert!(error(Profile { metric: None, ..profile() }.draw(&far)).contains("cells"));
    let texts = with_column(&summary, "position", vec!["last"; 48]);
    let message = error(HeatMap { x: Axis::Position(vec![]), ..means() }.draw(&texts));
    assert!(message.contains("column `position` holds text"), "{message}");
}

/// A cell and so many examples in it, in groups.
fn crowd(count: i64) -> (Table, Table) {
    let cell = |rows: usize| {
        Table::builder()
            .column("component", vec!["mlp_output"; rows])
            .column("layer", vec![0_i64; rows])
    };
    let summary = cell(1).column("mean", vec![0.5]).build().unwrap();
    let group = |example: i64| ["one", "two"][usize::from(example % 3 == 0)];
    let effect = |example: i64| (example as f64 * 0.618).fract().powi(3) * 4.0 - 1.0;
    let examples = cell(count as usize)
        .column("example", (0..count).collect::<Vec<_>>())
        .column("group", (0..count).map(group).collect::<Vec<_>>())
        .column("effect", (0..count).map(effect).collect::<Vec<_>>())
        .build()
        .unwrap();
    (summary, examples)
}

#[test]
fn strips_of_many_dots_show_how_many_they_are() {
    let (summary, examples) = crowd(300_000);
    let strips = Strips { interval: None, metric: None, ..strips() };
    let figure = strips.draw(&summary, &examples).unwrap();
    assert!(
        !figure.svg().contains("<circle") && figure.svg().len() < 20_000,
        "{}",
        figure.svg().len()
    );
    let shown = texts(&figure);
    assert!(shown.contains(&"300000 examples".to_owned()), "{shown:?}");
    assert!(shown.iter().any(|text| text.starts_with("groups are not told apart")), "{shown:?}");
    assert!(shown.iter().any(|text| text.contains("each row to its own scale")), "{shown:?}");
    // In chunks it is the same figure.
    let chunks = (0..300).map(|chunk| Ok(examples.slice(chunk * 1000, 1000)));
    assert_eq!(strips.draw_chunks(&summary, chunks).unwrap().svg(), figure.svg());
    // And an example that is twice in a cell is found in a crowd too.
    let twice =
        vene_table::Table::concatenate(&[examples.slice(0, 30_000), examples.slice(7, 1)], &[]);
    let error = strips.draw(&summary, &twice.unwrap()).unwrap_err().to_string();
    assert!(error.contains("example 7"), "{error}");
}

#[test]
fn no_svg_is_large() {
    let strips = Strips { interval: None, metric: None, ..strips() };
    for count in [6000, 20_000, 20_001] {
        let (summary, examples) = crowd(count);
        let figure = strips.draw(&summary, &examples).unwrap();
        assert_eq!(figure.svg().contains("<circle"), count <= 20_000);
        assert!(figure.svg().len() <= 2_000_000, "{count}: {}", figure.svg().len());
    }
    // 60,000 cells, half of them with an interval around 0, one missing.
    let (layers, heads) = (300_i64, 200_i64);
    let cells = || (0..layers).flat_map(|layer| (0..heads).map(move |head| (layer, head)));
    let mean = |(layer, head): (i64, i64)| {
        (layer != 0 || head != 0).then(|| ((layer * 31 + head * 17) as f64).sin())
    };
    let table = Table::builder()
        .column("component", cells().map(|_| "head_attention_value_output").collect::<Vec<_>>())
        .column("layer", cells().map(|(layer, _)| layer).collect::<Vec<_>>())
        .column("head", cells().map(|(_, head)| head).collect::<Vec<_>>())
        .column("mean", cells().map(mean).collect::<Vec<_>>())
        .column("low", cells().map(|cell| Some(mean(cell)? - 0.7)).collect::<Vec<Option<f64>>>())
        .column("high", cells().map(|cell| Some(mean(cell)? + 0.7)).collect::<Vec<Option<f64>>>())
        .build()
        .unwrap();
    let map = HeatMap { metric: None, ..HeatMap::means(Axis::Head, Facets::by("component")) };
    let figure = map.draw(&table).unwrap();
    assert!(figure.svg().len() <= 2_000_000, "{}", figure.svg().len());
    assert!(!figure.svg().contains("<title>layer"));
    let gaps = figure.svg().split(r#"<g class="gaps">"#).nth(1).unwrap();
    assert_eq!(gaps.lines().nth(1).unwrap().matches('M').count(), 1, "one cell is crossed out");
    let lines = |layers: i64| {
        let names = (0..5).flat_map(|line| vec![format!("line {line}"); layers as usize]);
        let table = Table::builder()
            .column("component", names.collect::<Vec<_>>())
            .column("layer", (0..5).flat_map(|_| 0..layers).collect::<Vec<_>>())
            .column("mean", (0..5 * layers).map(|point| (point as f64).sin()).collect::<Vec<_>>());
        table.build().unwrap()
    };
    let profile = Profile { metric: None, interval: None, facets: Facets::none(), ..profile() };
    assert!(profile.draw(&lines(2000)).is_ok());
    let error = profile.draw(&lines(40_000)).unwrap_err().to_string();
    assert!(error.contains("bytes of SVG, more than 2000000"), "{error}");
}
