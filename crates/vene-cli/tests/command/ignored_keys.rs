//! Models with a key that nobody knows, and models that are not quite what they seem.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use crate::support::{BASE, KILLED, data_sweep, kill, refused, sweep, task, vene};

/// The embedded model's files, with more keys in `config.json`.
fn model(folder: &Path, more: Value) -> String {
    let mut config: Value = serde_json::from_str(vene_embedded::CONFIG).unwrap();
    config.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    fs::write(folder.join("config.json"), config.to_string()).unwrap();
    fs::write(folder.join("model.safetensors"), vene_embedded::WEIGHTS).unwrap();
    fs::write(folder.join("tokenizer.json"), vene_embedded::TOKENIZER).unwrap();
    folder.to_str().unwrap().to_owned()
}

#[test]
fn a_key_that_nobody_knows_is_refused_unless_it_is_ignored_and_then_it_is_recorded() {
    let folder = tempfile::tempdir().unwrap();
    let model = model(folder.path(), json!({"my_note": "hello", "another": {"note": 1}}));
    let said = refused(&["top", "--model", &model, BASE]);
    assert!(
        said.contains("`my_note` = \"hello\"") && said.contains("--ignore-key my_note"),
        "{said}"
    );
    let said = refused(&["top", "--model", &model, "--ignore-key", "my_note", BASE]);
    assert!(said.contains("`another`") && said.contains("--ignore-key another"), "{said}");

    let ignored = ["--model", &model, "--ignore-key", "my_note", "--ignore-key", "another"];
    let output = vene(&[&["top"], &ignored[..], &[BASE]].concat());
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{said}");
    assert_eq!(said.lines().filter(|line| line.starts_with("warning: ")).count(), 2, "{said}");

    let out = folder.path().join("out");
    let more = [&["--component", "mlp_output", "--layers", "0"], &ignored[..]].concat();
    assert!(vene(&sweep(&out, &more)).status.success());
    let record = fs::read_to_string(out.join("run.json")).unwrap();
    let record: Value = serde_json::from_str(&record).unwrap();
    let notices = record["model"]["notices"].to_string();
    assert!(notices.contains("--ignore-key my_note") && notices.contains("--ignore-key another"));
}

#[test]
fn a_key_that_is_followed_or_absent_can_not_be_ignored() {
    for (key, words) in [("n_embd", "is understood"), ("nothing", "has no such key")] {
        let said = refused(&["top", "--ignore-key", key, BASE]);
        assert!(said.contains(&format!("`--ignore-key {key}`")) && said.contains(words), "{said}");
    }
    let said = refused(&["sites", "--markdown", "--ignore-key", "n_embd"]);
    assert!(said.contains("--ignore-key would change nothing"), "{said}");
}

#[test]
fn a_sweep_that_is_resumed_ignores_the_same_keys() {
    let folder = tempfile::tempdir().unwrap();
    let model = model(folder.path(), json!({"my_note": "hello"}));
    let (rows, out) = (folder.path().join("rows.jsonl"), folder.path().join("out"));
    task(&rows, 24);
    let line = [&data_sweep(&rows, &out, &KILLED)[..], &["--model", &model]].concat();
    assert!(refused(&line).contains("--ignore-key my_note"));
    kill(&[&line[..], &["--ignore-key", "my_note"]].concat(), &out, 1);
    let output = vene(&["sweep", "--resume", out.to_str().unwrap()]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn an_adapter_beside_a_model_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let model = model(folder.path(), json!({}));
    fs::write(folder.path().join("adapter_config.json"), "{}").unwrap();
    let output = vene(&["top", "--model", &model, BASE]);
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success() && said.contains("adapter_config.json"), "{said}");
}

#[test]
fn quantised_weights_are_refused_in_words() {
    let folder = tempfile::tempdir().unwrap();
    let quantised = json!({"quantization_config": {"quant_method": "awq", "bits": 4}});
    let said = refused(&["top", "--model", &model(folder.path(), quantised), BASE]);
    assert!(said.contains("quantised by AWQ with 4 bits") && said.contains("GGUF"), "{said}");
}
