//! What a model's files say about its tokens: who decides, what is said about it, what records keep.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::support::{BASE, SOURCE, printed, refused, sweep, vene};

const END: &str = "<|endoftext|>";

/// The embedded model in a folder, with its tokenizer's template changed and files beside it.
fn model(folder: &Path, first_token: bool, files: &[(&str, Value)]) -> PathBuf {
    let mut tokenizer: Value = serde_json::from_str(vene_embedded::TOKENIZER).unwrap();
    if first_token {
        tokenizer["post_processor"] = json!({
            "type": "TemplateProcessing",
            "single": [{"SpecialToken": {"id": END, "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}],
            "pair": [{"Sequence": {"id": "A", "type_id": 0}}, {"Sequence": {"id": "B", "type_id": 0}}],
            "special_tokens": {END: {"id": END, "ids": [0], "tokens": [END]}}
        });
    }
    fs::write(folder.join("config.json"), vene_embedded::CONFIG).unwrap();
    fs::write(folder.join("model.safetensors"), vene_embedded::WEIGHTS).unwrap();
    fs::write(folder.join("tokenizer.json"), tokenizer.to_string()).unwrap();
    for (name, content) in files {
        fs::write(folder.join(name), content.to_string()).unwrap();
    }
    folder.to_owned()
}

fn ids(arguments: &[&str]) -> Value {
    let output = vene(&[&["top", "--json", "-n", "1"], arguments].concat());
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let data: Value = serde_json::from_slice(&output.stdout).unwrap();
    data[0]["token_ids"].clone()
}

fn said(arguments: &[&str]) -> String {
    String::from_utf8(vene(arguments).stderr).unwrap()
}

#[test]
fn the_decision_about_the_first_token_is_said_and_recorded() {
    let folder = tempfile::tempdir().unwrap();
    let settings = json!({"tokenizer_class": "LlamaTokenizer", "bos_token": END, "eos_token": END, "add_bos_token": true});
    let model = model(folder.path(), false, &[("tokenizer_config.json", settings)]);
    let model = model.to_str().unwrap();
    let out = folder.path().join("out");
    let arguments = sweep(
        &out,
        &["--model", model, "--component", "mlp_output", "--layers", "0", "--positions", "last"],
    );
    let said = said(&arguments);
    let about: Vec<&str> =
        said.lines().filter(|line| line.contains("beginning of sequence")).collect();
    assert_eq!(about.len(), 1, "{said}");
    for part in ["transformers 4.52", "transformers 5", "add_bos_token = true", "--bos always"] {
        assert!(about[0].contains(part), "{said}");
    }
    let record: Value = serde_json::from_slice(&fs::read(out.join("run.json")).unwrap()).unwrap();
    assert_eq!(
        record["model"]["bos"],
        json!({"added": false, "id": 0, "token": END, "why": "tokenizer.json has no template that puts it in front"})
    );
    assert!(record["model"]["notices"].to_string().contains("beginning of sequence"));
}

#[test]
fn a_first_token_that_the_user_wrote_draws_no_advice() {
    let folder = tempfile::tempdir().unwrap();
    let with = model(folder.path(), true, &[]);
    let with = with.to_str().unwrap();
    let written = format!("{END}{BASE}");
    // The embedded model asks for none, the one in the folder does.
    for arguments in [
        vec!["top", &written],
        vec!["top", "--bos", "never", &written],
        vec!["top", "--model", with, &written],
        vec!["top", "--model", with, "--bos", "never", &written],
        vec!["top", "--model", with, BASE],
        vec!["top", BASE],
    ] {
        assert_eq!(said(&arguments), "", "{arguments:?}");
    }
    assert!(said(&["top", "--bos", "always", BASE]).contains("--bos model leaves it out"));
    let without = said(&["top", "--model", with, "--bos", "never", BASE]);
    assert!(without.contains("--bos model puts it there"), "{without}");
    // It is never doubled.
    assert_eq!(ids(&["--model", with, &written]), ids(&["--model", with, BASE]));
}

#[test]
fn the_first_token_alone_is_a_prompt() {
    let folder = tempfile::tempdir().unwrap();
    let with = model(folder.path(), true, &[]);
    assert_eq!(ids(&[END]), json!([0]));
    assert_eq!(ids(&["--model", with.to_str().unwrap(), ""]), json!([0]));
    assert!(refused(&["top", ""]).contains("the prompt is empty"));
}

#[test]
fn ends_that_are_no_tokens_and_what_is_not_followed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    let generation = json!({"do_sample": true, "top_p": 0.9, "eos_token_id": 0});
    let told = model(path, false, &[("generation_config.json", generation)]);
    let told = told.to_str().unwrap();
    let said = said(&["generate", "--model", told, "--max-new-tokens", "1", BASE]);
    assert_eq!(said.matches("do_sample = true, top_p = 0.9 are not followed").count(), 1, "{said}");
    fs::write(path.join("generation_config.json"), r#"{"eos_token_id": 2765}"#).unwrap();
    let line = refused(&["generate", "--model", told, BASE]);
    assert!(line.contains("generation_config.json: eos_token_id = 2765 is not a token"), "{line}");
}

#[test]
fn an_added_token_that_the_model_has_no_embedding_for_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let settings = json!({"pad_token": "[PAD]"});
    let model = model(folder.path(), false, &[("tokenizer_config.json", settings)]);
    let model = model.to_str().unwrap();
    // It does no harm as long as no prompt has it.
    assert_eq!(printed(&["top", "--model", model, SOURCE]), printed(&["top", SOURCE]));
    let line = refused(&["top", "--model", model, "a[PAD]"]);
    assert!(line.contains("token 2765 (`[PAD]`) is outside of the vocabulary of 2765"), "{line}");
}
