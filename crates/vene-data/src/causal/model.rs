//! A causal model, run: as it is, with variables fixed, and with variables taken from other runs.

use std::fmt;
use std::sync::Arc;

use super::domain::{Classes, Combinations, Domain};
use super::function::{Rule, call, where_parents};
use super::setting::Names;
use super::{Builder, CausalError, Setting, Value};

/// Variables, what each depends on, and how: an algorithm that a model may follow.
///
/// It is immutable, and can be shared between threads. [`CausalModel::builder`] makes one.
pub struct CausalModel {
    pub(super) names: Arc<Names>,
    /// In the order of the names.
    pub(super) variables: Vec<Variable>,
    pub(super) output: usize,
}

pub(super) struct Variable {
    /// `None` where it is not known: a generated input, or what is computed from too many values.
    pub domain: Option<Domain>,
    pub parents: Vec<usize>,
    pub rule: Rule,
    /// `None` for inputs, and where a parent's domain is not known or too large.
    pub classes: Option<Classes>,
}

impl CausalModel {
    /// Begins a model.
    pub fn builder() -> Builder {
        Builder::default()
    }

    /// All variables: inputs first, in the order in which they were declared, then the others, each
    /// behind its parents.
    pub fn variables(&self) -> &[String] {
        &self.names.list
    }

    /// The variables without parents.
    pub fn inputs(&self) -> &[String] {
        &self.names.list[..self.names.inputs]
    }

    /// The variable whose value is the label.
    pub fn output(&self) -> &str {
        &self.names.list[self.output]
    }

    /// The variables that are neither inputs nor the output: what a model may have inside.
    pub fn between(&self) -> impl Iterator<Item = &str> {
        self.indices_between().map(|index| self.names.list[index].as_str())
    }

    pub(super) fn indices_between(&self) -> impl Iterator<Item = usize> {
        (self.names.inputs..self.names.list.len()).filter(|&index| index != self.output)
    }

    /// What a variable is computed from, in the order in which its function takes it; empty for inputs.
    ///
    /// # Errors
    ///
    /// [`CausalError::Unknown`].
    pub fn parents(&self, variable: &str) -> Result<Vec<&str>, CausalError> {
        let parents = &self.variables[self.index(variable)?].parents;
        Ok(parents.iter().map(|&parent| self.names.list[parent].as_str()).collect())
    }

    /// The values that a variable can have: those declared, or those that its function gives for
    /// its parents' values. `None` for generated inputs, and where there are too many to try.
    ///
    /// # Errors
    ///
    /// [`CausalError::Unknown`].
    pub fn values(&self, variable: &str) -> Result<Option<&[Value]>, CausalError> {
        let domain = self.variables[self.index(variable)?].domain.as_ref();
        Ok(domain.map(|domain| domain.values.as_slice()))
    }

    /// Computes all variables from the inputs.
    ///
    /// # Errors
    ///
    /// A missing or unknown input, or one that is none; a value outside of its variable's domain. A
    /// function that gives none, or one outside, if it could not be tried when the model was built.
    pub fn run<N: AsRef<str>, V: Into<Value>>(
        &self,
        inputs: impl IntoIterator<Item = (N, V)>,
    ) -> Result<Setting, CausalError> {
        self.compute(self.given(inputs)?)
    }

    /// Computes all variables from the inputs while some are held at a value, whatever their
    /// function says. An input may be held too.
    ///
    /// ```
    /// # use vene::causal::examples::conjunction;
    /// let setting = conjunction().intervene([("a", false), ("b", false)], [("both", true)])?;
    /// assert!(setting["both"].is_true());
    /// # Ok::<(), vene::causal::CausalError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// As [`CausalModel::run`], for the variables that are held too.
    pub fn intervene<N: AsRef<str>, V: Into<Value>, M: AsRef<str>, W: Into<Value>>(
        &self,
        inputs: impl IntoIterator<Item = (N, V)>,
        held: impl IntoIterator<Item = (M, W)>,
    ) -> Result<Setting, CausalError> {
        let mut given = self.given(inputs)?;
        let mut seen = vec![false; given.len()];
        for (variable, value) in held {
            let index = self.index(variable.as_ref())?;
            if std::mem::replace(&mut seen[index], true) {
                return Err(CausalError::Twice { variable: variable.as_ref().to_owned() });
            }
            given[index] = Some(self.allowed(index, value.into())?);
        }
        self.compute(given)
    }

    /// Computes what the base would have been had variables had the values that they have in other
    /// runs (an *interchange intervention*: Geiger et al. 2021, "Causal abstractions of neural networks").
    ///
    /// Everything else is computed from the base's inputs, and from those variables. Each source gives
    /// the variables that are named with it, as they stand in its setting; that may itself be the result
    /// of an intervention. Of the base only the inputs count.
    ///
    /// ```
    /// # use vene::causal::examples::hierarchical_equality;
    /// let model = hierarchical_equality(4);
    /// let base = model.run([("w", 1), ("x", 1), ("y", 2), ("z", 2)])?;
    /// let source = model.run([("w", 1), ("x", 2), ("y", 3), ("z", 4)])?;
    /// assert!(base["output"].is_true() && source["output"].is_true());
    /// let counterfactual = model.interchange(&base, [(&source, ["left"])])?;
    /// assert!(!counterfactual["output"].is_true());
    /// # Ok::<(), vene::causal::CausalError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// Unknown variables, one that several sources give, a source that gives none, a setting of
    /// another model, and those of [`CausalModel::run`].
    pub fn interchange<'s, N: AsRef<str>>(
        &self,
        base: &Setting,
        sources: impl IntoIterator<Item = (&'s Setting, impl IntoIterator<Item = N>)>,
    ) -> Result<Setting, CausalError> {
        self.check_origin(base)?;
        let mut given = vec![None; self.variables.len()];
        for (index, (source, variables)) in sources.into_iter().enumerate() {
            self.check_origin(source)?;
            let mut any = false;
            for variable in variables {
                any = true;
                let at = self.index(variable.as_ref())?;
                if given[at].replace(source.at(at).clone()).is_some() {
                    return Err(CausalError::Twice { variable: variable.as_ref().to_owned() });
                }
            }
            if !any {
                return Err(CausalError::NothingExchanged { index });
            }
        }
        for (input, value) in given.iter_mut().enumerate().take(self.names.inputs) {
            value.get_or_insert_with(|| base.at(input).clone());
        }
        self.compute(given)
    }

    /// One setting for each combination of the inputs' values, the last input's changing fastest.
    ///
    /// # Errors
    ///
    /// [`CausalError::Endless`] for generated inputs; the runs have those of [`CausalModel::run`].
    pub fn settings(
        &self,
    ) -> Result<impl Iterator<Item = Result<Setting, CausalError>>, CausalError> {
        let inputs = &self.variables[..self.names.inputs];
        let domains = inputs.iter().zip(self.inputs()).map(|(variable, name)| {
            variable.domain.as_ref().ok_or_else(|| CausalError::Endless { variable: name.clone() })
        });
        let combinations = Combinations::new(domains.collect::<Result<_, _>>()?);
        Ok((0..combinations.count().unwrap_or(usize::MAX)).map(move |number| {
            let mut given = vec![None; self.variables.len()];
            for (place, value) in given.iter_mut().zip(combinations.get(number)) {
                *place = Some(value.clone());
            }
            self.compute(given)
        }))
    }

    pub(super) fn index(&self, variable: &str) -> Result<usize, CausalError> {
        self.names.index.get(variable).copied().ok_or_else(|| CausalError::Unknown {
            variable: variable.to_owned(),
            known: self.names.list.clone(),
        })
    }

    fn check_origin(&self, setting: &Setting) -> Result<(), CausalError> {
        if setting.is_of(&self.names) {
            return Ok(());
        }
        let theirs: Vec<&str> = setting.iter().map(|(name, _)| name).collect();
        Err(CausalError::OtherModel { theirs: theirs.join(", "), ours: self.names.list.join(", ") })
    }

    /// The inputs' values by index, nothing for other variables.
    fn given<N: AsRef<str>, V: Into<Value>>(
        &self,
        inputs: impl IntoIterator<Item = (N, V)>,
    ) -> Result<Vec<Option<Value>>, CausalError> {
        let mut given = vec![None; self.variables.len()];
        for (variable, value) in inputs {
            let variable = variable.as_ref();
            let index = self.index(variable)?;
            if index >= self.names.inputs {
                return Err(CausalError::NotAnInput { variable: variable.to_owned() });
            }
            if given[index].replace(self.allowed(index, value.into())?).is_some() {
                return Err(CausalError::Twice { variable: variable.to_owned() });
            }
        }
        Ok(given)
    }

    /// The value, if the variable can have it.
    pub(super) fn allowed(&self, index: usize, value: Value) -> Result<Value, CausalError> {
        match &self.variables[index].domain {
            Some(domain) if domain.position(&value).is_none() => Err(CausalError::Outside {
                variable: self.names.list[index].clone(),
                value,
                values: domain.values.clone(),
            }),
            _ => Ok(value),
        }
    }

    /// Fills in what is not given.
    pub(super) fn compute(&self, given: Vec<Option<Value>>) -> Result<Setting, CausalError> {
        let mut values: Vec<Value> = Vec::with_capacity(given.len());
        for (index, value) in given.into_iter().enumerate() {
            let value = match value {
                Some(value) => value,
                None => self.computed(index, &values)?,
            };
            values.push(value);
        }
        Ok(Setting::new(self.names.clone(), values))
    }

    fn computed(&self, index: usize, values: &[Value]) -> Result<Value, CausalError> {
        let variable = &self.variables[index];
        let Rule::Computed(function) = &variable.rule else {
            return Err(CausalError::MissingInput { variable: self.names.list[index].clone() });
        };
        let parents: Vec<&Value> = variable.parents.iter().map(|&parent| &values[parent]).collect();
        let names = |parent: usize| self.names.list[parent].as_str();
        let value = call(&self.names.list[index], function, &variable.parents, names, &parents)?;
        match &variable.domain {
            Some(domain) if domain.position(&value).is_none() => {
                Err(CausalError::ComputedOutside {
                    variable: self.names.list[index].clone(),
                    value,
                    parents: where_parents(&variable.parents, names, &parents),
                    values: domain.values.clone(),
                })
            }
            _ => Ok(value),
        }
    }
}

impl fmt::Debug for CausalModel {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut map = formatter.debug_map();
        for (name, variable) in self.names.list.iter().zip(&self.variables) {
            let parents: Vec<_> = variable.parents.iter().map(|&p| &self.names.list[p]).collect();
            map.entry(name, &parents);
        }
        map.finish()
    }
}
