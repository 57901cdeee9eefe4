//! Edits that contradict each other.

use std::collections::{BTreeSet, HashMap};

use vene_model::{DecoderConfig, Site};

use super::{ResolvedEdit, Run};
use crate::error::PlanError;

/// Refuses two absolute edits of the same values.
pub(super) fn refuse_conflicts(
    edits: &[ResolvedEdit],
    config: &DecoderConfig,
) -> Result<(), PlanError> {
    let mut at_place: HashMap<(Run, Site), Earlier> = HashMap::new();
    for (second, later) in edits.iter().enumerate() {
        if !later.intervention.traits().is_absolute() {
            continue;
        }
        let before = at_place.entry((later.run, later.site.place(config))).or_default();
        for first in before.meeting(later) {
            let earlier = &edits[first];
            let (on_prompt, at_new_token) =
                (earlier.when.covers(0) && later.when.covers(0), earlier.when.meets(&later.when));
            for (example, (a, b)) in earlier.units.iter().zip(&later.units).enumerate() {
                let position = common(Some(&a.positions), Some(&b.positions)).filter(|_| on_prompt);
                let head = common(a.heads.as_deref(), b.heads.as_deref());
                let key = common(a.keys.as_deref(), b.keys.as_deref());
                let are_there = !a.is_empty() && !b.is_empty();
                if let (Some(step), Some(_), Some(_), true) = (at_new_token, head, key, are_there) {
                    let problem = format!("edit {first} replaces the same values at step {step}");
                    return Err(PlanError::OnSteps { edit: second, site: later.site, problem });
                }
                if let (Some(position), Some(head), Some(_)) = (position, head, key) {
                    return Err(PlanError::Conflict {
                        first,
                        second,
                        site: later.site,
                        example,
                        position: position.unwrap_or(0),
                        head,
                    });
                }
            }
        }
        before.add(second, later);
    }
    Ok(())
}

/// Earlier edits of one place, found by what a later one could meet them at.
#[derive(Default)]
struct Earlier {
    /// By example and position.
    on_prompts: HashMap<(usize, usize), Vec<usize>>,
    at_new_tokens: Vec<usize>,
}

impl Earlier {
    fn meeting(&self, later: &ResolvedEdit) -> BTreeSet<usize> {
        let on_prompts = cells(later).filter_map(|cell| self.on_prompts.get(&cell)).flatten();
        let at_new_tokens = self.at_new_tokens.iter().filter(|_| later.when.covers_new_tokens());
        on_prompts.chain(at_new_tokens).copied().collect()
    }

    fn add(&mut self, index: usize, edit: &ResolvedEdit) {
        for cell in cells(edit) {
            self.on_prompts.entry(cell).or_default().push(index);
        }
        if edit.when.covers_new_tokens() {
            self.at_new_tokens.push(index);
        }
    }
}

/// The examples and positions that an edit writes.
fn cells(edit: &ResolvedEdit) -> impl Iterator<Item = (usize, usize)> + '_ {
    let units = edit.units.iter().enumerate();
    units
        .flat_map(|(example, unit)| unit.positions.iter().map(move |&position| (example, position)))
}

/// Something that both lists hold, where `None` stands for everything: `Some(None)` if that is
/// everything, `None` if they have nothing in common.
#[allow(clippy::option_option)]
fn common(a: Option<&[usize]>, b: Option<&[usize]>) -> Option<Option<usize>> {
    match (a, b) {
        (None, None) => Some(None),
        (Some(list), None) | (None, Some(list)) => list.first().copied().map(Some),
        (Some(a), Some(b)) => a.iter().find(|item| b.contains(item)).copied().map(Some),
    }
}
