//! Networks that read vectors: made in memory, given their inputs, refused in which words.

#![allow(clippy::unwrap_used)]

use std::collections::HashMap;

use candle_core::{Device, Tensor};
use vene_model::tensors::HostTensor;
use vene_model::{
    BlockKind, Checkpoint, Component, InputError, Model, ModelError, Outline, Precision, Site,
};
use vene_test_support::{Fixture, record, values};

/// Two layers of two units, ReLU, two classes; no embedding.
const CONFIG: &str = r#"{"model_type": "mlp", "include_emb": false, "n_layer": 2, "h_dim": 2,
    "num_classes": 2, "activation_function": "relu", "vocab_size": 50257, "pdrop": 0.0}"#;

fn weights() -> HashMap<String, Tensor> {
    let matrix = |rows: &[[f32; 2]; 2]| Tensor::new(rows, &Device::Cpu).unwrap();
    let vector = |values: &[f32; 2]| Tensor::new(values, &Device::Cpu).unwrap();
    [
        ("mlp.h.0.ff1.weight", matrix(&[[1.0, 2.0], [0.0, -1.0]])),
        ("mlp.h.0.ff1.bias", vector(&[0.5, 0.0])),
        ("mlp.h.1.ff1.weight", matrix(&[[1.0, 1.0], [1.0, -1.0]])),
        ("mlp.h.1.ff1.bias", vector(&[0.0, 1.0])),
        ("score.weight", matrix(&[[1.0, 0.0], [0.0, 2.0]])),
        ("score.bias", vector(&[0.0, -3.0])),
    ]
    .map(|(name, tensor)| (name.to_owned(), tensor))
    .into()
}

fn outline(config: &str, weights: HashMap<String, Tensor>) -> Result<Outline, ModelError> {
    let bytes = safetensors::serialize(weights, None).unwrap();
    Outline::from_checkpoint(Checkpoint::from_memory("made", config, bytes, None)?)
}

fn load(config: &str, weights: HashMap<String, Tensor>) -> Result<Model, ModelError> {
    Model::from_outline(outline(config, weights)?, Precision::Single, &mut |_| ())
}

fn inputs<const ROWS: usize>(rows: &[[f32; 2]; ROWS]) -> HostTensor {
    HostTensor::of(&Tensor::new(rows, &Device::Cpu).unwrap()).unwrap()
}

#[test]
fn a_perceptron_computes_what_it_says() {
    let model = load(CONFIG, weights()).unwrap();
    assert_eq!(model.config().only_kind(), Some(BlockKind::Feedforward));
    let model = model.with_inputs(inputs(&[[1.0, -1.0], [0.0, 1.0]])).unwrap();
    let site = |component, layer| Site::new(component, layer, model.config()).unwrap();
    let (shown, _) = record(&model, &[&[1, 0]]);
    let values = |component, layer| values(&shown[0][&site(component, layer)]);
    assert_eq!(values(Component::Embedding, None), [0.0, 1.0, 1.0, -1.0]);
    assert_eq!(values(Component::MlpUp, Some(0)), [2.5, -1.0, -0.5, 1.0]);
    assert_eq!(values(Component::MlpActivation, Some(0)), [2.5, 0.0, 0.0, 1.0]);
    assert_eq!(values(Component::BlockOutput, Some(1)), [2.5, 3.5, 1.0, 0.0]);
    assert_eq!(values(Component::Logits, None), [2.5, 4.0, 1.0, -3.0]);
}

#[test]
fn inputs_are_checked_and_can_be_exchanged() {
    let model = load(CONFIG, weights()).unwrap();
    let error = model.prompt_from_tokens(&[0]).unwrap_err();
    assert!(matches!(error, InputError::NoInputs), "{error}");
    assert!(error.to_string().contains("`with_inputs`"), "{error}");
    let refused = |vectors: HostTensor| {
        let outline = outline(CONFIG, weights()).unwrap();
        outline.with_inputs(vectors).err().unwrap().to_string()
    };
    let wide = HostTensor { data: vec![0.0; 3], shape: vec![1, 3] };
    assert!(refused(wide).contains("the shape [1, 3]; expected [inputs, 2]"));
    assert!(refused(HostTensor { data: vec![], shape: vec![0, 2] }).contains("at least one"));
    assert!(refused(inputs(&[[0.0, 1.0], [f32::NAN, 0.0]])).contains("input 1 holds NaN"));
    let gpt2 = Fixture::new("gpt2-plain").load(Precision::Single);
    let error = gpt2.with_inputs(inputs(&[[0.0, 1.0]])).err().unwrap().to_string();
    assert!(error.contains("a gpt2 model reads the tokens of its own embedding"), "{error}");

    let model = model.with_inputs(inputs(&[[1.0, -1.0]])).unwrap();
    assert_eq!(model.prompt("0").unwrap().tokens(), [0]);
    let error = model.prompt("1").unwrap_err();
    assert!(matches!(error, InputError::UnknownToken { token: 1, .. }), "{error}");
    // Both sets of operations have them, whenever they are read.
    model.plain().unwrap();
    let model = model.with_inputs(inputs(&[[1.0, -1.0], [0.0, 1.0]])).unwrap();
    assert!(model.fused().unwrap().is_some());
    let (shown, _) = record(&model, &[&[1]]);
    let logits = Site::new(Component::Logits, None, model.config()).unwrap();
    assert_eq!(values(&shown[0][&logits]), [2.5, 4.0]);
}

#[test]
fn what_is_missing_left_over_or_not_understood_is_refused() {
    let refused = |config: &str, weights| load(config, weights).err().unwrap().to_string();
    let without = |name: &str| {
        let mut weights = weights();
        weights.remove(name);
        weights
    };
    assert!(refused(CONFIG, without("mlp.h.1.ff1.bias")).contains("no tensor `mlp.h.1.ff1.bias`"));
    let bare = CONFIG.replace("\"pdrop\"", "\"include_bias\": false, \"pdrop\"");
    let error = refused(&bare, weights());
    assert!(error.contains("is no part of a mlp model with this configuration"), "{error}");
    let error = refused(&CONFIG.replace("relu", "elu"), weights());
    assert!(error.contains("`activation_function` = elu, which is not understood"), "{error}");
    let error = refused(&CONFIG.replace("pdrop", "skip"), weights());
    assert!(error.contains("`skip`"), "{error}");
    let error = refused(&CONFIG.replace("\"h_dim\": 2", "\"h_dim\": 3"), weights());
    assert!(error.contains("tensor `score.weight` has shape [2, 2], expected [2, 3]"), "{error}");
}

#[test]
fn recurrent_networks_have_plain_operations_only() {
    for precision in [Precision::Single, Precision::Double] {
        let model = Fixture::new("gru-plain").load(precision);
        assert!(model.fused().unwrap().is_none());
        assert!(model.config().is_recurrent() && !model.config().is_transformer());
    }
    // A saved position embedding is not used, as in pyvene unless positions are passed; and it
    // is no leftover that would refuse the model.
    let outline = Fixture::new("gru-language").outline().unwrap();
    assert_eq!((outline.config().inputs, outline.config().vocabulary), (67, 67));
}
