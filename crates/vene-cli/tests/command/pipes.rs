//! What is no regular file is refused wherever a file is read, and never waited for.
#![cfg(unix)]

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use crate::support::BASE;

fn pipe(path: &Path) {
    assert!(Command::new("mkfifo").arg(path).status().unwrap().success());
}

/// The one line of a command that must be refused in time.
#[track_caller]
fn refused(arguments: &[&str]) -> String {
    let mut command = crate::support::command();
    // A command that waits for a pipe is killed, and has no exit code.
    let output = command.args(arguments).timeout(Duration::from_secs(60)).output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{arguments:?}: {said}");
    assert_eq!(said.lines().count(), 1, "{arguments:?}: {said}");
    said
}

const PLAN: &str = "[[edit]]\ncomponent = \"block_output\"\nlayer = 2\n";

#[test]
fn pipes_and_devices_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let good_data = at("good.jsonl");
    crate::support::task(Path::new(&good_data), 8);
    let plan = |name: &str, edit: &str| {
        fs::write(at(name), format!("{PLAN}{edit}\n")).unwrap();
        at(name)
    };
    let good_plan = plan("good.toml", "intervention = \"zero\"");

    type Make = fn(&Path);
    let kinds: [(&str, Make); 2] = [
        ("a pipe", pipe),
        ("a device", |path| std::os::unix::fs::symlink("/dev/zero", path).unwrap()),
    ];
    for (kind, make) in kinds {
        let place = |name: &str| {
            let path = at(name);
            let _ = fs::remove_file(&path);
            make(Path::new(&path));
            path
        };
        let out = at("out");
        // Data sets and plans, by each format.
        for extension in ["csv", "jsonl", "json", "parquet"] {
            let data = place(&format!("data.{extension}"));
            let sweep = ["sweep", "--data", &data, "--component", "mlp_output", "--out", &out];
            let said = refused(&sweep);
            assert!(said.contains(kind) && said.contains("the data set"), "{said}");
            let said = refused(&["train", &good_plan, "--data", &data, "--out", &out]);
            assert!(said.contains(kind), "{said}");
        }
        for extension in ["toml", "json"] {
            let path = place(&format!("plan.{extension}"));
            let said = refused(&["train", &path, "--data", &good_data, "--out", &out]);
            assert!(said.contains(kind), "{said}");
            let said = refused(&["generate", "--plan", &path, BASE]);
            assert!(said.contains(kind), "{said}");
        }
        // Files that plans name.
        place("tensors.safetensors");
        place("sae.npz");
        for (edit, file) in [
            (
                "intervention = \"interchange\"\nsource = { file = \"tensors.safetensors\", tensor = \"v\" }",
                "tensors",
            ),
            (
                "intervention = { name = \"feature_edit\", autoencoder = { name = \"gemma_scope\", path = \"sae.npz\" }, features = [{ feature = 3, set = 0.0 }] }",
                "sae.npz",
            ),
        ] {
            let path = plan("names.toml", edit);
            let said = refused(&["generate", "--plan", &path, BASE]);
            if said.contains("there is no key") {
                panic!("the plan is not what this test takes it for: {said}");
            }
            assert!(said.contains(kind) && said.contains(file), "{said}");
        }
        // A saved plan, a model, a record.
        for (inner, arguments) in [
            ("plan.json", vec!["generate", "--plan"]),
            ("config.json", vec!["top", "--model"]),
            ("run.json", vec!["sweep", "--resume"]),
        ] {
            let inside = at("inside");
            let _ = fs::remove_dir_all(&inside);
            fs::create_dir(&inside).unwrap();
            for name in ["tokenizer.json", "model.safetensors"] {
                fs::write(Path::new(&inside).join(name), "{}").unwrap();
            }
            make(&Path::new(&inside).join(inner));
            let mut arguments = arguments;
            arguments.push(&inside);
            if inner != "run.json" {
                arguments.push(BASE);
            }
            let said = refused(&arguments);
            assert!(said.contains(inner), "{said}");
            if inner == "run.json" {
                assert!(said.contains(kind), "{said}");
                let said = refused(&["demo", "--out", &inside]);
                assert!(said.contains(kind), "{said}");
            }
        }
        let gguf = place("model.gguf");
        refused(&["top", "--model", &gguf, BASE]);
    }
}
