//! What GGUF metadata leaves open, as llama.cpp decides it: ends of texts, signs that are listed as
//! ordinary pieces, the token in front of a text.

#![allow(clippy::unwrap_used)]

mod support;

use std::path::Path;

use serde_json::Value;
use support::{Gguf, gguf_string};
use vene_checkpoint::{Checkpoint, ModelSource};

fn texts(value: &Value) -> Vec<&str> {
    value.as_array().unwrap().iter().map(|text| text.as_str().unwrap()).collect()
}

fn numbers(value: &Value) -> Vec<u32> {
    serde_json::from_value(value.clone()).unwrap()
}

/// A file with this tokenizer, and a tensor.
fn gguf(metadata: &Value) -> Vec<u8> {
    let mut gguf = Gguf::default();
    gguf.pair("general.architecture", 8, gguf_string("llama"));
    for key in ["model", "pre"] {
        if let Some(text) = metadata.get(key).and_then(Value::as_str) {
            gguf.pair(&format!("tokenizer.ggml.{key}"), 8, gguf_string(text));
        }
    }
    gguf.strings("tokenizer.ggml.tokens", &texts(&metadata["tokens"]));
    let types: Vec<[u8; 4]> =
        numbers(&metadata["types"]).into_iter().map(u32::to_le_bytes).collect();
    gguf.numbers("tokenizer.ggml.token_type", 5, &types);
    if let Some(scores) = metadata.get("scores").and_then(Value::as_array) {
        let scores: Vec<[u8; 4]> =
            scores.iter().map(|score| (score.as_f64().unwrap() as f32).to_le_bytes()).collect();
        gguf.numbers("tokenizer.ggml.scores", 6, &scores);
    }
    if let Some(merges) = metadata.get("merges") {
        gguf.strings("tokenizer.ggml.merges", &texts(merges));
    }
    for key in ["bos", "eos", "eot", "eom", "fim_pad"] {
        if let Some(id) = metadata.get(key).and_then(Value::as_u64) {
            let value = (id as u32).to_le_bytes().to_vec();
            gguf.pair(&format!("tokenizer.ggml.{key}_token_id"), 4, value);
        }
    }
    if let Some(add) = metadata["add_bos"].as_bool() {
        gguf.pair("tokenizer.ggml.add_bos_token", 7, vec![u8::from(add)]);
    }
    gguf.tensors.push(("x".to_owned(), vec![2], 0, 0));
    gguf.data = vec![0; 8];
    gguf.bytes()
}

#[test]
fn what_metadata_leaves_open_is_as_llama_cpp_has_it() {
    let root = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."));
    let fixture = std::fs::read(root.join("fixtures/tokenizers/signs.json")).unwrap();
    let cases: Vec<Value> = serde_json::from_slice(&fixture).unwrap();
    assert!(cases.len() > 60);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("m.gguf");
    for case in &cases {
        let name = case["name"].as_str().unwrap();
        std::fs::write(&path, gguf(&case["metadata"])).unwrap();
        let model = Checkpoint::open(&ModelSource::Gguf(path.clone()), &mut |_| ()).unwrap();
        let tokenizer = &model.tokenizer;
        for (text, ids) in texts(&case["texts"]).iter().zip(case["ids"].as_array().unwrap()) {
            assert_eq!(tokenizer.encode(text).unwrap().ids, numbers(ids), "{name}: {text:?}");
        }
        let mut ends = tokenizer.ends().to_vec();
        ends.retain(|end| numbers(&case["asked"]).contains(end));
        ends.sort_unstable();
        assert_eq!(ends, numbers(&case["ends"]), "{name}");
        // A token in front that no key names is a guess, and is told.
        let guessed = name == "a token in front that is not named";
        assert_eq!(model.notices.all().len(), usize::from(guessed), "{name}");
    }
}

#[test]
fn a_key_about_tokens_that_is_not_known_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("m.gguf");
    let told = |key: &str| {
        let mut gguf = Gguf::small();
        gguf.pair(key, 7, vec![1]);
        std::fs::write(&path, gguf.bytes()).unwrap();
        let model = Checkpoint::open(&ModelSource::Gguf(path.clone()), &mut |_| ()).unwrap();
        model.notices.all().join("\n")
    };
    let line = told("tokenizer.ggml.surprise");
    assert!(
        line.ends_with(r#"["tokenizer.ggml.surprise"] is not followed (not known here)"#),
        "{line}"
    );
    assert_eq!(told("tokenizer.ggml.remove_extra_whitespaces"), "");
}
