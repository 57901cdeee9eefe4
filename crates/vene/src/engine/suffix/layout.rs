//! How the live rows of a batch of examples lie together.

use std::ops::Range;
use std::sync::Arc;

use candle_core::Tensor;
use vene_model::{Earlier, OwnedPath, Query};

use super::kept::Kept;
use crate::error::RunError;

/// The rows of a batch: of each run its live positions, behind those of the runs before it.
pub(super) struct Layout {
    /// The position of each row.
    pub(super) positions: Vec<usize>,
    /// The length of each row's text, as [`DecoderConfig::rotary_length`](vene_model::DecoderConfig) has it.
    pub(super) lengths: Vec<usize>,
    /// The rows of each run.
    pub(super) runs: Vec<Range<usize>>,
    /// Each run's first live position.
    pub(super) first: Vec<usize>,
    /// The rows of earlier keys at the positions before it.
    pub(super) earlier_rows: Vec<Vec<u32>>,
    /// For each block that is run, earlier keys and values; none where every run is live from its beginning.
    pub(super) earlier: Vec<Earlier>,
    /// Each run's way through earlier and live rows.
    pub(super) paths: Arc<[OwnedPath]>,
    /// The rows whose logits are wanted, and their positions.
    pub(super) read: Vec<usize>,
    pub(super) read_positions: Vec<usize>,
    pub(super) read_lengths: Vec<usize>,
    /// The same ways, on which only these rows ask, numbered anew.
    pub(super) read_paths: Arc<[OwnedPath]>,
}

impl Layout {
    /// A batch of examples; `live`, `read` and `lengths` (of their texts) are the batch's.
    pub(super) fn new(
        kept: &Kept,
        examples: &[usize],
        live: &[Range<usize>],
        read: &[Vec<usize>],
        text_lengths: &[usize],
    ) -> Result<Self, RunError> {
        let (mut positions, mut lengths, mut runs) = (Vec::new(), Vec::new(), Vec::new());
        for (live, &length) in live.iter().zip(text_lengths) {
            runs.push(positions.len()..positions.len() + live.len());
            positions.extend(live.clone());
            lengths.resize(positions.len(), length);
        }
        // The batch's own earlier rows, each once.
        let mut used: Vec<u32> = examples
            .iter()
            .flat_map(|&example| kept.earlier_rows[example].iter().copied())
            .collect();
        used.sort_unstable();
        used.dedup();
        let place = |row: &u32| used.partition_point(|used| used < row) as u32;
        let earlier_rows: Vec<Vec<u32>> = examples
            .iter()
            .map(|&example| kept.earlier_rows[example].iter().map(place).collect())
            .collect();
        let earlier = match used.len() {
            0 => Vec::new(),
            count => {
                let indices = Tensor::from_slice(&used, count, kept.residuals[0].device())?;
                let of = |earlier: &Earlier| -> Result<Earlier, RunError> {
                    Ok(Earlier {
                        keys: earlier.keys.index_select(&indices, 0)?,
                        values: earlier.values.index_select(&indices, 0)?,
                    })
                };
                kept.earlier.iter().map(of).collect::<Result<_, _>>()?
            }
        };
        let way = |run: usize| -> Vec<u32> {
            let own = runs[run].clone().map(|row| (used.len() + row) as u32);
            earlier_rows[run].iter().copied().chain(own).collect()
        };
        let query =
            |row: usize, position: usize| Query { row: row as u32, position: position as u32 };
        let paths = (0..runs.len()).map(|run| {
            let rows = runs[run].clone().zip(live[run].clone());
            OwnedPath {
                rows: way(run),
                queries: rows.map(|(row, position)| query(row, position)).collect(),
            }
        });
        let paths = paths.collect();
        let (mut read_rows, mut read_positions, mut read_paths) =
            (Vec::new(), Vec::new(), Vec::new());
        let mut read_lengths = Vec::new();
        for (run, read) in read.iter().enumerate() {
            let mut queries = Vec::with_capacity(read.len());
            for &position in read {
                queries.push(query(read_rows.len(), position));
                read_rows.push(runs[run].start + position - live[run].start);
                read_positions.push(position);
                read_lengths.push(text_lengths[run]);
            }
            read_paths.push(OwnedPath { rows: way(run), queries });
        }
        Ok(Self {
            positions,
            lengths,
            runs,
            first: live.iter().map(|live| live.start).collect(),
            earlier_rows,
            earlier,
            paths,
            read: read_rows,
            read_positions,
            read_lengths,
            read_paths: read_paths.into(),
        })
    }
}
