//! Folders that pyvene 0.1.8 saved (`fixtures/make_pyvene_saved.py`) compute here what they compute
//! there.

use std::fs;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde_json::Value;
use vene::plan_file::{PyveneCall, PyveneSaved, load, save};
use vene::{Example, Model, Outline, Plan, Precision, Reference};
use vene_test_support::{Fixture, fixture_folder, json, relative_error, tensors, values};

#[derive(Debug, Deserialize)]
struct Case {
    name: String,
    bases: Vec<Vec<u32>>,
    /// For each example its sources.
    all_sources: Vec<Vec<Vec<u32>>>,
    #[serde(default)]
    unit_locations: Value,
    #[serde(default)]
    subspaces: Value,
    sources: Option<Vec<Option<usize>>>,
    /// Whether each example's source is its base.
    #[serde(default)]
    own_base: bool,
    /// What comes of the folder when pyvene loads it.
    loaded: String,
}

impl Case {
    fn call(&self) -> PyveneCall {
        let mut call = PyveneCall::from_json(&self.unit_locations, &self.subspaces).unwrap();
        if let Some(sources) = &self.sources {
            call = call.sources(sources.clone());
        }
        if self.own_base { call.skips_own_input() } else { call }
    }

    fn examples(&self, outline: &Outline) -> Vec<Example> {
        let prompt = |tokens: &Vec<u32>| outline.prompt_from_tokens(tokens).unwrap();
        let example = |(base, sources): (&Vec<u32>, &Vec<Vec<u32>>)| {
            sources.iter().fold(Example::new(prompt(base)), |example, source| {
                example.source(prompt(if self.own_base { base } else { source }))
            })
        };
        self.bases.iter().zip(&self.all_sources).map(example).collect()
    }

    fn plan(&self, outline: &Outline) -> Plan {
        let saved = PyveneSaved::open(&folder(&self.name)).unwrap();
        let plan = saved.plan(outline, &self.call());
        plan.unwrap_or_else(|error| panic!("{}: {error}", self.name))
    }
}

fn folder(name: &str) -> PathBuf {
    fixture_folder().join("pyvene_saved").join(name)
}

fn logits(model: &Model, plan: &Plan, examples: &[Example]) -> Vec<f64> {
    let plan = plan.resolve(model, examples).unwrap_or_else(|error| panic!("{error}"));
    let outcome = Reference::new(model).run(&plan).unwrap_or_else(|error| panic!("{error}"));
    let read =
        outcome.examples.iter().flat_map(|example| example.distributions[0].logits().to_vec());
    read.collect()
}

#[test]
fn every_folder_computes_what_pyvene_computes() {
    let model = Fixture::new("gpt2-plain").load(Precision::Single);
    let expected = tensors("pyvene_saved/expected.safetensors");
    let cases: Vec<Case> = json("pyvene_saved/cases.json");
    assert_eq!(cases.len(), 27);
    let kept = tempfile::tempdir().unwrap();
    for case in &cases {
        let (plan, examples) = (case.plan(&model), case.examples(&model));
        let found = logits(&model, &plan, &examples);
        let error = relative_error(&found, &values(&expected[&case.name]));
        println!("{}: {error:.1e}", case.name);
        assert!(error < 1e-5, "{}: {error:.1e}", case.name);
        // And it can be kept in vene's own form.
        let path = kept.path().join(&case.name);
        save(&path, &plan, &model).unwrap_or_else(|error| panic!("{}: {error}", case.name));
        let again = logits(&model, &load(&path, &model).unwrap(), &examples);
        assert_eq!(again, found, "{}", case.name);
    }
    // pyvene itself does not load what it saved of a collecting intervention.
    let failed: Vec<&str> =
        cases.iter().filter(|case| case.loaded != "same").map(|case| case.name.as_str()).collect();
    assert_eq!(failed, ["zero-and-collect"]);
}

#[test]
fn rotations_are_those_that_pytorch_makes_of_their_numbers() {
    let model = Fixture::new("gpt2-plain").outline().unwrap();
    let expected = tensors("pyvene_saved/expected.safetensors");
    let cases: Vec<Case> = json("pyvene_saved/cases.json");
    let mut compared = 0;
    for case in cases {
        let plan = case.plan(&model).resolve(&model, &case.examples(&model)).unwrap();
        let saved = PyveneSaved::open(&folder(&case.name)).unwrap();
        let keys: Vec<&str> = saved.keys().collect();
        // Where one is switched off or edits a source, edits have other numbers.
        let edits = if plan.edits().len() == keys.len() { plan.edits() } else { &[] };
        for (key, edit) in keys.iter().zip(edits) {
            let Some(expected) = expected.get(&format!("rotation/{}/{key}", case.name)) else {
                continue;
            };
            let parameters = edit.intervention.parameters();
            let found = parameters.iter().find(|p| p.name == "rotate_layer.weight").unwrap();
            let error = relative_error(&values(found.variable.as_tensor()), &values(expected));
            assert!(error < 2e-6, "{}, {key}: {error:.1e}", case.name);
            compared += 1;
        }
    }
    assert!(compared >= 10, "{compared}");
}

/// A copy of a folder, and what loading says once `damage` had it.
fn damaged(name: &str, call: &PyveneCall, damage: impl FnOnce(&Path)) -> String {
    let outer = tempfile::tempdir().unwrap();
    for entry in fs::read_dir(folder(name)).unwrap() {
        let entry = entry.unwrap();
        fs::copy(entry.path(), outer.path().join(entry.file_name())).unwrap();
    }
    damage(outer.path());
    let outline = Fixture::new("gpt2-plain").outline().unwrap();
    let plan = PyveneSaved::open(outer.path()).and_then(|saved| saved.plan(&outline, call));
    let error = plan.map(|_| ()).unwrap_err().to_string();
    println!("{error}");
    error
}

fn replace(old: &'static str, new: &'static str) -> impl FnOnce(&Path) {
    move |folder| {
        let path = folder.join("config.json");
        let text = fs::read_to_string(&path).unwrap();
        assert!(text.contains(old), "{text}");
        fs::write(path, text.replace(old, new)).unwrap();
    }
}

fn here() -> PyveneCall {
    PyveneCall::new().locations("sources->base", 1, 2)
}

/// The one file of parameters.
fn parameters(folder: &Path) -> PathBuf {
    let files = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    files.into_iter().find(|path| path.extension().is_some_and(|e| e == "bin")).unwrap()
}

#[test]
fn what_is_not_known_is_refused_by_representation() {
    let error = damaged("rotated", &here(), replace("pyvene.models.interventions.Rot", "os.Rot"));
    assert!(
        error.contains("representation 0, intervention_types: os.RotatedSpaceIntervention"),
        "{error}"
    );
    let error = damaged("vanilla", &here(), replace("Vanilla", "Noise"));
    assert!(error.contains("NoiseIntervention: pyvene does not save its noise"), "{error}");
    let error = damaged("vanilla", &here(), replace("block_output", "transformer.h[0].mlp.output"));
    assert!(error.contains("representation 0: unknown component `transformer.h[0]"), "{error}");
    let error = damaged("vanilla", &here(), replace("\"pos\"", "\"h\""));
    assert!(error.contains("unit: pyvene does not edit block_output by unit h"), "{error}");
    let error = damaged("vanilla", &here(), replace("\"parallel\"", "\"sideways\""));
    assert!(error.contains("mode: it is sideways"), "{error}");
    let error =
        damaged("vanilla", &here(), replace("      1,\n      \"block", "      9,\n      \"block"));
    assert!(error.contains("layer 9"), "{error}");
}

#[test]
fn calls_that_do_not_fit_are_refused() {
    let none = |_: &Path| ();
    let error = damaged("vanilla", &PyveneCall::new().locations("source_0->base", 1, 1), none);
    assert!(error.contains("there is no pair of locations `source_0->base`"), "{error}");
    assert!(error.contains("there are sources->base"), "{error}");
    let base_only = PyveneCall::new().locations("sources->base", None::<i64>, 1);
    let error = damaged("vanilla", &base_only, none);
    assert!(error.contains("there are none of the source, which it reads"), "{error}");
    let of_one =
        PyveneCall::new().locations("sources->base", vec![vec![vec![1]]], vec![vec![vec![1]]]);
    let error = damaged("groups", &of_one, none);
    assert!(error.contains("there are none for intervention 1"), "{error}");
    let error = damaged("vanilla-partition", &here().subspaces(vec![vec![vec![5]]]), none);
    assert!(error.contains("representation 0, subspaces: part 5: there are 3"), "{error}");
    let error = damaged("boundless", &here().subspaces(vec![vec![vec![0]]]), none);
    assert!(error.contains("no coordinates of which a subspace could be chosen"), "{error}");
    let error = damaged("skip", &here(), none);
    assert!(error.contains("skips_own_input"), "{error}");
    // One position of an intervention that was made for two.
    let error = damaged("rotated-two-positions", &here(), none);
    assert!(error.contains("a rotation of 40 dimensions; the edited values have 20"), "{error}");
}

#[test]
fn an_example_without_locations_is_not_edited() {
    let model = Fixture::new("gpt2-plain").load(Precision::Single);
    let cases: Vec<Case> = json("pyvene_saved/cases.json");
    let case = cases.iter().find(|case| case.name == "vanilla").unwrap();
    let saved = PyveneSaved::open(&folder("vanilla")).unwrap();
    let some = vec![vec![None, Some(vec![2])]];
    let call = PyveneCall::new().locations("sources->base", some.clone(), some);
    let plan = saved.plan(&model, &call).unwrap();
    let examples = case.examples(&model);
    let (edited, unedited) =
        (logits(&model, &plan, &examples), logits(&model, &Plan::new(), &examples));
    let half = edited.len() / 2;
    assert_eq!(edited[..half], unedited[..half]);
    assert_ne!(edited[half..], unedited[half..]);
}

#[test]
fn damaged_parameters_are_refused() {
    let error = damaged("rotated", &here(), |folder| fs::remove_file(parameters(folder)).unwrap());
    assert!(error.contains("there is no file of its parameters"), "{error}");
    let error = damaged("rotated", &here(), |folder| fs::write(parameters(folder), "x").unwrap());
    assert!(error.contains("no zip archive"), "{error}");
    // Of another intervention.
    let error = damaged("rotated", &here(), |to| {
        fs::copy(parameters(&folder("sigmoid-mask")), parameters(to)).unwrap();
    });
    assert!(
        error.contains("there is no `rotate_layer.weight`, which RotatedSpaceIntervention"),
        "{error}"
    );
    let error = damaged("rotated", &here(), |folder| {
        let path = parameters(folder);
        let bytes = fs::read(&path).unwrap();
        fs::write(path, &bytes[..bytes.len() - 100]).unwrap();
    });
    assert!(error.contains(".bin"), "{error}");
}

#[test]
fn no_damaged_byte_makes_it_panic() {
    let outline = Fixture::new("gpt2-plain").outline().unwrap();
    let outer = tempfile::tempdir().unwrap();
    let original = parameters(&folder("low-rank"));
    let bytes = fs::read(&original).unwrap();
    fs::copy(folder("low-rank").join("config.json"), outer.path().join("config.json")).unwrap();
    let path = outer.path().join(original.file_name().unwrap());
    let saved = PyveneSaved::open(outer.path()).unwrap();
    let mut refused = 0;
    for place in (0..bytes.len()).step_by(7) {
        let mut damaged = bytes.clone();
        damaged[place] ^= 0xff;
        fs::write(&path, damaged).unwrap();
        refused += usize::from(saved.plan(&outline, &here()).is_err());
    }
    assert!(refused > 100, "{refused}");
}
