//! A prompt's unedited run, part by part: what every node reads and what it adds.

use vene_model::{Decoder, OperationError, Operations, Path, Query, RowPlaces};

/// A prompt's unedited run. All tensors have a row for each position.
pub(crate) struct NodeRun<O: Operations> {
    pub(crate) places: Places,
    /// The tokens' embeddings, without those of positions, `[positions, d_model]`.
    pub(crate) input: O::Tensor,
    pub(crate) layers: Vec<LayerRun<O>>,
    /// The residual stream after all blocks.
    pub(crate) end: O::Tensor,
}

/// A layer of it.
pub(crate) struct LayerRun<O: Operations> {
    /// The residual stream as attention reads it.
    pub(crate) residual: O::Tensor,
    /// `[positions, heads * head_dim]`.
    pub(crate) queries: O::Tensor,
    /// `[positions, key_value_heads * head_dim]`.
    pub(crate) keys: O::Tensor,
    /// `[positions, key_value_heads * head_dim]`.
    pub(crate) values: O::Tensor,
    /// What each head mixed of the values, `[positions, heads * head_dim]`.
    pub(crate) mixed: O::Tensor,
    /// What attention gives, before it is normed.
    pub(crate) attention_output: O::Tensor,
    /// What attention adds to the residual stream.
    pub(crate) attention: O::Tensor,
    /// The residual stream as the MLP reads it.
    pub(crate) residual_of_mlp: O::Tensor,
    /// What the MLP adds to the residual stream.
    pub(crate) mlp: O::Tensor,
}

/// Where the rows of a text stand in it.
pub(crate) struct Places {
    positions: Vec<usize>,
    /// Of each position, as rotary encodings have the text's length; empty where they do not depend on it.
    length: Option<usize>,
}

impl Places {
    pub(crate) fn of<O: Operations>(decoder: &Decoder<O>, positions: usize) -> Self {
        let config = decoder.config();
        let length = config.turns_by_length().then(|| config.rotary_length(positions));
        Self { positions: (0..positions).collect(), length }
    }

    pub(crate) fn len(&self) -> usize {
        self.positions.len()
    }

    /// Calls with the places of rows at these positions.
    pub(crate) fn with<T>(&self, positions: &[usize], call: impl FnOnce(RowPlaces<'_>) -> T) -> T {
        let lengths = self.length.map_or_else(Vec::new, |length| vec![length; positions.len()]);
        call(RowPlaces { positions, lengths: &lengths })
    }
}

impl<O: Operations> NodeRun<O> {
    pub(crate) fn of(decoder: &Decoder<O>, tokens: &[u32]) -> Result<Self, OperationError> {
        let positions: Vec<usize> = (0..tokens.len()).collect();
        let residual = decoder.embed(tokens, &positions)?;
        Self::from_embedding(decoder, decoder.embed_tokens(tokens)?, residual, tokens.len())
    }

    /// With given embeddings of so many tokens, and what enters the first block.
    pub(crate) fn from_embedding(
        decoder: &Decoder<O>,
        input: O::Tensor,
        mut residual: O::Tensor,
        positions: usize,
    ) -> Result<Self, OperationError> {
        let operations = decoder.operations();
        let places = Places::of(decoder, positions);
        let mut layers = Vec::with_capacity(decoder.config().layers.len());
        for layer in 0..decoder.config().layers.len() {
            let run = LayerRun::of(decoder, layer, residual, &places)?;
            residual = match decoder.config().is_sequential() {
                true => run.residual_of_mlp.clone(),
                false => operations.add(run.residual.clone(), &run.attention)?,
            };
            residual = operations.add(residual, &run.mlp)?;
            layers.push(run);
        }
        Ok(Self { places, input, layers, end: residual })
    }
}

impl<O: Operations> LayerRun<O> {
    fn of(
        decoder: &Decoder<O>,
        layer: usize,
        residual: O::Tensor,
        places: &Places,
    ) -> Result<Self, OperationError> {
        let operations = decoder.operations();
        let input = decoder.attention_input(layer, &residual)?;
        let queries = places.with(&places.positions, |at| decoder.queries(layer, &input, at))?;
        let keys = places.with(&places.positions, |at| decoder.keys(layer, &input, at))?;
        let values = decoder.values(layer, &input)?;
        let rows: Vec<u32> = (0..places.len() as u32).collect();
        let asked: Vec<Query> = rows.iter().map(|&row| Query { row, position: row }).collect();
        let path = Path { rows: &rows, queries: &asked };
        let mixed =
            operations.attend(&queries, &keys, &values, &[path], decoder.scoring(layer)?)?;
        let attention_output = decoder.attention_output(layer, &mixed)?;
        let attention = decoder.attention_contribution(layer, attention_output.clone())?;
        let residual_of_mlp = match decoder.config().is_sequential() {
            true => operations.add(residual.clone(), &attention)?,
            false => residual.clone(),
        };
        let read = decoder.mlp_input(layer, &residual_of_mlp)?;
        let mlp = decoder.mlp_contribution(layer, decoder.mlp_output(layer, &read)?)?;
        Ok(Self {
            residual,
            queries,
            keys,
            values,
            mixed,
            attention_output,
            attention,
            residual_of_mlp,
            mlp,
        })
    }
}
