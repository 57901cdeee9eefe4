//! The pass in which live rows ride.

use std::sync::Arc;

use candle_core::Tensor;
use vene_model::{
    Attention, Component, DecoderConfig, Differentiable, Pass, Readout, Recurrence, Site,
};

use super::layout::Layout;
use crate::engine::attend::PatternAttention;
use crate::engine::sequences::{Rows, Visitor, recur, visited_attention};
use crate::error::RunError;

/// Live rows of a batch, and somebody who looks at them.
pub(super) struct LiveRows<'a, V> {
    pub(super) layout: Arc<Layout>,
    /// The first block that is run.
    pub(super) first: usize,
    pub(super) visitor: &'a mut V,
    /// The positions of each run whose logits are wanted, ascending.
    pub(super) read: &'a [Vec<usize>],
    /// Whether only the rows whose logits are wanted are left.
    pub(super) narrowed: bool,
    /// Whether nobody looks into the last layer.
    pub(super) narrows: bool,
}

/// Whether somebody looks at any site of a layer.
pub(super) fn looks_into(visitor: &impl Visitor, layer: usize, config: &DecoderConfig) -> bool {
    let sites = Component::all(config).filter(|component| component.per_layer());
    let mut sites = sites.filter_map(|component| Site::new(component, Some(layer), config).ok());
    sites.any(|site| visitor.wants(site))
}

impl<'a, V: Visitor> LiveRows<'a, V> {
    pub(super) fn new(
        layout: &Arc<Layout>,
        first: usize,
        config: &DecoderConfig,
        read: &'a [Vec<usize>],
        visitor: &'a mut V,
    ) -> Self {
        let layers = config.layers.len();
        let narrows = layers.checked_sub(1).is_some_and(|last| !looks_into(visitor, last, config));
        Self { layout: layout.clone(), first, visitor, read, narrowed: false, narrows }
    }

    /// Attention run by run, step by step.
    fn by_steps<O: Differentiable>(
        &mut self,
        attention: &Attention<'_, O>,
    ) -> Result<Tensor, RunError> {
        let Attention { operations, config, layer, ref queries, ref keys, ref values } = *attention;
        let (operations, layout) = (operations.plain(), self.layout.clone());
        let earlier = layout.earlier.get(layer - self.first);
        let mut mixed = Vec::with_capacity(layout.runs.len());
        for (run, rows) in layout.runs.iter().enumerate() {
            let own = |tensor: &Tensor| operations.slice_rows(tensor, rows.start, rows.len());
            let all = |earlier: Option<&Tensor>, live: &Tensor| -> Result<Tensor, RunError> {
                let before = &layout.earlier_rows[run];
                let live = own(live)?;
                let Some(earlier) = earlier.filter(|_| !before.is_empty()) else { return Ok(live) };
                let before = Tensor::from_slice(before, before.len(), earlier.device())?;
                Ok(Tensor::cat(&[earlier.index_select(&before, 0)?, live], 0)?)
            };
            let keys = all(earlier.map(|earlier| &earlier.keys), keys)?;
            let values = all(earlier.map(|earlier| &earlier.values), values)?;
            let attention = PatternAttention {
                plain: &operations,
                config,
                layer,
                example: run,
                queries: &own(queries)?,
                positions: &layout.positions[rows.clone()],
                keys: &keys,
                values: &values,
            };
            mixed.push(visited_attention(&attention, self.visitor)?);
        }
        Ok(operations.stack_rows(&mixed)?)
    }
}

impl<O: Differentiable, V: Visitor> Pass<O> for LiveRows<'_, V> {
    type Error = RunError;

    fn positions(&self) -> &[usize] {
        match self.narrowed {
            true => &self.layout.read_positions,
            false => &self.layout.positions,
        }
    }

    fn lengths(&self) -> Vec<usize> {
        if self.narrowed { self.layout.read_lengths.clone() } else { self.layout.lengths.clone() }
    }

    fn wants(&self, site: Site) -> bool {
        self.visitor.wants(site)
    }

    fn visit(&mut self, _: &O, site: Site, live: &mut [&mut Tensor]) -> Result<(), RunError> {
        if !self.visitor.wants(site) {
            return Ok(());
        }
        let Some(own) = live.first_mut() else { return Ok(()) };
        let layout = self.layout.clone();
        let rows = match self.narrowed || site.component() == Component::Logits {
            true => Rows::Logits(self.read.iter().map(Vec::as_slice).collect()),
            false => Rows::Behind(&layout.runs, &layout.first),
        };
        self.visitor.rows(site, &rows, own)
    }

    fn attend(
        &mut self,
        attention: Attention<'_, O>,
        _: &mut [&mut Tensor],
    ) -> Result<Tensor, RunError> {
        let (config, layer) = (attention.config, attention.layer);
        let patterns = [Component::AttentionScore, Component::AttentionWeight];
        let mut patterns =
            patterns.into_iter().filter_map(|pattern| Site::new(pattern, Some(layer), config).ok());
        if patterns.any(|site| self.visitor.wants(site)) {
            return self.by_steps(&attention);
        }
        let Attention { operations, ref queries, ref keys, ref values, .. } = attention;
        let earlier = self.layout.earlier.get(layer - self.first);
        let paths = if self.narrowed { &self.layout.read_paths } else { &self.layout.paths };
        let options = &config.layers[layer];
        Ok(operations.attend_behind(queries, keys, values, earlier, paths, config, options)?)
    }

    fn recur(&mut self, recurrence: Recurrence<'_, O>) -> Result<Tensor, RunError> {
        let layout = self.layout.clone();
        recur(recurrence, &layout.runs, self.visitor)
    }

    fn narrow(&mut self) -> Option<Vec<usize>> {
        self.narrowed = self.narrows;
        self.narrowed.then(|| self.layout.read.clone())
    }

    fn readout(&mut self) -> Readout {
        let whole = match self.narrowed {
            true => (0..self.layout.read.len()).collect(),
            false => self.layout.read.clone(),
        };
        Readout { whole, chosen: Vec::new() }
    }
}

/// Nobody: for blocks that are run once more on the way back.
pub(super) struct Nobody;

impl Visitor for Nobody {
    fn wants(&self, _: Site) -> bool {
        false
    }

    fn rows(&mut self, _: Site, _: &Rows<'_>, _: &mut Tensor) -> Result<(), RunError> {
        Ok(())
    }

    fn pattern(&mut self, _: Site, _: usize, _: &[usize], _: &mut Tensor) -> Result<(), RunError> {
        Ok(())
    }

    fn logit_positions(&self, _: usize) -> &[usize] {
        &[]
    }
}
