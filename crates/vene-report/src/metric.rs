//! One metric of a table that holds several.

use std::borrow::Cow;

use vene_table::Table;

use crate::{FigureError, label};

/// The rows of a metric; all of them where none is named.
pub(crate) fn rows_of<'t>(
    table: &'t Table,
    metric: Option<&str>,
) -> Result<Cow<'t, Table>, FigureError> {
    let Some(metric) = metric else { return Ok(Cow::Borrowed(table)) };
    let values = table.text("metric")?;
    if table.is_empty() {
        return Err(FigureError::Empty);
    }
    if !values.contains(&metric) {
        let available = label::distinct(&values, []).0.join("`, `");
        return Err(FigureError::NoMetric { metric: metric.to_owned(), available });
    }
    Ok(Cow::Owned(table.filter(|row| values.get(row) == Some(&metric))))
}
