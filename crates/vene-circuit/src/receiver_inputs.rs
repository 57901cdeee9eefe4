//! What receivers read, as edits of a run: their queries, keys, values or an MLP's input, whatever is computed before or beside them.

use std::sync::Arc;

use candle_core::DType;
use vene_model::{Component, OperationError, Operations, Projection};

use crate::graph::{KeyHead, Receiver};
use crate::patch::{HostValues, Patch};
use crate::receivers::{NormOf, Receivers, projection_site};
use crate::sent::{Reads, Sent};

/// For each set of senders what stands at the receivers' inputs instead. `read` is the position whose logits are read.
pub(crate) fn patches<O: Operations>(
    sent: &Sent<'_, O>,
    sets: &[Vec<bool>],
    receivers: &[Receiver],
    (norm, read): (NormOf, usize),
) -> Result<Vec<Vec<Patch>>, OperationError> {
    let reading = Receivers { decoder: sent.decoder, run: sent.run, at: sent.at, norm };
    let places: Vec<Reads> = receivers.iter().map(|receiver| reads(*receiver)).collect();
    let last = places.last().copied().unwrap_or(Reads::Logits);
    let mut patches = vec![Vec::new(); sets.len()];
    sent.walk(sets, last, &mut |here, added| {
        if !places.contains(&here) {
            return Ok(());
        }
        let of_place = OfPlace { receivers: &reading, added, sets: sets.len(), read };
        of_place.put(receivers, here, &mut patches)
    })?;
    Ok(patches)
}

/// Where a receiver reads.
fn reads(receiver: Receiver) -> Reads {
    match receiver {
        Receiver::Query { layer, .. }
        | Receiver::Key { layer, .. }
        | Receiver::Value { layer, .. } => Reads::Attention(layer),
        Receiver::Mlp { layer } => Reads::Mlp(layer),
        Receiver::Logits => Reads::Logits,
    }
}

/// What has reached a place.
struct OfPlace<'a, O: Operations> {
    receivers: &'a Receivers<'a, O>,
    /// `[sets * positions, d_model]`.
    added: &'a O::Tensor,
    sets: usize,
    read: usize,
}

impl<O: Operations> OfPlace<'_, O> {
    /// Adds the patches of the receivers that read here.
    fn put(
        &self,
        receivers: &[Receiver],
        here: Reads,
        patches: &mut [Vec<Patch>],
    ) -> Result<(), OperationError> {
        let config = self.receivers.decoder.config();
        let here: Vec<Receiver> =
            receivers.iter().copied().filter(|receiver| reads(*receiver) == here).collect();
        for projection in [Projection::Queries, Projection::Keys, Projection::Values] {
            let heads: Vec<(usize, usize)> = here
                .iter()
                .filter_map(|receiver| match (*receiver, projection) {
                    (Receiver::Query { layer, head }, Projection::Queries) => Some((layer, head)),
                    (Receiver::Key { layer, head }, Projection::Keys)
                    | (Receiver::Value { layer, head }, Projection::Values) => match head {
                        KeyHead::Own(head) | KeyHead::Shared(head) => Some((layer, head)),
                    },
                    _ => None,
                })
                .collect();
            let Some(&(layer, _)) = heads.first() else { continue };
            let values = self.receivers.projection(layer, projection, self.added, self.sets)?;
            let values = self.host(&values)?;
            let component = projection_site(config, projection);
            for (set, patches) in patches.iter_mut().enumerate() {
                for &(_, head) in &heads {
                    let columns = head * config.head_dim..(head + 1) * config.head_dim;
                    let at = self.receivers.at;
                    let rows = set * at.len()..(set + 1) * at.len();
                    patches.push(Patch {
                        component,
                        layer: Some(layer),
                        heads: Some(head..head + 1),
                        positions: at.to_vec(),
                        values: Arc::new(values.part(rows, columns)),
                    });
                }
            }
        }
        for receiver in here {
            match receiver {
                Receiver::Mlp { layer } => self.put_mlp(layer, patches)?,
                Receiver::Logits => self.put_logits(patches)?,
                _ => {}
            }
        }
        Ok(())
    }

    fn put_mlp(&self, layer: usize, patches: &mut [Vec<Patch>]) -> Result<(), OperationError> {
        let values = self.host(&self.receivers.mlp_input(layer, self.added, self.sets)?)?;
        let (at, width) = (self.receivers.at, self.receivers.decoder.config().d_model);
        for (set, patches) in patches.iter_mut().enumerate() {
            patches.push(Patch {
                component: Component::MlpInput,
                layer: Some(layer),
                heads: None,
                positions: at.to_vec(),
                values: Arc::new(values.part(set * at.len()..(set + 1) * at.len(), 0..width)),
            });
        }
        Ok(())
    }

    fn put_logits(&self, patches: &mut [Vec<Patch>]) -> Result<(), OperationError> {
        let at = self.receivers.at;
        // Nobody reads the logits elsewhere.
        let Some(place) = at.iter().position(|&position| position == self.read) else {
            return Ok(());
        };
        let config = self.receivers.decoder.config();
        let values = self.host(&self.receivers.by_logits(self.added, self.sets)?)?;
        for (set, patches) in patches.iter_mut().enumerate() {
            let row = set * at.len() + place;
            let values = Arc::new(values.part(row..row + 1, 0..config.d_model));
            patches.push(Patch::of_logits(config, self.read, values));
        }
        Ok(())
    }

    fn host(&self, rows: &O::Tensor) -> Result<HostValues, OperationError> {
        let all: Vec<usize> = (0..self.sets * self.receivers.at.len()).collect();
        let values = self.receivers.decoder.operations().values(rows, &all)?;
        let width = values.dim(1)?;
        let values = values.to_dtype(DType::F64)?.flatten_all()?.to_vec1::<f64>()?;
        Ok(HostValues::new(values, width))
    }
}
