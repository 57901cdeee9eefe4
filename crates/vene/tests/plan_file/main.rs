//! Plans in files: what they say is the plan, what they cannot say is refused, and what is written is
//! read again.

#![allow(clippy::unwrap_used)]

mod documented;
mod refused;
mod round_trip;
