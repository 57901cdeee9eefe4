//! The interventions of representation fine-tuning.

use std::sync::Arc;

use candle_core::Tensor;

use super::rotated::{expect, rank, refuse_seed, rotation};
use super::{Item, Kind, Making, Result, Stored, Table, seed};
use crate::intervention::reft::random_constant;
use crate::intervention::{
    Activation, ConsReft, DiReft, Linear, LoReft, LobiReft, NoReft, NodiReft, Rotation,
};

const LINEAR: &[&str] = &["rank", "activation", "seed"];
const CONSTANT: &[&str] = &["rank", "seed"];

pub(super) static KINDS: [Kind; 6] = [
    Kind {
        name: "loreft",
        keys: LINEAR,
        learns: true,
        make: |making, table, stored| {
            let (rotation, source) = rotated(making, table, stored, "loreft")?;
            let made = LoReft::new(rotation, source, activation(table)?);
            Ok(Arc::new(making.made(table.item(), made)?))
        },
    },
    Kind {
        name: "noreft",
        keys: LINEAR,
        learns: true,
        make: |making, table, stored| {
            let (projection, source) = projected(making, table, stored, "noreft", true)?;
            let made = NoReft::new(projection, source, activation(table)?);
            Ok(Arc::new(making.made(table.item(), made)?))
        },
    },
    Kind {
        name: "direft",
        keys: LINEAR,
        learns: true,
        make: |making, table, stored| {
            let (rotation, source) = rotated(making, table, stored, "direft")?;
            let made = DiReft::new(rotation, source, activation(table)?);
            Ok(Arc::new(making.made(table.item(), made)?))
        },
    },
    Kind {
        name: "nodireft",
        keys: LINEAR,
        learns: true,
        make: |making, table, stored| {
            let (projection, source) = projected(making, table, stored, "nodireft", false)?;
            let made = NodiReft::new(projection, source, activation(table)?);
            Ok(Arc::new(making.made(table.item(), made)?))
        },
    },
    Kind {
        name: "consreft",
        keys: CONSTANT,
        learns: true,
        make: |making, table, stored| {
            let (rotation, constant) = constant(making, table, stored, "consreft")?;
            Ok(Arc::new(making.made(table.item(), ConsReft::new(rotation, &constant))?))
        },
    },
    Kind {
        name: "lobireft",
        keys: CONSTANT,
        learns: true,
        make: |making, table, stored| {
            let (rotation, constant) = constant(making, table, stored, "lobireft")?;
            Ok(Arc::new(making.made(table.item(), LobiReft::new(rotation, &constant))?))
        },
    },
];

fn activation(table: &Table<'_>) -> Result<Activation> {
    let Some(item) = table.get("activation") else { return Ok(Activation::default()) };
    let name = item.text("the name of an activation function")?;
    let names = Activation::NAMED.map(|(name, _)| name);
    let found = Activation::NAMED.iter().find(|(known, _)| *known == name);
    found
        .map(|(_, activation)| *activation)
        .ok_or_else(|| item.unknown("activation function", name, &names))
}

/// Orthonormal directions and a learned source.
fn rotated(
    making: &Making<'_>,
    table: &Table<'_>,
    mut stored: Option<&mut Stored<'_>>,
    name: &'static str,
) -> Result<(Rotation, Linear)> {
    let rank = rank(table, stored.is_some())?;
    let rotation = rotation(making, table, rank, stored.as_deref_mut(), name)?;
    let source = match stored {
        Some(stored) => linear(making, table.item(), stored, name, "learned_source")?,
        None => {
            let (width, rank) = (rotation.width(), rotation.rank());
            making.budget.parameters(table.item(), &[width, rank])?;
            making.made(table.item(), Linear::random(width, rank, true, seed(table)?))?
        }
    };
    Ok((rotation, source))
}

/// Orthonormal directions and a constant.
fn constant(
    making: &Making<'_>,
    table: &Table<'_>,
    mut stored: Option<&mut Stored<'_>>,
    name: &'static str,
) -> Result<(Rotation, Tensor)> {
    let rank = rank(table, stored.is_some())?;
    let rotation = rotation(making, table, rank, stored.as_deref_mut(), name)?;
    let constant = match stored {
        Some(stored) => stored.take(name, "learned_source")?,
        None => making.made(table.item(), random_constant(rotation.rank(), seed(table)?))?,
    };
    Ok((rotation, constant))
}

/// Any directions and a learned source; a random projection has a bias where the formula uses it.
fn projected(
    making: &Making<'_>,
    table: &Table<'_>,
    stored: Option<&mut Stored<'_>>,
    name: &'static str,
    bias: bool,
) -> Result<(Linear, Linear)> {
    let item = table.item();
    let rank = rank(table, stored.is_some())?;
    match stored {
        None => {
            let width = making.width(item, "a projection")?;
            let (rank, seed) = (rank.of(width, 0), seed(table)?);
            if rank == 0 {
                let wrong = table.get("rank").unwrap_or_else(|| item.clone());
                return Err(wrong.expected("1 direction or more"));
            }
            making.budget.parameters(item, &[width, rank])?;
            making.budget.parameters(item, &[width, rank])?;
            let projection = making.made(item, Linear::random(width, rank, bias, !seed))?;
            Ok((projection, making.made(item, Linear::random(width, rank, true, seed))?))
        }
        Some(stored) => {
            refuse_seed(table)?;
            let projection = linear(making, item, stored, name, "proj_layer")?;
            let width = making.width_or(item, "a projection", Some(projection.width()))?;
            let expected = [rank.of(width, projection.rank()), width];
            expect(item, "proj_layer.weight", projection.weight(), &expected)?;
            Ok((projection, linear(making, item, stored, name, "learned_source")?))
        }
    }
}

fn linear(
    making: &Making<'_>,
    item: &Item<'_>,
    stored: &mut Stored<'_>,
    name: &'static str,
    layer: &str,
) -> Result<Linear> {
    let weight = stored.take(name, &format!("{layer}.weight"))?;
    let bias = stored.take_optional(&format!("{layer}.bias"));
    making.made(item, Linear::new(&weight, bias.as_ref()))
}
