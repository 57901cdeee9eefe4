//! A pass that writes down everything: whole sequences, every site, nothing edited.

use std::collections::BTreeMap;
use std::ops::Range;

use candle_core::Tensor;
use vene_model::{
    Attention, Component, DecoderConfig, Model, OperationError, Operations, Pass, Plain, Readout,
    Recurrence, Scoring, Site, TimeStep, Visibility,
};

/// What one run showed at every site, `[positions, width]` or `[head, query, key]`.
pub type Recording = BTreeMap<Site, Tensor>;

/// Runs prompts in one packed pass and keeps every site of each, in the order in which the
/// decoder announced them.
pub fn record(model: &Model, prompts: &[&[u32]]) -> (Vec<Recording>, Vec<Site>) {
    let mut recorder = Recorder {
        config: model.config().clone(),
        runs: Vec::new(),
        positions: Vec::new(),
        recordings: vec![Recording::new(); prompts.len()],
        order: Vec::new(),
    };
    for prompt in prompts {
        let start = recorder.positions.len();
        recorder.runs.push(start..start + prompt.len());
        recorder.positions.extend(0..prompt.len());
    }
    model.plain().unwrap().forward(&prompts.concat(), &mut recorder).unwrap();
    (recorder.recordings, recorder.order)
}

struct Recorder {
    config: DecoderConfig,
    runs: Vec<Range<usize>>,
    positions: Vec<usize>,
    recordings: Vec<Recording>,
    order: Vec<Site>,
}

impl Recorder {
    fn keep(&mut self, run: usize, site: Site, tensor: Tensor) {
        let before = self.recordings[run].insert(site, tensor);
        assert!(before.is_none(), "{site} was announced twice");
    }
}

impl Pass<Plain> for Recorder {
    type Error = OperationError;

    fn positions(&self) -> &[usize] {
        &self.positions
    }

    fn lengths(&self) -> Vec<usize> {
        let of_run = |run: &Range<usize>| {
            std::iter::repeat_n(self.config.rotary_length(run.len()), run.len())
        };
        self.runs.iter().flat_map(of_run).collect()
    }

    fn wants(&self, _: Site) -> bool {
        true
    }

    fn visit(
        &mut self,
        _: &Plain,
        site: Site,
        live: &mut [&mut Tensor],
    ) -> Result<(), OperationError> {
        self.order.push(site);
        for (run, rows) in self.runs.clone().into_iter().enumerate() {
            self.keep(run, site, live[0].narrow(0, rows.start, rows.len())?.contiguous()?);
        }
        Ok(())
    }

    fn attend(
        &mut self,
        attention: Attention<'_, Plain>,
        _: &mut [&mut Tensor],
    ) -> Result<Tensor, OperationError> {
        let Attention { operations, scoring, ref queries, ref keys, ref values } = attention;
        let Scoring { config, layer, .. } = scoring;
        let site = |component| Site::new(component, Some(layer), config).unwrap();
        self.order.extend([site(Component::AttentionScore), site(Component::AttentionWeight)]);
        let mut mixed = Vec::new();
        for (run, rows) in self.runs.clone().into_iter().enumerate() {
            let part = |tensor: &Tensor| operations.slice_rows(tensor, rows.start, rows.len());
            let positions: Vec<usize> = (0..rows.len()).collect();
            let visibility =
                Visibility { queries: &positions, keys: &positions, window: scoring.window() };
            let scores = operations.scores(&part(queries)?, &part(keys)?, scoring, visibility)?;
            let weights = operations.attention_weights(&scores, scoring)?;
            mixed.push(operations.weigh(&weights, &part(values)?, config.head_dim)?);
            self.keep(run, site(Component::AttentionScore), scores);
            self.keep(run, site(Component::AttentionWeight), weights);
        }
        operations.stack_rows(&mixed)
    }

    fn recur(&mut self, recurrence: Recurrence<'_, Plain>) -> Result<Tensor, OperationError> {
        let mut steps: BTreeMap<Site, Vec<Tensor>> = BTreeMap::new();
        let time = TimeStep::of_runs(&self.runs);
        let keep = &mut |site, _: usize, tensor: &mut Tensor| {
            steps.entry(site).or_default().push(tensor.clone());
            Ok::<_, OperationError>(())
        };
        let output = recurrence.run(&time, None, keep)?;
        let rows = self.runs.last().map_or(0, |run| run.end);
        let order = TimeStep::packed_order(&time, rows);
        for (site, steps) in steps {
            let steps = recurrence.operations.stack_rows(&steps)?;
            let whole = recurrence.operations.take_rows(&steps, &order)?;
            self.order.push(site);
            for (run, rows) in self.runs.clone().into_iter().enumerate() {
                self.keep(run, site, whole.narrow(0, rows.start, rows.len())?.contiguous()?);
            }
        }
        Ok(output)
    }

    fn readout(&mut self) -> Readout {
        Readout { whole: (0..self.positions.len()).collect(), chosen: Vec::new() }
    }
}
