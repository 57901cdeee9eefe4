//! Which edits are sure to change nothing, so that they need not be made.
//!
//! Attention looks back only: where base and source begin alike, their runs are the same, and an interchange there writes
//! what is there already; unless an edit before it has changed that.

use std::collections::HashMap;

use super::{Example, ResolvedEdit};

/// Of one run's edits in an example those that are sure to change nothing: interchanges within a shared prefix
/// ([`ResolvedEdit::is_shared_prefix`]) of which nothing was edited before.
pub(crate) fn unchanged(edits: &[ResolvedEdit], example: usize, prompts: &Example) -> Vec<bool> {
    let first = |edit: &ResolvedEdit| edit.units[example].positions.iter().min().copied();
    let mut found: Vec<bool> =
        edits.iter().map(|edit| edit.is_shared_prefix(example, prompts)).collect();
    if !found.contains(&true) {
        return found;
    }
    // A recurrent block's state carries a change to all of the block's sites further on.
    let mut carried: HashMap<Option<usize>, usize> = HashMap::new();
    let changing =
        edits.iter().zip(&found).filter(|(edit, is_shared)| edit.by_step && !**is_shared);
    for (edit, _) in changing {
        if let Some(first) = first(edit) {
            let least = carried.entry(edit.site.layer()).or_insert(first);
            *least = first.min(*least);
        }
    }
    let mut order: Vec<usize> = (0..edits.len()).collect();
    order.sort_by_key(|&index| (edits[index].site.depth(), index));
    // The first position that anything so far has changed.
    let mut changed: Option<usize> = None;
    for index in order {
        let edit = &edits[index];
        let Some(first) = first(edit) else { continue };
        if !found[index] {
            changed = Some(changed.map_or(first, |changed| changed.min(first)));
            continue;
        }
        let last = edit.units[example].positions.iter().max().copied().unwrap_or(first);
        let is_carried = carried.get(&edit.site.layer()).is_some_and(|&from| from < last);
        found[index] = changed.is_none_or(|changed| changed > last) && !is_carried;
    }
    found
}
