//! Models made of tensors that somebody has in memory: the same as of files, and refused where they were written to.

#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use safetensors::SafeTensors;
use vene_checkpoint::{Checkpoint, LentBytes, LentTensor};
use vene_model::{Model, ModelError, Outline, Precision};
use vene_test_support::{Fixture, record};

/// The tensors of a model's file, as somebody else might hold them.
fn tensors(fixture: &Fixture) -> Vec<LentTensor> {
    let bytes = fs::read(fixture.folder().join("model.safetensors")).unwrap();
    let file = SafeTensors::deserialize(&bytes).unwrap();
    let tensor = |(name, view): (String, safetensors::tensor::TensorView<'_>)| LentTensor {
        name,
        dtype: format!("{:?}", view.dtype()),
        shape: view.shape().to_vec(),
        bytes: Arc::new(view.data().to_vec()),
    };
    file.tensors().into_iter().map(tensor).collect()
}

fn open(fixture: &Fixture, tensors: Vec<LentTensor>) -> Result<Outline, ModelError> {
    let text = |name: &str| fs::read_to_string(fixture.folder().join(name));
    let config = text("config.json").unwrap();
    let tokenizer = text("tokenizer.json").map(|text| ("tokenizer.json".to_owned(), text));
    let tokenizer: BTreeMap<_, _> = tokenizer.into_iter().collect();
    Outline::from_checkpoint(Checkpoint::from_tensors("lent", &config, tensors, &tokenizer)?)
}

#[test]
fn they_are_what_the_files_are() {
    // Tied and not, fused projections, half precision kept, no transformer.
    for name in [
        "gpt2-plain",
        "llama-gqa",
        "gemma3-plain",
        "gpt_neox-parallel",
        "mlp-plain",
        "gru-language",
    ] {
        let fixture = Fixture::new(name);
        let of_files = fixture.load(Precision::Single);
        let lent = open(&fixture, tensors(&fixture)).unwrap();
        assert_eq!(lent.identity(), of_files.identity(), "{name}");
        assert!(lent.provenance().is_lent() && !of_files.provenance().is_lent());
        let lent = Model::from_outline(lent, Precision::Single, &mut |_| ()).unwrap();
        for prompt in fixture.prompts() {
            let (one, other) = (record(&lent, &[prompt]).0, record(&of_files, &[prompt]).0);
            assert_eq!(one[0].len(), other[0].len());
            for (site, tensor) in &one[0] {
                let values = |tensor: &candle_core::Tensor| {
                    tensor.flatten_all().unwrap().to_vec1::<f32>().unwrap()
                };
                assert_eq!(values(tensor), values(&other[0][site]), "{name}: {site}");
            }
        }
    }
}

/// Bytes that become others.
struct Written([Vec<u8>; 2], AtomicBool);

impl AsRef<[u8]> for Written {
    fn as_ref(&self) -> &[u8] {
        &self.0[usize::from(self.1.load(Ordering::SeqCst))]
    }
}

#[test]
fn what_was_written_to_is_not_read_as_the_same_model() {
    let fixture = Fixture::new("gpt2-plain");
    let mut lent = tensors(&fixture);
    let name = "transformer.h.1.mlp.c_fc.weight";
    let tensor = lent.iter_mut().find(|tensor| tensor.name == name).unwrap();
    let bytes = (*tensor.bytes).as_ref().to_vec();
    let trained = bytes
        .chunks_exact(4)
        .flat_map(|value| (f32::from_le_bytes(value.try_into().unwrap()) * 1.01).to_le_bytes());
    let written = Arc::new(Written([bytes.clone(), trained.collect()], AtomicBool::new(false)));
    tensor.bytes = written.clone() as LentBytes;
    let model = open(&fixture, lent).unwrap();
    let model = Model::from_outline(model, Precision::Single, &mut |_| ()).unwrap();
    let identity = model.identity();
    written.1.store(true, Ordering::SeqCst);
    // What was read stays; what is only read now would be of another model.
    assert_eq!(model.identity(), identity);
    assert_eq!(identity, fixture.load(Precision::Single).identity());
    assert!(model.fused().is_ok());
    let Err(error) = model.plain() else { panic!("it was read") };
    let error = error.to_string();
    assert!(
        error.contains(name) && error.contains("was changed after the model was made"),
        "{error}"
    );
    assert!(model.provenance().sha256().is_err());
    written.1.store(false, Ordering::SeqCst);
    assert!(model.plain().is_ok());
}

#[test]
fn what_is_amiss_is_named() {
    let fixture = Fixture::new("llama-gqa");
    let refuse = |change: &dyn Fn(&mut Vec<LentTensor>)| {
        let mut lent = tensors(&fixture);
        change(&mut lent);
        let model = open(&fixture, lent)
            .and_then(|outline| Model::from_outline(outline, Precision::Single, &mut |_| ()));
        model.err().unwrap().to_string()
    };
    let norm = "model.layers.0.input_layernorm.weight";
    let at = |lent: &[LentTensor]| lent.iter().position(|tensor| tensor.name == norm).unwrap();
    let absent = refuse(&|lent| drop(lent.remove(at(lent))));
    assert!(absent.contains(&format!("lent's weights has no tensor `{norm}`")), "{absent}");
    let turned = refuse(&|lent| {
        let at = at(lent);
        lent[at].shape.insert(0, 1);
    });
    assert!(turned.contains(norm) && turned.contains("expected"), "{turned}");
    let short = refuse(&|lent| {
        let at = at(lent);
        lent[at].bytes = Arc::new(vec![0u8; 5]);
    });
    assert!(short.contains("does not take the 5 bytes"), "{short}");
    let nan = refuse(&|lent| {
        let at = at(lent);
        let numbers = lent[at].shape.iter().product();
        let bytes: Vec<u8> =
            std::iter::repeat_n(f32::NAN.to_le_bytes(), numbers).flatten().collect();
        lent[at].bytes = Arc::new(bytes);
    });
    assert!(nan.contains("holds NaN at element 0"), "{nan}");
}
