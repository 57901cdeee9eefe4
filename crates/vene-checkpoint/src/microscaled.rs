//! Matrices of four-bit floats as OpenAI publishes them in safetensors files: their codes in one tensor of bytes, their
//! scales in another.
//!
//! The bits are those of ggml's MXFP4, in another order: here a byte holds two neighbouring weights, there two that are
//! half a block apart.

use crate::{CheckpointError, Element, StoredTensor, Tensors};

/// Weights that share a scale.
const BLOCK: usize = 32;

impl Tensors {
    /// Whether [`Tensors::read_microscaled`] could read these.
    ///
    /// # Errors
    /// As there.
    pub fn check_microscaled(
        &self,
        blocks: &str,
        scales: &str,
        shape: [usize; 3],
    ) -> Result<(), CheckpointError> {
        self.microscaled(blocks, scales, shape).map(|_| ())
    }

    /// Matrices `[matrices, out, in]`, one after the other, as one of `matrices * out` rows. `blocks` names bytes
    /// `[matrices, out, in / 32, 16]` of two weights each, the earlier one in the low half; `scales` bytes
    /// `[matrices, out, in / 32]` that are exponents.
    ///
    /// # Errors
    /// One of the tensors is absent, has another shape, or does not hold bytes; `in` is no multiple of 32.
    pub fn read_microscaled(
        &self,
        blocks: &str,
        scales: &str,
        shape: [usize; 3],
    ) -> Result<StoredTensor, CheckpointError> {
        let [codes, exponents] = self.microscaled(blocks, scales, shape)?;
        let [matrices, out, input] = shape;
        let mut bytes = Vec::with_capacity(codes.len() + exponents.len());
        for (codes, exponent) in codes.as_chunks::<{ BLOCK / 2 }>().0.iter().zip(exponents) {
            bytes.push(*exponent);
            bytes.extend(half_a_block_apart(codes));
        }
        let shape = vec![matrices * out, input];
        Ok(StoredTensor { element: Element::MXFP4, bytes, shape })
    }

    /// The bytes of the codes, and those of the scales.
    fn microscaled(
        &self,
        blocks: &str,
        scales: &str,
        [matrices, out, input]: [usize; 3],
    ) -> Result<[&[u8]; 2], CheckpointError> {
        // Where the width is no multiple of a block, this is a shape that the tensors do not have.
        let groups = input.div_ceil(BLOCK);
        let width = if input.is_multiple_of(BLOCK) { BLOCK / 2 } else { 0 };
        let codes = self.raw_bytes(blocks, &[matrices, out, groups, width])?;
        Ok([codes, self.raw_bytes(scales, &[matrices, out, groups])?])
    }
}

/// The codes of a block, of which two neighbours share a byte, in ggml's order.
fn half_a_block_apart(codes: &[u8; BLOCK / 2]) -> [u8; BLOCK / 2] {
    let code = |weight: usize| (codes[weight / 2] >> (4 * (weight % 2))) & 15;
    std::array::from_fn(|weight| code(weight) | (code(weight + BLOCK / 2) << 4))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neighbours_in_a_byte_are_put_half_a_block_apart() {
        // Weights 0 to 31 have the codes 0 to 15, twice.
        let codes =
            std::array::from_fn(|byte| (2 * byte % 16) as u8 | (((2 * byte + 1) % 16) << 4) as u8);
        let bytes = half_a_block_apart(&codes);
        for (weight, byte) in bytes.into_iter().enumerate() {
            assert_eq!((byte & 15, byte >> 4), (weight as u8, weight as u8));
        }
    }
}
