//! The main job on SmolLM2.

use serde_json::Value;
use vene_table::Table;
use vene_test_support::RealModel;

use crate::support::{BASE, SOURCE, peak, printed};

#[test]
fn the_likeliest_tokens_are_pytorchs() {
    let Some(model) = RealModel::SmolLm2.path() else { return };
    let text = printed(&["top", "--model", model.to_str().unwrap(), "--json", BASE, SOURCE]);
    let data: Value = serde_json::from_str(&text).unwrap();
    let expected = [
        [(" Madrid", 0.37733), (" Barcelona", 0.11002), (" the", 0.10412), (" La", 0.04990)],
        [(" Rome", 0.38029), (" the", 0.13784), (" Florence", 0.08576), (" Milan", 0.07502)],
    ];
    for (prompt, expected) in expected.iter().enumerate() {
        for (rank, (token, probability)) in expected.iter().enumerate() {
            let found = &data[prompt]["tokens"][rank];
            assert_eq!(found["token"], *token);
            assert!((found["probability"].as_f64().unwrap() - probability).abs() < 1e-4, "{found}");
        }
    }
}

/// The reference agrees with pyvene, and the forked executor with the reference. (Forked and pyvene,
/// both in float32, differ by 1.01e-5, most of it pyvene's rounding: fixtures/README.md.)
#[test]
fn the_sweep_is_pyvenes() {
    let Some(model) = RealModel::SmolLm2.path() else { return };
    let run = |executor| {
        let folder = tempfile::tempdir().unwrap();
        let components = ["--component", "mlp_output,attention_input"];
        let mut arguments = crate::support::sweep(folder.path(), &components);
        arguments.extend(["--executor", executor, "--model", model.to_str().unwrap()]);
        printed(&arguments);
        Table::read_parquet(folder.path().join("sweep.parquet")).unwrap()
    };
    let (table, forked) = (run("reference"), run("forked"));
    let fixture: Value = vene_test_support::json("pyvene/smollm2_tutorial.json");
    let rows = fixture["rows"].as_array().unwrap();
    assert_eq!(table.rows(), rows.len());
    let (layers, positions) =
        (table.optional_integers("layer").unwrap(), table.optional_integers("position").unwrap());
    let (components, tokens) =
        (table.text("component").unwrap(), table.integers("token_id").unwrap());
    let probabilities = table.floats("probability").unwrap();
    for row in 0..table.rows() {
        let expected = rows
            .iter()
            .find(|expected| {
                expected["component"] == components[row]
                    && expected["layer"].as_i64() == layers[row]
                    && expected["position"].as_i64() == positions[row]
                    && expected["token_id"].as_i64() == Some(tokens[row])
            })
            .unwrap();
        let (found, expected) = (probabilities[row], expected["probability"].as_f64().unwrap());
        assert!((found - expected).abs() < 1e-5, "row {row}: {found} {expected}");
    }
    for (a, b) in probabilities.iter().zip(forked.floats("probability").unwrap()) {
        assert!((a - b).abs() < 5e-6, "{a} {b}");
    }
}

/// Edited attention patterns are computed by plain operations, on the weights that are there.
#[test]
fn edited_patterns_make_no_second_copy_of_the_weights() {
    let Some(model) = RealModel::SmolLm2.path() else { return };
    let peak_of = |components: &str| {
        let folder = tempfile::tempdir().unwrap();
        let more = ["--component", components, "--layers", "12..15"];
        let mut arguments = crate::support::sweep(folder.path(), &more);
        arguments.extend(["--model", model.to_str().unwrap()]);
        peak(&arguments)
    };
    let (rows, patterns) = (peak_of("mlp_output"), peak_of("attention_weight,attention_score"));
    // 134 million weights of four bits, a scale and an offset for each 32 of them.
    let weights = 134_000_000 * 6 / 8;
    assert!(rows > weights, "{rows} bytes are less than the weights");
    assert!(patterns < rows + weights / 4, "{patterns} bytes with edited patterns, {rows} without");
}
