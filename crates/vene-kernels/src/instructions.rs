//! Which instruction set the kernels use here, and the macro that compiles a function for each.

use std::sync::atomic::{AtomicU8, Ordering};

/// An instruction set that kernels are compiled for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InstructionSet {
    /// AVX-512 (F, BW, DQ, VL): 16 floats at a time.
    Avx512,
    /// AVX2, FMA and F16C: 8 floats at a time.
    Avx2,
    /// Whatever the target has.
    Portable,
}

/// The best set that may be used, as a number; [`UNKNOWN`] until somebody asks.
static CHOSEN: AtomicU8 = AtomicU8::new(UNKNOWN);
const UNKNOWN: u8 = u8::MAX;

impl InstructionSet {
    /// All sets, the best first.
    pub const ALL: [Self; 3] = [Self::Avx512, Self::Avx2, Self::Portable];

    /// The set that the kernels use: the best that this processor has, unless it was limited.
    pub fn detect() -> Self {
        match CHOSEN.load(Ordering::Relaxed) {
            UNKNOWN => {
                Self::Avx512.limit();
                Self::detect()
            }
            chosen => Self::ALL[chosen as usize],
        }
    }

    /// From now on all kernels of this process use at most this set, for results that another
    /// machine gives too; gives what they use.
    pub fn limit(self) -> Self {
        let chosen = if self == Self::Avx512 && Self::Avx512.is_here() {
            Self::Avx512
        } else if self != Self::Portable && Self::Avx2.is_here() {
            Self::Avx2
        } else {
            Self::Portable
        };
        let number = Self::ALL.iter().position(|&set| set == chosen).unwrap_or(2);
        CHOSEN.store(number as u8, Ordering::Relaxed);
        chosen
    }

    /// Whether this processor has the set.
    #[cfg(target_arch = "x86_64")]
    fn is_here(self) -> bool {
        // Whatever has AVX2 has the conversion of half-precision numbers, too.
        let avx2 = is_x86_feature_detected!("avx2")
            && is_x86_feature_detected!("fma")
            && is_x86_feature_detected!("f16c");
        match self {
            Self::Portable => true,
            Self::Avx2 => avx2,
            Self::Avx512 => {
                avx2 && is_x86_feature_detected!("avx512f")
                    && is_x86_feature_detected!("avx512bw")
                    && is_x86_feature_detected!("avx512dq")
                    && is_x86_feature_detected!("avx512vl")
            }
        }
    }

    /// Whether this processor has the set.
    #[cfg(not(target_arch = "x86_64"))]
    fn is_here(self) -> bool {
        self == Self::Portable
    }
}

/// Compiles a safe function once for each instruction set and calls the best one.
///
/// `fn name<FUSED>(arguments) -> Type { body }` becomes a plain function `name`; in the body,
/// `FUSED` says whether a multiplication and an addition are one instruction there
/// ([`crate::vector::multiply_add`]).
macro_rules! for_each_instruction_set {
    ($(#[$attribute:meta])* $visibility:vis fn $name:ident <$fused:ident>
        ($($argument:ident : $type:ty),* $(,)?) $(-> $result:ty)? $body:block) => {
        $(#[$attribute])*
        $visibility fn $name($($argument: $type),*) $(-> $result)? {
            #[inline(always)]
            fn body<const $fused: bool>($($argument: $type),*) $(-> $result)? $body

            #[cfg(target_arch = "x86_64")]
            #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma")]
            fn avx512($($argument: $type),*) $(-> $result)? { body::<true>($($argument),*) }

            #[cfg(target_arch = "x86_64")]
            #[target_feature(enable = "avx2,fma")]
            fn avx2($($argument: $type),*) $(-> $result)? { body::<true>($($argument),*) }

            match $crate::instructions::InstructionSet::detect() {
                // SAFETY: the processor has what is detected.
                #[cfg(target_arch = "x86_64")]
                $crate::instructions::InstructionSet::Avx512 => unsafe { avx512($($argument),*) },
                // SAFETY: likewise.
                #[cfg(target_arch = "x86_64")]
                $crate::instructions::InstructionSet::Avx2 => unsafe { avx2($($argument),*) },
                _ => body::<{ $crate::vector::NATIVELY_FUSED }>($($argument),*),
            }
        }
    };
}
pub(crate) use for_each_instruction_set;
