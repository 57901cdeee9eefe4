//! What senders add on average over the rows of a data set.

use std::sync::{Arc, Mutex, PoisonError};

use candle_core::{DType, Device, Tensor};
use vene_data::PreparedRow;
use vene_model::{Decoder, OperationError, Operations};

use crate::counterpart::{Counterpart, LayerCounterpart};
use crate::error::CircuitError;
use crate::node_run::NodeRun;
use crate::place::PatchPlace;

/// Means at every place, once they are known; clones share them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Means(Arc<Mutex<Option<Arc<Vec<PlaceMeans>>>>>);

/// At a place, the sums of what every sender adds there in the rows' sources (of rows without one, their bases).
#[derive(Debug)]
pub(crate) struct PlaceMeans {
    /// Over all its positions: of the input, and of each layer what heads mix and what the MLP adds.
    anywhere: Vec<Vec<f64>>,
    /// How many positions those are.
    count: usize,
    /// At each of its positions, in order, where all rows have as many; with the number of rows.
    by_position: Option<(Vec<Vec<Vec<f64>>>, usize)>,
}

impl Means {
    /// Those of these rows, from the first call on.
    pub(crate) fn of<O: Operations>(
        &self,
        decoder: &Decoder<O>,
        rows: &[PreparedRow],
        places: &[PatchPlace],
    ) -> Result<Arc<Vec<PlaceMeans>>, OperationError> {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(means) = &*known {
            return Ok(Arc::clone(means));
        }
        let mut means: Vec<Option<PlaceMeans>> = places.iter().map(|_| None).collect();
        for row in rows {
            let prompt = row.source.as_ref().unwrap_or(&row.base);
            let run = NodeRun::of(decoder, prompt.tokens())?;
            for (place, means) in places.iter().zip(&mut means) {
                let at = place.aligned(places, row).source;
                let found = PlaceMeans::of(decoder, &run, &at)?;
                match means {
                    None => *means = Some(found),
                    Some(means) => means.add(&found),
                }
            }
        }
        let means = Arc::new(means.into_iter().flatten().collect::<Vec<_>>());
        *known = Some(Arc::clone(&means));
        Ok(means)
    }
}

impl PlaceMeans {
    /// The sums of one run.
    fn of<O: Operations>(
        decoder: &Decoder<O>,
        run: &NodeRun<O>,
        at: &[usize],
    ) -> Result<Self, OperationError> {
        let operations = decoder.operations();
        let values = |tensor: &O::Tensor| -> Result<Vec<Vec<f64>>, OperationError> {
            Ok(operations.values(tensor, at)?.to_dtype(DType::F64)?.to_vec2::<f64>()?)
        };
        let mut by_position: Vec<Vec<Vec<f64>>> = vec![Vec::new(); at.len()];
        let mut take = |values: Vec<Vec<f64>>| {
            for (of_position, values) in by_position.iter_mut().zip(values) {
                of_position.push(values);
            }
        };
        take(values(&run.input)?);
        for layer in &run.layers {
            take(values(&layer.mixed)?);
            take(values(&layer.mlp)?);
        }
        let mut anywhere: Vec<Vec<f64>> = Vec::new();
        for of_position in &by_position {
            add(&mut anywhere, of_position);
        }
        Ok(Self { anywhere, count: at.len(), by_position: Some((by_position, 1)) })
    }

    fn add(&mut self, other: &Self) {
        add(&mut self.anywhere, &other.anywhere);
        self.count += other.count;
        match (&mut self.by_position, &other.by_position) {
            (Some((own, rows)), Some((other, _))) if own.len() == other.len() => {
                *rows += 1;
                own.iter_mut().zip(other).for_each(|(own, other)| add(own, other));
            }
            (own, _) => *own = None,
        }
    }

    /// What senders add instead at so many positions: the same at each. `like` is the type of the run's values.
    pub(crate) fn anywhere<O: Operations>(
        &self,
        operations: &O,
        (positions, like): (usize, DType),
    ) -> Result<Counterpart<O>, OperationError> {
        let mean = |sums: &Vec<f64>| sums.iter().map(|sum| sum / self.count as f64).collect();
        let rows: Vec<Vec<Vec<f64>>> =
            self.anywhere.iter().map(|sums| vec![mean(sums); positions]).collect();
        counterpart(operations, like, &rows)
    }

    /// What senders add instead, at each position by itself.
    ///
    /// # Errors
    /// Rows of unlike numbers of positions.
    pub(crate) fn by_position<O: Operations>(
        &self,
        operations: &O,
        like: DType,
    ) -> Result<Counterpart<O>, CircuitError> {
        let (sums, rows) = self.by_position.as_ref().ok_or(CircuitError::UnevenMeans)?;
        let parts = sums.first().map_or(0, Vec::len);
        let mean = |sums: &Vec<f64>| sums.iter().map(|sum| sum / *rows as f64).collect();
        let of_part = |part: usize| sums.iter().map(|of| mean(&of[part])).collect();
        Ok(counterpart(operations, like, &(0..parts).map(of_part).collect::<Vec<_>>())?)
    }
}

fn add(sums: &mut Vec<Vec<f64>>, more: &[Vec<f64>]) {
    if sums.is_empty() {
        sums.extend_from_slice(more);
        return;
    }
    for (sums, more) in sums.iter_mut().zip(more) {
        sums.iter_mut().zip(more).for_each(|(sum, more)| *sum += more);
    }
}

/// The input's rows, then of each layer what heads mix and what the MLP adds: `[part][position][width]`.
fn counterpart<O: Operations>(
    operations: &O,
    like: DType,
    parts: &[Vec<Vec<f64>>],
) -> Result<Counterpart<O>, OperationError> {
    let rows = |values: &Vec<Vec<f64>>| {
        let width = values.first().map_or(0, Vec::len);
        let flat: Vec<f64> = values.iter().flatten().copied().collect();
        let rows = Tensor::from_vec(flat, (values.len(), width), &Device::Cpu)?;
        operations.rows_of(&rows.to_dtype(like)?)
    };
    let Some((input, layers)) = parts.split_first() else {
        return Err(candle_core::Error::Msg("there are no means".to_owned()).into());
    };
    let layer = |pair: &[Vec<Vec<f64>>]| -> Result<_, OperationError> {
        Ok(LayerCounterpart { mixed: rows(&pair[0])?, mlp: rows(&pair[1])? })
    };
    Ok(Counterpart {
        input: rows(input)?,
        layers: layers.chunks_exact(2).map(layer).collect::<Result<_, OperationError>>()?,
    })
}
