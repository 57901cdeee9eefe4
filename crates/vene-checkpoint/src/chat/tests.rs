#![allow(clippy::unwrap_used)]

use serde_json::{Map, Value as Json};

use super::*;

/// What transformers makes of conversations by templates of our own (`fixtures/make_chat_templates.py`).
fn fixture() -> Json {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../fixtures/chat/templates.json");
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

fn template(source: &str, tokens: &Json) -> ChatTemplate {
    let tokens = tokens.as_object().unwrap().iter();
    let tokens = tokens.map(|(name, token)| (name.clone(), Value::from(Serde(token)))).collect();
    ChatTemplate::new("f".into(), source.into(), tokens)
}

fn of(source: &str) -> ChatTemplate {
    template(source, &serde_json::json!({ "bos_token": "<s>", "eos_token": "</s>" }))
}

#[test]
fn texts_are_those_of_transformers() {
    let fixture = fixture();
    let now: NaiveDateTime = fixture["date"].as_str().unwrap().parse().unwrap();
    let (mut compared, mut wrong) = (0, Vec::new());
    for case in fixture["cases"].as_array().unwrap() {
        let name = case["template"].as_str().unwrap();
        let template = template(fixture["templates"][name].as_str().unwrap(), &fixture["tokens"]);
        let about = ["template", "conversation", "text", "refused"];
        let values: Map<String, Json> = case
            .as_object()
            .unwrap()
            .iter()
            .filter(|(key, _)| !about.contains(&key.as_str()))
            .map(|(key, value)| (key.clone(), value.clone()))
            .collect();
        let values = values.iter().map(|(key, value)| (key.as_str(), Value::from(Serde(value))));
        let found = template.write_with(values, now).map_err(|error| error.to_string());
        let what = format!("{name}, {}", case["conversation"]);
        match (&found, case["text"].as_str(), case["refused"].as_str()) {
            (Ok(found), Some(text), _) if found == text => {}
            (Err(found), None, Some(refused)) if found.contains(refused) => {}
            (found, text, refused) => {
                wrong.push(format!("{what}:\n{found:?}\n{text:?} {refused:?}"));
            }
        }
        compared += 1;
    }
    assert!(wrong.is_empty(), "{} of {compared}:\n{}", wrong.len(), wrong.join("\n"));
    assert!(compared > 150, "{compared}");
}
