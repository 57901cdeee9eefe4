//! Files in memory, and what happens when one is cut short under the reader.
//!
//! A page of a mapped file that is no longer there is a signal, SIGBUS, which ends a program without a
//! word. So a handler looks whether the address is in one of the maps made here; it then says which
//! file it was and ends the program with exit code 2. Any other SIGBUS goes to whoever handled it
//! before.

use std::fs::File;
use std::ops::Deref;
use std::path::Path;

use memmap2::Mmap;

use crate::CheckpointError;
use crate::watched::Watched;

/// A file's bytes, mapped.
#[derive(Debug)]
pub(crate) struct Mapped {
    map: Mmap,
    watched: Watched,
}

impl Mapped {
    /// Maps an open file, which must not be empty.
    pub fn new(path: &Path, file: File, watched: Watched) -> Result<Self, CheckpointError> {
        // SAFETY: the map is only read, and every access goes through bounds-checked slices whose
        // contents are trusted in nothing. Another program may still write to the file or cut it:
        // the first is seen by `Watched`, the second ends in the handler below.
        let map = unsafe { Mmap::map(&file) }.map_err(|e| CheckpointError::read(path, e))?;
        #[cfg(unix)]
        fault::watch(&map, path);
        Ok(Self { map, watched: watched.keeping(file) })
    }

    /// The file as it was when it was mapped.
    pub fn watched(&self) -> &Watched {
        &self.watched
    }

    /// Lets the system take back the memory that holds pages of the file; they are read again when
    /// they are needed again.
    pub fn release(&self) {
        #[cfg(unix)]
        {
            // SAFETY: the map is of a file and is never written, so that a page that is given up
            // comes back with the file's bytes.
            let _ = unsafe { self.map.unchecked_advise(memmap2::UncheckedAdvice::DontNeed) };
        }
    }
}

impl Deref for Mapped {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.map
    }
}

#[cfg(unix)]
impl Drop for Mapped {
    fn drop(&mut self) {
        fault::forget(&self.map);
    }
}

#[cfg(unix)]
mod fault {
    //! The handler. It may run at any instruction of any thread, so that it reads nothing but atomics
    //! and calls nothing but what is safe there.

    use std::path::Path;
    use std::ptr;
    use std::sync::atomic::{AtomicBool, AtomicPtr, AtomicUsize, Ordering};
    use std::sync::{Once, OnceLock};

    /// More maps than any model has files; those past it are not watched.
    const MOST: usize = 4096;

    /// One map: its addresses, and the sentence for it.
    struct Slot {
        /// 0 where the slot is free, 1 while it is being filled.
        start: AtomicUsize,
        end: AtomicUsize,
        sentence: AtomicPtr<u8>,
        length: AtomicUsize,
    }

    static SLOTS: [Slot; MOST] = [const {
        Slot {
            start: AtomicUsize::new(0),
            end: AtomicUsize::new(0),
            sentence: AtomicPtr::new(ptr::null_mut()),
            length: AtomicUsize::new(0),
        }
    }; MOST];

    /// Whether a thread is ending the program.
    static DYING: AtomicBool = AtomicBool::new(false);

    static BEFORE: OnceLock<libc::sigaction> = OnceLock::new();

    /// Remembers a map.
    pub fn watch(map: &[u8], path: &Path) {
        static INSTALLED: Once = Once::new();
        INSTALLED.call_once(install);
        let path: String = path.display().to_string().chars().flat_map(escaped).collect();
        let sentence = format!(
            "error: {path} was cut short while it was being read; put the whole file back and run again\n"
        );
        // It is never freed, since the handler may be reading it.
        let sentence: &'static [u8] = Vec::leak(sentence.into_bytes());
        for slot in &SLOTS {
            let free = slot.start.compare_exchange(0, 1, Ordering::AcqRel, Ordering::Relaxed);
            if free.is_ok() {
                slot.end.store(map.as_ptr() as usize + map.len(), Ordering::Release);
                slot.length.store(sentence.len(), Ordering::Release);
                slot.sentence.store(sentence.as_ptr().cast_mut(), Ordering::Release);
                slot.start.store(map.as_ptr() as usize, Ordering::Release);
                return;
            }
        }
    }

    fn escaped(character: char) -> impl Iterator<Item = char> {
        let control = character.is_control().then(|| character.escape_default());
        let plain = (!character.is_control()).then_some(character);
        control.into_iter().flatten().chain(plain)
    }

    /// Forgets a map that is about to go.
    pub fn forget(map: &[u8]) {
        for slot in &SLOTS {
            if slot.start.load(Ordering::Acquire) == map.as_ptr() as usize {
                slot.start.store(0, Ordering::Release);
                return;
            }
        }
    }

    fn install() {
        // SAFETY: both structures are plain data for which zero is a value; the system fills the
        // first, and the second names a handler with the arguments that SA_SIGINFO asks for.
        unsafe {
            let mut before: libc::sigaction = std::mem::zeroed();
            if libc::sigaction(libc::SIGBUS, ptr::null(), &mut before) != 0 {
                return;
            }
            let _ = BEFORE.set(before);
            let mut action: libc::sigaction = std::mem::zeroed();
            action.sa_sigaction = handle as *const () as usize;
            action.sa_flags = libc::SA_SIGINFO | libc::SA_ONSTACK;
            libc::sigemptyset(&mut action.sa_mask);
            libc::sigaction(libc::SIGBUS, &action, ptr::null_mut());
        }
    }

    extern "C" fn handle(
        signal: libc::c_int,
        info: *mut libc::siginfo_t,
        context: *mut libc::c_void,
    ) {
        // SAFETY: the system gives a valid `info` to a handler with SA_SIGINFO; a sentence is leaked
        // memory of its length; `write`, `pause`, `_exit`, `sigaction` and a prepared will may be called in a handler; the
        // handler from before is called as it was registered.
        unsafe {
            let address = (*info).si_addr() as usize;
            for slot in &SLOTS {
                let start = slot.start.load(Ordering::Acquire);
                if start > 1 && start <= address && address < slot.end.load(Ordering::Acquire) {
                    let sentence = slot.sentence.load(Ordering::Acquire);
                    let length = slot.length.load(Ordering::Acquire);
                    // Threads that read the same file die together: one of them speaks for all.
                    while DYING.swap(true, Ordering::AcqRel) {
                        libc::pause();
                    }
                    libc::write(2, sentence.cast(), length);
                    vene_files::execute_will();
                    libc::_exit(2);
                }
            }
            let Some(before) = BEFORE.get() else { return };
            match before.sa_sigaction {
                libc::SIG_DFL | libc::SIG_IGN => {
                    // The instruction is run again, and the system does what it does.
                    let mut default: libc::sigaction = std::mem::zeroed();
                    default.sa_sigaction = libc::SIG_DFL;
                    libc::sigaction(signal, &default, ptr::null_mut());
                }
                handler if before.sa_flags & libc::SA_SIGINFO != 0 => {
                    type Handler =
                        extern "C" fn(libc::c_int, *mut libc::siginfo_t, *mut libc::c_void);
                    let handler: Handler = std::mem::transmute(handler);
                    handler(signal, info, context);
                }
                handler => {
                    let handler: extern "C" fn(libc::c_int) = std::mem::transmute(handler);
                    handler(signal);
                }
            }
        }
    }
}
