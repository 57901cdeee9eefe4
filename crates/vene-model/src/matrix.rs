//! A matrix of weights on its way into a decoder, in the form in which its file stores it.
//!
//! Half-precision and quantised weights stay what they are: the fused operations widen them as they multiply, with the same
//! bits as if that had been done before, and in the memory of the file. Whoever needs numbers asks for them.

use vene_checkpoint::{Element, StoredTensor};

use crate::tensors::HostTensor;

/// A matrix of weights `[out, in]`.
#[derive(Clone, Debug, PartialEq)]
pub enum Matrix {
    /// Numbers in single precision.
    Numbers(HostTensor),
    /// As a file stores them.
    Stored(StoredTensor),
}

/// How many bytes a tensor takes in memory, kept as the fused operations keep it.
pub(crate) fn bytes_kept(shape: &[usize], stored: Option<Element>) -> usize {
    let elements: usize = shape.iter().product();
    let Some(element) = stored.filter(|_| shape.len() > 1) else {
        // Bytes of two four-bit floats (see `Tensors::read_microscaled`) are kept as a code of a byte for each of these.
        let is_of_pairs = stored.is_none() && shape.len() == 4;
        return elements * if is_of_pairs { 2 } else { size_of::<f32>() };
    };
    match (element, element.quanta()) {
        (Element::F16 | Element::BF16, _) => elements * 2,
        (_, Some(quanta)) => {
            let codes = if quanta.sixteen_from.is_some() { elements / 2 } else { elements };
            let numbers = if quanta.has_offsets { 2 } else { 1 };
            codes + elements / quanta.group * numbers * size_of::<f32>()
        }
        (_, None) => elements * size_of::<f32>(),
    }
}

impl From<HostTensor> for Matrix {
    fn from(numbers: HostTensor) -> Self {
        Self::Numbers(numbers)
    }
}

impl Matrix {
    /// A matrix of this shape without its values.
    pub(crate) fn outline(out: usize, input: usize) -> Self {
        Self::Numbers(HostTensor::outline(&[out, input]))
    }

    /// `[out, in]`.
    pub fn shape(&self) -> &[usize] {
        match self {
            Self::Numbers(numbers) => &numbers.shape,
            Self::Stored(stored) => stored.shape(),
        }
    }

    /// All numbers, in single precision.
    pub fn widened(self) -> HostTensor {
        match self {
            Self::Numbers(numbers) => numbers,
            Self::Stored(stored) => {
                HostTensor { data: stored.widened(), shape: stored.shape().to_vec() }
            }
        }
    }

    /// The transpose. A matrix whose weights stand in blocks is widened for it.
    pub(crate) fn transposed(self) -> Self {
        if let Self::Stored(stored) = &self
            && let Some(transposed) = stored.transposed()
        {
            return Self::Stored(transposed);
        }
        Self::Numbers(self.widened().transposed())
    }

    /// Rows `start..start + length`.
    pub fn rows(&self, start: usize, length: usize) -> Self {
        self.stretches(std::iter::once(start), length)
    }

    /// Stretches of so many rows, one after the other.
    pub(crate) fn stretches(
        &self,
        starts: impl Iterator<Item = usize> + Clone,
        length: usize,
    ) -> Self {
        match self {
            Self::Numbers(numbers) => Self::Numbers(numbers.stretches(starts, length)),
            Self::Stored(stored) => Self::Stored(stored.stretches(starts, length)),
        }
    }
}
