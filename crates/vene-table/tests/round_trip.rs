//! What is written reads back equal, whatever the tokens hold.

#![allow(clippy::unwrap_used)]

use proptest::collection::vec;
use proptest::prelude::*;
use vene_table::{Kind, Table, TableError};

/// The columns of a sweep's table, with some of every kind.
const KINDS: [(&str, Kind); 7] = [
    ("component", Kind::Text),
    ("layer", Kind::OptionalInteger),
    ("token", Kind::Text),
    ("note", Kind::OptionalText),
    ("token_id", Kind::Integer),
    ("probability", Kind::Float),
    ("effect", Kind::OptionalFloat),
];

/// Any text, with what CSV must quote made likely.
fn text() -> impl Strategy<Value = String> {
    let hard = prop_oneof![
        Just(','),
        Just('"'),
        Just('\n'),
        Just('\r'),
        Just(' '),
        Just(';'),
        Just('\t'),
        Just('\u{feff}'),
        Just('#'),
        any::<char>(),
        any::<char>(),
    ];
    vec(hard, 0..6).prop_map(String::from_iter)
}

/// Any float but NaN, which equals nothing.
fn float() -> impl Strategy<Value = f64> {
    use proptest::num::f64;
    f64::POSITIVE | f64::NEGATIVE | f64::NORMAL | f64::SUBNORMAL | f64::ZERO | f64::INFINITE
}

fn table(notes: impl Strategy<Value = String>) -> impl Strategy<Value = Table> {
    let row = (
        text(),
        any::<Option<i64>>(),
        text(),
        proptest::option::of(notes),
        any::<i64>(),
        float(),
        proptest::option::of(float()),
    );
    (vec(row, 0..12), text(), text()).prop_map(|(rows, key, value)| {
        Table::builder()
            .column("component", rows.iter().map(|row| row.0.clone()).collect::<Vec<_>>())
            .column("layer", rows.iter().map(|row| row.1).collect::<Vec<_>>())
            .column("token", rows.iter().map(|row| row.2.clone()).collect::<Vec<_>>())
            .column("note", rows.iter().map(|row| row.3.clone()).collect::<Vec<_>>())
            .column("token_id", rows.iter().map(|row| row.4).collect::<Vec<_>>())
            .column("probability", rows.iter().map(|row| row.5).collect::<Vec<_>>())
            .column("effect", rows.iter().map(|row| row.6).collect::<Vec<_>>())
            .metadata(format!("vene.{key}"), value)
            .build()
            .unwrap()
    })
}

proptest! {
    #[test]
    fn csv_reads_back_equal(table in table(text().prop_filter("ambiguous", |t| !t.is_empty()))) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("table.csv");
        table.write_csv(&path).unwrap();
        let read = Table::read_csv(&path, &KINDS).unwrap();
        // CSV has no place for metadata.
        prop_assert!(read.metadata().is_empty());
        prop_assert_eq!(
            read.columns().collect::<Vec<_>>(),
            table.columns().collect::<Vec<_>>()
        );
    }

    #[test]
    fn parquet_reads_back_equal(table in table(text())) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("table.parquet");
        table.write_parquet(&path).unwrap();
        prop_assert_eq!(Table::read_parquet(&path).unwrap(), table);
    }

    #[test]
    fn one_column_reads_back_equal(tokens in vec(text(), 0..6), heads in vec(any::<Option<i64>>(), 0..6)) {
        // A record of one empty field must not look like an empty line, which readers skip.
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("table.csv");
        let table = Table::builder().column("token", tokens).build().unwrap();
        table.write_csv(&path).unwrap();
        prop_assert_eq!(Table::read_csv(&path, &[]).unwrap(), table);
        let table = Table::builder().column("head", heads).build().unwrap();
        table.write_csv(&path).unwrap();
        prop_assert_eq!(Table::read_csv(&path, &[("head", Kind::OptionalInteger)]).unwrap(), table);
    }

    #[test]
    fn no_file_makes_the_readers_panic(bytes in vec(any::<u8>(), 0..200)) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("table");
        std::fs::write(&path, bytes).unwrap();
        let _ = Table::read_csv(&path, &[]);
        prop_assert!(Table::read_parquet(&path).is_err());
    }
}

#[test]
fn the_csv_is_what_other_programs_expect() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("table.csv");
    let table = Table::builder()
        .column("token", vec![" Madrid", "a \"b\",\nc", ""])
        .column("head", vec![None, Some(3_i64), Some(-1)])
        .column("probability", vec![0.1, 1e-300, f64::NAN])
        .build()
        .unwrap();
    table.write_csv(&path).unwrap();
    assert_eq!(
        std::fs::read_to_string(&path).unwrap(),
        "token,head,probability\n Madrid,,0.1\n\"a \"\"b\"\",\nc\",3,1e-300\n,-1,NaN\n"
    );
    let read = Table::read_csv(&path, &[("probability", Kind::Float)]).unwrap();
    assert!(read.floats("probability").unwrap()[2].is_nan());
}

#[test]
fn empty_and_missing_text_are_not_confused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("table.csv");
    let table = Table::builder().column("note", vec![None, Some("")]).build().unwrap();
    let error = table.write_csv(&path).unwrap_err();
    assert!(matches!(error, TableError::EmptyOrMissing { row: 1, .. }), "{error}");
    assert!(!path.exists());
}

#[test]
fn a_wrong_cell_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("table.csv");
    std::fs::write(&path, "token,probability\n\"a\nb\",0.5\nc,half\n").unwrap();
    let error = Table::read_csv(&path, &[("probability", Kind::Float)]).unwrap_err().to_string();
    assert!(error.contains("line 4: column `probability`: `half`"), "{error}");
    let error = Table::read_csv(&path, &[("logit", Kind::Float)]).unwrap_err().to_string();
    assert!(error.contains("no column `logit`; it has `token`, `probability`"), "{error}");
    std::fs::write(&path, "token,probability\na,0.5,1\n").unwrap();
    assert!(matches!(Table::read_csv(&path, &[]), Err(TableError::Csv { .. })));
    assert!(matches!(
        Table::read_csv(folder.path().join("none"), &[]),
        Err(TableError::Read { .. })
    ));
}

#[test]
fn damaged_parquet_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("table.parquet");
    let table = Table::builder().column("layer", (0_i64..500).collect::<Vec<_>>()).build().unwrap();
    table.write_parquet(&path).unwrap();
    let whole = std::fs::read(&path).unwrap();
    for length in (0..whole.len()).step_by(7) {
        std::fs::write(&path, &whole[..length]).unwrap();
        assert!(Table::read_parquet(&path).is_err(), "cut to {length} bytes");
    }
}

#[test]
fn an_unwritable_path_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let table = Table::builder().column("layer", vec![1_i64]).build().unwrap();
    let path = folder.path().join("none/table");
    for error in [table.write_csv(&path).unwrap_err(), table.write_parquet(&path).unwrap_err()] {
        assert!(error.to_string().contains("none/table"), "{error}");
    }
    assert!(table.write_csv(folder.path()).is_err(), "a folder is not overwritten");
}
