//! Collections and generations in folders of their own: repeated by their records, resumed, shared among machines; and what
//! every table says of its run.

use std::fs;
use std::path::{Path, PathBuf};

use safetensors::SafeTensors;
use vene::Table;

use crate::support::{BASE, files, printed, record, refused, signal, task, wait_until};

/// A folder with rows, and a way to run lines there: `@` stands for it, `~` for a space within a word.
struct Setting {
    folder: tempfile::TempDir,
}

impl Setting {
    fn new(rows: usize) -> Self {
        let folder = tempfile::tempdir().unwrap();
        task(&folder.path().join("rows.jsonl"), rows);
        Self { folder }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn words(&self, line: &str) -> Vec<String> {
        let root = format!("{}/", self.folder.path().display());
        let word = |word: &str| word.replace('@', &root).replace('~', " ");
        line.split_whitespace().map(word).collect()
    }

    fn run(&self, line: &str) -> String {
        let words = self.words(line);
        printed(&words.iter().map(String::as_str).collect::<Vec<_>>())
    }

    fn refused(&self, line: &str) -> String {
        let words = self.words(line);
        refused(&words.iter().map(String::as_str).collect::<Vec<_>>())
    }

    /// Asserts that two runs wrote the same bytes, but for their records.
    #[track_caller]
    fn assert_same(&self, one: &str, other: &str) {
        let (one, other) = (self.path(one), self.path(other));
        assert_eq!(files(&one), files(&other));
        for name in files(&one).iter().filter(|name| *name != "run.json") {
            let same = fs::read(one.join(name)).unwrap() == fs::read(other.join(name)).unwrap();
            assert!(same, "{name} is another one");
        }
    }
}

const EDIT: &str = "[[edit]]\nintervention = 'interchange'\ncomponent = 'block_output'\nlayer = 1\n\
                    positions = { role = 'subject_last' }\n";

#[test]
fn a_collection_is_run_again_by_its_record_and_shared_among_machines() {
    let setting = Setting::new(40);
    fs::write(setting.path("plan.toml"), EDIT).unwrap();
    let line = "collect --component mlp_output,attention_weight --layers 2,5 --pad --plan @plan.toml \
                --data @rows.jsonl --model embedded";
    let said = setting.run(&format!("{line} --out @whole"));
    assert!(
        said.contains("collected.safetensors, rows.parquet, receipts.parquet, run.json"),
        "{said}"
    );
    let made = record(&setting.path("whole"));
    assert_eq!((&made["kind"], &made["status"]), (&"collection".into(), &"complete".into()));
    setting.run("run @whole/run.json --out @again");
    setting.assert_same("whole", "again");
    // A finished run is not replaced unasked.
    assert!(setting.refused(&format!("{line} --out @whole")).contains("--force"));
    for shard in 1..=3 {
        setting.run(&format!("{line} --shard {shard}/3 --out @part-{shard}"));
    }
    setting.run("join @part-2 @part-1 @part-3 --out @joined");
    let whole = fs::read(setting.path("whole/collected.safetensors")).unwrap();
    let joined = fs::read(setting.path("joined/collected.safetensors")).unwrap();
    assert!(whole == joined, "the joined tensors are others");
    setting.assert_same("whole", "joined");
    // What one file holds is the same.
    setting.run(&format!("{line} --out @one.safetensors"));
    let one = fs::read(setting.path("one.safetensors")).unwrap();
    let [one, whole] = [&one, &whole].map(|bytes| SafeTensors::deserialize(bytes).unwrap());
    assert_eq!(one.names().len(), 5);
    for (name, tensor) in whole.tensors() {
        assert_eq!(tensor.shape()[0], 40);
        assert!(one.tensor(&name).unwrap().data() == tensor.data(), "{name}");
    }
    let said = setting.refused(&format!("{line} --shard 1/2 --out @two.npz"));
    assert!(said.contains("--shard would change nothing") && said.contains("folder"), "{said}");
    let said = setting.refused(&format!("{line} --out @one.txt"));
    assert!(said.contains("name it") && said.contains("one.safetensors"), "{said}");
}

#[test]
fn a_collection_that_was_stopped_goes_on() {
    let setting = Setting::new(400);
    let line = "collect --component block_output,attention_weight --pad --data @rows.jsonl --model embedded";
    setting.run(&format!("{line} --out @whole"));
    let words = setting.words(&format!("{line} --threads 1 --out @out"));
    let mut running = crate::support::process()
        .args(&words)
        .stdout(std::process::Stdio::null())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let notes = || {
        let names = files(&setting.path("out/parts"));
        names.iter().filter(|name| name.ends_with(".json")).count()
    };
    wait_until(|| notes() >= 1 || running.try_wait().unwrap().is_some());
    signal(&running, "INT");
    let ended = running.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&ended.stderr);
    if ended.status.success() {
        // The machine is faster than the signal.
        return;
    }
    assert!(said.contains("go on with it: vene run --resume"), "{said}");
    assert_eq!(record(&setting.path("out"))["status"], "stopped");
    setting.run("run --resume @out");
    setting.assert_same("whole", "out");
}

/// Of a token what the pass showed that it was drawn from: as a collection has it of the whole text.
#[test]
fn activations_of_generated_tokens_are_kept() {
    let setting = Setting::new(1);
    let line = "generate --collect mlp_output,final_norm --layers 3 --max-new-tokens 4 --out @text \
                The~capital~of~Spain~is";
    let said = setting.run(line);
    assert!(
        said.starts_with(BASE) && said.contains("tokens.parquet, collected.safetensors"),
        "{said}"
    );
    let text = said.lines().next().unwrap().to_owned();
    let table = Table::read_parquet(setting.path("text/tokens.parquet")).unwrap();
    let rows = table.rows();
    assert!((2..=4).contains(&rows), "{table}");
    assert_eq!(table.integers("position").unwrap()[..2], [4, 5]);
    assert_eq!(table.text("token").unwrap()[..rows - 1], table.text("read_token").unwrap()[1..]);
    let bytes = fs::read(setting.path("text/collected.safetensors")).unwrap();
    let kept = SafeTensors::deserialize(&bytes).unwrap();
    assert_eq!(kept.tensor("mlp_output/3").unwrap().shape(), [rows, 1, 128]);
    assert_eq!(kept.names().len(), 2);
    let whole = text.replace(' ', "~");
    let at: Vec<String> = (4..4 + rows).map(|position| position.to_string()).collect();
    setting.run(&format!(
        "collect --component mlp_output,final_norm --layers 3 --positions {} --out @whole.safetensors {whole}",
        at[..rows - 1].join(",")
    ));
    let bytes = fs::read(setting.path("whole.safetensors")).unwrap();
    let whole = SafeTensors::deserialize(&bytes).unwrap();
    let floats = |bytes: &[u8]| -> Vec<f32> {
        bytes.chunks_exact(4).map(|four| f32::from_le_bytes(four.try_into().unwrap())).collect()
    };
    for name in ["mlp_output/3", "final_norm"] {
        let found = floats(kept.tensor(name).unwrap().data());
        let right = floats(whole.tensor(name).unwrap().data());
        assert!(right.len() >= 128);
        for (found, right) in found.iter().zip(&right) {
            assert!(
                (found - right).abs() <= 1e-4 * (1.0 + right.abs()),
                "{name}: {found}, {right}"
            );
        }
    }
    setting.run("run @text/run.json --out @again");
    setting.assert_same("text", "again");
    assert!(setting.refused(line).contains("is complete"));
    let said =
        setting.refused("generate --collect attention_weight --out @no The~capital~of~Spain~is");
    assert!(said.contains("attention_weight") && said.contains("[head, query, key]"), "{said}");
    assert!(!setting.path("no").exists());
}

/// Samples that end at different steps, edited and not: a row a token, in the table's order.
#[test]
fn samples_of_a_generation_are_told_apart() {
    let setting = Setting::new(1);
    let plan = "[[edit]]\nintervention = { name = 'scaling', factor = 3.0 }\ncomponent = 'mlp_output'\n\
                layer = 6\nwhen = 'every_step'\n[[collect]]\ncomponent = 'final_norm'\n";
    fs::write(setting.path("plan.toml"), plan).unwrap();
    setting.run(
        "generate --plan @plan.toml --with-original --model embedded --num-samples 3 --temperature 2 \
         --max-new-tokens 9 --out @texts The~capital~of~Spain~is",
    );
    let table = Table::read_parquet(setting.path("texts/tokens.parquet")).unwrap();
    let result = record(&setting.path("texts"))["result"].clone();
    let count = |key: &str| -> usize {
        let texts = result[key].as_array().unwrap().iter();
        texts.map(|text| text["tokens"].as_array().unwrap().len()).sum()
    };
    let edited = table.text("text").unwrap().iter().filter(|text| **text == "edited").count();
    assert_eq!((edited, table.rows() - edited), (count("continuations"), count("originals")));
    let bytes = fs::read(setting.path("texts/collected.safetensors")).unwrap();
    let kept = SafeTensors::deserialize(&bytes).unwrap();
    let norm = kept.tensor("final_norm").unwrap();
    assert_eq!(norm.shape(), [table.rows(), 1, 128]);
    // All samples begin with the pass over the prompt, edited or not.
    let steps = table.integers("step").unwrap();
    let row = |row: usize| &norm.data()[row * 512..(row + 1) * 512];
    let firsts: Vec<usize> = (0..table.rows()).filter(|&row| steps[row] == 0).collect();
    assert_eq!(firsts.len(), 6);
    assert!(row(firsts[0]) == row(firsts[1]) && row(firsts[3]) == row(firsts[5]));
    assert!(row(firsts[0]) != row(firsts[3]));
}

#[test]
fn shards_of_a_grid_over_one_row_share_its_runs() {
    let setting = Setting::new(1);
    let plan = "[data]\nbase = 'The capital of Spain is'\nsources = ['The capital of Italy is']\n\
                target = [' Madrid']\nfoil = [' Rome']\nspans = { subject = 'Spain' }\n\
                source_spans = { subject = 'Italy' }\n[grid]\nl = 'all'\n[[collect]]\n\
                component = 'mlp_output'\nlayer = 7\n";
    let edit = EDIT.replace("layer = 1", "layer = '$l'");
    fs::write(setting.path("plan.toml"), format!("{plan}{edit}")).unwrap();
    let line = "run @plan.toml --model embedded --resamples 60";
    setting.run(&format!("{line} --out @whole"));
    for shard in 1..=3 {
        setting.run(&format!("{line} --shard {shard}/3 --out @part-{shard}"));
    }
    assert_eq!(record(&setting.path("part-2"))["shard"]["runs"], serde_json::json!([2, 5]));
    setting.run("join @part-1 @part-2 @part-3 --out @joined");
    assert_eq!(
        record(&setting.path("whole"))["noise_floor"],
        record(&setting.path("joined"))["noise_floor"]
    );
    setting.assert_same("whole", "joined");
    let said = setting.refused(&format!("{line} --shard 1/9 --out @no"));
    assert!(said.contains("there are 8 runs of the grid over the only row"), "{said}");
}

/// What was found in one half of the rows is shown by the other, in plans as in sweeps.
#[test]
fn a_plan_is_split_into_discovery_and_evaluation() {
    let setting = Setting::new(30);
    fs::write(setting.path("plan.toml"), EDIT).unwrap();
    let line = "run @plan.toml --data @rows.jsonl --model embedded --resamples 60";
    let said = setting.run(&format!("{line} --set statistics.discovery=0.5 --out @split"));
    assert!(said.contains("(discovery)") && said.contains("(evaluation)"), "{said}");
    let summary = Table::read_parquet(setting.path("split/summary.parquet")).unwrap();
    assert_eq!(summary.text("split").unwrap(), ["discovery", "evaluation"]);
    let counts = summary.integers("n").unwrap();
    assert_eq!(counts.iter().sum::<i64>(), 30);
    let said = setting.refused(&format!("{line} --set statistics.together=groups --out @no"));
    assert!(said.contains("`together` in [statistics]") && said.contains("`discovery`"), "{said}");
    // What is said on the line for another command is not passed over.
    let said = setting.refused(&format!("{line} --set train.epochs=3 --out @no"));
    assert!(
        said.contains("`epochs` in [train]") && said.contains("would change nothing"),
        "{said}"
    );
}

#[test]
fn all_positions_of_rows_that_are_equally_long() {
    let setting = Setting::new(20);
    let row = |country: &str, other: &str, target: &str, foil: &str| {
        format!(
            r#"{{"base": "The capital of {country} is", "source": "The capital of {other} is", "target": " {target}", "foil": " {foil}"}}"#
        )
    };
    let rows = [row("Spain", "Italy", "Madrid", "Rome"), row("Italy", "Spain", "Rome", "Madrid")];
    fs::write(setting.path("equal.jsonl"), rows.join("\n")).unwrap();
    let line = "sweep --component block_output --layers 3 --resamples 60 --model embedded --data";
    setting.run(&format!("{line} @equal.jsonl --positions all --out @all"));
    setting.run(&format!("{line} @equal.jsonl --positions 0..5 --out @numbers"));
    let read = |name: &str| fs::read_to_string(setting.path(name).join("summary.csv")).unwrap();
    assert_eq!(read("all"), read("numbers"));
    assert_eq!(read("all").lines().count(), 6);
    let said = setting.refused(&format!("{line} @rows.jsonl --positions all --out @no"));
    assert!(
        said.contains("equally long") && said.contains("tokens") && said.contains("0.."),
        "{said}"
    );
    let said = setting.refused(&format!("{line} @equal.jsonl --positions all,last --out @no"));
    assert!(said.contains("`all` stands alone"), "{said}");
}

/// Every Parquet file under a folder.
fn tables(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(tables(&path));
        } else if path.extension().is_some_and(|ending| ending == "parquet") {
            found.push(path);
        }
    }
    found
}

#[test]
fn every_table_says_of_which_run_and_model_it_is() {
    let setting = Setting::new(30);
    fs::write(setting.path("plan.toml"), format!("{EDIT}[[collect]]\ncomponent = 'final_norm'\n"))
        .unwrap();
    let low_rank =
        EDIT.replace("'interchange'", "{ name = 'low_rank_rotated_space', rank = '$r' }");
    let grid = format!("{low_rank}[grid]\nr = [2, 4]\n[train]\nepochs = 1\n");
    fs::write(setting.path("das.toml"), grid).unwrap();
    let data = "--data @rows.jsonl --model embedded";
    for line in [
        "demo --out @runs/demo".to_owned(),
        format!("sweep --component block_output --layers 2 {data} --out @runs/sweep"),
        format!("run @plan.toml {data} --out @runs/plan"),
        format!("train @das.toml {data} --out @runs/trained"),
        format!("collect --component final_norm --positions last {data} --out @runs/collected"),
        format!("collect --component final_norm --positions last {data} --out @runs/one.npy"),
        "generate --max-new-tokens 2 --out @runs/text The~capital~of~Spain~is".to_owned(),
    ] {
        setting.run(&line);
    }
    let tables = tables(&setting.path("runs"));
    let names: Vec<String> = tables.iter().map(|path| path.display().to_string()).collect();
    assert_eq!(tables.len(), 1 + 2 + 4 + 1 + 1 + 1 + 1, "{names:#?}");
    for path in tables {
        let table = Table::read_parquet(&path).unwrap();
        let note = |key: &str| {
            let note = table.metadata().get(&format!("vene.{key}"));
            note.unwrap_or_else(|| panic!("{}: no {key}", path.display())).clone()
        };
        assert_eq!(note("spec_sha256").len(), 64);
        assert!(note("model").contains("sha256"), "{}", note("model"));
        assert!(note("spec").contains("\"kind\""), "{}", note("spec"));
    }
}

#[test]
fn where_nothing_is_left_of_a_run_that_is_stopped_that_is_said() {
    let setting = Setting::new(1);
    let line = "sweep --base The~capital~of~Spain~is --source The~capital~of~Italy~is --token ~Madrid --component \
                query_output,key_output,value_output --unit h.pos --executor reference --out @out";
    let running = crate::support::process()
        .args(setting.words(line))
        .stdout(std::process::Stdio::null())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    wait_until(|| setting.path("out/run.json").exists());
    signal(&running, "INT");
    let ended = running.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&ended.stderr);
    assert_eq!(ended.status.code(), Some(130), "{said}");
    assert!(said.contains("is run in one go, and nothing of it is kept: run it again"), "{said}");
    assert_eq!(files(&setting.path("out")), [] as [String; 0]);
}
