//! How many threads compute.

use std::sync::{Arc, Mutex};

use anyhow::Context;

use crate::memory;

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
    let refused =
        || format!("{count} threads cannot be started; give fewer (--threads), or more memory");
    memory::spare_addresses();
    memory::room_for_threads(count).with_context(refused)?;
    rayon::ThreadPoolBuilder::new().num_threads(count).build_global().with_context(refused)
}

/// Starts those on which candle adds the gradients of a training. Their pool would start in the middle of it otherwise,
/// and panic where the system has no threads to give.
pub fn start_for_training() -> anyhow::Result<()> {
    let count = count();
    let refused = || {
        format!(
            "{count} more threads, which a training needs, cannot be started; give fewer (--threads), or more memory"
        )
    };
    memory::room_for_threads(count).and_then(|()| can_start(count)).with_context(refused)?;
    let started = vene_files::guarded(|| candle_core::utils::barrier_pool().n_workers());
    started.map(drop).map_err(|_| anyhow::anyhow!(refused()))
}

/// Tries whether so many threads can be had at the same time.
fn can_start(count: usize) -> std::io::Result<()> {
    let gate = Arc::new(Mutex::new(()));
    let closed = gate.lock();
    let mut threads = Vec::new();
    for _ in 0..count {
        let gate = Arc::clone(&gate);
        threads.push(std::thread::Builder::new().spawn(move || drop(gate.lock()))?);
    }
    drop(closed);
    for thread in threads {
        // A thread that only waits does not panic.
        let _ = thread.join();
    }
    Ok(())
}

/// What kind of processor computes: its instructions decide the low bits of numbers.
pub fn processor() -> &'static str {
    #[cfg(target_arch = "x86_64")]
    {
        if std::arch::is_x86_feature_detected!("avx512f") {
            "x86-64 with AVX-512"
        } else if std::arch::is_x86_feature_detected!("avx2") {
            "x86-64 with AVX2"
        } else {
            "x86-64"
        }
    }
    #[cfg(not(target_arch = "x86_64"))]
    {
        std::env::consts::ARCH
    }
}

/// How many threads compute.
pub fn count() -> usize {
    candle_core::utils::get_num_threads()
}
