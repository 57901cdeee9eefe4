//! What is measured over the data set's bases before the first batch: means, for mean ablation, and how
//! much embeddings vary, for noise that is measured by it.

use std::collections::HashMap;
use std::ops::ControlFlow;

use vene_data::PreparedRow;
use vene_engine::RunError;
use vene_engine::plan::{Example, Plan, Positions};
use vene_engine::{Executor, PlanOutcome};
use vene_model::{Component, DecoderConfig, ModelKey, Outline, Site};

use super::{Cell, Method, NoiseSize, Sweep};
use crate::sweep::SweepError;

/// How many values are collected at once, unless one row has more: 16 MiB in single precision.
const VALUES: usize = 4 << 20;

/// The mean values of sites, by role or over all positions, and the size of noise; empty where no
/// treatment needs them.
#[derive(Clone, Debug, Default)]
pub struct Means {
    per_position: bool,
    /// By component and layer, for each role (or once) a row `[width]`.
    values: HashMap<(Component, Option<usize>), Vec<Vec<f64>>>,
    noise_deviation: Option<f64>,
    /// Whose activations these are.
    model: Option<ModelKey>,
}

impl Means {
    /// Refuses another model than the one whose activations these are.
    pub(super) fn expect(&self, outline: &Outline) -> Result<(), RunError> {
        let model = self.model.as_ref();
        Ok(model.map_or(Ok(()), |model| outline.expect("a mean over the data set", model))?)
    }

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

    /// The noise's standard deviation, where it is a multiple of the embeddings'.
    pub fn noise_deviation(&self) -> Option<f64> {
        self.noise_deviation
    }

    /// Rows of zeros, with which plans can be checked before any value is known.
    pub(super) fn zeros(sweep: &Sweep, config: &DecoderConfig) -> Self {
        let per_position = match sweep.method {
            Method::MeanAblation { per_position } => per_position,
            // As if embeddings had a deviation of 1.
            Method::Restore { noise: NoiseSize::OfEmbeddings(times), .. } => {
                return Self { noise_deviation: Some(times), ..Self::default() };
            }
            _ => return Self::default(),
        };
        let count = kinds(sweep, per_position);
        let zeros = |&(component, layer): &(Component, Option<usize>)| {
            let row = vec![0.0; component.width(config).unwrap_or(0)];
            ((component, layer), vec![row; count])
        };
        let values = sites(sweep, config).iter().map(zeros).collect();
        Self { per_position, values, noise_deviation: None, model: None }
    }
}

/// How many means a site has.
fn kinds(sweep: &Sweep, per_position: bool) -> usize {
    if per_position { sweep.words.len().max(1) } else { 1 }
}

/// The sites that cells edit, windows included.
fn sites(sweep: &Sweep, config: &DecoderConfig) -> Vec<(Component, Option<usize>)> {
    let of_cell = |cell: &Cell| {
        let component = cell.component;
        let layers = sweep.window_of(*cell, config.layers.len());
        layers.into_iter().map(move |layer| (component, layer))
    };
    let mut sites: Vec<_> = sweep.cells.iter().flat_map(of_cell).collect();
    sites.sort_unstable_by_key(|(component, layer)| (component.rank(), *layer));
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
    sweep: &Sweep,
    outline: &Outline,
    executor: &dyn Executor,
) -> Result<Means, SweepError> {
    let per_position = match sweep.method {
        Method::MeanAblation { per_position } => per_position,
        Method::Restore { noise: NoiseSize::OfEmbeddings(times), .. } => {
            let deviation = Some(times * embedding_deviation(sweep, executor)?);
            let model = Some(outline.key().clone());
            return Ok(Means { noise_deviation: deviation, model, ..Means::default() });
        }
        _ => return Ok(Means::default()),
    };
    let config = outline.config();
    let mut means = Means::zeros(sweep, config);
    means.model = Some(outline.key().clone());
    let sites: Vec<Site> = sites(sweep, config)
        .into_iter()
        .map(|(component, layer)| Site::new(component, layer, config))
        .collect::<Result<_, _>>()
        .map_err(vene_engine::PlanError::from)?;
    let roles: Vec<Option<usize>> = match per_position && !sweep.words.is_empty() {
        true => (0..sweep.words.len()).map(Some).collect(),
        false => vec![None],
    };
    let mut counts = vec![0usize; roles.len()];
    let width: usize = sites.iter().filter_map(|site| site.component().width(config)).sum();
    let mut start = 0;
    while start < sweep.rows.len() {
        // For each row its positions, each once, though it may play several roles.
        let (mut each, mut values) = (Vec::new(), 0);
        for row in &sweep.rows[start..] {
            let mut all: Vec<usize> = roles.iter().flat_map(|&role| positions(row, role)).collect();
            all.sort_unstable();
            all.dedup();
            values += all.len() * width;
            if values > VALUES && !each.is_empty() {
                break;
            }
            each.push(all);
        }
        let rows = &sweep.rows[start..start + each.len()];
        start += each.len();
        for row in rows {
            for (count, &role) in counts.iter_mut().zip(&roles) {
                *count += positions(row, role).len();
            }
        }
        let at = each.iter().map(|of| of.iter().map(|&position| position as i64).collect());
        collected(outline, executor, rows, &sites, at.collect(), &mut |index, site, values| {
            let Some(sums) = means.values.get_mut(&(site.component(), site.layer())) else {
                return;
            };
            for (sum, &role) in sums.iter_mut().zip(&roles) {
                for position in positions(&rows[index], role) {
                    let Ok(row) = each[index].binary_search(&position) else { continue };
                    for (sum, value) in sum.iter_mut().zip(&values[row]) {
                        *sum += value;
                    }
                }
            }
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

/// The standard deviation of the token embeddings at the corrupted role, all dimensions of all bases taken
/// together, without those of positions (as in the code of Meng et al. 2022: of the module `wte`).
fn embedding_deviation(sweep: &Sweep, executor: &dyn Executor) -> Result<f64, SweepError> {
    // The corrupted role comes after the others.
    let role = sweep.words.len();
    let (mut count, mut sum, mut squares) = (0.0, 0.0, 0.0);
    for row in &sweep.rows {
        let tokens = row.base.tokens();
        let tokens: Vec<u32> =
            row.base_positions[role].iter().map(|&position| tokens[position]).collect();
        for value in executor.token_embeddings(&tokens)?.into_iter().flatten() {
            count += 1.0;
            sum += value;
            squares += value * value;
        }
    }
    let mean: f64 = sum / count;
    Ok(((squares / count - mean * mean).max(0.0) * count / (count - 1.0)).sqrt())
}

/// Told a row's index, a site and its values, a row `[width]` for each position.
type Each<'a> = dyn FnMut(usize, &Site, &[Vec<f64>]) + 'a;

/// Collects sites of the rows' bases at positions of each: `each` is told a row's index among them, a
/// site and its values, a row `[width]` for each position.
fn collected(
    outline: &Outline,
    executor: &dyn Executor,
    rows: &[PreparedRow],
    sites: &[Site],
    at: Vec<Vec<i64>>,
    each: &mut Each<'_>,
) -> Result<(), SweepError> {
    let examples = rows.iter().map(|row| Example::new(row.base.clone())).collect::<Vec<_>>();
    let none = Positions::Each(vec![Vec::new(); rows.len()]);
    let at = Positions::Each(at);
    let plan = sites.iter().fold(Plan::new().read(none), |plan, site| {
        plan.collect(site.component(), site.layer(), at.clone())
    });
    let plan = plan.resolve(outline, &examples)?;
    let mut take = |outcome: &PlanOutcome| -> candle_core::Result<()> {
        for (index, showed) in outcome.examples.iter().enumerate() {
            for (site, collected) in sites.iter().zip(&showed.collected) {
                let values = collected.to_dtype(candle_core::DType::F64)?.to_vec2::<f64>()?;
                each(index, site, &values);
            }
        }
        Ok(())
    };
    let mut failure = None;
    let run = executor.run_all(&[plan], &mut |_, outcome| match take(&outcome) {
        Ok(()) => ControlFlow::Continue(()),
        Err(error) => {
            failure = Some(error);
            ControlFlow::Break(())
        }
    });
    match failure {
        Some(failure) => Err(RunError::from(failure).into()),
        None => Ok(run?),
    }
}
