//! No memory left is an error like any other: one line, exit code 2.

use std::process::Command;

use crate::support::{BASE, data_sweep, peak, record, task};

/// What becomes of a job with so many MiB of addresses.
fn limited(mebibytes: usize, job: &[&str]) -> (Option<i32>, String) {
    let output = Command::new("sh")
        .args(["-c", &format!("ulimit -v {}; exec \"$0\" \"$@\"", mebibytes << 10)])
        .env("VENE_MODEL", "embedded")
        .arg(assert_cmd::cargo::cargo_bin("vene"))
        .args(job)
        .output()
        .unwrap();
    (output.status.code(), String::from_utf8(output.stderr).unwrap())
}

/// The least that is enough for a job, in steps of 16 MiB.
fn enough(job: &[&str]) -> usize {
    (1..).map(|step| step * 16).find(|&size| limited(size, job).0 == Some(0)).unwrap()
}

#[test]
fn too_little_memory_ends_in_a_line() {
    let job = ["top", BASE, "--threads", "2"];
    // With enough of it the job runs; the program alone takes some.
    let enough = enough(&job);
    let mut refused = 0;
    for step in 0..12 {
        let size = enough - step * 4;
        match limited(size, &job) {
            (Some(0), _) => {}
            (Some(2), said) => {
                assert!(said.contains("error: ") && said.contains("memory"), "{size} MiB: {said}");
                assert!(!said.contains("panicked"), "{size} MiB: {said}");
                refused += 1;
            }
            // The system can't even start the program.
            (_, said) => {
                assert!(!said.contains("memory allocation of"), "{size} MiB: {said}");
                break;
            }
        }
    }
    assert!(refused > 0, "every size was enough or too little to start");
}

#[test]
fn a_run_without_memory_is_recorded_as_failed() {
    let folder = tempfile::tempdir().unwrap();
    let (rows, out) = (folder.path().join("rows.jsonl"), folder.path().join("out"));
    task(&rows, 24);
    let job = [&data_sweep(&rows, &out, &["--threads", "2", "--force"])[..]].concat();
    let enough = enough(&job);
    let mut failed = 0;
    for step in 1..10 {
        std::fs::remove_dir_all(&out).unwrap_or_default();
        let size = enough - step * 8;
        let (code, said) = limited(size, &job);
        if code == Some(0) {
            continue;
        }
        assert!(!said.contains("panicked"), "{size} MiB: {code:?} {said}");
        if code != Some(2) {
            // The system can't even start the program.
            break;
        }
        if said.contains("there is no memory left") && out.join("run.json").exists() {
            let record = record(&out);
            assert_eq!(record["status"], "failed", "{size} MiB: {said} {record}");
            assert_eq!(record["error"], "there was no memory left");
            assert!(!out.join(".vene-lock").exists());
            failed += 1;
        }
    }
    assert!(failed > 0, "no size was enough to begin, and too little to end");
}

/// Nor those that only a training starts.
#[test]
fn threads_of_a_training_that_cannot_be_started_are_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let (rows, plan) = (folder.path().join("rows.jsonl"), folder.path().join("das.toml"));
    task(&rows, 24);
    let text = "[[edit]]\ncomponent = 'block_output'\nlayer = 2\nintervention = { name = 'rotated_space' }\n\
                [train]\nepochs = 1\n";
    std::fs::write(&plan, text).unwrap();
    let out = folder.path().join("out");
    let paths = [&plan, &rows, &out].map(|path| path.to_str().unwrap());
    let job =
        ["train", paths[0], "--data", paths[1], "--out", paths[2], "--force", "--threads", "120"];
    // Each thread takes 2 MiB of addresses, so that the first pool has room and the second has not.
    let enough = enough(&job);
    let mut refused = 0;
    for step in 1..8 {
        let (code, said) = limited(enough - step * 48, &job);
        assert!(!said.contains("panicked"), "{said}");
        assert!(matches!(code, Some(0 | 2)), "{code:?} {said}");
        refused += usize::from(said.contains("which a training needs"));
    }
    assert!(refused > 0);
}

#[test]
fn threads_that_cannot_be_started_are_an_error() {
    // Each takes 2 MiB of addresses.
    let (code, said) = limited(1000, &["top", BASE, "--threads", "1000"]);
    assert_eq!(code, Some(2), "{said}");
    assert!(
        said.contains("threads cannot be started") || said.contains("no memory left"),
        "{said}"
    );
    assert!(!said.contains("panicked"), "{said}");
}

/// Whatever the number of rows, what a run takes beside the program and its weights is the budget, and 64 MB at most.
#[test]
fn a_budget_is_held_whatever_the_number_of_rows() {
    const BUDGET: u64 = 48 << 20;
    const SPARE: u64 = 64_000_000;
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let das = "[[edit]]\ncomponent = 'block_output'\nlayer = 2\npositions = { role = 'subject_last' }\n\
               intervention = { name = 'low_rank_rotated_space', rank = 4 }\n[train]\nepochs = 1\nbatch = 128\n";
    let patch = "[[edit]]\nintervention = 'interchange'\ncomponent = 'block_output'\nlayer = '$l'\n\
                 positions = { role = 'subject_last' }\n[grid]\nl = [1, 4]\n\
                 [[collect]]\ncomponent = 'mlp_output'\nlayer = 'all'\n";
    std::fs::write(path("das.toml"), das).unwrap();
    std::fs::write(path("patch.toml"), patch).unwrap();
    let few = path("few.jsonl");
    task(few.as_ref(), 100);
    // Ten thousand rows of the same texts: what is kept of a row is kept a hundred times.
    let text = std::fs::read_to_string(&few).unwrap();
    std::fs::write(path("many.jsonl"), text.repeat(100)).unwrap();
    // The program with its weights, and next to nothing done.
    let least = peak(&["top", BASE]);
    let lines = [
        "sweep --component block_output --layers 2 --positions last --resamples 40",
        "sweep --component mlp_output --layers 1..3 --positions last --intervention mean --resamples 40",
        "run @patch.toml --model embedded --resamples 40",
        "train @das.toml",
    ];
    for (index, line) in lines.iter().enumerate() {
        for rows in ["few", "many"] {
            let data = path(&format!("{rows}.jsonl"));
            let out = path(&format!("{index}-{rows}"));
            let mut words: Vec<String> =
                line.split(' ').map(|word| word.replace('@', &path(""))).collect();
            let more = ["--data", &data, "--out", &out, "--memory", &BUDGET.to_string()];
            words.extend(more.map(str::to_owned));
            let words: Vec<&str> = words.iter().map(String::as_str).collect();
            let more = peak(&words).saturating_sub(least);
            println!("{line}, {rows}: {} MB", more / 1_000_000);
            assert!(
                more <= BUDGET + SPARE,
                "{line}, {rows}: {} MB beside weights, where {} may be",
                more / 1_000_000,
                (BUDGET + SPARE) / 1_000_000
            );
        }
    }
}
