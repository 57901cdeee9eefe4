//! Plans that are kept with what their interventions learned.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::Arc;

use candle_core::{Device, Tensor};
use vene::intervention::{
    InSubspace, Interchange, Intervention, RotatedSpace, Rotation, Subspace, from_fn_with_source,
};
use vene::plan_file::{PlanFile, Saved, Sections, TrainSection, load, save, save_with};
use vene::{Component, Edit, Plan, PlanOutcome, Positions, Precision, Reference};
use vene_test_support::Fixture;

use crate::case::Case;
use crate::every;
use crate::subject::{Subject, logits_of};

fn subject() -> Subject {
    Subject::new("gpt2-plain", Precision::Single)
}

fn run(subject: &Subject, plan: &Plan) -> PlanOutcome {
    subject.run(plan, &[subject.example()])
}

/// The bits of all logits of an example.
fn bits_of(outcome: &PlanOutcome, example: usize) -> Vec<u64> {
    logits_of(outcome, example).concat().into_iter().map(f64::to_bits).collect()
}

fn bits(outcome: &PlanOutcome) -> Vec<u64> {
    bits_of(outcome, 0)
}

#[test]
fn every_intervention_is_loaded_bit_for_bit() {
    let subject = subject();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("saved");
    let unedited = bits(&run(&subject, &Plan::new()));
    let edits = every::edits(subject.model.config().d_model);
    assert!(edits.len() > 30);
    for edit in edits {
        let plan = Plan::new().edit(edit.at(Positions::At(vec![1, -1])));
        save(&path, &plan, &subject.model).unwrap_or_else(|error| panic!("{error}"));
        let loaded = load(&path, &subject.model);
        let loaded = loaded.unwrap_or_else(|error| panic!("{error}\n{}", json(&path)));
        let before = bits(&run(&subject, &plan));
        assert_eq!(before, bits(&run(&subject, &loaded)), "{}", json(&path));
        let nothing = ["\"collect\"", "\"base\""];
        if !nothing.iter().any(|name| json(&path).contains(name)) {
            assert_ne!(before, unedited, "{}", json(&path));
        }
    }
}

/// Units, modes, links, several positions as one vector, given activations.
#[test]
fn every_plan_that_is_held_to_pyvene_is_loaded_bit_for_bit() {
    let model = Fixture::new("gpt2-plain").load(Precision::Single);
    let cases: Vec<Case> = vene_test_support::json("plans/cases.json");
    let tensors = vene_test_support::tensors("plans/expected.safetensors");
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("saved");
    assert!(cases.len() > 15);
    for case in &cases {
        let (plan, examples) = (case.plan(&model, &tensors), case.examples(&model));
        save(&path, &plan, &model).unwrap_or_else(|error| panic!("{}: {error}", case.name));
        let loaded = load(&path, &model);
        let loaded = loaded.unwrap_or_else(|error| panic!("{error}\n{}", json(&path)));
        let bits = |plan: &Plan| {
            let plan = plan.resolve(&model, &examples).unwrap();
            let outcome = Reference::new(&model).run(&plan).unwrap();
            (0..examples.len()).flat_map(|example| bits_of(&outcome, example)).collect::<Vec<_>>()
        };
        assert_eq!(bits(&plan), bits(&loaded), "{}\n{}", case.name, json(&path));
    }
}

fn json(folder: &Path) -> String {
    fs::read_to_string(folder.join("plan.json")).unwrap()
}

fn rotated(seed: u64, width: usize) -> Arc<RotatedSpace> {
    let rotation = Rotation::random(width, width, seed).unwrap();
    Arc::new(RotatedSpace::new(rotation, Subspace::first(4)).unwrap())
}

#[test]
fn what_was_one_is_one_again() {
    let subject = subject();
    let (one, other) = (rotated(1, 20), rotated(2, 20));
    // A clone shares its variables: it is the same intervention.
    let clone = Arc::new(RotatedSpace::clone(&one));
    let edit = |layer, intervention: &Arc<RotatedSpace>| {
        Edit::new(Component::BlockOutput, layer, intervention.clone())
            .at(Positions::index(layer as i64))
    };
    let plan = Plan::new()
        .edit(edit(0, &one))
        .edit(edit(1, &clone).subspaces([Subspace::dimensions([7, 9])]))
        .edit(edit(1, &other).at(Positions::index(3)));
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("saved");
    save(&path, &plan, &subject.model).unwrap();
    let loaded = load(&path, &subject.model).unwrap();
    let resolved = loaded.resolve(&subject.model, &[subject.example()]).unwrap();
    let ids: Vec<_> = resolved
        .edits()
        .iter()
        .map(|edit| edit.intervention.parameters()[0].variable.id())
        .collect();
    assert_eq!(ids.len(), 3);
    assert!(ids[0] == ids[1] && ids[1] != ids[2]);
    assert_eq!(bits(&run(&subject, &plan)), bits(&run(&subject, &loaded)));
    // The shared ones are kept once.
    let tensors = read(&path);
    assert_eq!(
        tensors.keys().collect::<Vec<_>>(),
        ["edit 0.rotate_layer.weight", "edit 2.rotate_layer.weight"]
    );
}

#[test]
fn parts_that_are_shared_are_refused() {
    let subject = subject();
    let one = rotated(1, 20);
    let part = Arc::new(InSubspace::new(one.clone(), Subspace::first(3)));
    let plan = Plan::new().edit(Edit::new(Component::BlockOutput, 0, one)).edit(Edit::new(
        Component::BlockOutput,
        1,
        part,
    ));
    let folder = tempfile::tempdir().unwrap();
    let error = save(&folder.path().join("saved"), &plan, &subject.model).unwrap_err().to_string();
    assert!(error.contains("edit 0: it shares `rotate_layer.weight` with edit 1"), "{error}");
    assert!(error.contains("Edit::subspaces"), "{error}");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[test]
fn what_no_file_can_describe_is_refused() {
    let subject = subject();
    let own = from_fn_with_source("halfway", |base, source| (base + source)? * 0.5);
    let plan = Plan::new().edit(Edit::new(Component::BlockOutput, 0, Arc::new(own)));
    let folder = tempfile::tempdir().unwrap();
    let error = save(&folder.path().join("saved"), &plan, &subject.model).unwrap_err().to_string();
    assert!(error.contains("edit 0: no file can describe `halfway`"), "{error}");
    let plan = Plan::new().edit(Edit::new(Component::BlockOutput, 0, rotated(1, 20)));
    let error = PlanFile::of(&plan).unwrap_err().to_string();
    assert!(error.contains("rotated_space has parameters"), "{error}");
    assert!(error.contains("plan_file::save"), "{error}");
    let plan = Plan::new().edit(Edit::scaling(Component::BlockOutput, 0, f64::INFINITY));
    assert!(PlanFile::of(&plan).unwrap_err().to_string().contains("not finite"));
}

#[test]
fn sections_are_kept() {
    let subject = subject();
    let train =
        TrainSection { epochs: Some(4), learning_rate: Some(0.1 + 0.2), ..Default::default() };
    let sections = Sections { train: Some(train), ..Sections::default() };
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("saved");
    save_with(&path, &Plan::new(), &subject.model, &sections).unwrap();
    let saved = Saved::open(&path).unwrap();
    assert_eq!(saved.sections().train, sections.train);
    assert_eq!(saved.sections().model.as_ref().unwrap().identity, Some(subject.model.identity()));
    assert_eq!(saved.sections().train.as_ref().unwrap().trainer().epochs, 4);
}

#[test]
fn another_model_is_refused_unless_one_says_otherwise() {
    let subject = subject();
    // The same shape, other weights.
    let other = Fixture::new("gpt2-layer-scaled").outline().unwrap();
    assert_eq!(other.config().d_model, subject.model.config().d_model);
    assert_ne!(other.identity(), subject.model.identity());
    assert_eq!(Fixture::new("gpt2-plain").outline().unwrap().identity(), subject.model.identity());
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("saved");
    let plan = Plan::new().edit(Edit::new(Component::BlockOutput, 0, rotated(1, 20)));
    save(&path, &plan, &subject.model).unwrap();
    let error = load(&path, &other).unwrap_err().to_string();
    assert!(error.contains("is another model"), "{error}");
    assert!(error.contains("say that the plan is meant for another model"), "{error}");
    // Nor is it passed over where the file is read by itself.
    let file = PlanFile::read(&path.join("plan.json")).unwrap();
    assert!(file.plan(&subject.model).is_ok());
    assert!(file.plan(&other).unwrap_err().to_string().contains("is another model"));
    assert!(file.plan_for_another_model(&other).is_ok());
    let saved = Saved::open(&path).unwrap();
    assert!(saved.is_for(&subject.model) && !saved.is_for(&other));
    assert!(saved.plan_for_another_model(&other).is_ok());
    // Another shape is another plan, whoever asks; so is another tokenizer.
    let shape = Fixture::new("llama-gqa").outline().unwrap();
    for error in [load(&path, &shape), saved.plan_for_another_model(&shape)] {
        let error = error.unwrap_err().to_string();
        assert!(error.contains("is another model: llama with"), "{error}");
    }
    let tokenizer = subject.model.key().tokenizer();
    replace(&path, tokenizer, &tokenizer.chars().rev().collect::<String>());
    seal(&path);
    let saved = Saved::open(&path).unwrap();
    for error in [saved.plan(&subject.model), saved.plan_for_another_model(&subject.model)] {
        let error = error.unwrap_err().to_string();
        assert!(error.contains("has another tokenizer"), "{error}");
    }
}

fn read(folder: &Path) -> BTreeMap<String, Tensor> {
    let path = folder.join("interventions.safetensors");
    candle_core::safetensors::load(path, &Device::Cpu).unwrap().into_iter().collect()
}

/// Saves a rotation, lets `damage` have the folder, and gives what loading then says.
#[track_caller]
fn damaged(damage: impl FnOnce(&Path)) -> String {
    let subject = subject();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("saved");
    let plan = Plan::new().edit(Edit::new(Component::BlockOutput, 0, rotated(1, 20)));
    save(&path, &plan, &subject.model).unwrap();
    damage(&path);
    let error = load(&path, &subject.model).map(|_| ()).unwrap_err().to_string();
    println!("{error}");
    error
}

fn replace(folder: &Path, old: &str, new: &str) {
    let text = json(folder);
    assert!(text.contains(old), "{text}");
    fs::write(folder.join("plan.json"), text.replace(old, new)).unwrap();
}

/// Writes the digests of both files anew, so that only what is wrong beyond them is left to be found.
fn seal(folder: &Path) {
    let text = json(folder);
    let (contents, _) = text.split_once(",\n  \"sha256\"").unwrap();
    let contents = format!("{contents}\n}}\n");
    let plan = vene_files::sha256(&contents);
    let tensors = vene_files::sha256(fs::read(folder.join("interventions.safetensors")).unwrap());
    let sealed = format!(
        "{}, \"sha256\": {{ \"plan\": \"{plan}\", \"interventions\": \"{tensors}\" }}}}",
        contents.trim_end().strip_suffix('}').unwrap()
    );
    fs::write(folder.join("plan.json"), sealed).unwrap();
}

fn tensors(folder: &Path, tensors: &[(&str, Tensor)]) {
    let tensors: std::collections::HashMap<_, _> = tensors.iter().cloned().collect();
    candle_core::safetensors::save(&tensors, folder.join("interventions.safetensors")).unwrap();
    seal(folder);
}

#[test]
fn other_versions_are_refused() {
    let error = damaged(|folder| replace(folder, "\"version\": 1", "\"version\": 2"));
    assert!(error.contains("plan.json, line 2, version: it is 2; expected 1"), "{error}");
    let error = damaged(|folder| replace(folder, "\"version\": 1,", ""));
    assert!(error.contains("there is no `version`"), "{error}");
    let error = damaged(|folder| replace(folder, "\"identity\"", "\"identity_\""));
    assert!(
        error.contains("there is no key `identity_` here (did you mean `identity`?)"),
        "{error}"
    );
}

#[test]
fn damaged_parameters_are_refused() {
    let name = "edit 0.rotate_layer.weight";
    let rotation = || vene::intervention::orthogonal::random(20, 20, 3).unwrap();
    let error = damaged(|folder| tensors(folder, &[("edit 1.rotate_layer.weight", rotation())]));
    assert!(error.contains("no tensor whose name begins with `edit 0.`"), "{error}");
    let error = damaged(|folder| tensors(folder, &[("edit 0.mask", rotation())]));
    assert!(
        error.contains("there is no `rotate_layer.weight`, which rotated_space needs"),
        "{error}"
    );
    let error = damaged(|folder| {
        tensors(folder, &[(name, rotation()), ("edit 0.mask", rotation())]);
    });
    assert!(error.contains("rotated_space has no parameter `mask`"), "{error}");
    let error = damaged(|folder| {
        tensors(folder, &[(name, vene::intervention::orthogonal::random(19, 19, 3).unwrap())]);
    });
    assert!(error.contains("has the shape [19, 19]; expected [20, 20]"), "{error}");
    let error = damaged(|folder| tensors(folder, &[(name, (rotation() / 0.0).unwrap())]));
    assert!(error.contains("expected finite numbers"), "{error}");
    let error = damaged(|folder| tensors(folder, &[(name, (rotation() * 1.1).unwrap())]));
    assert!(error.contains("not orthonormal"), "{error}");
    let integers = rotation().to_dtype(candle_core::DType::I64).unwrap();
    let error = damaged(|folder| tensors(folder, &[(name, integers)]));
    assert!(error.contains("expected floats"), "{error}");
}

#[test]
fn files_that_are_missing_or_no_such_files_are_refused() {
    let error =
        damaged(|folder| fs::remove_file(folder.join("interventions.safetensors")).unwrap());
    assert!(error.contains("interventions.safetensors: No such file"), "{error}");
    let error = damaged(|folder| fs::remove_file(folder.join("plan.json")).unwrap());
    assert!(error.contains("plan.json: No such file"), "{error}");
    // A header that claims more than there is.
    let error = damaged(|folder| {
        fs::write(folder.join("interventions.safetensors"), [255; 64]).unwrap();
    });
    assert!(error.contains("interventions.safetensors"), "{error}");
    let error = damaged(|folder| {
        let path = folder.join("interventions.safetensors");
        let bytes = fs::read(&path).unwrap();
        fs::write(path, &bytes[..bytes.len() - 1]).unwrap();
    });
    assert!(error.contains("interventions.safetensors"), "{error}");
    let error = damaged(|folder| fs::write(folder.join("plan.json"), "[[[[").unwrap());
    assert!(error.contains("plan.json, line 1"), "{error}");
}

/// A bit that flips anywhere in either file gives an error, or the same numbers.
#[test]
fn flipped_bits_are_found() {
    let subject = subject();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("saved");
    let plan = Plan::new()
        .edit(Edit::new(Component::BlockOutput, 1, rotated(1, 20)).at(Positions::At(vec![1, -1])));
    let train = TrainSection { epochs: Some(4), learning_rate: Some(0.3), ..Default::default() };
    let sections = Sections { train: Some(train), ..Sections::default() };
    save_with(&path, &plan, &subject.model, &sections).unwrap();
    let right = bits(&run(&subject, &plan));
    let refused = |name: &str, step: usize| {
        let file = path.join(name);
        let bytes = fs::read(&file).unwrap();
        let mut refused = 0;
        for (count, at) in (0..bytes.len()).step_by(step).enumerate() {
            let mut flipped = bytes.clone();
            flipped[at] ^= 1 << (count % 8);
            fs::write(&file, flipped).unwrap();
            let loaded = Saved::open(&path).and_then(|saved| {
                let plan = saved.plan(&subject.model)?;
                Ok((plan, saved.sections().train.clone()))
            });
            match loaded {
                Err(error) => {
                    assert!(error.to_string().contains(name), "{error}");
                    refused += 1;
                }
                Ok((plan, train)) => {
                    assert_eq!(train, sections.train, "{name}, byte {at}");
                    assert_eq!(bits(&run(&subject, &plan)), right, "{name}, byte {at}");
                }
            }
        }
        fs::write(&file, bytes).unwrap();
        refused
    };
    assert!(refused("plan.json", 1) > 500);
    assert!(refused("interventions.safetensors", 7) > 200);
    assert_eq!(bits(&run(&subject, &load(&path, &subject.model).unwrap())), right);
}

/// One that was edited on purpose is a plan like any other, by its own path; its tensors must still be those.
#[test]
fn an_edited_plan_is_read_by_its_own_path() {
    let subject = subject();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("saved");
    let plan = Plan::new().edit(Edit::new(Component::BlockOutput, 0, rotated(1, 20)));
    save(&path, &plan, &subject.model).unwrap();
    replace(&path, "\"layer\": 0", "\"layer\": 1");
    let error = load(&path, &subject.model).map(|_| ()).unwrap_err().to_string();
    assert!(error.contains("plan.json: the plan is not as it was saved"), "{error}");
    let file = PlanFile::read(&path.join("plan.json")).unwrap();
    assert!(file.plan(&subject.model).is_ok());
    let tensors = path.join("interventions.safetensors");
    let mut bytes = fs::read(&tensors).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    fs::write(tensors, bytes).unwrap();
    let error = file.plan(&subject.model).map(|_| ()).unwrap_err().to_string();
    assert!(error.contains("interventions.safetensors: it is not as it was saved"), "{error}");
}

#[test]
fn a_saved_plan_reads_no_other_file() {
    let error = damaged(|folder| {
        replace(folder, "\"interventions.safetensors\"", "\"../../etc/passwd\"");
        seal(folder);
    });
    assert!(error.contains("a saved plan reads no other file"), "{error}");
}

#[test]
fn a_folder_with_other_files_is_not_replaced() {
    let subject = subject();
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("notes.txt"), "x").unwrap();
    let error = save(folder.path(), &Plan::new(), &subject.model).unwrap_err().to_string();
    assert!(error.contains("notes.txt"), "{error}");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
}

#[test]
fn an_intervention_of_ones_own_is_described_by_its_settings_only() {
    // Those of the library all are.
    for intervention in every::interventions(20) {
        let settings = intervention.settings();
        assert!(settings.is_some(), "{}", intervention.name());
        assert_eq!(settings.unwrap().name, intervention.name());
    }
    assert!(Interchange.settings().is_some());
}
