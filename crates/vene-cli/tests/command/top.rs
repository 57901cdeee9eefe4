//! `vene top`.

use serde_json::Value;

use crate::support::{BASE, SOURCE, printed, refused};

#[test]
fn json_has_ids_texts_and_probabilities() {
    let data: Value =
        serde_json::from_str(&printed(&["top", "-n", "3", "--json", BASE, SOURCE])).unwrap();
    assert_eq!(data.as_array().unwrap().len(), 2);
    assert_eq!(data[0]["prompt"], BASE);
    assert_eq!(data[0]["token_ids"].as_array().unwrap().len(), 5);
    let tokens = data[0]["tokens"].as_array().unwrap();
    assert_eq!(tokens.len(), 3);
    assert_eq!(tokens[0]["token"], " Madrid");
    let keys: Vec<&String> = tokens[0].as_object().unwrap().keys().collect();
    assert_eq!(keys, ["token", "id", "probability", "logit"]);
    assert_eq!(data[1]["tokens"][0]["token"], " Rome");
}

#[test]
fn double_precision_agrees_with_single() {
    let first = |precision| {
        let text = printed(&["top", "-n", "1", "--json", "--precision", precision, BASE]);
        let data: Value = serde_json::from_str(&text).unwrap();
        data[0]["tokens"][0]["probability"].as_f64().unwrap()
    };
    let (single, double) = (first("single"), first("double"));
    assert!((single - double).abs() < 1e-5);
    assert_ne!(single, double);
}

/// Under a plan the base answers as it says, whether its positions are phrases or roles.
#[test]
fn a_plan_edits_the_prompts() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let edit = "[[edit]]\nintervention = 'interchange'\ncomponent = 'block_output'\nlayer = 0\n";
    let phrases = "positions = { phrase = 'Spain' }\nfrom = { phrase = 'Italy' }\n";
    std::fs::write(path("phrases.toml"), format!("{edit}{phrases}")).unwrap();
    let roles = "positions = { role = 'subject_last' }\n[train]\nepochs = 1\n";
    std::fs::write(path("roles.toml"), format!("{edit}{roles}")).unwrap();
    let told = |plan: &str, more: &[&str]| {
        let plan = path(plan);
        let line = ["top", "-n", "1", "--plan", &plan, "--source", SOURCE, BASE];
        printed(&[&line[..], more].concat())
    };
    let by_phrase = told("phrases.toml", &[]);
    assert!(by_phrase.contains("_Rome"), "{by_phrase}");
    let spans = ["--span", "subject=Spain", "--source-span", "subject=Italy"];
    assert_eq!(told("roles.toml", &spans), by_phrase);
    let plan = path("roles.toml");
    let said = refused(&["top", "--plan", &plan, "--source", SOURCE, BASE]);
    assert!(said.contains("about `subject`") && said.contains("--span subject="), "{said}");
    let said = refused(&["top", "--plan", &path("phrases.toml"), BASE]);
    assert!(said.contains("--source"), "{said}");
    let line = ["generate", "--max-new-tokens", "1", "--plan", &plan, "--source", SOURCE, BASE];
    let text = printed(&[&line[..], &spans].concat());
    assert!(text.contains("Rome"), "{text}");
}
