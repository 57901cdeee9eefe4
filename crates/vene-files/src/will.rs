//! What is written when a process dies at an instruction at which nothing may be computed.
//!
//! A signal handler may not allocate, take a lock or format a text. So what it writes is prepared before: the bytes,
//! and the paths as the system takes them.

use std::ffi::CString;
use std::path::Path;
use std::ptr;
use std::sync::atomic::{AtomicPtr, Ordering};

/// A file that is replaced as a whole, and one that goes then.
struct Will {
    temporary: CString,
    path: CString,
    bytes: Vec<u8>,
    gone: CString,
}

/// Whoever swaps it out owns it. There is one of a process, since it dies once.
static WILL: AtomicPtr<Will> = AtomicPtr::new(ptr::null_mut());

/// Prepares what [`execute_will`] does: the file at `path` gets these bytes, and `gone`, a lock, is removed. It replaces
/// what was prepared before. Nothing is prepared for paths that the system does not take.
pub fn set_will(path: &Path, bytes: Vec<u8>, gone: &Path) {
    let will = prepared(path, bytes, gone);
    replace(will.map_or(ptr::null_mut(), |will| Box::into_raw(Box::new(will))));
}

/// Takes back what was prepared.
pub fn revoke_will() {
    replace(ptr::null_mut());
}

fn prepared(path: &Path, bytes: Vec<u8>, gone: &Path) -> Option<Will> {
    use std::os::unix::ffi::OsStrExt;
    let system = |path: &Path| CString::new(path.as_os_str().as_bytes()).ok();
    let temporary = path.with_file_name(crate::temporary::name_of_process());
    Some(Will { temporary: system(&temporary)?, path: system(path)?, bytes, gone: system(gone)? })
}

fn replace(will: *mut Will) {
    let before = WILL.swap(will, Ordering::AcqRel);
    if !before.is_null() {
        // SAFETY: it came from a box in `set_will`, and was swapped out here and nowhere else.
        drop(unsafe { Box::from_raw(before) });
    }
}

/// Does what was prepared, once. It calls nothing but what a signal handler may call, and what fails is left as it was.
pub fn execute_will() {
    let will = WILL.swap(ptr::null_mut(), Ordering::AcqRel);
    if will.is_null() {
        return;
    }
    // SAFETY: it was swapped out here, so that nobody frees it (nor is it freed here: a handler may not); `open`,
    // `write`, `close`, `rename` and `unlink` may be called in a handler, and get texts that end in a zero byte.
    unsafe {
        let will = &*will;
        libc::unlink(will.temporary.as_ptr());
        let flags = libc::O_WRONLY | libc::O_CREAT | libc::O_EXCL | libc::O_CLOEXEC;
        let file = libc::open(will.temporary.as_ptr(), flags, 0o666 as libc::c_uint);
        if file < 0 {
            return;
        }
        let mut done = 0;
        while done < will.bytes.len() {
            let rest = will.bytes.as_ptr().add(done).cast();
            let count = libc::write(file, rest, will.bytes.len() - done);
            if count <= 0 {
                break;
            }
            done += count as usize;
        }
        libc::close(file);
        let is_whole = done == will.bytes.len();
        if is_whole && libc::rename(will.temporary.as_ptr(), will.path.as_ptr()) == 0 {
            libc::unlink(will.gone.as_ptr());
        } else {
            libc::unlink(will.temporary.as_ptr());
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_will_is_done_once_and_as_a_whole() {
        let folder = tempfile::tempdir().unwrap();
        let [record, lock] = ["run.json", "lock"].map(|name| folder.path().join(name));
        let write = || {
            std::fs::write(&record, "running").unwrap();
            std::fs::write(&lock, "").unwrap();
        };
        write();
        set_will(&record, b"first".to_vec(), &lock);
        revoke_will();
        execute_will();
        assert_eq!(std::fs::read_to_string(&record).unwrap(), "running");

        set_will(&record, b"first".to_vec(), &lock);
        set_will(&record, b"failed".to_vec(), &lock);
        execute_will();
        assert_eq!(std::fs::read_to_string(&record).unwrap(), "failed");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
        write();
        execute_will();
        assert_eq!(std::fs::read_to_string(&record).unwrap(), "running");

        // Where nothing can be written, all is as it was.
        set_will(&folder.path().join("none").join("run.json"), b"failed".to_vec(), &lock);
        execute_will();
        assert!(lock.exists());
    }
}
