//! `vene train` of a plan with a grid.

use std::fs;
use std::path::{Path, PathBuf};

use vene::Table;

use crate::support::{files, printed, process, record, refused, task};

const PLAN: &str = "[[edit]]\ncomponent = 'block_output'\nlayer = '$layer'\npositions = { role = '$positions' }\n\
                    intervention = { name = 'low_rank_rotated_space', rank = 4 }\n\
                    [grid]\nlayer = [1, 2]\npositions = ['subject_last', 'last:2']\n\
                    [train]\nepochs = 2\nlearning_rate = 0.01\n";

const OF_GRID: [&str; 8] = [
    "accuracy.png",
    "accuracy.svg",
    "curves.png",
    "curves.svg",
    "run.json",
    "runs",
    "summary.csv",
    "summary.parquet",
];

/// What a training learned, to the byte.
const LEARNED: [&str; 3] =
    ["trained/plan.json", "trained/interventions.safetensors", "training.csv"];

struct Setting(tempfile::TempDir);

impl Setting {
    fn new() -> Self {
        let setting = Self(tempfile::tempdir().unwrap());
        task(&setting.path("rows.jsonl"), 60);
        setting.write("grid.toml", PLAN);
        setting
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn write(&self, name: &str, text: &str) {
        fs::write(self.path(name), text).unwrap();
    }

    fn arguments(&self, plan: &str, out: &str, more: &[&str]) -> Vec<String> {
        let text = |name: &str| self.path(name).to_str().unwrap().to_owned();
        let mut line = vec!["train".to_owned(), text(plan)];
        line.extend(["--data".to_owned(), text("rows.jsonl"), "--out".to_owned(), text(out)]);
        line.extend(more.iter().map(|&word| word.to_owned()));
        line
    }

    fn train(&self, plan: &str, out: &str, more: &[&str]) -> String {
        let line = self.arguments(plan, out, more);
        printed(&line.iter().map(String::as_str).collect::<Vec<_>>())
    }

    fn resume(&self, out: &str) -> String {
        printed(&["train", "--resume", self.path(out).to_str().unwrap()])
    }

    fn refused(&self, plan: &str, out: &str, more: &[&str]) -> String {
        let line = self.arguments(plan, out, more);
        refused(&line.iter().map(String::as_str).collect::<Vec<_>>())
    }
}

fn same(one: &Path, other: &Path) {
    for file in LEARNED {
        let bytes = |folder: &Path| fs::read(folder.join(file)).unwrap();
        assert!(bytes(one) == bytes(other), "{file} of {}", one.display());
    }
}

#[test]
fn each_run_is_the_training_of_its_plan() {
    let setting = Setting::new();
    let said = setting.train("grid.toml", "grid", &[]);
    assert!(said.contains("layer  positions"), "{said}");
    let grid = setting.path("grid");
    assert_eq!(files(&grid), OF_GRID);
    assert_eq!(files(&grid.join("runs")), ["000", "001", "002", "003"]);
    let single = PLAN.split("[grid]").next().unwrap().replace("'$layer'", "2");
    let single = single.replace("$positions", "last:2");
    let train = PLAN.split_once("[train]").unwrap().1;
    setting.write("single.toml", &format!("{single}[train]{train}"));
    setting.train("single.toml", "single", &[]);
    same(&grid.join("runs/003"), &setting.path("single"));

    let summary = Table::read_parquet(grid.join("summary.parquet")).unwrap();
    assert_eq!(summary.integers("layer").unwrap(), [1, 1, 2, 2]);
    let last = ["subject_last", "last:2", "subject_last", "last:2"];
    assert_eq!(summary.text("positions").unwrap(), last);
    let result = record(&setting.path("single"))["result"].clone();
    let value = |pointer: &str| result.pointer(pointer).unwrap().as_f64().unwrap();
    assert_eq!(summary.floats("accuracy").unwrap()[3], value("/held_out/accuracy"));
    assert_eq!(summary.floats("loss").unwrap()[3], value("/held_out/loss"));
    assert_eq!(summary.floats("control_accuracy").unwrap()[3], value("/control/accuracy"));
    let record = record(&grid);
    assert_eq!(record["result"]["runs"][3]["values"]["positions"], "last:2");
    let curves = fs::read_to_string(grid.join("curves.svg")).unwrap();
    assert!(curves.contains("layer 2, positions last:2"), "{curves}");
    assert!(fs::read_to_string(grid.join("accuracy.svg")).unwrap().contains("control"));

    // Nothing is overwritten unasked; then nothing of the old grid is left.
    assert!(setting.refused("grid.toml", "grid", &[]).contains("--force"));
    assert!(setting.resume("grid").contains("is complete"));
    setting.write("smaller.toml", &PLAN.replace("[1, 2]", "[2]"));
    setting.train("smaller.toml", "grid", &["--force"]);
    assert_eq!(files(&grid.join("runs")), ["000", "001"]);
    same(&grid.join("runs/001"), &setting.path("single"));
    // A folder of somebody else's is not.
    fs::write(grid.join("runs/notes.txt"), "mine").unwrap();
    let said = setting.refused("grid.toml", "grid", &["--force"]);
    assert!(said.contains("is in the way") && said.contains("notes.txt"), "{said}");
    let column = PLAN.replace("$layer", "$loss").replace("layer = [1, 2]", "loss = [1, 2]");
    setting.write("column.toml", &column);
    let said = setting.refused("column.toml", "column", &[]);
    assert!(said.contains("`loss` in [grid] is a column of the summary"), "{said}");
}

/// On several machines, a grid is what it is on one.
#[test]
fn shards_are_put_together() {
    let setting = Setting::new();
    setting.write("grid.toml", PLAN);
    setting.train("grid.toml", "whole", &[]);
    let said = setting.train("grid.toml", "part-1", &["--shard", "1/3"]);
    assert!(said.contains("layer  positions") && said.ends_with("runs, run.json\n"), "{said}");
    assert_eq!(files(&setting.path("part-1")), ["run.json", "runs"]);
    setting.train("grid.toml", "part-3", &["--shard", "3/3"]);
    assert_eq!(files(&setting.path("part-3/runs")), ["002", "003"]);
    let join = |parts: &[&str], run: fn(&[&str]) -> String| {
        let path = |name: &&str| setting.path(name).to_str().unwrap().to_owned();
        let parts: Vec<String> = parts.iter().map(path).collect();
        let out = path(&"joined");
        let mut line = vec!["join"];
        line.extend(parts.iter().map(String::as_str));
        line.extend(["--out", &out]);
        run(&line)
    };
    let said = join(&["part-1", "part-3"], refused);
    assert!(said.contains("2/3"), "{said}");
    setting.train("grid.toml", "part-2", &["--shard", "2/3"]);
    // Its folder says which shard it is.
    assert!(setting.resume("part-2").contains("is complete"));
    join(&["part-3", "part-1", "part-2"], printed);
    assert_eq!(files(&setting.path("joined")), OF_GRID);
    for run in ["000", "001", "002", "003"] {
        let path = |out: &str| setting.path(out).join("runs").join(run);
        same(&path("whole"), &path("joined"));
    }
    for file in ["summary.csv", "summary.parquet", "accuracy.svg", "curves.svg"] {
        let bytes = |out: &str| fs::read(setting.path(out).join(file)).unwrap();
        assert!(bytes("whole") == bytes("joined"), "{file}");
    }
    let said = setting.refused("grid.toml", "part-9", &["--shard", "9/9"]);
    assert!(said.contains("4 runs of the grid, which make 4 shards at most"), "{said}");
    let single = PLAN.split("[grid]").next().unwrap().replace("'$layer'", "2");
    setting.write("single.toml", &single.replace("$positions", "last"));
    let said = setting.refused("single.toml", "part-9", &["--shard", "1/2"]);
    assert!(said.contains("one training is not divided"), "{said}");
}

/// Stopped in the middle, a grid goes on with the run that was interrupted, to the same bytes.
#[cfg(unix)]
#[test]
fn what_was_stopped_goes_on_with_the_run_that_was_interrupted() {
    use std::process::{Command, Stdio};
    use std::time::{Duration, Instant};

    let setting = Setting::new();
    setting.write("grid.toml", &PLAN.replace("epochs = 2", "epochs = 6"));
    setting.train("grid.toml", "whole", &[]);
    let second = setting.path("stopped/runs/001/checkpoint.safetensors");
    let mut running = process()
        .args(setting.arguments("grid.toml", "stopped", &[]))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let start = Instant::now();
    while !second.exists() && start.elapsed() < Duration::from_secs(300) {
        std::thread::sleep(Duration::from_millis(2));
    }
    let interrupt =
        Command::new("kill").args(["-INT", &running.id().to_string()]).status().unwrap();
    assert!(interrupt.success());
    assert_eq!(running.wait().unwrap().code(), Some(130));
    let first = setting.path("stopped/runs/000/run.json");
    let before = fs::read(&first).unwrap();
    assert_eq!(record(&setting.path("stopped"))["status"], "stopped");
    assert!(!setting.path("stopped/summary.csv").exists());
    assert!(setting.refused("grid.toml", "stopped", &[]).contains("--resume"));
    setting.resume("stopped");
    assert!(fs::read(&first).unwrap() == before, "the first run is not trained again");
    for run in ["000", "001", "002", "003"] {
        let path = |out: &str| setting.path(out).join("runs").join(run);
        same(&path("whole"), &path("stopped"));
    }
    for file in ["summary.csv", "summary.parquet", "accuracy.svg", "curves.svg"] {
        let bytes = |out: &str| fs::read(setting.path(out).join(file)).unwrap();
        assert!(bytes("whole") == bytes("stopped"), "{file}");
    }
}
