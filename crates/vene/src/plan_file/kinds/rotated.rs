//! Interventions along the directions of a rotation, or of principal components.

use std::sync::Arc;

use candle_core::Tensor;

use super::{Item, Kind, Made, Making, Result, Stored, Table, error_term, seed, subspace};
use crate::intervention::{
    BoundlessRotatedSpace, LowRankRotatedSpace, ParameterError, PcaRotatedSpace,
    PrincipalComponents, RotatedSpace, Rotation, SigmoidMaskRotatedSpace,
};
use crate::plan_file::files::parameters;

pub(super) static KINDS: [Kind; 5] = [
    Kind {
        name: "rotated_space",
        keys: &["subspace", "partition", "seed"],
        learns: true,
        make: |making, table, stored| {
            let rotation = rotation(making, table, Rank::Whole, stored, "rotated_space")?;
            let subspace = subspace(making, table, rotation.rank())?;
            Ok(Arc::new(making.made(table.item(), RotatedSpace::new(rotation, subspace))?))
        },
    },
    Kind {
        name: "low_rank_rotated_space",
        keys: &["rank", "subspace", "partition", "seed"],
        learns: true,
        make: |making, table, stored| {
            let rank = rank(table, stored.is_some())?;
            let rotation = rotation(making, table, rank, stored, "low_rank_rotated_space")?;
            let subspace = subspace(making, table, rotation.rank())?;
            Ok(Arc::new(LowRankRotatedSpace::new(rotation, subspace)))
        },
    },
    Kind {
        name: "boundless_rotated_space",
        keys: &["boundaries", "temperature", "seed"],
        learns: true,
        make: boundless,
    },
    Kind {
        name: "sigmoid_mask_rotated_space",
        keys: &["temperature", "seed"],
        learns: true,
        make: masked,
    },
    Kind {
        name: "pca_rotated_space",
        keys: &["subspace", "partition", "error_term"],
        learns: true,
        make: pca,
    },
];

/// How many directions there are.
#[derive(Clone, Copy)]
pub(super) enum Rank {
    /// As many as dimensions.
    Whole,
    /// So many.
    Stated(usize),
    /// As many as the stored parameters have.
    Stored,
}

/// The `rank` of an intervention, which parameters may say in its place.
pub(super) fn rank(table: &Table<'_>, is_stored: bool) -> Result<Rank> {
    match table.get("rank") {
        Some(item) => item.count().map(Rank::Stated),
        None if is_stored => Ok(Rank::Stored),
        None => Err(table.missing("rank", "how many directions there are")),
    }
}

impl Rank {
    /// In a space of this width, where stored parameters have `own`.
    pub(super) fn of(self, width: usize, own: usize) -> usize {
        match self {
            Self::Whole => width,
            Self::Stated(rank) => rank,
            Self::Stored => own,
        }
    }
}

/// A rotation as it was learned, or a random one to begin with.
pub(super) fn rotation(
    making: &Making<'_>,
    table: &Table<'_>,
    rank: Rank,
    stored: Option<&mut Stored<'_>>,
    name: &'static str,
) -> Result<Rotation> {
    let item = table.item();
    match stored {
        None => {
            let width = making.width(item, "a rotation")?;
            let rank = rank.of(width, width);
            if !(1..=width).contains(&rank) {
                let wrong = table.get("rank").unwrap_or_else(|| item.clone());
                return Err(wrong.expected(format!(
                    "1 to {width} directions, as many as {} has dimensions here",
                    making.component
                )));
            }
            making.budget.parameters(item, &[width, rank])?;
            making.made(item, Rotation::random(width, rank, seed(table)?))
        }
        Some(stored) => {
            refuse_seed(table)?;
            let directions = stored.take(name, "rotate_layer.weight")?;
            let width = making.width_or(item, "a rotation", directions.dims().first().copied())?;
            let expected = [width, rank.of(width, last(&directions))];
            expect(item, "rotate_layer.weight", &directions, &expected)?;
            making.made(item, Rotation::new(&directions))
        }
    }
}

fn last(tensor: &Tensor) -> usize {
    tensor.dims().last().copied().unwrap_or(0)
}

/// Refuses a seed that would change nothing.
pub(super) fn refuse_seed(table: &Table<'_>) -> Result<()> {
    match table.get("seed") {
        None => Ok(()),
        Some(seed) => Err(seed.contradiction("give `seed` or `parameters`, not both")),
    }
}

/// Refuses a stored tensor of another shape than the settings and the component say.
pub(super) fn expect(item: &Item<'_>, name: &str, tensor: &Tensor, shape: &[usize]) -> Result<()> {
    if tensor.dims() == shape {
        return Ok(());
    }
    let error = ParameterError::Shape {
        name: name.to_owned(),
        found: tensor.dims().to_vec(),
        expected: format!("{shape:?}, as the edited component and the settings say"),
    };
    Err(parameters(item, error))
}

fn boundless(making: &Making<'_>, table: &Table<'_>, mut stored: Option<&mut Stored<'_>>) -> Made {
    const NAME: &str = "boundless_rotated_space";
    let item = table.item();
    let rotation = rotation(making, table, Rank::Whole, stored.as_deref_mut(), NAME)?;
    let boundaries = table.read("boundaries", |item| {
        item.list("[upper] or [lower, upper]")?.iter().map(Item::number).collect::<Result<Vec<_>>>()
    })?;
    let temperature = table.read("temperature", Item::number)?;
    let made = match stored {
        None => {
            let boundaries = boundaries.unwrap_or_else(|| vec![0.5]);
            let temperature = temperature.unwrap_or(50.0);
            BoundlessRotatedSpace::with_boundaries(rotation, &boundaries, temperature)
        }
        Some(stored) => {
            if boundaries.is_some() {
                return Err(item.contradiction("give `boundaries` or `parameters`, not both"));
            }
            let boundaries = stored.numbers(NAME, "intervention_boundaries")?;
            let kept = stored.number(NAME, "temperature")?;
            let temperature = temperature.unwrap_or(kept);
            BoundlessRotatedSpace::with_boundaries(rotation, &boundaries, temperature)
        }
    };
    Ok(Arc::new(making.made(item, made)?))
}

fn masked(making: &Making<'_>, table: &Table<'_>, mut stored: Option<&mut Stored<'_>>) -> Made {
    const NAME: &str = "sigmoid_mask_rotated_space";
    let item = table.item();
    let rotation = rotation(making, table, Rank::Whole, stored.as_deref_mut(), NAME)?;
    let temperature = table.read("temperature", Item::number)?;
    let (masks, temperature) = match stored {
        None => {
            let masks = Tensor::full(100.0, rotation.width(), rotation.directions().device());
            (making.made(item, masks.map_err(Into::into))?, temperature.unwrap_or(50.0))
        }
        Some(stored) => {
            let masks = stored.take(NAME, "masks")?;
            let kept = stored.number(NAME, "temperature")?;
            (masks, temperature.unwrap_or(kept))
        }
    };
    let made = SigmoidMaskRotatedSpace::with_masks(rotation, &masks, temperature);
    Ok(Arc::new(making.made(item, made)?))
}

fn pca(making: &Making<'_>, table: &Table<'_>, stored: Option<&mut Stored<'_>>) -> Made {
    const NAME: &str = "pca_rotated_space";
    let item = table.item();
    let Some(stored) = stored else {
        table.need(
            "parameters",
            "a .safetensors file with `pca_components` [components, width], `pca_mean` [width] and \
             `pca_std` [width]",
        )?;
        return Err(item.contradiction("principal components are fitted, and read by `parameters`"));
    };
    let components = stored.take(NAME, "pca_components")?;
    let count = components.dims().first().copied().unwrap_or(0);
    let own = components.dims().last().copied();
    let width = making.width_or(item, "a basis of principal components", own)?;
    expect(item, "pca_components", &components, &[count, width])?;
    let fitted = PrincipalComponents {
        mean: stored.take(NAME, "pca_mean")?,
        deviation: stored.take(NAME, "pca_std")?,
        // Not used by the intervention.
        variances: Vec::new(),
        components,
    };
    let subspace = subspace(making, table, count)?;
    let made = PcaRotatedSpace::new(&fitted, subspace, error_term(table)?);
    Ok(Arc::new(making.made(item, made)?))
}
