//! Principal components as a basis of interventions: fitted here, or given.

mod components;
mod rotated_space;
mod symmetric;

pub use components::PrincipalComponents;
pub use rotated_space::PcaRotatedSpace;
