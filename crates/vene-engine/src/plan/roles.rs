//! Plans that name positions by their roles: which roles these are, and the plan with numbers in place of them.

use super::{Edit, Plan, Positions, Role, Run, Source, SourcePositions};

impl Plan {
    /// Whether an edit reads a source.
    pub fn reads_sources(&self) -> bool {
        self.edits.iter().any(reads_source)
    }

    /// The roles that it names, each once: it is for the rows of data sets that have them.
    pub fn roles(&self) -> Vec<Role> {
        let of_edit = |edit: &Edit| {
            let read = edit.source_positions.as_ref().map_or(&[][..], SourcePositions::all);
            let positions = [&edit.positions].into_iter().chain(&edit.keys).chain(read);
            positions.filter_map(role).cloned().collect::<Vec<_>>()
        };
        let collects = self.collects.iter().filter_map(|collect| role(&collect.positions).cloned());
        let read = role(&self.read).cloned();
        let mut roles: Vec<Role> =
            self.edits.iter().flat_map(of_edit).chain(collects).chain(read).collect();
        roles.sort();
        roles.dedup();
        roles
    }

    /// The same plan with numbers in place of roles: `found` gives the positions that a role has in a run of each example.
    #[must_use]
    pub fn at_roles(&self, found: impl Fn(&Role, Run) -> Vec<Vec<i64>>) -> Self {
        let found = |positions: &Positions, run: Run| match role(positions) {
            Some(role) => Positions::Each(found(role, run)),
            None => positions.clone(),
        };
        let edit = |edit: &Edit| {
            // What is read in another run than is written is at that run's own positions.
            let read_run = edit.read_run();
            let read = match &edit.source_positions {
                None => role(&edit.positions).map(|_| found(&edit.positions, read_run).into()),
                Some(SourcePositions::Same(same)) => Some(found(same, read_run).into()),
                Some(SourcePositions::BySource(each)) => {
                    let each = each.iter().map(|positions| found(positions, read_run));
                    Some(each.collect::<Vec<_>>().into())
                }
            };
            Edit {
                positions: found(&edit.positions, edit.run),
                keys: edit.keys.as_ref().map(|keys| found(keys, edit.run)),
                source_positions: read.filter(|_| edit.source.is_some()),
                source_keys: edit.keys.as_ref().map(|keys| found(keys, read_run)),
                ..edit.clone()
            }
        };
        let mut plan = self.clone();
        plan.edits = self.edits.iter().map(edit).collect();
        for collect in &mut plan.collects {
            collect.positions = found(&collect.positions, Run::Base);
        }
        plan.read = found(&self.read, Run::Base);
        plan
    }
}

fn role(positions: &Positions) -> Option<&Role> {
    match positions {
        Positions::Role(role) => Some(role),
        _ => None,
    }
}

/// Whether an edit has to do with an example's source.
fn reads_source(edit: &Edit) -> bool {
    edit.run != Run::Base || matches!(edit.source, Some(Source::Run(_) | Source::AllRuns))
}
