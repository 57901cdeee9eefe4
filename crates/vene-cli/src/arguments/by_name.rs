//! Options that are choices by name: what the library calls its choices is what the command line takes.

use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};
use vene::Named;

/// Reads the name of a choice; the help lists all, each in the words of its documentation.
pub fn by_name<T: Named + Send + Sync>() -> impl TypedValueParser<Value = T> {
    let value =
        |choice: &T| PossibleValue::new(choice.name()).help(choice.summary().trim_end_matches('.'));
    PossibleValuesParser::new(T::ALL.iter().map(value)).try_map(|name| T::named(&name))
}
