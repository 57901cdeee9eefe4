//! Any weight of a model by name, in one layout whatever the family calls and stores it.
//!
//! Names are those of components where there are such. A projection is `y = x W^T + b`, with `weight` of shape `[out, in]` and
//! `bias` `[out]`; heads stand one after the other in the rows of `query`, `key` and `value` and in the columns of
//! `attention_output`. A norm's weight is what it multiplies by, also where a family stores its difference from 1. Values are
//! widened to 32-bit floats; of a quantised file they are what its codes stand for, which is what the model computes with.

use vene_model::Outline;
use vene_model::config::NormKind;
use vene_model::matrix::Matrix;
use vene_model::tensors::{
    BlockTensors, DenseTensors, GateTensors, HostTensor, LinearTensors, MlpTensors, NormTensors,
    OuterTensors, TransformerTensors,
};
use vene_named::UnknownName;

use crate::InspectError;

/// A weight that a model has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WeightInfo {
    /// Its name, such as `layers.0.query.weight`.
    pub name: String,
    /// Its shape.
    pub shape: Vec<usize>,
}

impl WeightInfo {
    /// The layer that it is in; `None` outside of layers.
    pub fn layer(&self) -> Option<usize> {
        layer_of(&self.name)
    }
}

/// All weights of a model, layer by layer; no value is read.
///
/// # Errors
/// None of a model that could be opened.
pub fn list(outline: &Outline) -> Result<Vec<WeightInfo>, InspectError> {
    let mut named = Named::of(outline);
    named.outer(outline.outer_shapes()?, outline.outer_shapes()?.embedding);
    for layer in 0..outline.config().layers.len() {
        named.block(layer, outline.layer_shapes(layer)?);
    }
    let info =
        |(name, weight): (String, Weight)| WeightInfo { name, shape: weight.shape().to_vec() };
    Ok(named.found.into_iter().map(info).collect())
}

/// A weight's values. Of a block's weights the whole block is read.
///
/// # Errors
/// A name that the model has no weight of, with the nearest; weights that cannot be read.
pub fn read(outline: &Outline, name: &str) -> Result<HostTensor, InspectError> {
    let found = read_all(outline, std::slice::from_ref(&name))?;
    found
        .into_iter()
        .next()
        .map(|(_, tensor)| tensor)
        .ok_or_else(|| InspectError::Missing { what: name.to_owned() })
}

/// Weights' values in the order of these names; each block is read once.
///
/// # Errors
/// As [`read`].
pub fn read_all(
    outline: &Outline,
    names: &[impl AsRef<str>],
) -> Result<Vec<(String, HostTensor)>, InspectError> {
    let known = list(outline)?;
    for name in names {
        if !known.iter().any(|info| info.name == name.as_ref()) {
            return Err(unknown(name.as_ref(), &known));
        }
    }
    let mut named = Named::of(outline);
    let wanted = |found: &str| names.iter().any(|name| name.as_ref() == found);
    if names.iter().any(|name| layer_of(name.as_ref()).is_none()) {
        let tensors = outline.outer_weights()?;
        let embedding = tensors.embedding.clone();
        named.outer(tensors, embedding);
        named.found.retain(|(name, _)| wanted(name));
    }
    let mut layers: Vec<usize> = names.iter().filter_map(|name| layer_of(name.as_ref())).collect();
    layers.sort_unstable();
    layers.dedup();
    for layer in layers {
        named.block(layer, outline.layer_weights(layer)?);
        named.found.retain(|(name, _)| wanted(name));
    }
    let mut values: Vec<(String, HostTensor)> = Vec::new();
    for name in names {
        let found = named.found.iter().find(|(found, _)| found == name.as_ref());
        if let Some((name, weight)) = found {
            values.push((name.clone(), weight.clone().values()));
        }
    }
    Ok(values)
}

fn layer_of(name: &str) -> Option<usize> {
    name.strip_prefix("layers.")?.split('.').next()?.parse().ok()
}

fn unknown(name: &str, known: &[WeightInfo]) -> InspectError {
    // Those of the layer that is named, or of the first, and those outside of layers.
    let layer = layer_of(name).unwrap_or(0);
    let is_near = |found: &&str| layer_of(found).is_none_or(|of| of == layer);
    let mut near: Vec<&str> = known.iter().map(|info| info.name.as_str()).filter(is_near).collect();
    if !near.iter().any(|found| layer_of(found).is_some()) {
        near.extend(
            known.iter().map(|info| info.name.as_str()).filter(|found| layer_of(found) == Some(0)),
        );
    }
    UnknownName::new("weight", name, &near).into()
}

/// A weight, not yet widened.
#[derive(Clone)]
enum Weight {
    Matrix(Matrix),
    Vector(HostTensor),
}

impl Weight {
    fn shape(&self) -> &[usize] {
        match self {
            Self::Matrix(matrix) => matrix.shape(),
            Self::Vector(vector) => &vector.shape,
        }
    }

    fn values(self) -> HostTensor {
        match self {
            Self::Matrix(matrix) => matrix.widened(),
            Self::Vector(vector) => vector,
        }
    }
}

/// Weights under their names.
struct Named {
    /// What is added to the weights of norms.
    offset: f32,
    found: Vec<(String, Weight)>,
}

impl Named {
    fn of(outline: &Outline) -> Self {
        let offset = match outline.config().norm {
            NormKind::RootMeanSquare { unit_offset: true, .. } => 1.0,
            _ => 0.0,
        };
        Self { offset, found: Vec::new() }
    }

    fn push(&mut self, name: impl Into<String>, weight: Weight) {
        self.found.push((name.into(), weight));
    }

    fn linear(&mut self, name: &str, tensors: LinearTensors) {
        self.push(format!("{name}.weight"), Weight::Matrix(tensors.weight));
        if let Some(bias) = tensors.bias {
            self.push(format!("{name}.bias"), Weight::Vector(bias));
        }
    }

    fn norm(&mut self, name: &str, tensors: Option<NormTensors>) {
        let Some(mut tensors) = tensors else { return };
        tensors.weight.data.iter_mut().for_each(|value| *value += self.offset);
        self.push(format!("{name}.weight"), Weight::Vector(tensors.weight));
        if let Some(bias) = tensors.bias {
            self.push(format!("{name}.bias"), Weight::Vector(bias));
        }
    }

    fn outer(&mut self, tensors: OuterTensors, embedding: Matrix) {
        self.push("embedding.weight", Weight::Matrix(tensors.embedding));
        if let Some(table) = tensors.position_embedding {
            self.push("position_embedding.weight", Weight::Matrix(table));
        }
        self.norm("embedding_norm", tensors.embedding_norm);
        self.norm("final_norm", tensors.final_norm);
        // One that is tied is the embedding itself.
        let tied = LinearTensors { weight: embedding, bias: None };
        self.linear("unembedding", tensors.unembedding.unwrap_or(tied));
    }

    fn block(&mut self, layer: usize, tensors: BlockTensors) {
        let name = |part: &str| format!("layers.{layer}.{part}");
        match tensors {
            BlockTensors::Transformer(tensors) => self.transformer(&name, *tensors),
            BlockTensors::Feedforward(tensors) => self.linear(&name("mlp_up"), tensors),
            BlockTensors::GatedRecurrent(tensors) => {
                for (side, GateTensors { reset, update, new }) in
                    [("input", tensors.input), ("state", tensors.state)]
                {
                    self.linear(&name(&format!("{side}.reset_gate")), reset);
                    self.linear(&name(&format!("{side}.update_gate")), update);
                    self.linear(&name(&format!("{side}.new_gate")), new);
                }
            }
        }
    }

    fn transformer(&mut self, name: &dyn Fn(&str) -> String, tensors: TransformerTensors) {
        self.norm(&name("attention_norm"), tensors.attention_norm);
        self.linear(&name("query"), tensors.query);
        self.linear(&name("key"), tensors.key);
        self.linear(&name("value"), tensors.value);
        self.norm(&name("query_norm"), tensors.query_norm);
        self.norm(&name("key_norm"), tensors.key_norm);
        if let Some(sinks) = tensors.sinks {
            self.push(name("sinks"), Weight::Vector(sinks));
        }
        self.linear(&name("attention_output"), tensors.attention_output);
        self.norm(&name("attention_post_norm"), tensors.attention_post_norm);
        self.norm(&name("mlp_norm"), tensors.mlp_norm);
        match tensors.mlp {
            MlpTensors::Dense(dense) => self.dense(&name("mlp_"), *dense),
            MlpTensors::Experts(experts) => {
                self.linear(&name("router"), experts.router);
                for (index, expert) in experts.experts.into_iter().enumerate() {
                    self.dense(&name(&format!("experts.{index}.")), expert);
                }
                if let Some((expert, gate)) = experts.shared {
                    self.dense(&name("shared_expert."), expert);
                    if let Some(gate) = gate {
                        self.linear(&name("shared_expert_gate"), gate);
                    }
                }
            }
        }
        self.norm(&name("mlp_post_norm"), tensors.mlp_post_norm);
    }

    /// An MLP, its parts' names after `name`.
    fn dense(&mut self, name: &str, tensors: DenseTensors) {
        if let Some(gate) = tensors.gate {
            self.linear(&format!("{name}gate"), gate);
        }
        self.linear(&format!("{name}up"), tensors.up);
        self.linear(&format!("{name}down"), tensors.down);
    }
}
