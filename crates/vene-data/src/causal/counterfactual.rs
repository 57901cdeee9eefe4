//! One row of a counterfactual data set: a base, what is exchanged, and what that should lead to.

use serde::Serialize;

use super::{CausalError, CausalModel, Setting, Value};
use crate::Row;

/// An interchange in a causal model, and the labels before and after it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct CounterfactualRow {
    /// The run of the causal model that is intervened on.
    pub base: Setting,
    /// Where the exchanged variables' values come from.
    pub sources: Vec<Exchange>,
    /// All variables after the interchange.
    pub counterfactual: Setting,
    /// The output in the base.
    pub base_label: Value,
    /// The output after the interchange: what a model that is aligned with the causal model says when
    /// its activations are exchanged likewise.
    pub label: Value,
}

/// A source and the variables that take their values from it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Exchange {
    /// A run of the causal model.
    pub source: Setting,
    /// The variables.
    pub variables: Vec<String>,
}

impl CausalModel {
    /// The row of an interchange.
    ///
    /// # Errors
    ///
    /// Those of [`CausalModel::interchange`].
    pub fn counterfactual(
        &self,
        base: Setting,
        sources: Vec<Exchange>,
    ) -> Result<CounterfactualRow, CausalError> {
        let exchanges = sources.iter().map(|exchange| (&exchange.source, &exchange.variables));
        let counterfactual = self.interchange(&base, exchanges)?;
        let (base_label, label) = (base.at(self.output), counterfactual.at(self.output));
        let (base_label, label) = (base_label.clone(), label.clone());
        Ok(CounterfactualRow { base, sources, counterfactual, base_label, label })
    }
}

impl CounterfactualRow {
    /// Whether the interchange changes the label. Where it doesn't, a model to which nothing is done
    /// is right too.
    pub fn changes(&self) -> bool {
        self.label != self.base_label
    }

    /// The exchanged variables, a list for each source.
    pub fn variables(&self) -> Vec<Vec<String>> {
        self.sources.iter().map(|exchange| exchange.variables.clone()).collect()
    }

    /// The row in texts: base and source as `prompt` writes them; as target the base's label, as foil
    /// the counterfactual one, as `answer` writes them.
    ///
    /// So a metric that compares target with foil tells how far an interchange moves the model to what
    /// the causal model says. Where the label doesn't change the row has no foil. The foil need not be
    /// the source's own label; where it isn't, a check of how well the model answers sources means
    /// nothing.
    ///
    /// ```
    /// # use vene::causal::{Exchange, examples::conjunction};
    /// let model = conjunction();
    /// let base = model.run([("a", true), ("b", true)])?;
    /// let source = model.run([("a", false), ("b", true)])?;
    /// let exchange = Exchange { source, variables: vec!["a".to_owned()] };
    /// let row = model.counterfactual(base, vec![exchange])?;
    /// let row = row
    ///     .to_row(
    ///         |setting| format!("{} and {} is", setting["a"], setting["b"]),
    ///         |label| format!(" {label}"),
    ///     )?
    ///     .group("and");
    /// assert_eq!(row.base, "true and true is");
    /// assert_eq!(row.source.as_deref(), Some("false and true is"));
    /// assert_eq!((row.target, row.foil), (vec![" true".to_owned()], vec![" false".to_owned()]));
    /// # Ok::<(), vene::causal::CausalError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`CausalError::Sources`] unless there is one source.
    pub fn to_row(
        &self,
        prompt: impl Fn(&Setting) -> String,
        answer: impl Fn(&Value) -> String,
    ) -> Result<Row, CausalError> {
        let [exchange] = self.sources.as_slice() else {
            return Err(CausalError::Sources { sources: self.sources.len() });
        };
        let row = Row::new(prompt(&self.base), prompt(&exchange.source));
        let row = row.target(answer(&self.base_label));
        Ok(if self.changes() { row.foil(answer(&self.label)) } else { row })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::super::examples::conjunction;
    use super::*;

    fn row(sources: &[(bool, bool, &str)]) -> CounterfactualRow {
        let model = conjunction();
        let run = |a, b| model.run([("a", a), ("b", b)]).unwrap();
        let exchange = |&(a, b, variable): &(bool, bool, &str)| Exchange {
            source: run(a, b),
            variables: vec![variable.to_owned()],
        };
        model.counterfactual(run(true, true), sources.iter().map(exchange).collect()).unwrap()
    }

    #[test]
    fn a_label_that_stays_is_no_foil() {
        let unchanged = row(&[(true, false, "a")]);
        assert!(!unchanged.changes());
        let told = unchanged.to_row(ToString::to_string, ToString::to_string).unwrap();
        assert_eq!((told.target, told.foil), (vec!["true".to_owned()], vec![]));
    }

    #[test]
    fn rows_of_several_sources_are_no_rows_of_texts() {
        let several = row(&[(true, false, "a"), (true, false, "b")]);
        assert!(several.changes());
        assert_eq!(several.variables(), [["a"], ["b"]]);
        let error = several.to_row(ToString::to_string, ToString::to_string).unwrap_err();
        assert_eq!(error, CausalError::Sources { sources: 2 });
    }

    #[test]
    fn a_row_is_written_as_json() {
        let json = serde_json::to_string(&row(&[(false, true, "a")])).unwrap();
        let expected = concat!(
            r#"{"base":{"a":true,"b":true,"both":true},"#,
            r#""sources":[{"source":{"a":false,"b":true,"both":false},"variables":["a"]}],"#,
            r#""counterfactual":{"a":false,"b":true,"both":false},"base_label":true,"label":false}"#
        );
        assert_eq!(json, expected);
    }
}
