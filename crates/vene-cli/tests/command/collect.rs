//! `vene collect`.

use crate::support::{BASE, SOURCE, printed, refused};

#[test]
fn activations_come_as_safetensors() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("a.safetensors");
    let out = file.to_str().unwrap();
    let components = "mlp_output,attention_weight,final_norm";
    printed(&["collect", "--component", components, "--layers", "0,7", "--out", out, BASE, SOURCE]);
    let bytes = std::fs::read(&file).unwrap();
    let tensors = safetensors::SafeTensors::deserialize(&bytes).unwrap();
    assert_eq!(tensors.tensor("0/mlp_output/7").unwrap().shape(), [5, 128]);
    assert_eq!(tensors.tensor("1/attention_weight/0").unwrap().shape(), [4, 5, 5]);
    assert_eq!(tensors.tensor("1/final_norm").unwrap().shape(), [5, 128]);
    assert_eq!(tensors.names().len(), 2 * (2 + 2 + 1));
}

#[test]
fn a_prompt_that_is_too_short_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("a.safetensors");
    let line = ["collect", "--component", "mlp_output", "--positions", "3", "--out"];
    let said = refused(&[&line[..], &[file.to_str().unwrap(), BASE, "The"]].concat());
    assert_eq!(said, "error: prompt 1: position 3: the prompt has 1 tokens, 0 to 0\n");
}
