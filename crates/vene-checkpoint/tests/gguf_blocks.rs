//! Every GGUF format against the numbers that ggml's own Python package gives, to the last bit.

#![allow(clippy::unwrap_used)]

use std::path::Path;

use vene_checkpoint::{Checkpoint, CheckpointError, ModelSource};

/// The fixture has no tokenizer, so that only its error is got from [`Checkpoint::open`]; a
/// tokenizer of one token is spliced into its metadata.
fn with_tokenizer(bytes: &[u8]) -> Vec<u8> {
    let mut pairs: Vec<u8> = Vec::new();
    let string = |out: &mut Vec<u8>, text: &str| {
        out.extend((text.len() as u64).to_le_bytes());
        out.extend(text.as_bytes());
    };
    string(&mut pairs, "tokenizer.ggml.model");
    pairs.extend(8u32.to_le_bytes());
    string(&mut pairs, "llama");
    string(&mut pairs, "tokenizer.ggml.tokens");
    pairs.extend(9u32.to_le_bytes());
    pairs.extend(8u32.to_le_bytes());
    pairs.extend(2u64.to_le_bytes());
    string(&mut pairs, "a");
    string(&mut pairs, "<s>");
    string(&mut pairs, "tokenizer.ggml.scores");
    pairs.extend(9u32.to_le_bytes());
    pairs.extend(6u32.to_le_bytes());
    pairs.extend(2u64.to_le_bytes());
    pairs.extend([0u8; 8]);
    // Keep the alignment of what follows: a pair whose string fills up to 32 bytes.
    string(&mut pairs, "fill");
    pairs.extend(8u32.to_le_bytes());
    let filling = 32 - (pairs.len() + 8) % 32;
    string(&mut pairs, &"x".repeat(filling));

    let count = u64::from_le_bytes(bytes[16..24].try_into().unwrap()) + 4;
    [&bytes[..16], &count.to_le_bytes(), &pairs, &bytes[24..]].concat()
}

#[test]
fn every_format_is_dequantised_as_ggml_does() {
    let folder = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../fixtures/gguf"));
    let bytes = with_tokenizer(&std::fs::read(folder.join("blocks.gguf")).unwrap());
    let expected = std::fs::read(folder.join("blocks.safetensors")).unwrap();
    let expected = safetensors::SafeTensors::deserialize(&expected).unwrap();

    let scratch = tempfile::tempdir().unwrap();
    let path = scratch.path().join("blocks.gguf");
    std::fs::write(&path, bytes).unwrap();
    let model = Checkpoint::open(&ModelSource::Gguf(path), &mut |_| ()).unwrap();

    let names = [
        "Q4_0", "Q4_1", "Q5_0", "Q5_1", "Q8_0", "Q4_K", "Q5_K", "Q6_K", "Q2_K", "Q3_K", "IQ4_NL",
        "IQ4_XS", "TQ1_0", "TQ2_0", "MXFP4", "NVFP4", "F32", "F16", "BF16",
    ];
    assert_eq!(model.tensors.names().collect::<Vec<_>>(), names);
    for name in names {
        assert_eq!(model.tensors.element(name).unwrap().to_string(), name);
        let found = model.tensors.read_f32(name, &[2, 512]).unwrap();
        let view = expected.tensor(name).unwrap();
        let (chunks, _) = view.data().as_chunks::<4>();
        let wanted: Vec<f32> = chunks.iter().copied().map(f32::from_le_bytes).collect();
        assert_eq!(found.len(), wanted.len());
        for (index, (found, wanted)) in found.iter().zip(&wanted).enumerate() {
            // Where a product is zero its sign may differ: `-0.0 - 0.0` in another order.
            assert!(
                found.to_bits() == wanted.to_bits() || (*found == 0.0 && *wanted == 0.0),
                "{name}[{index}]: {found} is not {wanted}"
            );
        }
    }

    // The reported shape is row-major, and another one is refused with both.
    let error = model.tensors.read_f32("Q4_0", &[512, 2]).unwrap_err();
    assert!(matches!(error, CheckpointError::Shape { .. }));
    assert!(error.to_string().ends_with("has shape [2, 512], expected [512, 2]"), "{error}");
    let error = model.tensors.read_f32("Q4_2", &[2, 512]).unwrap_err();
    assert!(error.to_string().contains("has no tensor `Q4_2`"), "{error}");
}
