//! The order in which an example's runs are done, where sources are edited before they are read.
//!
//! Edited sources read other sources, which may be edited in turn: runs form a directed graph, which
//! must have no circle. The base's run comes last.

use std::collections::{BTreeMap, BTreeSet};

use super::{EditedSource, ResolvedEdit, ResolvedSource, Run};
use crate::error::PlanError;

/// A plan's edits, apart for each run: those of the base, and those of sources, each source behind
/// those that it reads.
pub(super) fn in_order(
    edits: Vec<ResolvedEdit>,
) -> Result<(Vec<ResolvedEdit>, Vec<EditedSource>), PlanError> {
    let (mut of_base, mut of_sources) = (Vec::new(), BTreeMap::<usize, Vec<ResolvedEdit>>::new());
    for edit in edits {
        match edit.run {
            Run::Base => of_base.push(edit),
            Run::Source(source) => of_sources.entry(source).or_default().push(edit),
        }
    }
    let mut ordered: Vec<EditedSource> = Vec::with_capacity(of_sources.len());
    while !of_sources.is_empty() {
        let ready = of_sources.iter().find(|(source, edits)| {
            let read = edits.iter().flat_map(sources_read).collect::<BTreeSet<_>>();
            !read.iter().any(|read| read != *source && of_sources.contains_key(read))
        });
        let Some(&source) = ready.map(|(source, _)| source) else {
            return Err(PlanError::Circle { sources: of_sources.into_keys().collect() });
        };
        let edits = of_sources.remove(&source).unwrap_or_default();
        ordered.push(EditedSource { source, edits });
    }
    refuse_unread(&of_base, &ordered)?;
    // Who reads an edited source beside others is given the values of all: these are run too.
    let mixed = of_base.iter().chain(ordered.iter().flat_map(|source| &source.edits));
    let mixed = mixed.filter(|edit| edit.reads_edited).flat_map(sources_read);
    let unedited: BTreeSet<usize> =
        mixed.filter(|read| ordered.iter().all(|edited| edited.source != *read)).collect();
    let mut all: Vec<EditedSource> =
        unedited.into_iter().map(|source| EditedSource { source, edits: Vec::new() }).collect();
    all.append(&mut ordered);
    Ok((of_base, all))
}

/// Refuses an edit of a source's run that changes nothing that another run reads.
fn refuse_unread(of_base: &[ResolvedEdit], ordered: &[EditedSource]) -> Result<(), PlanError> {
    // How deep each source is read by runs that are not its own.
    let mut read_to: BTreeMap<usize, _> = BTreeMap::new();
    for edit in of_base.iter().chain(ordered.iter().flat_map(|source| &source.edits)) {
        let Some(ResolvedSource::Runs { site, .. }) = &edit.source else { continue };
        for source in sources_read(edit).filter(|source| edit.run != Run::Source(*source)) {
            let deepest = read_to.entry(source).or_insert(site.depth());
            *deepest = site.depth().max(*deepest);
        }
    }
    for EditedSource { source, edits } in ordered {
        let is_read = |edit: &ResolvedEdit| {
            read_to.get(source).is_some_and(|deepest| *deepest >= edit.site.depth())
        };
        if let Some(edit) = edits.iter().find(|edit| !is_read(edit)) {
            return Err(PlanError::EditUnread { edit: edit.index, site: edit.site, run: *source });
        }
    }
    Ok(())
}

fn sources_read(edit: &ResolvedEdit) -> impl Iterator<Item = usize> + '_ {
    let units = match &edit.source {
        Some(ResolvedSource::Runs { units, .. }) => units.as_slice(),
        _ => &[],
    };
    units.iter().flatten().filter_map(|(run, _)| match run {
        Run::Source(source) => Some(*source),
        Run::Base => None,
    })
}
