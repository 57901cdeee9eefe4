//! The interventions of representation fine-tuning.

use vene_intervention::reft::{Directions, random_constant};
use vene_intervention::{Activation, Linear, Reft, ReftKind};

use super::rotated::{expect, rank, refuse_seed, rotation};
use super::{Class, NONE, RANK, Registered, SEED, shared};
use crate::plan_file::making::{Item, Made, Making, Result, Stored, Table, seed};

pub(super) static ROWS: [Registered; 6] = [
    Registered::new(
        ReftKind::LoReft.name(),
        "ReFT: along orthonormal directions the values become what is learned of them",
        NONE,
        |making, table, stored| reft(making, table, stored, ReftKind::LoReft),
    )
    .settings(LEARNED)
    .learns()
    .classes(&[Class::named("LoreftIntervention")]),
    Registered::new(
        ReftKind::NoReft.name(),
        "the same along any directions",
        NONE,
        |making, table, stored| reft(making, table, stored, ReftKind::NoReft),
    )
    .settings(LEARNED)
    .learns()
    .classes(&[Class::named("NoreftIntervention")]),
    Registered::new(
        ReftKind::DiReft.name(),
        "ReFT: what is learned of the values is added along orthonormal directions",
        NONE,
        |making, table, stored| reft(making, table, stored, ReftKind::DiReft),
    )
    .settings(LEARNED)
    .learns()
    .classes(&[Class::named("DireftIntervention")]),
    Registered::new(
        ReftKind::NodiReft.name(),
        "the same along any directions",
        NONE,
        |making, table, stored| reft(making, table, stored, ReftKind::NodiReft),
    )
    .settings(LEARNED)
    .learns()
    .classes(&[Class::named("NodireftIntervention")]),
    Registered::new(
        ReftKind::ConsReft.name(),
        "ReFT: along orthonormal directions the values become a learned constant",
        NONE,
        |making, table, stored| reft(making, table, stored, ReftKind::ConsReft),
    )
    .settings(CONSTANT)
    .learns()
    .classes(&[Class::named("ConsreftIntervention")]),
    Registered::new(
        ReftKind::LobiReft.name(),
        "ReFT: a learned constant is added along orthonormal directions",
        NONE,
        |making, table, stored| reft(making, table, stored, ReftKind::LobiReft),
    )
    .settings(CONSTANT)
    .learns()
    .classes(&[Class::named("LobireftIntervention")]),
];

const LEARNED: &[(&str, Option<&str>)] = &[RANK, ("activation", Some("\"linear\"")), SEED];
const CONSTANT: &[(&str, Option<&str>)] = &[RANK, SEED];

fn reft(
    making: &Making<'_>,
    table: &Table<'_>,
    mut stored: Option<&mut Stored<'_>>,
    kind: ReftKind,
) -> Made {
    let item = table.item();
    let made = if kind.is_constant() {
        let rank = rank(table, stored.is_some())?;
        let rotation = rotation(making, table, rank, stored.as_deref_mut(), kind.name())?;
        let constant = match stored {
            Some(stored) => stored.take(kind.name(), "learned_source")?,
            None => making.made(item, random_constant(rotation.rank(), seed(table)?))?,
        };
        Reft::constant(kind, rotation, &constant)
    } else {
        let (directions, source) = if kind.is_orthonormal() {
            rotated(making, table, stored, kind)?
        } else {
            projected(making, table, stored, kind)?
        };
        Reft::learned(kind, directions, source, activation(table)?)
    };
    Ok(shared(making.made(item, made)?))
}

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
    kind: ReftKind,
) -> Result<(Directions, Linear)> {
    let rank = rank(table, stored.is_some())?;
    let rotation = rotation(making, table, rank, stored.as_deref_mut(), kind.name())?;
    let source = match stored {
        Some(stored) => linear(making, table.item(), stored, kind, "learned_source")?,
        None => {
            let (width, rank) = (rotation.width(), rotation.rank());
            making.budget.parameters(table.item(), &[width, rank])?;
            making.made(table.item(), Linear::random(width, rank, true, seed(table)?))?
        }
    };
    Ok((Directions::Orthonormal(rotation), source))
}

/// Any directions and a learned source; a random projection has a bias where the formula uses it.
fn projected(
    making: &Making<'_>,
    table: &Table<'_>,
    stored: Option<&mut Stored<'_>>,
    kind: ReftKind,
) -> Result<(Directions, Linear)> {
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
            let projection =
                making.made(item, Linear::random(width, rank, kind.replaces(), !seed))?;
            let source = making.made(item, Linear::random(width, rank, true, seed))?;
            Ok((Directions::Any(projection), source))
        }
        Some(stored) => {
            refuse_seed(table)?;
            let projection = linear(making, item, stored, kind, "proj_layer")?;
            let width = making.width_or(item, "a projection", Some(projection.width()))?;
            let expected = [rank.of(width, projection.rank()), width];
            expect(item, "proj_layer.weight", projection.weight(), &expected)?;
            let source = linear(making, item, stored, kind, "learned_source")?;
            Ok((Directions::Any(projection), source))
        }
    }
}

fn linear(
    making: &Making<'_>,
    item: &Item<'_>,
    stored: &mut Stored<'_>,
    kind: ReftKind,
    layer: &str,
) -> Result<Linear> {
    let weight = stored.take(kind.name(), &format!("{layer}.weight"))?;
    let bias = stored.take_optional(&format!("{layer}.bias"));
    making.made(item, Linear::new(&weight, bias.as_ref()))
}
