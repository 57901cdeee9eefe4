//! Bad input: one line on what, what was expected and what to do; exit code 2; nothing written.

use std::fs;
use std::path::Path;

use crate::support::{BASE, SOURCE, files, refused, sweep};

/// A sweep that must be refused with a line that holds all of `phrases`, nothing written.
fn refuse(more: &[&str], phrases: &[&str]) {
    let folder = tempfile::tempdir().unwrap();
    let line = refused(&sweep(&folder.path().join("out"), more));
    for phrase in phrases {
        assert!(line.contains(phrase), "`{phrase}` in {line}");
    }
    assert_eq!(files(folder.path()), [] as [String; 0], "{more:?}");
}

fn refuse_texts(base: &str, source: &str, phrases: &[&str]) {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out");
    let mut arguments = sweep(&out, &["--component", "mlp_output"]);
    (arguments[2], arguments[4]) = (base, source);
    let line = refused(&arguments);
    for phrase in phrases {
        assert!(line.contains(phrase), "`{phrase}` in {line}");
    }
    assert!(!out.exists());
}

#[test]
fn models() {
    refuse(
        &["--component", "mlp_output", "--model", "a/b/c"],
        &["`a/b/c`", "config.json", ".gguf"],
    );
    let folder = tempfile::tempdir().unwrap();
    let empty = folder.path().to_str().unwrap();
    refuse(&["--component", "mlp_output", "--model", empty], &["config.json"]);
}

#[test]
fn components_and_layers() {
    refuse(
        &["--component", "mlp_outptu"],
        &["`mlp_outptu`", "did you mean mlp_output?", "head_result"],
    );
    refuse(&["--component", "mlp_gate"], &["mlp_gate", "no gate", "mlp_up"]);
    refuse(&["--component", "blocks.0.hook_mlp_in"], &["TransformerLens", "residual_middle"]);
    refuse(&["--component", "mlp_output", "--layers", "8"], &["layer 8", "0 to 7"]);
    refuse(&["--component", "mlp_output", "--unit", "h"], &["no heads", "pos"]);
    refuse(
        &["--component", "attention_value_output", "--unit", "h", "--heads", "4"],
        &["head 4", "0 to 3"],
    );
}

#[test]
fn positions() {
    refuse(
        &["--component", "mlp_output", "--positions", "5"],
        &["position 5", "5 tokens", "0 to 4"],
    );
    let subject = |name| {
        [
            "--component",
            "mlp_output",
            "--positions",
            "subject_last",
            "--subject",
            name,
            "--source-subject",
            "Italy",
        ]
    };
    refuse(&subject("France"), &["`France`", BASE, "--subject"]);
    refuse_texts(BASE, "The capital city of Italy is", &["5 tokens", "6", "aligned"]);
}

#[test]
fn tokens() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out");
    let mut arguments = sweep(&out, &["--component", "mlp_output"]);
    arguments[6] = " Reykjavikish";
    let line = refused(&arguments);
    assert!(line.contains("2 tokens") && line.contains("\" Reykjavik\""), "{line}");
    assert!(!out.exists());
}

#[test]
fn prompts() {
    refuse_texts("", SOURCE, &["base", "empty"]);
    let long = "The capital of Spain is ".repeat(20);
    refuse_texts(&long, SOURCE, &["base", "tokens long", "at most 32"]);
}

#[test]
fn outputs_that_cannot_be_written() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    fs::write(&file, "mine").unwrap();
    let line = refused(&sweep(&file.join("out"), &["--component", "mlp_output"]));
    assert!(line.contains("--out"), "{line}");
    assert_eq!(fs::read_to_string(&file).unwrap(), "mine");
    assert_eq!(files(folder.path()), ["file"]);
}

#[test]
fn the_command_line_itself() {
    let output = ["--component", "mlp_output"];
    let refuse_with = |more: &[&str], phrases: &[&str]| refuse(&[&output, more].concat(), phrases);
    refuse_with(&["--intervention", "blah"], &["'blah'", "interchange, zero", "--help"]);
    refuse_with(&["--executer", "forked"], &["'--executer'", "'--executor'"]);
    refuse_with(&["--threads", "0"], &["'0'", "1..=1024"]);
    refuse_with(&["--threads", "100000"], &["'100000'"]);
    refuse_with(&["--intervention", "noise", "--noise-sd", "-1"], &["-1", "not negative"]);
    refuse(&[], &["--component"]);
}

/// A folder like the embedded model's, one file of which is spoilt.
fn spoilt(name: &str, content: &[u8]) -> String {
    let folder = tempfile::tempdir().unwrap();
    for (file, bytes) in [
        ("config.json", vene_embedded::CONFIG.as_bytes()),
        ("model.safetensors", vene_embedded::WEIGHTS),
        ("tokenizer.json", vene_embedded::TOKENIZER.as_bytes()),
    ] {
        let bytes = if file == name { content } else { bytes };
        fs::write(folder.path().join(file), bytes).unwrap();
    }
    refused_model(folder.path())
}

fn refused_model(path: &Path) -> String {
    refused(&["top", "--model", path.to_str().unwrap(), BASE])
}

#[test]
fn files_that_are_damaged_or_lie() {
    let weights = vene_embedded::WEIGHTS;
    assert!(
        spoilt("model.safetensors", &weights[..weights.len() / 2]).contains("model.safetensors")
    );
    assert!(spoilt("model.safetensors", b"garbage").contains("model.safetensors"));
    assert!(spoilt("config.json", b"{").contains("config.json"));
    assert!(spoilt("tokenizer.json", b"[]").contains("tokenizer.json"));

    // Float16 NaN in the middle of the weights.
    let mut poisoned = weights.to_vec();
    let middle = (poisoned.len() / 2) & !1;
    poisoned[middle..middle + 2].copy_from_slice(&[0x00, 0x7e]);
    assert!(spoilt("model.safetensors", &poisoned).contains("NaN"));

    let wider = vene_embedded::CONFIG.replace("\"n_head\": 4", "\"n_head\": 3");
    assert_ne!(wider, vene_embedded::CONFIG);
    assert!(spoilt("config.json", wider.as_bytes()).contains("multiple of 3"));
    let unknown = vene_embedded::CONFIG.replacen('{', "{\"attention_twist\": 2,", 1);
    assert!(spoilt("config.json", unknown.as_bytes()).contains("`attention_twist`"));

    let folder = tempfile::tempdir().unwrap();
    let gguf = folder.path().join("m.gguf");
    fs::write(&gguf, b"GGUF\x03\0\0\0\xff\xff\xff\xff\xff\xff\xff\xff").unwrap();
    assert!(refused_model(&gguf).contains("m.gguf"));
}

/// A name that there is not comes with the one that was probably meant.
#[test]
fn near_misses_name_what_is_meant() {
    assert!(refused(&["tpo", "x"]).contains("did you mean `top`?"));
    refuse(&["--component", "mlp_out"], &["did you mean mlp_output"]);
    refuse(
        &["--component", "resid_post"],
        &["did you mean block_output, which is TransformerLens's hook_resid_post?"],
    );
    refuse(
        &["--component", "mlp_output", "--metric", "logitdiff"],
        &["did you mean `logit_difference`?"],
    );
    let ablations = "did you mean `zero`, `mean` or `resample`?";
    refuse(&["--component", "mlp_output", "--intervention", "ablate"], &[ablations]);
    // In a file, where resampling is no intervention but a source.
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("plan.toml");
    let plan = "[[edit]]\nintervention = 'ablate'\ncomponent = 'mlp_output'\nlayer = 0\n";
    fs::write(&file, plan).unwrap();
    let said = refused(&["generate", "--plan", file.to_str().unwrap(), "--model", "embedded", "x"]);
    assert!(said.contains("did you mean `zero` or `mean`?"), "{said}");
}
