//! Unit locations, from pyvene's nested lists to positions and heads.

use vene_engine::plan::{Heads, Positions};

use super::call::Nested;

/// What pyvene's `unit` counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unit {
    /// Positions.
    Position,
    /// Heads, at every position.
    Head,
    /// Heads at positions.
    HeadPosition,
}

/// What one run shows, or is written in.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Located {
    pub positions: Positions,
    pub heads: Option<Heads>,
}

impl Located {
    /// The whole component.
    fn whole() -> Self {
        Self { positions: Positions::All, heads: None }
    }

    /// How many heads, where that is the same in all examples.
    pub fn heads(&self) -> Option<usize> {
        match self.heads.as_ref()? {
            Heads::Same(heads) => Some(heads.len()),
            Heads::Each(lists) => {
                let mut lengths = lists.iter().map(Vec::len).filter(|&length| length > 0);
                let first = lengths.next()?;
                lengths.all(|length| length == first).then_some(first)
            }
        }
    }
}

/// A list for all examples, or for each its own.
enum Lists {
    Same(Vec<i64>),
    Each(Vec<Vec<i64>>),
}

/// The locations of the intervention with this index, out of one side's; `None` where that side has none.
pub(super) fn located(side: &Nested, index: usize, unit: Unit) -> Result<Option<Located>, String> {
    let short = match side {
        Nested::None => return Ok(None),
        Nested::Number(number) => Some(vec![*number]),
        // Also an empty list, which names nothing.
        Nested::List(_) => side.numbers(),
    };
    if let Some(numbers) = short {
        // For all interventions and examples.
        return match unit {
            Unit::HeadPosition => {
                Err(format!("{numbers:?} names no heads; give [heads, positions]"))
            }
            _ => placed(Lists::Same(numbers), unit).map(Some),
        };
    }
    let own = if let Nested::List(items) = side { items.get(index) } else { None };
    let own = own.ok_or_else(|| format!("there are none for intervention {index}"))?;
    if *own == Nested::None {
        return Ok(Some(Located::whole()));
    }
    match (unit, own) {
        (Unit::HeadPosition, Nested::List(pair)) if pair.len() == 2 => {
            let (heads, positions) = (lists(&pair[0])?, lists(&pair[1])?);
            let Located { positions, .. } = placed(positions, Unit::Position)?;
            let Located { heads, .. } = placed(heads, Unit::Head)?;
            Ok(Some(Located { positions, heads }))
        }
        (Unit::HeadPosition, _) => {
            Err("expected [heads, positions], each [examples][units]".to_owned())
        }
        _ => placed(lists(own)?, unit).map(Some),
    }
}

/// `[examples][units]`; an example's `None` is an empty list.
fn lists(own: &Nested) -> Result<Lists, String> {
    let wrong = || "expected a list of numbers for each example".to_owned();
    let Nested::List(examples) = own else { return Err(wrong()) };
    let list = |example: &Nested| match example {
        Nested::None => Ok(Vec::new()),
        other => other.numbers().ok_or_else(wrong),
    };
    Ok(Lists::Each(examples.iter().map(list).collect::<Result<_, _>>()?))
}

fn placed(lists: Lists, unit: Unit) -> Result<Located, String> {
    if unit != Unit::Head {
        let positions = match lists {
            Lists::Same(positions) => Positions::At(positions),
            Lists::Each(lists) => Positions::Each(lists),
        };
        return Ok(Located { positions, heads: None });
    }
    let heads = |numbers: Vec<i64>| {
        let head =
            |number: i64| usize::try_from(number).map_err(|_| format!("{number} is no head"));
        numbers.into_iter().map(head).collect::<Result<Vec<usize>, _>>()
    };
    let heads = match lists {
        Lists::Same(numbers) => Heads::Same(heads(numbers)?),
        Lists::Each(lists) => Heads::Each(lists.into_iter().map(heads).collect::<Result<_, _>>()?),
    };
    Ok(Located { positions: Positions::All, heads: Some(heads) })
}
