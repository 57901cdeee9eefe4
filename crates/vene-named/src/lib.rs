//! Choices by name: enums that parse, print and explain themselves.
//!
//! A choice such as "noising or denoising" is written in a file, on a command line, in a table and in Python by the same
//! word. [`named!`](crate::named) declares the enum once, with its words; names, parsing with "did you mean", `Display`, `serde` and the help of
//! a command line follow from it.
//!
//! ```
//! use vene_named::{Named, named};
//!
//! named! {
//!     /// Which run is edited.
//!     pub enum Direction as "direction", default Noising {
//!         /// The base's, with the source's values.
//!         Noising = "noising",
//!         /// The source's, with the base's values.
//!         Denoising = "denoising",
//!     }
//! }
//!
//! assert_eq!("denoising".parse(), Ok(Direction::Denoising));
//! assert_eq!(Direction::Noising.to_string(), "noising");
//! assert_eq!(Direction::Noising.summary(), "The base's, with the source's values.");
//! let error = "nosing".parse::<Direction>().unwrap_err().to_string();
//! assert_eq!(error, "there is no direction `nosing`; did you mean `noising`? There are noising, denoising");
//! ```

mod meant;
mod sentence;
mod shown;

use std::fmt::Debug;

pub use meant::{meant, meant_text, nearest};
pub use sentence::sentence;
#[doc(hidden)]
pub use serde;
pub use shown::{listed, shown};

/// An enum whose values have names.
pub trait Named: Copy + Debug + Eq + Sized + 'static {
    /// What a value is called in messages: `direction`.
    const WHAT: &'static str;

    /// All values, in the order in which they are declared.
    const ALL: &'static [Self];

    /// The value's name.
    fn name(self) -> &'static str;

    /// What it means, in the words of its documentation.
    fn summary(self) -> &'static str;

    /// The value of this name.
    ///
    /// # Errors
    /// A name that none has.
    fn named(name: &str) -> Result<Self, UnknownName> {
        let found = Self::ALL.iter().copied().find(|value| value.name() == name);
        found.ok_or_else(|| {
            let known: Vec<&str> = Self::ALL.iter().map(|value| value.name()).collect();
            UnknownName::new(Self::WHAT, name, &known)
        })
    }
}

/// A name that no value has.
#[derive(Clone, PartialEq, Eq, thiserror::Error)]
#[error("there is no {what} `{name}`{}There are {known}", asked(nearest.as_deref()))]
pub struct UnknownName {
    what: &'static str,
    name: String,
    nearest: Option<String>,
    known: String,
}

debug_as_sentence!(UnknownName);

impl UnknownName {
    /// A name that is none of those that there are.
    pub fn new(what: &'static str, name: &str, known: &[&str]) -> Self {
        Self {
            what,
            name: name.chars().take(80).collect(),
            nearest: meant_text(name, known.iter().copied()),
            known: known.join(", "),
        }
    }
}

fn asked(nearest: Option<&str>) -> String {
    nearest.map_or_else(|| ". ".to_owned(), |nearest| format!("; did you mean `{nearest}`? "))
}

/// Declares an enum whose values have names.
#[macro_export]
macro_rules! named {
    (
        $(#[$attribute:meta])*
        $visibility:vis enum $type:ident as $what:literal $(, default $default:ident)? {
            $($(#[doc = $documentation:literal])+ $variant:ident = $name:literal,)+
        }
    ) => {
        $(#[$attribute])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        $visibility enum $type {
            $($(#[doc = $documentation])+ $variant,)+
        }

        $(impl Default for $type {
            fn default() -> Self {
                Self::$default
            }
        })?

        impl $type {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+];

            /// Its name, in files, in tables and on the command line.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)+
                }
            }
        }

        impl $crate::Named for $type {
            const WHAT: &'static str = $what;
            const ALL: &'static [Self] = &[$(Self::$variant,)+];

            fn name(self) -> &'static str {
                Self::name(self)
            }

            fn summary(self) -> &'static str {
                match self {
                    $(Self::$variant => concat!($($documentation),+).trim_ascii_start(),)+
                }
            }
        }

        impl ::std::fmt::Display for $type {
            fn fmt(&self, formatter: &mut ::std::fmt::Formatter<'_>) -> ::std::fmt::Result {
                formatter.pad(Self::name(*self))
            }
        }

        impl ::std::str::FromStr for $type {
            type Err = $crate::UnknownName;

            fn from_str(name: &str) -> ::std::result::Result<Self, $crate::UnknownName> {
                <Self as $crate::Named>::named(name)
            }
        }

        $crate::in_text!($type);
    };
}

/// Lets a type that parses and prints itself stand in files, by `serde`, as its text.
#[macro_export]
macro_rules! in_text {
    ($type:ty) => {
        impl $crate::serde::Serialize for $type {
            fn serialize<S: $crate::serde::Serializer>(
                &self,
                serializer: S,
            ) -> ::std::result::Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> $crate::serde::Deserialize<'de> for $type {
            fn deserialize<D: $crate::serde::Deserializer<'de>>(
                deserializer: D,
            ) -> ::std::result::Result<Self, D::Error> {
                let text = <String as $crate::serde::Deserialize>::deserialize(deserializer)?;
                text.parse().map_err($crate::serde::de::Error::custom)
            }
        }
    };
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    named! {
        /// A colour.
        pub enum Colour as "colour", default Red {
            /// Like blood,
            /// and like roses.
            Red = "red",
            /// Like the sky.
            Blue = "blue",
        }
    }

    #[test]
    fn names_go_there_and_back() {
        for &colour in Colour::ALL {
            assert_eq!(colour.to_string().parse(), Ok(colour));
            let text = serde_json::to_string(&colour).unwrap();
            assert_eq!(serde_json::from_str::<Colour>(&text).unwrap(), colour);
        }
        assert_eq!(Colour::default().summary(), "Like blood, and like roses.");
    }

    #[test]
    fn what_is_no_name_is_told_what_there_is() {
        let error = |name: &str| name.parse::<Colour>().unwrap_err().to_string();
        assert_eq!(
            error("blu"),
            "there is no colour `blu`; did you mean `blue`? There are red, blue"
        );
        assert_eq!(error("green"), "there is no colour `green`. There are red, blue");
        let refused = serde_json::from_str::<Colour>("\"rde\"").unwrap_err().to_string();
        assert!(refused.contains("did you mean `red`?"), "{refused}");
    }
}
