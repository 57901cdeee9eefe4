//! A tokenizer for models that have none.

use serde_json::{Map, Value, json};

/// A `tokenizer.json` with one word for each token id: `t0`, `t1`, … with a space between.
pub(crate) fn words(vocabulary: usize) -> String {
    let entries: Map<String, Value> =
        (0..vocabulary).map(|id| (format!("t{id}"), Value::from(id))).collect();
    json!({
        "version": "1.0",
        "truncation": null,
        "padding": null,
        "added_tokens": [],
        "normalizer": null,
        "pre_tokenizer": { "type": "WhitespaceSplit" },
        "post_processor": null,
        "decoder": null,
        "model": { "type": "WordLevel", "vocab": entries, "unk_token": "t0" },
    })
    .to_string()
}
