//! Long tables stay small: a sweep over a data set repeats its texts hundreds of thousands of times.

#![allow(clippy::unwrap_used)]

use vene_table::Table;

#[test]
fn repeated_text_costs_little_in_parquet() {
    let rows = 1_000_000_usize;
    // Cell after cell, each with the same 250 rows.
    let base = |row: usize| format!("The capital of the country number {} is", row % 250);
    let component = |row: usize| ["mlp_output", "block_output"][row / 250 % 2];
    let table = Table::builder()
        .column("component", (0..rows).map(component).collect::<Vec<_>>())
        .column("base", (0..rows).map(base).collect::<Vec<_>>())
        .build()
        .unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("table.parquet");
    table.write_parquet(&path).unwrap();
    // The texts themselves are 45 MB; numbers in a dictionary of 250 are 1 MB, and they repeat.
    let bytes = std::fs::metadata(&path).unwrap().len();
    assert!(bytes < 500_000, "{bytes} bytes");
    assert_eq!(Table::read_parquet(&path).unwrap(), table);
}
