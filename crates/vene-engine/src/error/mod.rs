//! What can be wrong with positions, plans and runs, each told in one line.

mod plan;
mod position;
mod run;
mod whose;

pub use plan::PlanError;
pub use position::PositionError;
pub use run::RunError;
pub use whose::Whose;
