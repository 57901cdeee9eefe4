//! The commands that look inside a model: `vene lens`, `vene attribute`, `vene attention`, `vene weights`.

use std::fs;
use std::path::Path;

use serde_json::Value;
use vene::Table;
use vene::candle_core::{self, DType, Device};

use crate::support::{BASE, SOURCE, files, printed, record, refused, task};

fn json(arguments: &[&str]) -> Value {
    serde_json::from_str(&printed(arguments)).unwrap()
}

fn table(folder: &Path, name: &str) -> Table {
    Table::read_parquet(folder.join(name)).unwrap()
}

#[test]
fn the_lens_shows_where_the_answer_comes_in() {
    let found = json(&["lens", "--json", "--positions", "last", "--token", " Madrid", BASE]);
    let rows = found["lens"].as_array().unwrap();
    let tops: Vec<&str> = rows.iter().map(|row| row["top"].as_str().unwrap()).collect();
    assert_eq!((tops.len(), tops[0], tops[8]), (9, "_is", "_Madrid"));
    let told = json(&["top", "--json", "-n", "1", BASE]);
    let [here, there] =
        [&rows[8], &told[0]["tokens"][0]].map(|row| row["probability"].as_f64().unwrap());
    assert!((here - there).abs() < 1e-6, "{here}, {there}");
    assert_eq!(rows[8]["rank"], 0.0);
    // Five of the likeliest at each of nine depths.
    assert_eq!(found["likeliest"].as_array().unwrap().len(), 45);
    let text = printed(&["lens", BASE]);
    for word in ["_Madrid", "embedding", "kl", "_Spain"] {
        assert!(text.contains(word), "{text}");
    }
}

#[test]
fn the_lens_sees_a_plans_edits() {
    let folder = tempfile::tempdir().unwrap();
    let plan = folder.path().join("plan.toml");
    let edit = "[[edit]]\nintervention = 'interchange'\ncomponent = 'block_output'\nlayer = 0\n\
                positions = { role = 'subject_last' }\n";
    fs::write(&plan, edit).unwrap();
    let plan = plan.to_str().unwrap();
    let spans = ["--span", "subject=Spain", "--source-span", "subject=Italy"];
    let line = [
        "lens",
        "--json",
        "--positions",
        "last",
        "--plan",
        plan,
        "--model",
        "embedded",
        "--source",
        SOURCE,
    ];
    let found = json(&[&line[..], &spans, &[BASE]].concat());
    let rows = found["lens"].as_array().unwrap();
    assert_eq!(rows[8]["top"], "_Rome");
    // The token that is asked about by default is the edited run's.
    assert_eq!(rows[8]["token"], "_Rome");
    let data = folder.path().join("rows.jsonl");
    task(&data, 12);
    let line =
        ["lens", "--json", "--plan", plan, "--model", "embedded", "--data", data.to_str().unwrap()];
    let found = json(&line);
    let last = |asked: &str| {
        let rows = found["summary"].as_array().unwrap();
        let row = rows.iter().find(|row| {
            row["asked"] == asked && row["layer"] == 7 && row["metric"] == "probability"
        });
        row.unwrap()["mean"].as_f64().unwrap()
    };
    assert!(last("foil") > 3.0 * last("target"), "{} {}", last("foil"), last("target"));
}

#[test]
fn what_is_written_is_what_is_seen() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let out = |name: &str| path(name).to_str().unwrap().to_owned();
    printed(&["lens", "--out", &out("lens"), BASE]);
    let drawn = |names: &[&str]| -> Vec<String> {
        names.iter().flat_map(|name| [format!("{name}.png"), format!("{name}.svg")]).collect()
    };
    let written = |name: &str, tables: &[&str], figures: &[&str], more: &[&str]| {
        let of_tables =
            tables.iter().flat_map(|name| [format!("{name}.csv"), format!("{name}.parquet")]);
        let mut expected: Vec<String> = of_tables.chain(drawn(figures)).collect();
        expected.extend(more.iter().map(|name| (*name).to_owned()));
        expected.push("run.json".to_owned());
        expected.sort();
        assert_eq!(files(&path(name)), expected);
        assert_eq!(record(&path(name))["status"], "complete");
        assert!(record(&path(name))["model"]["sha256"].is_string());
    };
    written("lens", &["lens", "likeliest"], &["asked", "kl", "lens"], &[]);
    assert_eq!(table(&path("lens"), "lens.parquet").rows(), 9 * 5);
    assert!(fs::read_to_string(path("lens/lens.svg")).unwrap().contains("_Madrid"));

    let asked = ["--token", " Madrid", "--foil", " Rome"];
    printed(&[&["attribute", "--direct", "--out", &out("parts")], &asked[..], &[BASE]].concat());
    written("parts", &["attribution", "totals"], &["heads", "heads-direct", "layers"], &[]);
    let terms = table(&path("parts"), "attribution.parquet");
    let sum: f64 = terms.floats("contribution").unwrap().iter().sum();
    let logit = table(&path("parts"), "totals.parquet").floats("logit").unwrap()[0];
    assert!((sum - logit).abs() < 1e-4 * logit.abs(), "{sum}, {logit}");
    // A layer has four heads and a bias, an MLP and a bias; outside are two embeddings and the last norm's bias.
    assert_eq!(terms.rows(), 8 * 7 + 3);

    printed(&["attention", "--layers", "3", "--out", &out("heads"), BASE]);
    written("heads", &["attention", "scores"], &["patterns", "scores"], &["attention.html"]);
    let patterns = table(&path("heads"), "attention.parquet");
    assert_eq!(patterns.rows(), 4 * 15);
    let sum: f64 = patterns.floats("weight").unwrap().iter().sum();
    assert!((sum - 4.0 * 5.0).abs() < 1e-5, "{sum}");
    let page = fs::read_to_string(path("heads/attention.html")).unwrap();
    assert!(
        page.contains("\"_Spain\"") && page.contains("L3H2") && !page.contains("http"),
        "{page}"
    );
    // What is there is not replaced unasked, and then it is.
    let said = refused(&["attention", "--layers", "3", "--out", &out("heads"), BASE]);
    assert!(said.contains("look at attention that is complete"), "{said}");
    printed(&["attention", "--layers", "2", "--out", &out("heads"), "--force", BASE]);
    assert_eq!(table(&path("heads"), "attention.parquet").integers("layer").unwrap()[0], 2);
}

#[test]
fn rows_have_means_with_intervals() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("rows.jsonl");
    task(&data, 30);
    let data = data.to_str().unwrap();
    let out = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    for (command, more) in [("lens", &[][..]), ("attribute", &["--direct"]), ("attention", &[])] {
        let folder = folder.path().join(command);
        let line = [command, "--model", "embedded", "--data", data, "--out", &out(command)];
        let text = printed(&[&line[..], more].concat());
        assert!(text.contains('['), "{text}");
        let summary = table(&folder, "summary.parquet");
        let examples = table(&folder, "examples.parquet");
        let rows: std::collections::BTreeSet<i64> =
            examples.integers("row").unwrap().iter().copied().collect();
        assert_eq!(rows.len(), 30, "{command}");
        let means = summary.optional_floats("mean").unwrap();
        let (lows, highs) =
            (summary.optional_floats("low").unwrap(), summary.optional_floats("high").unwrap());
        let mut known = 0;
        for ((mean, low), high) in means.iter().zip(lows).zip(highs) {
            if let (Some(mean), Some(low), Some(high)) = (mean, low, high) {
                assert!(low <= *mean && *mean <= high, "{command}: {low}, {mean}, {high}");
                known += 1;
            }
        }
        assert!(known > 20, "{command}: {known}");
    }
    let said = refused(&["attribute", "--model", "embedded", "--data", data, "--token", " Madrid"]);
    assert!(said.contains("--token would change nothing"), "{said}");
    let said =
        refused(&["lens", "--model", "embedded", "--data", data, "--positions", "object_last"]);
    assert!(said.contains("no row has a span `object`"), "{said}");
}

#[test]
fn weights_are_listed_and_written() {
    let text = printed(&["weights", "--name", "layers.2.*"]);
    assert!(text.contains("layers.2.query.weight") && !text.contains("layers.1."), "{text}");
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("some.safetensors");
    let out = path.to_str().unwrap();
    printed(&[
        "weights",
        "--name",
        "layers.2.query.weight",
        "--name",
        "final_norm.bias",
        "--out",
        out,
    ]);
    let bytes = fs::read(&path).unwrap();
    let file = safetensors::SafeTensors::deserialize(&bytes).unwrap();
    assert_eq!(file.len(), 2);
    assert_eq!(file.tensor("layers.2.query.weight").unwrap().shape(), [128, 128]);
    let bias = file.tensor("final_norm.bias").unwrap();
    let stored =
        candle_core::safetensors::load_buffer(vene_embedded::WEIGHTS, &Device::Cpu).unwrap();
    let own = stored.iter().find(|(name, _)| name.ends_with("ln_f.bias")).unwrap().1;
    let own: Vec<f32> = own.to_dtype(DType::F32).unwrap().to_vec1().unwrap();
    let own: Vec<u8> = own.into_iter().flat_map(f32::to_le_bytes).collect();
    assert_eq!(bias.data(), own);
    let said = refused(&["weights", "--name", "layers.2.querry.weight"]);
    assert!(said.contains("no weight `layers.2.querry.weight`"), "{said}");
    let text = printed(&["weights", "--composition", "key"]);
    assert!(text.starts_with("by key") && text.lines().count() > 10, "{text}");
}

#[test]
fn what_cannot_be_looked_at_is_refused() {
    let said = refused(&["lens", "--token", " Madrid and Rome", BASE]);
    assert!(said.contains("--token"), "{said}");
    let said = refused(&["lens", "--positions", "9", BASE]);
    assert!(said.contains("--positions") && said.contains('9'), "{said}");
    let said = refused(&["attention", "--layers", "8", BASE]);
    assert!(said.contains("layer 8: there are 8, 0 to 7"), "{said}");
    let said = refused(&["attribute", "--limit", "3", BASE]);
    assert!(
        said.contains("--limit would change nothing") && said.contains("with --data"),
        "{said}"
    );
    let said = refused(&["attribute", ""]);
    assert!(said.contains("empty"), "{said}");
}
