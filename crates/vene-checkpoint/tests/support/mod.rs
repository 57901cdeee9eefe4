//! A tiny model's files, for tests to use and to break.

#![allow(dead_code, clippy::unwrap_used)]

use std::path::Path;

use safetensors::tensor::{Dtype, TensorView};
use serde_json::json;

/// Safetensors of F32 tensors.
pub fn safetensors(tensors: &[(&str, &[usize], &[f32])]) -> Vec<u8> {
    let data: Vec<Vec<u8>> = tensors
        .iter()
        .map(|(_, _, values)| values.iter().flat_map(|v| v.to_le_bytes()).collect())
        .collect();
    let views = tensors.iter().zip(&data).map(|((name, shape, _), bytes)| {
        (*name, TensorView::new(Dtype::F32, shape.to_vec(), bytes).unwrap())
    });
    safetensors::serialize(views, None).unwrap()
}

/// Two tensors.
pub fn weights() -> Vec<u8> {
    safetensors(&[
        ("a.weight", &[2, 3], &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0]),
        ("b.bias", &[2], &[-1.0, 0.5]),
    ])
}

pub const CONFIG: &str = r#"{"model_type": "gpt2", "n_embd": 3, "bos_token_id": 5}"#;

/// A byte-level tokenizer of a few tokens; `post_processor` as given.
pub fn tokenizer(post_processor: serde_json::Value) -> String {
    json!({
        "version": "1.0",
        "truncation": {"direction": "Right", "max_length": 2, "strategy": "LongestFirst", "stride": 0},
        "padding": null,
        "added_tokens": [
            {"id": 5, "content": "<s>", "single_word": false, "lstrip": false, "rstrip": false,
             "normalized": false, "special": true}
        ],
        "normalizer": null,
        "pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": true},
        "post_processor": post_processor,
        "decoder": {"type": "ByteLevel", "add_prefix_space": true, "trim_offsets": true, "use_regex": true},
        "model": {
            "type": "BPE", "dropout": null, "unk_token": null, "continuing_subword_prefix": null,
            "end_of_word_suffix": null, "fuse_unk": false, "byte_fallback": false, "ignore_merges": false,
            "vocab": {"a": 0, "b": 1, "Ġ": 2, "Ġa": 3, "ab": 4},
            "merges": [["Ġ", "a"], ["a", "b"]]
        }
    })
    .to_string()
}

/// A post-processor that puts `<s>` in front.
pub fn with_bos() -> serde_json::Value {
    json!({
        "type": "TemplateProcessing",
        "single": [{"SpecialToken": {"id": "<s>", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}],
        "pair": [{"Sequence": {"id": "A", "type_id": 0}}, {"Sequence": {"id": "B", "type_id": 0}}],
        "special_tokens": {"<s>": {"id": "<s>", "ids": [5], "tokens": ["<s>"]}}
    })
}

/// Writes a whole model into a folder.
pub fn write_model(folder: &Path) {
    std::fs::write(folder.join("config.json"), CONFIG).unwrap();
    std::fs::write(folder.join("model.safetensors"), weights()).unwrap();
    std::fs::write(folder.join("tokenizer.json"), tokenizer(serde_json::Value::Null)).unwrap();
}

/// Bytes of a GGUF file as they are written one after the other.
#[derive(Default)]
pub struct Gguf {
    pub pairs: Vec<(String, u32, Vec<u8>)>,
    pub tensors: Vec<(String, Vec<u64>, u32, u64)>,
    pub data: Vec<u8>,
}

pub fn gguf_string(text: &str) -> Vec<u8> {
    [&(text.len() as u64).to_le_bytes(), text.as_bytes()].concat()
}

impl Gguf {
    pub fn pair(&mut self, key: &str, kind: u32, value: Vec<u8>) -> &mut Self {
        self.pairs.push((key.to_owned(), kind, value));
        self
    }

    pub fn strings(&mut self, key: &str, texts: &[&str]) -> &mut Self {
        let mut value =
            [8u32.to_le_bytes().as_slice(), &(texts.len() as u64).to_le_bytes()].concat();
        texts.iter().for_each(|text| value.extend(gguf_string(text)));
        self.pair(key, 9, value)
    }

    pub fn numbers(&mut self, key: &str, kind: u32, values: &[[u8; 4]]) -> &mut Self {
        let mut value =
            [kind.to_le_bytes().as_slice(), &(values.len() as u64).to_le_bytes()].concat();
        values.iter().for_each(|bytes| value.extend(bytes));
        self.pair(key, 9, value)
    }

    /// A valid small model with a SentencePiece tokenizer and two tensors.
    pub fn small() -> Self {
        let mut gguf = Self::default();
        gguf.pair("general.architecture", 8, gguf_string("llama"))
            .pair("tokenizer.ggml.model", 8, gguf_string("llama"))
            .strings(
                "tokenizer.ggml.tokens",
                &["<unk>", "<s>", "▁", "a", "b", "▁a", "ab", "<0x0A>"],
            )
            .numbers(
                "tokenizer.ggml.scores",
                6,
                &[0.0f32, 0.0, -3.0, -4.0, -5.0, -1.0, -2.0, 0.0].map(f32::to_le_bytes),
            )
            .numbers(
                "tokenizer.ggml.token_type",
                5,
                &[2i32, 3, 1, 1, 1, 1, 1, 6].map(i32::to_le_bytes),
            );
        gguf.tensors.push(("x".to_owned(), vec![3, 2], 0, 0));
        gguf.tensors.push(("y".to_owned(), vec![32, 1], 2, 32));
        gguf.data =
            [1.0f32, 2.0, 3.0, 4.0, 5.0, 6.0].iter().flat_map(|v| v.to_le_bytes()).collect();
        gguf.data.resize(32, 0);
        gguf.data.extend([0x00, 0x3c]);
        gguf.data.extend([0x97; 16]);
        gguf
    }

    pub fn bytes(&self) -> Vec<u8> {
        let mut bytes = b"GGUF".to_vec();
        bytes.extend(3u32.to_le_bytes());
        bytes.extend((self.tensors.len() as u64).to_le_bytes());
        bytes.extend((self.pairs.len() as u64).to_le_bytes());
        for (key, kind, value) in &self.pairs {
            bytes.extend(gguf_string(key));
            bytes.extend(kind.to_le_bytes());
            bytes.extend(value);
        }
        for (name, axes, kind, offset) in &self.tensors {
            bytes.extend(gguf_string(name));
            bytes.extend((axes.len() as u32).to_le_bytes());
            axes.iter().for_each(|axis| bytes.extend(axis.to_le_bytes()));
            bytes.extend(kind.to_le_bytes());
            bytes.extend(offset.to_le_bytes());
        }
        bytes.resize(bytes.len().next_multiple_of(32), 0);
        bytes.extend(&self.data);
        bytes
    }
}
