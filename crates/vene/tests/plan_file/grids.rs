//! Grids in plans: lists of layers, placeholders, and heads each by itself.

use std::path::Path;

use vene::plan_file::{Format, GridValue, PlanFile, PlanGrid};
use vene::{Example, Outline};
use vene_test_support::Fixture;

/// Three layers of 4 heads.
fn outline() -> Outline {
    Fixture::new("gpt2-plain").outline().unwrap()
}

fn read(text: &str) -> PlanFile {
    PlanFile::parse(text, Format::Toml, Path::new("")).unwrap()
}

fn grid(text: &str) -> PlanGrid {
    read(text).grid(&outline()).unwrap()
}

#[track_caller]
fn refused(text: &str, said: &[&str]) {
    let error = read(text).grid(&outline()).map(|_| ()).unwrap_err().to_string();
    for said in said {
        assert!(error.contains(said), "{error}\nlacks {said}");
    }
}

/// What each run of a grid edits: component, layer and heads.
fn edited(grid: &PlanGrid) -> Vec<Vec<String>> {
    let outline = outline();
    let fixture = Fixture::new("gpt2-plain");
    let prompt = fixture.prompts_for(&outline).remove(0);
    let examples = [Example::new(prompt.clone()).source(prompt)];
    let of_run = |run: &vene::plan_file::GridRun| {
        let plan = run.plan.resolve(&outline, &examples).unwrap();
        let of_edit = |edit: &vene::plan::ResolvedEdit| {
            let heads = edit.units[0].heads.as_ref();
            let heads = heads.map_or(String::new(), |heads| format!(" {heads:?}"));
            format!("{}{heads}", edit.site)
        };
        plan.edits().iter().map(of_edit).collect()
    };
    grid.runs.iter().map(of_run).collect()
}

const EDIT: &str = "[[edit]]\nintervention = 'interchange'\ncomponent = 'block_output'\n";

#[test]
fn a_list_of_layers_edits_them_together() {
    for (layer, layers) in [
        ("'all'", vec![0, 1, 2]),
        ("'0..2'", vec![0, 1]),
        ("[1, 0]", vec![1, 0]),
        ("['0..1', -1]", vec![0, 2]),
        ("-1", vec![2]),
        ("'..1'", vec![0]),
    ] {
        let grid = grid(&format!("{EDIT}layer = {layer}\n"));
        assert!(grid.variables.is_empty());
        let expected: Vec<String> =
            layers.iter().map(|layer| format!("block_output of layer {layer}")).collect();
        assert_eq!(edited(&grid), [expected], "{layer}");
    }
    refused(
        &format!("{EDIT}layer = '0..4'\n"),
        &["line 4, column", "edit[0].layer", "there are 3"],
    );
    // What is wrong with an edit is told by its number in the file.
    let second = format!("{EDIT}layer = 'all'\n{EDIT}layer = 0\nheads = 'x'\n");
    refused(&second, &["edit[1].heads"]);
}

/// Each layer has parameters of its own, unless a link says otherwise.
#[test]
fn layers_of_a_list_learn_apart_unless_they_are_linked() {
    let text = |link: &str| {
        format!(
            "[[edit]]\n{link}component = 'block_output'\nlayer = 'all'\n\
             intervention = {{ name = 'low_rank_rotated_space', rank = 2 }}\n"
        )
    };
    let distinct = |text: &str| {
        let plan = read(text).plan(&outline()).unwrap();
        let fixture = Fixture::new("gpt2-plain");
        let prompt = fixture.prompts_for(&outline()).remove(0);
        let examples = [Example::new(prompt.clone()).source(prompt)];
        let plan = plan.resolve(&outline(), &examples).unwrap();
        let mut ids: Vec<_> = plan
            .edits()
            .iter()
            .map(|edit| edit.intervention.parameters()[0].variable.id())
            .collect();
        ids.dedup();
        ids.len()
    };
    assert_eq!(distinct(&text("")), 3);
    assert_eq!(distinct(&text("link = 'one'\n")), 1);
}

#[test]
fn placeholders_make_the_product() {
    let grid = grid(
        "[[edit]]\nintervention = { name = 'scaling', factor = '$dose' }\ncomponent = '$what'\n\
         layer = '$l'\n[grid]\nl = 'all'\ndose = [0.5, 2]\nwhat = ['mlp_output', 'block_output']\n",
    );
    assert_eq!(grid.variables, ["l", "dose", "what"]);
    assert_eq!(grid.runs.len(), 12);
    let (first, last) = (&grid.runs[0], &grid.runs[11]);
    let text = |text: &str| GridValue::Text(text.to_owned());
    assert_eq!(first.values, [GridValue::Integer(0), GridValue::Number(0.5), text("mlp_output")]);
    assert_eq!(last.values, [GridValue::Integer(2), GridValue::Integer(2), text("block_output")]);
    assert_eq!(grid.name(last), "l 2, dose 2, what block_output");
    let edited = edited(&grid);
    assert_eq!(edited[1], ["block_output of layer 0"]);
    assert_eq!(edited[6], ["mlp_output of layer 1"]);
    // A list of layers edits together in each run.
    let both = self::grid(&format!("{EDIT}layer = ['$l', 1]\n[grid]\nl = [0]\n"));
    assert_eq!(self::edited(&both), [["block_output of layer 0", "block_output of layer 1"]]);
}

#[test]
fn heads_each_by_itself() {
    let grid = grid(
        "[[edit]]\nintervention = 'zero'\ncomponent = 'attention_value_output'\nlayer = '$l'\n\
         heads = 'each'\n[grid]\nl = 'all'\n",
    );
    assert_eq!(grid.variables, ["l", "head"]);
    assert_eq!(grid.runs.len(), 12);
    assert_eq!(edited(&grid)[6], ["attention_value_output of layer 1 [2]"]);
    refused(
        &format!("{EDIT}layer = 0\nheads = 'each'\n"),
        &["block_output has no heads", "leave `heads = \"each\"` out"],
    );
}

#[test]
fn grids_that_make_no_sense() {
    refused(
        &format!("{EDIT}layer = 0\n[grid]\nl = [0]\n"),
        &["line 5, column", "grid", "no value in the plan is \"$l\"", "would change nothing"],
    );
    refused(
        &format!(
            "{EDIT}layer = '$m'\n[[edit]]\nintervention = 'zero'\ncomponent = 'mlp_output'\nlayer = '$l'\n[grid]\nl = [0]\n"
        ),
        &["`$m` is no placeholder", "[grid] names l"],
    );
    refused(&format!("{EDIT}layer = '$l'\n[grid]\nl = []\n"), &["grid.l", "an empty list"]);
    refused(&format!("{EDIT}layer = '$l'\n[grid]\nl = [0, 0]\n"), &["0 is there twice"]);
    refused(&format!("{EDIT}layer = '$l'\n[grid]\n1 = [0]\n"), &["placeholder's name"]);
    refused(&format!("{EDIT}layer = 0\npositions = '$p'\n[grid]\np = '0..100000'\n"), &["grid.p"]);
    let wide = "[grid]\na = '0..300'\nb = '0..300'\n";
    refused(
        &format!("{EDIT}layer = 0\npositions = ['$a', '$b']\n{wide}"),
        &["more than 65536 runs"],
    );
    // One plan is wanted, and the file makes two.
    let two = format!("{EDIT}layer = '$l'\n[grid]\nl = 'all'\n");
    let error = read(&two).plan(&outline()).unwrap_err().to_string();
    assert!(error.contains("(l) makes 3 plans") && error.contains("vene run"), "{error}");
}

#[test]
fn tokens_are_named_by_texts() {
    let model = vene::Model::load("embedded").unwrap();
    let text = "[[edit]]\nintervention = 'zero'\ncomponent = 'mlp_output'\nlayer = 0\n\
                [read]\nprobabilities_of = [' Madrid', ' Rome']\n";
    let example = Example::new(model.prompt("The capital of Spain is").unwrap());
    let plan = read(text).plan(&model).unwrap();
    let plan = plan.resolve(&model, std::slice::from_ref(&example)).unwrap();
    let run = |plan| vene::Forked::new(&model).run(plan).unwrap();
    let named = run(&plan).reading(0, 0).unwrap().probabilities().unwrap();
    let whole = text.split("[read]").next().unwrap();
    let whole = read(whole).plan(&model).unwrap().resolve(&model, &[example]).unwrap();
    let outcome = run(&whole);
    for (word, probability) in [" Madrid", " Rome"].into_iter().zip(named) {
        let token = model.tokenizer().single_token(word).unwrap();
        let expected = outcome.distribution(0, 0).unwrap().probability(token).unwrap();
        assert!((probability - expected).abs() < 1e-6, "{word}: {probability}, not {expected}");
    }
    let no_token = text.replace("' Rome'", "'Constantinople and Rome'");
    let error = read(&no_token).plan(&model).unwrap_err().to_string();
    assert!(error.contains("line 6") && error.contains("Constantinople"), "{error}");
}

#[test]
fn values_are_set_in_place() {
    let file = read(&format!("{EDIT}layer = '$l'\n[grid]\nl = 'all'\n"));
    let fewer = file.set("grid.l=[1]").unwrap();
    assert_eq!(fewer.grid(&outline()).unwrap().runs.len(), 1);
    let other = file.set("edit.0.component = mlp_output").unwrap();
    assert_eq!(edited(&other.grid(&outline()).unwrap())[0], ["mlp_output of layer 0"]);
    let data = file.set("data.path = 'rows.jsonl'").unwrap();
    assert_eq!(data.sections.data.unwrap().path.unwrap(), Path::new("rows.jsonl"));
    for (assignment, said) in [
        ("grid.l", "expected a key"),
        ("edit.3.layer=1", "none of the 1 of the list"),
        ("edit.0.layer.x=1", "has no keys"),
        ("date.path='x'", "did you mean `data`?"),
        ("data.rows=0", "expected a whole number from 1 on"),
    ] {
        let error = file.set(assignment).unwrap_err().to_string();
        assert!(error.contains(said), "{assignment}: {error}");
    }
}

/// Steering with a scale, over a grid: a dose curve.
#[test]
fn a_steering_vector_has_a_scale() {
    let values = (0..20).map(|n| n.to_string()).collect::<Vec<_>>().join(", ");
    let grid = grid(&format!(
        "[[edit]]\nintervention = {{ name = 'steering', scale = '$dose' }}\ncomponent = 'block_output'\n\
         layer = 1\nsource = {{ values = [{values}] }}\n[grid]\ndose = [-1, 0.5]\n"
    ));
    let fixture = Fixture::new("gpt2-plain");
    let prompt = fixture.prompts_for(&outline()).remove(0);
    let examples = [Example::new(prompt)];
    for (run, scale) in grid.runs.iter().zip([-1.0, 0.5]) {
        let plan = run.plan.resolve(&outline(), &examples).unwrap();
        let Some(vene::plan::ResolvedSource::Given(values)) = &plan.edits()[0].source else {
            panic!("given values")
        };
        assert_eq!(values[0][0][19], 19.0 * scale);
    }
}
