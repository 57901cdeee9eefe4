//! Where a variable's value comes from.

use super::{CausalError, Value};

pub(super) type Function = Box<dyn Fn(&[&Value]) -> Option<Value> + Send + Sync>;
pub(super) type Generator = Box<dyn Fn(u64) -> Value + Send + Sync>;

/// Where a variable's value comes from.
pub(super) enum Rule {
    /// It is given.
    Input,
    /// It is given; a value can be made from a random number.
    Generated(Generator),
    /// It is computed from its parents, in their order.
    Computed(Function),
}

/// A function's value for its parents' values.
pub(super) fn call<'n>(
    variable: &str,
    function: &Function,
    parents: &[usize],
    names: impl Fn(usize) -> &'n str,
    values: &[&Value],
) -> Result<Value, CausalError> {
    function(values).ok_or_else(|| CausalError::NoValue {
        variable: variable.to_owned(),
        parents: where_parents(parents, names, values),
    })
}

/// `a = 1, b = 2`
pub(super) fn where_parents<'n>(
    parents: &[usize],
    names: impl Fn(usize) -> &'n str,
    values: &[&Value],
) -> String {
    let shown =
        parents.iter().zip(values).map(|(&parent, value)| format!("{} = {value}", names(parent)));
    shown.collect::<Vec<_>>().join(", ")
}
