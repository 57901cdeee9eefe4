//! Interventions on the values as they are, and those around another one.

use candle_core::{Device, Tensor};
use vene_intervention::{
    Addition, Collect, ConstantSource, Dropout, InSubspace, Interchange, Knockout, Mean, Noise,
    RandomDirection, Scaling, SigmoidMask, Subspace, Subtraction, Zero,
};

use super::{Class, NONE, OF, ONE, PARTITION, Registered, SEED, SEVERAL, SUBSPACE, needed, shared};
use crate::plan_file::making::{Item, Made, Making, Stored, Table, seed, subspace};
use crate::plan_file::pyvene::{Reads, Saved, words};
use crate::sweep::Method;

pub(super) static ROWS: [Registered; 14] = [
    Registered::new("interchange", "the source's values replace the base's", ONE, |_, _, _| {
        Ok(shared(Interchange))
    })
    .classes(&[Class::imported("VanillaIntervention", |saved| {
        saved.by_value(shared(Interchange), None)
    })])
    .sweep(|| Method::Interchange),
    Registered::new("zero", "0 replaces the base's values", NONE, |_, _, _| Ok(shared(Zero)))
        .classes(&[Class::imported("ZeroIntervention", |saved| {
            saved.by_value(shared(Zero), Some(Reads::Nothing))
        })])
        .sweep(|| Method::Zero),
    Registered::new(
        "mean",
        "the mean of all sources' values replaces the base's",
        SEVERAL,
        |_, _, _| Ok(shared(Mean)),
    )
    .sweep(|| Method::Mean),
    Registered::new("addition", "the source's values are added to the base's", ONE, |_, _, _| {
        Ok(shared(Addition))
    })
    .classes(&[Class::imported("AdditionIntervention", |saved| {
        saved.by_value(shared(Addition), None)
    })])
    .sweep(|| Method::Addition),
    Registered::new(
        "subtraction",
        "the source's values are subtracted from the base's",
        ONE,
        |_, _, _| Ok(shared(Subtraction)),
    )
    .classes(&[Class::imported("SubtractionIntervention", |saved| {
        saved.by_value(shared(Subtraction), None)
    })])
    .sweep(|| Method::Subtraction),
    Registered::new(
        "knockout",
        "queries at `positions` no longer see `keys`; `component` may be left out",
        NONE,
        |_, _, _| Ok(shared(Knockout)),
    )
    .sweep(|| Method::Knockout),
    Registered::new("scaling", "the base's values times a factor", NONE, |_, table, _| {
        let factor = table.need("factor", "what the values are multiplied by")?.number()?;
        Ok(shared(Scaling { factor }))
    })
    .settings(&[needed("factor")]),
    Registered::new(
        "noise",
        "Gaussian noise is added to the base's values",
        NONE,
        |_, table, _| {
            let deviation = table.need("standard_deviation", "that of the noise")?;
            let standard_deviation = deviation.number()?;
            Ok(shared(Noise { standard_deviation, seed: seed(table)? }))
        },
    )
    .settings(&[needed("standard_deviation"), SEED])
    .classes(&[Class::imported("NoiseIntervention", |_| {
        Err("pyvene does not save its noise, nor load such a folder: use noise with a seed"
            .to_owned())
    })]),
    Registered::new(
        "random_direction",
        "a random change as large as an interchange's, as a control",
        ONE,
        |_, table, _| Ok(shared(RandomDirection { seed: seed(table)? })),
    )
    .settings(&[SEED]),
    Registered::new(
        "collect",
        "the values stay, and are kept as tensors",
        NONE,
        |making, table, _| {
            let subspace = match table.get("subspace") {
                None => Subspace::All,
                Some(item) => subspace(making, table, making.known_width(&item)?)?,
            };
            Ok(shared(Collect::new(subspace)))
        },
    )
    .settings(&[SUBSPACE, PARTITION])
    .classes(&[Class::imported("CollectIntervention", |saved| saved.collect())]),
    Registered::new(
        "in_subspace",
        "the intervention `of` in some dimensions only, as pyvene's `subspaces`",
        None,
        |making, table, stored| {
            let subspace = subspace(making, table, making.known_width(table.item())?)?;
            Ok(shared(InSubspace::new(making.inner(table, stored)?, subspace)))
        },
    )
    .settings(&[OF, SUBSPACE, PARTITION])
    .learns(),
    Registered::new(
        "dropout",
        "dropout after the intervention `of`, in training, as pyreft's `dropout`",
        None,
        |making, table, stored| {
            let probability =
                table.need("probability", "how likely a value is dropped")?.number()?;
            let inner = making.inner(table, stored)?;
            Ok(shared(Dropout::new(inner, probability, seed(table)?)))
        },
    )
    .settings(&[OF, needed("probability"), SEED])
    .learns(),
    Registered::new(
        "constant_source",
        "a vector that is a parameter, as the source of the intervention `of`",
        NONE,
        constant_source,
    )
    .settings(&[OF, ("vector", Some("zeros")), ("trained", Some("false"))])
    .learns()
    .classes(&[Class::named("ConstantSourceIntervention")]),
    Registered::new(
        "sigmoid_mask",
        "of each dimension a learned share is the source's",
        ONE,
        sigmoid_mask,
    )
    .settings(&[("temperature", Some("0.01"))])
    .learns()
    .classes(&[Class::imported("SigmoidMaskIntervention", |saved| {
        let (mask, temperature) = (saved.take("mask")?, saved.number("temperature")?);
        Ok(Saved::rows(SigmoidMask::with_mask(&mask, temperature).map_err(words)?))
    })]),
];

fn constant_source(
    making: &Making<'_>,
    table: &Table<'_>,
    mut stored: Option<&mut Stored<'_>>,
) -> Made {
    let item = table.item();
    let vector = match (table.get("vector"), &mut stored) {
        (Some(vector), Some(_)) => {
            return Err(vector.contradiction("give `vector` or `parameters`, not both"));
        }
        (Some(vector), None) => {
            let values = making.files.values(&vector)?;
            making.budget.parameters(&vector, &[values.len()])?;
            making.made(item, Tensor::new(values.as_slice(), &Device::Cpu).map_err(Into::into))?
        }
        (None, Some(stored)) => stored.take("constant_source", "source_representation")?,
        (None, None) => {
            let width = making.width(item, "a constant source")?;
            zeros(making, item, width)?
        }
    };
    let inner = making.inner(table, stored)?;
    let constant = making.made(item, ConstantSource::new(inner, &vector))?;
    let trained = table.read("trained", Item::flag)?.unwrap_or(false);
    Ok(shared(if trained { constant.trained() } else { constant }))
}

fn sigmoid_mask(making: &Making<'_>, table: &Table<'_>, stored: Option<&mut Stored<'_>>) -> Made {
    let item = table.item();
    let temperature = table.read("temperature", Item::number)?;
    let (mask, temperature) = match stored {
        None => {
            let width = making.width(item, "a mask")?;
            (zeros(making, item, width)?, temperature.unwrap_or(0.01))
        }
        Some(stored) => {
            let mask = stored.take("sigmoid_mask", "mask")?;
            let kept = stored.number("sigmoid_mask", "temperature")?;
            (mask, temperature.unwrap_or(kept))
        }
    };
    Ok(shared(making.made(item, SigmoidMask::with_mask(&mask, temperature))?))
}

/// Zeros in double precision, to be trained.
fn zeros(
    making: &Making<'_>,
    item: &Item<'_>,
    width: usize,
) -> Result<Tensor, crate::plan_file::PlanFileError> {
    making.budget.parameters(item, &[width])?;
    let zeros = Tensor::zeros(width, candle_core::DType::F64, &Device::Cpu);
    making.made(item, zeros.map_err(Into::into))
}
