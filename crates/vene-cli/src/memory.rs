//! What happens when the system has no memory left.
//!
//! Rust ends the process with an abort and half a message then. To the user it is an error like any other:
//! something was asked for that does not fit, so it is one line and exit code 2.

use std::alloc::{GlobalAlloc, Layout, System};
use std::io::Write;
use std::sync::atomic::{AtomicBool, Ordering};

/// The system's allocator, but that it ends the process where there is no memory left.
pub struct OrExit;

/// Ends the process, without memory of its own.
fn end(bytes: usize) -> ! {
    static ENDING: AtomicBool = AtomicBool::new(false);
    // Printing takes no memory; should it take some nevertheless, there is no second try.
    if !ENDING.swap(true, Ordering::Relaxed) {
        let _ = writeln!(
            std::io::stderr(),
            "error: there is no memory left: {bytes} bytes more were needed; use a smaller model, fewer rows at once \
             or fewer threads"
        );
    }
    std::process::exit(2)
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
