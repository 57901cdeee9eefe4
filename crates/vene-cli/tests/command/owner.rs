//! An output folder has one owner, and nothing in it is overwritten unasked.
#![cfg(unix)]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::Duration;

use crate::support::{
    BASE, SOURCE, data_sweep, files, killed_sweep, printed, record, refused, signal, start, task,
    vene, wait_until,
};

/// Long enough to be met while it runs.
const LONG: [&str; 6] = ["--intervention", "noise", "--noise-sd", "0.1", "--draws", "40"];

const PLAN: &str = "[[edit]]\ncomponent = \"block_output\"\nlayer = 2\npositions = { role = \"subject_last\" }\n\
    intervention = { name = \"low_rank_rotated_space\", rank = 2 }\n[train]\nepochs = 2\nbatch = 16\n";

/// A data set and a plan.
struct Setting {
    folder: tempfile::TempDir,
    data: PathBuf,
    plan: PathBuf,
}

impl Setting {
    fn new(rows: usize) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (data, plan) = (folder.path().join("capital.jsonl"), folder.path().join("das.toml"));
        task(&data, rows);
        fs::write(&plan, PLAN).unwrap();
        Self { folder, data, plan }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Every command that writes into a folder, each for this one.
    fn all(&self, out: &Path) -> [Vec<String>; 6] {
        let own = |arguments: Vec<&str>| arguments.into_iter().map(str::to_owned).collect();
        let text = out.to_str().unwrap();
        let pair = crate::support::sweep(out, &["--component", "mlp_output", "--layers", "0"]);
        let data = data_sweep(&self.data, out, &["--layers", "0"]);
        let (plan, rows) = (self.plan.to_str().unwrap(), self.data.to_str().unwrap());
        let train = vec!["train", plan, "--data", rows, "--out", text];
        let collect = ["collect", "--component", "mlp_output", "--layers", "0", "--out", text];
        let collect = [&collect[..], &["--positions", "last", "--data", rows]].concat();
        let generate = ["generate", "--max-new-tokens", "2", "--collect", "final_norm", "--out"];
        let generate = [&generate[..], &[text, BASE]].concat();
        let demo = vec!["demo", "--out", text];
        [demo, pair, data, train, collect, generate].map(own)
    }
}

fn refs(arguments: &[String]) -> Vec<&str> {
    arguments.iter().map(String::as_str).collect()
}

fn parts(out: &Path) -> usize {
    let is_part = |name: &String| name.starts_with("batch") && name.ends_with(".parquet");
    files(&out.join("parts")).iter().filter(|name| is_part(name)).count()
}

#[test]
fn while_one_process_writes_no_other_does() {
    let setting = Setting::new(120);
    let out = setting.path("out");
    let mut running = start(&data_sweep(&setting.data, &out, &LONG));
    wait_until(|| parts(&out) >= 1);
    let before = record(&out);
    for arguments in setting.all(&out) {
        for force in [&[][..], &["--force"]] {
            let said = refused(&[refs(&arguments), force.to_vec()].concat());
            assert!(said.contains("is in use") && said.contains("--out"), "{said}");
            assert!(said.contains(&format!("process {}", running.id())), "{said}");
        }
    }
    let said = refused(&["sweep", "--resume", out.to_str().unwrap()]);
    assert!(said.contains("is in use"), "{said}");
    let file = out.join("rows.jsonl");
    let said = refused(&["task", "capital", "--out", file.to_str().unwrap()]);
    assert!(said.contains("is in use"), "{said}");
    assert!(running.try_wait().unwrap().is_none(), "the sweep ended too early to be met");
    assert_eq!(record(&out)["run"], before["run"]);

    // A killed process owns nothing. But its sweep can be gone on with, and is not to be lost unasked.
    running.kill().unwrap();
    running.wait().unwrap();
    assert_eq!(record(&out)["status"], "running");
    let kept = parts(&out);
    for arguments in setting.all(&out) {
        let said = refused(&refs(&arguments));
        assert!(said.contains("was not finished") && said.contains("--resume"), "{said}");
        assert!(said.contains("--force"), "{said}");
    }
    assert_eq!(parts(&out), kept);
    assert_eq!(record(&out)["run"], before["run"]);
    // Unless it is asked for: nothing of it is left.
    let commands = setting.all(&out);
    printed(&[refs(&commands[0]), vec!["--force"]].concat());
    assert!(!out.join("parts").exists());
    assert_eq!(record(&out)["kind"], "demo");
    assert_eq!(files(&out).len(), 9, "{:?}", files(&out));
}

#[test]
fn of_sweeps_that_begin_at_once_one_gets_the_folder() {
    let setting = Setting::new(40);
    let out = setting.path("new/out");
    let seeds: Vec<String> = (0..5).map(|seed| seed.to_string()).collect();
    let mut running: Vec<Child> = seeds
        .iter()
        .map(|seed| {
            start(&[&data_sweep(&setting.data, &out, &LONG)[..], &["--seed", seed]].concat())
        })
        .collect();
    let codes: Vec<Option<i32>> =
        running.iter_mut().map(|running| running.wait().unwrap().code()).collect();
    let won: Vec<usize> = (0..codes.len()).filter(|&index| codes[index] == Some(0)).collect();
    assert_eq!(won.len(), 1, "{codes:?}");
    assert!(codes.iter().all(|code| matches!(code, Some(0 | 2))), "{codes:?}");
    let winner = record(&out);
    assert_eq!(winner["status"], "complete");
    assert_eq!(winner["options"]["seed"], won[0]);
    // It has its own rows and no others: the same as alone.
    let alone = setting.path("alone");
    printed(&[&data_sweep(&setting.data, &alone, &LONG)[..], &["--seed", &seeds[won[0]]]].concat());
    let table = |out: &Path| fs::read(out.join("examples.parquet")).unwrap();
    assert!(table(&out) == table(&alone));
    assert_eq!(files(&out), files(&alone));
}

#[test]
fn a_finished_run_is_replaced_only_where_that_is_asked_for() {
    let setting = Setting::new(24);
    let first = setting.path("first");
    let kinds = ["demo", "sweep", "data_sweep", "training", "collection", "generation"];
    // What each command writes into a folder of its own.
    let alone: Vec<Vec<String>> = (0..6)
        .map(|index| {
            let out = setting.path(&format!("alone-{index}"));
            printed(&refs(&setting.all(&out)[index]));
            assert_eq!(record(&out)["kind"], kinds[index]);
            files(&out)
        })
        .collect();
    fs::create_dir(&first).unwrap();
    fs::write(first.join("notes.txt"), "mine").unwrap();
    // Each over each, itself among them: after a demo all others in turn, and so on.
    let row: Vec<usize> = (0..6).flat_map(|one| (one..6).flat_map(move |two| [one, two])).collect();
    printed(&refs(&setting.all(&first)[row[0]]));
    for pair in row.windows(2) {
        let commands = setting.all(&first);
        let before = fs::read(first.join("run.json")).unwrap();
        let said = refused(&refs(&commands[pair[1]]));
        assert!(said.contains("is complete") && said.contains("--force"), "{said}");
        assert!(fs::read(first.join("run.json")).unwrap() == before);
        printed(&[refs(&commands[pair[1]]), vec!["--force"]].concat());
        let mut expected = alone[pair[1]].clone();
        expected.push("notes.txt".to_owned());
        expected.sort();
        assert_eq!(files(&first), expected, "{pair:?}");
        assert_eq!(record(&first)["kind"], kinds[pair[1]]);
        assert_eq!(record(&first)["status"], "complete");
    }
}

#[test]
fn files_of_the_user_are_not_overwritten() {
    let setting = Setting::new(24);
    let out = setting.path("out");
    fs::create_dir(&out).unwrap();
    let names =
        ["sweep.csv", "summary.csv", "training.csv", "run.json", "rows.parquet", "tokens.parquet"];
    for name in names {
        fs::write(out.join(name), "mine").unwrap();
    }
    for arguments in setting.all(&out) {
        let said = refused(&refs(&arguments));
        assert!(said.contains("--force"), "{said}");
    }
    fs::remove_file(out.join("run.json")).unwrap();
    for arguments in setting.all(&out) {
        let said = refused(&refs(&arguments));
        assert!(said.contains("is there already") && said.contains("--force"), "{said}");
    }
    for name in names.iter().filter(|name| **name != "run.json") {
        assert_eq!(fs::read_to_string(out.join(name)).unwrap(), "mine");
    }
    assert_eq!(files(&out).len(), names.len() - 1);
}

/// Whatever a run writes: a file of that name that somebody else made is not replaced by it.
#[test]
fn no_name_that_a_run_writes_is_overwritten() {
    let setting = Setting::new(24);
    for (index, arguments) in setting.all(&setting.path("0")).iter().enumerate() {
        let out = setting.path("0");
        printed(&refs(arguments));
        let written: Vec<String> = files(&out)
            .into_iter()
            .filter(|name| name != "run.json" && out.join(name).is_file())
            .collect();
        assert!(!written.is_empty());
        fs::remove_dir_all(&out).unwrap();
        for name in written {
            fs::create_dir(&out).unwrap();
            fs::write(out.join(&name), "mine").unwrap();
            let said = refused(&refs(arguments));
            assert!(said.contains(&name) && said.contains("--force"), "{index}: {said}");
            assert_eq!(files(&out), std::slice::from_ref(&name));
            assert_eq!(fs::read_to_string(out.join(name)).unwrap(), "mine");
            fs::remove_dir_all(&out).unwrap();
        }
    }
}

/// Not by a run that is taken up again either.
#[test]
fn what_a_resumed_run_did_not_write_is_not_overwritten() {
    let setting = Setting::new(24);
    let out = setting.path("out");
    killed_sweep(&setting.data, &out, 1);
    let resume = ["sweep", "--resume", out.to_str().unwrap()];
    for name in ["mean.svg", "summary.csv", "examples.parquet"] {
        fs::write(out.join(name), "mine").unwrap();
        let said = refused(&resume);
        assert!(said.contains(name), "{said}");
        assert_eq!(fs::read_to_string(out.join(name)).unwrap(), "mine");
        fs::remove_file(out.join(name)).unwrap();
    }
    printed(&resume);

    let (out, plan) = (setting.path("training"), setting.path("long.toml"));
    fs::write(&plan, PLAN.replace("epochs = 2", "epochs = 4000")).unwrap();
    let paths = [&plan, &setting.data, &out].map(|path| path.to_str().unwrap());
    let train = ["train", paths[0], "--data", paths[1], "--out", paths[2]];
    let resume = ["train", "--resume", out.to_str().unwrap()];
    // An epoch is so short that one signal in a few meets the writing of its checkpoint.
    for time in 0..8 {
        let mut running = start(if time == 0 { &train } else { &resume });
        wait_until(|| {
            out.join("checkpoint.safetensors").exists() && record(&out)["status"] == "running"
        });
        sleep(Duration::from_millis(13 * time));
        signal(&running, "TERM");
        assert_eq!(running.wait().unwrap().code(), Some(130));
        assert_eq!(
            files(&out),
            ["checkpoint.safetensors", "run.json"],
            "stopped {time} times before"
        );
    }
    for name in ["training.csv", "trained/plan.json"] {
        fs::create_dir_all(out.join("trained")).unwrap();
        if name == "training.csv" {
            fs::remove_dir(out.join("trained")).unwrap();
        }
        fs::write(out.join(name), "mine").unwrap();
        let said = refused(&resume);
        assert!(said.contains(name.split('/').next().unwrap()), "{said}");
        assert_eq!(fs::read_to_string(out.join(name)).unwrap(), "mine");
        fs::remove_file(out.join(name)).unwrap();
    }
}

/// What grows past the limit of a file's size is an error, and recorded.
#[test]
fn a_limit_of_the_size_of_files_ends_in_a_line() {
    let setting = Setting::new(24);
    let out = setting.path("out");
    let output = Command::new("sh")
        .args(["-c", "ulimit -f 24; exec \"$0\" \"$@\""])
        .env("VENE_MODEL", "embedded")
        .arg(assert_cmd::cargo::cargo_bin("vene"))
        .args(data_sweep(&setting.data, &out, &["--layers", "0"]))
        .output()
        .unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(said.contains("File too large"), "{said}");
    assert_eq!(record(&out)["status"], "failed");
}

#[test]
fn what_was_kept_to_be_gone_on_with_goes_when_the_run_is_complete() {
    let setting = Setting::new(24);
    let out = setting.path("out");
    printed(&data_sweep(&setting.data, &out, &["--layers", "0"]));
    // As if it had been killed between its last record and the removal.
    fs::create_dir(out.join("parts")).unwrap();
    fs::write(out.join("parts/batch-00000.json"), "{}").unwrap();
    let said = printed(&["sweep", "--resume", out.to_str().unwrap()]);
    assert!(said.contains("is complete"), "{said}");
    assert!(!out.join("parts").exists());
}

#[test]
fn a_run_that_replaces_another_is_its_folder_s_from_its_first_moment() {
    let setting = Setting::new(300);
    let out = setting.path("out");
    printed(&data_sweep(&setting.data, &out, &["--layers", "0", "--limit", "24"]));
    let old = record(&out)["run"].clone();
    assert_eq!(record(&out)["options"]["seed"], 0);
    let again = ["--seed", "7", "--layers", "0", "--force", "--executor", "reference"];
    let mut running = start(&data_sweep(&setting.data, &out, &again));
    wait_until(|| record(&out)["run"] != old);
    signal(&running, "INT");
    assert_eq!(running.wait().unwrap().code(), Some(130));
    // Whatever it came to, the old run is gone, and what is gone on with is the new one.
    assert_eq!(record(&out)["status"], "stopped");
    assert!(!out.join("examples.parquet").exists() && !out.join("mean.svg").exists());
    let said = printed(&["sweep", "--resume", out.to_str().unwrap()]);
    assert!(!said.contains("is complete"), "{said}");
    let record = record(&out);
    assert_eq!(record["status"], "complete");
    assert_eq!((&record["options"]["seed"], &record["data"]["rows"]), (&7.into(), &300.into()));
}

/// A model that opens, and whose weights cannot be used.
fn poisoned(folder: &Path) -> PathBuf {
    let model = folder.join("poisoned");
    fs::create_dir(&model).unwrap();
    fs::write(model.join("config.json"), vene_embedded::CONFIG).unwrap();
    fs::write(model.join("tokenizer.json"), vene_embedded::TOKENIZER).unwrap();
    let mut weights = vene_embedded::WEIGHTS.to_vec();
    let middle = (weights.len() / 2) & !1;
    weights[middle..middle + 2].copy_from_slice(&[0x00, 0x7e]);
    fs::write(model.join("model.safetensors"), weights).unwrap();
    model
}

#[test]
fn a_failed_run_is_recorded_as_failed() {
    let setting = Setting::new(24);
    let model = poisoned(setting.folder.path());
    for index in 1..4 {
        let out = setting.path(&format!("out-{index}"));
        let arguments = &setting.all(&out)[index];
        let said = refused(&[refs(arguments), vec!["--model", model.to_str().unwrap()]].concat());
        assert!(said.contains("NaN"), "{said}");
        let failed = record(&out);
        assert_eq!(failed["status"], "failed", "{failed}");
        assert!(failed["error"].as_str().unwrap().contains("NaN"), "{failed}");
        assert_eq!(files(&out), ["run.json"]);
        // Nothing is lost by another one.
        printed(&refs(arguments));
        assert_eq!(record(&out)["status"], "complete");
        assert!(record(&out)["error"].is_null());
    }
}

#[test]
fn what_dead_processes_left_is_removed() {
    let setting = Setting::new(24);
    let out = setting.path("out");
    fs::create_dir_all(out.join(".vene-a1B2c3.partial/deep")).unwrap();
    fs::write(out.join(".vene-a1B2c3.partial/deep/mean.svg"), "half").unwrap();
    fs::write(out.join(".vene-xyz123.partial"), "half").unwrap();
    fs::write(out.join(".vene-lock"), "process 1, a demo").unwrap();
    fs::write(out.join(".venerable"), "mine").unwrap();
    fs::create_dir_all(out.join(".vene-mine/deep")).unwrap();
    printed(&data_sweep(&setting.data, &out, &["--layers", "0"]));
    let hidden: Vec<String> =
        files(&out).into_iter().filter(|name| name.starts_with('.')).collect();
    assert_eq!(hidden, [".vene-mine", ".venerable"]);
}

#[test]
fn what_is_in_the_place_of_a_lock_is_named() {
    let setting = Setting::new(24);
    let out = setting.path("out");
    let lock = out.join(".vene-lock");
    fs::create_dir_all(&out).unwrap();
    assert!(Command::new("mkfifo").arg(&lock).status().unwrap().success());
    let said = refused(&data_sweep(&setting.data, &out, &["--layers", "0"]));
    let expected = format!("{}: a pipe is in the place of this file; move it away", lock.display());
    assert!(said.contains(&expected), "{said}");
}

#[test]
fn every_signal_that_ends_a_program_leaves_it_whole() {
    let setting = Setting::new(120);
    let whole = setting.path("whole");
    let more = ["--intervention", "noise", "--noise-sd", "0.1", "--draws", "12"];
    printed(&data_sweep(&setting.data, &whole, &more));
    for name in ["INT", "TERM", "HUP"] {
        let out = setting.path(name);
        let mut running = start(&data_sweep(&setting.data, &out, &more));
        wait_until(|| parts(&out) >= 1);
        signal(&running, name);
        assert_eq!(running.wait().unwrap().code(), Some(130), "{name}");
        assert_eq!(record(&out)["status"], "stopped");
        assert_eq!(files(&out), ["parts", "run.json"]);
        assert!(files(&out.join("parts")).iter().all(|name| name.starts_with("batch-")));
        printed(&["sweep", "--resume", out.to_str().unwrap()]);
        let table = |out: &Path| fs::read(out.join("examples.parquet")).unwrap();
        assert!(table(&whole) == table(&out));
    }
}

#[test]
fn nohup_outlives_its_terminal() {
    let setting = Setting::new(120);
    let out = setting.path("out");
    let mut running = Command::new("nohup")
        .env("VENE_MODEL", "embedded")
        .arg(assert_cmd::cargo::cargo_bin("vene"))
        .args(data_sweep(&setting.data, &out, &[]))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    wait_until(|| out.join("run.json").exists());
    signal(&running, "HUP");
    assert_eq!(running.wait().unwrap().code(), Some(0));
    assert_eq!(record(&out)["status"], "complete");
}

#[test]
fn a_stopped_run_in_one_go_leaves_nothing() {
    let setting = Setting::new(24);
    let out = setting.path("deep/out");
    let more = [
        "--component",
        "query_output,key_output,value_output",
        "--unit",
        "h.pos",
        "--executor",
        "reference",
    ];
    let mut running = start(&crate::support::sweep(&out, &more));
    wait_until(|| out.join("run.json").exists());
    signal(&running, "TERM");
    assert_eq!(running.wait().unwrap().code(), Some(130));
    assert!(!setting.path("deep").exists());
}

#[test]
fn a_training_is_owned_too() {
    let setting = Setting::new(128);
    let out = setting.path("out");
    let long = PLAN.replace("epochs = 2", "epochs = 400");
    fs::write(&setting.plan, &long).unwrap();
    let arguments = setting.all(&out)[3].clone();
    let mut running = start(&refs(&arguments));
    wait_until(|| out.join("checkpoint.safetensors").exists());
    let said = refused(&refs(&arguments));
    assert!(said.contains("is in use"), "{said}");
    running.kill().unwrap();
    running.wait().unwrap();
    for other in setting.all(&out) {
        let said = refused(&refs(&other));
        assert!(said.contains("go on with it (vene train --resume"), "{said}");
    }
    let said = refused(&["sweep", "--resume", out.to_str().unwrap()]);
    assert!(said.contains("holds no sweep to go on with, but a training"), "{said}");
    // A checkpoint of which a bit flipped is named.
    let path = out.join("checkpoint.safetensors");
    let mut bytes = fs::read(&path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 0x10;
    fs::write(&path, bytes).unwrap();
    let said = refused(&["train", "--resume", out.to_str().unwrap()]);
    assert!(said.contains("checkpoint.safetensors") && said.contains("damaged"), "{said}");
    assert!(said.contains("delete it"), "{said}");
    assert_eq!(record(&out)["status"], "failed");
    fs::remove_file(&path).unwrap();
}

#[test]
fn one_file_is_written_by_one_process_and_not_over_another() {
    let folder = tempfile::tempdir().unwrap();
    let rows = folder.path().join("rows.jsonl");
    let activations = folder.path().join("new/spain.safetensors");
    let [rows_text, activations_text] = [&rows, &activations].map(|path| path.to_str().unwrap());
    let task = ["task", "capital", "-n", "2000", "--out", rows_text];
    let collect = ["collect", "--component", "mlp_output", "--out", activations_text, BASE, SOURCE];
    for (arguments, path) in [(&task[..], &rows), (&collect[..], &activations)] {
        let mut running: Vec<Child> = (0..4).map(|_| start(arguments)).collect();
        let codes: Vec<Option<i32>> =
            running.iter_mut().map(|running| running.wait().unwrap().code()).collect();
        assert_eq!(codes.iter().filter(|code| **code == Some(0)).count(), 1, "{codes:?}");
        assert!(codes.iter().all(|code| matches!(code, Some(0 | 2))), "{codes:?}");
        let written = fs::read(path).unwrap();
        let said = refused(arguments);
        assert!(said.contains("is there already") && said.contains("--force"), "{said}");
        fs::write(path, "mine").unwrap();
        refused(arguments);
        assert_eq!(fs::read(path).unwrap(), b"mine");
        printed(&[arguments, &["--force"]].concat());
        assert!(fs::read(path).unwrap() == written);
    }
    assert_eq!(files(folder.path()), ["new", "rows.jsonl"]);
    assert_eq!(files(&folder.path().join("new")), ["spain.safetensors"]);
    // Nothing but a file is replaced by one.
    let pipe = folder.path().join("pipe.jsonl");
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let said = refused(&["task", "capital", "--force", "--out", pipe.to_str().unwrap()]);
    assert!(said.contains("a pipe or a device is in its place"), "{said}");
}

#[test]
fn a_part_that_is_not_its_own_is_found() {
    let setting = Setting::new(120);
    let (_, out) = killed_sweep(&setting.data, &setting.path("out"), 2);
    let resume = ["sweep", "--resume", out.to_str().unwrap()];
    let part =
        |batch: usize, extension: &str| out.join(format!("parts/batch-{batch:05}.{extension}"));
    let bytes = |path: PathBuf| fs::read(path).unwrap();
    let found = |what: &str| {
        let said = refused(&resume);
        assert!(said.contains(what), "{said}");
        assert!(said.contains("batch-00001.parquet") && said.contains("delete"), "{said}");
        assert_ne!(record(&out)["status"], "complete");
    };
    let (own, note) = (bytes(part(1, "parquet")), bytes(part(1, "json")));
    fs::write(part(1, "parquet"), bytes(part(0, "parquet"))).unwrap();
    found("SHA-256");
    fs::write(part(1, "json"), bytes(part(0, "json"))).unwrap();
    found("of other rows");
    // A part of a run with another seed.
    let (_, other) = killed_sweep(&setting.data, &setting.path("other"), 2);
    for extension in ["parquet", "json"] {
        fs::copy(other.join(format!("parts/batch-00001.{extension}")), part(1, extension)).unwrap();
    }
    found("another run");
    fs::write(part(1, "parquet"), own).unwrap();
    fs::write(part(1, "json"), note).unwrap();
    // The advice is good.
    fs::remove_file(part(1, "parquet")).unwrap();
    printed(&resume);
    let whole = setting.path("whole");
    printed(&data_sweep(&setting.data, &whole, &crate::support::KILLED));
    assert!(bytes(whole.join("examples.parquet")) == bytes(out.join("examples.parquet")));
}

/// A bit that flips anywhere in what a sweep keeps gives an error, or the same numbers.
#[test]
fn flipped_bits_are_found() {
    let setting = Setting::new(64);
    let (_, out) = killed_sweep(&setting.data, &setting.path("out"), 1);
    let resume = ["sweep", "--resume", out.to_str().unwrap()];
    let kept = [
        out.join("run.json"),
        out.join("parts/batch-00000.parquet"),
        out.join("parts/batch-00000.json"),
    ];
    let mut found = 0;
    for path in &kept {
        let bytes = fs::read(path).unwrap();
        for flip in 0..30 {
            let mut flipped = bytes.clone();
            let at = flip * (bytes.len() - 1) / 29;
            flipped[at] ^= 1 << (flip % 8);
            fs::write(path, flipped).unwrap();
            let output = vene(&resume);
            let said = String::from_utf8_lossy(&output.stderr).into_owned();
            // Nothing there is without meaning: the digests are of every byte.
            assert_eq!(output.status.code(), Some(2), "{}, byte {at}: {said}", path.display());
            assert_eq!(said.lines().count(), 1, "{said}");
            assert!(said.contains(path.file_name().unwrap().to_str().unwrap()), "{said}");
            found += 1;
        }
        fs::write(path, bytes).unwrap();
    }
    assert_eq!(found, 90);
    printed(&resume);
}
