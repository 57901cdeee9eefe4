//! What happens when the system has no memory left.
//!
//! Rust ends the process with an abort and half a message then. To the user it is an error like any other:
//! something was asked for that does not fit, so it is one line and exit code 2, and the run is recorded as failed.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::io::Write;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::interrupt;

/// Memory that is kept for the end, in bytes: a record is written then.
const RESERVE: usize = 1 << 20;

/// What Rust gives a thread for its stack, in bytes.
#[cfg(unix)]
const DEFAULT_STACK: usize = 2 << 20;

/// More than the pages that guard a thread's stack, and the stack on which it handles signals, take in bytes.
#[cfg(unix)]
const BESIDE_A_STACK: usize = 64 << 10;

static RESERVED: Mutex<Vec<u8>> = Mutex::new(Vec::new());

/// Longer than a record takes to be written.
const LONGEST_END: Duration = Duration::from_secs(2);

/// Keeps memory for the end.
pub fn reserve() {
    if let Ok(mut reserved) = RESERVED.lock() {
        *reserved = vec![0; RESERVE];
    }
}

/// The system's allocator, but that it ends the process where there is no memory left.
pub struct OrExit;

/// Ends the process. What it does may need memory itself: should the reserve not be enough, the process ends at once.
fn end(bytes: usize) -> ! {
    static ENDING: AtomicBool = AtomicBool::new(false);
    thread_local! {
        static ENDING_HERE: Cell<bool> = const { Cell::new(false) };
    }
    if !ENDING.swap(true, Ordering::Relaxed) {
        ENDING_HERE.set(true);
        // Whatever lock this thread or another one holds is not waited for.
        if let Ok(mut reserved) = RESERVED.try_lock() {
            drop(std::mem::take(&mut *reserved));
        }
        let _ = writeln!(
            std::io::stderr(),
            "error: there is no memory left: {bytes} bytes more were needed; use a smaller model, fewer rows at once \
             or fewer threads"
        );
        interrupt::end_without_memory();
    } else if !ENDING_HERE.get() {
        // Another thread is ending the process.
        std::thread::sleep(LONGEST_END);
    }
    std::process::exit(2)
}

/// Where the process may have so many addresses only (`ulimit -v`), has the system's allocator take none in advance. It
/// would reserve 64 MiB for each thread otherwise, and twice that for a moment, which other threads then lack.
///
/// To be called before any other thread is started.
pub fn spare_addresses() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    {
        use nix::sys::resource::{RLIM_INFINITY, Resource, getrlimit};
        if getrlimit(Resource::RLIMIT_AS).is_ok_and(|(limit, _)| limit != RLIM_INFINITY) {
            // SAFETY: the program has only its first thread yet; all other arguments are values.
            unsafe { libc::mallopt(libc::M_ARENA_MAX, 1) };
        }
    }
}

/// Tries whether there are addresses for the stacks of so many threads. One that has none for the stack on which it
/// would handle signals is not refused by the system, but ends the process.
pub fn room_for_threads(count: usize) -> std::io::Result<()> {
    #[cfg(unix)]
    {
        use std::num::NonZeroUsize;

        use nix::sys::mman::{MapFlags, ProtFlags, mmap_anonymous, munmap};
        let stack = std::env::var("RUST_MIN_STACK")
            .ok()
            .and_then(|bytes| bytes.parse().ok())
            .unwrap_or(DEFAULT_STACK);
        let bytes =
            count.saturating_mul(stack.saturating_add(BESIDE_A_STACK)).saturating_add(RESERVE);
        let Some(bytes) = NonZeroUsize::new(bytes) else { return Ok(()) };
        // SAFETY: new addresses, which nothing else uses and nothing reads, are taken and given back.
        unsafe {
            let room = mmap_anonymous(None, bytes, ProtFlags::PROT_NONE, MapFlags::MAP_PRIVATE)?;
            munmap(room, bytes.get())?;
        }
    }
    Ok(())
}

fn checked(pointer: *mut u8, bytes: usize) -> *mut u8 {
    if pointer.is_null() { end(bytes) } else { pointer }
}

// SAFETY: everything is passed on to the system's allocator unchanged; what it gives is given back, unless it
// gives nothing.
unsafe impl GlobalAlloc for OrExit {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: as the caller promised.
        checked(unsafe { System.alloc(layout) }, layout.size())
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: as the caller promised.
        checked(unsafe { System.alloc_zeroed(layout) }, layout.size())
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // SAFETY: as the caller promised.
        checked(unsafe { System.realloc(pointer, layout, size) }, size)
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: as the caller promised.
        unsafe { System.dealloc(pointer, layout) }
    }
}
