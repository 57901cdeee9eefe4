//! Data sets in all formats and layouts.

use std::path::Path;
use std::sync::Arc;

use anyhow::Result;
use arrow_array::builder::{ListBuilder, StringBuilder, StringDictionaryBuilder};
use arrow_array::types::Int32Type;
use arrow_array::{ArrayRef, BooleanArray, Float64Array, Int64Array, RecordBatch, StringArray};
use parquet::arrow::ArrowWriter;
use vene::data::{ReadOptions, read_with};

use super::{Target, file};
use crate::mutate::Form;

const WORDS: [&str; 34] = [
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
    "id",
    "_ignored",
    "meta_a",
    "[0,1]",
    "[\" a\"]",
    "The capital of Spain is",
    " Madrid",
    "Spain",
    "labels",
];

fn target(folder: &Path, name: &str, form: Form, seeds: Vec<Vec<u8>>) -> Target {
    let path = folder.join(name);
    Target {
        seeds,
        form,
        words: WORDS.to_vec(),
        read: Box::new(move |bytes| {
            std::fs::write(&path, bytes)?;
            let read =
                |options| read_with(&path, &options).map(|file| assert!(!file.rows.is_empty()));
            let plain = read(ReadOptions::default());
            let chosen = ReadOptions {
                counterfactual: Some("a".to_owned()),
                leave_out: true,
                ..ReadOptions::default()
            };
            read(chosen).or(plain)?;
            Ok(())
        }),
    }
}

pub fn csv(folder: &Path) -> Result<Target> {
    Ok(target(folder, "a.csv", Form::Text, vec![file("crates/vene-data/tests/data/capitals.csv")?]))
}

pub fn jsonl(folder: &Path) -> Result<Target> {
    let names = ["capitals", "mib_arithmetic", "mib_ioi", "mib_mcqa"];
    let seeds = names.iter().map(|name| file(&format!("crates/vene-data/tests/data/{name}.jsonl")));
    Ok(target(folder, "a.jsonl", Form::Text, seeds.collect::<Result<_>>()?))
}

pub fn json(folder: &Path) -> Result<Target> {
    let rows = file("crates/vene-data/tests/data/capitals.jsonl")?;
    let rows = String::from_utf8_lossy(&rows).trim().replace('\n', ",");
    let seeds = vec![
        file("crates/vene-data/tests/data/auto_circuit.json")?,
        format!("[{rows}]").into_bytes(),
    ];
    Ok(target(folder, "a.json", Form::Json, seeds))
}

pub fn parquet(folder: &Path) -> Result<Target> {
    let seeds = vec![parquet_file(3)?, parquet_file(200)?];
    Ok(target(folder, "a.parquet", Form::Bytes, seeds))
}

/// Texts, lists of texts, texts of a dictionary, numbers.
fn parquet_file(rows: usize) -> Result<Vec<u8>> {
    let base: ArrayRef = Arc::new(StringArray::from(vec!["a b a"; rows]));
    let mut target = StringDictionaryBuilder::<Int32Type>::new();
    let mut foil = ListBuilder::new(StringBuilder::new());
    for row in 0..rows {
        target.append([" c", " d"][row % 2])?;
        foil.append_value([Some(" x"), Some(" y")]);
    }
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("base", base),
        ("target", Arc::new(target.finish())),
        ("foil", Arc::new(foil.finish())),
        ("b", Arc::new(StringArray::from(vec!["b"; rows]))),
        ("id", Arc::new(Int64Array::from_iter_values(0..rows as i64))),
        ("_score", Arc::new(Float64Array::from_iter_values((0..rows).map(|row| row as f64)))),
        ("_flag", Arc::new(BooleanArray::from(vec![true; rows]))),
    ];
    let batch = RecordBatch::try_from_iter(columns)?;
    let mut bytes = Vec::new();
    let mut writer = ArrowWriter::try_new(&mut bytes, batch.schema(), None)?;
    writer.write(&batch)?;
    writer.close()?;
    Ok(bytes)
}
