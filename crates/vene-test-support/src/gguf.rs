//! GGUF files of float32 tensors, as bytes.

use serde_json::Value;

/// Metadata (key, kind, value) and tensors (name, shape, values) as a file's bytes.
pub fn bytes(
    metadata: &[(String, String, Value)],
    tensors: &[(String, Vec<usize>, Vec<f32>)],
) -> Vec<u8> {
    const ALIGNMENT: usize = 32;
    let mut bytes = b"GGUF".to_vec();
    bytes.extend(3u32.to_le_bytes());
    bytes.extend((tensors.len() as u64).to_le_bytes());
    bytes.extend((metadata.len() as u64).to_le_bytes());
    for (key, kind, value) in metadata {
        bytes.extend(text(key));
        let (number, value) = encoded(kind, value);
        bytes.extend(number.to_le_bytes());
        bytes.extend(value);
    }
    let mut data = Vec::new();
    for (name, shape, values) in tensors {
        bytes.extend(text(name));
        bytes.extend((shape.len() as u32).to_le_bytes());
        // The fastest axis comes first.
        shape.iter().rev().for_each(|&extent| bytes.extend((extent as u64).to_le_bytes()));
        bytes.extend(0u32.to_le_bytes());
        bytes.extend((data.len() as u64).to_le_bytes());
        values.iter().for_each(|value| data.extend(value.to_le_bytes()));
        data.resize(data.len().next_multiple_of(ALIGNMENT), 0);
    }
    bytes.resize(bytes.len().next_multiple_of(ALIGNMENT), 0);
    bytes.extend(data);
    bytes
}

fn text(text: &str) -> Vec<u8> {
    [&(text.len() as u64).to_le_bytes(), text.as_bytes()].concat()
}

/// GGUF's number of a kind, and a value's bytes.
fn encoded(kind: &str, value: &Value) -> (u32, Vec<u8>) {
    let list = |kind: u32, items: Vec<Vec<u8>>| {
        let mut bytes = kind.to_le_bytes().to_vec();
        bytes.extend((items.len() as u64).to_le_bytes());
        bytes.extend(items.concat());
        (9, bytes)
    };
    let items = || value.as_array().unwrap().iter();
    match kind {
        "u32" => (4, (value.as_u64().unwrap() as u32).to_le_bytes().to_vec()),
        "f32" => (6, (value.as_f64().unwrap() as f32).to_le_bytes().to_vec()),
        "bool" => (7, vec![u8::from(value.as_bool().unwrap())]),
        "string" => (8, text(value.as_str().unwrap())),
        "bools" => list(7, items().map(|item| vec![u8::from(item.as_bool().unwrap())]).collect()),
        "strings" => list(8, items().map(|item| text(item.as_str().unwrap())).collect()),
        "i32s" => list(
            5,
            items().map(|item| (item.as_i64().unwrap() as i32).to_le_bytes().to_vec()).collect(),
        ),
        _ => panic!("no kind `{kind}`"),
    }
}
