//! The base of a rotary encoding, which may be said in several places.

use serde_json::{Map, Value};

use super::super::keys::{Keys, missing, wrong};
use super::SCALING;
use crate::error::ModelError;

/// Takes the base out of a description, with its full name.
pub(super) fn base_in(
    place: &str,
    described: &mut Option<Map<String, Value>>,
) -> Result<Option<(String, f64)>, ModelError> {
    let Some(described) = described else { return Ok(None) };
    let Some(base) = described.remove("rope_theta").filter(|base| !base.is_null()) else {
        return Ok(None);
    };
    let name = format!("{place}.rope_theta");
    match base.as_f64().filter(|number| number.is_finite() && *number > 0.0) {
        Some(number) => Ok(Some((name, number))),
        None => Err(wrong(&name, &base, "a positive number")),
    }
}

/// Where the base of one encoding is said.
pub(super) struct Bases {
    /// Its key outside of any description.
    pub key: &'static str,
    /// Inside of descriptions; the first one counts.
    pub inner: Vec<(String, f64)>,
    /// Inside of a description that is not read.
    pub unread: Option<(String, f64)>,
    /// Whether there is a description in the form that transformers 4 reads.
    pub has_old_form: bool,
}

impl Bases {
    /// The one that transformers 5 uses. Says so where another is said, or 4.52 would use another.
    pub fn followed(self, keys: &Keys<'_>) -> Result<f64, ModelError> {
        let Self { key, inner, unread, has_old_form } = self;
        let is_said = keys.said(key).is_some();
        let is_null = keys.is_said(key) && !is_said;
        let outer = if is_null && !inner.is_empty() { None } else { keys.optional_positive(key)? };
        let used = inner.first().map(|(_, base)| *base).or(outer);
        let used = used.ok_or_else(|| missing(key, "a positive number"))?;

        let outer_said = outer.filter(|_| is_said).map(|base| (key.to_owned(), base));
        let said: Vec<_> = inner.into_iter().chain(unread).chain(outer_said).collect();
        let older = outer.filter(|outer| (has_old_form || is_said) && *outer != used);
        if older.is_some() || said.iter().any(|(_, base)| *base != used) {
            let said: Vec<_> =
                said.iter().map(|(name, base)| format!("`{name}` is {base}")).collect();
            let who = match older {
                Some(older) => {
                    format!("as transformers 5 does (transformers 4.52 would use {older})")
                }
                None => format!("as transformers 4.52 and 5 do where there is a `{SCALING}`"),
            };
            keys.notices.add(format!("{}: {used} is used, {who}", said.join(" and ")));
        }
        Ok(used)
    }
}
