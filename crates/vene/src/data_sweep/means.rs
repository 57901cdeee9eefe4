//! Means over the data set's bases, for mean ablation.

use std::collections::HashMap;
use std::ops::ControlFlow;

use vene_model::{Component, DecoderConfig, Outline, Site};

use super::{DataCell, DataSweep, DataSweepError, Treatment};
use crate::data::PreparedRow;
use crate::engine::Executor;
use crate::plan::{Example, Plan, Positions};

/// Rows that are collected at once.
const ROWS: usize = 64;

/// The mean values of sites, by role or over all positions; empty where no treatment writes one.
#[derive(Clone, Debug, Default)]
pub struct Means {
    per_position: bool,
    /// By component and layer, for each role (or once) a row `[width]`.
    values: HashMap<(Component, Option<usize>), Vec<Vec<f64>>>,
}

impl Means {
    /// The mean row `[width]` of a site.
    pub(super) fn get(
        &self,
        component: Component,
        layer: Option<usize>,
        role: Option<usize>,
    ) -> Option<&[f64]> {
        let index = role.filter(|_| self.per_position).unwrap_or(0);
        self.values.get(&(component, layer))?.get(index).map(Vec::as_slice)
    }

    /// Rows of zeros, with which plans can be checked before any value is known.
    pub(super) fn zeros(sweep: &DataSweep, config: &DecoderConfig) -> Self {
        let Treatment::Mean { per_position } = sweep.treatment else { return Self::default() };
        let count = kinds(sweep, per_position);
        let zeros = |&(component, layer): &(Component, Option<usize>)| {
            let row = vec![0.0; component.width(config).unwrap_or(0)];
            ((component, layer), vec![row; count])
        };
        Self { per_position, values: sites(sweep, config).iter().map(zeros).collect() }
    }
}

/// How many means a site has.
fn kinds(sweep: &DataSweep, per_position: bool) -> usize {
    if per_position { sweep.roles.len().max(1) } else { 1 }
}

/// The sites that cells edit, windows included.
fn sites(sweep: &DataSweep, config: &DecoderConfig) -> Vec<(Component, Option<usize>)> {
    let of_cell = |cell: &DataCell| {
        let component = cell.component;
        let layers = sweep.window_of(*cell, config.layers.len());
        layers.into_iter().map(move |layer| (component, layer))
    };
    let mut sites: Vec<_> = sweep.cells.iter().flat_map(of_cell).collect();
    sites.sort_unstable();
    sites.dedup();
    sites
}

/// The tokens that count for a mean; a beginning-of-sequence token, which many models give values
/// unlike any other's, does not.
fn positions(row: &PreparedRow, role: Option<usize>) -> Vec<usize> {
    match role {
        Some(role) => row.base_positions[role].clone(),
        None => (usize::from(row.base.has_bos())..row.base.len()).collect(),
    }
}

pub(super) fn of(
    sweep: &DataSweep,
    outline: &Outline,
    executor: &dyn Executor,
) -> Result<Means, DataSweepError> {
    let Treatment::Mean { per_position } = sweep.treatment else { return Ok(Means::default()) };
    let config = outline.config();
    let mut means = Means::zeros(sweep, config);
    let sites: Vec<Site> = sites(sweep, config)
        .into_iter()
        .map(|(component, layer)| Site::new(component, layer, config))
        .collect::<Result<_, _>>()
        .map_err(crate::error::PlanError::from)?;
    let roles: Vec<Option<usize>> = match per_position && !sweep.roles.is_empty() {
        true => (0..sweep.roles.len()).map(Some).collect(),
        false => vec![None],
    };
    let mut counts = vec![0usize; roles.len()];
    for rows in sweep.rows.chunks(ROWS) {
        for row in rows {
            for (count, &role) in counts.iter_mut().zip(&roles) {
                *count += positions(row, role).len();
            }
        }
        let examples = rows.iter().map(|row| Example::new(row.base.clone())).collect::<Vec<_>>();
        // Each position once, though it may play several roles.
        let each: Vec<Vec<usize>> = rows
            .iter()
            .map(|row| {
                let mut all: Vec<usize> =
                    roles.iter().flat_map(|&role| positions(row, role)).collect();
                all.sort_unstable();
                all.dedup();
                all
            })
            .collect();
        let wanted = |of: &Vec<usize>| of.iter().map(|&position| position as i64).collect();
        let wanted = Positions::Each(each.iter().map(wanted).collect());
        let none = Positions::Each(vec![Vec::new(); rows.len()]);
        let plan = sites.iter().fold(Plan::new().read(none), |plan, site| {
            plan.collect(site.component(), site.layer(), wanted.clone())
        });
        let plan = plan.resolve(outline, &examples)?;
        let mut failure = None;
        executor
            .run_all(&[plan], &mut |_, outcome| {
                for ((row, showed), at) in rows.iter().zip(&outcome.examples).zip(&each) {
                    for (site, collected) in sites.iter().zip(&showed.collected) {
                        let values = collected
                            .to_dtype(candle_core::DType::F64)
                            .and_then(|values| values.to_vec2::<f64>());
                        let Some(sums) = means.values.get_mut(&(site.component(), site.layer()))
                        else {
                            continue;
                        };
                        let values = match values {
                            Ok(values) => values,
                            Err(error) => {
                                failure = Some(error);
                                return ControlFlow::Break(());
                            }
                        };
                        for (sum, &role) in sums.iter_mut().zip(&roles) {
                            for position in positions(row, role) {
                                let Ok(index) = at.binary_search(&position) else { continue };
                                for (sum, value) in sum.iter_mut().zip(&values[index]) {
                                    *sum += value;
                                }
                            }
                        }
                    }
                }
                ControlFlow::Continue(())
            })
            .map_err(|error| match failure.take() {
                Some(failure) => failure.into(),
                None => error,
            })?;
    }
    for sums in means.values.values_mut() {
        for (sum, &count) in sums.iter_mut().zip(&counts) {
            for value in sum {
                *value /= count.max(1) as f64;
            }
        }
    }
    Ok(means)
}
