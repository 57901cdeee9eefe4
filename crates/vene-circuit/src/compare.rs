//! Two scorings of the same edges side by side: exact effects and estimates by gradients, say.

use std::collections::HashMap;

use vene_statistics::{correlation, rank_correlation};
use vene_table::{Table, TableSource};

use crate::error::CircuitError;

/// So many of the largest are compared as sets.
const LARGEST: [usize; 7] = [10, 20, 50, 100, 200, 500, 1000];

/// How alike two scorings are.
#[derive(Clone, Debug)]
pub struct Comparison {
    /// A line for each edge and place that both have: `sender`, `receiver`, `position`, `first`, `second`; the largest of the first one first.
    pub edges: Table,
    /// Pearson's correlation of the mean effects.
    pub correlation: Option<f64>,
    /// Spearman's, of the absolute mean effects: whether edges are ranked alike.
    pub rank_correlation: Option<f64>,
    /// Of the edges with the largest absolute effects: how many were looked at, and which share of them is among as many of the other's.
    pub overlaps: Vec<(usize, f64)>,
    /// Of the 100 largest of the first, the share whose effects have the same sign in the second.
    pub sign_agreement: Option<f64>,
    /// How many lines only one of the two has.
    pub unmatched: usize,
}

impl Comparison {
    /// Of two [summaries](crate::summary) of edges or paths, on a metric (`None`: the only one).
    ///
    /// # Errors
    /// Tables that are no summaries, have no such metric, or no edge in common.
    pub fn of(
        first: &impl TableSource,
        second: &impl TableSource,
        metric: Option<&str>,
    ) -> Result<Self, CircuitError> {
        let (first, second) = (means(first, metric)?, means(second, metric)?);
        let known: HashMap<&Key, f64> = second.iter().map(|(key, mean)| (key, *mean)).collect();
        let mut both: Vec<(&Key, f64, f64)> =
            first.iter().filter_map(|(key, mean)| Some((key, *mean, *known.get(key)?))).collect();
        if both.is_empty() {
            return Err(CircuitError::NothingCommon);
        }
        both.sort_by(|a, b| b.1.abs().total_cmp(&a.1.abs()));
        let of_first: Vec<f64> = both.iter().map(|(_, one, _)| *one).collect();
        let of_second: Vec<f64> = both.iter().map(|(.., other)| *other).collect();
        let absolute = |values: &[f64]| values.iter().map(|value| value.abs()).collect::<Vec<_>>();
        let mut by_second: Vec<usize> = (0..both.len()).collect();
        by_second.sort_by(|&a, &b| of_second[b].abs().total_cmp(&of_second[a].abs()));
        let overlap = |count: usize| {
            let shared = by_second[..count].iter().filter(|place| **place < count).count();
            (count, shared as f64 / count as f64)
        };
        let overlaps = LARGEST.into_iter().filter(|count| *count < both.len()).map(overlap);
        let largest = &both[..both.len().min(100)];
        let agree = largest.iter().filter(|(_, one, other)| one * other > 0.0).count();
        let column = |of: fn(&Key) -> &String| {
            both.iter().map(|(key, ..)| of(key).clone()).collect::<Vec<_>>()
        };
        let edges = Table::builder()
            .column("sender", column(|key| &key.sender))
            .column("receiver", column(|key| &key.receiver))
            .column("position", column(|key| &key.position))
            .column("first", of_first.clone())
            .column("second", of_second.clone())
            .build()?;
        Ok(Self {
            edges,
            correlation: correlation(&of_first, &of_second),
            rank_correlation: rank_correlation(&absolute(&of_first), &absolute(&of_second)),
            overlaps: overlaps.collect(),
            sign_agreement: Some(agree as f64 / largest.len() as f64),
            unmatched: first.len() + second.len() - 2 * both.len(),
        })
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Key {
    sender: String,
    receiver: String,
    position: String,
}

/// The mean effects of a summary on a metric.
fn means(
    summary: &impl TableSource,
    metric: Option<&str>,
) -> Result<Vec<(Key, f64)>, CircuitError> {
    let (mut found, mut metrics) = (Vec::new(), Vec::<String>::new());
    for chunk in summary.chunks(Some(&["sender", "receiver", "position", "metric", "mean"]))? {
        let chunk = chunk?;
        let (senders, receivers) = (chunk.text("sender")?, chunk.text("receiver")?);
        let (places, of) = (chunk.text("position")?, chunk.text("metric")?);
        for (row, mean) in chunk.optional_floats("mean")?.into_iter().enumerate() {
            if !metrics.iter().any(|known| known == of[row]) {
                metrics.push(of[row].to_owned());
            }
            if let Some(mean) = mean
                && metric.is_none_or(|metric| metric == of[row])
            {
                let key = Key {
                    sender: senders[row].to_owned(),
                    receiver: receivers[row].to_owned(),
                    position: places[row].to_owned(),
                };
                found.push((key, mean));
            }
        }
    }
    CircuitError::expect_metric(metric, metrics)?;
    Ok(found)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn summary(means: &[(&str, f64)]) -> Table {
        Table::builder()
            .column("sender", means.iter().map(|(name, _)| (*name).to_owned()).collect::<Vec<_>>())
            .column("receiver", vec!["logits"; means.len()])
            .column("position", vec!["all"; means.len()])
            .column("metric", vec!["kl"; means.len()])
            .column("mean", means.iter().map(|(_, mean)| Some(*mean)).collect::<Vec<_>>())
            .build()
            .unwrap()
    }

    #[test]
    fn equal_edges_stand_side_by_side() {
        let one = summary(&[("m0", 0.1), ("m1", -3.0), ("m2", 0.0), ("m3", 1.0)]);
        let other = summary(&[("m3", 0.9), ("m1", -2.0), ("m0", -0.2), ("m9", 5.0)]);
        let found = Comparison::of(&one, &other, None).unwrap();
        assert_eq!(found.edges.text("sender").unwrap(), ["m1", "m3", "m0"]);
        assert_eq!(found.edges.floats("second").unwrap(), [-2.0, 0.9, -0.2]);
        assert_eq!((found.rank_correlation, found.unmatched), (Some(1.0), 2));
        assert!((found.sign_agreement.unwrap() - 2.0 / 3.0).abs() < 1e-12);
        let error = Comparison::of(&one, &summary(&[("m9", 1.0)]), Some("kl")).unwrap_err();
        assert!(error.to_string().contains("no edge in common"), "{error}");
        assert!(Comparison::of(&one, &other, Some("entropy")).is_err());
    }

    #[test]
    fn overlaps_are_of_the_largest_of_each() {
        let names: Vec<String> = (0..30).map(|index| format!("m{index}")).collect();
        let means = |score: fn(usize) -> f64| {
            let pairs: Vec<(&str, f64)> = names
                .iter()
                .enumerate()
                .map(|(index, name)| (name.as_str(), score(index)))
                .collect();
            summary(&pairs)
        };
        let one = means(|index| 30.0 - index as f64);
        // Five of the first ten change places with later ones.
        let other = means(|index| if index < 5 { 0.1 } else { 30.0 - index as f64 });
        let found = Comparison::of(&one, &other, None).unwrap();
        assert_eq!(found.overlaps, [(10, 0.5), (20, 0.75)]);
    }
}
