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
                let megabytes = |bytes: u64| bytes as f64 / 1e6;
                write!(
                    f,
                    "downloading {file}: {:.1} of {:.1} MB",
                    megabytes(*done),
                    megabytes(*total)
                )
            }
            Self::Opening { file } => write!(f, "opening {file}"),
            Self::BuildingTokenizer => write!(f, "building the tokenizer"),
        }
    }
}
