//! The distinct values of a column that comes in chunks, numbered.

use std::collections::HashMap;

use crate::column::{ColumnBuilder, Values};
use crate::value::OwnedValue;
use crate::{Column, Kind, Value, Words};

/// Numbers the distinct values of a column from 0 on, in the order in which they first occur; a missing value is one too.
///
/// ```
/// use vene_table::{Column, Distinct};
///
/// let mut layers = Distinct::default();
/// assert_eq!(layers.number(&Column::from(vec![7_i64, 9, 7])), [0, 1, 0]);
/// assert_eq!(layers.number(&Column::from(vec![9_i64, 8])), [1, 2]);
/// ```
#[derive(Clone, Debug, Default)]
pub struct Distinct {
    numbers: HashMap<OwnedValue, u32>,
    values: Vec<OwnedValue>,
}

impl Distinct {
    /// The number of each row's value.
    pub fn number(&mut self, column: &Column) -> Vec<u32> {
        let Values::Text(values) = &column.values else {
            let mut last: Option<(Value<'_>, u32)> = None;
            let number = |value| match last {
                Some((known, number)) if known == value => number,
                _ => {
                    let number = self.number_of(value);
                    last = Some((value, number));
                    number
                }
            };
            return column.values().map(number).collect();
        };
        let words = Words::of(values);
        // Found once for each word, in the order in which rows have them.
        let mut of_words = vec![None; words.count() + 1];
        let number = |row| {
            let key = words.key(row);
            let known = of_words.get_mut(key.unwrap_or(words.count()));
            let found = || self.number_of(words.get(row).map_or(Value::Missing, Value::Text));
            match known {
                Some(known) => *known.get_or_insert_with(found),
                None => 0,
            }
        };
        (0..words.len()).map(number).collect()
    }

    /// The number of a value, which it gets where it has none yet.
    fn number_of(&mut self, value: Value<'_>) -> u32 {
        let value = OwnedValue::of(value);
        if let Some(&number) = self.numbers.get(&value) {
            return number;
        }
        let number = u32::try_from(self.values.len()).unwrap_or(u32::MAX);
        self.numbers.insert(value.clone(), number);
        self.values.push(value);
        number
    }

    /// How many distinct values there are.
    pub fn len(&self) -> usize {
        self.values.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    /// The value of a number; missing for a number that none has.
    pub fn value(&self, number: u32) -> Value<'_> {
        self.values.get(number as usize).map_or(Value::Missing, OwnedValue::value)
    }

    /// A column of the values of these numbers; those that are not of this kind are missing.
    pub fn column(&self, kind: Kind, numbers: impl IntoIterator<Item = u32>) -> Column {
        let mut column = ColumnBuilder::new(kind);
        let stand_in = match kind {
            Kind::Text => Value::Text(""),
            Kind::Integer => Value::Integer(0),
            Kind::Float => Value::Float(f64::NAN),
            _ => Value::Missing,
        };
        for number in numbers {
            let taken = column.push(self.value(number)).or_else(|| column.push(stand_in));
            debug_assert!(taken.is_some());
        }
        column.finish()
    }
}
