//! The reference executor by its properties: what must hold for any model, whatever others compute.

#![allow(clippy::unwrap_used)]

mod another_model;
mod attention;
mod batches;
mod closures;
mod coverage;
mod forked;
mod formulas;
mod generation;
mod identity;
mod long_texts;
mod networks;
mod noise;
mod plan_errors;
mod position_errors;
mod properties;
mod random_plan;
mod run_errors;
mod runs;
mod sessions;
mod sources;
mod subject;
