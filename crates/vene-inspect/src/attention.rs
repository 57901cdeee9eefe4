//! What heads attend to: patterns, and how much of them is on the previous token, on earlier copies of the token, or on what
//! followed these.
//!
//! The scores are shares of attention, so that they can be read off a pattern: 1 where a head does nothing else.
//!
//! * *previous token*: the weight on the token before, the mean over the queries that have one;
//! * *duplicate token*: the weight on earlier occurrences of the query's own token (Wang et al. 2023), over the queries that
//!   have one;
//! * *induction*: the weight on the tokens that followed earlier occurrences of the query's own (Elhage et al. 2021, Olsson et
//!   al. 2022), over the queries that have one. What repeats nothing has no such queries, and no score: the task `induction`
//!   makes prompts that do.

use candle_core::DType;
use rayon::prelude::*;
use vene_model::{Component, DecoderConfig, Model};
use vene_table::Table;

use crate::attribution::check_transformer;
use crate::collected::{SiteOf, Wanted, collect};
use crate::subject::CHUNK;
use crate::{InspectError, Subject};

/// The columns of [`scores`] that tell the cells of a data set apart.
pub const KEYS: [&str; 2] = ["layer", "head"];

/// The columns of [`scores`] that are measured.
pub const METRICS: [&str; 3] = ["previous_token", "duplicate_token", "induction"];

/// Attention weights of a prompt.
#[derive(Clone, Debug)]
pub struct Patterns {
    /// The tokens of the prompt, as they are shown.
    pub tokens: Vec<String>,
    /// The heads, in order.
    pub heads: Vec<Pattern>,
}

/// What a head attends to.
#[derive(Clone, Debug, PartialEq)]
pub struct Pattern {
    /// The head's layer.
    pub layer: usize,
    /// The head.
    pub head: usize,
    /// `[queries, keys]`, row-major: a row sums to 1, less what the head gives to its sink where it has one.
    pub weights: Vec<f32>,
}

/// Bytes that a subject takes while it is looked at.
pub fn bytes(config: &DecoderConfig, subject: &Subject) -> usize {
    let tokens = subject.prompt().len();
    // In the tensor, and as numbers.
    8 * config.layers.len() * config.heads * tokens * tokens
}

/// Heads, by layer and number; layers or heads that are not named are all of them.
///
/// # Errors
/// A layer or a head that the model lacks.
pub fn heads(
    config: &DecoderConfig,
    layers: Option<&[usize]>,
    heads: Option<&[usize]>,
) -> Result<Vec<(usize, usize)>, InspectError> {
    let count = config.layers.len();
    let all = |most: usize| (0..most).collect::<Vec<usize>>();
    let layers = layers.map_or_else(|| all(count), <[usize]>::to_vec);
    let heads = heads.map_or_else(|| all(config.heads), <[usize]>::to_vec);
    if let Some(&layer) = layers.iter().find(|&&layer| layer >= count) {
        return Err(InspectError::NoLayer { layer, layers: count });
    }
    if let Some(&head) = heads.iter().find(|&&head| head >= config.heads) {
        return Err(InspectError::NoHead { head, heads: config.heads });
    }
    Ok(layers.iter().flat_map(|&layer| heads.iter().map(move |&head| (layer, head))).collect())
}

/// The patterns of these heads (see [`heads`]) in a subject's run.
///
/// # Errors
/// A network that is no transformer; failures of the run.
pub fn patterns(
    model: &Model,
    subject: &Subject,
    heads: &[(usize, usize)],
) -> Result<Patterns, InspectError> {
    check_transformer(model.config(), "attention")?;
    let mut layers: Vec<usize> = heads.iter().map(|(layer, _)| *layer).collect();
    layers.dedup();
    let sites: Vec<SiteOf> = layers.iter().map(|&layer| site(layer)).collect();
    let runs = collect(model, std::slice::from_ref(subject), &[], &sites, Wanted::Logits)?;
    let tokens = subject.prompt().tokens();
    let mut found = Vec::with_capacity(heads.len());
    for run in &runs {
        for &(layer, head) in heads {
            let weights = run.tensor(site(layer))?.get(head)?.to_dtype(DType::F32)?;
            let weights = weights.flatten_all()?.to_vec1()?;
            found.push(Pattern { layer, head, weights });
        }
    }
    let shown = tokens.iter().map(|&token| model.tokenizer().display(token));
    Ok(Patterns { tokens: shown.collect(), heads: found })
}

impl Patterns {
    /// A row for each head, query and key that it may see: `layer`, `head`, `query`, `key` (positions), `query_token`,
    /// `key_token`, `weight`.
    ///
    /// # Errors
    /// None but of a table too large to be made.
    pub fn table(&self) -> Result<Table, InspectError> {
        let width = self.tokens.len();
        let lines: Vec<(&Pattern, usize, usize)> = self
            .heads
            .iter()
            .flat_map(|pattern| {
                (0..width).flat_map(move |query| (0..=query).map(move |key| (pattern, query, key)))
            })
            .collect();
        let token = |at: usize| self.tokens[at].as_str();
        Ok(Table::builder()
            .column("layer", lines.iter().map(|(pattern, ..)| pattern.layer).collect::<Vec<_>>())
            .column("head", lines.iter().map(|(pattern, ..)| pattern.head).collect::<Vec<_>>())
            .column("query", lines.iter().map(|(_, query, _)| *query).collect::<Vec<_>>())
            .column("key", lines.iter().map(|(.., key)| *key).collect::<Vec<_>>())
            .column(
                "query_token",
                lines.iter().map(|(_, query, _)| token(*query)).collect::<Vec<_>>(),
            )
            .column("key_token", lines.iter().map(|(.., key)| token(*key)).collect::<Vec<_>>())
            .column(
                "weight",
                lines
                    .iter()
                    .map(|(pattern, query, key)| pattern.weights[query * width + key])
                    .collect::<Vec<f32>>(),
            )
            .build()?)
    }
}

/// Scores of all heads: a row for each subject, layer and head, with `row` (of a data set), `layer`, `head`, and the three
/// scores. NaN where a prompt has no query that a score is about.
///
/// # Errors
/// A network that is no transformer; failures of the run.
pub fn scores(model: &Model, subjects: &[Subject]) -> Result<Table, InspectError> {
    let config = model.config();
    check_transformer(config, "attention")?;
    let sites: Vec<SiteOf> = (0..config.layers.len()).map(site).collect();
    // Patterns of a long prompt are large: then some layers are looked at in a run of their own.
    let of_layer: usize = subjects.iter().map(|subject| bytes(config, subject)).sum::<usize>()
        / config.layers.len().max(1);
    let at_once = (CHUNK / of_layer.max(1)).max(1);
    let mut lines: Vec<(&Subject, usize, usize, [f64; 3])> = Vec::new();
    for sites in sites.chunks(at_once) {
        let runs = collect(model, subjects, &[], sites, Wanted::Logits)?;
        for (subject, run) in subjects.iter().zip(&runs) {
            let looked = Looked::of(subject.prompt().tokens());
            for &layer in sites {
                let pattern = run.tensor(layer)?.to_dtype(DType::F32)?;
                let values: Vec<f32> = pattern.flatten_all()?.to_vec1()?;
                let width = subject.prompt().len();
                let heads: Vec<&[f32]> = values.chunks_exact(width * width).collect();
                let scored: Vec<[f64; 3]> =
                    heads.into_par_iter().map(|pattern| looked.scores(pattern)).collect();
                for (head, scores) in scored.into_iter().enumerate() {
                    lines.push((subject, layer.1.unwrap_or(0), head, scores));
                }
            }
        }
    }
    let mut table = Table::builder();
    if lines.iter().all(|(subject, ..)| subject.row.is_some()) {
        let rows = lines.iter().map(|(subject, ..)| subject.row.unwrap_or(0));
        table = table.column("row", rows.collect::<Vec<_>>());
    }
    table = table
        .column("layer", lines.iter().map(|(_, layer, ..)| *layer).collect::<Vec<_>>())
        .column("head", lines.iter().map(|(_, _, head, _)| *head).collect::<Vec<_>>());
    for (at, name) in METRICS.into_iter().enumerate() {
        table = table.column(name, lines.iter().map(|line| line.3[at]).collect::<Vec<f64>>());
    }
    Ok(table.build()?)
}

fn site(layer: usize) -> SiteOf {
    (Component::AttentionWeight, Some(layer))
}

/// Which keys of a prompt's queries each score looks at.
struct Looked {
    width: usize,
    /// For each query the earlier positions of its own token.
    earlier: Vec<Vec<usize>>,
}

impl Looked {
    fn of(tokens: &[u32]) -> Self {
        let earlier = (0..tokens.len())
            .map(|query| (0..query).filter(|&key| tokens[key] == tokens[query]).collect());
        Self { width: tokens.len(), earlier: earlier.collect() }
    }

    /// Of a pattern `[queries, keys]`, in the order of [`METRICS`].
    fn scores(&self, pattern: &[f32]) -> [f64; 3] {
        let weight = |query: usize, key: usize| f64::from(pattern[query * self.width + key]);
        let previous = mean((1..self.width).map(|query| weight(query, query - 1)));
        let repeated = || (0..self.width).filter(|&query| !self.earlier[query].is_empty());
        let duplicate = mean(
            repeated().map(|query| self.earlier[query].iter().map(|&key| weight(query, key)).sum()),
        );
        let induction = mean(
            repeated()
                .map(|query| self.earlier[query].iter().map(|&key| weight(query, key + 1)).sum()),
        );
        [previous, duplicate, induction]
    }
}

/// NaN where there is none.
fn mean(values: impl Iterator<Item = f64>) -> f64 {
    let (sum, count) = values.fold((0.0, 0), |(sum, count), value| (sum + value, count + 1));
    sum / f64::from(count)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A head that attends to one key of each query, and to nothing else, has scores that count these.
    #[test]
    fn heads_that_do_one_thing_score_one() {
        let tokens = [7, 8, 9, 7, 8, 9];
        let looked = Looked::of(&tokens);
        let of = |key: fn(usize) -> usize| {
            let mut pattern = vec![0.0; 36];
            (0..6).for_each(|query| pattern[query * 6 + key(query)] = 1.0);
            looked.scores(&pattern)
        };
        assert_eq!(of(|query| query.saturating_sub(1)), [1.0, 0.0, 0.0]);
        assert_eq!(of(|query| query.saturating_sub(3)), [0.2, 1.0, 0.0]);
        assert_eq!(of(|query| query.saturating_sub(2)), [0.2, 0.0, 1.0]);
    }

    #[test]
    fn what_repeats_nothing_has_no_score() {
        let looked = Looked::of(&[1, 2, 3]);
        let [previous, duplicate, induction] = looked.scores(&[1.0; 9]);
        assert_eq!(previous, 1.0);
        assert!(duplicate.is_nan() && induction.is_nan());
        assert!(Looked::of(&[1]).scores(&[1.0])[0].is_nan());
    }
}
