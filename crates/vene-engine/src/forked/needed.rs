//! Which rows are needed after the last block's keys and values are there.
//!
//! From there on no row looks at another one any more: what is left of the pass is about the rows that are read.

use vene_model::{BlockKind, Component, DecoderConfig, Site};

use super::tree::{RunId, Tree};

/// Positions of runs, ascending.
pub(super) struct Needed {
    /// Whether other rows are dropped there. They are not where the pattern of the last attention is read, of which all
    /// rows are a part.
    pub(super) narrows: bool,
    trunk: Vec<Vec<usize>>,
    forks: Vec<Vec<usize>>,
}

impl Needed {
    pub(super) fn of_tree(tree: &Tree<'_>, config: &DecoderConfig) -> Self {
        let last = config.layers.len() - 1;
        let attention = Site::new(Component::AttentionScore, Some(last), config);
        let is_ahead =
            |site: Site| attention.as_ref().is_ok_and(|here| site.depth() >= here.depth());
        let is_last_pattern =
            |site: Site| site.component().is_pattern() && site.layer() == Some(last);
        let mut needed = Self {
            narrows: config.layers[last].kind == BlockKind::Transformer
                && !tree.reads.iter().any(|read| is_last_pattern(read.site)),
            trunk: vec![Vec::new(); tree.trunk.runs().len()],
            forks: vec![Vec::new(); tree.forks.len()],
        };
        for end in &tree.ends {
            needed.of_mut(end.run).extend(end.plan.logit_positions(end.example));
        }
        for read in tree.reads.iter().filter(|read| is_ahead(read.site)) {
            needed.of_mut(read.run).extend(read.positions.iter());
        }
        for (index, fork) in tree.forks.iter().enumerate() {
            for edit in fork.steps.iter().filter(|step| is_ahead(step.site)).flat_map(|s| &s.edits)
            {
                needed.forks[index].extend(&edit.unit().positions);
                for (run, unit) in tree.read_in_passing(edit) {
                    needed.of_mut(run).extend(&unit.positions);
                }
            }
        }
        for (index, fork) in tree.forks.iter().enumerate().rev() {
            // Forks come after their parents: going backwards, a parent learns what its forks need.
            let of_fork = needed.forks[index].clone();
            needed.of_mut(fork.parent).extend(of_fork);
        }
        for positions in needed.trunk.iter_mut().chain(&mut needed.forks) {
            positions.sort_unstable();
            positions.dedup();
        }
        needed
    }

    fn of_mut(&mut self, run: RunId) -> &mut Vec<usize> {
        match run {
            RunId::Trunk(run) => &mut self.trunk[run],
            RunId::Fork(fork) => &mut self.forks[fork],
        }
    }

    /// The positions of a run.
    pub(super) fn of(&self, run: RunId) -> &[usize] {
        match run {
            RunId::Trunk(run) => &self.trunk[run],
            RunId::Fork(fork) => &self.forks[fork],
        }
    }

    /// All runs with their positions.
    pub(super) fn iter(&self) -> impl Iterator<Item = (RunId, &[usize])> {
        let trunk = self.trunk.iter().enumerate();
        let trunk = trunk.map(|(run, positions)| (RunId::Trunk(run), positions.as_slice()));
        let forks = self.forks.iter().enumerate();
        trunk.chain(forks.map(|(fork, positions)| (RunId::Fork(fork), positions.as_slice())))
    }
}
