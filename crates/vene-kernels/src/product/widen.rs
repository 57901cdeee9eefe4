//! A stretch of a panel's weights, widened to the floats that they stand for.

use half::{bf16, f16};

use super::packed::PANEL;
use super::storage::LOW;
use crate::instructions::InstructionSet;
#[cfg(target_arch = "x86_64")]
use crate::vector::{Avx2, Avx512};
use crate::vector::{Portable, Vector};

/// What a group's codes are multiplied by, `[PANEL]`, and what is added to the products, if anything is.
#[derive(Clone, Copy)]
pub(super) struct Weighing<'w> {
    pub scales: &'w [f32],
    pub offsets: Option<&'w [f32]>,
}

/// A function of this signature for the best instruction set, of one that is written over vectors.
macro_rules! for_this_processor {
    ($(#[$attribute:meta])* fn $name:ident($($argument:ident : $type:ty),*) = $body:ident) => {
        $(#[$attribute])*
        pub(super) fn $name($($argument: $type),*) {
            #[cfg(target_arch = "x86_64")]
            #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma,f16c")]
            fn avx512($($argument: $type),*) {
                // SAFETY: the instructions are enabled here.
                unsafe { $body::<Avx512>($($argument),*) }
            }

            #[cfg(target_arch = "x86_64")]
            #[target_feature(enable = "avx2,fma,f16c")]
            fn avx2($($argument: $type),*) {
                // SAFETY: the instructions are enabled here.
                unsafe { $body::<Avx2>($($argument),*) }
            }

            match InstructionSet::detect() {
                // SAFETY: the processor has what is detected.
                #[cfg(target_arch = "x86_64")]
                InstructionSet::Avx512 => unsafe { avx512($($argument),*) },
                // SAFETY: likewise.
                #[cfg(target_arch = "x86_64")]
                InstructionSet::Avx2 => unsafe { avx2($($argument),*) },
                // SAFETY: needs no instructions.
                _ => unsafe { $body::<Portable>($($argument),*) },
            }
        }
    };
}

for_this_processor! {
    /// `[inputs, PANEL]` numbers.
    fn halves(halves: &[f16], room: &mut [f32]) = each_half
}

for_this_processor! {
    /// The same of the other format of sixteen bits.
    fn brains(brains: &[bf16], room: &mut [f32]) = each_brain
}

for_this_processor! {
    /// `[inputs, PANEL]` codes of one group.
    fn bytes(codes: &[i8], weighing: Weighing<'_>, room: &mut [f32]) = each_byte
}

for_this_processor! {
    /// `[inputs, PANEL / 2]` pairs of codes of one group, counted from the smallest on.
    fn nibbles(pairs: &[u8], smallest: i8, weighing: Weighing<'_>, room: &mut [f32]) = each_nibble
}

/// # Safety
///
/// The processor has the instructions of `V`.
#[inline(always)]
unsafe fn each_half<V: Vector>(halves: &[f16], room: &mut [f32]) {
    // Both are whole panels, of which a register holds a part.
    for (halves, room) in halves.chunks_exact(V::LANES).zip(room.chunks_exact_mut(V::LANES)) {
        // SAFETY: a register is as long as the chunks.
        unsafe { V::load_halves(halves.as_ptr()).store(room.as_mut_ptr()) }
    }
}

/// # Safety
///
/// The processor has the instructions of `V`.
#[inline(always)]
unsafe fn each_brain<V: Vector>(brains: &[bf16], room: &mut [f32]) {
    for (brains, room) in brains.chunks_exact(V::LANES).zip(room.chunks_exact_mut(V::LANES)) {
        // SAFETY: a register is as long as the chunks.
        unsafe { V::load_brains(brains.as_ptr()).store(room.as_mut_ptr()) }
    }
}

/// # Safety
///
/// The processor has the instructions of `V`.
#[inline(always)]
unsafe fn each_byte<V: Vector>(codes: &[i8], weighing: Weighing<'_>, room: &mut [f32]) {
    let inputs = codes.len() / PANEL;
    for column in (0..PANEL).step_by(V::LANES) {
        let code = |input: usize| {
            let codes = &codes[input * PANEL + column..][..V::LANES];
            // SAFETY: a register is as long as the slice.
            unsafe { V::load_bytes(codes.as_ptr()) }
        };
        // SAFETY: the caller's promise.
        unsafe { weigh(inputs, column, code, weighing, room) }
    }
}

/// # Safety
///
/// The processor has the instructions of `V`.
#[inline(always)]
unsafe fn each_nibble<V: Vector>(
    pairs: &[u8],
    smallest: i8,
    weighing: Weighing<'_>,
    room: &mut [f32],
) {
    let inputs = pairs.len() / LOW;
    for column in (0..LOW).step_by(V::LANES) {
        let pairs = |input: usize| pairs[input * LOW + column..][..V::LANES].as_ptr();
        // SAFETY: a register is as long as the slice, and the caller's promise.
        unsafe {
            let low = |input| V::load_nibbles::<false>(pairs(input), smallest);
            weigh(inputs, column, low, weighing, room);
            let high = |input| V::load_nibbles::<true>(pairs(input), smallest);
            weigh(inputs, LOW + column, high, weighing, room);
        }
    }
}

/// `code * scale`, or `code * scale + offset`, of one register's columns, input after input.
///
/// # Safety
///
/// The processor has the instructions of `V`.
#[inline(always)]
unsafe fn weigh<V: Vector>(
    inputs: usize,
    column: usize,
    code: impl Fn(usize) -> V,
    weighing: Weighing<'_>,
    room: &mut [f32],
) {
    let part = |values: &[f32]| {
        let values = &values[column..][..V::LANES];
        // SAFETY: a register is as long as the slice.
        unsafe { V::load(values.as_ptr()) }
    };
    let (scale, offset) = (part(weighing.scales), weighing.offsets.map(part));
    for (input, row) in room.chunks_exact_mut(PANEL).enumerate().take(inputs) {
        let room = &mut row[column..][..V::LANES];
        // SAFETY: a register is as long as the slice.
        unsafe {
            let weight = code(input).multiply(scale);
            let weight = match offset {
                Some(offset) => weight.add(offset),
                None => weight,
            };
            weight.store(room.as_mut_ptr());
        }
    }
}
