//! How many threads compute.

use anyhow::Context;

/// What rayon reads when its pool starts, and candle for each matrix product.
const VARIABLE: &str = "RAYON_NUM_THREADS";

/// Limits the computation to so many threads. To be called before any other thread is started.
pub fn limit(count: u16) {
    // The environment is the only place from which candle takes the number.
    // SAFETY: the program has only its first thread yet, so nobody reads the environment.
    unsafe { std::env::set_var(VARIABLE, count.to_string()) };
}

/// Starts them. The pool would start at its first use otherwise, and panic where the system has no threads to give.
pub fn start() -> anyhow::Result<()> {
    let count = count();
    rayon::ThreadPoolBuilder::new().num_threads(count).build_global().with_context(|| {
        format!("{count} threads cannot be started; give fewer (--threads), or more memory")
    })
}

/// How many threads compute.
pub fn count() -> usize {
    candle_core::utils::get_num_threads()
}
