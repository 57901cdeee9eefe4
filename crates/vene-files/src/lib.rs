//! Files, opened, read and written in one way by all of vene's crates.
//!
//! A path that a user gives can lead anywhere: to a named pipe that blocks for ever, to a device, to a file of a
//! terabyte. And a process can die at any moment: in the middle of a write, or while another one writes into the
//! same folder. Each crate that met this on its own would forget one of the cases. So they are met here once:
//!
//! * [`open`], [`read`] and [`read_text`] take regular files only, never block, and read no more than a limit;
//!   [`open_to_write`] does not follow links either;
//! * [`write_atomically`] and [`write_folder`] write the whole of something or nothing;
//! * [`undisturbed`] does it to its end when the process is stopped, which waits for it by [`end_writing`];
//! * [`Lock`] makes a process the only writer of something, for as long as it lives;
//! * [`sha256`] and [`sha256_of`] say whether bytes are still those that were written, [`FileState`] whether a file is
//!   still the one that was opened;
//! * `set_will` prepares what a signal handler can still write when the process dies;
//! * [`interruptible`] lets a long computation be stopped at its next step, by [`check_interrupt`];
//! * [`guarded`] calls a library that may panic on hostile input, and prints nothing when it does.

mod atomic;
mod digest;
mod folder;
mod guard;
mod interrupt;
mod litter;
mod lock;
mod open;
mod state;
mod temporary;
mod undisturbed;
#[cfg(unix)]
mod will;

pub use atomic::write_atomically;
pub use digest::{sha256, sha256_of};
pub use folder::{check_folder, write_folder};
pub use guard::{Panicked, guarded};
pub use interrupt::{Interrupted, check_interrupt, interruptible};
pub use litter::{is_litter, remove_litter};
pub use lock::{LOCK, Lock, LockError, lock_of};
pub use open::{open, open_to_write, read, read_text};
pub use state::FileState;
pub use temporary::temporary_folder;
pub use undisturbed::{end_writing, undisturbed};
#[cfg(unix)]
pub use will::{execute_will, revoke_will, set_will};
