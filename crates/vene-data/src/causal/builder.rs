//! From declarations to a causal model, all of them checked before anything is run.

use std::sync::Arc;

use super::domain::Domain;
use super::function::Rule;
use super::model::Variable;
use super::order::{indexed, order};
use super::setting::Names;
use super::tabulate::tabulated;
use super::{CausalError, CausalModel, IntoValue, Value};

/// Declares the variables of a causal model, in any order.
///
/// ```
/// use vene::causal::CausalModel;
///
/// // Is an amount within two bounds (price tagging, Wu et al. 2023, "Interpretability at scale")?
/// let model = CausalModel::builder()
///     .input("lower", 0..10)
///     .input("upper", 0..10)
///     .input("amount", 0..10)
///     .computed("not_below", ["lower", "amount"], |[lower, amount]| lower <= amount)
///     .computed("not_above", ["amount", "upper"], |[amount, upper]| amount <= upper)
///     .computed("within", ["not_below", "not_above"], |[low, high]| low.is_true() && high.is_true())
///     .build()?;
/// assert_eq!(model.output(), "within");
/// assert!(model.run([("lower", 2), ("upper", 5), ("amount", 4)])?["within"].is_true());
/// # Ok::<(), vene::causal::CausalError>(())
/// ```
#[derive(Default)]
pub struct Builder {
    declared: Vec<Declared>,
    domains: Vec<(String, Vec<Value>)>,
    output: Option<String>,
}

pub(super) struct Declared {
    pub name: String,
    pub parents: Vec<String>,
    pub rule: Rule,
}

impl Builder {
    /// A variable that is given, with the values that it can have.
    #[must_use]
    pub fn input<V: Into<Value>>(
        mut self,
        name: impl Into<String>,
        values: impl IntoIterator<Item = V>,
    ) -> Self {
        let name = name.into();
        self.domains.push((name.clone(), values.into_iter().map(Into::into).collect()));
        self.declare(name, Vec::new(), Rule::Input)
    }

    /// A variable that is given, with values too many to list: it can have any, and one is made from a
    /// random number where inputs are drawn.
    ///
    /// ```
    /// # use vene::causal::{CausalModel, Sampler};
    /// let model = CausalModel::builder()
    ///     .generated_input("a", |random| (random % 1_000_000) as i64)
    ///     .generated_input("b", |random| (random % 1_000_000) as i64)
    ///     .computed("sum", ["a", "b"], |[a, b]| a.integer()?.checked_add(b.integer()?))
    ///     .build()?;
    /// let settings = Sampler::of(&model).seed(1).settings(100)?;
    /// assert_eq!(settings.len(), 100);
    /// # Ok::<(), vene::causal::CausalError>(())
    /// ```
    #[must_use]
    pub fn generated_input<V: Into<Value>>(
        self,
        name: impl Into<String>,
        value: impl Fn(u64) -> V + Send + Sync + 'static,
    ) -> Self {
        let generator = Box::new(move |random| value(random).into());
        self.declare(name.into(), Vec::new(), Rule::Generated(generator))
    }

    /// A variable that is computed from others. Its function takes their values in the order of
    /// `parents`; what it returns becomes a value, and `None` says that there is none.
    #[must_use]
    pub fn computed<const N: usize, V: IntoValue>(
        self,
        name: impl Into<String>,
        parents: [&str; N],
        function: impl Fn([&Value; N]) -> V + Send + Sync + 'static,
    ) -> Self {
        // It is only ever called with as many values as it has parents.
        let function = move |values: &[&Value]| function(values.try_into().ok()?).into_value();
        let parents = parents.iter().map(|parent| (*parent).to_owned()).collect();
        self.declare(name.into(), parents, Rule::Computed(Box::new(function)))
    }

    /// [`Builder::computed`] where the number of parents is known only when the program runs.
    #[must_use]
    pub fn computed_from<V: IntoValue>(
        self,
        name: impl Into<String>,
        parents: impl IntoIterator<Item = impl Into<String>>,
        function: impl Fn(&[&Value]) -> V + Send + Sync + 'static,
    ) -> Self {
        let function = move |values: &[&Value]| function(values).into_value();
        let parents = parents.into_iter().map(Into::into).collect();
        self.declare(name.into(), parents, Rule::Computed(Box::new(function)))
    }

    /// The values that a computed variable can have. Unless it is given, they are those that its
    /// function gives for its parents' values.
    #[must_use]
    pub fn values<V: Into<Value>>(
        mut self,
        name: impl Into<String>,
        values: impl IntoIterator<Item = V>,
    ) -> Self {
        self.domains.push((name.into(), values.into_iter().map(Into::into).collect()));
        self
    }

    /// The variable whose value is the label. It need not be named where only one computed variable
    /// is nobody's parent.
    #[must_use]
    pub fn output(mut self, name: impl Into<String>) -> Self {
        self.output = Some(name.into());
        self
    }

    fn declare(mut self, name: String, parents: Vec<String>, rule: Rule) -> Self {
        self.declared.push(Declared { name, parents, rule });
        self
    }

    /// Checks it all.
    ///
    /// Functions are tried on all combinations of their parents' values, up to 65,536 of them; those
    /// that have more are checked in each run.
    ///
    /// # Errors
    ///
    /// Names given twice, unknown parents or none, variables that depend on themselves; domains that are empty
    /// or hold a value twice; functions that give no value, or one outside of the domain; no output, or
    /// several that it could be.
    pub fn build(self) -> Result<CausalModel, CausalError> {
        let Self { declared, domains, output } = self;
        let parents = indexed(&declared)?;
        let order = order(&declared, &parents)?;
        let mut position = vec![0; order.len()];
        for (at, &variable) in order.iter().enumerate() {
            position[variable] = at;
        }
        let list: Vec<String> = order.iter().map(|&at| declared[at].name.clone()).collect();
        let index = list.iter().cloned().zip(0..).collect();
        let inputs = parents.iter().filter(|parents| parents.is_empty()).count();
        let names = Names { list, inputs, index };

        let mut domains = declared_domains(domains, &names)?;
        let mut rules: Vec<_> = declared.into_iter().map(|one| Some(one.rule)).collect();
        let mut variables: Vec<Variable> = Vec::with_capacity(order.len());
        for (at, &variable) in order.iter().enumerate() {
            // Each is taken once.
            let Some(rule) = rules[variable].take() else { continue };
            let parents = parents[variable].iter().map(|&parent| position[parent]).collect();
            let domain = domains[at].take();
            let variable = Variable { domain, parents, rule, classes: None };
            variables.push(tabulated(at, variable, &variables, &names)?);
        }
        let output = output_of(output, &variables, &names)?;
        Ok(CausalModel { names: Arc::new(names), variables, output })
    }
}

/// `[variable]`: the domains that were declared.
fn declared_domains(
    domains: Vec<(String, Vec<Value>)>,
    names: &Names,
) -> Result<Vec<Option<Domain>>, CausalError> {
    let mut of: Vec<Option<Domain>> = names.list.iter().map(|_| None).collect();
    for (variable, values) in domains {
        let Some(&at) = names.index.get(&variable) else {
            return Err(CausalError::Unknown { variable, known: names.list.clone() });
        };
        if values.is_empty() {
            return Err(CausalError::NoValues { variable });
        }
        let domain = Domain::new(values)
            .map_err(|value| CausalError::ValueTwice { variable: variable.clone(), value })?;
        if of[at].replace(domain).is_some() {
            return Err(CausalError::Twice { variable });
        }
    }
    Ok(of)
}

fn output_of(
    named: Option<String>,
    variables: &[Variable],
    names: &Names,
) -> Result<usize, CausalError> {
    if let Some(variable) = named {
        return match names.index.get(&variable) {
            Some(&at) if at >= names.inputs => Ok(at),
            Some(_) => Err(CausalError::OutputIsInput { variable }),
            None => Err(CausalError::Unknown { variable, known: names.list.clone() }),
        };
    }
    let is_parent = |at: &usize| variables.iter().any(|other| other.parents.contains(at));
    let last: Vec<usize> = (names.inputs..variables.len()).filter(|at| !is_parent(at)).collect();
    match last.as_slice() {
        [only] => Ok(*only),
        several => {
            let candidates = several.iter().map(|&at| names.list[at].clone()).collect();
            Err(CausalError::NoOutput { candidates })
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn two() -> Builder {
        CausalModel::builder().input("a", [1, 2]).input("b", [1, 2])
    }

    fn error(builder: Builder) -> String {
        builder.build().unwrap_err().to_string()
    }

    #[test]
    fn variables_are_ordered_behind_their_parents() {
        let model = CausalModel::builder()
            .computed("last", ["middle", "b"], |[middle, b]| middle == b)
            .input("b", [1, 2])
            .computed("middle", ["a"], |[a]| a.clone())
            .input("a", [1, 2])
            .build()
            .unwrap();
        assert_eq!(model.variables(), ["b", "a", "middle", "last"]);
        assert_eq!((model.inputs(), model.output()), (&model.variables()[..2], "last"));
        assert_eq!(model.between().collect::<Vec<_>>(), ["middle"]);
        assert_eq!(model.parents("last").unwrap(), ["middle", "b"]);
        assert_eq!(
            format!("{model:?}"),
            r#"{"b": [], "a": [], "middle": ["a"], "last": ["middle", "b"]}"#
        );
    }

    #[test]
    fn names_are_checked() {
        assert_eq!(error(two().input("a", [3])), "variable `a` is given twice: give it once");
        assert_eq!(
            error(two().computed("sum", ["a", "c"], |[a, c]| a == c)),
            "variable `sum` has the parent `c`, which was not declared; there are a, b, sum"
        );
        assert_eq!(
            error(two().computed("same", ["a", "a"], |[one, other]| one == other)),
            "variable `same` has the parent `a` twice: name it once"
        );
        assert_eq!(
            error(two().computed("one", [], |[]| 1)),
            "variable `one` is computed from nothing: give it parents, or make it an input"
        );
        assert_eq!(error(two().values("c", [1])), "there is no variable `c`; there are a, b");
    }

    #[test]
    fn a_cycle_is_told_from_parent_to_child() {
        let same = |[one, _]: [&Value; 2]| one.clone();
        let builder = two().computed("p", ["a", "r"], same);
        let builder = builder.computed("q", ["p", "b"], same).computed("r", ["b", "q"], same);
        let below = builder.computed("s", ["r", "a"], same);
        assert_eq!(error(below), "variables depend on themselves: p -> q -> r -> p");
        let itself = two().computed("p", ["p", "a"], same);
        assert_eq!(error(itself), "variables depend on themselves: p -> p");
    }

    #[test]
    fn an_output_is_needed() {
        assert_eq!(
            error(two()),
            "no variable is computed, so that there is no output: name one with `output`"
        );
        let both = || two().computed("p", ["a"], |[a]| a.clone()).computed("q", ["b"], |_| 1);
        assert_eq!(
            error(both()),
            "nothing is computed from p, q, so that each could be the output: name one with `output`"
        );
        assert_eq!(both().output("p").build().unwrap().output(), "p");
        assert_eq!(
            error(both().output("a")),
            "the output `a` is an input: name a computed variable"
        );
        assert_eq!(error(both().output("r")), "there is no variable `r`; there are a, b, p, q");
    }

    #[test]
    fn domains_are_checked() {
        assert_eq!(
            error(two().input("c", [0; 0])),
            "variable `c` has no values: give it at least one"
        );
        assert_eq!(
            error(two().input("c", [3, 4, 3])),
            "variable `c` has the value 3 twice: give it once"
        );
        let sum = |[a, b]: [&Value; 2]| Some(a.integer()? + b.integer()?);
        assert_eq!(
            error(two().computed("sum", ["a", "b"], sum).values("sum", [2, 3])),
            "the function of variable `sum` gives 4 where a = 2, b = 2; its values are 2, 3"
        );
        assert_eq!(error(two().values("a", [1])), "variable `a` is given twice: give it once");
        assert_eq!(
            error(two().input("t", ["x"]).computed("sum", ["a", "t"], sum)),
            "the function of variable `sum` gives no value where a = 1, t = x: an intervention may \
             set parents to any of their values, so that it needs one for each combination"
        );
    }

    #[test]
    fn values_are_found_by_trying() {
        let sum =
            |values: &[&Value]| values.iter().map(|value| value.integer()).sum::<Option<i64>>();
        let model = two().computed_from("sum", ["a", "b"], sum).build().unwrap();
        assert_eq!(model.values("sum").unwrap().unwrap(), [2, 3, 4].map(Value::from));
        let many = CausalModel::builder()
            .input("a", 0..300)
            .input("b", 0..300)
            .computed_from("sum", ["a", "b"], sum)
            .build()
            .unwrap();
        assert_eq!(many.values("sum").unwrap(), None);
    }
}
