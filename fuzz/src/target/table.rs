//! Tables, as results and parts of results are kept.

use std::path::Path;

use anyhow::Result;
use vene_table::{Kind, Table};

use super::Target;
use crate::mutate::Form;

fn table() -> Result<Table> {
    let rows = 60;
    Ok(Table::builder()
        .column("component", vec!["mlp_output"; rows])
        .column("layer", (0..rows).map(|row| (row % 3 != 0).then_some(row)).collect::<Vec<_>>())
        .column("probability", (0..rows).map(|row| row as f64 / 7.0).collect::<Vec<_>>())
        .metadata("model", "gpt2")
        .build()?)
}

pub fn csv(folder: &Path) -> Result<Target> {
    let path = folder.join("table.csv");
    table()?.write_csv(&path)?;
    Ok(Target {
        seeds: vec![std::fs::read(&path)?],
        form: Form::Text,
        words: vec!["component", "layer", "probability", "NaN", "inf", "true"],
        read: Box::new(move |bytes| {
            std::fs::write(&path, bytes)?;
            let kinds = [("layer", Kind::OptionalInteger), ("probability", Kind::Float)];
            Table::read_csv(&path, &kinds)?;
            Ok(())
        }),
    })
}

pub fn parquet(folder: &Path) -> Result<Target> {
    let path = folder.join("table.parquet");
    table()?.write_parquet(&path)?;
    Ok(Target {
        seeds: vec![std::fs::read(&path)?],
        form: Form::Bytes,
        words: Vec::new(),
        read: Box::new(move |bytes| {
            std::fs::write(&path, bytes)?;
            Table::read_parquet(&path)?;
            Ok(())
        }),
    })
}
