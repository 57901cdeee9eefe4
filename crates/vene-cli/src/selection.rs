//! What a user writes to choose layers, heads, positions and components.

mod components;
mod positions;

pub use components::Places;
pub use positions::{Subject, name_a_phrase, positions, sweep_positions};
