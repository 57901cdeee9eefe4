//! Attention of new rows to everything that their sequences have behind them.

use candle_core::Tensor;
use vene_model::{Attention, Component, DecoderConfig, Operations, Path, Plain, Site, Visibility};

use super::edits::{Edits, Place};
use super::pass::{NewRows, NewRun};
use crate::engine::sequences::refuse_blind_queries;
use crate::error::RunError;

/// The sites of a layer's attention pattern, where something is to be done.
#[derive(Clone, Copy)]
struct Patterns {
    layer: usize,
    scores: Option<Site>,
    weights: Option<Site>,
}

impl<O: Operations> NewRows<'_, O> {
    pub(super) fn attend_all(
        &mut self,
        attention: Attention<'_, O>,
    ) -> Result<O::Tensor, RunError> {
        let Attention { operations, config, layer, queries, keys, values } = attention;
        let site = |component| {
            let site = Site::new(component, Some(layer), config).ok();
            site.filter(|site| self.edits.wants(*site))
        };
        let (scores, weights) = (site(Component::AttentionScore), site(Component::AttentionWeight));
        let is_wanted = scores.or(weights).is_some();
        let (keys, values) = self.cache.extend(operations, layer, keys, values)?;
        let (edited, others): (Vec<&NewRun<'_>>, Vec<&NewRun<'_>>) =
            self.runs.iter().partition(|run| run.is_edited && is_wanted);
        let paths: Vec<Path<'_>> = others.iter().map(|run| run.path()).collect();
        let options = &config.layers[layer];
        let mut mixed = operations.attend(&queries, keys, values, &paths, config, options)?;
        for run in edited {
            let rows: Vec<usize> = run.rows.clone().collect();
            let seen: Vec<usize> = run.seen.iter().map(|&row| row as usize).collect();
            let own = [
                operations.values(&queries, &rows)?,
                operations.values(keys, &seen)?,
                operations.values(values, &seen)?,
            ];
            let plain = operations.plain();
            let all: Vec<usize> = (0..seen.len()).collect();
            let positions = run.positions();
            let visibility = Visibility { queries: &positions, keys: &all, window: options.window };
            let patterns = Patterns { layer, scores, weights };
            let result = self.edits.attend(&plain, config, patterns, run.place, own, visibility)?;
            operations.set_values(&mut mixed, &rows, &result)?;
        }
        Ok(mixed)
    }
}

impl Edits<'_> {
    /// Attention of a sequence whose pattern is edited, on plain operations, from its queries, and the
    /// keys and values of all its positions.
    fn attend(
        &mut self,
        plain: &Plain,
        config: &DecoderConfig,
        patterns: Patterns,
        place: Place,
        [queries, keys, values]: [Tensor; 3],
        visibility: Visibility<'_>,
    ) -> Result<Tensor, RunError> {
        let (layer, positions) = (patterns.layer, visibility.queries);
        let scores = plain.scores(&queries, &keys, config, &config.layers[layer])?;
        let mut scores = plain.hide(&scores, visibility, f64::NEG_INFINITY)?;
        if let Some(site) = patterns.scores {
            self.pattern(site, place, positions, &mut scores)?;
            // Attention stays causal whatever was edited.
            scores = plain.hide(&scores, visibility, f64::NEG_INFINITY)?;
            refuse_blind_queries(&scores, layer, positions, place.example)?;
        }
        let mut weights = plain.softmax(&scores)?;
        if let Some(site) = patterns.weights {
            self.pattern(site, place, positions, &mut weights)?;
            weights = plain.hide(&weights, visibility, 0.0)?;
        }
        Ok(plain.weigh(&weights, &values, config.head_dim)?)
    }
}
