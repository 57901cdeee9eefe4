//! What opening a checkpoint reports while it takes its time.

use std::fmt;

/// One step of opening a checkpoint. Printed, it is a line for a terminal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Progress<'a> {
    /// A file is coming over the network.
    Downloading {
        /// The file's name in its repository.
        file: &'a str,
        /// Bytes that are here.
        done: u64,
        /// Bytes of the whole file.
        total: u64,
    },
    /// Another program is fetching the same file.
    Waiting {
        /// The file's name in its repository.
        file: &'a str,
    },
    /// A file's header is read and checked.
    Opening {
        /// The file's name.
        file: &'a str,
    },
    /// The tokenizer is built.
    BuildingTokenizer,
}

impl fmt::Display for Progress<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Downloading { file, done, total } => {
                let (unit, bytes) = if *total < 1_000_000 { ("kB", 1e3) } else { ("MB", 1e6) };
                let (done, total) = (*done as f64 / bytes, *total as f64 / bytes);
                write!(f, "downloading {file}: {done:.1} of {total:.1} {unit}")
            }
            Self::Waiting { file } => {
                write!(f, "waiting for another program that is downloading {file}")
            }
            Self::Opening { file } => write!(f, "opening {file}"),
            Self::BuildingTokenizer => write!(f, "building the tokenizer"),
        }
    }
}
