//! What makes steps of plans the same, so that they are run once.

use std::hash::{Hash, Hasher};

use vene_intervention::Granularity;
use vene_model::Site;

use super::{ExampleRuns, RunId};
use crate::forked::identity::InterventionId;
use crate::plan::{ResolvedEdit, ResolvedSource, Unit};

/// What makes two steps the same: they leave the same run, and their edits are the same.
#[derive(PartialEq, Eq, Hash)]
pub(super) struct Key<'a> {
    pub(super) parent: Option<usize>,
    pub(super) run: usize,
    pub(super) edits: Vec<EditKey<'a>>,
}

#[derive(PartialEq, Eq, Hash)]
pub(super) struct EditKey<'a> {
    site: Site,
    intervention: InterventionId,
    /// The example, where what the intervention does may depend on it.
    example: Option<usize>,
    unit: &'a Unit,
    source: SourceKey<'a>,
    subspace: Option<&'a [usize]>,
    concatenated: bool,
}

#[derive(PartialEq, Eq, Hash)]
enum SourceKey<'a> {
    None,
    /// Which runs are read, and what of them.
    Runs(Site, Vec<(RunId, &'a Unit)>),
    Current(Site),
    Given(Vec<Given<'a>>),
}

/// Given values, compared by their bits.
struct Given<'a>(&'a [f64]);

impl Given<'_> {
    fn bits(&self) -> impl Iterator<Item = u64> {
        self.0.iter().map(|value| value.to_bits())
    }
}

impl PartialEq for Given<'_> {
    fn eq(&self, other: &Self) -> bool {
        std::ptr::eq(self.0, other.0) || self.bits().eq(other.bits())
    }
}

impl Eq for Given<'_> {}

impl Hash for Given<'_> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.bits().for_each(|bits| bits.hash(state));
    }
}

impl<'a> EditKey<'a> {
    pub(super) fn of(
        edit: &'a ResolvedEdit,
        intervention: InterventionId,
        example: usize,
        runs: &ExampleRuns,
    ) -> Self {
        let source = match &edit.source {
            None => SourceKey::None,
            Some(ResolvedSource::Runs { site, units }) => {
                let read = units[example].iter().map(|(read, unit)| (runs.of(*read), unit));
                SourceKey::Runs(*site, read.collect())
            }
            Some(ResolvedSource::Current(site)) => SourceKey::Current(*site),
            Some(ResolvedSource::Given(values)) => {
                SourceKey::Given(values[example].iter().map(|values| Given(values)).collect())
            }
        };
        let is_whole = edit.intervention.traits().granularity == Granularity::Whole;
        Self {
            site: edit.site,
            intervention,
            example: is_whole.then_some(example),
            unit: &edit.units[example],
            source,
            concatenated: edit.concatenated,
            subspace: edit.subspaces.as_ref().map(|subspaces| subspaces[example].as_slice()),
        }
    }
}
