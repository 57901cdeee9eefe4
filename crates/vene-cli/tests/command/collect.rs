//! `vene collect`.

use std::fs;
use std::io::Read;

use safetensors::SafeTensors;
use vene::Table;

use crate::support::{BASE, SOURCE, printed, refused, refused_without_model, task};

/// The 32-bit floats of a tensor.
fn floats(bytes: &[u8]) -> Vec<f32> {
    bytes.chunks_exact(4).map(|four| f32::from_le_bytes(four.try_into().unwrap())).collect()
}

#[test]
fn activations_come_as_stacked_tensors() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let components = "mlp_output,attention_weight,final_norm";
    let line = ["collect", "--component", components, "--layers", "0,7", BASE, SOURCE, "--out"];
    printed(&[&line[..], &[&path("a.safetensors")]].concat());
    let bytes = fs::read(path("a.safetensors")).unwrap();
    let tensors = SafeTensors::deserialize(&bytes).unwrap();
    assert_eq!(tensors.tensor("mlp_output/7").unwrap().shape(), [2, 5, 128]);
    assert_eq!(tensors.tensor("attention_weight/0").unwrap().shape(), [2, 4, 5, 5]);
    assert_eq!(tensors.tensor("final_norm").unwrap().shape(), [2, 5, 128]);
    assert_eq!(tensors.names().len(), 2 + 2 + 1);
    // The second prompt alone gives the second row.
    let line = ["collect", "--component", "mlp_output", "--layers", "7", SOURCE, "--out"];
    printed(&[&line[..], &[&path("b.npy")]].concat());
    let alone = fs::read(path("b.npy")).unwrap();
    let header = 10 + usize::from(u16::from_le_bytes([alone[8], alone[9]]));
    assert!(String::from_utf8_lossy(&alone[..header]).contains("'shape': (1, 5, 128)"));
    let both = floats(tensors.tensor("mlp_output/7").unwrap().data());
    assert_eq!(floats(&alone[header..]), both[5 * 128..]);
    // Attention sums to 1.
    let weights = floats(tensors.tensor("attention_weight/0").unwrap().data());
    for query in weights.chunks(5) {
        assert!((query.iter().sum::<f32>() - 1.0).abs() < 1e-5);
    }
}

/// Of rows by role, as NumPy reads it, with a table that says which row is which.
#[test]
fn rows_are_collected_by_role() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    task(path("rows.jsonl").as_ref(), 70);
    let data = path("rows.jsonl");
    let line = ["collect", "--component", "block_output", "--layers", "2,5", "--data", &data];
    let more = ["--positions", "subject_last,last", "--model", "embedded"];
    let line = [&line[..], &more].concat();
    printed(&[&line[..], &["--out", &path("a.npz")]].concat());
    let mut zip = zip::ZipArchive::new(fs::File::open(path("a.npz")).unwrap()).unwrap();
    let mut npy = Vec::new();
    zip.by_name("block_output/5.npy").unwrap().read_to_end(&mut npy).unwrap();
    let header = 10 + usize::from(u16::from_le_bytes([npy[8], npy[9]]));
    assert!(String::from_utf8_lossy(&npy[..header]).contains("'shape': (70, 2, 128)"));
    let values = floats(&npy[header..]);
    assert_eq!(values.len(), 70 * 2 * 128);
    let rows = Table::read_parquet(path("a.rows.parquet")).unwrap();
    assert_eq!(rows.rows(), 70);
    let last = rows.optional_text("positions_subject_last").unwrap();
    // Row 33 by itself, at the numbers of its positions.
    let base = rows.optional_text("base").unwrap()[33].unwrap();
    let line = ["collect", "--component", "block_output", "--layers", "5", base, "--positions"];
    let at = format!("{},-1", last[33].unwrap());
    printed(&[&line[..], &[&at, "--out", &path("one.npy")]].concat());
    let one = fs::read(path("one.npy")).unwrap();
    let header = 10 + usize::from(u16::from_le_bytes([one[8], one[9]]));
    assert_eq!(floats(&one[header..]), values[33 * 256..34 * 256]);
    // Nothing is left beside the files.
    let names = crate::support::files(folder.path());
    assert!(names.iter().all(|name| !name.starts_with('.')), "{names:?}");
}

#[test]
fn rows_of_unequal_lengths_are_padded_where_that_is_said() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let longer = "I know that the capital of Spain is";
    let components = "mlp_output,attention_weight";
    let line = ["collect", "--component", components, "--layers", "3", longer, BASE];
    let said = refused(&[&line[..], &["--out", &path("a.safetensors")]].concat());
    assert!(said.contains("--pad") && said.contains("unequal numbers of positions"), "{said}");
    printed(&[&line[..], &["--pad", "--out", &path("a.safetensors")]].concat());
    let bytes = fs::read(path("a.safetensors")).unwrap();
    let tensors = SafeTensors::deserialize(&bytes).unwrap();
    let lengths = tensors.tensor("lengths").unwrap();
    let lengths: Vec<i64> = lengths
        .data()
        .chunks_exact(8)
        .map(|eight| i64::from_le_bytes(eight.try_into().unwrap()))
        .collect();
    assert_eq!(lengths, [8, 5]);
    let mlp = floats(tensors.tensor("mlp_output/3").unwrap().data());
    assert_eq!(mlp.len(), 2 * 8 * 128);
    let second = &mlp[8 * 128..];
    assert!(second[..5 * 128].iter().all(|value| *value != 0.0));
    assert!(second[5 * 128..].iter().all(|value| *value == 0.0));
    let weights = floats(tensors.tensor("attention_weight/3").unwrap().data());
    let query = |head: usize, query: usize| {
        let start = ((4 + head) * 8 + query) * 8;
        weights[start..start + 8].iter().sum::<f32>()
    };
    assert!((query(1, 4) - 1.0).abs() < 1e-5 && query(1, 5) == 0.0);
}

/// Edits are made before anything is kept.
#[test]
fn what_is_collected_may_be_edited() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let plan = "[[edit]]\nintervention = 'zero'\ncomponent = 'mlp_output'\nlayer = 3\n";
    fs::write(path("plan.toml"), plan).unwrap();
    fs::write(path("prompts.txt"), format!("{BASE}\n{SOURCE}\n")).unwrap();
    let (prompts, plan) = (path("prompts.txt"), path("plan.toml"));
    let line = ["collect", "--component", "mlp_output", "--layers", "3", "--prompts", &prompts];
    let more = ["--model", "embedded", "--plan", &plan, "--positions", "last", "--out"];
    printed(&[&line[..], &more, &[&path("a.npy")]].concat());
    let bytes = fs::read(path("a.npy")).unwrap();
    let header = 10 + usize::from(u16::from_le_bytes([bytes[8], bytes[9]]));
    assert!(floats(&bytes[header..]).iter().all(|value| *value == 0.0));
    let said = refused_without_model(&[
        "collect",
        "--component",
        "mlp_output",
        "--prompts",
        &prompts,
        "--out",
        &path("b.npz"),
    ]);
    assert!(said.contains("no model is named"), "{said}");
    let said = refused(&["collect", "--component", "mlp_output", BASE, "--out", &path("b.npy")]);
    assert!(said.contains("holds one tensor, and 8 are collected"), "{said}");
}

#[test]
fn a_prompt_that_is_too_short_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("a.safetensors");
    let line = ["collect", "--component", "mlp_output", "--positions", "3", "--out"];
    let said = refused(&[&line[..], &[file.to_str().unwrap(), BASE, "The"]].concat());
    assert!(said.starts_with("error: prompt 1: "), "{said}");
    assert!(said.contains("position 3: the prompt has 1 tokens, 0 to 0"), "{said}");
}
