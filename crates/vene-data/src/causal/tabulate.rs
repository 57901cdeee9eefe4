//! Functions, tried on all that their parents can be, so that mistakes are found before any run.

use super::domain::{Classes, Combinations, Domain, TABULATED};
use super::function::{Function, Rule, call, where_parents};
use super::model::Variable;
use super::setting::Names;
use super::{CausalError, Value};

/// Tries a function on all that its parents can be, and keeps what gives what.
pub(super) fn tabulated(
    at: usize,
    mut variable: Variable,
    before: &[Variable],
    names: &Names,
) -> Result<Variable, CausalError> {
    let Rule::Computed(function) = &variable.rule else { return Ok(variable) };
    let domains: Option<Vec<&Domain>> =
        variable.parents.iter().map(|&parent| before[parent].domain.as_ref()).collect();
    let Some(combinations) = domains.map(Combinations::new) else { return Ok(variable) };
    if combinations.count().is_none_or(|count| count > TABULATED) {
        return Ok(variable);
    }
    let values = values_of(&names.list[at], function, &variable.parents, &combinations, names)?;
    if variable.domain.is_none() {
        let mut distinct = values.clone();
        distinct.sort_unstable();
        distinct.dedup();
        // Distinct, so that it is a domain.
        variable.domain = Domain::new(distinct).ok();
    }
    let Some(domain) = &variable.domain else { return Ok(variable) };
    // A combination of which some parent's value is never given cannot come about from inputs.
    let comes_about = |number: usize| {
        variable.parents.iter().zip(combinations.get(number)).all(|(&parent, value)| {
            let Variable { classes: Some(classes), domain: Some(domain), .. } = &before[parent]
            else {
                return true;
            };
            domain.position(value).is_some_and(|position| !classes.0[position].is_empty())
        })
    };
    let mut classes = vec![Vec::new(); domain.len()];
    for (number, value) in values.iter().enumerate() {
        let Some(position) = domain.position(value) else {
            let name = |parent: usize| names.list[parent].as_str();
            return Err(CausalError::ComputedOutside {
                variable: names.list[at].clone(),
                value: value.clone(),
                parents: where_parents(&variable.parents, name, &combinations.get(number)),
                values: domain.values.clone(),
            });
        };
        if comes_about(number) {
            classes[position].push(number as u32);
        }
    }
    variable.classes = Some(Classes(classes));
    Ok(variable)
}

/// `[combination]`: the function's value.
fn values_of(
    variable: &str,
    function: &Function,
    parents: &[usize],
    combinations: &Combinations<'_>,
    names: &Names,
) -> Result<Vec<Value>, CausalError> {
    let name = |parent: usize| names.list[parent].as_str();
    (0..combinations.count().unwrap_or(0))
        .map(|number| call(variable, function, parents, name, &combinations.get(number)))
        .collect()
}
