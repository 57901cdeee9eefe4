//! What is to be done at each site of a pass.

use std::collections::{BTreeSet, HashMap};

use vene_model::{Component, DecoderConfig, Site};

use super::tree::Tree;

/// What is to be done at each site.
#[derive(Default)]
pub(super) struct Schedule {
    /// Steps of forks: (fork, step).
    pub(super) steps: HashMap<Site, Vec<(usize, usize)>>,
    /// Edits that read their own run here: (fork, step, edit).
    pub(super) currents: HashMap<Site, Vec<(usize, usize, usize)>>,
    /// Reads, by their index.
    pub(super) reads: HashMap<Site, Vec<usize>>,
    wanted: BTreeSet<Site>,
}

impl Schedule {
    pub(super) fn of(tree: &Tree<'_>) -> Self {
        let mut schedule = Self::default();
        for (index, fork) in tree.forks.iter().enumerate() {
            for (number, step) in fork.steps.iter().enumerate() {
                schedule.steps.entry(step.site).or_default().push((index, number));
                for (edit, step_edit) in step.edits.iter().enumerate() {
                    // A step may be several sites' of one block.
                    schedule.wanted.insert(step_edit.edit().site);
                    if let Some(site) = step_edit.edit().reads_current() {
                        schedule.currents.entry(site).or_default().push((index, number, edit));
                    }
                }
            }
        }
        for (index, read) in tree.reads.iter().enumerate() {
            schedule.reads.entry(read.site).or_default().push(index);
        }
        let (steps, currents) = (schedule.steps.keys(), schedule.currents.keys());
        let sites = steps.chain(currents).chain(schedule.reads.keys());
        schedule.wanted.extend(sites.copied().collect::<Vec<_>>());
        schedule
    }

    /// Whether something is to be done at a site.
    pub(super) fn wants(&self, site: Site) -> bool {
        self.wanted.contains(&site)
    }

    /// Whether something is to be done anywhere in a layer.
    pub(super) fn wants_in(&self, layer: usize) -> bool {
        self.wanted.iter().any(|site| site.layer() == Some(layer))
    }

    /// Whether something is to be done at one of these components of a layer.
    pub(super) fn wants_any(
        &self,
        config: &DecoderConfig,
        layer: usize,
        components: &[Component],
    ) -> bool {
        let site = |&component: &Component| Site::new(component, Some(layer), config).ok();
        components.iter().filter_map(site).any(|site| self.wants(site))
    }
}
