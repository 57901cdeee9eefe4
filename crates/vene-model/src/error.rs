//! What can be wrong with a model, a site or an input, each told in one line.

use vene_checkpoint::CheckpointError;

use crate::component::{COMPONENTS, Component};
use crate::family::families;
use crate::operations::OperationError;

/// A model cannot be built from its checkpoint.
#[derive(thiserror::Error)]
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

    /// A key that is understood holds something that is not implemented.
    #[error(
        "the model's configuration has `{key}` = {value}, which is not understood; understood are: \
         {understood}"
    )]
    NotUnderstood {
        /// The key.
        key: String,
        /// Its value.
        value: String,
        /// Values that are.
        understood: String,
    },

    /// A key that may change the computation, and of which that is not known.
    #[error(
        "the model's configuration has `{key}` = {value}, which {why}: it may change what the model \
         computes; if you know that it changes nothing, pass `--ignore-key {key}`"
    )]
    UnknownKey {
        /// The key.
        key: String,
        /// Its value.
        value: String,
        /// What is the matter with it.
        why: String,
    },

    /// A key that the user asks to ignore and that cannot be ([`Opening`](crate::Opening)).
    #[error("`--ignore-key {key}`: {why}")]
    IgnoredInVain {
        /// The key.
        key: String,
        /// Why.
        why: &'static str,
    },

    /// The configuration says two different things.
    #[error(
        "the model's configuration has {one} and {other}, which say different things: remove the one that \
         is wrong"
    )]
    Contradiction {
        /// One key and its value.
        one: String,
        /// The other.
        other: String,
    },

    /// A tensor does not fit, and keys that are absent may be the reason.
    #[error("{error} (config.json leaves these to the defaults of {class}: {defaults})")]
    ByDefault {
        /// What does not fit.
        error: Box<ModelError>,
        /// The class.
        class: String,
        /// Keys and their defaults.
        defaults: String,
    },

    /// Two tensors that are the same part of the model.
    #[error("tensors `{}` and `{}` are the same part of the model: remove one", names[0], names[1])]
    TwiceTheSame {
        /// Their names.
        names: [String; 2],
    },

    /// Weights in a form that is not read.
    #[error(
        "{what}, which vene does not read; use the model as it was before that (its float16, bfloat16 or \
         float32 weights), or a GGUF file of it"
    )]
    Quantised {
        /// What shows it.
        what: String,
    },

    /// No unembedding.
    #[error(
        "the model has no language-model head (`{head}`), and its configuration does not tie one to the \
         embedding: {reason}"
    )]
    NoHead {
        /// The tensor that is missing.
        head: String,
        /// What the model seems to be.
        reason: String,
    },

    /// All names of tensors begin in a way that is not known.
    #[error(
        "tensor `{name}` and the others are named with `{prefix}` before the names of a language model's parts, \
         which vene does not know: save the language model by itself, or take `{prefix}` off the names"
    )]
    OtherBeginning {
        /// One of them.
        name: String,
        /// What stands before.
        prefix: String,
    },

    /// An adapter's weights beside those that they are to change.
    #[error(
        "tensor `{name}` belongs to an adapter (LoRA) that was not merged into the model: merge it \
         (`merge_and_unload` of PEFT) and save the result, or give the model without the adapter"
    )]
    Unmerged {
        /// One of its tensors.
        name: String,
    },

    /// A GGUF file that is no model.
    #[error("this GGUF file is not a model but {what}: {advice}")]
    NotAModel {
        /// Its `general.type`.
        what: String,
        /// What to do.
        advice: &'static str,
    },

    /// The checkpoint holds a tensor that no part of the decoder takes.
    #[error(
        "tensor `{name}` is no part of a {family} model with this configuration, and leaving it out may change \
         what the model computes: check that config.json and the weights belong together"
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

vene_named::debug_as_sentence!(ModelError);

/// No such site in this model.
#[derive(Clone, PartialEq, Eq, thiserror::Error)]
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

vene_named::debug_as_sentence!(SiteError);

/// An input that the model cannot take.
#[derive(thiserror::Error)]
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
        "this network has no embedding of its own: give it its input vectors first (`with_inputs`, in \
         a program)"
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
    #[error(
        "token {token} (`{shown}`) is outside of the vocabulary of {vocabulary} tokens: the model has \
         no embedding for it"
    )]
    UnknownToken {
        /// The token's id.
        token: u32,
        /// Its text, for people to read.
        shown: String,
        /// Rows of the embedding.
        vocabulary: usize,
    },

    /// Text behind a prompt that has none.
    #[error("the prompt was given as token ids: it has no text that more could be written behind")]
    NoText,

    /// Something else where token ids are expected.
    #[error("`{word}` is not a token id: numbers are expected, with spaces or commas between them")]
    NotAnId {
        /// It, shortened.
        word: String,
    },

    /// A conversation where token ids are expected.
    #[error(
        "a conversation is not token ids: leave out --ids (`ids` in [model]), or give the ids as the text"
    )]
    IdsAsMessages,

    /// A system turn in front of another.
    #[error(
        "the conversation begins with a system turn of its own: leave out the other one (--system)"
    )]
    TwoSystemTurns,

    /// A prompt of another model.
    #[error(transparent)]
    AnotherModel(#[from] crate::key::AnotherModel),
}

vene_named::debug_as_sentence!(InputError);

fn family_names() -> String {
    families().map(|family| family.name).collect::<Vec<_>>().join(", ")
}

fn component_names() -> String {
    COMPONENTS.iter().map(|info| info.name).collect::<Vec<_>>().join(", ")
}
