//! Sweeps over data sets, from a task to tables and figures.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;
use vene_table::Table;

use crate::support::{
    KILLED as LONG, data_sweep as sweep, files, killed_sweep, printed, record, refused, vene,
};

/// A folder with a data set of the embedded model's own facts.
fn data_set(rows: usize) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("capital.jsonl");
    let count = rows.to_string();
    printed(&["task", "capital", "-n", &count, "--out", file.to_str().unwrap()]);
    (folder, file)
}

#[test]
fn a_data_set_becomes_tables_and_figures() {
    let (folder, data) = data_set(24);
    let out = folder.path().join("out");
    let said = printed(&sweep(&data, &out, &["--metric", "logit_difference,probability"]));
    for part in ["24 of 24 rows", "model on base", "block_output", "95 % interval"] {
        assert!(said.contains(part), "{part}: {said}");
    }
    let examples = Table::read_parquet(out.join("examples.parquet")).unwrap();
    // Rows, metrics, layers and positions.
    assert_eq!(examples.rows(), 24 * 2 * 8 * 2);
    let names: Vec<&str> = examples.columns().map(|(name, _)| name).take(15).collect();
    let expected = [
        "example",
        "group",
        "component",
        "layer",
        "position",
        "role",
        "position_token",
        "source_position",
        "source_token",
        "head",
        "metric",
        "base_value",
        "source_value",
        "value",
        "effect",
    ];
    assert_eq!(names, expected);
    let summary = Table::read_parquet(out.join("summary.parquet")).unwrap();
    assert_eq!(summary.rows(), 2 * 8 * 2);
    // What the embedded model was trained for: the subject early, the last position late.
    let mean = |layer: i64, position: &str| {
        (0..summary.rows())
            .find(|&row| {
                summary.optional_integers("layer").unwrap()[row] == Some(layer)
                    && summary.optional_text("role").unwrap()[row] == Some(position)
                    && summary.text("metric").unwrap()[row] == "logit_difference"
            })
            .map(|row| summary.optional_floats("mean").unwrap()[row].unwrap())
            .unwrap()
    };
    assert!(mean(0, "subject_last") < -5.0 && mean(7, "last") < -5.0);
    assert!(mean(0, "last").abs() < 0.1 && mean(7, "subject_last").abs() < 0.1);
    for name in ["mean", "interval_width", "sign_agreement", "strips", "profile"] {
        for metric in ["logit_difference", "probability"] {
            assert!(out.join(format!("{name}-{metric}.png")).is_file(), "{name}");
        }
    }
    let record = record(&out);
    assert_eq!(record["status"], "complete");
    assert_eq!(record["receipts"].as_array().unwrap().len(), 8 * 2);
    assert!(record["noise_floor"]["probability"].is_number());
    assert!(!out.join("parts").exists());
}

#[test]
fn what_limits_a_sweep_is_told_before_it() {
    let (folder, data) = data_set(60);
    let out = folder.path().join("out");
    let dry = |more: &[&str]| {
        let mut arguments = vec!["sweep", "--data", data.to_str().unwrap(), "--dry-run"];
        arguments.extend(["--component", "block_output", "--layers", "0"]);
        arguments.extend(["--out", out.to_str().unwrap()]);
        arguments.extend(more);
        printed(&arguments)
    };
    let all = dry(&["--positions", "last"]);
    assert!(all.contains("at 1 place;") && !all.contains("few groups"), "{all}");
    let few = dry(&["--positions", "after_subject,last", "--limit", "8"]);
    assert!(few.contains("few groups      8:") && few.contains("at 2 places;"), "{few}");
    let coinciding = dry(&["--positions", "after_subject,last"]);
    assert!(coinciding.contains("after_subject and last are the same token in"), "{coinciding}");
    let distinct = dry(&["--positions", "after_subject,last", "--distinct-positions"]);
    assert!(!distinct.contains("positions    "), "{distinct}");
    assert!(
        distinct.contains("after_subject and last are the same token (line 1 (row 0)"),
        "{distinct}"
    );
    let restored = dry(&[
        "--positions",
        "last",
        "--intervention",
        "restore",
        "--corrupt",
        "subject",
        "--noise-times",
        "3",
    ]);
    assert!(restored.contains("about 0 change nothing"), "{restored}");
}

#[test]
fn a_killed_sweep_goes_on_and_no_row_is_lost_or_doubled() {
    let (folder, data) = data_set(120);
    let (whole, killed) = (folder.path().join("whole"), folder.path().join("killed"));
    printed(&sweep(&data, &whole, &LONG));

    // Killed, not interrupted, as soon as it has written something.
    killed_sweep(&data, &killed, 2);
    let parts = killed.join("parts");
    assert!(!killed.join("examples.parquet").exists());
    let before = files(&parts).len();

    // Not begun anew by mistake.
    let said = refused(&sweep(&data, &killed, &LONG));
    assert!(said.contains("--resume"), "{said}");

    // From another folder, with nothing but the sweep's.
    let resumed = crate::support::process()
        .args(["sweep", "--resume", killed.to_str().unwrap()])
        .current_dir(std::env::temp_dir())
        .output()
        .unwrap();
    assert!(resumed.status.success(), "{}", String::from_utf8_lossy(&resumed.stderr));
    assert!(before >= 2);
    for name in ["examples.parquet", "summary.parquet", "summary.csv", "mean.svg", "strips.svg"] {
        let read = |folder: &Path| fs::read(folder.join(name)).unwrap();
        assert!(read(&whole) == read(&killed), "{name} is other than without the interruption");
    }
    assert_eq!(record(&killed)["status"], "complete");
    assert!(printed(&["sweep", "--resume", killed.to_str().unwrap()]).contains("is complete"));
}

#[test]
fn what_would_not_be_the_same_is_not_gone_on_with() {
    let (folder, data) = data_set(60);
    let (_, out) = killed_sweep(&data, &folder.path().join("out"), 1);
    let rows = fs::read_to_string(&data).unwrap();
    fs::write(&data, rows.lines().take(11).collect::<Vec<_>>().join("\n")).unwrap();
    let said = refused(&["sweep", "--resume", out.to_str().unwrap()]);
    assert!(said.contains("the data set is not what it was: SHA-256 ("), "{said}");
    assert!(said.contains("rows (60 then, 11 now); put it back") && !said.contains('{'), "{said}");

    let nothing = folder.path().join("nothing");
    fs::create_dir(&nothing).unwrap();
    let said = refused(&["sweep", "--resume", nothing.to_str().unwrap()]);
    assert!(said.contains("no sweep to go on with"), "{said}");
}

#[test]
fn a_dry_run_asks_the_model_and_writes_nothing() {
    let (folder, data) = data_set(12);
    let out = folder.path().join("out");
    let said = printed(&sweep(&data, &out, &["--dry-run"]));
    assert!(said.contains("nothing was swept"), "{said}");
    let said = printed(&sweep(&data, &out, &["--dry-run", "--json"]));
    let forecast: Value = serde_json::from_str(&said).unwrap();
    assert_eq!(forecast["interventions"], 12 * 16);
    assert_eq!(forecast["preflight"]["used"], 12);
    assert!(forecast["preflight"]["base"]["preferred"].as_f64().unwrap() > 0.9);
    assert!(forecast["seconds"].as_f64().unwrap() > 0.0);
    let saved = forecast["floating_point_operations_one_by_one"].as_f64().unwrap();
    assert!(saved > 2.0 * forecast["floating_point_operations"].as_f64().unwrap());
    assert!(!out.exists());
}

/// What one row lacks leaves out that row.
#[test]
fn rows_without_a_source_or_a_text_are_told() {
    let folder = tempfile::tempdir().unwrap();
    let (data, out) = (folder.path().join("rows.jsonl"), folder.path().join("out"));
    let row = |base: &str, source: &str, target: &str, subject: &str| {
        format!(
            "{{\"base\":{base},\"source\":{source},\"target\":{target},\"foil\":\" Rome\",\"subject\":{subject},\
             \"source_subject\":\"Italy\"}}"
        )
    };
    let [spain, italy] = ["\"The capital of Spain is\"", "\"The capital of Italy is\""];
    let rows = [
        row(spain, italy, "\" Madrid\"", "\"Spain\""),
        row(spain, "null", "\" Madrid\"", "\"Spain\""),
        row(spain, italy, "\" Madrid\"", "null"),
        row("\"\"", italy, "\" Madrid\"", "\"Spain\""),
        row(spain, "\"\"", "\" Madrid\"", "\"Spain\""),
        row(spain, italy, "\"\"", "\"Spain\""),
    ];
    fs::write(&data, rows.join("\n")).unwrap();
    let said = printed(&sweep(&data, &out, &["--dry-run"]));
    for part in [
        "1 of 6 rows",
        "no source",
        "subject_last is not found in the base",
        "the base is missing, or an empty text",
        "the source is an empty text",
        "the target is an empty text",
    ] {
        assert!(said.contains(part), "{part}: {said}");
    }
    let said = printed(&sweep(&data, &out, &["--dry-run", "--intervention", "zero"]));
    assert!(said.contains("2 of 6 rows"), "{said}");
}

#[test]
fn a_metric_of_single_tokens_names_the_option_for_longer_answers() {
    let folder = tempfile::tempdir().unwrap();
    let (data, out) = (folder.path().join("rows.csv"), folder.path().join("out"));
    fs::write(
        &data,
        "base,source,target,foil\nThe capital of Spain is,The capital of Italy is, Madrid is, Rome is\n",
    )
    .unwrap();
    let line = |more: &[&'static str]| {
        let mut line = vec!["sweep", "--data", data.to_str().unwrap(), "--component"];
        line.extend(["block_output", "--out", out.to_str().unwrap(), "--dry-run"]);
        line.extend(more);
        line
    };
    let said = refused(&line(&["--metric", "rank"]));
    assert!(said.contains("has 2 tokens") && said.contains("(--answers first lets"), "{said}");
    printed(&line(&["--metric", "rank", "--answers", "first"]));
    fs::write(
        &data,
        "base,source,target,foil\nThe capital of Spain is,The capital of Italy is, Madrid is, Madrid of\n",
    )
    .unwrap();
    let said = refused(&line(&["--answers", "first"]));
    assert!(
        said.contains("begin with the same token") && said.contains("(--answers whole"),
        "{said}"
    );
}

#[test]
fn rows_that_cannot_be_used_are_told() {
    let folder = tempfile::tempdir().unwrap();
    let (data, out) = (folder.path().join("rows.csv"), folder.path().join("out"));
    let rows = "base,source,target,foil,subject,source_subject,group\n\
         The capital of Spain is,The capital of Italy is, Madrid, Rome,Spain,Italy,a\n\
         The capital of Japan is,The capital of Peru is, Tokyo, Lima,Japan,Peru,a\n\
         The capital of Cuba is,,, Lima,Cuba,,a\n";
    fs::write(&data, rows).unwrap();
    let said = printed(&sweep(&data, &out, &["--dry-run"]));
    assert!(
        said.contains("2 of 3 rows") && said.contains("no source (line 4 (row 2): no source)"),
        "{said}"
    );
}

/// What a run that goes well warns of.
fn warned(arguments: &[&str]) -> String {
    let output = vene(arguments);
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{arguments:?}: {said}");
    said
}

#[test]
fn one_bad_row_is_left_out_in_every_format_and_keeps_its_number() {
    // Row 2 has no `Chile` in its base, row 4 is short.
    let cells = [
        [
            "The capital of Spain is",
            "The capital of Italy is",
            " Madrid",
            " Rome",
            "Spain",
            "Italy",
        ],
        ["The capital of Japan is", "The capital of Peru is", " Tokyo", " Lima", "Japan", "Peru"],
        ["The capital of Cuba is", "The capital of Peru is", " Havana", " Lima", "Chile", "Peru"],
        [
            "The capital of Kenya is",
            "The capital of Italy is",
            " Nairobi",
            " Rome",
            "Kenya",
            "Italy",
        ],
        ["Spain", "Italy", " Madrid", " Rome", "Spain", "Italy"],
    ];
    let names = ["base", "source", "target", "foil", "subject", "source_subject"];
    let object = |cells: &[&str; 6]| -> Value {
        names
            .iter()
            .zip(cells)
            .map(|(name, cell)| ((*name).to_owned(), Value::from(*cell)))
            .collect()
    };
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let lines: Vec<String> = cells.iter().map(|cells| object(cells).to_string()).collect();
    fs::write(path("rows.jsonl"), lines.join("\n")).unwrap();
    fs::write(path("rows.json"), format!("[{}]", lines.join(",\n"))).unwrap();
    let csv: Vec<String> = cells.iter().map(|cells| cells.join(",")).collect();
    fs::write(path("rows.csv"), format!("{}\n{}", names.join(","), csv.join("\n"))).unwrap();
    let column = |at: usize| cells.iter().map(|row| row[at]).collect::<Vec<_>>();
    let table = names.iter().enumerate();
    let table = table.fold(Table::builder(), |table, (at, name)| table.column(*name, column(at)));
    table.build().unwrap().write_parquet(path("rows.parquet")).unwrap();

    for (name, lost, short) in [
        ("rows.jsonl", "line 3 (row 2)", "line 5 (row 4)"),
        ("rows.json", "line 3 (row 2)", "line 5 (row 4)"),
        ("rows.csv", "line 4 (row 2)", "line 6 (row 4)"),
        ("rows.parquet", "row 2 (counted from 0)", "row 4 (counted from 0)"),
    ] {
        let (data, out) = (path(name), path(&format!("out-{name}")));
        let mut arguments = vec!["sweep", "--data", data.to_str().unwrap()];
        arguments.extend(["--component", "block_output", "--layers", "2"]);
        arguments.extend(["--positions", "subject_last,4", "--out", out.to_str().unwrap()]);
        let said = printed(&arguments);
        assert!(said.contains("3 of 5 rows"), "{name}: {said}");
        let expected = format!("({lost}: subject_last, base: `Chile` is not in");
        assert!(said.contains(&expected), "{name}: {said}");
        assert!(said.contains(&format!("({short}: 4, base: ")), "{name}: {said}");
        let left_out = &record(&out)["left_out_rows"];
        assert_eq!((&left_out[0]["row"], &left_out[1]["row"]), (&Value::from(2), &Value::from(4)));
        let examples = Table::read_parquet(out.join("examples.parquet")).unwrap();
        let mut rows = examples.integers("example").unwrap().to_vec();
        rows.dedup();
        assert_eq!(rows, [0, 1, 3], "{name}");
    }
}

#[test]
fn a_row_that_no_other_fits_is_left_out() {
    let folder = tempfile::tempdir().unwrap();
    let (data, out) = (folder.path().join("rows.jsonl"), folder.path().join("out"));
    let row = |base: &str, source: &str| {
        format!(
            "{{\"base\": \"{base} is\", \"source\": \"{source} is\", \"target\": \" Madrid\", \"foil\": \" Rome\"}}\n"
        )
    };
    let all = [
        row("The capital of Spain", "The capital of Italy"),
        row("The capital of Japan", "The capital of Peru"),
        row("The name of the capital of Cuba", "The name of the capital of Peru"),
    ];
    fs::write(&data, all.concat()).unwrap();
    let mut arguments = vec!["sweep", "--data", data.to_str().unwrap(), "--unit", "h"];
    arguments.extend(["--component", "head_attention_value_output", "--intervention", "resample"]);
    arguments.extend(["--layers", "0", "--out", out.to_str().unwrap()]);
    let said = printed(&arguments);
    assert!(said.contains("2 of 3 rows"), "{said}");
    assert!(said.contains("(line 3 (row 2): it needs 1 other rows to draw from"), "{said}");
}

#[test]
fn what_is_not_read_of_a_file_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let (data, out) = (folder.path().join("rows.jsonl"), folder.path().join("out"));
    let row = |base: &str, target: &str| {
        format!(
            "{{\"base\": \"The capital of {base} is\", \"target\": \"{target}\", \"score\": 0.5, \"subject\": \"{base}\"}}\n"
        )
    };
    fs::write(&data, row("Spain", "Madrid") + &row("Italy", " Rome") + &row("Peru", "Lima"))
        .unwrap();
    let arguments = ["--intervention", "zero", "--metric", "log_probability", "--dry-run"];
    let said = warned(&sweep(&data, &out, &arguments));
    assert_eq!(said.matches("column `score` holds numbers").count(), 1, "{said}");
    assert!(said.contains("line 1 (row 0): the answer `Madrid` has no leading space"), "{said}");
    assert!(said.contains("(2 rows are alike)"), "{said}");
    assert_eq!(said.lines().count(), 2, "{said}");
    let mut arguments =
        vec!["sweep", "--data", data.to_str().unwrap(), "--positions", "score_last"];
    arguments.extend(["--component", "block_output", "--intervention", "zero"]);
    let output = vene(&arguments);
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(said.contains("the column `score` holds numbers, which is no phrase"), "{said}");
}

#[test]
fn a_foil_that_is_no_answer_to_the_source_is_none() {
    let folder = tempfile::tempdir().unwrap();
    let (data, out) = (folder.path().join("rows.jsonl"), folder.path().join("out"));
    let row = |foil_is: &str| {
        format!(
            "{{\"base\": \"The capital of Spain is\", \"source\": \"The capital of Italy is\", \"target\": \" Madrid\", \"foil\": \" Rome\"{foil_is}, \"subject\": \"Spain\", \"source_subject\": \"Italy\"}}\n"
        )
    };
    fs::write(&data, row("") + &row(", \"foil_is\": \"wrong_answer\"")).unwrap();
    let said = printed(&sweep(&data, &out, &["--dry-run"]));
    assert!(said.contains("not the source's answer in 1 rows"), "{said}");
    let said = warned(&sweep(&data, &out, &["--dry-run", "--direction", "denoising"]));
    assert!(
        said.contains("line 2 (row 1): the foil is not known to be the source's answer"),
        "{said}"
    );
    fs::write(&data, row(", \"foil_is\": \"wrong_answer\"")).unwrap();
    let said = printed(&sweep(&data, &out, &["--dry-run"]));
    assert!(!said.contains("model on source"), "{said}");
}

#[test]
fn what_is_the_same_experiment_is_never_on_both_sides_of_a_split() {
    let folder = tempfile::tempdir().unwrap();
    let (data, out) = (folder.path().join("rows.jsonl"), folder.path().join("out"));
    let row = |base: &str, source: &str| {
        format!(
            "{{\"base\": \"The capital of {base} is\", \"source\": \"The capital of {source} is\", \"target\": \" Madrid\", \"foil\": \" Rome\", \"subject\": \"{base}\", \"source_subject\": \"{source}\"}}\n"
        )
    };
    let countries = ["Spain", "Japan", "Cuba"];
    let rows = countries.map(|base| row(base, "Italy") + &row(base, "Peru"));
    fs::write(&data, rows.concat()).unwrap();
    // No source is read, so that two rows of one base are the same experiment.
    printed(&sweep(
        &data,
        &out,
        &["--intervention", "zero", "--discovery", "0.5", "--layers", "0"],
    ));
    let found = record(&out)["options"]["discovery_rows"].clone();
    let found: Vec<u64> =
        found.as_array().unwrap().iter().map(|row| row.as_u64().unwrap()).collect();
    assert!(!found.is_empty() && found.len() < 6, "{found:?}");
    assert!(found.iter().all(|row| found.contains(&(row ^ 1))), "{found:?}");
    // Rows that are left out are on no side.
    fs::write(&data, row("Spain", "Italy") + &row("Spain", "Italy") + "{\"base\": \"Peru is\"}\n")
        .unwrap();
    let other = folder.path().join("other");
    let output = vene(&sweep(&data, &other, &["--discovery", "0.5"]));
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(
        said.contains("2 rows cannot be split into two: they are all of the same prompts"),
        "{said}"
    );
    assert!(!other.exists());
}

#[test]
fn a_split_shows_in_one_half_what_was_found_in_the_other() {
    let (folder, data) = data_set(40);
    let out = folder.path().join("out");
    let more = ["--discovery", "0.5", "--together", "groups", "--correction", "holm"];
    let said = printed(&sweep(&data, &out, &more));
    assert!(said.contains("on discovery") && said.contains("on evaluation"), "{said}");
    let summary = Table::read_parquet(out.join("summary.parquet")).unwrap();
    let (split, n) = (summary.text("split").unwrap(), summary.integers("n").unwrap());
    let of = |half: &str| (0..summary.rows()).find(|&row| split[row] == half).unwrap();
    assert_eq!(n[of("discovery")] + n[of("evaluation")], 40);
    let strips = fs::read_to_string(out.join("strips.svg")).unwrap();
    assert!(strips.contains(&format!("{} examples", n[of("evaluation")])));
    let (raw, adjusted) = (
        summary.optional_floats("p_value").unwrap(),
        summary.optional_floats("adjusted_p_value").unwrap(),
    );
    assert!(raw.iter().zip(&adjusted).any(|(raw, adjusted)| raw < adjusted));
}

#[test]
fn an_unusual_beginning_is_warned_of_and_drawn() {
    let (folder, data) = data_set(8);
    let drawn = |bos: &str| {
        let out = folder.path().join(bos);
        let output = vene(&sweep(&data, &out, &["--bos", bos]));
        let figure = fs::read_to_string(out.join("mean.svg")).unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        (said.contains("beginning-of-sequence"), figure.contains(">bos<"))
    };
    assert_eq!(drawn("always"), (true, true));
    assert_eq!(drawn("model"), (false, false));
}

#[test]
fn controls_are_maps_beside_the_first() {
    let (folder, data) = data_set(16);
    let out = folder.path().join("out");
    printed(&sweep(&data, &out, &["--control", "self,shuffled,random", "--direction", "both"]));
    let examples = Table::read_parquet(out.join("examples.parquet")).unwrap();
    assert_eq!(examples.rows(), 16 * 16 * 4 * 2);
    let (control, effect) = (examples.text("control").unwrap(), examples.floats("effect").unwrap());
    let largest = |name: &str| {
        let of = (0..examples.rows()).filter(|&row| control[row] == name);
        of.map(|row| effect[row].abs()).fold(0.0, f64::max)
    };
    assert!(largest("self") < 1e-4 && largest("none") > 5.0 && largest("shuffled") > 5.0);
    assert!(out.join("mean-noising.png").exists() && out.join("mean-denoising.png").exists());
}

const RESTORE_TWICE: &[&str] =
    &["--intervention", "restore", "--corrupt", "subject", "--noise-times", "3", "--noise-sd", "1"];

#[test]
fn bad_input_is_told_in_a_line() {
    let (folder, data) = data_set(4);
    let out = folder.path().join("out");
    let missing = folder.path().join("missing.jsonl");
    let cases: [(&[&str], &str); 17] = [
        (&["--metric", "surprise"], "logit_difference (the logit"),
        (&["--positions", "city_last"], "subject_last"),
        (&["--positions", "all"], "by their role"),
        (&["--positions", "-"], "expected last, a number"),
        (&["--window", "0"], "window of 0 layers"),
        (&["--draws", "3"], "resample, noise or restore"),
        (&["--intervention", "zero", "--direction", "denoising"], "noising"),
        (&["--intervention", "zero", "--control", "random"], "interchange"),
        (&["--intervention", "restore", "--noise-sd", "1"], "--corrupt"),
        (&["--intervention", "restore", "--corrupt", "subject"], "--noise-times"),
        (&["--intervention", "noise", "--noise-sd", "1", "--noise-times", "3"], "restore"),
        (RESTORE_TWICE, "without --noise-times"),
        (&["--intervention", "resample", "--draws", "9"], "9 other rows"),
        (&["--intervention", "noise", "--noise-sd", "1", "--draws", "4294967296"], "at most 1000"),
        (&["--resamples", "4294967296"], "take at most 1000000"),
        (&["--correction", "bonferroni"], "benjamini-hochberg"),
        (&["--token", " Madrid"], "--token"),
    ];
    for (more, expected) in cases {
        let mut arguments = sweep(&data, &out, &[]);
        if more.contains(&"--positions") {
            let place = arguments.iter().position(|argument| *argument == "--positions").unwrap();
            arguments.drain(place..place + 2);
        }
        arguments.extend(more);
        let said = refused(&arguments);
        assert!(said.contains(expected), "{more:?}: {said}");
    }
    let said = refused(&sweep(&missing, &out, &[]));
    assert!(said.contains("missing.jsonl"), "{said}");
    let said = refused(&[
        "sweep",
        "--base",
        "x",
        "--component",
        "mlp_output",
        "--token",
        " Madrid",
        "--intervention",
        "resample",
    ]);
    assert!(said.contains("--data"), "{said}");
    assert!(!out.exists());
}

#[test]
fn of_very_many_columns_the_first_are_named() {
    let (folder, data) = data_set(8);
    let rows = fs::read_to_string(&data).unwrap();
    let rows = rows.lines().enumerate();
    let rows: Vec<String> = rows
        .map(|(index, row)| row.replacen('{', &format!("{{\"k{index}\": {index}, "), 1))
        .collect();
    fs::write(&data, rows.join("\n")).unwrap();
    let out = folder.path().join("out");
    let output = vene(&sweep(&data, &out, &["--dry-run"]));
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{said}");
    assert_eq!(said.matches("warning: ").count(), 6, "{said}");
    assert!(
        said.contains("3 more columns hold no phrase of a prompt and are not read, `k5` to `k7`"),
        "{said}"
    );
    let corrupt = ["--intervention", "restore", "--noise-sd", "1", "--corrupt", "city_last"];
    let said = String::from_utf8(vene(&sweep(&data, &out, &corrupt)).stderr).unwrap();
    assert!(said.contains("--corrupt city_last: no row has a span `city`"), "{said}");
}

/// Each base is the source of another row, and no source is read.
#[test]
fn sources_that_are_not_read_part_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let (data, out) = (folder.path().join("rows.jsonl"), folder.path().join("out"));
    let row = |base: &str, source: &str| {
        format!(
            "{{\"base\": \"The capital of {base} is\", \"source\": \"The capital of {source} is\", \"target\": \" Madrid\", \"foil\": \" Rome\", \"subject\": \"{base}\", \"source_subject\": \"{source}\"}}\n"
        )
    };
    fs::write(&data, row("Spain", "Italy") + &row("Italy", "Spain")).unwrap();
    let zero = ["--intervention", "zero", "--discovery", "0.5", "--layers", "0"];
    for together in ["prompts", "bases"] {
        printed(&sweep(&data, &out, &[&zero[..], &["--together", together, "--force"]].concat()));
        assert_eq!(record(&out)["options"]["discovery_rows"].as_array().unwrap().len(), 1);
    }
    let said = refused(&sweep(
        &data,
        &folder.path().join("none"),
        &["--discovery", "0.5", "--together", "bases"],
    ));
    assert!(said.contains("each shares its base or its two prompts with others"), "{said}");
}
