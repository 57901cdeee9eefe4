//! Taking a unit's values out of a run's tensor, and putting edited ones back.
//!
//! Both are index selections, so that gradients flow through them and the values that are not
//! edited stay what they are, bit for bit.

use candle_core::{Result, Tensor};

/// Along each of a tensor's three dimensions the chosen indices; `None` stands for all.
pub(super) type Selection<'a> = [Option<&'a [usize]>; 3];

/// The chosen values, in the order in which they are chosen.
pub(super) fn gather(tensor: &Tensor, selection: Selection<'_>) -> Result<Tensor> {
    let mut chosen = tensor.clone();
    for (dimension, indices) in selection.into_iter().enumerate() {
        if let Some(indices) = indices {
            chosen = chosen
                .contiguous()?
                .index_select(&index(indices.iter().copied(), tensor)?, dimension)?;
        }
    }
    Ok(chosen)
}

/// The tensor with the chosen values replaced by `values`.
pub(super) fn replace(
    tensor: &Tensor,
    selection: Selection<'_>,
    values: &Tensor,
) -> Result<Tensor> {
    replace_from(tensor, selection, values, 0)
}

fn replace_from(
    tensor: &Tensor,
    selection: Selection<'_>,
    values: &Tensor,
    dimension: usize,
) -> Result<Tensor> {
    if dimension == selection.len() {
        return Ok(values.clone());
    }
    let Some(indices) = selection[dimension] else {
        return replace_from(tensor, selection, values, dimension + 1);
    };
    let mut only_here: Selection<'_> = [None; 3];
    only_here[dimension] = Some(indices);
    let edited = replace_from(&gather(tensor, only_here)?, selection, values, dimension + 1)?;
    // The edited slices are set behind the old ones, and each slice is then taken from where it
    // now is.
    let extent = tensor.dim(dimension)?;
    let mut origin: Vec<usize> = (0..extent).collect();
    for (slice, &place) in indices.iter().enumerate() {
        origin[place] = extent + slice;
    }
    let both = Tensor::cat(&[tensor, &edited], dimension)?.contiguous()?;
    both.index_select(&index(origin.into_iter(), tensor)?, dimension)
}

fn index(indices: impl Iterator<Item = usize>, like: &Tensor) -> Result<Tensor> {
    Tensor::new(indices.map(|index| index as u32).collect::<Vec<_>>(), like.device())
}

/// All values, as f64.
pub(super) fn values(tensor: &Tensor) -> Result<Vec<f64>> {
    tensor.to_dtype(candle_core::DType::F64)?.flatten_all()?.to_vec1()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use candle_core::{DType, Device};

    #[test]
    fn what_is_put_back_is_what_is_taken_out() {
        let tensor = Tensor::arange(0.0, 24.0, &Device::Cpu).unwrap().reshape((2, 3, 4)).unwrap();
        let selection: Selection<'_> = [Some(&[1]), Some(&[2, 0]), Some(&[3])];
        assert_eq!(values(&gather(&tensor, selection).unwrap()).unwrap(), [23.0, 15.0]);
        let new = Tensor::new(&[[[-1.0], [-2.0]]], &Device::Cpu).unwrap();
        let edited = replace(&tensor, selection, &new).unwrap();
        let mut expected: Vec<f64> = (0..24).map(f64::from).collect();
        (expected[23], expected[15]) = (-1.0, -2.0);
        assert_eq!(values(&edited).unwrap(), expected);
    }

    #[test]
    fn everything_can_be_replaced_at_once() {
        let tensor = Tensor::zeros((1, 2, 2), DType::F32, &Device::Cpu).unwrap();
        let ones = tensor.ones_like().unwrap();
        assert_eq!(values(&replace(&tensor, [None; 3], &ones).unwrap()).unwrap(), [1.0; 4]);
    }
}
