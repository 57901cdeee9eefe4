//! What can be wrong with positions, plans, runs and sweeps, each told in one line.

mod plan;
mod position;
mod run;
mod sweep;
mod whose;

pub use plan::PlanError;
pub use position::PositionError;
pub use run::RunError;
pub use sweep::SweepError;
pub use whose::Whose;
