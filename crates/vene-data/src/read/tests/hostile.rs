//! Files that were made or damaged to do harm: none may do more than be refused.

use std::sync::Arc;

use arrow_array::builder::{ListBuilder, StringBuilder};
use arrow_array::{ArrayRef, RecordBatch, StringArray};
use parquet::arrow::ArrowWriter;
use proptest::prelude::*;

use super::*;

/// A JSON value, of keys and texts that mean something here.
fn json() -> impl Strategy<Value = serde_json::Value> {
    let text = prop_oneof![
        Just("a b a".to_owned()),
        Just("a".to_owned()),
        Just("[0,1]".to_owned()),
        Just("[\" a\"]".to_owned()),
        Just(String::new()),
        any::<String>(),
    ];
    let leaf = prop_oneof![
        Just(serde_json::Value::Null),
        any::<bool>().prop_map(Into::into),
        any::<i64>().prop_map(Into::into),
        (0..4_u64).prop_map(Into::into),
        any::<f64>().prop_map(Into::into),
        text.prop_map(Into::into),
    ];
    let key = prop_oneof![
        proptest::sample::select(vec![
            "base",
            "source",
            "target",
            "foil",
            "group",
            "x",
            "source_x",
            "x_occurrence",
            "source_x_occurrence",
            "clean",
            "corrupt",
            "answers",
            "wrong_answers",
            "prompts",
            "prompt",
            "a_counterfactual",
            "choices",
            "label",
            "answerKey",
            "metadata",
            "indirect_object",
            "subject",
            "template",
            "entity",
            "attribute",
        ])
        .prop_map(str::to_owned),
        any::<String>(),
    ];
    leaf.prop_recursive(4, 64, 8, move |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Into::into),
            proptest::collection::vec((key.clone(), inner), 0..10)
                .prop_map(|entries| serde_json::Value::Object(entries.into_iter().collect())),
        ]
    })
}

/// A Parquet file with a list column.
fn parquet() -> Vec<u8> {
    let base: ArrayRef = Arc::new(StringArray::from(vec!["a b a"; 30]));
    let mut foil = ListBuilder::new(StringBuilder::new());
    for _ in 0..30 {
        foil.append_value([Some(" x"), Some(" y")]);
    }
    let foil: ArrayRef = Arc::new(foil.finish());
    let batch = RecordBatch::try_from_iter([("base", base), ("foil", foil)]).unwrap();
    let mut bytes = Vec::new();
    let mut writer = ArrowWriter::try_new(&mut bytes, batch.schema(), None).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
    bytes
}

fn anything_but_a_panic(name: &str, bytes: &[u8]) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(name);
    std::fs::write(&path, bytes).unwrap();
    for counterfactual in [None, Some("a".to_owned())] {
        let options = ReadOptions { counterfactual, leave_out: true, bare_labels: false };
        match read_with(&path, &options) {
            Ok(file) => assert!(!file.rows.is_empty()),
            Err(error) => assert!(!error.to_string().is_empty()),
        }
    }
}

proptest! {
    #[test]
    fn bytes(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        for name in ["a.csv", "a.jsonl", "a.json", "a.parquet"] {
            anything_but_a_panic(name, &bytes);
        }
    }

    #[test]
    fn objects(values in proptest::collection::vec(json(), 1..3)) {
        let lines: Vec<String> = values.iter().map(ToString::to_string).collect();
        anything_but_a_panic("a.jsonl", lines.join("\n").as_bytes());
        anything_but_a_panic("a.json", lines[0].as_bytes());
        anything_but_a_panic("a.json", format!("[{}]", lines.join(",")).as_bytes());
    }

    #[test]
    fn damaged_json(cut in 0..400_usize, byte in any::<u8>()) {
        let mut bytes = std::fs::read(sample("capitals.jsonl")).unwrap();
        bytes[cut] = byte;
        anything_but_a_panic("a.jsonl", &bytes);
        anything_but_a_panic("a.jsonl", &bytes[..cut]);
    }

    #[test]
    fn damaged_csv(cut in 0..400_usize, byte in any::<u8>()) {
        let mut bytes = std::fs::read(sample("capitals.csv")).unwrap();
        bytes[cut] = byte;
        anything_but_a_panic("a.csv", &bytes);
        anything_but_a_panic("a.csv", &bytes[..cut]);
    }

    #[test]
    fn damaged_parquet(at in any::<proptest::sample::Index>(), byte in any::<u8>()) {
        let mut bytes = parquet();
        let at = at.index(bytes.len());
        bytes[at] = byte;
        anything_but_a_panic("a.parquet", &bytes);
        anything_but_a_panic("a.parquet", &bytes[..at]);
    }
}

#[test]
fn deep_nesting() {
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    assert!(refused("a.json", &deep).contains("recursion limit"));
    let cell = format!("base,target\nx,{deep}\n");
    assert!(refused("a.csv", &cell).contains("looks like a list and is none"));
}

#[test]
fn more_values_than_a_data_set_has() {
    // 80 MB of text, more than 1 GB of values.
    let many = format!("{{\"base\": \"x\", \"_\": [1{}]}}", ",1".repeat(40_000_000));
    assert!(refused("a.jsonl", &many).contains("more values than a data set may have"));
}
