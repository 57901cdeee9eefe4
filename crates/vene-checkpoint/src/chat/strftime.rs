//! `strftime_now`: today's date, in the form that a template asks for.

use std::fmt::Write;

use chrono::NaiveDateTime;
use chrono::format::{Item, StrftimeItems};

/// Forms are short; what is longer was meant for something else.
const LONGEST: usize = 1024;

/// A time in a form such as `%d %b %Y`.
///
/// # Errors
/// A form that is not understood.
pub(super) fn format(now: NaiveDateTime, form: &str) -> Result<String, String> {
    let unknown = || format!("strftime_now({form:?}): not a form of dates that is known here");
    if form.len() > LONGEST || StrftimeItems::new(form).any(|item| item == Item::Error) {
        return Err(unknown());
    }
    let mut text = String::new();
    // Some forms are of a time zone, which a template's date has not.
    write!(text, "{}", now.format(form)).map_err(|_| unknown())?;
    Ok(text)
}
