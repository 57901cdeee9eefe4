//! What a receiver gives when it reads another residual stream than the rest of the model does.
//!
//! Each function takes what is added to the residual stream of a run at some positions, for any number of *variants* at once (one for
//! each sender, say): `[variants * positions, d_model]`, a variant's positions together.

use vene_model::{
    Component, Decoder, DecoderConfig, OperationError, Operations, Path, Projection, Query,
};
use vene_named::named;

use crate::frozen_norm::{FrozenNorm, Norm};
use crate::node_run::NodeRun;

named! {
    /// How a receiver's norm treats what an edge adds.
    pub enum NormOf as "way to norm", default Recomputed {
        /// The sum is normed anew.
        Recomputed = "recomputed",
        /// It is centred and divided as the base's is, so that contributions add up.
        Frozen = "frozen",
    }
}

/// Where a projection of one head stands apart from the others: after a norm of all heads together, of which each head reads its own columns alone.
pub(crate) fn projection_site(config: &DecoderConfig, projection: Projection) -> Component {
    match (projection, config.norms_all_heads()) {
        (Projection::Queries, false) => Component::QueryOutput,
        (Projection::Queries, true) => Component::NormedQuery,
        (Projection::Keys, false) => Component::KeyOutput,
        (Projection::Keys, true) => Component::NormedKey,
        (Projection::Values, _) => Component::ValueOutput,
    }
}

/// A run, and the positions at which receivers read something else.
pub(crate) struct Receivers<'a, O: Operations> {
    pub(crate) decoder: &'a Decoder<O>,
    pub(crate) run: &'a NodeRun<O>,
    /// Ascending, each once, at least one.
    pub(crate) at: &'a [usize],
    pub(crate) norm: NormOf,
}

/// What heads mixed, of variants.
pub(crate) struct Mixed<O: Operations> {
    /// `[variants * positions, heads * head_dim]`.
    pub(crate) rows: O::Tensor,
    /// The positions at which it may differ from the run's.
    pub(crate) positions: Vec<usize>,
}

impl<O: Operations> Receivers<'_, O> {
    /// What heads mix where their queries read something else.
    pub(crate) fn by_queries(
        &self,
        layer: usize,
        added: &O::Tensor,
        variants: usize,
    ) -> Result<Mixed<O>, OperationError> {
        let run = &self.run.layers[layer];
        let input = self.attention_input(layer, added, variants)?;
        let queries = self.places_of(variants, |at| self.decoder.queries(layer, &input, at))?;
        let all: Vec<u32> = (0..self.run.places.len() as u32).collect();
        let rows: Vec<&[u32]> = vec![&all; variants];
        let rows = self.attend(layer, &queries, (&run.keys, &run.values), &rows, self.at)?;
        Ok(Mixed { rows, positions: self.at.to_vec() })
    }

    /// What heads mix where their keys, or else their values, read something else: at and after the first position.
    pub(crate) fn by_keys_or_values(
        &self,
        layer: usize,
        projection: Projection,
        added: &O::Tensor,
        variants: usize,
    ) -> Result<Mixed<O>, OperationError> {
        let run = &self.run.layers[layer];
        let input = self.attention_input(layer, added, variants)?;
        let with = |rows: &O::Tensor, changed: O::Tensor| {
            let mut rows = rows.clone();
            self.operations().extend_rows(&mut rows, &changed)?;
            Ok::<_, OperationError>(rows)
        };
        let (keys, values) = if projection == Projection::Keys {
            let changed = self.places_of(variants, |at| self.decoder.keys(layer, &input, at))?;
            (with(&run.keys, changed)?, self.with_copies(&run.values, variants)?)
        } else {
            let changed = self.decoder.values(layer, &input)?;
            (self.with_copies(&run.keys, variants)?, with(&run.values, changed)?)
        };
        self.later(layer, (&keys, &values), variants)
    }

    /// What the MLP gives, `[variants * positions, d_model]`, before it is normed.
    pub(crate) fn by_mlp(
        &self,
        layer: usize,
        added: &O::Tensor,
        variants: usize,
    ) -> Result<O::Tensor, OperationError> {
        self.decoder.mlp_output(layer, &self.mlp_input(layer, added, variants)?)
    }

    /// What is unembedded, `[variants * positions, d_model]`: the last norm's rows.
    pub(crate) fn by_logits(
        &self,
        added: &O::Tensor,
        variants: usize,
    ) -> Result<O::Tensor, OperationError> {
        let is_normed = self.decoder.config().final_norm;
        let norm: Norm<'_, O> = &|rows| self.decoder.final_norm(rows);
        self.normed(added, variants, &self.run.end, norm, is_normed)
    }

    /// What stands at [`projection_site`] where attention reads something else, `[variants * positions, heads * head_dim]`.
    pub(crate) fn projection(
        &self,
        layer: usize,
        projection: Projection,
        added: &O::Tensor,
        variants: usize,
    ) -> Result<O::Tensor, OperationError> {
        let input = self.attention_input(layer, added, variants)?;
        let clipped = self.decoder.clipped(layer, projection, &input)?;
        match self.decoder.config().norms_all_heads() {
            true => self.decoder.projection_normed(layer, projection, &clipped),
            false => Ok(clipped),
        }
    }

    /// What the MLP reads, `[variants * positions, d_model]`.
    pub(crate) fn mlp_input(
        &self,
        layer: usize,
        added: &O::Tensor,
        variants: usize,
    ) -> Result<O::Tensor, OperationError> {
        let residual = &self.run.layers[layer].residual_of_mlp;
        let is_normed = self.decoder.config().pre_norms;
        let norm: Norm<'_, O> = &|rows| self.decoder.mlp_input(layer, rows);
        self.normed(added, variants, residual, norm, is_normed)
    }

    fn operations(&self) -> &O {
        self.decoder.operations()
    }

    fn attention_input(
        &self,
        layer: usize,
        added: &O::Tensor,
        variants: usize,
    ) -> Result<O::Tensor, OperationError> {
        let residual = &self.run.layers[layer].residual;
        let is_normed = self.decoder.config().pre_norms;
        let norm: Norm<'_, O> = &|rows| self.decoder.attention_input(layer, rows);
        self.normed(added, variants, residual, norm, is_normed)
    }

    /// What is read, as a norm gives it; `residual` is what the run itself has there.
    fn normed(
        &self,
        added: &O::Tensor,
        variants: usize,
        residual: &O::Tensor,
        norm: Norm<'_, O>,
        is_normed: bool,
    ) -> Result<O::Tensor, OperationError> {
        let operations = self.operations();
        if self.norm == NormOf::Frozen && is_normed {
            let own = operations.take_rows(residual, self.at)?;
            return FrozenNorm::of(self.decoder, norm, &own, self.at.len())?
                .of_changed(added, variants);
        }
        let rows: Vec<usize> = (0..variants).flat_map(|_| self.at.iter().copied()).collect();
        norm(&operations.add(operations.take_rows(residual, &rows)?, added)?)
    }

    /// Calls with the places of all variants' rows.
    fn places_of<T>(
        &self,
        variants: usize,
        call: impl FnOnce(vene_model::RowPlaces<'_>) -> T,
    ) -> T {
        let positions: Vec<usize> = (0..variants).flat_map(|_| self.at.iter().copied()).collect();
        self.run.places.with(&positions, call)
    }

    /// Keys or values of the run, and after them for each variant those at the positions.
    fn with_copies(&self, rows: &O::Tensor, variants: usize) -> Result<O::Tensor, OperationError> {
        let all = 0..self.run.places.len();
        let copies = (0..variants).flat_map(|_| self.at.iter().copied());
        self.operations().take_rows(rows, &all.chain(copies).collect::<Vec<_>>())
    }

    /// What heads mix at and after the first position, where keys and values have after the run's rows those of each variant.
    fn later(
        &self,
        layer: usize,
        keys: (&O::Tensor, &O::Tensor),
        variants: usize,
    ) -> Result<Mixed<O>, OperationError> {
        let length = self.run.places.len();
        let first = self.at.first().copied().unwrap_or(length);
        let positions: Vec<usize> = (first..length).collect();
        let each: Vec<usize> = (0..variants).flat_map(|_| first..length).collect();
        let queries = self.operations().take_rows(&self.run.layers[layer].queries, &each)?;
        let paths: Vec<Vec<u32>> = (0..variants)
            .map(|variant| {
                let mut rows: Vec<u32> = (0..length as u32).collect();
                for (place, &position) in self.at.iter().enumerate() {
                    rows[position] = (length + variant * self.at.len() + place) as u32;
                }
                rows
            })
            .collect();
        let paths: Vec<&[u32]> = paths.iter().map(Vec::as_slice).collect();
        let rows = self.attend(layer, &queries, keys, &paths, &positions)?;
        Ok(Mixed { rows, positions })
    }

    /// Attention of variants, each with queries at these positions and its own way through keys and values.
    fn attend(
        &self,
        layer: usize,
        queries: &O::Tensor,
        (keys, values): (&O::Tensor, &O::Tensor),
        rows: &[&[u32]],
        positions: &[usize],
    ) -> Result<O::Tensor, OperationError> {
        let query = |variant: usize, place: usize| Query {
            row: (variant * positions.len() + place) as u32,
            position: positions[place] as u32,
        };
        let of_variant =
            |variant| (0..positions.len()).map(|place| query(variant, place)).collect();
        let asked: Vec<Vec<Query>> = (0..rows.len()).map(of_variant).collect();
        let paths: Vec<Path<'_>> =
            rows.iter().zip(&asked).map(|(rows, queries)| Path { rows, queries }).collect();
        let scoring = self.decoder.scoring(layer)?;
        self.operations().attend(queries, keys, values, &paths, scoring)
    }
}
