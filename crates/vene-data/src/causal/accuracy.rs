//! Interchange-intervention accuracy: how often a model says, with activations exchanged, what the
//! causal model says with its variables exchanged (Geiger et al. 2021, "Causal abstractions of neural
//! networks", section 3).
//!
//! An alignment maps variables of the causal model to sites of the network. Its accuracy is a share, over
//! bases and sources, so that it depends on how those were drawn: where most labels don't change, a model
//! to which nothing is done has a high one. So the rows whose label changes are also counted by themselves.

use vene_statistics::{Bootstrap, Clusters, Estimate, Interval, means};

use super::{CausalError, CounterfactualRow, Value};

/// The accuracy of one set of exchanged variables.
#[derive(Clone, Debug, PartialEq)]
pub struct InterchangeAccuracy {
    /// The variables, a list for each source.
    pub variables: Vec<Vec<String>>,
    /// Over all of its rows.
    pub all: Proportion,
    /// Over those whose label the interchange changes.
    pub changed: Proportion,
    /// Over the others.
    pub unchanged: Proportion,
}

/// A share of rows.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Proportion {
    /// The share, from 0 to 1; `None` where there are no rows.
    pub share: Option<f64>,
    /// Where it would lie on other data sets of this kind, bootstrapped over clusters; `None` where
    /// there are fewer than two. Where all rows are right, or none is, it has no width, and says
    /// nothing.
    pub interval: Option<Interval>,
    /// How many rows there are.
    pub rows: usize,
    /// How many clusters they are in.
    pub clusters: usize,
}

impl From<Estimate> for Proportion {
    fn from(estimate: Estimate) -> Self {
        let Estimate { mean, interval, n, clusters, .. } = estimate;
        Self { share: mean, interval, rows: n, clusters }
    }
}

/// The share of rows whose prediction is the counterfactual label, for each set of exchanged variables in
/// order of appearance.
///
/// `predictions` is `[row]`: what the model said with its activations exchanged, as a value of the output;
/// `None` where it said something that is no label, which is wrong. `clusters` says which rows belong
/// together: those of one template, or of one base ([`base_clusters`]).
///
/// ```
/// use vene::causal::{self, Counterfactuals, examples::hierarchical_equality};
/// use vene::statistics::Bootstrap;
///
/// let model = hierarchical_equality(20);
/// let rows = Counterfactuals::of(&model).exchange([["left"]]).changed(0.5).rows(100)?;
/// // A model on which the interchange has no effect says what it says of the base.
/// let predictions: Vec<_> = rows.iter().map(|row| Some(row.base_label.clone())).collect();
/// let accuracy = causal::interchange_intervention_accuracy(
///     &rows,
///     &predictions,
///     &causal::base_clusters(&rows),
///     &Bootstrap::default(),
/// )?;
/// assert_eq!(accuracy[0].variables, [["left"]]);
/// assert_eq!(accuracy[0].all.share, Some(0.5));
/// assert_eq!(accuracy[0].changed.share, Some(0.0));
/// # Ok::<(), vene::causal::CausalError>(())
/// ```
///
/// # Errors
///
/// [`CausalError::Predictions`], [`CausalError::Kind`] for a prediction of another kind than the label (a
/// text where labels are booleans), and those of [`means`].
pub fn interchange_intervention_accuracy(
    rows: &[CounterfactualRow],
    predictions: &[Option<Value>],
    clusters: &Clusters,
    bootstrap: &Bootstrap,
) -> Result<Vec<InterchangeAccuracy>, CausalError> {
    if predictions.len() != rows.len() {
        return Err(CausalError::Predictions { predictions: predictions.len(), rows: rows.len() });
    }
    let mut right = Vec::with_capacity(rows.len());
    for (index, (row, prediction)) in rows.iter().zip(predictions).enumerate() {
        if let Some(prediction) = prediction.as_ref().filter(|one| one.kind() != row.label.kind()) {
            return Err(CausalError::Kind {
                row: index,
                prediction: prediction.clone(),
                label: row.label.clone(),
            });
        }
        right.push(if prediction.as_ref() == Some(&row.label) { 1.0 } else { 0.0 });
    }
    let mut sets: Vec<Vec<Vec<String>>> = Vec::new();
    let set_of_rows: Vec<usize> = rows
        .iter()
        .map(|row| {
            let variables = row.variables();
            sets.iter().position(|set| *set == variables).unwrap_or_else(|| {
                sets.push(variables);
                sets.len() - 1
            })
        })
        .collect();
    // A cell for each set and choice of rows; rows that are not meant are missing there.
    let choices: [fn(&CounterfactualRow) -> bool; 3] =
        [|_| true, CounterfactualRow::changes, |row| !row.changes()];
    let mut cells = Vec::with_capacity(sets.len() * choices.len());
    for set in 0..sets.len() {
        for choice in choices {
            let of_row = |row: usize| {
                let meant = set_of_rows[row] == set && choice(&rows[row]);
                if meant { right[row] } else { f64::NAN }
            };
            cells.push((0..rows.len()).map(of_row).collect::<Vec<f64>>());
        }
    }
    let estimates = means(&cells, clusters, bootstrap)?;
    let of_set = |(variables, estimates): (_, &[Estimate])| InterchangeAccuracy {
        variables,
        all: estimates[0].into(),
        changed: estimates[1].into(),
        unchanged: estimates[2].into(),
    };
    Ok(sets.into_iter().zip(estimates.chunks_exact(choices.len())).map(of_set).collect())
}

/// Rows of one base belong together.
pub fn base_clusters(rows: &[CounterfactualRow]) -> Clusters {
    Clusters::of(rows.iter().map(|row| Some(row.base.to_string())))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::super::Counterfactuals;
    use super::super::examples::hierarchical_equality;
    use super::*;

    fn accuracy(
        rows: &[CounterfactualRow],
        predictions: &[Option<Value>],
    ) -> Result<Vec<InterchangeAccuracy>, CausalError> {
        let clusters = base_clusters(rows);
        interchange_intervention_accuracy(rows, predictions, &clusters, &Bootstrap::default())
    }

    fn rows() -> Vec<CounterfactualRow> {
        let model = hierarchical_equality(4);
        let made = Counterfactuals::of(&model).exchange([["right"]]).exchange([["left"]]);
        made.changed(0.25).rows(80).unwrap()
    }

    #[test]
    fn each_set_of_variables_has_its_own() {
        let rows = rows();
        // A model that follows `left` only: right for it, else what the base has.
        let predict = |row: &CounterfactualRow| {
            let follows = row.variables() == [["left"]];
            Some(if follows { row.label.clone() } else { row.base_label.clone() })
        };
        let found = accuracy(&rows, &rows.iter().map(predict).collect::<Vec<_>>()).unwrap();
        assert_eq!(found[0].variables, [["right"]]);
        assert_eq!((found[0].all.share, found[0].all.rows), (Some(0.75), 40));
        assert_eq!((found[0].changed.share, found[0].changed.rows), (Some(0.0), 10));
        assert_eq!((found[0].unchanged.share, found[0].unchanged.rows), (Some(1.0), 30));
        assert_eq!(found[1].variables, [["left"]]);
        assert_eq!((found[1].all.share, found[1].changed.share), (Some(1.0), Some(1.0)));
        let interval = found[0].all.interval.unwrap();
        assert!(interval.contains(0.75) && 0.0 < interval.low && interval.high < 1.0);
        let bases: std::collections::HashSet<_> =
            rows.iter().step_by(2).map(|row| &row.base).collect();
        assert_eq!(found[0].all.clusters, bases.len());
    }

    #[test]
    fn what_is_no_label_is_wrong() {
        let rows = rows();
        let found = accuracy(&rows, &vec![None; 80]).unwrap();
        assert!(found.iter().all(|set| set.all.share == Some(0.0)));
    }

    #[test]
    fn predictions_are_checked() {
        let rows = rows();
        assert_eq!(
            accuracy(&rows, &[]).unwrap_err().to_string(),
            "0 predictions for 80 rows: give one for each, `None` for no label"
        );
        let texts = vec![Some(Value::from("true")); 80];
        assert!(
            accuracy(&rows, &texts)
                .unwrap_err()
                .to_string()
                .starts_with("row 0: the prediction true is a text, and the label ")
        );
        assert_eq!(accuracy(&[], &[]).unwrap(), []);
    }
}
