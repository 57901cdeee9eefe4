//! The same rows from every format.

use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use arrow_array::builder::{Int64Builder, ListBuilder, StringBuilder, StringDictionaryBuilder};
use arrow_array::types::Int32Type;
use arrow_array::{ArrayRef, Float64Array, Int32Array, RecordBatch, StringArray};
use arrow_array::{BinaryArray, StructArray};
use arrow_schema::Field;
use parquet::arrow::ArrowWriter;

use super::*;
use crate::{Layout, Phrase, Row, Span};

/// What the files hold.
fn capitals() -> Vec<Row> {
    let mut spain = Row::new("The capital of Spain is", "The capital of Italy is")
        .target(" Madrid")
        .foil(" Rome")
        .foil(" Roma")
        .span("subject", "Spain", "Italy")
        .group("capital-1");
    let relation = Span { base: Phrase::Characters(4..11), source: None };
    std::sync::Arc::make_mut(&mut spain.spans).insert("relation".to_owned(), relation);
    let chile =
        Row::new("In Chile, the capital of Chile is", "In Peru, the capital of Peru, \"Lima\", is")
            .target(" Santiago")
            .foil(" Lima")
            .span("subject", Phrase::occurrence("Chile", 1), Phrase::occurrence("Peru", 0))
            .span("relation", Phrase::Characters(14..21), Phrase::Characters(13..20))
            .group("capital-2");
    let mut paris = Row::of_base("Paris lies in").target(" France");
    let subject = Span { base: "Paris".into(), source: None };
    std::sync::Arc::make_mut(&mut paris.spans).insert("subject".to_owned(), subject);
    vec![spain, chile, paris]
}

fn write(path: &Path, columns: Vec<(&str, ArrayRef)>) {
    let batch = RecordBatch::try_from_iter_with_nullable(
        columns.into_iter().map(|(name, column)| (name, column, true)),
    )
    .unwrap();
    let mut writer =
        ArrowWriter::try_new(File::create(path).unwrap(), batch.schema(), None).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
}

/// A column of texts, of which some are missing.
fn texts<const N: usize>(values: [Option<&str>; N]) -> ArrayRef {
    Arc::new(StringArray::from(values.to_vec()))
}

#[test]
fn jsonl() {
    let file = read_with(sample("capitals.jsonl"), &ReadOptions::default()).unwrap();
    assert_eq!(file.rows, capitals());
    assert_eq!((file.layout, file.left_out), (Layout::Vene, vec![]));
}

#[test]
fn csv() {
    assert_eq!(read(sample("capitals.csv")).unwrap(), capitals());
}

#[test]
fn json() {
    let lines = std::fs::read_to_string(sample("capitals.jsonl")).unwrap();
    let array = format!("[{}]", lines.trim().replace('\n', ","));
    let read = read_bytes("capitals.JSON", array.as_bytes(), &ReadOptions::default());
    assert_eq!(read.unwrap().rows, capitals());
}

#[test]
fn parquet_with_lists_numbers_and_categories() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("capitals.parquet");
    let expected = capitals();
    let prompts: Vec<&str> = expected.iter().map(|row| row.base.as_str()).collect();
    let sources: Vec<Option<&str>> = expected.iter().map(|row| row.source.as_deref()).collect();
    let mut foils = ListBuilder::new(StringBuilder::new());
    foils.append_value([Some(" Rome"), Some(" Roma")]);
    foils.append_value([Some(" Lima")]);
    foils.append_null();
    let mut relation = ListBuilder::new(Int64Builder::new());
    relation.append_value([Some(4), Some(11)]);
    relation.append_value([Some(14), Some(21)]);
    relation.append_null();
    let mut groups = StringDictionaryBuilder::<Int32Type>::new();
    groups.append_value("capital-1");
    groups.append_value("capital-2");
    groups.append_null();
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("base", Arc::new(StringArray::from(prompts))),
        ("source", Arc::new(StringArray::from(sources))),
        ("target", texts([Some(" Madrid"), Some(" Santiago"), Some(" France")])),
        ("foil", Arc::new(foils.finish())),
        ("subject", texts([Some("Spain"), Some("Chile"), Some("Paris")])),
        // pandas' way to hold whole numbers beside missing ones.
        ("subject_occurrence", Arc::new(Float64Array::from(vec![None, Some(1.0), None]))),
        ("source_subject", texts([Some("Italy"), Some("Peru"), None])),
        ("source_subject_occurrence", Arc::new(Int32Array::from(vec![None, Some(0), None]))),
        ("relation", Arc::new(relation.finish())),
        ("source_relation", texts([None, Some("[13, 20]"), None])),
        ("group", Arc::new(groups.finish())),
        // Of a type that says nothing here; ignored by its name.
        ("meta_digest", Arc::new(BinaryArray::from_vec(vec![b"a", b"b", b"c"]))),
    ];
    write(&path, columns);
    assert_eq!(read(&path).unwrap(), expected);
}

#[test]
fn parquet_by_any_codec() {
    use parquet::basic::{BrotliLevel, Compression, GzipLevel, ZstdLevel};
    use parquet::file::properties::WriterProperties;

    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("many.parquet");
    let base: Vec<String> = (0..1000).map(|row| format!("prompt {row}")).collect();
    let column: ArrayRef = Arc::new(StringArray::from(base));
    let batch = RecordBatch::try_from_iter([("base", column)]).unwrap();
    for codec in [
        Compression::UNCOMPRESSED,
        Compression::SNAPPY,
        Compression::GZIP(GzipLevel::default()),
        Compression::BROTLI(BrotliLevel::default()),
        Compression::LZ4,
        Compression::LZ4_RAW,
        Compression::ZSTD(ZstdLevel::default()),
    ] {
        let properties = WriterProperties::builder().set_compression(codec).build();
        let file = File::create(&path).unwrap();
        let mut writer = ArrowWriter::try_new(file, batch.schema(), Some(properties)).unwrap();
        writer.write(&batch).unwrap();
        writer.close().unwrap();
        let rows = read(&path).unwrap();
        assert_eq!(rows.len(), 1000, "{codec:?}");
        assert_eq!(rows[700], Row::of_base("prompt 700"), "{codec:?}");
    }
}

#[test]
fn parquet_in_more_batches_than_one() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("many.parquet");
    let base: Vec<String> = (0..1000).map(|row| format!("prompt {row}")).collect();
    write(&path, vec![("base", Arc::new(StringArray::from(base)))]);
    let rows = read(&path).unwrap();
    assert_eq!(rows.len(), 1000);
    assert_eq!(rows[700], Row::of_base("prompt 700"));
}

#[test]
fn parquet_with_structs() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ioi.parquet");
    let object = |fields: Vec<(&str, ArrayRef)>| -> ArrayRef {
        let fields = fields.into_iter().map(|(name, column)| {
            (Arc::new(Field::new(name, column.data_type().clone(), true)), column)
        });
        Arc::new(StructArray::from(fields.collect::<Vec<(Arc<Field>, ArrayRef)>>()))
    };
    let mut choices = ListBuilder::new(StringBuilder::new());
    choices.append_value([Some("Olga"), Some("Piet")]);
    choices.append_value([Some("Ines"), Some("Uwe")]);
    let choices: ArrayRef = Arc::new(choices.finish());
    let flipped = [
        Some("After Piet and Olga sang, Olga threw a hat to"),
        Some("After Ines and Uwe sang, Ines threw a cup to"),
    ];
    let template = "After {name_A} and {name_B} sang, {name_C} threw a {object} to";
    let names = vec![
        ("indirect_object", texts([Some("Olga"), Some("Ines")])),
        ("subject", texts([Some("Piet"), Some("Uwe")])),
    ];
    let flip = vec![
        ("prompt", texts(flipped)),
        ("choices", Arc::clone(&choices)),
        ("answerKey", Arc::new(Int32Array::from(vec![1, 1])) as ArrayRef),
    ];
    write(
        &path,
        vec![
            ("template", texts([Some(template), Some(template)])),
            ("metadata", object(names)),
            (
                "prompt",
                texts([
                    Some("After Piet and Olga sang, Piet threw a hat to"),
                    Some("After Ines and Uwe sang, Uwe threw a cup to"),
                ]),
            ),
            ("choices", choices),
            ("s2_io_flip_counterfactual", object(flip)),
        ],
    );
    let options =
        ReadOptions { counterfactual: Some("s2_io_flip".to_owned()), ..ReadOptions::default() };
    assert_eq!(read(&path).unwrap(), read_with(sample("mib_ioi.jsonl"), &options).unwrap().rows);
}

#[test]
fn a_parquet_column_that_is_not_understood_is_named_or_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("dates.parquet");
    let days = || -> ArrayRef { Arc::new(arrow_array::Date32Array::from(vec![1])) };
    let bytes = || -> ArrayRef { Arc::new(BinaryArray::from_vec(vec![b" Madrid"])) };
    let price = || -> ArrayRef {
        let price = arrow_array::Decimal128Array::from(vec![125]);
        Arc::new(price.with_precision_and_scale(5, 2).unwrap())
    };
    let nested = || -> ArrayRef {
        let field = Arc::new(Field::new("day", days().data_type().clone(), true));
        Arc::new(StructArray::from(vec![(field, days())]))
    };
    let base = || texts([Some("a prompt")]);
    // What no one asked for is named once, and never a word of its values.
    let columns = vec![
        ("base", base()),
        ("day", days()),
        ("raw", bytes()),
        ("info", nested()),
        ("meta_at", days()),
    ];
    write(&path, columns);
    let file = read_with(&path, &ReadOptions::default()).unwrap();
    assert_eq!(file.rows, [Row::of_base("a prompt")]);
    let named: Vec<&str> = file.unused.iter().map(|column| column.name.as_str()).collect();
    assert_eq!(named, ["day", "raw", "info"]);
    assert_eq!(file.unused[0].holds, "dates");
    // What is part of a row is refused, never read as missing.
    for column in [bytes(), days(), price(), nested()] {
        for key in ["base", "source", "target", "foil", "foil_is", "group"] {
            let mut columns = vec![(key, Arc::clone(&column))];
            if key != "base" {
                columns.push(("base", base()));
            }
            write(&path, columns);
            let error = read(&path).unwrap_err().to_string();
            assert!(error.contains(&format!("column `{key}` holds ")), "{error}");
            assert!(error.contains("which is not understood; expected texts"), "{error}");
        }
    }
    // What says more of a span, or of what a span would be, likewise: it would be read as the same phrase.
    let named = |name: &'static str, column: ArrayRef, more: &[(&'static str, ArrayRef)]| {
        let mut columns = vec![("base", base()), ("source", base()), (name, column)];
        columns.extend(more.iter().cloned());
        write(&path, columns);
        read_with(&path, &ReadOptions::default())
    };
    let phrase = || texts([Some("prompt")]);
    for column in [bytes(), days(), price(), nested()] {
        for key in ["source_x", "x_occurrence", "source_x_occurrence"] {
            let error = named(key, column.clone(), &[("x", phrase())]).unwrap_err().to_string();
            assert!(error.contains(&format!("column `{key}` holds ")), "{error}");
        }
        let number = || -> ArrayRef { Arc::new(arrow_array::Int64Array::from(vec![0])) };
        for more in [("source_x", phrase()), ("x_occurrence", number())] {
            let error = named("x", column.clone(), &[more]).unwrap_err().to_string();
            assert!(error.contains("column `x` holds "), "{error}");
        }
        // Of what is no span nothing is missed.
        let file = named("source_year", column.clone(), &[("year", number())]).unwrap();
        assert_eq!(file.unused.len(), 2, "{:?}", file.unused);
        let file = named("x", column.clone(), &[("source_x", column)]).unwrap();
        assert_eq!(file.unused.len(), 2, "{:?}", file.unused);
    }
    for key in ["clean", "corrupt", "answers", "wrong_answers"] {
        let mut columns: Vec<(&str, ArrayRef)> = ["clean", "corrupt"]
            .into_iter()
            .filter(|name| *name != key)
            .map(|name| (name, base()))
            .collect();
        columns.push((key, days()));
        write(&path, columns);
        let error = read(&path).unwrap_err().to_string();
        assert!(error.contains(&format!("column `{key}` holds dates")), "{error}");
    }
    write(&path, vec![("prompt", base()), ("x_counterfactual", days())]);
    let error = read(&path).unwrap_err().to_string();
    assert!(error.contains("column `x_counterfactual` holds dates"), "{error}");
}

#[test]
fn a_text_that_a_dictionary_holds_once_ends_at_the_budget() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("long.parquet");
    let long = "a".repeat(32 << 20);
    // 32 MiB before compression, 1.5 GiB in memory.
    let mut texts = StringDictionaryBuilder::<Int32Type>::new();
    (0..48).for_each(|_| drop(texts.append(&long)));
    write(&path, vec![("base", Arc::new(texts.finish()))]);
    assert!(std::fs::metadata(&path).unwrap().len() < 40 << 20);
    let error = read(&path).unwrap_err().to_string();
    assert!(error.contains("its rows take more than 1073741824 bytes of memory"), "{error}");
}

#[test]
fn marks_line_endings_and_blank_lines() {
    let options = ReadOptions::default();
    let jsonl = b"\xef\xbb\xbf{\"base\": \"one\"}\r\n\r\n{\"base\": \"two\"}\r\n";
    let csv = b"\xef\xbb\xbfbase,target\r\none,\r\ntwo,\r\n";
    let json = b"\xef\xbb\xbf[{\"base\": \"one\"},\r\n{\"base\": \"two\"}]";
    let expected = [Row::of_base("one"), Row::of_base("two")];
    assert_eq!(read_bytes("a.jsonl", jsonl, &options).unwrap().rows, expected);
    assert_eq!(read_bytes("a.csv", csv, &options).unwrap().rows, expected);
    assert_eq!(read_bytes("a.json", json, &options).unwrap().rows, expected);
}

#[test]
fn a_cell_with_a_bracket_is_a_list() {
    let csv =
        "base,target,foil\nf,\"[\"\"[\"\"]\",\"[\"\"[1]\"\"]\"\ng,\"[\"\"a\"\",\"\" b\"\"]\",[]\n";
    let rows = read_bytes("a.csv", csv.as_bytes(), &ReadOptions::default()).unwrap().rows;
    assert_eq!((&rows[0].target, &rows[0].foil), (&vec!["[".to_owned()], &vec!["[1]".to_owned()]));
    assert_eq!((&rows[1].target, rows[1].foil.len()), (&vec!["a".to_owned(), " b".to_owned()], 0));
}

#[test]
fn rows_know_their_place() {
    let options = ReadOptions::default();
    let places = |name: &str, text: &[u8]| -> Vec<String> {
        let rows = read_bytes(name, text, &options).unwrap().rows;
        rows.iter().map(|row| row.place.unwrap().to_string()).collect()
    };
    let csv = b"base,target\r\n\r\none, a\r\n\"two\nlines\", b\r\n\r\nthree,\r\n";
    assert_eq!(places("a.csv", csv), ["line 3 (row 0)", "line 4 (row 1)", "line 7 (row 2)"]);
    let jsonl = b"\n{\"base\": \"one\"}\r\n\n{\"base\": \"two\"}";
    assert_eq!(places("a.jsonl", jsonl), ["line 2 (row 0)", "line 4 (row 1)"]);
    let json = b"[{\"base\": \"one\"},\n\n {\"base\":\n \"two\"},{\"base\": \"three\"}]";
    assert_eq!(places("a.json", json), ["line 1 (row 0)", "line 3 (row 1)", "line 4 (row 2)"]);
}

#[test]
fn spaces_are_kept_and_characters_counted_as_scalars() {
    let jsonl = r#"{"base": "Où est Zürich ?", "target": "  x ", "city": [7, 13], "group": 3}"#;
    let rows = read_bytes("a.jsonl", jsonl.as_bytes(), &ReadOptions::default()).unwrap().rows;
    assert_eq!(rows[0].target, ["  x "]);
    assert_eq!(rows[0].spans["city"].base, Phrase::Characters(7..13));
    assert_eq!(rows[0].group.as_deref(), Some("3"));
    let past = r#"{"base": "Où est Zürich ?", "city": [7, 16]}"#;
    let message = refused("a.jsonl", past);
    assert!(message.contains("characters 7 to before 16 of the base, which has 15"), "{message}");
}

#[test]
fn a_phrase_that_is_the_same_in_the_source_may_stand_elsewhere() {
    let jsonl = r#"{"base": "a b", "source": "b a b", "x": "b", "source_x_occurrence": 1}"#;
    let rows = read_bytes("a.jsonl", jsonl.as_bytes(), &ReadOptions::default()).unwrap().rows;
    let expected = Row::new("a b", "b a b").span("x", "b", Phrase::occurrence("b", 1));
    assert_eq!(rows, [expected]);
}
