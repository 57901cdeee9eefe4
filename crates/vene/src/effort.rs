//! How much is computed in a batch of rows: a run that is stopped loses no more than its last batch, so none should take
//! long, and the first no more than moments.
//!
//! What a batch takes is estimated from the model's size alone, as if each intervention ran every token of its row: the same
//! sweep must have the same batches on every machine, however fast it is.

use vene_data::PreparedRow;
use vene_model::DecoderConfig;

/// Operations of the first batch at most, if it has more than one row: a few seconds of two cores.
const FIRST: f64 = 2e11;

/// Of any batch: half a minute of two cores.
const ANY: f64 = 2e12;

/// How many rows a first batch, and any batch, may have, of so many interventions in each.
pub(crate) fn rows(rows: &[PreparedRow], weights: usize, interventions: usize) -> [usize; 2] {
    let tokens: usize = rows.iter().map(|row| row.base.len()).sum();
    of(tokens as f64 / rows.len().max(1) as f64, weights, interventions)
}

/// The same of rows of so many tokens.
fn of(tokens: f64, weights: usize, interventions: usize) -> [usize; 2] {
    let of_row = 2.0 * weights as f64 * tokens * interventions as f64;
    [FIRST, ANY].map(|operations| (operations / of_row.max(1.0)) as usize)
}

/// The weights that each token's row is multiplied with on its way through the blocks.
pub(crate) fn weights(config: &DecoderConfig) -> usize {
    let heads = 2 * (config.heads + config.key_value_heads) * config.head_dim;
    let mlp = if config.gated { 3 } else { 2 } * config.widest_mlp();
    config.layers.len() * config.d_model * (heads + mlp)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use vene_model::Outline;

    use super::*;

    #[test]
    fn a_large_model_has_small_batches() {
        let outline = Outline::open("embedded", &mut |_| {}).unwrap();
        // Eight blocks of 128 dimensions: 12 * 128 * 128 weights each, about.
        let small = weights(outline.config());
        assert!((1 << 20..1 << 21).contains(&small), "{small}");
        assert!(of(5.0, small, 10)[0] > 500);
        // Of 7 billion weights row by row from the first on.
        assert_eq!(of(5.0, 7_000_000_000, 10)[0], 0);
        assert_eq!(of(5.0, 100_000_000, 10), [20, 200]);
    }
}
