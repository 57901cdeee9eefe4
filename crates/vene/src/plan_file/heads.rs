//! Heads in a file: `2`, `[0, 2]`, or `{ each = [[0], [2]] }`.

use vene_engine::plan::Heads;

use super::document::{Node, table};
use super::error::PlanFileError;
use super::table::Item;

pub(super) fn read(item: &Item<'_>) -> Result<Heads, PlanFileError> {
    const EXPECTED: &str =
        "a head, a list of heads, or { each = [[0], [2]] } with a list for each example";
    if let Ok(head) = item.count() {
        return Ok(Heads::Same(vec![head]));
    }
    if !item.is_table() {
        item.list(EXPECTED)?;
        return item.counts().map(Heads::Same);
    }
    let table = item.table(EXPECTED, &["each"])?;
    let each = table.need("each", "a list of heads for each example")?;
    let lists = each.list("a list of heads for each example")?;
    Ok(Heads::Each(lists.iter().map(Item::counts).collect::<Result<_, _>>()?))
}

pub(super) fn write(heads: &Heads) -> Node {
    match heads {
        Heads::Same(heads) => heads.clone().into(),
        Heads::Each(lists) => table([("each", lists.clone().into())]),
    }
}
