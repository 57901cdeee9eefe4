//! Leaves of the graph at sites: what a gradient is read from.

use std::collections::{BTreeSet, HashMap};

use candle_core::backprop::GradStore;
use candle_core::{Tensor, Var};
use vene_model::Site;

use crate::engine::sequences::{Rows, StepRuns, Visitor};
use crate::error::RunError;

/// Zeros that are added at sites: the gradient of a metric with respect to them is that with respect to the
/// values there.
pub(in crate::engine) struct Taps {
    sites: BTreeSet<Site>,
    /// Of each run its length.
    lengths: Vec<usize>,
    rows: HashMap<Site, Tapping>,
    patterns: HashMap<(Site, usize), (Var, Tensor)>,
    /// Of sites inside recurrent blocks, step by step.
    steps: HashMap<Site, Vec<TappedStep>>,
}

/// A time step at a site: the runs of its rows.
struct TappedStep {
    runs: Vec<usize>,
    zeros: Var,
    values: Tensor,
}

/// A site of packed rows.
struct Tapping {
    zeros: Var,
    values: Tensor,
    /// For each run the rows that are there, and their positions.
    runs: Vec<(Vec<usize>, Vec<usize>)>,
}

impl Taps {
    /// At these sites of runs of these lengths.
    pub(in crate::engine) fn new(sites: &[Site], lengths: Vec<usize>) -> Self {
        let sites = sites.iter().copied().collect();
        let (rows, patterns, steps) = (HashMap::new(), HashMap::new(), HashMap::new());
        Self { sites, lengths, rows, patterns, steps }
    }

    /// What stood at a site of a run, and its gradient: `[positions, width]`, with zeros where nothing was run;
    /// or `[heads, queries, keys]`.
    pub(in crate::engine) fn of(
        &self,
        site: Site,
        run: usize,
        gradients: &GradStore,
    ) -> Result<Option<(Tensor, Tensor)>, RunError> {
        let of = |zeros: &Var| match gradients.get(zeros) {
            Some(gradient) => Ok(gradient.clone()),
            None => zeros.zeros_like(),
        };
        if let Some((zeros, values)) = self.patterns.get(&(site, run)) {
            return Ok(Some((values.clone(), of(zeros)?)));
        }
        if let Some(steps) = self.steps.get(&site) {
            let (mut all_values, mut all_gradients) = (Vec::new(), Vec::new());
            for TappedStep { runs, zeros, values } in steps {
                if let Some(row) = runs.iter().position(|&there| there == run) {
                    all_values.push(values.narrow(0, row, 1)?);
                    all_gradients.push(of(zeros)?.narrow(0, row, 1)?);
                }
            }
            return Ok(Some((Tensor::cat(&all_values, 0)?, Tensor::cat(&all_gradients, 0)?)));
        }
        let Some(Tapping { zeros, values, runs }) = self.rows.get(&site) else { return Ok(None) };
        let (rows, positions) = &runs[run];
        let gradient = of(zeros)?;
        let whole = |tensor: &Tensor| -> Result<Tensor, RunError> {
            let width = tensor.dim(1)?;
            let nothing = Tensor::zeros((1, width), tensor.dtype(), tensor.device())?;
            // Row 0 stands for what was not run.
            let all = Tensor::cat(&[&nothing, tensor], 0)?;
            let origin = (0..self.lengths[run]).map(|position| {
                let place = positions.iter().position(|&there| there == position);
                place.map_or(0, |place| rows[place] as u32 + 1)
            });
            let origin: Vec<u32> = origin.collect();
            Ok(all.index_select(&Tensor::new(origin, tensor.device())?, 0)?)
        };
        Ok(Some((whole(values)?, whole(&gradient)?)))
    }
}

/// A visitor at whose sites there are taps, behind what it does there.
pub(in crate::engine) struct Tapped<'t, V> {
    inner: V,
    taps: &'t mut Taps,
}

impl<'t, V> Tapped<'t, V> {
    pub(super) fn new(inner: V, taps: &'t mut Taps) -> Self {
        Self { inner, taps }
    }
}

/// The tensor with zeros added that have a gradient.
fn tapped(tensor: &Tensor) -> candle_core::Result<(Var, Tensor)> {
    let zeros = Var::from_tensor(&tensor.detach().zeros_like()?)?;
    let sum = (tensor + zeros.as_tensor())?;
    Ok((zeros, sum))
}

impl<V: Visitor> Visitor for Tapped<'_, V> {
    fn wants(&self, site: Site) -> bool {
        self.taps.sites.contains(&site) || self.inner.wants(site)
    }

    fn rows(&mut self, site: Site, rows: &Rows<'_>, tensor: &mut Tensor) -> Result<(), RunError> {
        if self.inner.wants(site) {
            self.inner.rows(site, rows, tensor)?;
        }
        // What was tapped step by step is shown once more as a whole.
        if self.taps.sites.contains(&site) && !self.taps.steps.contains_key(&site) {
            let (zeros, sum) = tapped(tensor)?;
            let runs = self.taps.lengths.iter().enumerate().map(|(run, &length)| {
                let there = |position: usize| {
                    rows.of(run, &[position]).and_then(|rows| rows.first().copied())
                };
                let found = (0..length).filter_map(|position| Some((there(position)?, position)));
                found.unzip()
            });
            let tapping = Tapping { zeros, values: tensor.detach(), runs: runs.collect() };
            self.taps.rows.insert(site, tapping);
            *tensor = sum;
        }
        Ok(())
    }

    fn step(
        &mut self,
        site: Site,
        step: StepRuns<'_>,
        tensor: &mut Tensor,
    ) -> Result<(), RunError> {
        if self.inner.wants(site) {
            self.inner.step(site, step, tensor)?;
        }
        if self.taps.sites.contains(&site) {
            let (zeros, sum) = tapped(tensor)?;
            let tapped = TappedStep { runs: step.runs.to_vec(), zeros, values: tensor.detach() };
            self.taps.steps.entry(site).or_default().push(tapped);
            *tensor = sum;
        }
        Ok(())
    }

    fn pattern(
        &mut self,
        site: Site,
        run: usize,
        queries: &[usize],
        tensor: &mut Tensor,
    ) -> Result<(), RunError> {
        if self.inner.wants(site) {
            self.inner.pattern(site, run, queries, tensor)?;
        }
        if self.taps.sites.contains(&site) {
            let (zeros, sum) = tapped(tensor)?;
            self.taps.patterns.insert((site, run), (zeros, tensor.detach()));
            *tensor = sum;
        }
        Ok(())
    }

    fn logit_positions(&self, run: usize) -> &[usize] {
        self.inner.logit_positions(run)
    }
}
