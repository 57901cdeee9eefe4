//! A model with its tokenizer.

use std::collections::BTreeMap;
use std::sync::Arc;

use pyo3::buffer::PyBuffer;
use pyo3::prelude::*;
use vene::model::Message;
use vene::{
    BeginningOfSequence, Component, HostTensor, Outline, Precision, Prompt, PromptForm, RunPlans,
    Site,
};
use vene_checkpoint::Checkpoint;

use crate::compute::{Watch, compute};
use crate::error;
use crate::lent::{GivenTensor, lent};
use crate::values::{Given, Values, matrix};

/// A prompt as it is given: a text, whose phrases positions may name, tokens, or a conversation.
#[derive(FromPyObject)]
pub enum GivenPrompt {
    Text(String),
    Tokens(Vec<u32>),
    Conversation(Vec<GivenMessage>),
}

/// A turn of a conversation.
#[derive(FromPyObject)]
#[pyo3(from_item_all)]
pub struct GivenMessage {
    role: String,
    content: String,
}

/// A loaded model. Immutable, and shared by whatever was made of it.
#[pyclass(frozen, module = "vene._vene")]
pub struct Model {
    pub inner: Arc<vene::Model>,
}

#[pymethods]
impl Model {
    /// Opens and loads: `embedded`, a folder, a `.gguf` file, or a Hugging Face id. `precision` is `single` or `double`.
    #[staticmethod]
    #[pyo3(signature = (name, precision = "single"))]
    fn load(python: Python<'_>, name: &str, precision: &str) -> PyResult<Self> {
        let precision: Precision = precision.parse().map_err(error::of_input)?;
        let load = |_: &Watch| {
            let outline = Outline::open(name, &mut |_| {})?;
            vene::Model::from_outline(outline, precision, &mut |_| {})
        };
        Ok(Self { inner: Arc::new(compute(python, load, error::of_model)?) })
    }

    /// Makes a model of tensors that Python has: `config` is the text of a `config.json`, `tokenizer` has the texts of a
    /// tokenizer's files (and of `generation_config.json`) by their names. With `inputs`, `[inputs, width]`, the model is a
    /// network that reads vectors, such as pyvene's perceptrons: token `i` of its prompts stands for row `i`.
    #[staticmethod]
    #[pyo3(signature = (name, config, tensors, tokenizer, precision = "single", inputs = None))]
    fn of_tensors(
        python: Python<'_>,
        name: &str,
        config: &str,
        tensors: Vec<GivenTensor>,
        tokenizer: BTreeMap<String, String>,
        precision: &str,
        inputs: Option<Given>,
    ) -> PyResult<Self> {
        let precision: Precision = precision.parse().map_err(error::of_input)?;
        let tensors = lent(tensors)?;
        let inputs = inputs.map(|inputs| inputs.singles(python)).transpose()?;
        let load = |_: &Watch| {
            let checkpoint = Checkpoint::from_tensors(name, config, tensors, &tokenizer)?;
            let mut outline = Outline::from_checkpoint(checkpoint)?;
            if let Some((shape, data)) = inputs {
                outline = outline.with_inputs(HostTensor { shape, data })?;
            }
            vene::Model::from_outline(outline, precision, &mut |_| {})
        };
        Ok(Self { inner: Arc::new(compute(python, load, error::of_model)?) })
    }

    /// What identifies the weights, the same on every machine.
    #[getter]
    fn identity(&self) -> String {
        self.inner.identity()
    }

    /// What is doubtful about the model's files, in sentences.
    #[getter]
    fn notices(&self) -> Vec<String> {
        self.inner.notices()
    }

    /// Sizes by name, as JSON.
    #[getter]
    fn config(&self) -> String {
        let config = self.inner.config();
        serde_json::json!({
            "family": config.family,
            "layers": config.layers.len(),
            "d_model": config.d_model,
            "heads": config.heads,
            "key_value_heads": config.key_value_heads,
            "head_dim": config.head_dim,
            "d_mlp": config.d_mlp,
            "vocabulary": config.vocabulary,
            "context": config.context,
            "final_norm": config.final_norm,
        })
        .to_string()
    }

    /// The tokens of a text. `bos` is `model`, `always` or `never`.
    #[pyo3(signature = (text, bos = "model"))]
    fn encode(&self, text: &str, bos: &str) -> PyResult<Vec<u32>> {
        let bos: BeginningOfSequence = bos.parse().map_err(error::of_input)?;
        let prompt = self.inner.prompt_with(text, bos).map_err(error::of_input)?;
        Ok(prompt.tokens().to_vec())
    }

    /// The tokens of a prompt.
    fn prompt_tokens(&self, prompt: GivenPrompt) -> PyResult<Vec<u32>> {
        Ok(self.prompt(&prompt)?.tokens().to_vec())
    }

    /// The text of a conversation, as the model's chat template writes it.
    fn conversation_text(&self, turns: Vec<GivenMessage>) -> PyResult<String> {
        let prompt = self.prompt(&GivenPrompt::Conversation(turns))?;
        Ok(prompt.text().unwrap_or_default().to_owned())
    }

    /// The token that a text is.
    fn single_token(&self, text: &str) -> PyResult<u32> {
        self.inner.tokenizer().single_token(text).map_err(error::of_input)
    }

    /// The tokens that end a text, as the model's own files name them.
    #[getter]
    fn ends(&self) -> Vec<u32> {
        self.inner.tokenizer().ends().to_vec()
    }

    /// The text of tokens.
    fn decode(&self, tokens: Vec<u32>) -> PyResult<String> {
        self.inner.tokenizer().decode(&tokens).map_err(error::of_input)
    }

    /// The text of one token.
    fn token_text(&self, token: u32) -> PyResult<String> {
        self.inner.tokenizer().token_text(token).map_err(error::of_input)
    }

    /// The component that a name means, by vene's, pyvene's or TransformerLens's words: its own name, the layer that the
    /// name says, and whether each layer has one.
    fn component(&self, name: &str) -> PyResult<(&'static str, Option<usize>, bool)> {
        let named = vene::alias::resolve(name, self.inner.config()).map_err(error::of_plan)?;
        Ok((named.component.name(), named.layer, named.component.per_layer()))
    }

    /// Every place at which this model can be read and edited: a component, and its layer where each has one.
    #[getter]
    fn sites(&self) -> Vec<(&'static str, Option<usize>)> {
        let config = self.inner.config();
        let layers = || (0..config.layers.len()).map(Some);
        let places = Component::all(config).flat_map(|component| {
            let of_layers = component.per_layer().then(layers).into_iter().flatten();
            let once = (!component.per_layer()).then_some(None);
            of_layers.chain(once).map(move |layer| (component, layer))
        });
        let there =
            places.filter(|&(component, layer)| Site::new(component, layer, config).is_ok());
        there.map(|(component, layer)| (component.name(), layer)).collect()
    }

    /// How wide a component's rows are, of one that has heads and is named by them (`head_query_output`) a head's; `None` for
    /// attention patterns, whose rows are as wide as the prompt is long.
    fn width(&self, name: &str) -> PyResult<Option<usize>> {
        let config = self.inner.config();
        let named = vene::alias::resolve(name, config).map_err(error::of_plan)?;
        let heads = if named.per_head { named.component.heads(config) } else { None };
        Ok(named.component.width(config).map(|width| width / heads.unwrap_or(1)))
    }

    /// The names of the components that this model has.
    #[getter]
    fn components(&self) -> Vec<&'static str> {
        Component::all(self.inner.config()).map(Component::name).collect()
    }

    /// The logits that the unembedding reads off rows of the last norm's output: `[rows, d_model]`, 32-bit floats, to
    /// `[rows, vocabulary]`.
    fn logits(&self, python: Python<'_>, rows: PyBuffer<f32>) -> PyResult<Values> {
        let normed = matrix(python, &rows, self.inner.config().d_model)?;
        let logits = compute(python, |_| self.inner.logits(&normed), error::of_run)?;
        Values::of(&logits)
    }
}

impl Model {
    /// A prompt in tokens.
    pub fn prompt(&self, given: &GivenPrompt) -> PyResult<Prompt> {
        let prompt = match given {
            GivenPrompt::Text(text) => self.inner.prompt(text),
            GivenPrompt::Tokens(tokens) => self.inner.prompt_from_tokens(tokens),
            GivenPrompt::Conversation(turns) => {
                let turns = turns.iter().map(|turn| Message::new(&turn.role, &turn.content));
                self.inner.conversation(&turns.collect::<Vec<_>>(), PromptForm::default())
            }
        };
        prompt.map_err(error::of_input)
    }
}
