//! What can be wrong with a model, a site or an input, each told in one line.

use vene_checkpoint::CheckpointError;

use crate::component::{COMPONENTS, Component};
use crate::family::FAMILIES;
use crate::operations::OperationError;

/// A model cannot be built from its checkpoint.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ModelError {
    /// The files are at fault.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),

    /// The computation failed.
    #[error(transparent)]
    Operation(#[from] OperationError),

    /// The model is of a family that has not been written.
    #[error("models of type `{name}` are not supported; supported are {}", family_names())]
    UnknownFamily {
        /// Its `model_type` or `general.architecture`.
        name: String,
    },

    /// The configuration lacks a key.
    #[error("the model's configuration lacks `{key}`; expected {expected}")]
    MissingKey {
        /// The key.
        key: String,
        /// What belongs there.
        expected: String,
    },

    /// A key holds something that cannot be.
    #[error("the model's configuration has {value} for `{key}`; expected {expected}")]
    WrongValue {
        /// The key.
        key: String,
        /// Its value.
        value: String,
        /// What belongs there.
        expected: String,
    },

    /// A key that may change the mathematics holds something that is not implemented.
    #[error(
        "the model's configuration has `{key}` = {value}, which is not understood ({understood}); \
         it is refused, since a wrong number would be worse"
    )]
    NotUnderstood {
        /// The key.
        key: String,
        /// Its value.
        value: String,
        /// Values that are.
        understood: String,
    },

    /// The checkpoint holds a tensor that no part of the decoder takes.
    #[error(
        "tensor `{name}` is no part of a {family} model with this configuration; it is refused, \
         since leaving it out would change the numbers"
    )]
    LeftoverTensor {
        /// The tensor.
        name: String,
        /// The family.
        family: &'static str,
    },

    /// Other inputs for a model that has its own.
    #[error(
        "a {family} model reads the tokens of its own embedding; inputs can be given to mlp and gru"
    )]
    InputsOfItsOwn {
        /// The family.
        family: &'static str,
    },

    /// Input vectors that the network cannot read.
    #[error(
        "the inputs have the shape {found:?}; expected [inputs, {width}] with at least one input"
    )]
    InputShape {
        /// Their shape.
        found: Vec<usize>,
        /// The network's width.
        width: usize,
    },

    /// An input vector that is none.
    #[error("input {input} holds {value}; expected finite numbers")]
    InputNotFinite {
        /// Which, counted from 0.
        input: usize,
        /// NaN or infinite.
        value: f32,
    },

    /// The tokenizer gives ids for which the embedding has no row.
    #[error("the tokenizer has {tokenizer} tokens, the model's embedding only {model} rows")]
    VocabularyMismatch {
        /// Tokens of the tokenizer.
        tokenizer: usize,
        /// Rows of the embedding.
        model: usize,
    },
}

/// No such site in this model.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SiteError {
    /// No component of this name.
    #[error("unknown component `{name}`{hint}; components are {}", component_names())]
    UnknownComponent {
        /// What was given.
        name: String,
        /// A near name, or nothing.
        hint: String,
    },

    /// Another tool's name that is not identical to any tensor here.
    #[error("`{name}` of {tool} is refused: {meaning}")]
    Ambiguous {
        /// What was given.
        name: String,
        /// Whose name it is.
        tool: &'static str,
        /// Both meanings, and what to ask for.
        meaning: String,
    },

    /// This model's architecture has no such component.
    #[error("there is no {component} here: {reason}")]
    Missing {
        /// The component.
        component: Component,
        /// Why, and what to use.
        reason: &'static str,
    },

    /// A layer past the end.
    #[error("{component} of layer {layer}: the model has {layers} layers, 0 to {}", layers - 1)]
    LayerPastEnd {
        /// The component.
        component: Component,
        /// The layer.
        layer: usize,
        /// How many there are.
        layers: usize,
    },

    /// Each layer has this component: say which.
    #[error("{component} is in every layer: say which layer is meant")]
    LayerNeeded {
        /// The component.
        component: Component,
    },

    /// The model has this component once.
    #[error("{component} is not in a layer (layer {layer} was given): a model has it once")]
    NoLayers {
        /// The component.
        component: Component,
        /// The layer.
        layer: usize,
    },
}

/// An input that the model cannot take.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum InputError {
    /// The tokenizer refused.
    #[error(transparent)]
    Tokenizer(#[from] CheckpointError),

    /// No token at all.
    #[error("the prompt is empty: it must hold at least one token")]
    Empty,

    /// A network without inputs.
    #[error(
        "this network has no embedding of its own: give it its input vectors first \
         (`Model::with_inputs`)"
    )]
    NoInputs,

    /// Longer than the model can read.
    #[error("the prompt is {tokens} tokens long, the model reads at most {context}: shorten it")]
    TooLong {
        /// Its length.
        tokens: usize,
        /// The model's context.
        context: usize,
    },

    /// A token that the embedding has no row for.
    #[error("token {token} is outside of the vocabulary of {vocabulary} tokens")]
    UnknownToken {
        /// The token's id.
        token: u32,
        /// Rows of the embedding.
        vocabulary: usize,
    },
}

fn family_names() -> String {
    FAMILIES.map(|(name, _)| name).join(", ")
}

fn component_names() -> String {
    COMPONENTS.iter().map(|info| info.name).collect::<Vec<_>>().join(", ")
}
