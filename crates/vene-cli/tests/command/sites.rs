//! `vene sites`, `vene interventions` and `vene models`.

use serde_json::Value;

use crate::support::printed;

#[test]
fn the_committed_table_is_what_the_command_prints() {
    let committed = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/components.md");
    assert_eq!(printed(&["sites", "--markdown"]), std::fs::read_to_string(committed).unwrap());
}

#[test]
fn every_component_is_told_with_the_models_own_numbers() {
    let data: Value = serde_json::from_str(&printed(&["sites", "--json"])).unwrap();
    let text = data.to_string();
    for name in ["attention_value_output", "blocks.", "hook_z", "mlp_gate", "128"] {
        assert!(text.contains(name), "{name}");
    }
}

#[test]
fn the_table_in_the_documents_is_what_the_command_prints() {
    let page = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/plans.md");
    let table = printed(&["interventions", "--markdown"]);
    assert!(std::fs::read_to_string(page).unwrap().contains(&format!("\n\n{table}\n")), "{table}");
}

#[test]
fn every_intervention_is_listed() {
    let (text, json) = (printed(&["interventions"]), printed(&["interventions", "--json"]));
    let data: Value = serde_json::from_str(&json).unwrap();
    let rows = data.as_array().unwrap();
    assert!(rows.len() > 30);
    for row in rows {
        assert!(text.contains(row["name"].as_str().unwrap()), "{row}");
    }
    let das = rows.iter().find(|row| row["name"] == "low_rank_rotated_space").unwrap();
    assert_eq!(das["settings"][3]["key"], "seed");
    assert_eq!(das["settings"][3]["default"], "0");
    assert_eq!(das["pyvene"][0], "LowRankRotatedSpaceIntervention");
}

#[test]
fn models_tells_families_and_the_built_in_model() {
    let text = printed(&["models"]);
    for name in ["embedded", "gpt2", "llama", "gemma3"] {
        assert!(text.contains(name), "{name}");
    }
}
