//! Plans over data sets: what they tell is what sweeps, single runs and the reference executor tell.
#![allow(clippy::unwrap_used, missing_docs)]

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::path::Path;

use candle_core::DType;
use vene::data::{Phrase, Role, Row};
use vene::metric;
use vene::plan_file::{Format, GridRun, GridValue, PlanFile, PlanGrid};
use vene::plan_sweep::{PlanSweep, PlanSweepError, join};
use vene::sweep::Summary;
use vene::{
    BeginningOfSequence, Component, Edit, Example, Forked, Model, Plan, Positions, Reference, Run,
    Source, Sweep, Table,
};

fn model() -> Model {
    Model::load("embedded").unwrap()
}

/// Pairs of facts that the model knows; in two the answers are several tokens, in two lengths differ.
fn rows() -> Vec<Row> {
    let pair = |base: &str, source: &str, target: &str, foil: &str, country: [&str; 2]| {
        Row::new(base, source).target(target).foil(foil).span("subject", country[0], country[1])
    };
    let of = |country: &str| format!("The capital of {country} is");
    let longer = |country: &str| format!("I know that the capital of {country} is");
    vec![
        pair(&of("Spain"), &of("Italy"), " Madrid", " Rome", ["Spain", "Italy"]),
        pair(&longer("Japan"), &of("Peru"), " Tokyo", " Lima", ["Japan", "Peru"]),
        pair(&of("France"), &longer("Spain"), " Paris", " Madrid", ["France", "Spain"]),
        pair(&of("Italy"), &of("Spain"), " Rome and Paris", " Madrid and Rome", ["Italy", "Spain"]),
        pair(&of("Peru"), &longer("Italy"), " Lima", " Rome is", ["Peru", "Italy"]),
    ]
}

fn file(text: &str) -> PlanFile {
    PlanFile::parse(text, Format::Toml, Path::new("")).unwrap()
}

const PATCH: &str = "[[edit]]\nintervention = 'interchange'\ncomponent = 'block_output'\nlayer = '$l'\n\
                     positions = { role = 'subject_last' }\n[grid]\nl = 'all'\n";

/// The values of a column by example, layer and metric.
fn by_place(table: &Table, layer: &str, column: &str) -> Vec<(i64, i64, String, u64)> {
    let (example, metric) = (table.integers("example").unwrap(), table.text("metric").unwrap());
    let layer = table.optional_integers(layer).unwrap();
    let values = table.optional_floats(column).unwrap();
    let mut all: Vec<_> = (0..table.rows())
        .map(|row| {
            let value = values[row].unwrap_or(-1e9).to_bits();
            (example[row], layer[row].unwrap(), metric[row].to_owned(), value)
        })
        .collect();
    all.sort();
    all
}

/// A plan with a placeholder in place of the layer is a sweep over the layers: the same bits, of every metric.
#[test]
fn a_grid_over_layers_is_a_sweep() {
    let model = model();
    let rows = rows();
    let metrics = || {
        ["logit_difference", "probability", "log_probability", "kl", "accuracy"]
            .map(|name| metric::named(name).unwrap())
    };
    let plans = PlanSweep::builder(&model)
        .grid(file(PATCH).grid(&model).unwrap())
        .rows(&rows)
        .metrics(metrics())
        .build()
        .unwrap();
    assert!(plans.left_out().is_empty());
    let found = plans.run(&model).unwrap();
    let sweep = Sweep::builder(&model)
        .rows(&rows)
        .components([Component::BlockOutput])
        .roles(["subject_last".parse::<Role>().unwrap()])
        .metrics(metrics())
        .build()
        .unwrap();
    let expected = sweep.run(&model).unwrap().into_examples();
    assert_eq!(found.examples.rows(), expected.rows());
    for column in ["base_value", "source_value", "value", "effect", "change"] {
        assert_eq!(
            by_place(&found.examples, "l", column),
            by_place(&expected, "layer", column),
            "{column}"
        );
    }
    // One summary tells both.
    let [ours, theirs] =
        [&found.examples, &expected].map(|table| Summary::default().of(table).unwrap());
    assert_eq!(ours.rows(), theirs.rows());
    let means = |summary: &Table, layer: &str| {
        let layers = summary.optional_integers(layer).unwrap();
        let (metric, mean) =
            (summary.text("metric").unwrap(), summary.optional_floats("mean").unwrap());
        let mut all: Vec<_> = (0..summary.rows())
            .map(|row| (layers[row], metric[row].to_owned(), mean[row].unwrap().to_bits()))
            .collect();
        all.sort();
        all
    };
    assert_eq!(means(&ours, "l"), means(&theirs, "layer"));
    assert!(ours.has("l") && !ours.has("component"));
}

/// What is written batch by batch is what is run at once, and what the reference executor says.
#[test]
fn batches_make_the_whole() {
    let model = model();
    let rows: Vec<Row> = (0..5).flat_map(|_| rows()).collect();
    let sweep = PlanSweep::builder(&model)
        .grid(file(PATCH).grid(&model).unwrap())
        .rows(&rows)
        .build()
        .unwrap();
    let batches = sweep.batches(model.config());
    assert_eq!(batches[0], 0..8, "a first batch is small");
    assert_eq!(batches.iter().map(|batch| batch.len()).sum::<usize>(), 25);
    let executor = Forked::new(&model);
    let mut told = Vec::new();
    let parts: Vec<_> = batches
        .into_iter()
        .map(|batch| {
            let mut tell = |done| {
                told.push(done);
                ControlFlow::Continue(())
            };
            sweep.run_batch(&model, &executor, batch, &mut tell).unwrap()
        })
        .collect();
    let examples: Vec<Table> = parts.iter().map(|part| part.examples.clone()).collect();
    let whole = sweep.run(&model).unwrap();
    assert_eq!(join(&examples).unwrap().table().unwrap(), whole.examples);
    assert!(told.contains(&(8 * sweep.grid().runs.len())));
    let reference = sweep.run_with(&model, &Reference::new(&model)).unwrap();
    for column in ["base_value", "value"] {
        let [ours, theirs] = [&whole, &reference].map(|run| run.examples.floats(column).unwrap());
        for (one, other) in ours.iter().zip(theirs) {
            assert!((one - other).abs() < 1e-3, "{column}: {one}, {other}");
        }
    }
    assert!(sweep.run_batch(&model, &executor, 3..99, &mut |_| ControlFlow::Continue(())).is_err());
    let stopped = sweep.run_batch(&model, &executor, 0..8, &mut |_| ControlFlow::Break(()));
    assert!(stopped.is_err());
}

/// Receipts, tokens that are read and what is collected are those of the plan run on each row by itself.
#[test]
fn everything_is_that_of_the_plan_on_each_row() {
    let model = model();
    let rows: Vec<Row> = rows().into_iter().take(3).collect();
    let text = "[[edit]]\nintervention = 'interchange'\ncomponent = 'mlp_output'\nlayer = '0..2'\n\
                positions = { role = 'subject_last' }\n\
                [[edit]]\nintervention = 'collect'\ncomponent = 'block_output'\nlayer = 2\n\
                [[collect]]\ncomponent = 'mlp_output'\nlayer = [3, 1]\npositions = [-1, 0]\n\
                [read]\nprobabilities_of = [' Madrid', ' Rome']\n";
    let sweep = PlanSweep::builder(&model)
        .plan(file(text).plan(&model).unwrap())
        .rows(&rows)
        .metrics([])
        .build()
        .unwrap();
    let run = sweep.run(&model).unwrap();
    assert_eq!(sweep.measured(), ["probability of ` Madrid`", "probability of ` Rome`"]);
    assert_eq!(run.examples.rows(), 3 * 2);
    // Three edits in each row, one of which only looks on.
    assert_eq!(run.receipts.rows(), 3 * 3);
    let names: Vec<&str> = run.collected.sites.iter().map(|site| site.name.as_str()).collect();
    assert_eq!(names, ["mlp_output/3", "mlp_output/1", "edit 2/block_output/2"]);
    assert_eq!(run.collected.shape(0), [3, 2, 128]);
    assert_eq!(run.collected.shape(2), [3, 1, 128]);
    for (place, row) in rows.iter().enumerate() {
        let prompt = |text: &str| model.prompt(text).unwrap();
        let example = Example::new(prompt(&row.base)).source(prompt(row.source.as_ref().unwrap()));
        let span = &row.spans["subject"];
        let words = |phrase: &Phrase| match phrase {
            Phrase::Text { text, .. } => text.clone(),
            Phrase::Characters(_) => panic!("a text"),
        };
        let from = words(span.source.as_ref().unwrap());
        let plan = (0..2).fold(Plan::new(), |plan, layer| {
            plan.edit(
                Edit::interchange(Component::MlpOutput, layer)
                    .at(Positions::last_of(words(&span.base)))
                    .from(Positions::last_of(from.clone())),
            )
        });
        let plan = plan
            .collect(Component::MlpOutput, 3, Positions::At(vec![-1, 0]))
            .collect(Component::MlpOutput, 1, Positions::At(vec![-1, 0]))
            .collect(Component::BlockOutput, 2, Positions::Last)
            .with_original();
        let outcome = Forked::new(&model).run(&plan.resolve(&model, &[example]).unwrap()).unwrap();
        for (index, word) in [" Madrid", " Rome"].into_iter().enumerate() {
            let token = model.tokenizer().single_token(word).unwrap();
            let line = place * 2 + index;
            let edited = outcome.distribution(0, 0).unwrap().probability(token).unwrap();
            let found = run.examples.floats("value").unwrap()[line];
            assert!((found - edited).abs() < 1e-6, "{word}: {found}, not {edited}");
            let unedited = outcome.original[0].distributions[0].probability(token).unwrap();
            let found = run.examples.floats("base_value").unwrap()[line];
            assert!((found - unedited).abs() < 1e-6, "{word}: {found}, not {unedited}");
        }
        for (site, collected) in outcome.examples[0].collected.iter().enumerate() {
            let expected: Vec<f32> =
                collected.to_dtype(DType::F32).unwrap().flatten_all().unwrap().to_vec1().unwrap();
            assert_eq!(run.collected.values[site][place].values, expected, "site {site}");
        }
        let written = run.receipts.optional_floats("root_mean_square").unwrap();
        for (edit, receipt) in outcome.receipts.iter().enumerate() {
            let vene::plan::Outcome::Changed(change) = &receipt.outcome else { panic!("changed") };
            assert_eq!(written[place * 3 + edit], Some(change.root_mean_square));
        }
    }
}

/// Path patching by hand: source 1 is the base once more, and is edited before it is read.
#[test]
fn source_1_is_the_base_to_be_edited() {
    let model = model();
    let rows: Vec<Row> = rows().into_iter().take(1).collect();
    let role = || Positions::Role("subject_last".parse().unwrap());
    let last = model.config().layers.len() - 1;
    let plan = Plan::new()
        .edit(
            Edit::interchange(Component::MlpOutput, 0)
                .at(role())
                .within(Run::Source(1))
                .source(Source::Run(0)),
        )
        .edit(
            Edit::interchange(Component::BlockOutput, last)
                .at(Positions::Last)
                .source(Source::Run(1)),
        );
    let sweep = PlanSweep::builder(&model).plan(plan).rows(&rows).build().unwrap();
    let value = sweep.run(&model).unwrap().examples.floats("value").unwrap()[0];
    // The receiver is the last position's whole stream: what reaches it is the total effect.
    let total = Plan::new().edit(Edit::interchange(Component::MlpOutput, 0).at(role()));
    let sweep = PlanSweep::builder(&model).plan(total).rows(&rows).build().unwrap();
    let run = sweep.run(&model).unwrap();
    let expected = run.examples.floats("value").unwrap()[0];
    assert!((value - expected).abs() < 1e-4, "{value}, not {expected}");
    assert_ne!(expected, run.examples.floats("base_value").unwrap()[0]);
}

/// What cannot be run is refused before a weight is read, or left out with its reason.
#[test]
fn what_does_not_fit_says_so() {
    let model = model();
    let rows = rows();
    let build = |plan: Plan, rows: &[Row]| {
        let sweep = PlanSweep::builder(&model).plan(plan).rows(rows);
        sweep.prompt_form(BeginningOfSequence::Model).build().map_err(Box::new)
    };
    let said = |plan: Plan| build(plan, &rows).map(|_| ()).unwrap_err().to_string();
    let edit = || Edit::interchange(Component::BlockOutput, 0);
    let listed = Plan::new().edit(edit().at(Positions::Each(vec![vec![0]; 5])));
    assert!(said(listed).contains("positions are listed for each example"));
    let third = Plan::new().edit(edit().source(Source::Run(2)));
    assert!(said(third).contains("there is no source 2"));
    assert!(said(Plan::new().edit(Edit::interchange(Component::BlockOutput, 99))).contains("99"));
    assert!(matches!(*build(Plan::new(), &[]).unwrap_err(), PlanSweepError::NoRows));
    let alone = [Row::of_base("The capital of Spain is")];
    let none = build(Plan::new().edit(Edit::zero(Component::BlockOutput, 0)), &alone);
    assert!(matches!(*none.unwrap_err(), PlanSweepError::NothingMeasured));
    let none = build(Plan::new().edit(edit()), &alone).unwrap_err().to_string();
    assert!(none.contains("nothing is measured") || none.contains("source"), "{none}");
    // One prompt is too short for the plan: its row is left out.
    let mut mixed = rows.clone();
    mixed.push(
        Row::new("Spain", "Italy").target(" is").foil(" of").span("subject", "Spain", "Italy"),
    );
    let sweep = build(Plan::new().edit(edit().at(Positions::index(4))), &mixed).unwrap();
    assert_eq!((sweep.rows().len(), sweep.left_out().len()), (5, 1));
    let reason = sweep.left_out()[0].reason.to_string();
    assert!(reason.contains("the base") && !reason.contains("example"), "{reason}");
    // A later run of a grid is looked at as well as the first.
    let run = |position: i64| GridRun {
        values: vec![GridValue::Integer(position)],
        plan: Plan::new().edit(edit().at(Positions::index(position))),
    };
    let grid = PlanGrid {
        variables: vec!["p".to_owned()],
        runs: [0, 4].map(run).to_vec(),
        files: BTreeMap::new(),
    };
    let sweep = PlanSweep::builder(&model).grid(grid).rows(&mixed).build().unwrap();
    assert_eq!((sweep.rows().len(), sweep.left_out().len()), (5, 1));
    // Rows of unequal numbers of positions make no tensor.
    let all = Plan::new().edit(edit()).collect(Component::MlpOutput, 0, Positions::All);
    let error = build(all, &rows).unwrap().run(&model).unwrap_err().to_string();
    assert!(
        error.contains("mlp_output/0") && error.contains("unequal numbers of positions"),
        "{error}"
    );
    // A variable that would be a second column of the same name.
    let taken = PATCH.replace("$l", "$metric").replace("l = 'all'", "metric = [0]");
    let grid = file(&taken).grid(&model).unwrap();
    let error = PlanSweep::builder(&model).grid(grid).rows(&rows).build().unwrap_err().to_string();
    assert!(error.contains("`metric`"), "{error}");
}
