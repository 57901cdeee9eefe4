//! The number formats in which weights are stored.
//!
//! The plain formats store one number after the other. The quantised ones are ggml's: a *block*
//! of 32, 64 or 256 weights shares a scale (and sometimes an offset), and is read as a whole.

use std::fmt;

/// How a tensor's elements are stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[allow(missing_docs, non_camel_case_types)]
pub enum Element {
    F64,
    F32,
    F16,
    BF16,
    Q4_0,
    Q4_1,
    Q5_0,
    Q5_1,
    Q8_0,
    Q2_K,
    Q3_K,
    Q4_K,
    Q5_K,
    Q6_K,
    IQ4_NL,
    IQ4_XS,
    MXFP4,
    NVFP4,
    TQ1_0,
    TQ2_0,
}

impl Element {
    /// The formats that GGUF files may use here.
    pub(crate) const GGUF: [Element; 19] = [
        Self::F32,
        Self::F16,
        Self::BF16,
        Self::Q4_0,
        Self::Q4_1,
        Self::Q5_0,
        Self::Q5_1,
        Self::Q8_0,
        Self::Q2_K,
        Self::Q3_K,
        Self::Q4_K,
        Self::Q5_K,
        Self::Q6_K,
        Self::IQ4_NL,
        Self::IQ4_XS,
        Self::MXFP4,
        Self::NVFP4,
        Self::TQ1_0,
        Self::TQ2_0,
    ];

    /// The formats that safetensors files may use here.
    pub(crate) const SAFETENSORS: [Element; 4] = [Self::F32, Self::F16, Self::BF16, Self::F64];

    /// The format that safetensors files call by this name.
    ///
    /// # Errors
    /// The name, where the format cannot be read.
    pub(crate) fn in_safetensors(name: &str) -> Result<Self, String> {
        let found = Self::SAFETENSORS.into_iter().find(|element| element.to_string() == name);
        found.ok_or_else(|| name.to_owned())
    }

    /// How many weights are stored together.
    pub fn block_len(self) -> usize {
        match self {
            Self::F64 | Self::F32 | Self::F16 | Self::BF16 => 1,
            Self::Q4_0 | Self::Q4_1 | Self::Q5_0 | Self::Q5_1 | Self::Q8_0 => 32,
            Self::IQ4_NL | Self::MXFP4 => 32,
            Self::NVFP4 => 64,
            Self::Q2_K | Self::Q3_K | Self::Q4_K | Self::Q5_K | Self::Q6_K => 256,
            Self::IQ4_XS | Self::TQ1_0 | Self::TQ2_0 => 256,
        }
    }

    /// How many bytes a block takes.
    pub fn block_bytes(self) -> usize {
        match self {
            Self::F64 => 8,
            Self::F32 => 4,
            Self::F16 | Self::BF16 => 2,
            Self::Q4_0 => 2 + 16,
            Self::Q4_1 => 2 + 2 + 16,
            Self::Q5_0 => 2 + 4 + 16,
            Self::Q5_1 => 2 + 2 + 4 + 16,
            Self::Q8_0 => 2 + 32,
            Self::Q2_K => 16 + 64 + 2 + 2,
            Self::Q3_K => 32 + 64 + 12 + 2,
            Self::Q4_K => 2 + 2 + 12 + 128,
            Self::Q5_K => 2 + 2 + 12 + 32 + 128,
            Self::Q6_K => 128 + 64 + 16 + 2,
            Self::IQ4_NL => 2 + 16,
            Self::IQ4_XS => 2 + 2 + 4 + 128,
            Self::MXFP4 => 1 + 16,
            Self::NVFP4 => 4 + 32,
            Self::TQ1_0 => 48 + 4 + 2,
            Self::TQ2_0 => 64 + 2,
        }
    }

    /// The bytes of a tensor of this shape, `None` where the number of elements overflows or rows
    /// (the last axis) are no whole number of blocks.
    pub(crate) fn bytes_of(self, shape: &[usize]) -> Option<usize> {
        let elements = shape.iter().try_fold(1usize, |n, &d| n.checked_mul(d))?;
        if shape.last().copied().unwrap_or(1) % self.block_len() != 0 {
            return None;
        }
        (elements / self.block_len()).checked_mul(self.block_bytes())
    }
}

impl fmt::Display for Element {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The variants are named as ggml and safetensors name them.
        fmt::Debug::fmt(self, f)
    }
}

/// "F32, F16, BF16", for an error.
pub(crate) fn listed(elements: &[Element]) -> String {
    let names: Vec<String> = elements.iter().map(Element::to_string).collect();
    names.join(", ")
}
