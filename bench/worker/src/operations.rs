//! How many floating-point operations a workload's matrix products take when it is run as forks.
//!
//! Counted are: the distinct prefixes of bases and sources once through all layers; for each plan
//! and example that can change, its rows from the first edited position on, from its first edited
//! site on; in the last layer keys and values of all those rows, and the rest of the read row
//! alone; and the unembedding of what is read. A multiplication and an addition are two operations.

use std::collections::HashSet;

use vene::Component;
use vene::plan::ResolvedPlan;
use vene_model::DecoderConfig;

use crate::workload::Read;

/// Multiplications (each with its addition) that one row needs in one layer, by product.
struct Row {
    query: usize,
    key_value: usize,
    /// For every key that the row sees.
    attention_by_key: usize,
    attention_output: usize,
    mlp_in: usize,
    mlp_out: usize,
}

impl Row {
    fn of(config: &DecoderConfig) -> Self {
        let DecoderConfig { d_model, d_mlp, heads, key_value_heads, head_dim, .. } = *config;
        Self {
            query: d_model * heads * head_dim,
            key_value: 2 * d_model * key_value_heads * head_dim,
            attention_by_key: 2 * heads * head_dim,
            attention_output: heads * head_dim * d_model,
            mlp_in: d_model * d_mlp * if config.gated { 2 } else { 1 },
            mlp_out: d_mlp * d_model,
        }
    }

    /// One row at `position` that is edited first at `site` of this layer (or, if `None`, before
    /// it). `is_read` says whether anything but its keys and values is needed.
    fn multiplications(&self, site: Option<Component>, position: usize, is_read: bool) -> usize {
        let before = |last: Component| site.is_none_or(|site| site <= last);
        let mut sum = 0;
        if before(Component::AttentionInput) {
            sum += self.key_value;
        }
        if !is_read {
            return sum;
        }
        if before(Component::AttentionInput) {
            sum += self.query;
        }
        if before(Component::AttentionWeight) {
            sum += self.attention_by_key * (position + 1);
        }
        if before(Component::AttentionValueOutput) {
            sum += self.attention_output;
        }
        if before(Component::MlpInput) {
            sum += self.mlp_in;
        }
        if before(Component::MlpNeuron) {
            sum += self.mlp_out;
        }
        sum
    }
}

/// A stretch of one run that is computed: positions from `first` to `length`, from a site on.
struct Stretch {
    first: usize,
    length: usize,
    site: Option<(usize, Component)>,
}

/// Operations of all matrix products. The last plan is the unedited base.
pub(crate) fn forked(config: &DecoderConfig, plans: &[ResolvedPlan], read: &Read) -> f64 {
    let row = Row::of(config);
    let Some(examples) = plans.first().map(ResolvedPlan::examples) else { return 0.0 };
    let edited = plans.iter().any(|plan| !plan.edits().is_empty());
    let mut prefixes: HashSet<&[u32]> = HashSet::new();
    let mut multiplications = 0;
    for example in examples {
        let sources = example.sources.iter().filter(|_| edited);
        for prompt in std::iter::once(&example.base).chain(sources) {
            let tokens = prompt.tokens();
            let length = tokens.len();
            for end in 1..=length {
                if prefixes.insert(&tokens[..end]) {
                    let stretch = Stretch { first: end - 1, length: end, site: None };
                    multiplications += of_stretch(config, &row, &stretch, end == length);
                }
            }
        }
    }
    let unembedded = match read {
        Read::Probability { .. } => config.vocabulary * config.d_model,
        Read::LogitDifference { .. } => 2 * config.d_model,
    };
    multiplications += examples.len() * unembedded;
    for plan in plans {
        for (index, example) in examples.iter().enumerate() {
            if plan.edits().iter().all(|edit| edit.is_shared_prefix(index, example)) {
                continue;
            }
            let first = plan.edits().iter().flat_map(|edit| &edit.units[index].positions).min();
            let site = plan.edits().iter().map(|edit| edit.site.depth()).min();
            let (Some(&first), Some((depth, component))) = (first, site) else { continue };
            // Depths count layers from 1; 0 is the embedding, all of whose layers are still to come.
            let site = depth.checked_sub(1).map(|layer| (layer, component));
            let stretch = Stretch { first, length: example.base.len(), site };
            multiplications += of_stretch(config, &row, &stretch, true) + unembedded;
        }
    }
    2.0 * multiplications as f64
}

/// All layers of a stretch. `last_is_read`: whether its last row is.
fn of_stretch(config: &DecoderConfig, row: &Row, stretch: &Stretch, last_is_read: bool) -> usize {
    let last_layer = config.layers.len() - 1;
    let (first_layer, component) = match stretch.site {
        None => (0, None),
        Some((layer, component)) => (layer, Some(component)),
    };
    let mut sum = 0;
    for layer in first_layer..=last_layer {
        let site = component.filter(|_| layer == first_layer);
        for position in stretch.first..stretch.length {
            let is_read = layer < last_layer || (last_is_read && position + 1 == stretch.length);
            sum += row.multiplications(site, position, is_read);
        }
    }
    sum
}
