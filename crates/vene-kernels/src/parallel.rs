//! Work shared out among the threads of rayon's current pool.
//!
//! Tasks are numbered; each thread takes the next number when it is done with its last. Which
//! thread does which task is therefore chance, and no result may depend on it: a kernel's task
//! writes outputs that no other task touches, in an order of its own.

use std::marker::PhantomData;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Elementary operations below which a second thread is not worth waking.
pub(crate) const GRAIN: usize = 1 << 16;

/// How many threads `cost` elementary operations keep busy, at least one.
pub(crate) fn threads_for(cost: usize) -> usize {
    if cost < 2 * GRAIN { 1 } else { rayon::current_num_threads().min(cost / GRAIN) }
}

/// Calls `work` for each of `tasks` tasks, on at most `threads` threads; each thread makes itself
/// one `scratch`.
pub(crate) fn for_each_task<S>(
    tasks: usize,
    threads: usize,
    scratch: impl Fn() -> S + Sync,
    work: impl Fn(&mut S, usize) + Sync,
) {
    let next = AtomicUsize::new(0);
    let run = || {
        let mut task = next.fetch_add(1, Ordering::Relaxed);
        if task < tasks {
            let mut scratch = scratch();
            while task < tasks {
                work(&mut scratch, task);
                task = next.fetch_add(1, Ordering::Relaxed);
            }
        }
    };
    let threads = threads.min(tasks);
    if threads <= 1 {
        return run();
    }
    rayon::scope(|scope| {
        for _ in 1..threads {
            scope.spawn(|_| run());
        }
        run();
    });
}

/// A mutable slice that tasks write disjoint parts of, where the parts are no contiguous chunks
/// (columns of a matrix).
pub(crate) struct Shared<'a, T> {
    pointer: *mut T,
    length: usize,
    slice: PhantomData<&'a mut [T]>,
}

impl<T> Clone for Shared<'_, T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Shared<'_, T> {}

// SAFETY: a `Shared` gives no access by itself; whoever dereferences its pointer promises that no
// two threads touch the same element.
unsafe impl<T: Send> Send for Shared<'_, T> {}
// SAFETY: as above.
unsafe impl<T: Send> Sync for Shared<'_, T> {}

impl<'a, T> Shared<'a, T> {
    pub(crate) fn new(slice: &'a mut [T]) -> Self {
        Self { pointer: slice.as_mut_ptr(), length: slice.len(), slice: PhantomData }
    }

    /// Where element `offset` lies; `offset` may be the length.
    pub(crate) fn at(self, offset: usize) -> *mut T {
        assert!(offset <= self.length, "element {offset} of {}", self.length);
        // SAFETY: within the slice or one past it.
        unsafe { self.pointer.add(offset) }
    }

    /// `length` elements from `offset` on.
    ///
    /// # Safety
    ///
    /// While the result lives, nobody else may touch these elements.
    #[allow(clippy::mut_from_ref)]
    pub(crate) unsafe fn part(self, offset: usize, length: usize) -> &'a mut [T] {
        assert!(offset <= self.length && length <= self.length - offset);
        // SAFETY: in bounds, and the caller promises that it is the only one there.
        unsafe { std::slice::from_raw_parts_mut(self.pointer.add(offset), length) }
    }
}

/// Cuts `total` into the fewest parts of at most `largest`, as equal as they can be; gives the
/// start of part `index` (and the end of the one before).
pub(crate) fn part_start(total: usize, parts: usize, index: usize) -> usize {
    (total as u128 * index as u128 / parts as u128) as usize
}

/// Applies `work` to stretches of whole rows of `data`, `[rows, width]`; `cost` is that of one
/// element. `work` gets the first row's number and the rows.
pub(crate) fn for_each_stretch<T: Send>(
    data: &mut [T],
    width: usize,
    cost: usize,
    work: impl Fn(usize, &mut [T]) + Sync,
) {
    if data.is_empty() {
        return;
    }
    let rows = data.len() / width;
    let threads = threads_for(data.len() * cost);
    if threads == 1 {
        return work(0, data);
    }
    let stretch = (GRAIN / cost / width).clamp(1, rows.div_ceil(threads));
    let data = Shared::new(data);
    for_each_task(
        rows.div_ceil(stretch),
        threads,
        || (),
        |(), task| {
            let first = task * stretch;
            let count = stretch.min(rows - first);
            // SAFETY: tasks have different rows.
            work(first, unsafe { data.part(first * width, count * width) });
        },
    );
}
