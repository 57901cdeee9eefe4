//! `vene run` and `vene evaluate`: plans over the rows of a data set.

use std::fs;
use std::path::{Path, PathBuf};

use safetensors::SafeTensors;
use vene::Table;

use crate::support::{
    files, kill, other_model, printed, record, refused, refused_without_model, task, vene,
};

const PATCH: &str = "[[edit]]\nintervention = 'interchange'\ncomponent = 'block_output'\nlayer = '$l'\n\
                     positions = { role = 'subject_last' }\n[grid]\nl = 'all'\n\
                     [read]\nprobabilities_of = [' Madrid', ' Rome']\n\
                     [[collect]]\ncomponent = 'mlp_output'\nlayer = [0, 2]\n";

/// A folder with rows and a plan.
struct Setting(tempfile::TempDir);

impl Setting {
    fn new(rows: usize) -> Self {
        let setting = Self(tempfile::tempdir().unwrap());
        task(&setting.path("rows.jsonl"), rows);
        setting.write("patch.toml", PATCH);
        setting
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn write(&self, name: &str, text: &str) {
        fs::write(self.path(name), text).unwrap();
    }

    /// The arguments of the plan over the rows, and more; words that begin with `@` are paths here.
    fn line(&self, line: &str) -> Vec<String> {
        let word = |word: &str| match word.strip_prefix('@') {
            Some(name) => self.path(name).to_str().unwrap().to_owned(),
            None => word.replace('~', " "),
        };
        line.split_whitespace().map(word).collect()
    }

    fn printed(&self, line: &str) -> String {
        let line = self.line(line);
        printed(&line.iter().map(String::as_str).collect::<Vec<_>>())
    }

    fn refused(&self, line: &str) -> String {
        let line = self.line(line);
        refused(&line.iter().map(String::as_str).collect::<Vec<_>>())
    }
}

const RUN: &str = "run @patch.toml --data @rows.jsonl --model embedded --resamples 60";

const WRITTEN: [&str; 5] =
    ["examples.parquet", "summary.parquet", "summary.csv", "receipts.parquet", "rows.parquet"];

fn read(path: PathBuf) -> Vec<u8> {
    fs::read(path).unwrap()
}

/// Asserts that two runs wrote the same tables and figures; tensors, but for their notes.
fn assert_same(one: &Path, other: &Path) {
    for name in WRITTEN {
        assert!(read(one.join(name)) == read(other.join(name)), "{name} of {}", other.display());
    }
    let figures: Vec<String> =
        files(one).into_iter().filter(|name| name.ends_with(".svg")).collect();
    assert!(!figures.is_empty());
    for name in figures {
        assert!(read(one.join(&name)) == read(other.join(&name)), "{name} of {}", other.display());
    }
    let [one, other] = [one, other].map(|folder| read(folder.join("collected.safetensors")));
    let [one, other] = [&one, &other].map(|bytes| SafeTensors::deserialize(bytes).unwrap());
    assert_eq!(one.len(), other.len());
    for (name, tensor) in one.tensors() {
        assert_eq!(tensor.shape(), other.tensor(&name).unwrap().shape(), "{name}");
        assert!(tensor.data() == other.tensor(&name).unwrap().data(), "{name}");
    }
}

#[test]
fn a_plan_over_rows_writes_what_it_says() {
    let setting = Setting::new(30);
    let said = setting.printed(&format!("{RUN} --metric logit_difference --out @out"));
    assert!(said.contains("interchange: 8 runs in 30 rows"), "{said}");
    assert!(
        said.contains("logit_difference: unedited -> edited") && said.contains("l 0"),
        "{said}"
    );
    let out = setting.path("out");
    let named = files(&out);
    for name in WRITTEN.iter().chain(&["collected.safetensors", "run.json", "effects-token-1.png"])
    {
        assert!(named.contains(&(*name).to_owned()), "{name} is not among {named:?}");
    }
    assert!(!out.join("parts").exists());
    let examples = Table::read_parquet(out.join("examples.parquet")).unwrap();
    assert_eq!(examples.rows(), 30 * 8 * 3);
    let summary = Table::read_parquet(out.join("summary.parquet")).unwrap();
    assert_eq!(summary.rows(), 8 * 3);
    // The last layer's stream at the subject reaches nothing.
    let effects = summary.optional_floats("mean").unwrap();
    assert!(effects[0].unwrap() < -3.0, "{effects:?}");
    let receipts = Table::read_parquet(out.join("receipts.parquet")).unwrap();
    assert_eq!(receipts.rows(), 30 * 8);
    let rows = Table::read_parquet(out.join("rows.parquet")).unwrap();
    assert_eq!(rows.rows(), 30);
    assert!(rows.text("base_tokens").is_err() && rows.optional_text("base_tokens").is_ok());
    let bytes = read(out.join("collected.safetensors"));
    let tensors = SafeTensors::deserialize(&bytes).unwrap();
    assert_eq!(tensors.len(), 8 * 2);
    assert_eq!(tensors.tensor("l 3/mlp_output/2").unwrap().shape(), [30, 1, 128]);
    let record = record(&out);
    assert_eq!(record["receipts"]["changed"], 30 * 8);
    assert_eq!(record["experiment"]["kind"], "plan");
    assert!(record["experiment"]["data"]["path"].as_str().unwrap().starts_with('/'));
}

/// The record of a run, and what it prints of itself, are the run once more; so is one that was killed and gone on with.
#[test]
fn an_experiment_is_a_value() {
    let setting = Setting::new(120);
    setting.printed(&format!("{RUN} --out @out"));
    let out = setting.path("out");
    setting.printed("run @out/run.json --out @again");
    assert_same(&out, &setting.path("again"));
    // From anywhere: paths in the record are absolute.
    let spec = setting.printed(&format!("{RUN} --print-spec"));
    setting.write("spec.toml", &spec);
    setting.printed("run @spec.toml --out @of-spec");
    assert_same(&out, &setting.path("of-spec"));
    assert_eq!(setting.printed("run @spec.toml --print-spec"), spec);
    // A budget of memory changes nothing.
    setting.printed(&format!("{RUN} --memory 4M --out @small"));
    assert_same(&out, &setting.path("small"));
    let line = setting.line(&format!("{RUN} --out @killed"));
    let killed = setting.path("killed");
    kill(&line.iter().map(String::as_str).collect::<Vec<_>>(), &killed, 2);
    let kept = files(&killed.join("parts")).len();
    assert!(kept >= 8, "{kept}");
    assert!(setting.refused(&format!("{RUN} --out @killed")).contains("vene run --resume"));
    setting.printed("run --resume @killed");
    assert_same(&out, &killed);
    assert!(setting.printed("run --resume @killed").contains("is complete"));
    assert_eq!(files(&out), files(&killed));
}

#[test]
fn what_a_file_says_is_set_aside_by_the_line() {
    let setting = Setting::new(12);
    setting.printed(&format!("{RUN} --metric none --set grid.l=[1] --out @one"));
    let summary = Table::read_parquet(setting.path("one/summary.parquet")).unwrap();
    assert_eq!(summary.rows(), 2);
    assert!(summary.integers("l").is_ok() || summary.optional_integers("l").is_ok());
    let said = setting.refused(&format!("{RUN} --set grid.m=[1]"));
    assert!(said.contains("no value in the plan is \"$m\""), "{said}");
    let said = setting.refused(&format!("{RUN} --metric logit_diference"));
    assert!(said.contains("did you mean `logit_difference`?"), "{said}");
    let line = setting.line("run @patch.toml --data @rows.jsonl");
    let said = refused_without_model(&line.iter().map(String::as_str).collect::<Vec<_>>());
    assert!(said.contains("no model is named") && said.contains("VENE_MODEL"), "{said}");
    let said = setting.refused("run @patch.toml --model embedded");
    assert!(said.contains("no rows to run on") && said.contains("--data"), "{said}");
    // By the file alone, paths beside it; without --out into a folder of its own.
    let text = format!("[model]\nid = 'embedded'\n[data]\npath = 'rows.jsonl'\nrows = 5\n{PATCH}");
    setting.write("whole.toml", &text);
    let output = crate::support::command()
        .current_dir(setting.path(""))
        .args(["run", "whole.toml"])
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let named = files(&setting.path("vene-out"));
    assert!(named.len() == 1 && named[0].starts_with("whole-2"), "{named:?}");
    let examples = setting.path("vene-out").join(&named[0]).join("examples.parquet");
    assert_eq!(Table::read_parquet(examples).unwrap().rows(), 5 * 8 * 3);
    // A pair is a data set of one row; without answers what is read is measured.
    let pair = "[data]\nbase = 'The capital of Spain is'\nsources = ['The capital of Italy is']\n";
    let plan = PATCH
        .replace("{ role = 'subject_last' }", "{ phrase = 'Spain' }\nfrom = { phrase = 'Italy' }");
    setting.write("pair.toml", &format!("{pair}{plan}"));
    let said = setting.printed("run @pair.toml --model embedded --out @pair");
    assert!(said.contains("probability of ` Madrid`"), "{said}");
    // The reference executor says the same.
    setting.printed(&format!("{RUN} --metric logit_difference --executor reference --out @slow"));
    setting.printed(&format!("{RUN} --metric logit_difference --out @fast"));
    let [slow, fast] = ["slow", "fast"]
        .map(|name| Table::read_parquet(setting.path(name).join("examples.parquet")).unwrap());
    for (one, other) in slow.floats("value").unwrap().iter().zip(fast.floats("value").unwrap()) {
        assert!((one - other).abs() < 1e-3, "{one}, {other}");
    }
    let said = setting.refused(&format!("{RUN} --memory 1 --out @tiny"));
    assert!(said.contains("memory") && !setting.path("tiny/run.json").exists(), "{said}");
}

/// A plan's file that names files beside it, and one that was made for another model.
#[test]
fn plans_of_another_model_say_so() {
    let setting = Setting::new(40);
    other_model(&setting.path("other"));
    let das = "[[edit]]\ncomponent = 'block_output'\nlayer = 2\npositions = { role = 'subject_last' }\n\
               intervention = { name = 'low_rank_rotated_space', rank = 4 }\n[train]\nepochs = 1\n";
    setting.write("das.toml", das);
    setting.printed("train @das.toml --data @rows.jsonl --out @das");
    let line = "run @das/trained --data @rows.jsonl --model @other";
    assert!(setting.refused(&format!("{line} --out @no")).contains("--another-model"));
    setting.printed(&format!("{line} --another-model --out @yes"));
    // A trained plan names its own model, and the data that it was made of.
    setting.printed("run @das --data @rows.jsonl --out @own");
    let [own, other] = ["own", "yes"]
        .map(|name| Table::read_parquet(setting.path(name).join("examples.parquet")).unwrap());
    assert_ne!(own.floats("value").unwrap(), other.floats("value").unwrap());
}

/// What `vene train` tells of its held-out rows, `vene evaluate` tells of the same rows.
#[test]
fn an_evaluation_is_that_of_the_training() {
    let setting = Setting::new(80);
    let das = "[[edit]]\ncomponent = 'block_output'\nlayer = 2\npositions = { role = 'subject_last' }\n\
               intervention = { name = 'low_rank_rotated_space', rank = 8 }\n\
               [train]\nepochs = 4\nlearning_rate = 0.01\n";
    setting.write("das.toml", das);
    setting.printed("train @das.toml --data @rows.jsonl --out @das");
    let trained = record(&setting.path("das"))["result"].clone();
    let held_out: Vec<usize> = serde_json::from_value(trained["held_out_rows"].clone()).unwrap();
    let rows = fs::read_to_string(setting.path("rows.jsonl")).unwrap();
    let rows: Vec<&str> = rows.lines().collect();
    let chosen: Vec<&str> = held_out.iter().map(|&row| rows[row]).collect();
    setting.write("held-out.jsonl", &(chosen.join("\n") + "\n"));
    let said = setting.printed("evaluate @das/trained --data @held-out.jsonl --out @evaluated");
    let evaluation = record(&setting.path("evaluated"))["evaluation"].clone();
    let close = |one: &serde_json::Value, other: &serde_json::Value| {
        let (one, other) = (one.as_f64().unwrap(), other.as_f64().unwrap());
        assert!((one - other).abs() < 1e-6, "{one}, not {other}: {said}");
    };
    for key in ["loss", "accuracy"] {
        close(&evaluation["trained"][key], &trained["held_out"][key]);
        close(&evaluation["random directions"][key], &trained["control"][key]);
    }
    // The table's accuracy is the training's.
    let summary = Table::read_parquet(setting.path("evaluated/summary.parquet")).unwrap();
    let (variant, metric) = (summary.text("variant").unwrap(), summary.text("metric").unwrap());
    let row = (0..summary.rows())
        .find(|&row| variant[row] == "trained" && metric[row] == "accuracy")
        .unwrap();
    let mean = summary.optional_floats("mean").unwrap()[row].unwrap();
    let accuracy = summary.floats("base").unwrap()[row] + mean;
    close(&accuracy.into(), &trained["held_out"]["accuracy"]);
    assert!(said.contains("whole activation") && said.contains("the model on bases"), "{said}");
    let whole = &evaluation["whole activation"]["accuracy"];
    assert!(whole.as_f64().unwrap() >= trained["held_out"]["accuracy"].as_f64().unwrap());
    // The record is the evaluation once more.
    setting.printed("run @evaluated/run.json --out @again");
    let again = setting.path("again/examples.parquet");
    assert!(read(again) == read(setting.path("evaluated/examples.parquet")));
    let said = setting.refused("evaluate @patch.toml --data @rows.jsonl --model embedded");
    assert!(said.contains("one trained plan is evaluated"), "{said}");
    let output = vene(&["evaluate", "--help"]);
    assert!(String::from_utf8_lossy(&output.stdout).contains("interchange-intervention accuracy"));
}

/// What a command makes of its arguments is a file's experiment: printed, run from the file, and run again from its record
/// it is the same to the byte.
#[test]
fn commands_make_values_of_their_arguments() {
    let setting = Setting::new(40);
    setting.write(
        "das.toml",
        "[[edit]]\ncomponent = 'block_output'\nlayer = 2\npositions = { role = 'subject_last' }\n\
         intervention = { name = 'low_rank_rotated_space', rank = 4 }\n[train]\nepochs = 1\nlearning_rate = 0.02\n",
    );
    let pair = "sweep --base The~capital~of~Spain~is --source The~capital~of~Italy~is --token ~Madrid \
                --component mlp_output --layers 0..3";
    let rows = "sweep --data @rows.jsonl --component mlp_output --layers 0..3 --positions subject_last,last \
                --direction both --resamples 60";
    let train = "train @das.toml --data @rows.jsonl --together bases";
    for (name, line) in [("pair", pair), ("rows", rows), ("train", train)] {
        let spec = setting.printed(&format!("{line} --print-spec"));
        setting.write(&format!("{name}.toml"), &spec);
        assert_eq!(setting.printed(&format!("run @{name}.toml --print-spec")), spec);
        let printed = setting.printed(&format!("{line} --print-spec --json"));
        assert_eq!(printed, setting.printed(&format!("run @{name}.toml --print-spec --json")));
        setting.printed(&format!("{line} --out @{name}"));
        setting.printed(&format!("run @{name}.toml --out @{name}-of-spec"));
        setting.printed(&format!("run @{name}/run.json --out @{name}-again"));
        let folder = setting.path(name);
        for other in ["of-spec", "again"] {
            let other = setting.path(&format!("{name}-{other}"));
            assert_eq!(files(&folder), files(&other));
            for file in files(&folder) {
                if file == "trained" {
                    let learned =
                        |folder: &Path| read(folder.join("trained/interventions.safetensors"));
                    assert!(
                        learned(&folder) == learned(&other),
                        "{name}: other values were learned"
                    );
                } else if file != "run.json" {
                    assert!(read(folder.join(&file)) == read(other.join(&file)), "{name}: {file}");
                }
            }
        }
    }
    // What is printed, and what is one file.
    let generate = "generate --json --seed 3 --max-new-tokens 5 The~capital~of~Spain~is";
    let spec = setting
        .printed("generate --print-spec --seed 3 --max-new-tokens 5 The~capital~of~Spain~is");
    setting.write("generate.toml", &spec);
    let said = |line: &str| setting.printed(line);
    assert_eq!(said(generate), said("run @generate.toml --json"));
    let collect = "collect --component block_output --layers 1,2 --positions subject_last,last --data @rows.jsonl --pad";
    let spec = setting.printed(&format!("{collect} --out @a.npz --print-spec"));
    assert!(spec.contains("[[collect]]") && !setting.path("a.npz").exists(), "{spec}");
    setting.write("collect.toml", &spec);
    setting.printed(&format!("{collect} --out @a.npz"));
    setting.printed("run @collect.toml --out @b.npz");
    assert!(read(setting.path("a.npz")) == read(setting.path("b.npz")));
    assert!(read(setting.path("a.rows.parquet")) == read(setting.path("b.rows.parquet")));
    // What a kind has no use for is refused, by whoever said it.
    let said = setting.refused("run @train.toml --metric accuracy --shard 1/2 --out @no");
    assert!(said.contains("--metric would change nothing") || said.contains("--shard"), "{said}");
    let said = setting.refused("run @generate.toml --shard 1/2 --out @no");
    assert!(said.contains("--shard would change nothing in a generation"), "{said}");
    setting.write("bad.toml", &(spec_of(&setting, rows) + "[generate]\ntokens = 3\n"));
    setting.printed("run @bad.toml --dry-run");
    setting.write("bad.toml", &spec_of(&setting, rows).replace("[sweep]", "[sweep]\nfactor = 2.0"));
    let said = setting.refused("run @bad.toml --out @no");
    assert!(said.contains("`factor` in [sweep] of the plan would change nothing"), "{said}");
    assert!(!setting.path("no").join("run.json").exists());
}

fn spec_of(setting: &Setting, line: &str) -> String {
    setting.printed(&format!("{line} --print-spec"))
}
