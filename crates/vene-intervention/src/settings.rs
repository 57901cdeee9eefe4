//! Settings: what an intervention was made with, besides the values of its parameters.
//!
//! A plan is written to a file by them, and made again of them
//! ([`plan_file`](crate::plan_file)): what they leave out would be another intervention there.

use super::{Intervention, Subspace};

/// An intervention's name and its settings, or an autoencoder's.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// The name under which a plan's file knows the kind.
    pub name: &'static str,
    /// What was set, by the keys of a plan's file.
    pub values: Vec<(&'static str, Setting)>,
}

/// The value of a setting.
#[derive(Clone, Debug, PartialEq)]
pub enum Setting {
    /// Yes or no.
    Flag(bool),
    /// A count, a rank, a seed.
    Whole(u64),
    /// A factor, a probability.
    Number(f64),
    /// One of several names.
    Name(&'static str),
    /// Which coordinates are acted on.
    Subspace(Subspace),
    /// Another intervention inside, or an autoencoder.
    Inner(Box<Settings>),
    /// A table for each of several things.
    Tables(Vec<Vec<(&'static str, Setting)>>),
}

impl Settings {
    /// Without any setting.
    pub fn new(name: &'static str) -> Self {
        Self { name, values: Vec::new() }
    }

    /// Of a wrapper: `None` where no file can describe what it is around.
    pub fn around(name: &'static str, inner: &dyn Intervention) -> Option<Self> {
        Some(Self::new(name).with("of", inner.settings()?))
    }

    /// One setting more.
    #[must_use]
    pub fn with(mut self, key: &'static str, value: impl Into<Setting>) -> Self {
        self.values.push((key, value.into()));
        self
    }

    /// The subspace, unless it is all.
    #[must_use]
    pub fn subspace(self, subspace: &Subspace) -> Self {
        match subspace {
            Subspace::All => self,
            some => self.with("subspace", some.clone()),
        }
    }
}

impl From<bool> for Setting {
    fn from(flag: bool) -> Self {
        Self::Flag(flag)
    }
}

impl From<u64> for Setting {
    fn from(number: u64) -> Self {
        Self::Whole(number)
    }
}

impl From<usize> for Setting {
    fn from(number: usize) -> Self {
        Self::Whole(number as u64)
    }
}

impl From<f64> for Setting {
    fn from(number: f64) -> Self {
        Self::Number(number)
    }
}

impl From<&'static str> for Setting {
    fn from(name: &'static str) -> Self {
        Self::Name(name)
    }
}

impl From<Subspace> for Setting {
    fn from(subspace: Subspace) -> Self {
        Self::Subspace(subspace)
    }
}

impl From<Settings> for Setting {
    fn from(inner: Settings) -> Self {
        Self::Inner(Box::new(inner))
    }
}
