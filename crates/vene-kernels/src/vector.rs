//! Vectors of floats: the handful of operations that the product and attention are written in.
//!
//! Those two kernels are written once, over this trait, and compiled once for each instruction
//! set. All sets multiply and add with one rounding wherever the processor can, in the same order,
//! so that AVX-512 and AVX2 give the same bits.
//!
//! Every method is `inline(always)`: it takes on the features of the kernel that it is inlined
//! into. Calling one elsewhere would be slow, and on a processor that lacks the instructions it
//! would be undefined, which is why the methods are unsafe.

use half::{bf16, f16};

/// One register of floats.
///
/// # Safety
///
/// All methods require that the processor has the instructions of the implementing type; those
/// that take a pointer require that it is good for the floats that they touch.
pub(crate) trait Vector: Copy {
    /// Floats in the register.
    const LANES: usize;
    /// The same number in each lane.
    unsafe fn splat(value: f32) -> Self;
    /// `LANES` floats from memory.
    unsafe fn load(from: *const f32) -> Self;
    /// The first `count` floats from memory, zeros behind them; more than `LANES` means all.
    unsafe fn load_first(from: *const f32, count: usize) -> Self;
    /// `LANES` floats to memory.
    unsafe fn store(self, to: *mut f32);
    /// The first `count` floats to memory; more than `LANES` means all.
    unsafe fn store_first(self, to: *mut f32, count: usize);
    /// `self * factor + term`.
    unsafe fn multiply_add(self, factor: Self, term: Self) -> Self;
    /// Asks for the cache line at any address, to be in the second-level cache soon.
    unsafe fn prefetch(line: *const f32);
    /// `self + other`.
    unsafe fn add(self, other: Self) -> Self;
    /// `self * other`.
    unsafe fn multiply(self, other: Self) -> Self;
    /// `LANES` signed bytes as floats.
    unsafe fn load_bytes(from: *const i8) -> Self;
    /// The low halves of `LANES` bytes, or the high ones, as floats, counted from `smallest` on.
    unsafe fn load_nibbles<const HIGH: bool>(from: *const u8, smallest: i8) -> Self;
    /// `LANES` numbers of half precision.
    unsafe fn load_halves(from: *const f16) -> Self;
    /// `LANES` numbers of the other format of sixteen bits.
    unsafe fn load_brains(from: *const bf16) -> Self;
    /// The sum of each vector's lanes, all sixteen folded in the same way.
    unsafe fn fold(vectors: [Self; 16]) -> [f32; 16];
}

/// `a * b + c`, rounded once where the target has an instruction for it (elsewhere a call into
/// the mathematics library would be a hundred times slower, so it is rounded twice).
#[inline(always)]
pub(crate) fn multiply_add<const FUSED: bool>(a: f32, b: f32, c: f32) -> f32 {
    if FUSED { a.mul_add(b, c) } else { a * b + c }
}

/// Whether the target multiplies and adds in one instruction without being asked.
pub(crate) const NATIVELY_FUSED: bool =
    cfg!(any(target_feature = "fma", target_arch = "aarch64", target_arch = "riscv64"));

/// Eight floats for any processor; the compiler makes of them what it can.
#[derive(Clone, Copy)]
pub(crate) struct Portable([f32; 8]);

impl Vector for Portable {
    const LANES: usize = 8;
    #[inline(always)]
    unsafe fn splat(value: f32) -> Self {
        Self([value; 8])
    }
    #[inline(always)]
    unsafe fn load(from: *const f32) -> Self {
        // SAFETY: the caller promises eight floats there; arrays of floats may be unaligned here.
        Self(unsafe { from.cast::<[f32; 8]>().read_unaligned() })
    }
    #[inline(always)]
    unsafe fn load_first(from: *const f32, count: usize) -> Self {
        let mut lanes = [0.0; 8];
        for (lane, value) in lanes.iter_mut().enumerate().take(count) {
            // SAFETY: the caller promises `count` floats there.
            *value = unsafe { *from.add(lane) };
        }
        Self(lanes)
    }
    #[inline(always)]
    unsafe fn store(self, to: *mut f32) {
        // SAFETY: the caller promises room for eight floats.
        unsafe { to.cast::<[f32; 8]>().write_unaligned(self.0) }
    }
    #[inline(always)]
    unsafe fn store_first(self, to: *mut f32, count: usize) {
        for (lane, value) in self.0.iter().enumerate().take(count) {
            // SAFETY: the caller promises room for `count` floats.
            unsafe { *to.add(lane) = *value };
        }
    }
    #[inline(always)]
    unsafe fn multiply_add(self, factor: Self, term: Self) -> Self {
        Self(std::array::from_fn(|i| {
            multiply_add::<NATIVELY_FUSED>(self.0[i], factor.0[i], term.0[i])
        }))
    }
    #[inline(always)]
    unsafe fn prefetch(_line: *const f32) {}
    #[inline(always)]
    unsafe fn add(self, other: Self) -> Self {
        Self(std::array::from_fn(|i| self.0[i] + other.0[i]))
    }
    #[inline(always)]
    unsafe fn multiply(self, other: Self) -> Self {
        Self(std::array::from_fn(|i| self.0[i] * other.0[i]))
    }
    #[inline(always)]
    unsafe fn load_bytes(from: *const i8) -> Self {
        // SAFETY: the caller promises eight bytes there.
        Self(unsafe { from.cast::<[i8; 8]>().read_unaligned() }.map(f32::from))
    }
    #[inline(always)]
    unsafe fn load_nibbles<const HIGH: bool>(from: *const u8, smallest: i8) -> Self {
        // SAFETY: the caller promises eight bytes there.
        let bytes = unsafe { from.cast::<[u8; 8]>().read_unaligned() };
        Self(
            bytes
                .map(|byte| f32::from((if HIGH { byte >> 4 } else { byte & 15 }) as i8 + smallest)),
        )
    }
    #[inline(always)]
    unsafe fn load_halves(from: *const f16) -> Self {
        // SAFETY: the caller promises eight numbers there.
        Self(unsafe { from.cast::<[f16; 8]>().read_unaligned() }.map(f16::to_f32))
    }
    #[inline(always)]
    unsafe fn load_brains(from: *const bf16) -> Self {
        // SAFETY: the caller promises eight numbers there.
        Self(unsafe { from.cast::<[bf16; 8]>().read_unaligned() }.map(bf16::to_f32))
    }
    #[inline(always)]
    unsafe fn fold(vectors: [Self; 16]) -> [f32; 16] {
        vectors.map(|vector| fold_eight(vector.0))
    }
}

/// The sum of eight lanes, as a tree.
#[inline(always)]
fn fold_eight(lanes: [f32; 8]) -> f32 {
    let four: [f32; 4] = std::array::from_fn(|i| lanes[i] + lanes[i + 4]);
    (four[0] + four[2]) + (four[1] + four[3])
}

#[cfg(target_arch = "x86_64")]
pub(crate) use x86::{Avx2, Avx512};

#[cfg(target_arch = "x86_64")]
mod x86 {
    use std::arch::x86_64::*;

    use half::{bf16, f16};

    use super::Vector;

    /// Sixteen floats; needs `avx512f`.
    #[derive(Clone, Copy)]
    pub(crate) struct Avx512(__m512);

    /// In which order `fold` takes its registers, so that sums come out in theirs.
    const FOLDED: [usize; 16] = [0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15];

    /// The mask of the first `count` lanes.
    #[inline(always)]
    fn first_lanes(count: usize) -> __mmask16 {
        if count >= 16 { 0xffff } else { ((1u32 << count) - 1) as __mmask16 }
    }

    // SAFETY (all blocks of this implementation): the trait's contract gives the instructions
    // and the memory; masked loads and stores touch only the lanes of the mask.
    impl Vector for Avx512 {
        const LANES: usize = 16;
        #[inline(always)]
        unsafe fn splat(value: f32) -> Self {
            Self(unsafe { _mm512_set1_ps(value) })
        }
        #[inline(always)]
        unsafe fn load(from: *const f32) -> Self {
            Self(unsafe { _mm512_loadu_ps(from) })
        }
        #[inline(always)]
        unsafe fn load_first(from: *const f32, count: usize) -> Self {
            Self(unsafe { _mm512_maskz_loadu_ps(first_lanes(count), from) })
        }
        #[inline(always)]
        unsafe fn store(self, to: *mut f32) {
            unsafe { _mm512_storeu_ps(to, self.0) }
        }
        #[inline(always)]
        unsafe fn store_first(self, to: *mut f32, count: usize) {
            unsafe { _mm512_mask_storeu_ps(to, first_lanes(count), self.0) }
        }
        #[inline(always)]
        unsafe fn multiply_add(self, factor: Self, term: Self) -> Self {
            Self(unsafe { _mm512_fmadd_ps(self.0, factor.0, term.0) })
        }
        #[inline(always)]
        unsafe fn prefetch(line: *const f32) {
            unsafe { _mm_prefetch::<_MM_HINT_T1>(line.cast()) }
        }
        #[inline(always)]
        unsafe fn add(self, other: Self) -> Self {
            Self(unsafe { _mm512_add_ps(self.0, other.0) })
        }
        #[inline(always)]
        unsafe fn multiply(self, other: Self) -> Self {
            Self(unsafe { _mm512_mul_ps(self.0, other.0) })
        }
        #[inline(always)]
        unsafe fn load_bytes(from: *const i8) -> Self {
            Self(unsafe { _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(_mm_loadu_si128(from.cast()))) })
        }
        #[inline(always)]
        unsafe fn load_nibbles<const HIGH: bool>(from: *const u8, smallest: i8) -> Self {
            unsafe {
                let bytes = _mm_loadu_si128(from.cast());
                let bytes = if HIGH { _mm_srli_epi16::<4>(bytes) } else { bytes };
                let codes = _mm_and_si128(bytes, _mm_set1_epi8(15));
                let codes = _mm_add_epi8(codes, _mm_set1_epi8(smallest));
                Self(_mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(codes)))
            }
        }
        #[inline(always)]
        unsafe fn load_halves(from: *const f16) -> Self {
            Self(unsafe { _mm512_cvtph_ps(_mm256_loadu_si256(from.cast())) })
        }
        #[inline(always)]
        unsafe fn load_brains(from: *const bf16) -> Self {
            unsafe {
                let bits = _mm512_cvtepu16_epi32(_mm256_loadu_si256(from.cast()));
                Self(_mm512_castsi512_ps(_mm512_slli_epi32::<16>(bits)))
            }
        }
        /// A transposition that adds as it goes: each step halves the number of registers.
        #[inline(always)]
        unsafe fn fold(vectors: [Self; 16]) -> [f32; 16] {
            unsafe {
                // Quarters 0 and 2, 1 and 3 of two registers: [a, a, b, b].
                let mut halves = [_mm512_setzero_ps(); 8];
                for (pair, half) in halves.iter_mut().enumerate() {
                    let (a, b) = (vectors[FOLDED[2 * pair]].0, vectors[FOLDED[2 * pair + 1]].0);
                    let low = _mm512_shuffle_f32x4::<0b01_00_01_00>(a, b);
                    *half = _mm512_add_ps(low, _mm512_shuffle_f32x4::<0b11_10_11_10>(a, b));
                }
                // [a, b, c, d], a quarter each.
                let mut quarters = [_mm512_setzero_ps(); 4];
                for (pair, quarter) in quarters.iter_mut().enumerate() {
                    let (a, b) = (halves[2 * pair], halves[2 * pair + 1]);
                    let even = _mm512_shuffle_f32x4::<0b10_00_10_00>(a, b);
                    *quarter = _mm512_add_ps(even, _mm512_shuffle_f32x4::<0b11_01_11_01>(a, b));
                }
                // Then within the quarters, which stay where they are.
                let mut eighths = [_mm512_setzero_pd(); 2];
                for (pair, eighth) in eighths.iter_mut().enumerate() {
                    let (a, b) = (quarters[2 * pair], quarters[2 * pair + 1]);
                    let low = _mm512_unpacklo_ps(a, b);
                    *eighth = _mm512_castps_pd(_mm512_add_ps(low, _mm512_unpackhi_ps(a, b)));
                }
                let low = _mm512_castpd_ps(_mm512_unpacklo_pd(eighths[0], eighths[1]));
                let high = _mm512_castpd_ps(_mm512_unpackhi_pd(eighths[0], eighths[1]));
                let mut sums = [0.0; 16];
                _mm512_storeu_ps(sums.as_mut_ptr(), _mm512_add_ps(low, high));
                sums
            }
        }
    }

    /// Eight floats; needs `avx2`, `fma` and `f16c`.
    #[derive(Clone, Copy)]
    pub(crate) struct Avx2(__m256);

    /// The mask of the first `count` lanes.
    #[inline(always)]
    unsafe fn first_eight(count: usize) -> __m256i {
        // SAFETY: the caller has the instructions.
        unsafe {
            let lanes = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
            _mm256_cmpgt_epi32(_mm256_set1_epi32(count.min(8) as i32), lanes)
        }
    }

    // SAFETY (all blocks of this implementation): as for `Avx512`.
    impl Vector for Avx2 {
        const LANES: usize = 8;
        #[inline(always)]
        unsafe fn splat(value: f32) -> Self {
            Self(unsafe { _mm256_set1_ps(value) })
        }
        #[inline(always)]
        unsafe fn load(from: *const f32) -> Self {
            Self(unsafe { _mm256_loadu_ps(from) })
        }
        #[inline(always)]
        unsafe fn load_first(from: *const f32, count: usize) -> Self {
            Self(unsafe { _mm256_maskload_ps(from, first_eight(count)) })
        }
        #[inline(always)]
        unsafe fn store(self, to: *mut f32) {
            unsafe { _mm256_storeu_ps(to, self.0) }
        }
        #[inline(always)]
        unsafe fn store_first(self, to: *mut f32, count: usize) {
            unsafe { _mm256_maskstore_ps(to, first_eight(count), self.0) }
        }
        #[inline(always)]
        unsafe fn multiply_add(self, factor: Self, term: Self) -> Self {
            Self(unsafe { _mm256_fmadd_ps(self.0, factor.0, term.0) })
        }
        #[inline(always)]
        unsafe fn prefetch(line: *const f32) {
            unsafe { _mm_prefetch::<_MM_HINT_T1>(line.cast()) }
        }
        #[inline(always)]
        unsafe fn add(self, other: Self) -> Self {
            Self(unsafe { _mm256_add_ps(self.0, other.0) })
        }
        #[inline(always)]
        unsafe fn multiply(self, other: Self) -> Self {
            Self(unsafe { _mm256_mul_ps(self.0, other.0) })
        }
        #[inline(always)]
        unsafe fn load_bytes(from: *const i8) -> Self {
            Self(unsafe { _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(_mm_loadl_epi64(from.cast()))) })
        }
        #[inline(always)]
        unsafe fn load_nibbles<const HIGH: bool>(from: *const u8, smallest: i8) -> Self {
            unsafe {
                let bytes = _mm_loadl_epi64(from.cast());
                let bytes = if HIGH { _mm_srli_epi16::<4>(bytes) } else { bytes };
                let codes = _mm_and_si128(bytes, _mm_set1_epi8(15));
                let codes = _mm_add_epi8(codes, _mm_set1_epi8(smallest));
                Self(_mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(codes)))
            }
        }
        #[inline(always)]
        unsafe fn load_halves(from: *const f16) -> Self {
            Self(unsafe { _mm256_cvtph_ps(_mm_loadu_si128(from.cast())) })
        }
        #[inline(always)]
        unsafe fn load_brains(from: *const bf16) -> Self {
            unsafe {
                let bits = _mm256_cvtepu16_epi32(_mm_loadu_si128(from.cast()));
                Self(_mm256_castsi256_ps(_mm256_slli_epi32::<16>(bits)))
            }
        }
        #[inline(always)]
        unsafe fn fold(vectors: [Self; 16]) -> [f32; 16] {
            let mut sums = [0.0; 16];
            for (vector, sum) in vectors.into_iter().zip(&mut sums) {
                let mut lanes = [0.0; 8];
                unsafe { _mm256_storeu_ps(lanes.as_mut_ptr(), vector.0) };
                *sum = super::fold_eight(lanes);
            }
            sums
        }
    }
}
