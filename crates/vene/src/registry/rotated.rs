//! Interventions along the directions of a rotation, or of principal components.

use candle_core::Tensor;
use vene_intervention::{
    ErrorTerm, ParameterError, PcaRotatedSpace, PrincipalComponents, RotatedSpace, Rotation,
    Subspace,
};

use super::{Class, ERROR_TERM, ONE, PARTITION, RANK, Registered, SEED, SUBSPACE, shared};
use crate::plan_file::files::parameters;
use crate::plan_file::making::{
    Item, Made, Making, Result, Stored, Table, error_term, seed, subspace,
};
use crate::plan_file::pyvene::{Saved, words};

pub(super) static ROWS: [Registered; 5] = [
    Registered::new(
        "rotated_space",
        "an interchange of coordinates in a learned basis: distributed alignment search",
        ONE,
        |making, table, stored| {
            let rotation = rotation(making, table, Rank::Whole, stored, "rotated_space")?;
            let subspace = subspace(making, table, rotation.rank())?;
            Ok(shared(making.made(table.item(), RotatedSpace::new(rotation, subspace))?))
        },
    )
    .settings(&[SUBSPACE, PARTITION, SEED])
    .learns()
    .classes(&[Class::imported("RotatedSpaceIntervention", |saved| {
        let rotation = saved.rotation()?;
        let subspace = saved.first(rotation.rank())?;
        Ok(Saved::together(RotatedSpace::new(rotation, subspace).map_err(words)?))
    })]),
    Registered::new(
        "low_rank_rotated_space",
        "the same along few directions",
        ONE,
        |making, table, stored| {
            let rank = rank(table, stored.is_some())?;
            let rotation = rotation(making, table, rank, stored, "low_rank_rotated_space")?;
            let subspace = subspace(making, table, rotation.rank())?;
            Ok(shared(RotatedSpace::low_rank(rotation, subspace)))
        },
    )
    .settings(&[RANK, SUBSPACE, PARTITION, SEED])
    .learns()
    // Without a subspace all directions are exchanged, whatever `interchange_dim` says.
    .classes(&[Class::imported("LowRankRotatedSpaceIntervention", |saved| {
        Ok(Saved::together(RotatedSpace::low_rank(saved.rotation()?, Subspace::All)))
    })]),
    Registered::new(
        "boundless_rotated_space",
        "the same along as many directions as are learned",
        ONE,
        boundless,
    )
    .settings(&[("boundaries", Some("[0.5]")), ("temperature", Some("50")), SEED])
    .learns()
    .classes(&[Class::imported("BoundlessRotatedSpaceIntervention", |saved| {
        let rotation = saved.rotation()?;
        let boundaries = saved.numbers("intervention_boundaries")?;
        let temperature = saved.number("temperature")?;
        let made = RotatedSpace::with_boundaries(rotation, &boundaries, temperature);
        Ok(Saved::together(made.map_err(words)?))
    })]),
    Registered::new(
        "sigmoid_mask_rotated_space",
        "the same with a learned share of each direction",
        ONE,
        masked,
    )
    .settings(&[("temperature", Some("50")), SEED])
    .learns()
    .classes(&[Class::imported("SigmoidMaskRotatedSpaceIntervention", |saved| {
        let rotation = saved.rotation()?;
        let (masks, temperature) = (saved.take("masks")?, saved.number("temperature")?);
        let made = RotatedSpace::with_masks(rotation, &masks, temperature);
        Ok(Saved::together(made.map_err(words)?))
    })]),
    Registered::new(
        "pca_rotated_space",
        "an interchange of principal components, which `parameters` give",
        ONE,
        pca,
    )
    .settings(&[SUBSPACE, PARTITION, ERROR_TERM])
    .learns()
    .classes(&[Class::imported("PCARotatedSpaceIntervention", |saved| {
        if !saved.has("pca_components") {
            return Err("pyvene does not save its principal components, nor load such a folder: \
                        give them to pca_rotated_space by `parameters`"
                .to_owned());
        }
        let components = saved.take("pca_components")?;
        let subspace = saved.first(components.dims().first().copied().unwrap_or(0))?;
        let fitted = PrincipalComponents {
            mean: saved.take("pca_mean")?,
            deviation: saved.take("pca_std")?,
            variances: Vec::new(),
            components,
        };
        let made = PcaRotatedSpace::new(&fitted, subspace, ErrorTerm::Dropped);
        Ok(Saved::together(made.map_err(words)?))
    })]),
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
            RotatedSpace::with_boundaries(rotation, &boundaries, temperature)
        }
        Some(stored) => {
            if boundaries.is_some() {
                return Err(item.contradiction("give `boundaries` or `parameters`, not both"));
            }
            let boundaries = stored.numbers(NAME, "intervention_boundaries")?;
            let kept = stored.number(NAME, "temperature")?;
            let temperature = temperature.unwrap_or(kept);
            RotatedSpace::with_boundaries(rotation, &boundaries, temperature)
        }
    };
    Ok(shared(making.made(item, made)?))
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
    let made = RotatedSpace::with_masks(rotation, &masks, temperature);
    Ok(shared(making.made(item, made)?))
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
    Ok(shared(making.made(item, made)?))
}
