//! The values that a variable can have, and which values of its parents give each of them.

use std::collections::HashMap;

use super::Value;

/// How many combinations of its parents' values a function is tried on when a model is built. A
/// variable that has more is checked in each run instead.
pub(super) const TABULATED: usize = 1 << 16;

/// Distinct values, in the order in which they were given.
#[derive(Debug)]
pub(super) struct Domain {
    pub values: Vec<Value>,
    index: HashMap<Value, usize>,
}

impl Domain {
    /// The domain, or a value that occurs twice.
    pub fn new(values: Vec<Value>) -> Result<Self, Value> {
        let mut index = HashMap::with_capacity(values.len());
        for (position, value) in values.iter().enumerate() {
            if index.insert(value.clone(), position).is_some() {
                return Err(value.clone());
            }
        }
        Ok(Self { values, index })
    }

    pub fn len(&self) -> usize {
        self.values.len()
    }

    pub fn position(&self, value: &Value) -> Option<usize> {
        self.index.get(value).copied()
    }
}

/// Combinations of values, one of each domain, numbered with the last domain's changing fastest.
pub(super) struct Combinations<'d>(Vec<&'d Domain>);

impl<'d> Combinations<'d> {
    pub fn new(domains: Vec<&'d Domain>) -> Self {
        Self(domains)
    }

    /// How many there are; `None` beyond what a number can count.
    pub fn count(&self) -> Option<usize> {
        self.0.iter().try_fold(1_usize, |product, domain| product.checked_mul(domain.len()))
    }

    /// The combination with this number.
    pub fn get(&self, mut number: usize) -> Vec<&'d Value> {
        let mut values = Vec::with_capacity(self.0.len());
        for domain in self.0.iter().rev() {
            values.push(&domain.values[number % domain.len()]);
            number /= domain.len();
        }
        values.reverse();
        values
    }
}

/// For each value of a computed variable the numbers of its parents' combinations that give it: the
/// *equivalence classes* of pyvene's causal models.
#[derive(Debug)]
pub(super) struct Classes(pub Vec<Vec<u32>>);

impl Classes {
    /// Positions, in the variable's domain, of values that some combination gives.
    pub fn given(&self) -> Vec<usize> {
        (0..self.0.len()).filter(|&value| !self.0[value].is_empty()).collect()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn domain(end: i32) -> Domain {
        Domain::new((0..end).map(Value::from).collect()).unwrap()
    }

    #[test]
    fn combinations_count_like_numbers() {
        let (two, three) = (domain(2), domain(3));
        let combinations = Combinations::new(vec![&two, &three]);
        assert_eq!(combinations.count(), Some(6));
        let shown = |number| -> Vec<i64> {
            combinations.get(number).iter().filter_map(|value| value.integer()).collect()
        };
        let all: Vec<_> = (0..6).map(shown).collect();
        assert_eq!(all, [[0, 0], [0, 1], [0, 2], [1, 0], [1, 1], [1, 2]]);
        let many = domain(1 << 10);
        assert_eq!(Combinations::new(vec![&many; 7]).count(), None);
    }

    #[test]
    fn a_domain_has_each_value_once() {
        let twice = Domain::new(vec![Value::from(1), Value::from("1"), Value::from(1)]);
        assert_eq!(twice.unwrap_err(), Value::from(1));
        assert_eq!(domain(3).position(&Value::from(2)), Some(2));
        assert_eq!(domain(3).position(&Value::from(3)), None);
    }
}
