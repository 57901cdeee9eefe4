//! Counterfactual data sets: bases, sources and what is exchanged between them, drawn at random.

use std::collections::BTreeMap;

use vene_random::Draws;

use super::sampler::{Filter, PATIENCE};
use super::{CausalError, CausalModel, CounterfactualRow, Exchange, Setting};

/// Draws rows of interchanges.
///
/// The same model, seed and settings give the same rows on every machine, and the first of many are
/// those of few. Rows may repeat.
///
/// ```
/// use vene::causal::{Counterfactuals, examples::hierarchical_equality};
///
/// let model = hierarchical_equality(20);
/// let rows = Counterfactuals::of(&model)
///     .exchange([["left"]])
///     .exchange([["right"]])
///     .exchange([["left"], ["right"]])
///     .balanced()
///     .changed(0.5)
///     .seed(7)
///     .rows(60)?;
/// assert_eq!(rows[2].sources.len(), 2);
/// assert_eq!(rows.iter().filter(|row| row.changes()).count(), 30);
/// # Ok::<(), vene::causal::CausalError>(())
/// ```
pub struct Counterfactuals<'m> {
    model: &'m CausalModel,
    seed: u64,
    exchanges: Vec<Vec<Vec<String>>>,
    balanced: bool,
    changed: Option<f64>,
    input_filters: Vec<Filter<'m>>,
    row_filters: Vec<RowFilter<'m>>,
}

type RowFilter<'m> = Box<dyn Fn(&CounterfactualRow) -> bool + 'm>;

impl<'m> Counterfactuals<'m> {
    /// Inputs uniform over their values, seed 0; what is exchanged is drawn for each row, unless
    /// [`Counterfactuals::exchange`] names it.
    pub fn of(model: &'m CausalModel) -> Self {
        Self {
            model,
            seed: 0,
            exchanges: Vec::new(),
            balanced: false,
            changed: None,
            input_filters: Vec::new(),
            row_filters: Vec::new(),
        }
    }

    /// Variables to exchange, a list for each source: `[["left", "right"]]` takes both from one source,
    /// `[["left"], ["right"]]` each from its own. Named several times, they take turns.
    ///
    /// Unless any is named, each variable between inputs and output is exchanged in half of the rows, by
    /// chance, and takes its value from a source of its own; rows without any are drawn again.
    #[must_use]
    pub fn exchange<N: Into<String>>(
        mut self,
        sources: impl IntoIterator<Item = impl IntoIterator<Item = N>>,
    ) -> Self {
        let sources = sources.into_iter();
        let sources = sources.map(|variables| variables.into_iter().map(Into::into).collect());
        self.exchanges.push(sources.collect());
        self
    }

    /// Instead of uniform inputs, bases in which each value of the output is as likely, and sources in
    /// which each value of an exchanged variable is (of several, one by chance): see [`super::Sampler`].
    #[must_use]
    pub fn balanced(mut self) -> Self {
        self.balanced = true;
        self
    }

    /// In this share of the rows of each exchange, from 0 to 1, the interchange changes the label; in
    /// the others it doesn't. Unless it is given, it falls out as it does.
    #[must_use]
    pub fn changed(mut self, share: f64) -> Self {
        self.changed = Some(share);
        self
    }

    /// Keeps bases and sources only for which this is true; of several filters, all must be.
    #[must_use]
    pub fn keep_inputs(mut self, filter: impl Fn(&Setting) -> bool + 'm) -> Self {
        self.input_filters.push(Box::new(filter));
        self
    }

    /// Keeps rows only for which this is true; of several filters, all must be.
    #[must_use]
    pub fn keep(mut self, filter: impl Fn(&CounterfactualRow) -> bool + 'm) -> Self {
        self.row_filters.push(Box::new(filter));
        self
    }

    /// Another seed gives other rows.
    #[must_use]
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    /// Draws so many rows.
    ///
    /// # Errors
    ///
    /// Unknown variables, one that several sources should give, a source that should give none; no
    /// variable to exchange; a share that is none; [`CausalError::NotFound`] if 10,000 draws gave no row;
    /// [`CausalError::Endless`] if a variable cannot be balanced; those of [`CausalModel::run`].
    pub fn rows(&self, count: usize) -> Result<Vec<CounterfactualRow>, CausalError> {
        if let Some(share) = self.changed.filter(|share| !(0.0..=1.0).contains(share)) {
            return Err(CausalError::Share { share });
        }
        let mut exchanges = Vec::with_capacity(self.exchanges.len());
        for exchange in &self.exchanges {
            exchanges.push(self.checked(exchange)?);
        }
        let between: Vec<usize> = self.model.indices_between().collect();
        if exchanges.is_empty() && between.is_empty() {
            return Err(CausalError::NothingBetween);
        }
        let mut earlier: BTreeMap<Vec<Vec<usize>>, usize> = BTreeMap::new();
        let mut rows = Vec::with_capacity(count);
        for row in 0..count {
            let mut draws = Draws::new([self.seed, row as u64]);
            let exchange = match exchanges.as_slice() {
                [] => any_of(&between, &mut draws),
                named => named[row % named.len()].clone(),
            };
            let before = earlier.entry(exchange.clone()).or_default();
            let changes = self.changed.map(|share| turn(share, *before));
            *before += 1;
            rows.push(self.row(&exchange, changes, &mut draws)?);
        }
        Ok(rows)
    }

    /// An exchange by index.
    fn checked(&self, exchange: &[Vec<String>]) -> Result<Vec<Vec<usize>>, CausalError> {
        let mut seen = Vec::new();
        let mut found = Vec::with_capacity(exchange.len());
        for (index, variables) in exchange.iter().enumerate() {
            if variables.is_empty() {
                return Err(CausalError::NothingExchanged { index });
            }
            let indices: Vec<usize> =
                variables.iter().map(|name| self.model.index(name)).collect::<Result<_, _>>()?;
            for (&at, name) in indices.iter().zip(variables) {
                if seen.contains(&at) {
                    return Err(CausalError::Twice { variable: name.clone() });
                }
                seen.push(at);
            }
            found.push(indices);
        }
        match found.is_empty() {
            true => Err(CausalError::NothingExchanged { index: 0 }),
            false => Ok(found),
        }
    }

    /// Draws until the label changes, or not, as is wanted, and the filters keep the row.
    fn row(
        &self,
        exchange: &[Vec<usize>],
        changes: Option<bool>,
        draws: &mut Draws,
    ) -> Result<CounterfactualRow, CausalError> {
        let model = self.model;
        let names = |variables: &[usize]| -> Vec<String> {
            variables.iter().map(|&variable| model.names.list[variable].clone()).collect()
        };
        for _ in 0..PATIENCE {
            let base = self.setting(&[model.output], draws)?;
            let mut sources = Vec::with_capacity(exchange.len());
            for variables in exchange {
                let source = self.setting(variables, draws)?;
                sources.push(Exchange { source, variables: names(variables) });
            }
            let row = model.counterfactual(base, sources)?;
            if changes.is_none_or(|changes| row.changes() == changes)
                && self.row_filters.iter().all(|filter| filter(&row))
            {
                return Ok(row);
            }
        }
        let shown: Vec<String> = exchange.iter().map(|list| names(list).join(" and ")).collect();
        let mut wanted = format!("interchange of {}", shown.join(", "));
        match changes {
            Some(true) => wanted += " that changes the label",
            Some(false) => wanted += " that leaves the label as it is",
            None => {}
        }
        Err(CausalError::NotFound { wanted, tries: PATIENCE })
    }

    /// Draws a setting; a balanced one, over one of the variables.
    fn setting(&self, variables: &[usize], draws: &mut Draws) -> Result<Setting, CausalError> {
        if !self.balanced {
            return self.model.draw(draws, None, &self.input_filters);
        }
        let variable = variables[draws.below(variables.len())];
        let values = self.model.balanced_values(variable)?;
        let value = values[draws.below(values.len())];
        self.model.draw(draws, Some((variable, value)), &self.input_filters)
    }
}

/// Each variable with probability one half, but not none.
fn any_of(variables: &[usize], draws: &mut Draws) -> Vec<Vec<usize>> {
    loop {
        let drawn = variables.iter().filter(|_| draws.below(2) == 1);
        let exchange: Vec<Vec<usize>> = drawn.map(|&variable| vec![variable]).collect();
        if !exchange.is_empty() {
            return exchange;
        }
    }
}

/// Whether the row behind so many others is of a share, spread as evenly as it goes.
fn turn(share: f64, before: usize) -> bool {
    // What should be a whole number may have been rounded below it.
    let due = |rows: usize| (rows as f64 * share + 1e-9).floor();
    due(before + 1) > due(before)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::super::examples::{conjunction, hierarchical_equality};
    use super::*;
    use std::collections::HashMap;

    #[test]
    fn the_rows_of_a_seed_are_those_of_always() {
        let model = hierarchical_equality(9);
        let rows = Counterfactuals::of(&model).balanced().changed(0.5).seed(1).rows(3).unwrap();
        let digits = |setting: &Setting| -> String {
            setting.inputs().map(|(_, value)| value.to_string()).collect()
        };
        let shown = |row: &CounterfactualRow| {
            let sources = row.sources.iter().map(|exchange| {
                format!("{} {}", exchange.variables.join("+"), digits(&exchange.source))
            });
            let sources = sources.collect::<Vec<_>>().join(", ");
            format!("{} | {sources} | {}", digits(&row.base), row.label)
        };
        // Worked out in Python from the definitions. Whoever changes these changes every data set that
        // was ever drawn.
        assert_eq!(
            rows.iter().map(shown).collect::<Vec<_>>(),
            [
                "8485 | left 1543, right 1191 | true",
                "4153 | right 6123 | true",
                "2822 | left 8231 | false"
            ]
        );
        let more = Counterfactuals::of(&model).balanced().changed(0.5).seed(1).rows(9).unwrap();
        assert_eq!(rows, more[..3]);
    }

    #[test]
    fn exchanges_take_turns_and_each_has_its_share_of_changes() {
        let model = hierarchical_equality(5);
        let rows = Counterfactuals::of(&model)
            .exchange([["left"]])
            .exchange([["left", "right"]])
            .changed(0.3)
            .rows(200)
            .unwrap();
        for (which, variables) in [vec!["left"], vec!["left", "right"]].into_iter().enumerate() {
            let rows: Vec<_> = rows.iter().skip(which).step_by(2).collect();
            assert!(rows.iter().all(|row| row.variables() == [variables.clone()]));
            assert_eq!(rows.iter().filter(|row| row.changes()).count(), 30);
        }
    }

    #[test]
    fn without_a_share_changes_fall_out_as_they_do() {
        let model = conjunction();
        let rows = Counterfactuals::of(&model).exchange([["a"]]).rows(4000).unwrap();
        // b is true in half of the rows, and a differs from the source's in half of them.
        let changed = rows.iter().filter(|row| row.changes()).count();
        assert!((900..1100).contains(&changed), "{changed}");
    }

    #[test]
    fn unless_named_variables_are_drawn_with_a_source_each() {
        let model = hierarchical_equality(5);
        let rows = Counterfactuals::of(&model).rows(3000).unwrap();
        let mut counts: HashMap<Vec<Vec<String>>, usize> = HashMap::new();
        for row in &rows {
            *counts.entry(row.variables()).or_default() += 1;
        }
        // left, right, both: 1000 each, standard deviation 26.
        assert_eq!(counts.len(), 3);
        assert!(counts.values().all(|count| (870..1130).contains(count)), "{counts:?}");
    }

    #[test]
    fn sources_are_balanced_over_what_they_give() {
        let model = hierarchical_equality(50);
        let made = Counterfactuals::of(&model).exchange([["left"]]).balanced();
        let rows = made.rows(1000).unwrap();
        let equal = rows.iter().filter(|row| row.sources[0].source["left"].is_true()).count();
        assert!((430..570).contains(&equal), "{equal}");
        let same = rows.iter().filter(|row| row.base_label.is_true()).count();
        assert!((430..570).contains(&same), "{same}");
    }

    #[test]
    fn filters_keep_inputs_and_rows() {
        let model = hierarchical_equality(4);
        let rows = Counterfactuals::of(&model)
            .exchange([["left"]])
            .keep_inputs(|setting| setting["y"] != setting["w"])
            .keep(|row| row.base != row.sources[0].source)
            .rows(100)
            .unwrap();
        for row in rows {
            assert_ne!(row.base, row.sources[0].source);
            assert!([&row.base, &row.sources[0].source].iter().all(|s| s["y"] != s["w"]));
        }
    }

    #[test]
    fn what_cannot_be_is_told() {
        let model = conjunction();
        let error = |made: Counterfactuals<'_>| made.rows(1).unwrap_err().to_string();
        let of = || Counterfactuals::of(&model);
        assert_eq!(
            error(of()),
            "no variable lies between the inputs and the output: name those to exchange with \
             `exchange`"
        );
        assert_eq!(error(of().exchange([["c"]])), "there is no variable `c`; there are a, b, both");
        assert_eq!(
            error(of().exchange([["a"], ["a"]])),
            "variable `a` is given twice: give it once"
        );
        let nothing = of().exchange([vec!["a"], vec![]]);
        assert_eq!(
            error(nothing),
            "source 1 of an interchange has no variables: name those that are exchanged"
        );
        assert_eq!(
            error(of().exchange([["a"]]).changed(50.0)),
            "a share of 50 of the rows: expected a number from 0 to 1, such as 0.5"
        );
        let never = of().exchange([["a"], ["b"]]).keep_inputs(|setting| setting["a"].is_true());
        let never = never.keep_inputs(|setting| setting["b"].is_true()).changed(1.0);
        assert_eq!(
            error(never),
            "10000 draws gave no interchange of a, b that changes the label: is there any? Filters \
             may leave nothing over"
        );
    }

    #[test]
    fn shares_are_spread_evenly() {
        let turns = |share, rows| (0..rows).filter(|&row| turn(share, row)).count();
        for (share, rows, expected) in
            [(0.29, 100, 29), (0.7, 10, 7), (0.1, 30, 3), (0.0, 50, 0), (1.0, 50, 50)]
        {
            assert_eq!(turns(share, rows), expected, "{share} of {rows}");
        }
        assert_eq!([0, 1, 2, 3].map(|row| turn(0.5, row)), [false, true, false, true]);
    }
}
