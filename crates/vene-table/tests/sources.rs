//! A table is the same, however it comes: in memory, in one file, in many.

#![allow(clippy::unwrap_used)]

use proptest::collection::vec;
use proptest::prelude::*;
use vene_table::{Joined, Kind, Table, TableError, TableFile, TableSource};

/// A table of `rows` rows, some with gaps.
fn table(rows: std::ops::Range<usize>) -> Table {
    let gap = |row: usize| (!row.is_multiple_of(7)).then_some(row);
    Table::builder()
        .column("example", rows.clone().collect::<Vec<_>>())
        .column(
            "group",
            rows.clone()
                .map(|row| gap(row).map(|row| format!("g{}", row % 50)))
                .collect::<Vec<_>>(),
        )
        .column("token", rows.clone().map(|row| format!("token {}", row % 900)).collect::<Vec<_>>())
        .column("effect", rows.map(|row| (row as f64).sin()).collect::<Vec<_>>())
        .metadata("model", "tiny")
        .build()
        .unwrap()
}

fn chunks(source: &impl TableSource, columns: Option<&[&str]>) -> Vec<Table> {
    source.chunks(columns).unwrap().collect::<Result<_, _>>().unwrap()
}

#[test]
fn files_are_the_same_bytes_however_rows_are_divided() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    // More than are written at once, and more than a page or a dictionary of the file holds.
    let count = 200_000;
    let whole = table(0..count);
    whole.write_parquet(path("whole")).unwrap();
    for (name, cuts) in
        [("two", vec![1, count]), ("many", (0..=count / 999).map(|cut| (cut + 1) * 999).collect())]
    {
        let mut files = Vec::new();
        let mut start = 0;
        for cut in cuts {
            let end = cut.min(count);
            let file = path(&format!("{name}-{start}"));
            whole.slice(start, end - start).write_parquet(&file).unwrap();
            files.push(TableFile::open(&file).unwrap());
            start = end;
        }
        let joined = Joined::of(&files, &["model"]).unwrap();
        assert_eq!((joined.rows(), joined.metadata()["model"].as_str()), (count, "tiny"));
        joined.write_parquet(path(name)).unwrap();
        assert!(
            std::fs::read(path(name)).unwrap() == std::fs::read(path("whole")).unwrap(),
            "{name}"
        );
        assert_eq!(joined.table().unwrap(), whole);
    }
}

#[test]
fn a_file_is_read_in_chunks_of_the_columns_that_are_wanted() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("table.parquet");
    let whole = table(0..150_000);
    whole.write_parquet(&path).unwrap();
    let file = TableFile::open(&path).unwrap();
    assert_eq!(file.rows(), 150_000);
    assert_eq!(file.fields(), whole.fields());
    let parts = chunks(&file, Some(&["effect", "group"]));
    assert!(parts.len() > 1 && parts.iter().all(|part| part.rows() <= 1 << 16), "{}", parts.len());
    let together = Table::concatenate(&parts, &[]).unwrap();
    assert_eq!(together, whole.select(&["group", "effect"]).unwrap());
    assert_eq!(chunks(&whole, Some(&["effect", "group"])), [together]);
    let error = file.chunks(Some(&["loss"])).err().unwrap();
    assert!(matches!(error, TableError::MissingColumn { .. }), "{error}");
}

#[test]
fn gaps_of_one_file_are_gaps_of_all() {
    let part = |heads: Vec<Option<i64>>| Table::builder().column("head", heads).build().unwrap();
    let complete = Table::builder().column("head", vec![1_i64, 2]).build().unwrap();
    let tables = [complete, part(vec![None])];
    let joined = Joined::of(&tables, &[]).unwrap();
    assert_eq!(joined.fields(), [("head".to_owned(), Kind::OptionalInteger)]);
    for chunk in chunks(&joined, None) {
        assert_eq!(chunk.column("head").unwrap().kind(), Kind::OptionalInteger);
    }
    assert_eq!(
        joined.table().unwrap().optional_integers("head").unwrap(),
        [Some(1), Some(2), None]
    );
}

proptest! {
    #[test]
    fn rows_keep_their_order(cuts in vec(0..3000_usize, 0..8)) {
        let whole = table(0..3000);
        let mut bounds = cuts;
        bounds.extend([0, 3000]);
        bounds.sort_unstable();
        let parts: Vec<Table> =
            bounds.windows(2).map(|bounds| whole.slice(bounds[0], bounds[1] - bounds[0])).collect();
        prop_assert_eq!(Joined::of(&parts, &[]).unwrap().table().unwrap(), whole);
    }
}
