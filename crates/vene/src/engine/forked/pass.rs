//! One pass in which base, sources and forks ride together.

use std::collections::{BTreeSet, HashMap};

use candle_core::Tensor;
use vene_model::{Attention, Component, DecoderConfig, Operations, Pass, Readout, Site};

use super::readout::Readouts;
use super::rows::{KeyPaths, Rows};
use super::tree::{Mark, Stem, Tree};
use crate::error::RunError;
use crate::plan::Outcome;

/// The rows of a pass, and what is to be done with them.
pub(super) struct ForkedPass<'a> {
    pub(super) config: &'a DecoderConfig,
    pub(super) tree: &'a Tree<'a>,
    /// What is read where no row of it is at hand, by run of the trunk.
    pub(super) kept: &'a HashMap<(usize, Site), Tensor>,
    pub(super) rows: Rows,
    /// What is to be done where.
    pub(super) agenda: Agenda,
    pub(super) found: Found,
    /// Paths of keys, where rows were dropped before attention.
    pub(super) key_paths: Option<KeyPaths>,
    /// Whether the last layer has dropped the rows that nobody needs.
    pub(super) is_narrow: bool,
}

/// What is to be done at each site.
#[derive(Default)]
pub(super) struct Agenda {
    /// Steps of forks: (fork, step).
    pub(super) steps: HashMap<Site, Vec<(usize, usize)>>,
    /// Edits that read their own run here: (fork, step, edit).
    pub(super) currents: HashMap<Site, Vec<(usize, usize, usize)>>,
    /// Collects of leaves: (leaf, collect).
    pub(super) collects: HashMap<Site, Vec<(usize, usize)>>,
    wanted: BTreeSet<Site>,
}

/// What a pass found.
#[derive(Default)]
pub(super) struct Found {
    /// By fork, step and edit.
    pub(super) outcomes: Vec<Vec<Vec<Outcome>>>,
    /// What edits read of their own run, by fork, step and edit.
    pub(super) current: HashMap<(usize, usize, usize), Tensor>,
    /// By leaf and collect.
    pub(super) collected: HashMap<(usize, usize), Tensor>,
    /// What edits of logits did, by leaf and edit.
    pub(super) on_logits: HashMap<(usize, usize), Outcome>,
    pub(super) readouts: Readouts,
}

impl Agenda {
    fn of(tree: &Tree<'_>) -> Self {
        let mut agenda = Self::default();
        for (index, fork) in tree.forks.iter().enumerate() {
            for (number, step) in fork.steps.iter().enumerate() {
                agenda.steps.entry(step.site).or_default().push((index, number));
                for (edit, application) in step.edits.iter().enumerate() {
                    if let Some(site) = application.edit().reads_current() {
                        agenda.currents.entry(site).or_default().push((index, number, edit));
                    }
                }
            }
        }
        for (index, leaf) in tree.leaves.iter().enumerate() {
            for (number, collect) in leaf.plan.collects.iter().enumerate() {
                agenda.collects.entry(collect.site).or_default().push((index, number));
            }
            for (edit, mark) in leaf.plan.edits.iter().zip(&leaf.marks) {
                if matches!(mark, Mark::Logits) {
                    agenda.wanted.insert(edit.site);
                }
            }
        }
        let sites = agenda.steps.keys().chain(agenda.currents.keys()).chain(agenda.collects.keys());
        agenda.wanted.extend(sites.copied().collect::<Vec<_>>());
        agenda
    }

    /// Whether something is to be done at one of these components of a layer.
    pub(super) fn wants_any(
        &self,
        config: &DecoderConfig,
        layer: usize,
        components: &[Component],
    ) -> bool {
        let site = |&component: &Component| Site::new(component, Some(layer), config).ok();
        components.iter().filter_map(site).any(|site| self.wanted.contains(&site))
    }
}

impl<'a> ForkedPass<'a> {
    pub(super) fn new(
        config: &'a DecoderConfig,
        tree: &'a Tree<'a>,
        kept: &'a HashMap<(usize, Site), Tensor>,
    ) -> Self {
        let outcomes = tree.forks.iter().map(|fork| vec![Vec::new(); fork.steps.len()]).collect();
        Self {
            config,
            tree,
            kept,
            rows: Rows::new(tree),
            agenda: Agenda::of(tree),
            found: Found { outcomes, ..Found::default() },
            key_paths: None,
            is_narrow: false,
        }
    }

    /// Lets forks have rows of their own where they edit, before a site or inside attention. `live`
    /// are all tensors of packed rows.
    pub(super) fn leave<O: Operations>(
        &mut self,
        operations: &O,
        site: Site,
        steps: &[(usize, usize)],
        live: &mut [&mut O::Tensor],
    ) -> Result<(), RunError> {
        let mut copied = Vec::new();
        for &(fork, step) in steps {
            let edits = &self.tree.forks[fork].steps[step].edits;
            let edited = || edits.iter().flat_map(|edit| edit.unit().positions.iter().copied());
            self.rows.leave(self.tree, fork, edited(), &mut copied);
            if let Some(first) = edited().min() {
                self.rows.will_spread(fork, first, changes_queries_only(site.component()));
            }
        }
        append(operations, &copied, live)
    }

    /// Keeps what edits read of their own run at this site.
    fn keep_current<O: Operations>(
        &mut self,
        operations: &O,
        site: Site,
        tensor: &O::Tensor,
    ) -> Result<(), RunError> {
        for &(fork, step, edit) in self.agenda.currents.get(&site).into_iter().flatten() {
            let positions = &self.tree.forks[fork].steps[step].edits[edit].unit().positions;
            let rows = self.rows.all_packed(self.tree, Stem::Fork(fork), positions);
            let values = operations.values(tensor, &rows)?;
            self.found.current.insert((fork, step, edit), values);
        }
        Ok(())
    }

    /// Keeps what plans collect at a site.
    fn collect<O: Operations>(
        &mut self,
        operations: &O,
        site: Site,
        tensor: &O::Tensor,
    ) -> Result<(), RunError> {
        for &(leaf, collect) in self.agenda.collects.get(&site).into_iter().flatten() {
            let at = &self.tree.leaves[leaf];
            let positions = &at.plan.collects[collect].positions[at.example];
            let rows = match site.component() {
                Component::Logits => self.found.readouts.whole_rows(leaf, positions),
                _ => self.rows.all_packed(self.tree, at.stem, positions),
            };
            self.found.collected.insert((leaf, collect), operations.values(tensor, &rows)?);
        }
        Ok(())
    }
}

/// Sets copies of rows behind all rows, in every live tensor.
pub(super) fn append<O: Operations>(
    operations: &O,
    copied: &[usize],
    live: &mut [&mut O::Tensor],
) -> Result<(), RunError> {
    if !copied.is_empty() {
        for tensor in live {
            operations.append_rows(tensor, copied)?;
        }
    }
    Ok(())
}

/// Whether an edit here, before attention, changes what the edited position attends to and nothing
/// of what others see of it.
fn changes_queries_only(component: Component) -> bool {
    use Component::*;
    matches!(component, QueryOutput | NormedQuery | RotatedQuery)
}

impl<O: Operations> Pass<O> for ForkedPass<'_> {
    type Error = RunError;

    fn positions(&self) -> &[usize] {
        self.rows.positions()
    }

    fn lengths(&self) -> Vec<usize> {
        self.rows.lengths().to_vec()
    }

    fn wants(&self, site: Site) -> bool {
        self.agenda.wanted.contains(&site)
    }

    fn visit(
        &mut self,
        operations: &O,
        site: Site,
        live: &mut [&mut O::Tensor],
    ) -> Result<(), RunError> {
        if !self.agenda.wanted.contains(&site) {
            return Ok(());
        }
        if site.component() == Component::Logits {
            if !operations.has_values() {
                return Ok(());
            }
            let Some(logits) = live.first_mut() else { return Ok(()) };
            self.edit_logits(operations, logits)?;
            return self.collect(operations, site, logits);
        }
        let steps = self.agenda.steps.get(&site).cloned().unwrap_or_default();
        self.leave(operations, site, &steps, live)?;
        let Some(own) = live.first_mut().filter(|_| operations.has_values()) else {
            return Ok(());
        };
        self.keep_current(operations, site, own)?;
        self.edit(operations, &steps, own)?;
        self.collect(operations, site, own)
    }

    fn narrow(&mut self) -> Option<Vec<usize>> {
        self.narrow_before_queries()
    }

    fn attend(
        &mut self,
        attention: Attention<'_, O>,
        live: &mut [&mut O::Tensor],
    ) -> Result<O::Tensor, RunError> {
        self.attend_all(attention, live)
    }

    fn readout(&mut self) -> Readout {
        self.found.readouts = Readouts::new(self.tree, &self.rows);
        self.found.readouts.request()
    }
}
