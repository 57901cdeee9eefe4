//! Which variable is computed behind which.

use std::collections::HashMap;

use super::CausalError;
use super::builder::Declared;
use super::function::Rule;

/// Each variable's parents by their place in the declarations.
pub(super) fn indexed(declared: &[Declared]) -> Result<Vec<Vec<usize>>, CausalError> {
    let mut index = HashMap::new();
    for (at, one) in declared.iter().enumerate() {
        if index.insert(one.name.as_str(), at).is_some() {
            return Err(CausalError::Twice { variable: one.name.clone() });
        }
    }
    let known = || declared.iter().map(|one| one.name.clone()).collect();
    let of = |one: &Declared| {
        if matches!(one.rule, Rule::Computed(_)) && one.parents.is_empty() {
            return Err(CausalError::NoParents { variable: one.name.clone() });
        }
        for (at, parent) in one.parents.iter().enumerate() {
            if one.parents[..at].contains(parent) {
                let variable = one.name.clone();
                return Err(CausalError::ParentTwice { variable, parent: parent.clone() });
            }
        }
        let found = one.parents.iter().map(|parent| {
            index.get(parent.as_str()).copied().ok_or_else(|| CausalError::UnknownParent {
                variable: one.name.clone(),
                parent: parent.clone(),
                known: known(),
            })
        });
        found.collect()
    };
    declared.iter().map(of).collect()
}

/// The variables, inputs first and each behind its parents, else as declared.
pub(super) fn order(
    declared: &[Declared],
    parents: &[Vec<usize>],
) -> Result<Vec<usize>, CausalError> {
    let (mut order, mut left): (Vec<usize>, Vec<usize>) =
        (0..declared.len()).partition(|&variable| parents[variable].is_empty());
    let mut placed: Vec<bool> = parents.iter().map(Vec::is_empty).collect();
    while !left.is_empty() {
        let ready = |variable: &usize| parents[*variable].iter().all(|&parent| placed[parent]);
        let Some(next) = left.iter().position(ready) else {
            return Err(cycle(declared, parents, &placed, left[0]));
        };
        let next = left.remove(next);
        placed[next] = true;
        order.push(next);
    }
    Ok(order)
}

/// Each variable that could not be placed has a parent that could not: going up ends in a circle.
fn cycle(
    declared: &[Declared],
    parents: &[Vec<usize>],
    placed: &[bool],
    start: usize,
) -> CausalError {
    let mut path = vec![start];
    loop {
        let last = path[path.len() - 1];
        let up = parents[last].iter().copied().find(|&parent| !placed[parent]).unwrap_or(last);
        if let Some(from) = path.iter().position(|&seen| seen == up) {
            // Walked from child to parent; told from parent to child.
            let circle = path[from..=from].iter().chain(path[from + 1..].iter().rev());
            let names = circle.map(|&at| declared[at].name.clone());
            return CausalError::Cycle { variables: names.collect() };
        }
        path.push(up);
    }
}
