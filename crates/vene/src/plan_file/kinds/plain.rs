//! Interventions on the values as they are, and those around another one.

use std::sync::Arc;

use candle_core::{Device, Tensor};

use super::{Kind, Made, Making, Stored, Table, seed, subspace};
use crate::intervention::{
    Addition, Collect, ConstantSource, Dropout, InSubspace, Interchange, Intervention, Knockout,
    Mean, Noise, RandomDirection, Scaling, SigmoidMask, Subspace, Subtraction, Zero,
};

const fn plain(
    name: &'static str,
    make: fn(&Making<'_>, &Table<'_>, Option<&mut Stored<'_>>) -> Made,
) -> Kind {
    Kind { name, keys: &[], learns: false, make }
}

pub(super) static KINDS: [Kind; 14] = [
    plain("interchange", |_, _, _| Ok(Arc::new(Interchange))),
    plain("zero", |_, _, _| Ok(Arc::new(Zero))),
    plain("mean", |_, _, _| Ok(Arc::new(Mean))),
    plain("addition", |_, _, _| Ok(Arc::new(Addition))),
    plain("subtraction", |_, _, _| Ok(Arc::new(Subtraction))),
    plain("knockout", |_, _, _| Ok(Arc::new(Knockout))),
    Kind {
        name: "scaling",
        keys: &["factor"],
        learns: false,
        make: |_, table, _| {
            let factor = table.need("factor", "what the values are multiplied by")?.number()?;
            Ok(Arc::new(Scaling { factor }))
        },
    },
    Kind {
        name: "noise",
        keys: &["standard_deviation", "seed"],
        learns: false,
        make: |_, table, _| {
            let deviation = table.need("standard_deviation", "that of the noise")?;
            Ok(Arc::new(Noise { standard_deviation: deviation.number()?, seed: seed(table)? }))
        },
    },
    Kind {
        name: "random_direction",
        keys: &["seed"],
        learns: false,
        make: |_, table, _| Ok(Arc::new(RandomDirection { seed: seed(table)? })),
    },
    Kind {
        name: "collect",
        keys: &["subspace", "partition"],
        learns: false,
        make: |making, table, _| {
            let subspace = match table.get("subspace") {
                None => Subspace::All,
                Some(item) => subspace(making, table, making.known_width(&item)?)?,
            };
            Ok(Arc::new(Collect::new(subspace)))
        },
    },
    Kind {
        name: "in_subspace",
        keys: &["of", "subspace", "partition"],
        learns: true,
        make: |making, table, stored| {
            let subspace = subspace(making, table, making.known_width(table.item())?)?;
            Ok(Arc::new(InSubspace::new(making.inner(table, stored)?, subspace)))
        },
    },
    Kind {
        name: "dropout",
        keys: &["of", "probability", "seed"],
        learns: true,
        make: |making, table, stored| {
            let probability =
                table.need("probability", "how likely a value is dropped")?.number()?;
            let inner = making.inner(table, stored)?;
            Ok(Arc::new(Dropout::new(inner, probability, seed(table)?)))
        },
    },
    Kind {
        name: "constant_source",
        keys: &["of", "vector", "trained"],
        learns: true,
        make: constant_source,
    },
    Kind { name: "sigmoid_mask", keys: &["temperature"], learns: true, make: sigmoid_mask },
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
            making.budget.parameters(item, &[width])?;
            let zeros = Tensor::zeros(width, candle_core::DType::F64, &Device::Cpu);
            making.made(item, zeros.map_err(Into::into))?
        }
    };
    let inner = making.inner(table, stored)?;
    let constant = making.made(item, ConstantSource::new(inner, &vector))?;
    let trained = table.read("trained", super::Item::flag)?.unwrap_or(false);
    let made: Arc<dyn Intervention> = match trained {
        true => Arc::new(constant.trained()),
        false => Arc::new(constant),
    };
    Ok(made)
}

fn sigmoid_mask(making: &Making<'_>, table: &Table<'_>, stored: Option<&mut Stored<'_>>) -> Made {
    let item = table.item();
    let temperature = table.read("temperature", super::Item::number)?;
    let (mask, temperature) = match stored {
        None => {
            let width = making.width(item, "a mask")?;
            making.budget.parameters(item, &[width])?;
            let zeros = Tensor::zeros(width, candle_core::DType::F64, &Device::Cpu);
            (making.made(item, zeros.map_err(Into::into))?, temperature.unwrap_or(0.01))
        }
        Some(stored) => {
            let mask = stored.take("sigmoid_mask", "mask")?;
            let kept = stored.number("sigmoid_mask", "temperature")?;
            (mask, temperature.unwrap_or(kept))
        }
    };
    Ok(Arc::new(making.made(item, SigmoidMask::with_mask(&mask, temperature))?))
}
