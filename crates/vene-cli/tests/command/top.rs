//! `vene top`.

use serde_json::Value;

use crate::support::{BASE, SOURCE, printed};

#[test]
fn json_has_ids_texts_and_probabilities() {
    let data: Value =
        serde_json::from_str(&printed(&["top", "-n", "3", "--json", BASE, SOURCE])).unwrap();
    assert_eq!(data.as_array().unwrap().len(), 2);
    assert_eq!(data[0]["prompt"], BASE);
    assert_eq!(data[0]["token_ids"].as_array().unwrap().len(), 5);
    let tokens = data[0]["tokens"].as_array().unwrap();
    assert_eq!(tokens.len(), 3);
    assert_eq!(tokens[0]["token"], " Madrid");
    let keys: Vec<&String> = tokens[0].as_object().unwrap().keys().collect();
    assert_eq!(keys, ["token", "id", "probability", "logit"]);
    assert_eq!(data[1]["tokens"][0]["token"], " Rome");
}

#[test]
fn double_precision_agrees_with_single() {
    let first = |precision| {
        let text = printed(&["top", "-n", "1", "--json", "--precision", precision, BASE]);
        let data: Value = serde_json::from_str(&text).unwrap();
        data[0]["tokens"][0]["probability"].as_f64().unwrap()
    };
    let (single, double) = (first("single"), first("double"));
    assert!((single - double).abs() < 1e-5);
    assert_ne!(single, double);
}
