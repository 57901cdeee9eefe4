//! Held to transformers: every component of every layer of the random models in
//! `fixtures/models`, which between them exercise every option of the families.

#![allow(clippy::unwrap_used)]

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use candle_core::Tensor;
use serde_json::Value;
use vene_model::family::families as families_known;
use vene_model::{Component, DecoderConfig, Model, Precision, Site};
use vene_test_support::{
    Agreement, Fixture, Recording, model_names, record, relative_error, values,
};

/// Largest error relative to the largest value of the same tensor.
const TOLERANCE: f64 = 1e-4;
/// In f64 vene's own error is gone; what is left is transformers' in f32.
const TOLERANCE_DOUBLE: f64 = 1e-5;

fn fixtures() -> impl Iterator<Item = Fixture> {
    let names = model_names();
    assert!(names.len() >= 65, "only {} models in fixtures/models", names.len());
    names.into_iter().map(|name| Fixture::new(&name))
}

/// `component/layer`, or `component` where a model has it once.
fn key_of(site: Site) -> String {
    match site.layer() {
        Some(layer) => format!("{}/{layer}", site.component()),
        None => site.component().to_string(),
    }
}

/// A tensor's values without the scores of keys that the query does not see: these are −∞ here,
/// and not hidden yet in the fixtures.
fn visible_values(site: Site, tensor: &Tensor, config: &DecoderConfig) -> Vec<f64> {
    let values = values(tensor);
    let (Component::AttentionScore, Some(layer)) = (site.component(), site.layer()) else {
        return values;
    };
    let (_, queries, keys) = tensor.dims3().unwrap();
    let is_visible = |index: usize| config.visible(layer, index / keys % queries, index % keys);
    (0..values.len()).filter(|&index| is_visible(index)).map(|index| values[index]).collect()
}

/// Compares every tensor that the fixture has, and asks that it has every site of a complete prompt.
fn compare(fixture: &Fixture, model: &Model, recordings: &[Recording], agreement: &mut Agreement) {
    let expected = fixture.activations("activations.safetensors");
    for (prompt, (recording, expected)) in recordings.iter().zip(&expected).enumerate() {
        let mut compared = BTreeSet::new();
        for (&site, actual) in recording {
            let Some(expected) = expected.get(&key_of(site)) else { continue };
            assert_eq!(actual.dims(), expected.dims(), "{}: {site}", fixture.name());
            let visible = |tensor| visible_values(site, tensor, model.config());
            let error = relative_error(&visible(actual), &visible(expected));
            agreement.note(fixture.name(), error, format_args!("{site}, prompt {prompt}"));
            compared.insert(key_of(site));
        }
        assert_eq!(compared.len(), expected.len(), "{}: a tensor was not compared", fixture.name());
        if fixture.complete().contains(&prompt) {
            assert_eq!(
                compared.len(),
                recording.len(),
                "{}: the fixture lacks a site",
                fixture.name()
            );
        }
    }
}

fn one_by_one(fixture: &Fixture, model: &Model) -> Vec<Recording> {
    fixture.prompts().iter().flat_map(|prompt| record(model, &[prompt]).0).collect()
}

fn agree(precision: Precision, title: &str, tolerance: f64) {
    let mut agreement = Agreement::default();
    for fixture in fixtures() {
        let model = fixture.load(precision);
        compare(&fixture, &model, &one_by_one(&fixture, &model), &mut agreement);
    }
    assert!(agreement.compared() > 1000, "only {} tensors", agreement.compared());
    agreement.check(title, tolerance);
}

#[test]
fn every_component_agrees_in_f32() {
    agree(Precision::Single, "transformers, f32", TOLERANCE);
}

#[test]
fn every_component_agrees_in_f64() {
    agree(Precision::Double, "transformers, f64", TOLERANCE_DOUBLE);
}

#[test]
fn prompts_that_share_a_pass_do_not_touch_each_other() {
    let mut agreement = Agreement::default();
    for fixture in fixtures() {
        for (precision, group) in [(Precision::Single, "f32"), (Precision::Double, "f64")] {
            let model = fixture.load(precision);
            let prompts: Vec<&[u32]> = fixture.prompts().iter().map(Vec::as_slice).collect();
            let (packed, _) = record(&model, &prompts);
            for (packed, alone) in packed.iter().zip(one_by_one(&fixture, &model)) {
                for (&site, tensor) in packed {
                    let visible = |tensor| visible_values(site, tensor, model.config());
                    let error = relative_error(&visible(tensor), &visible(&alone[&site]));
                    // f32 sums differ in their order where products have other shapes.
                    let error = if precision == Precision::Double { error * 1e8 } else { error };
                    agreement.note(group, error, format_args!("{}: {site}", fixture.name()));
                }
            }
        }
    }
    agreement.check("packed prompts (f64 times 1e8)", 1e-5);
}

#[test]
fn sites_are_announced_once_and_in_the_order_of_their_depth() {
    for fixture in fixtures() {
        let model = fixture.load(Precision::Single);
        let (_, order) = record(&model, &[&fixture.prompts()[0]]);
        let depths: Vec<_> = order.iter().map(|site| site.depth()).collect();
        assert!(depths.is_sorted_by(|a, b| a < b), "{}: {order:?}", fixture.name());
        let layers = model.config().layers.len();
        let expected: usize = Component::all(model.config())
            .map(|component| match component.per_layer() {
                true => (0..layers)
                    .filter(|layer| component.missing_in(model.config(), *layer).is_none())
                    .count(),
                false => 1,
            })
            .sum();
        assert_eq!(order.len(), expected, "{}", fixture.name());
    }
}

/// What a family was compared with, but for how far it is apart.
#[derive(Default)]
struct Compared {
    oracles: BTreeSet<String>,
    models: usize,
    files: usize,
    worst: f64,
}

fn compared() -> BTreeMap<&'static str, Compared> {
    let mut families: BTreeMap<&str, Compared> = BTreeMap::new();
    for fixture in fixtures() {
        let model = fixture.load(Precision::Double);
        let mut agreement = Agreement::default();
        compare(&fixture, &model, &one_by_one(&fixture, &model), &mut agreement);
        let family = families.entry(model.config().family).or_default();
        family.oracles.insert(fixture.oracle());
        family.models += 1;
        family.worst = family.worst.max(agreement.worst());
    }
    let cases: Vec<Value> =
        serde_json::from_str(include_str!("../../../fixtures/configurations/gguf.json")).unwrap();
    for case in cases {
        let architecture = case["metadata"][0][2].as_str().unwrap();
        let known = families_known().find(|family| family.architecture == Some(architecture));
        families.get_mut(known.unwrap().name).unwrap().files += 1;
    }
    families
}

/// `docs/families.md` has a line for each family. The last column is what was measured where the page was written.
#[test]
fn the_page_of_families_is_what_was_compared() {
    const BEGINNING: &str = "<!-- families -->\n";
    const END: &str = "<!-- end of families -->";
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/families.md");
    let page = std::fs::read_to_string(&path).unwrap();
    let (before, rest) = page.split_once(BEGINNING).unwrap();
    let (table, after) = rest.split_once(END).unwrap();
    let mut lines = vec![
        "| family | `model_type` | GGUF | what it is | held to | largest difference |".to_owned(),
        "| --- | --- | --- | --- | --- | --- |".to_owned(),
    ];
    let compared = compared();
    for family in families_known() {
        let gguf = family.architecture.map_or(String::new(), |name| format!("`{name}`"));
        let Some(Compared { oracles, models, files, worst }) = compared.get(family.name) else {
            continue;
        };
        let oracles: Vec<&str> = oracles.iter().map(String::as_str).collect();
        let mut held = format!("{} ({models})", oracles.join(", "));
        if *files > 0 {
            held += &format!(", llama.cpp ({files})");
        }
        lines.push(format!(
            "| {} | `{}` | {gguf} | {} | {held} | {worst:.0e} |",
            family.name, family.model_type, family.about
        ));
    }
    let text = lines.join("\n") + "\n";
    if std::env::var_os("VENE_WRITE_PAGES").is_some() {
        return std::fs::write(path, format!("{before}{BEGINNING}{text}{END}{after}")).unwrap();
    }
    let without_last = |text: &str| -> Vec<String> {
        let lines = text.lines().map(|line| line.trim_end_matches(" |"));
        lines.map(|line| line.rsplit_once(" | ").unwrap().0.to_owned()).collect()
    };
    assert_eq!(without_last(table), without_last(&text), "VENE_WRITE_PAGES=1 writes the page");
}
