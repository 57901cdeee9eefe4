//! The peak of the resident memory, as Linux counts it.

use anyhow::{Context, Result};

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
