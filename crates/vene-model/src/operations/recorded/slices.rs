//! Tensors as the slices that kernels take.

use candle_core::{CpuStorage, Layout, Result, Storage, Tensor};

/// The values of a storage as they lie, if they do so in one stretch.
pub(super) fn floats<'a>(storage: &'a CpuStorage, layout: &Layout) -> Result<&'a [f32]> {
    match (storage, layout.contiguous_offsets()) {
        (CpuStorage::F32(values), Some((start, end))) => Ok(&values[start..end]),
        _ => candle_core::bail!("fused operations take f32 values in one stretch"),
    }
}

/// Calls `use_them` with the values of tensors of 32-bit floats on the CPU.
pub(super) fn with_floats<const N: usize, T>(
    tensors: [&Tensor; N],
    use_them: impl FnOnce([&[f32]; N]) -> T,
) -> Result<T> {
    let held = tensors.map(Tensor::storage_and_layout);
    let mut slices: [&[f32]; N] = [&[]; N];
    for (slice, (storage, layout)) in slices.iter_mut().zip(&held) {
        *slice = match &**storage {
            Storage::Cpu(storage) => floats(storage, layout)?,
            _ => candle_core::bail!("fused operations run on the CPU"),
        };
    }
    Ok(use_them(slices))
}
