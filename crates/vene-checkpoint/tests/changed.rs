//! Files that change under the reader: a sentence, never a crash, and never the hash of bytes that were
//! not run.

#![allow(clippy::unwrap_used)]
#![cfg(unix)]

mod support;

use std::fs::{self, File};
use std::path::Path;
use std::process::Command;

use support::{CONFIG, safetensors, tokenizer, write_model};
use vene_checkpoint::{Checkpoint, ModelSource};

/// Names the folder of a child of this test.
const CHILD: &str = "VENE_TEST_CUT_FOLDER";

fn open(folder: &Path) -> Checkpoint {
    Checkpoint::open(&ModelSource::Directory(folder.to_owned()), &mut |_| ()).unwrap()
}

/// A model whose weights take many pages.
fn write_large(folder: &Path) {
    fs::write(folder.join("config.json"), CONFIG).unwrap();
    fs::write(folder.join("tokenizer.json"), tokenizer(serde_json::Value::Null)).unwrap();
    let values = vec![1.0f32; 1 << 18];
    let weights = safetensors(&[("w", &[1 << 18], &values)]);
    fs::write(folder.join("model.safetensors"), weights).unwrap();
}

#[test]
fn a_file_that_is_cut_while_it_is_mapped_ends_in_a_sentence() {
    if let Some(folder) = std::env::var_os(CHILD) {
        let folder = Path::new(&folder);
        let model = open(folder);
        vene_files::set_will(&folder.join("run.json"), b"failed".to_vec(), &folder.join("lock"));
        let weights = File::options().write(true).open(folder.join("model.safetensors")).unwrap();
        weights.set_len(5000).unwrap();
        let read = model.tensors.read_f32("w", &[1 << 18]);
        panic!("read {:?} values of a file that was cut", read.map(|values| values.len()));
    }
    let folder = tempfile::tempdir().unwrap();
    write_large(folder.path());
    fs::write(folder.path().join("run.json"), "running").unwrap();
    fs::write(folder.path().join("lock"), "").unwrap();
    let child = Command::new(std::env::current_exe().unwrap())
        .args([
            "--exact",
            "a_file_that_is_cut_while_it_is_mapped_ends_in_a_sentence",
            "--nocapture",
        ])
        .env(CHILD, folder.path())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&child.stderr).into_owned();
    assert_eq!(child.status.code(), Some(2), "{said}");
    let path = folder.path().join("model.safetensors");
    let sentence = format!("error: {} was cut short while it was being read", path.display());
    assert!(said.lines().any(|line| line.starts_with(&sentence)), "{said}");
    // What was prepared for such an end is done.
    assert_eq!(fs::read_to_string(folder.path().join("run.json")).unwrap(), "failed");
    assert!(!folder.path().join("lock").exists());
}

/// What handled the signal before still does, where the address is none of ours.
#[test]
fn other_faults_end_as_they_did() {
    if std::env::var_os(CHILD).is_some() {
        let folder = tempfile::tempdir().unwrap();
        write_large(folder.path());
        let _model = open(folder.path());
        let path = folder.path().join("other");
        fs::write(&path, vec![1; 1 << 16]).unwrap();
        let file = File::options().read(true).write(true).open(&path).unwrap();
        // SAFETY: a map of this test alone, which is cut to see the signal.
        let map = unsafe { memmap2::Mmap::map(&file).unwrap() };
        file.set_len(0).unwrap();
        panic!("read {} of a file that was cut", std::hint::black_box(&map)[1 << 15]);
    }
    let child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "other_faults_end_as_they_did", "--nocapture"])
        .env(CHILD, "x")
        .output()
        .unwrap();
    use std::os::unix::process::ExitStatusExt;
    let said = String::from_utf8_lossy(&child.stderr);
    assert_eq!(child.status.signal(), Some(libc::SIGBUS), "{said}");
    assert!(!said.contains("was cut short"), "{said}");
}

#[test]
fn changes_are_seen_and_no_hash_is_given() {
    type Change<'a> = (&'a str, &'a dyn Fn(&Path), &'a str);
    let rewrite = |name: &'static str| {
        move |folder: &Path| {
            let path = folder.join(name);
            let bytes = fs::read(&path).unwrap();
            std::thread::sleep(std::time::Duration::from_millis(20));
            fs::write(path, bytes).unwrap();
        }
    };
    let replace = |folder: &Path| {
        let (new, path) = (folder.join("new"), folder.join("model.safetensors"));
        fs::copy(&path, &new).unwrap();
        fs::rename(new, path).unwrap();
    };
    let lengthen = |folder: &Path| {
        let path = folder.join("tokenizer.json");
        fs::write(&path, [&fs::read(&path).unwrap()[..], b" "].concat()).unwrap();
    };
    let write_and_remove = |folder: &Path| {
        rewrite("model.safetensors")(folder);
        fs::remove_file(folder.join("model.safetensors")).unwrap();
    };
    let rewrite_and_set_back = |folder: &Path| {
        let path = folder.join("model.safetensors");
        let modified = fs::metadata(&path).unwrap().modified().unwrap();
        rewrite("model.safetensors")(folder);
        let times = fs::FileTimes::new().set_modified(modified);
        File::options().write(true).open(&path).unwrap().set_times(times).unwrap();
    };
    let changes: [Change<'_>; 6] = [
        ("model.safetensors", &rewrite("model.safetensors"), "was written to"),
        ("model.safetensors", &replace, "was replaced by another file"),
        ("tokenizer.json", &lengthen, "bytes instead of"),
        ("config.json", &rewrite("config.json"), "was written to"),
        ("model.safetensors", &write_and_remove, "was written to"),
        ("model.safetensors", &rewrite_and_set_back, "written to with its time set back"),
    ];
    for (name, change, expected) in changes {
        let folder = tempfile::tempdir().unwrap();
        write_model(folder.path());
        let model = open(folder.path());
        model.provenance.check_unchanged().unwrap();
        change(folder.path());
        for error in [
            model.provenance.check_unchanged().unwrap_err(),
            model.provenance.sha256().unwrap_err(),
        ] {
            let line = error.to_string();
            assert!(line.contains(name) && line.contains(expected), "{line}");
            assert!(line.contains("while the model was in use"), "{line}");
        }
    }
    // What was hashed before keeps its hash: it is of the bytes that were read.
    let folder = tempfile::tempdir().unwrap();
    write_model(folder.path());
    let model = open(folder.path());
    let hash = model.provenance.sha256().unwrap().to_owned();
    rewrite("model.safetensors")(folder.path());
    assert_eq!(model.provenance.sha256().unwrap(), hash);
}

/// What is open keeps its bytes.
#[test]
fn files_that_are_removed_are_still_what_was_run() {
    let folder = tempfile::tempdir().unwrap();
    write_model(folder.path());
    let expected = open(folder.path()).provenance.sha256().unwrap().to_owned();
    let model = open(folder.path());
    drop(folder);
    model.provenance.check_unchanged().unwrap();
    assert_eq!(model.provenance.sha256().unwrap(), expected);
}
