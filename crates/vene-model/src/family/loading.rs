//! The tensors of a family of transformers, taken out of a file by its names.

use super::head::Head;
use super::names::Names;
use super::reading::{Described, HasBias, Reading};
use super::slots::{Gate, NormParts, Projections, Slots};
use super::table::Transformer;
use super::{Family, Naming, Weights};
use crate::config::{DecoderConfig, QueryKeyNorm};
use crate::error::ModelError;
use crate::tensors::{
    BlockTensors, DenseTensors, HostTensor, LinearTensors, MlpTensors, NormTensors, OuterTensors,
    TransformerTensors,
};

/// A model of a family of transformers, whose description was read.
pub(super) struct Model {
    described: Described,
    head: Head,
    /// Whether rows of queries and keys are stored for adjacent pairs, where the family pairs halves.
    is_permuted: bool,
}

impl Model {
    pub fn new(
        family: &'static Transformer,
        keys: &super::Keys<'_>,
        naming: Naming,
        names: &mut Names,
    ) -> Result<Self, ModelError> {
        let mut described = family.read(&Reading { keys, naming, names })?;
        if naming == Naming::Gguf {
            described.slots.find_projections(names);
        }
        let head = family.head(keys, naming, names)?;
        let is_permuted =
            naming == Naming::Gguf && family.gguf.is_some_and(|gguf| gguf.is_permuted);
        Ok(Self { described, head, is_permuted })
    }

    fn block<'m>(&'m self, weights: &'m Weights<'m>, layer: usize) -> BlockReader<'m> {
        BlockReader { weights, slots: &self.described.slots, config: &self.described.config, layer }
    }
}

impl Family for Model {
    fn config(&self) -> &DecoderConfig {
        &self.described.config
    }

    fn outer(&self, weights: &Weights<'_>) -> Result<OuterTensors, ModelError> {
        let Described { config, slots, head_bias, .. } = &self.described;
        let DecoderConfig { vocabulary, d_model, context, .. } = *config;
        let embedding = weights.matrix(&slots.embedding_tensor(), &[vocabulary, d_model])?;
        let has_bias = match head_bias {
            HasBias::IfThere => weights.contains(&format!("{}.bias", slots.head)),
            has => *has == HasBias::Yes,
        };
        let unembedding = self.head.read(weights, slots, &embedding, has_bias)?;
        let positions = slots.positions.map(|name| {
            let first = slots.first_position;
            let name = slots.outside(name) + ".weight";
            let table = weights.matrix(&name, &[first + context, d_model])?;
            Ok::<_, ModelError>(if first > 0 { table.rows(first, context) } else { table })
        });
        let final_norm = norm(weights, slots, &slots.outside(slots.final_norm), d_model)?;
        let embedding_norm =
            slots.embedding_norm.map(|name| norm(weights, slots, &slots.outside(name), d_model));
        Ok(OuterTensors {
            embedding,
            position_embedding: positions.transpose()?,
            embedding_norm: embedding_norm.transpose()?,
            final_norm: Some(final_norm),
            unembedding,
        })
    }

    fn layer(&self, weights: &Weights<'_>, layer: usize) -> Result<BlockTensors, ModelError> {
        let Described { config, slots, .. } = &self.described;
        let DecoderConfig { d_model, d_mlp, heads, head_dim, .. } = *config;
        let experts = config.layers[layer].experts;
        let block = self.block(weights, layer);
        let [query, key, value] = block.projections(self.described.projection_bias)?;
        let [query, key] = match self.is_permuted {
            true => [query, key].map(|linear| halves(linear, head_dim)),
            false => [query, key],
        };
        let [query_norm, key_norm] = block.query_key_norms()?;
        let mlp_bias = self.described.mlp_bias;
        let mlp = match (experts, slots.experts) {
            (Some(experts), Some(slots)) => {
                MlpTensors::Experts(Box::new(block.experts(&experts, &slots, mlp_bias)?))
            }
            _ => MlpTensors::Dense(Box::new(block.dense(d_mlp, mlp_bias)?)),
        };
        let output = [d_model, heads * head_dim];
        let output_bias = self.described.attention_output_bias;
        let tensors = TransformerTensors {
            attention_norm: block.norm(slots.attention_norm)?,
            query,
            key,
            value,
            query_norm,
            key_norm,
            sinks: block.sinks()?,
            attention_output: block.linear(slots.attention_output, output, output_bias)?,
            attention_post_norm: block.norm(slots.attention_post_norm)?,
            mlp_norm: block.norm(slots.mlp_norm)?,
            mlp,
            mlp_post_norm: block.norm(slots.mlp_post_norm)?,
        };
        Ok(tensors.into())
    }

    fn is_leftover(&self, name: &str) -> bool {
        self.described.slots.is_buffer(name)
    }
}

/// Reads the tensors of one block.
pub(super) struct BlockReader<'m> {
    pub(super) weights: &'m Weights<'m>,
    pub(super) slots: &'m Slots,
    pub(super) config: &'m DecoderConfig,
    pub(super) layer: usize,
}

impl BlockReader<'_> {
    pub(super) fn linear(
        &self,
        module: &str,
        shape: [usize; 2],
        bias: HasBias,
    ) -> Result<LinearTensors, ModelError> {
        let stem = self.slots.in_block(self.layer, module);
        let bias = match bias {
            HasBias::IfThere => self.weights.contains(&format!("{stem}.bias")),
            bias => bias == HasBias::Yes,
        };
        match self.slots.transposed {
            true => self.weights.transposed_linear(&stem, shape, bias),
            false => self.weights.linear(&stem, shape, bias),
        }
    }

    /// The MLP of a layer without experts.
    fn dense(&self, hidden: usize, bias: HasBias) -> Result<DenseTensors, ModelError> {
        let (slots, d_model) = (self.slots, self.config.d_model);
        let (gate, up) = match slots.gate {
            Gate::None => (None, self.linear(slots.up, [hidden, d_model], bias)?),
            Gate::Own(gate) => (
                Some(self.linear(gate, [hidden, d_model], bias)?),
                self.linear(slots.up, [hidden, d_model], bias)?,
            ),
            Gate::BeforeUp => {
                let both = self.linear(slots.up, [2 * hidden, d_model], bias)?;
                (Some(both.rows(0, hidden)), both.rows(hidden, hidden))
            }
        };
        Ok(DenseTensors { gate, up, down: self.linear(slots.down, [d_model, hidden], bias)? })
    }

    /// Queries, keys and values.
    fn projections(&self, bias: HasBias) -> Result<[LinearTensors; 3], ModelError> {
        let DecoderConfig { d_model, heads, key_value_heads, head_dim, .. } = *self.config;
        let (width, key_width) = (heads * head_dim, key_value_heads * head_dim);
        let widths = [width, key_width, key_width];
        let all = [width + 2 * key_width, d_model];
        match self.slots.projections {
            Projections::Separate([query, key, value]) => Ok([
                self.linear(query, [width, d_model], bias)?,
                self.linear(key, [key_width, d_model], bias)?,
                self.linear(value, [key_width, d_model], bias)?,
            ]),
            Projections::Stacked(module) => {
                let stacked = self.linear(module, all, bias)?;
                let starts = [0, width, width + key_width];
                Ok([0, 1, 2].map(|part| stacked.rows(starts[part], widths[part])))
            }
            Projections::ByHead(module) => {
                let stacked = self.linear(module, all, bias)?;
                let group = heads / key_value_heads;
                Ok([(0, group), (group, 1), (group + 1, 1)].map(|(first, count)| {
                    let starts =
                        (0..key_value_heads).map(|head| (head * (group + 2) + first) * head_dim);
                    stacked.stretches(starts, count * head_dim)
                }))
            }
        }
    }

    fn query_key_norms(&self) -> Result<[Option<NormTensors>; 2], ModelError> {
        let DecoderConfig { heads, key_value_heads, head_dim, .. } = *self.config;
        let Some([query, key]) = self.slots.query_key_norms else { return Ok([None, None]) };
        if self.config.query_key_norm == Some(QueryKeyNorm::EachHeadOwn) {
            let norms = [(query, heads), (key, key_value_heads)];
            let [query, key] = norms.map(|(module, heads)| self.norms_of_heads(module, heads));
            return Ok([Some(query?), Some(key?)]);
        }
        let widths = match self.config.query_key_norm {
            Some(QueryKeyNorm::AllHeads) => [heads * head_dim, key_value_heads * head_dim],
            _ => [head_dim, head_dim],
        };
        let norm = |module, width| {
            norm(self.weights, self.slots, &self.slots.in_block(self.layer, module), width)
        };
        Ok([Some(norm(query, widths[0])?), Some(norm(key, widths[1])?)])
    }

    /// Norms of heads that have a weight each: in one tensor `[heads, head_dim]`, or in as many as there are heads.
    fn norms_of_heads(&self, module: &str, heads: usize) -> Result<NormTensors, ModelError> {
        let head_dim = self.config.head_dim;
        let stem = self.slots.in_block(self.layer, module);
        let whole = format!("{stem}.weight");
        let data = match self.weights.contains(&format!("{stem}.norms.0.weight")) {
            false => self.weights.tensor(&whole, &[heads, head_dim])?.data,
            true => {
                let name = |head| format!("{stem}.norms.{head}.weight");
                let weights = (0..heads).map(|head| self.weights.tensor(&name(head), &[head_dim]));
                let weights = weights.collect::<Result<Vec<_>, _>>()?;
                weights.into_iter().flat_map(|weight| weight.data).collect()
            }
        };
        let weight = HostTensor { data, shape: vec![heads * head_dim] };
        Ok(NormTensors { weight, bias: None, stretches: heads })
    }

    fn sinks(&self) -> Result<Option<HostTensor>, ModelError> {
        let name = self.slots.sinks.map(|name| self.slots.in_block(self.layer, name));
        name.map(|name| self.weights.tensor(&name, &[self.config.heads])).transpose()
    }

    fn norm(&self, module: Option<&str>) -> Result<Option<NormTensors>, ModelError> {
        let stem = module.map(|module| self.slots.in_block(self.layer, module));
        stem.map(|stem| norm(self.weights, self.slots, &stem, self.config.d_model)).transpose()
    }
}

fn norm(
    weights: &Weights<'_>,
    slots: &Slots,
    stem: &str,
    width: usize,
) -> Result<NormTensors, ModelError> {
    match slots.norm_parts {
        NormParts::None => {
            Ok(NormTensors { weight: HostTensor::ones(width), bias: None, stretches: 1 })
        }
        parts => weights.norm(stem, width, parts == NormParts::WeightAndBias),
    }
}

/// Rows of each head from the order of adjacent pairs (`0, n/2, 1, n/2 + 1, …`) back to `0, 1, 2, …`.
fn halves(linear: LinearTensors, head_dim: usize) -> LinearTensors {
    let heads = linear.weight.shape()[0] / head_dim;
    let rows = (0..heads).flat_map(|head| {
        let of_half =
            move |half| (0..head_dim / 2).map(move |pair| head * head_dim + 2 * pair + half);
        (0..2).flat_map(of_half)
    });
    linear.stretches(rows, 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_of_each_head_are_sorted_into_halves() {
        let rows = [0.0, 2.0, 1.0, 3.0, 10.0, 12.0, 11.0, 13.0];
        let weight = HostTensor { data: rows.to_vec(), shape: vec![8, 1] }.into();
        let linear = halves(LinearTensors { weight, bias: None }, 4);
        assert_eq!(linear.weight.widened().data, [0.0, 1.0, 2.0, 3.0, 10.0, 11.0, 12.0, 13.0]);
    }
}
