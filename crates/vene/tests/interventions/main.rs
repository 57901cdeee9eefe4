//! Interventions by themselves, held to pyvene 0.1.8, pyreft 0.1.0 and SAELens 6.54
//! (`fixtures/interventions`), and those with parameters in plans.

#![allow(clippy::unwrap_used)]

mod autoencoder_files;
mod case;
mod conformance;
mod differences;
#[allow(dead_code)]
#[path = "../plan_file/every.rs"]
mod every;
mod plans;
mod rows;
mod wrappers;
