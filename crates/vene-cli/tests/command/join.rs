//! `--shard` and `vene join`: runs that are shared among machines.

use std::fs;
use std::path::{Path, PathBuf};

use safetensors::SafeTensors;

use crate::support::{files, printed, record, refused, task};

fn read(path: PathBuf) -> Vec<u8> {
    fs::read(path).unwrap()
}

/// Asserts that two runs wrote the same, but for their records and the notes of tensors.
fn assert_same(one: &Path, other: &Path) {
    assert_eq!(files(one), files(other));
    for name in files(one) {
        let bytes = || (read(one.join(&name)), read(other.join(&name)));
        match name.as_str() {
            "run.json" => {}
            "collected.safetensors" => {
                let (one, other) = bytes();
                let [one, other] =
                    [&one, &other].map(|bytes| SafeTensors::deserialize(bytes).unwrap());
                for (name, tensor) in one.tensors() {
                    assert!(tensor.data() == other.tensor(&name).unwrap().data(), "{name}");
                }
            }
            _ => {
                let (one, other) = bytes();
                assert!(one == other, "{name} is another one");
            }
        }
    }
}

/// A folder with rows, and what a line prints there.
fn setting(rows: usize) -> (tempfile::TempDir, impl Fn(&str) -> String, impl Fn(&str) -> String) {
    let folder = tempfile::tempdir().unwrap();
    task(&folder.path().join("rows.jsonl"), rows);
    let root = folder.path().to_str().unwrap().to_owned();
    let words = move |line: &str| -> Vec<String> {
        line.split_whitespace().map(|word| word.replace('@', &format!("{root}/"))).collect()
    };
    let again = words.clone();
    let run = |words: Vec<String>, run: fn(&[&str]) -> String| {
        run(&words.iter().map(String::as_str).collect::<Vec<_>>())
    };
    (folder, move |line| run(words(line), printed), move |line| run(again(line), refused))
}

const SWEEP: &str = "sweep --data @rows.jsonl --component block_output,mlp_output --layers 1..3 \
                     --positions subject_last,last --control self,shuffled --resamples 60";

#[test]
fn shards_of_a_sweep_make_the_whole() {
    let (folder, run, refused) = setting(50);
    run(&format!("{SWEEP} --out @whole"));
    for shard in 1..=3 {
        run(&format!("{SWEEP} --shard {shard}/3 --out @part-{shard}"));
    }
    let path = |name: &str| folder.path().join(name);
    assert_eq!(record(&path("part-2"))["shard"]["rows"], serde_json::json!([16, 33]));
    let said = refused("join @part-1 @part-3 --out @joined");
    assert!(said.contains("shards are missing: 2/3"), "{said}");
    let said = refused("join @part-1 @part-2 @part-3 @part-2 --out @joined");
    assert!(said.contains("shard 2/3 is there twice"), "{said}");
    let said = refused("join @whole --out @joined");
    assert!(said.contains("is no shard: it was run without --shard"), "{said}");
    run(&format!("{SWEEP} --seed 7 --shard 2/3 --out @other"));
    let said = refused("join @part-1 @other @part-3 --out @joined");
    assert!(said.contains("is no shard of the run in"), "{said}");
    assert!(!path("joined").join("run.json").exists());
    run("join @part-3 @part-1 @part-2 --out @joined");
    assert_same(&path("whole"), &path("joined"));
    assert_eq!(record(&path("joined"))["status"], "complete");
    assert_eq!(record(&path("joined"))["noise_floor"], record(&path("whole"))["noise_floor"]);
    let said = refused(&format!("{SWEEP} --shard 3/99 --out @no"));
    assert!(said.contains("50 shards at most"), "{said}");
    let said = refused(&format!("{SWEEP} --shard 4/3 --out @no"));
    assert!(said.contains("such as 3/16"), "{said}");
}

#[test]
fn shards_of_a_plan_make_the_whole() {
    let (folder, run, refused) = setting(40);
    let path = |name: &str| folder.path().join(name);
    let plan = "[[edit]]\nintervention = 'interchange'\ncomponent = 'block_output'\nlayer = '$l'\n\
                positions = { role = 'subject_last' }\n[grid]\nl = '0..3'\n\
                [[collect]]\ncomponent = 'mlp_output'\nlayer = 2\n\
                [read]\nprobabilities_of = [' Madrid']\n";
    fs::write(path("plan.toml"), plan).unwrap();
    let line = "run @plan.toml --data @rows.jsonl --model embedded --resamples 60";
    run(&format!("{line} --out @whole"));
    for shard in 1..=2 {
        run(&format!("{line} --shard {shard}/2 --out @part-{shard}"));
    }
    run("join @part-1 @part-2 --out @joined");
    assert_same(&path("whole"), &path("joined"));
    // The whole of a joined run is a run like any other.
    run("run @joined/run.json --out @again");
    assert_same(&path("whole"), &path("again"));
    let said = refused("join @part-1 @part-2 --out @joined");
    assert!(said.contains("--force"), "{said}");
}

/// Steers by a vector of a file.
const STEER: &str = "[[edit]]\nintervention = 'steering'\ncomponent = 'block_output'\nlayer = 2\n\
                     source = { file = 'vector.safetensors', tensor = 'block_output/2' }\n";

#[test]
fn what_a_plan_reads_from_files_must_be_the_same_in_all_parts_of_a_run() {
    let (folder, run, refused) = setting(8);
    let path = |name: &str| folder.path().join(name);
    fs::write(path("steer.toml"), STEER).unwrap();
    let collect = "collect --component block_output --layers 2 --positions last --force --out @vector.safetensors";
    let steer = "run @steer.toml --data @rows.jsonl --metric logit_difference";
    run(&format!("{collect} Madrid"));
    run(&format!("{steer} --shard 1/2 --out @part-1"));
    let named = record(&path("part-1"))["plan_files"].clone();
    assert_eq!(named["vector.safetensors"].as_str().unwrap().len(), 64);
    run(&format!("{collect} Rome"));
    run(&format!("{steer} --shard 2/2 --out @part-2"));
    let said = refused("join @part-1 @part-2 --out @joined");
    assert!(said.contains("a file that the plan names is not what it was"), "{said}");
    run(&format!("{collect} Madrid"));
    run(&format!("{steer} --shard 2/2 --out @part-2 --force"));
    run("join @part-1 @part-2 --out @joined");
}
