//! Directions at every layer, from the activations of a data set's pairs.

use candle_core::{DType, Tensor};
use vene_data::{LeftOut, PreparedRow, Requirements, Role, Row, prepare};
use vene_engine::{Example, Plan};
use vene_model::{Component, Model, Outline, PromptForm, Site};
use vene_random::standard_normal;
use vene_table::Table;

use super::logistic::dot;
use super::separation::{HeldOut, folds, held_out};
use super::{Contrast, DirectionError, DirectionMethod};
use crate::collected::{Collected, Wanted, collect};
use crate::{InspectError, Seen, Subject, chunks};

/// What is measured of each pair that is held out.
pub const METRICS: [&str; 2] = ["auc", "accuracy"];

/// Finds directions.
#[derive(Clone, Debug)]
pub struct Directions {
    /// How. Default: the difference of means.
    pub method: DirectionMethod,
    /// At which component.
    pub component: Component,
    /// In which layers.
    pub layers: Vec<usize>,
    /// How groups are divided depends on it.
    pub seed: u64,
}

/// A direction at a site.
#[derive(Clone, Debug, PartialEq)]
pub struct Direction {
    /// The component.
    pub component: Component,
    /// Its layer.
    pub layer: usize,
    /// From the second side to the first, found on all pairs.
    pub vector: Vec<f64>,
    /// How long activations are there on average.
    pub activation_norm: f64,
}

impl Direction {
    /// A vector as long as this one, in a random direction: a control.
    pub fn random(&self, seed: u64) -> Vec<f64> {
        let normal = |column| standard_normal([seed, self.layer as u64, 0, column as u64]);
        let drawn: Vec<f64> = (0..self.vector.len()).map(normal).collect();
        let scale = (dot(&self.vector, &self.vector) / dot(&drawn, &drawn)).sqrt();
        drawn.into_iter().map(|value| scale * value).collect()
    }
}

/// What was found.
#[derive(Clone, Debug)]
pub struct FoundDirections {
    /// One for each layer.
    pub directions: Vec<Direction>,
    /// A line for each pair and layer, of when the pair was held out.
    pub examples: Table,
}

/// The two sides of a data set's rows, looked at where this role is: bases, and sources. The other rows, and why. Where `positive` names answers, a row
/// whose target is none of them is turned round: its source is on the first side.
///
/// # Errors
/// No row that can be used; a row of which neither side has one of the answers.
pub fn pairs(
    outline: &Outline,
    rows: &[Row],
    role: &Role,
    form: &PromptForm,
    positive: &[String],
) -> Result<([Vec<Subject>; 2], Vec<LeftOut>), InspectError> {
    let roles = [role.clone()];
    let requirements = Requirements {
        distinct_roles: 0,
        form,
        roles: &roles,
        read: &[],
        reads_source: true,
        same_length: false,
        needs_target: false,
        needs_foil: false,
        needs_single_tokens: false,
        first_tokens: true,
    };
    let (prepared, left_out) = prepare(outline, rows, &requirements);
    let mut sides = [Vec::new(), Vec::new()];
    let is_positive = |row: &Row| row.target.iter().any(|target| positive.contains(target));
    let is_unknown = |row: &&PreparedRow| {
        !positive.is_empty() && !is_positive(&row.row) && !has_foil(&row.row, positive)
    };
    if let Some(row) = prepared.iter().find(is_unknown) {
        let target = row.row.target.first().cloned().unwrap_or_default();
        return Err(DirectionError::Side { target, positive: positive.join(", ") }.into());
    }
    for row in prepared {
        let Some(source) = &row.source else { continue };
        let is_turned = !positive.is_empty() && !is_positive(&row.row);
        let mut both = [(&row.base, &row.base_positions), (source, &row.source_positions)];
        if is_turned {
            both.reverse();
        }
        for ((prompt, positions), side) in both.into_iter().zip(&mut sides) {
            let seen = positions.iter().flatten();
            let seen = seen.map(|&position| Seen { position, role: Some(role.to_string()) });
            side.push(Subject {
                example: Example::new(prompt.clone()),
                plan: Plan::new(),
                seen: seen.collect(),
                asked: Vec::new(),
                group: row.row.group.clone(),
                row: Some(row.index),
            });
        }
    }
    match (sides[0].is_empty(), left_out.first()) {
        (false, _) => Ok((sides, left_out)),
        (true, None) => Err(InspectError::Empty),
        (true, Some(first)) => Err(InspectError::NoRows {
            rows: rows.len(),
            first: first.name(),
            reason: first.reason.to_string(),
        }),
    }
}

/// Whether the source is answered by one of these.
fn has_foil(row: &Row, answers: &[String]) -> bool {
    row.foil.iter().any(|foil| answers.contains(foil))
}

impl Directions {
    /// Refuses places that the model does not have.
    ///
    /// # Errors
    /// Such a component or layer.
    pub fn check(&self, outline: &Outline) -> Result<(), InspectError> {
        for &layer in &self.layers {
            Site::new(self.component, Some(layer), outline.config())?;
        }
        Ok(())
    }

    /// The directions of these [`pairs`]. `progress` is told how many texts were run.
    ///
    /// # Errors
    /// Sides that are the same; pairs of one group; failures of the computation.
    pub fn find(
        &self,
        model: &Model,
        [positive, negative]: &[Vec<Subject>; 2],
        progress: &mut dyn FnMut(usize),
    ) -> Result<FoundDirections, InspectError> {
        self.check(model)?;
        let mut contrasts = vec![Contrast::default(); self.layers.len()];
        let mut done = 0;
        for (is_positive, subjects) in [(true, positive), (false, negative)] {
            let bytes = |subject: &Subject| {
                subject.seen.len() * self.layers.len() * model.config().d_model * 4
            };
            for range in chunks(subjects, bytes) {
                let of_chunk = &subjects[range];
                for (contrast, rows) in contrasts.iter_mut().zip(self.activations(model, of_chunk)?)
                {
                    match is_positive {
                        true => contrast.positive.extend(rows),
                        false => contrast.negative.extend(rows),
                    }
                }
                done += of_chunk.len();
                progress(done);
            }
        }
        let groups: Vec<Option<String>> =
            positive.iter().map(|subject| subject.group.clone()).collect();
        let folds = folds(&groups, self.seed)?;
        let (mut directions, mut found) = (Vec::new(), Vec::new());
        for (&layer, contrast) in self.layers.iter().zip(&contrasts) {
            let vector = contrast.direction(self.method)?;
            let both = || contrast.positive.iter().chain(&contrast.negative);
            let norms: f64 = both().map(|row| dot(row, row).sqrt()).sum();
            let activation_norm = norms / both().count() as f64;
            let component = self.component;
            directions.push(Direction { component, layer, vector, activation_norm });
            let of_layer = self.separation(contrast, &folds)?;
            found.extend(of_layer.into_iter().map(|pair| (layer, pair)));
        }
        Ok(FoundDirections { directions, examples: self.table(positive, &found)? })
    }

    /// Of each layer the activations of these texts, `[text][width]`: means over positions.
    fn activations(
        &self,
        model: &Model,
        subjects: &[Subject],
    ) -> Result<Vec<Vec<Vec<f64>>>, InspectError> {
        let site = |&layer: &usize| (self.component, Some(layer));
        let sites: Vec<_> = self.layers.iter().map(site).collect();
        let collected = collect(model, subjects, &sites, &[], Wanted::Logits)?;
        let of_site = |site: &(Component, Option<usize>)| {
            let mean = |showed: &Collected| -> Result<Vec<f64>, InspectError> {
                let mean = |rows: &Tensor| rows.to_dtype(DType::F64)?.mean(0)?.to_vec1();
                Ok(mean(showed.tensor(*site)?).map_err(DirectionError::from)?)
            };
            collected.iter().map(mean).collect::<Result<Vec<_>, _>>()
        };
        sites.iter().map(of_site).collect()
    }

    fn separation(
        &self,
        contrast: &Contrast,
        folds: &[usize],
    ) -> Result<Vec<HeldOut>, InspectError> {
        let mut found = Vec::with_capacity(folds.len());
        for fold in 0..=folds.iter().copied().max().unwrap_or(0) {
            let (out, rest): (Vec<usize>, Vec<usize>) =
                (0..folds.len()).partition(|&pair| folds[pair] == fold);
            let direction = contrast.of(&rest).direction(self.method)?;
            let length = dot(&direction, &direction).sqrt();
            let along = |row: &Vec<f64>| dot(row, &direction) / length;
            let of =
                |&pair: &usize| (along(&contrast.positive[pair]), along(&contrast.negative[pair]));
            let along: Vec<(f64, f64)> = out.iter().map(of).collect();
            found.extend(held_out(fold, &out, &along));
        }
        found.sort_by_key(|held_out| held_out.pair);
        Ok(found)
    }

    fn table(
        &self,
        subjects: &[Subject],
        found: &[(usize, HeldOut)],
    ) -> Result<Table, InspectError> {
        let lines = found.len();
        let number =
            |of: fn(&HeldOut) -> f64| found.iter().map(|(_, pair)| of(pair)).collect::<Vec<_>>();
        let subject = |pair: &HeldOut| &subjects[pair.pair];
        let table = Table::builder()
            .column(
                "row",
                found
                    .iter()
                    .map(|(_, pair)| subject(pair).row.unwrap_or(pair.pair) as i64)
                    .collect::<Vec<_>>(),
            )
            .column(
                "group",
                found.iter().map(|(_, pair)| subject(pair).group.clone()).collect::<Vec<_>>(),
            )
            .column("component", vec![self.component.name(); lines])
            .column("layer", found.iter().map(|(layer, _)| *layer as i64).collect::<Vec<_>>())
            .column("fold", found.iter().map(|(_, pair)| pair.fold as i64).collect::<Vec<_>>())
            .column("base_projection", number(|pair| pair.positive))
            .column("source_projection", number(|pair| pair.negative))
            .column("auc", number(|pair| pair.auc))
            .column("accuracy", number(|pair| pair.accuracy))
            .column("method", vec![self.method.name(); lines]);
        Ok(table.build()?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_random_direction_is_as_long_and_another() {
        let vector: Vec<f64> = (0..256).map(|column| f64::from(column % 7) - 3.0).collect();
        let of =
            Direction { component: Component::BlockOutput, layer: 3, vector, activation_norm: 1.0 };
        let random = of.random(0);
        let length = |vector: &[f64]| dot(vector, vector).sqrt();
        assert!((length(&random) / length(&of.vector) - 1.0).abs() < 1e-12);
        let cosine = dot(&random, &of.vector) / (length(&random) * length(&of.vector));
        assert!(cosine.abs() < 0.25, "{cosine}");
        assert_eq!(random, of.random(0));
        assert_ne!(random, of.random(1));
    }
}
