//! A stretch of a run's rows: `--shard 3/16`, for machines that share the work.

use std::fmt;
use std::ops::Range;
use std::str::FromStr;

use anyhow::ensure;
use serde_json::{Value, json};

use crate::record::Record;

/// Which of how many stretches, counted from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shard {
    pub number: usize,
    pub of: usize,
}

impl FromStr for Shard {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parsed = text.split_once('/').and_then(|(number, of)| {
            Some(Self { number: number.trim().parse().ok()?, of: of.trim().parse().ok()? })
        });
        match parsed {
            Some(shard) if (1..=shard.of).contains(&shard.number) => Ok(shard),
            _ => {
                Err("expected a number and how many there are, counted from 1, such as 3/16"
                    .to_owned())
            }
        }
    }
}

impl fmt::Display for Shard {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}/{}", self.number, self.of)
    }
}

impl Shard {
    /// The rows of it, of so many.
    ///
    /// # Errors
    /// More shards than rows.
    pub fn rows(self, rows: usize) -> anyhow::Result<Range<usize>> {
        self.stretch(rows, "rows")
    }

    /// Its stretch of so many things, by what they are.
    ///
    /// # Errors
    /// More shards than things.
    pub fn stretch(self, all: usize, what: &str) -> anyhow::Result<Range<usize>> {
        ensure!(
            self.of <= all,
            "--shard {self}: there are {all} {what}, which make {all} shards at most"
        );
        Ok((self.number - 1) * all / self.of..self.number * all / self.of)
    }

    /// As a record has it.
    pub fn record(self, what: &str, stretch: &Range<usize>) -> Value {
        json!({ "number": self.number, "of": self.of, what: [stretch.start, stretch.end] })
    }

    /// That of a record, if it is of one.
    pub fn of_record(record: &Record) -> Option<Self> {
        let shard = record.get("shard");
        let number = |key: &str| usize::try_from(shard.get(key)?.as_u64()?).ok();
        Some(Self { number: number("number")?, of: number("of")? })
    }
}

/// The rows that are run: those of a shard, or all.
///
/// # Errors
/// More shards than rows.
pub fn rows_of(shard: Option<Shard>, rows: usize) -> anyhow::Result<Range<usize>> {
    shard.map_or(Ok(0..rows), |shard| shard.rows(rows))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn shards_are_all_rows_once() {
        for (rows, of) in [(10, 3), (16, 16), (1, 1), (1000, 7)] {
            let shards = (1..=of).map(|number| Shard { number, of }.rows(rows).unwrap());
            let all: Vec<usize> = shards.flatten().collect();
            assert_eq!(all, (0..rows).collect::<Vec<_>>());
        }
        assert!(Shard { number: 1, of: 3 }.rows(2).is_err());
        assert_eq!("3/16".parse(), Ok(Shard { number: 3, of: 16 }));
        for text in ["0/3", "4/3", "3", "a/b", "1/0", "-1/3"] {
            assert!(text.parse::<Shard>().is_err(), "{text}");
        }
    }
}
