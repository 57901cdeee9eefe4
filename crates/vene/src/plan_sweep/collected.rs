//! What plans collect over a data set: one stacked tensor a site.

use std::ops::Range;

use candle_core::{DType, Tensor};
use vene_data::PreparedRow;
use vene_engine::PlanOutcome;
use vene_engine::plan::{Plan, Positions};
use vene_model::{Component, DecoderConfig};

use super::{PlanSweep, PlanSweepError};

/// Activations of rows, as 32-bit floats.
#[derive(Clone, Debug, Default)]
pub struct Collected {
    /// What is collected, in each run of the grid.
    pub sites: Vec<CollectedSite>,
    /// For each site the values of each row.
    pub values: Vec<Vec<RowValues>>,
}

/// What is collected at a site.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CollectedSite {
    /// What the tensor is called: `mlp_output/3`; where there are several runs after the run's name:
    /// `dose 0.5/mlp_output/3`.
    pub name: String,
    /// Which run of the grid.
    pub run: usize,
    /// Whether it is an attention pattern.
    pub is_pattern: bool,
    from: From,
}

/// What of a plan collects it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum From {
    Collect(usize),
    Edit(usize),
}

/// The shape of a row's values: `[positions, width]`, or `[heads, queries, keys]`.
pub type Shape = Vec<usize>;

/// What a row showed at a site.
#[derive(Clone, Debug, PartialEq)]
pub struct RowValues {
    /// Its shape.
    pub shape: Shape,
    /// Its values, row-major.
    pub values: Vec<f32>,
}

/// What is collected by a sweep's plans.
pub(super) fn sites(sweep: &PlanSweep, _config: &DecoderConfig) -> Vec<CollectedSite> {
    let grid = &sweep.grid;
    let mut sites: Vec<CollectedSite> = Vec::new();
    for (run, of) in grid.runs.iter().enumerate().filter(|(run, _)| sweep.own_runs.contains(run)) {
        let prefix = match grid.name(of) {
            name if name.is_empty() => name,
            name => format!("{name}/"),
        };
        let mut push = |component: Component, layer: Option<usize>, from: From, what: &str| {
            let layer = layer.map_or_else(String::new, |layer| format!("/{layer}"));
            let mut name = format!("{prefix}{what}{component}{layer}");
            // One site may be collected at several positions.
            let same = sites
                .iter()
                .filter(|site| site.name == name || site.name.starts_with(&format!("{name}#")));
            match same.count() {
                0 => {}
                count => name = format!("{name}#{}", count + 1),
            }
            sites.push(CollectedSite { name, run, is_pattern: component.is_pattern(), from });
        };
        for (index, collect) in of.plan.collects.iter().enumerate() {
            push(collect.component, collect.layer, From::Collect(index), "");
        }
        for (index, edit) in of.plan.edits.iter().enumerate() {
            if edit.intervention.traits().observes {
                push(edit.component, edit.layer, From::Edit(index), &format!("edit {index}/"));
            }
        }
    }
    sites
}

/// About how many values a row has of all that is collected.
pub(super) fn values_of_row(sweep: &PlanSweep, row: &PreparedRow, config: &DecoderConfig) -> usize {
    let length = row.base.len();
    let of = |component: Component, positions: &Positions| match component.width(config) {
        Some(width) => positions_in(sweep, row, positions) * width,
        None => config.heads * length * length,
    };
    let of_plan = |plan: &Plan| -> usize {
        let collects =
            plan.collects.iter().map(|collect| of(collect.component, &collect.positions));
        let observing = plan.edits.iter().filter(|edit| edit.intervention.traits().observes);
        collects.chain(observing.map(|edit| of(edit.component, &edit.positions))).sum()
    };
    sweep.grid.runs[sweep.own_runs()].iter().map(|run| of_plan(&run.plan)).sum()
}

/// How many positions of a row are meant; those that cannot be found there are none.
pub(super) fn positions_in(sweep: &PlanSweep, row: &PreparedRow, positions: &Positions) -> usize {
    match positions {
        Positions::Role(role) => row.positions_of(&sweep.roles, role).len(),
        other => other.resolve(&row.base, 0).map_or(0, |found| found.len()),
    }
}

impl Collected {
    pub(super) fn new(sweep: &PlanSweep, config: &DecoderConfig) -> Self {
        let sites = sites(sweep, config);
        let values = sites.iter().map(|_| Vec::new()).collect();
        Self { sites, values }
    }

    /// Takes what a run of the grid collected in some rows.
    pub(super) fn take(
        &mut self,
        sweep: &PlanSweep,
        run: usize,
        rows: &[PreparedRow],
        outcome: &PlanOutcome,
    ) -> Result<(), PlanSweepError> {
        let plan = sweep.plan(run);
        for (site, values) in self.sites.iter().zip(&mut self.values) {
            if site.run != run {
                continue;
            }
            let tensors: Vec<Tensor> = match site.from {
                From::Collect(index) => {
                    let found = outcome.examples.iter();
                    found.filter_map(|showed| showed.collected.get(index).cloned()).collect()
                }
                From::Edit(index) => {
                    let mut seen = plan.edits[index].intervention.take_collected();
                    seen.retain(|seen| seen.example < rows.len());
                    seen.into_iter().map(|seen| seen.values).collect()
                }
            };
            for (tensor, row) in tensors.iter().zip(rows) {
                let kept = RowValues {
                    shape: tensor.dims().to_vec(),
                    values: tensor.to_dtype(DType::F32)?.flatten_all()?.to_vec1()?,
                };
                let first = values.first().filter(|_| !sweep.padded);
                if let Some(first) = first.filter(|first| first.shape != kept.shape) {
                    return Err(unequal(site, row, &kept.shape, &first.shape));
                }
                values.push(kept);
            }
        }
        Ok(())
    }

    /// Parts as one.
    ///
    /// # Errors
    /// Rows of unequal numbers of positions.
    pub(super) fn joined(parts: impl Iterator<Item = Self>) -> Result<Self, PlanSweepError> {
        let mut joined: Option<Self> = None;
        for part in parts {
            let Some(all) = &mut joined else {
                joined = Some(part);
                continue;
            };
            for ((site, values), more) in all.sites.iter().zip(&mut all.values).zip(part.values) {
                if let (Some(first), Some(other)) = (values.first(), more.first())
                    && first.shape != other.shape
                {
                    return Err(PlanSweepError::Unequal {
                        site: site.name.clone(),
                        row: format!("row {}", values.len()),
                        length: other.shape[0],
                        first: first.shape[0],
                    });
                }
                values.extend(more);
            }
        }
        Ok(joined.unwrap_or_default())
    }

    /// The shape of a site's stacked tensor: `[rows, positions, width]`, of patterns `[rows, heads, queries, keys]`.
    pub fn shape(&self, site: usize) -> Shape {
        let values = &self.values[site];
        let of_row = values.first().map(|first| first.shape.clone()).unwrap_or_default();
        [vec![values.len()], of_row].concat()
    }

    /// Those of some rows.
    #[must_use]
    pub fn of_rows(&self, rows: Range<usize>) -> Self {
        let values = self.values.iter().map(|values| values[rows.clone()].to_vec()).collect();
        Self { sites: self.sites.clone(), values }
    }
}

fn unequal(
    site: &CollectedSite,
    row: &PreparedRow,
    shape: &[usize],
    first: &[usize],
) -> PlanSweepError {
    let at = usize::from(site.is_pattern);
    let length = |shape: &[usize]| shape.get(at).copied().unwrap_or_default();
    PlanSweepError::Unequal {
        site: site.name.clone(),
        row: row.name().to_string(),
        length: length(shape),
        first: length(first),
    }
}
