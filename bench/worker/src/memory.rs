//! The peak of the resident memory and the processor's time, as Linux counts them.

use anyhow::{Context, Result, ensure};

/// Forgets the peak so far, after what earlier runs left unused has been given back.
pub(crate) fn reset_peak() -> Result<()> {
    // SAFETY: the function takes no pointer, and glibc allows it at any time and in any thread.
    unsafe { libc::malloc_trim(0) };
    std::fs::write("/proc/self/clear_refs", "5").context("resetting the peak of the memory")
}

/// The largest resident memory since the last reset, in bytes.
pub(crate) fn peak() -> Result<u64> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kilobytes: u64 = line
        .and_then(|line| line.split_whitespace().next())
        .context("/proc/self/status lacks VmHWM")?
        .parse()?;
    Ok(kilobytes * 1024)
}

/// The processor's time of all threads of this process so far, in seconds.
pub(crate) fn processor_seconds() -> Result<f64> {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the pointer is good for a time.
    let failed = unsafe { libc::clock_gettime(libc::CLOCK_PROCESS_CPUTIME_ID, &mut time) };
    ensure!(failed == 0, "the processor's time is not told");
    Ok(time.tv_sec as f64 + time.tv_nsec as f64 / 1e9)
}
