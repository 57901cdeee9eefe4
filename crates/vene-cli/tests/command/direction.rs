//! `vene direction`: what is written, what a plan makes of it, what is refused.

use std::fs;
use std::path::Path;

use vene_table::Table;

use crate::support::{files, printed, refused};

/// Countries of two continents.
fn pairs(folder: &Path) -> String {
    let pairs = [("Spain", "Japan"), ("Italy", "India"), ("France", "China"), ("Greece", "Iraq")];
    let row = |(one, other): &(&str, &str)| {
        format!(
            "{{\"base\": \"The capital of {one} is\", \"source\": \"The capital of {other} is\", \"subject\": \"{one}\", \
             \"source_subject\": \"{other}\", \"target\": \" {one}\", \"foil\": \" {other}\"}}\n"
        )
    };
    let path = folder.join("pairs.jsonl");
    fs::write(&path, pairs.iter().map(row).collect::<String>()).unwrap();
    path.to_str().unwrap().to_owned()
}

#[test]
fn directions_are_written_and_steer() {
    let folder = tempfile::tempdir().unwrap();
    let data = pairs(folder.path());
    let out = folder.path().join("found");
    let path = out.to_str().unwrap();
    let line = ["direction", "--model", "embedded", "--data", &data, "--positions", "subject_last"];
    let said = printed(&[&line[..], &["--resamples", "50", "--out", path]].concat());
    assert!(said.contains("4 pairs") && said.contains("Best: layer"), "{said}");
    assert_eq!(
        files(&out),
        [
            "directions.csv",
            "directions.parquet",
            "directions.safetensors",
            "pairs.csv",
            "pairs.parquet",
            "run.json",
            "separation.png",
            "separation.svg",
            "steer.toml"
        ]
    );
    let table = Table::read_parquet(out.join("directions.parquet")).unwrap();
    assert_eq!(table.rows(), 2 * 8);
    let pairs = Table::read_parquet(out.join("pairs.parquet")).unwrap();
    // Of the pairs' parts the area is made.
    let (layers, auc) = (pairs.integers("layer").unwrap(), pairs.floats("auc").unwrap());
    let of_layer: Vec<f64> =
        (0..pairs.rows()).filter(|&row| layers[row] == 6).map(|row| auc[row]).collect();
    assert_eq!(of_layer.len(), 4);
    let line_of = (0..table.rows())
        .find(|&row| {
            table.integers("layer").unwrap()[row] == 6
                && table.text("metric").unwrap()[row] == "auc"
        })
        .unwrap();
    let mean = table.optional_floats("mean").unwrap()[line_of].unwrap();
    assert!((mean - of_layer.iter().sum::<f64>() / 4.0).abs() < 1e-12);
    let bytes = fs::read(out.join("directions.safetensors")).unwrap();
    let tensors = safetensors::SafeTensors::deserialize(&bytes).unwrap();
    assert_eq!(tensors.len(), 16);
    let length = |name: &str| -> f64 {
        let data = tensors.tensor(name).unwrap().data().to_vec();
        let values = data.chunks_exact(4).map(|four| f32::from_le_bytes(four.try_into().unwrap()));
        values.map(|value| f64::from(value).powi(2)).sum::<f64>().sqrt()
    };
    let (found, random) = (length("block_output/6"), length("random/block_output/6"));
    assert!((found / random - 1.0).abs() < 1e-5, "{found} {random}");
    // The plan moves Japan to Europe.
    let plan = out.join("steer.toml");
    let top = ["top", "--plan", plan.to_str().unwrap(), "--span", "subject=Japan", "--json"];
    let steered = printed(&[&top[..], &["Japan is a country in"]].concat());
    let unsteered = printed(&["top", "--json", "--model", "embedded", "Japan is a country in"]);
    let first = |said: &str| {
        said.find(" Europe").unwrap_or(usize::MAX) < said.find(" Asia").unwrap_or(usize::MAX)
    };
    assert!(first(&steered) && !first(&unsteered), "{steered} {unsteered}");
    for method in ["pca", "probe", "logistic"] {
        let said = printed(
            &[&line[..], &["--method", method, "--layers", "6", "--resamples", "50"]].concat(),
        );
        assert!(said.contains("Best: layer 6"), "{said}");
    }
}

#[test]
fn every_option_changes_something() {
    let folder = tempfile::tempdir().unwrap();
    let data = pairs(folder.path());
    let line = [
        "direction",
        "--model",
        "embedded",
        "--data",
        &data,
        "--positions",
        "subject_last",
        "--json",
    ];
    let said = |more: &[&str]| printed(&[&line[..], more].concat());
    let usual = said(&["--resamples", "50"]);
    assert_eq!(
        usual,
        said(&[
            "--resamples",
            "50",
            "--method",
            "means",
            "--component",
            "block_output",
            "--layers",
            "all"
        ])
    );
    for more in [
        &["--method", "pca"][..],
        &["--component", "mlp_output"],
        &["--layers", "3"],
        &["--limit", "3"],
        &["--seed", "1"],
        &[
            "--positive",
            " Japan",
            "--positive",
            " India",
            "--positive",
            " China",
            "--positive",
            " Iraq",
        ],
        &["--precision", "double"],
        &["--bos", "always"],
    ] {
        assert_ne!(usual, said(&[&["--resamples", "50"], more].concat()), "{more:?}");
    }
    assert!(refused(&[&line[..], &["--chat"]].concat()).contains("chat_template"));
    let out = folder.path().join("out");
    let line = [&line[..], &["--out", out.to_str().unwrap()]].concat();
    printed(&line);
    assert!(refused(&line).contains("--force"));
    printed(&[&line[..], &["--force"]].concat());
}

#[test]
fn what_has_no_direction_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let data = pairs(folder.path());
    let line = ["direction", "--model", "embedded", "--data", &data];
    for (more, part) in [
        (&["--positions", "object"][..], "object"),
        (&["--component", "guess"], "guess"),
        (&["--component", "final_norm"], "in no layer"),
        (&["--layers", "99"], "99"),
        (&["--positive", " Rome"], "which side it is on is not known"),
        (&["--method", "guess"], "guess"),
        // The last token is the same in base and source, and so is what the first block reads there.
        (&["--component", "block_input", "--layers", "0"], "the same activations"),
        (&["--force"], "with --out"),
    ] {
        let said = refused(&[&line[..], more].concat());
        assert!(said.contains(part), "{more:?}: {said}");
    }
    let one = folder.path().join("one.jsonl");
    let text =
        fs::read_to_string(&data).unwrap().replace("\"target\"", "\"group\": \"all\", \"target\"");
    fs::write(&one, text).unwrap();
    let line = ["direction", "--model", "embedded", "--data", one.to_str().unwrap()];
    let said = refused(&[&line[..], &["--positions", "subject_last"]].concat());
    assert!(said.contains("all rows are of one group"), "{said}");
}
