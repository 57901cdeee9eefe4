//! What can be wrong with a causal model or with what is asked of it, each told in one line.

use vene_statistics::StatisticsError;

use super::Value;

/// Why there is no causal model, no run of it, or no data set.
#[derive(Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum CausalError {
    /// Two variables of one name, or two values for one variable.
    #[error("variable `{variable}` is given twice: give it once")]
    Twice {
        /// The variable.
        variable: String,
    },
    /// A name that no variable has.
    #[error("there is no variable `{variable}`; there are {}", listed(known))]
    Unknown {
        /// The name.
        variable: String,
        /// The names there are.
        known: Vec<String>,
    },
    /// A parent that is no variable.
    #[error(
        "variable `{variable}` has the parent `{parent}`, which was not declared; there are {}",
        listed(known)
    )]
    UnknownParent {
        /// The variable.
        variable: String,
        /// The parent's name.
        parent: String,
        /// The names there are.
        known: Vec<String>,
    },
    /// A parent that is named twice.
    #[error("variable `{variable}` has the parent `{parent}` twice: name it once")]
    ParentTwice {
        /// The variable.
        variable: String,
        /// The parent.
        parent: String,
    },
    /// A computed variable without parents.
    #[error("variable `{variable}` is computed from nothing: give it parents, or make it an input")]
    NoParents {
        /// The variable.
        variable: String,
    },
    /// Variables that depend on themselves.
    #[error("variables depend on themselves: {}", circle(variables))]
    Cycle {
        /// Each is a parent of the next one, and the last one of the first.
        variables: Vec<String>,
    },
    /// Nothing says which variable the output is.
    #[error(
        "{}: name one with `output`",
        match candidates.as_slice() {
            [] => "no variable is computed, so that there is no output".to_owned(),
            several => format!("nothing is computed from {}, so that each could be the output",
                listed(several)),
        }
    )]
    NoOutput {
        /// Computed variables that are nobody's parent.
        candidates: Vec<String>,
    },
    /// An output that is not computed.
    #[error("the output `{variable}` is an input: name a computed variable")]
    OutputIsInput {
        /// The variable.
        variable: String,
    },
    /// A domain without values.
    #[error("variable `{variable}` has no values: give it at least one")]
    NoValues {
        /// The variable.
        variable: String,
    },
    /// A domain that holds a value twice.
    #[error("variable `{variable}` has the value {value} twice: give it once")]
    ValueTwice {
        /// The variable.
        variable: String,
        /// The value.
        value: Value,
    },
    /// A value that a variable was given and cannot have.
    #[error("variable `{variable}` cannot be {value}; its values are {}", some(values))]
    Outside {
        /// The variable.
        variable: String,
        /// What it was given.
        value: Value,
        /// Its domain.
        values: Vec<Value>,
    },
    /// A function's value that its variable cannot have.
    #[error(
        "the function of variable `{variable}` gives {value} where {parents}; its values are {}",
        some(values)
    )]
    ComputedOutside {
        /// The variable.
        variable: String,
        /// What its function gives.
        value: Value,
        /// For which values of its parents.
        parents: String,
        /// Its domain.
        values: Vec<Value>,
    },
    /// A function that gives none.
    #[error(
        "the function of variable `{variable}` gives no value where {parents}: an intervention may \
         set parents to any of their values, so that it needs one for each combination"
    )]
    NoValue {
        /// The variable.
        variable: String,
        /// For which values of its parents.
        parents: String,
    },
    /// A run without one of its inputs.
    #[error("input `{variable}` has no value: give one for each input")]
    MissingInput {
        /// The input.
        variable: String,
    },
    /// A computed variable among the inputs.
    #[error("variable `{variable}` is no input: to fix its value, use `intervene`")]
    NotAnInput {
        /// The variable.
        variable: String,
    },
    /// A setting that this model did not make.
    #[error("this setting is of another model: its variables are {theirs}, here they are {ours}")]
    OtherModel {
        /// The variables of the setting.
        theirs: String,
        /// Those of the model.
        ours: String,
    },
    /// An interchange without variables.
    #[error("source {index} of an interchange has no variables: name those that are exchanged")]
    NothingExchanged {
        /// Which source, counted from 0.
        index: usize,
    },
    /// A model without variables to intervene on.
    #[error(
        "no variable lies between the inputs and the output: name those to exchange with `exchange`"
    )]
    NothingBetween,
    /// Values that cannot be counted.
    #[error("the values of `{variable}` are not known one by one: give them as a list")]
    Endless {
        /// The variable.
        variable: String,
    },
    /// Nothing of the kind was drawn.
    #[error("{tries} draws gave no {wanted}: is there any? Filters may leave nothing over")]
    NotFound {
        /// What was looked for.
        wanted: String,
        /// How often was drawn.
        tries: usize,
    },
    /// A share that is none.
    #[error("a share of {share} of the rows: expected a number from 0 to 1, such as 0.5")]
    Share {
        /// What was asked for.
        share: f64,
    },
    /// A counterfactual that no row of a data set can tell.
    #[error("a row of a data set has one source, and this interchange has {sources}")]
    Sources {
        /// How many it has.
        sources: usize,
    },
    /// Not as many predictions as rows.
    #[error("{predictions} predictions for {rows} rows: give one for each, `None` for no label")]
    Predictions {
        /// How many there are.
        predictions: usize,
        /// How many there should be.
        rows: usize,
    },
    /// A prediction that can never be right.
    #[error(
        "row {row}: the prediction {prediction} is {}, and the label {label} is {}: \
         turn predictions into values of the output", prediction.kind(), label.kind()
    )]
    Kind {
        /// The row, counted from 0.
        row: usize,
        /// What was predicted.
        prediction: Value,
        /// The row's label.
        label: Value,
    },
    /// Intervals that cannot be computed.
    #[error(transparent)]
    Statistics(#[from] StatisticsError),
}

vene_named::debug_as_sentence!(CausalError);

fn listed(names: &[String]) -> String {
    match names {
        [] => "none".to_owned(),
        names => names.join(", "),
    }
}

fn circle(names: &[String]) -> String {
    names.iter().chain(names.first()).map(String::as_str).collect::<Vec<_>>().join(" -> ")
}

/// The first few values.
fn some(values: &[Value]) -> String {
    const SHOWN: usize = 8;
    let mut shown: Vec<String> = values.iter().take(SHOWN).map(Value::to_string).collect();
    if values.len() > SHOWN {
        shown.push(format!("... ({} in all)", values.len()));
    }
    shown.join(", ")
}
