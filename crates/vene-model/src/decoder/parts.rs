//! The parts of a block by themselves: what each computes for an input of its own.
//!
//! In a forward pass all parts of a block read one residual stream. Circuits speak of edges: one head's queries, or one MLP, read
//! another residual stream than the rest of the model does. Whoever computes that walks from part to part with these functions,
//! which give the same bits as the same rows in a forward pass.

use super::Decoder;
use crate::block::{Block, Experts, Mlp, Transformer};
use crate::operations::{OperationError, Operations, Scoring};
use crate::pass::RowPlaces;

/// One of the projections of what attention reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Projection {
    /// Into queries.
    Queries,
    /// Into keys.
    Keys,
    /// Into values.
    Values,
}

impl<O: Operations> Decoder<O> {
    /// What attention of a layer reads, `[rows, d_model]`, of the residual stream as it enters the block: normed, where there is
    /// such a norm.
    ///
    /// # Errors
    /// A layer that is no transformer's; failures of the operations.
    pub fn attention_input(
        &self,
        layer: usize,
        residual: &O::Tensor,
    ) -> Result<O::Tensor, OperationError> {
        self.read(residual, &self.transformer_of(layer)?.attention_norm)
    }

    /// Queries `[rows, heads * head_dim]` as they meet keys: normed and turned where the model does so. `input` is
    /// [`Decoder::attention_input`].
    ///
    /// # Errors
    /// As [`Decoder::attention_input`].
    pub fn queries(
        &self,
        layer: usize,
        input: &O::Tensor,
        places: RowPlaces<'_>,
    ) -> Result<O::Tensor, OperationError> {
        let block = self.transformer_of(layer)?;
        self.meeting(layer, self.project(input, &block.query)?, &block.query_norm, places)
    }

    /// Keys `[rows, key_value_heads * head_dim]` as queries meet them.
    ///
    /// # Errors
    /// As [`Decoder::attention_input`].
    pub fn keys(
        &self,
        layer: usize,
        input: &O::Tensor,
        places: RowPlaces<'_>,
    ) -> Result<O::Tensor, OperationError> {
        let block = self.transformer_of(layer)?;
        self.meeting(layer, self.project(input, &block.key)?, &block.key_norm, places)
    }

    /// Values `[rows, key_value_heads * head_dim]`.
    ///
    /// # Errors
    /// As [`Decoder::attention_input`].
    pub fn values(&self, layer: usize, input: &O::Tensor) -> Result<O::Tensor, OperationError> {
        self.project(input, &self.transformer_of(layer)?.value)
    }

    /// Queries, keys or values `[rows, heads * head_dim]` before anything is done with them: linear, but for a bias.
    ///
    /// # Errors
    /// As [`Decoder::attention_input`].
    pub fn projected(
        &self,
        layer: usize,
        projection: Projection,
        input: &O::Tensor,
    ) -> Result<O::Tensor, OperationError> {
        let block = self.transformer_of(layer)?;
        self.operations.linear(
            input,
            match projection {
                Projection::Queries => &block.query,
                Projection::Keys => &block.key,
                Projection::Values => &block.value,
            },
        )
    }

    /// The same, clipped where the family clips them: what `query_output`, `key_output` and `value_output` are.
    ///
    /// # Errors
    /// As [`Decoder::attention_input`].
    pub fn clipped(
        &self,
        layer: usize,
        projection: Projection,
        input: &O::Tensor,
    ) -> Result<O::Tensor, OperationError> {
        let projected = self.projected(layer, projection, input)?;
        match self.config.projection_clip {
            Some(limit) => self.operations.clip(projected, limit),
            None => Ok(projected),
        }
    }

    /// Queries or keys that [`Decoder::projected`] gave, normed where the model does so; values as they are.
    ///
    /// # Errors
    /// As [`Decoder::attention_input`].
    pub fn projection_normed(
        &self,
        layer: usize,
        projection: Projection,
        projected: &O::Tensor,
    ) -> Result<O::Tensor, OperationError> {
        let block = self.transformer_of(layer)?;
        match projection {
            Projection::Queries => self.read(projected, &block.query_norm),
            Projection::Keys => self.read(projected, &block.key_norm),
            Projection::Values => Ok(projected.clone()),
        }
    }

    /// How a layer's queries meet its keys.
    ///
    /// # Errors
    /// A layer that is no transformer's.
    pub fn scoring(&self, layer: usize) -> Result<Scoring<'_>, OperationError> {
        let sinks = self.transformer_of(layer)?.sinks.as_deref();
        Ok(Scoring { config: &self.config, layer, sinks })
    }

    /// What attention gives, `[rows, d_model]`, of its heads' weighted values `[rows, heads * head_dim]`.
    ///
    /// # Errors
    /// As [`Decoder::attention_input`].
    pub fn attention_output(
        &self,
        layer: usize,
        values: &O::Tensor,
    ) -> Result<O::Tensor, OperationError> {
        self.operations.linear(values, &self.transformer_of(layer)?.attention_output)
    }

    /// Each head's term of it, `[rows, heads * d_model]`, without the bias.
    ///
    /// # Errors
    /// As [`Decoder::attention_input`].
    pub fn head_results(
        &self,
        layer: usize,
        values: &O::Tensor,
    ) -> Result<O::Tensor, OperationError> {
        let linear = &self.transformer_of(layer)?.attention_output;
        self.operations.linear_by_head(values, linear, self.config.heads)
    }

    /// What attention adds to the residual stream, of [`Decoder::attention_output`]: post-normed and scaled where the model does so.
    ///
    /// # Errors
    /// As [`Decoder::attention_input`].
    pub fn attention_contribution(
        &self,
        layer: usize,
        output: O::Tensor,
    ) -> Result<O::Tensor, OperationError> {
        self.contribute(output, &self.transformer_of(layer)?.attention_post_norm)
    }

    /// What the MLP of a layer reads, `[rows, d_model]`: normed, where there is such a norm.
    ///
    /// # Errors
    /// As [`Decoder::attention_input`].
    pub fn mlp_input(
        &self,
        layer: usize,
        residual: &O::Tensor,
    ) -> Result<O::Tensor, OperationError> {
        self.read(residual, &self.transformer_of(layer)?.mlp_norm)
    }

    /// What the MLP gives, `[rows, d_model]`, of [`Decoder::mlp_input`].
    ///
    /// # Errors
    /// As [`Decoder::attention_input`].
    pub fn mlp_output(&self, layer: usize, input: &O::Tensor) -> Result<O::Tensor, OperationError> {
        match &self.transformer_of(layer)?.mlp {
            Mlp::Dense(mlp) => self.silent(mlp, input, None),
            Mlp::Experts(mixture) => self.silent_experts(layer, mixture, input),
        }
    }

    /// What the MLP adds to the residual stream, of [`Decoder::mlp_output`].
    ///
    /// # Errors
    /// As [`Decoder::attention_input`].
    pub fn mlp_contribution(
        &self,
        layer: usize,
        output: O::Tensor,
    ) -> Result<O::Tensor, OperationError> {
        self.contribute(output, &self.transformer_of(layer)?.mlp_post_norm)
    }

    /// The last norm of the residual stream `[rows, d_model]`; the same where there is none.
    ///
    /// # Errors
    /// Failures of the operations.
    pub fn final_norm(&self, residual: &O::Tensor) -> Result<O::Tensor, OperationError> {
        self.read(residual, &self.final_norm)
    }

    fn transformer_of(&self, layer: usize) -> Result<&Transformer<O>, OperationError> {
        match self.blocks.get(layer) {
            Some(Block::Transformer(block)) => Ok(block),
            _ => {
                let problem = format!("layer {layer} has no attention and MLP by themselves");
                Err(candle_core::Error::Msg(problem).into())
            }
        }
    }

    /// Queries or keys as they meet.
    fn meeting(
        &self,
        layer: usize,
        mut projected: O::Tensor,
        norm: &Option<O::Norm>,
        places: RowPlaces<'_>,
    ) -> Result<O::Tensor, OperationError> {
        let Self { config, operations, .. } = self;
        if let Some(norm) = norm {
            projected = operations.norm(&projected, norm)?;
        }
        match config.layers[layer].rotary {
            Some(rotary) => {
                operations.rotate(projected, &self.rotaries[rotary], config.head_dim, places)
            }
            None => Ok(projected),
        }
    }

    /// A mixture of experts at whose sites nobody looks.
    fn silent_experts(
        &self,
        layer: usize,
        mixture: &Experts<O>,
        input: &O::Tensor,
    ) -> Result<O::Tensor, OperationError> {
        let operations = &self.operations;
        let Some(experts) = self.config.layers[layer].experts else { return Ok(input.clone()) };
        let scores = operations.linear(input, &mixture.router)?;
        let weights = operations.route(&scores, &experts)?;
        let chosen = operations.chosen_rows(&weights, &experts)?;
        let outputs = self.expert_outputs(mixture, input, &chosen, experts.clamped)?;
        let mixed = operations.mix(&chosen, &outputs, &weights)?;
        match self.shared_expert(mixture, input)? {
            Some(shared) => operations.add(mixed, &shared),
            None => Ok(mixed),
        }
    }
}
