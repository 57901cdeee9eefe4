//! Plans in files: what they say is the plan, what they cannot say is refused, and what is written is
//! read again.

#![allow(clippy::unwrap_used)]

mod another_model;
mod autoencoders;
#[allow(dead_code)]
#[path = "../plans/case.rs"]
mod case;
mod documented;
mod every;
mod grids;
mod hostile;
mod pyvene;
#[allow(dead_code)]
#[path = "../engine/random_plan.rs"]
mod random_plan;
mod refused;
mod registry;
mod round_trip;
mod saved;
mod sections;
#[allow(dead_code)]
#[path = "../engine/subject.rs"]
mod subject;
