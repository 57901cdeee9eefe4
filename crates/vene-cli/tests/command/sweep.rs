//! `vene sweep` where it works.

use serde_json::Value;
use vene_table::{Kind, Table};

use crate::support::{BASE, SOURCE, data_sweep, files, printed, refused, sweep, task, vene};

const HEADER: &str = "component,layer,position,head,token,token_id,probability,logit,\
                      base_probability,source_probability,note";

fn run(more: &[&str]) -> (tempfile::TempDir, Table, Value) {
    let folder = tempfile::tempdir().unwrap();
    printed(&sweep(folder.path(), more));
    let table = Table::read_parquet(folder.path().join("sweep.parquet")).unwrap();
    let record = std::fs::read(folder.path().join("run.json")).unwrap();
    (folder, table, serde_json::from_slice(&record).unwrap())
}

#[test]
fn csv_and_parquet_hold_the_same() {
    let (folder, table, _) = run(&["--component", "mlp_output,attention_input"]);
    let path = folder.path().join("sweep.csv");
    assert_eq!(std::fs::read_to_string(&path).unwrap().lines().next(), Some(HEADER));
    let kinds = [
        ("layer", Kind::OptionalInteger),
        ("position", Kind::OptionalInteger),
        ("head", Kind::OptionalInteger),
        ("token_id", Kind::Integer),
        ("probability", Kind::Float),
        ("logit", Kind::Float),
        ("base_probability", Kind::Float),
        ("source_probability", Kind::OptionalFloat),
    ];
    let csv = Table::read_csv(&path, &kinds).unwrap();
    assert_eq!(csv.text("token").unwrap(), table.text("token").unwrap());
    assert_eq!(csv.floats("probability").unwrap(), table.floats("probability").unwrap());
    assert_eq!(csv.optional_integers("layer").unwrap(), table.optional_integers("layer").unwrap());
}

#[test]
fn the_record_has_what_it_takes_to_run_again() {
    let (_folder, _, record) = run(&["--component", "mlp_output", "--layers", "0..2"]);
    let text = record.to_string();
    for wanted in [BASE, SOURCE, "interchange", "embedded", "forked", "mlp_output"] {
        assert!(text.contains(wanted), "{wanted}");
    }
    let digest = text
        .split('"')
        .any(|part| part.len() == 64 && part.bytes().all(|byte| byte.is_ascii_hexdigit()));
    assert!(digest, "the weights' SHA-256");
    assert!(text.contains("receipts"));
}

#[test]
fn a_sweep_gives_the_same_table_again() {
    let tables = [0, 1].map(|_| {
        let (folder, ..) = run(&["--component", "attention_output", "--layers", "2,-1"]);
        std::fs::read(folder.path().join("sweep.csv")).unwrap()
    });
    assert_eq!(tables[0], tables[1]);
}

#[test]
fn the_executors_agree() {
    let components = ["--component", "mlp_output,attention_input,value_output,attention_weight"];
    let [reference, forked] = ["reference", "forked"].map(|executor| {
        let mut more = components.to_vec();
        more.extend(["--executor", executor]);
        run(&more).1
    });
    assert_eq!(reference.rows(), forked.rows());
    for column in ["probability", "base_probability"] {
        let pairs = reference.floats(column).unwrap().iter().zip(forked.floats(column).unwrap());
        for (a, b) in pairs {
            assert!((a - b).abs() < 1e-5, "{column}: {a} {b}");
        }
    }
}

/// What nothing was changed in carries the base's numbers, and says why.
#[test]
fn notes_tell_what_is_no_effect() {
    let (_folder, table, record) = run(&["--component", "mlp_output"]);
    let notes = table.optional_text("note").unwrap();
    let positions = table.optional_integers("position").unwrap();
    let (found, base) =
        (table.floats("probability").unwrap(), table.floats("base_probability").unwrap());
    for row in 0..table.rows() {
        // "The capital of": three tokens that base and source share.
        let shared = positions[row].unwrap() < 3;
        assert_eq!(notes[row] == Some("unchanged: shared prefix"), shared, "row {row}");
        if shared {
            assert_eq!(found[row], base[row], "row {row}");
        }
    }
    // Measured in single precision: what two ways of computing an effect differ in.
    assert_eq!(record["noise_places"].as_array().unwrap().len(), 4);
    for target in record["targets"].as_array().unwrap() {
        let floor = target["noise_floor"].as_f64().unwrap();
        assert!((1e-10..1e-5).contains(&floor), "{floor}");
    }
}

/// However little memory a pass may take, the numbers are the same, bit for bit.
#[test]
fn memory_cuts_a_sweep_into_passes() {
    let components = ["--component", "block_output", "--unit", "pos"];
    // Less than one example takes is refused, with what it takes.
    let folder = tempfile::tempdir().unwrap();
    let line = sweep(folder.path(), &[&components[..], &["--memory", "10K"]].concat());
    let said = refused(&line);
    assert!(said.contains("it may take 10000: give it at least "), "{said}");
    let least = said.trim().rsplit(' ').next().unwrap();
    assert!(files(folder.path()).is_empty());
    // Over a data set, too.
    let (rows, out) = (folder.path().join("rows.jsonl"), tempfile::tempdir().unwrap());
    task(&rows, 4);
    let said = refused(&data_sweep(&rows, out.path(), &["--memory", "10K"]));
    assert!(said.contains("it may take 10000: give it at least "), "{said}");
    assert!(files(out.path()).is_empty());
    let tables = [least, "1G"].map(|memory| {
        let (folder, ..) = run(&[&components[..], &["--memory", memory]].concat());
        std::fs::read(folder.path().join("sweep.csv")).unwrap()
    });
    assert!(tables[0] == tables[1]);
    let line = sweep(std::path::Path::new("."), &components);
    let passes = |memory: &str| {
        let forecast = [&line[..], &["--dry-run", "--json", "--memory", memory]].concat();
        let forecast: Value = serde_json::from_str(&printed(&forecast)).unwrap();
        assert_eq!(forecast["executor"], "forked");
        forecast["forward_passes"].as_u64().unwrap()
    };
    assert_eq!(passes("1G"), 1);
    assert!(passes(least) > 4);
}

#[test]
fn every_intervention_runs() {
    for (intervention, component, more) in [
        ("zero", "mlp_output", vec![]),
        ("mean", "mlp_output", vec!["--source", "The capital of France is"]),
        ("addition", "attention_output", vec![]),
        ("subtraction", "attention_output", vec![]),
        ("scaling", "mlp_neuron", vec!["--factor", "0.5"]),
        ("noise", "embedding", vec!["--standard-deviation", "0.1", "--seed", "7"]),
        ("skip", "mlp_output", vec![]),
        ("knockout", "attention_score", vec!["--positions", "3"]),
    ] {
        let mut options = vec!["--component", component, "--intervention", intervention];
        options.extend(more);
        let (_folder, table, _) = run(&options);
        let (probability, base) =
            (table.floats("probability").unwrap(), table.floats("base_probability").unwrap());
        let moved = probability.iter().zip(base).any(|(a, b)| (a - b).abs() > 1e-6);
        assert!(moved, "{intervention} moves something");
    }
}

#[test]
fn heads_are_swept_by_themselves_and_at_positions() {
    let (_folder, table, _) = run(&["--component", "head_attention_value_output"]);
    assert_eq!(table.rows(), 8 * 4 * 2);
    assert!(table.optional_integers("head").unwrap().iter().all(Option::is_some));
    let by_position =
        ["--component", "attention_value_output", "--unit", "h.pos", "--positions", "last,3"];
    let (_folder, table, _) = run(&by_position);
    assert_eq!(table.rows(), 8 * 4 * 2 * 2);
}

#[test]
fn positions_have_names() {
    let named = ["--component", "block_output", "--layers", "0", "--positions"];
    let subject = ["--subject", "Spain", "--source-subject", "Italy"];
    let mut options = [&named[..], &["subject_last,after_subject,last"]].concat();
    options.extend(subject);
    // Behind the subject stands the last token here: the same position twice is refused.
    let folder = tempfile::tempdir().unwrap();
    assert_eq!(vene(&sweep(folder.path(), &options)).status.code(), Some(2));
    let options = [&named[..], &["subject_last,last"], &subject[..]].concat();
    let (_folder, table, _) = run(&options);
    let positions = table.optional_integers("position").unwrap();
    assert_eq!(positions, [Some(3), Some(3), Some(4), Some(4)]);
}

/// One token of the base, read at two of the source: the table has the base's position alone.
#[test]
fn positions_that_a_table_could_not_tell_apart_are_refused() {
    let mut line = vec!["sweep", "--base", BASE, "--token", " Madrid", "--subject", "Spain"];
    line.extend(["--source", "The capital of Papua New Guinea is"]);
    line.extend(["--source-subject", "Papua New Guinea", "--component", "block_output"]);
    line.extend(["--dry-run", "--positions"]);
    let said = refused(&[&line[..], &["subject_first,subject_last"]].concat());
    assert!(said.contains("two of the named positions are position 3 of the base"), "{said}");
    assert!(said.contains("(--positions subject_first,subject_last)"), "{said}");
    printed(&[&line[..], &["subject_last,after_subject"]].concat());
}

#[test]
fn a_dry_run_writes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out");
    let options = ["--component", "mlp_output,attention_input", "--dry-run", "--json"];
    let forecast: Value = serde_json::from_str(&printed(&sweep(&out, &options))).unwrap();
    assert!(!out.exists());
    assert_eq!(forecast["interventions"], 80);
    // Positions 0 to 2 of five lie in the shared prefix.
    assert_eq!(forecast["unchanged_by_shared_prefix"], 48);
    assert!(forecast["floating_point_operations"].as_f64().unwrap() > 1e8);
    assert_eq!(files(folder.path()), [] as [String; 0]);
}

/// Whichever source comes first, the mean is that of each at its own positions.
#[test]
fn sources_of_unequal_length_are_read_each_at_its_own_positions() {
    let sources =
        [("The capital of Italy is", "Italy"), ("They say that the capital of Peru is", "Peru")];
    let positions = ["-1", "1", "last,-2", "subject_last,after_subject", "aligned"];
    for positions in positions {
        let tables = [[0, 1], [1, 0]].map(|order| {
            let folder = tempfile::tempdir().unwrap();
            let out = folder.path().to_str().unwrap();
            let mut line = vec!["sweep", "--base", BASE, "--token", " Madrid", "--out", out];
            line.extend(["--intervention", "mean", "--component", "block_output,attention_input"]);
            line.extend(["--positions", positions, "--precision", "double"]);
            if positions.contains("subject") {
                line.extend(["--subject", "Spain"]);
            }
            for source in order {
                let (text, subject) = sources[source];
                line.extend(["--source", text]);
                if positions.contains("subject") {
                    line.extend(["--source-subject", subject]);
                }
            }
            printed(&line);
            let record = std::fs::read(folder.path().join("run.json")).unwrap();
            let record: Value = serde_json::from_slice(&record).unwrap();
            for receipt in record["receipts"].as_array().unwrap() {
                let read = receipt["read_positions"].as_array().unwrap();
                assert_eq!(read.len(), 2, "{receipt}");
                if positions == "-1" {
                    let mut read: Vec<i64> =
                        read.iter().map(|of| of[0].as_i64().unwrap()).collect();
                    read.sort_unstable();
                    assert_eq!(read, [4, 8]);
                }
            }
            Table::read_parquet(folder.path().join("sweep.parquet")).unwrap()
        });
        assert!(tables[0].rows() > 0);
        for column in ["probability", "logit", "base_probability"] {
            let [one, other] = [0, 1].map(|table: usize| tables[table].floats(column).unwrap());
            for (a, b) in one.iter().zip(other) {
                assert!((a - b).abs() < 1e-12, "{positions}, {column}: {a} {b}");
            }
        }
        let [one, other] =
            [0, 1].map(|table: usize| tables[table].optional_floats("source_probability").unwrap());
        assert_eq!(one, other);
    }
}

/// What a sweep over a data set measures, of one pair: in both directions, with controls.
#[test]
fn metrics_of_a_pair_have_the_columns_of_a_data_set() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path();
    let answers = ["--metric", "logit_difference", "--target", " Madrid", "--foil", " Rome"];
    let more =
        ["--direction", "both", "--control", "self", "--layers", "0", "--positions", "last,3"];
    printed(&sweep(out, &[&["--component", "block_output"][..], &answers, &more].concat()));
    let table = Table::read_parquet(out.join("metrics.parquet")).unwrap();
    let names: Vec<&str> = table.columns().map(|(name, _)| name).collect();
    for name in ["position", "role", "position_token", "source_position", "source_token", "note"] {
        assert!(names.contains(&name), "{names:?}");
    }
    // Places, directions, maps.
    assert_eq!(table.rows(), 2 * 2 * 2);
    assert_eq!(table.optional_integers("position").unwrap()[..2], [Some(4), Some(3)]);
    assert_eq!(table.optional_text("role").unwrap()[..2], [Some("last"), Some("3")]);
    assert_eq!(table.optional_text("position_token").unwrap()[1], Some(" Spain"));
    assert_eq!(table.optional_text("source_token").unwrap()[1], Some(" Italy"));
    // It says what it came of.
    let record = std::fs::read(out.join("run.json")).unwrap();
    let record: Value = serde_json::from_slice(&record).unwrap();
    let notes = table.metadata();
    assert_eq!(Some(notes["vene.spec_sha256"].as_str()), record["spec"].as_str());
    let spec: Value = serde_json::from_str(&notes["vene.spec"]).unwrap();
    assert_eq!(spec["options"]["directions"], serde_json::json!(["noising", "denoising"]));
    let model: Value = serde_json::from_str(&notes["vene.model"]).unwrap();
    assert!(model["identity"].as_str().unwrap().starts_with("vene1-"));
    assert_eq!(model["identity"], record["model"]["identity"]);
    // The tokens' table says which is which where there are several.
    let csv = std::fs::read_to_string(out.join("sweep.csv")).unwrap();
    let header = format!("{HEADER},direction,control,window,effect_type");
    assert_eq!(csv.lines().next(), Some(header.as_str()));
    let without = ["--metric", "logit_difference", "--component", "block_output", "--dry-run"];
    assert!(refused(&sweep(out, &without)).contains("--target"));
}
