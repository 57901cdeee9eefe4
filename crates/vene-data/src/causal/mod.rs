//! Causal models: the algorithms that a network may follow, and the counterfactual data that tells.
//!
//! A hypothesis of the form "the network computes whether the first two are equal, then whether the
//! last two are, then compares" is a small program. Declare it as a [`CausalModel`]: variables, what each
//! is computed from, and how. It can be run, intervened on, and its variables exchanged between runs, as
//! activations of a network are. It thereby says what the network should answer when the activations
//! that are thought to hold a variable are exchanged: the *counterfactual label*. How often the
//! network does is the *interchange-intervention accuracy* of that thought (Geiger et al. 2021, "Causal
//! abstractions of neural networks"; Geiger et al. 2023, "Finding alignments between interpretable
//! causal variables and distributed neural representations").
//!
//! * [`CausalModel`]: declared by a [`Builder`], which checks it, then run;
//! * [`Sampler`]: inputs with their labels; [`Counterfactuals`]: bases, sources, and counterfactual labels;
//! * [`CounterfactualRow::to_row`]: from there to prompts;
//! * [`interchange_intervention_accuracy`]: from a network's predictions to the accuracy.
//!
//! ```
//! use vene::causal::{CausalModel, Counterfactuals};
//!
//! // Are the first two objects equal or unequal like the last two?
//! let model = CausalModel::builder()
//!     .input("w", ["ant", "bee", "cat", "dog"])
//!     .input("x", ["ant", "bee", "cat", "dog"])
//!     .input("y", ["ant", "bee", "cat", "dog"])
//!     .input("z", ["ant", "bee", "cat", "dog"])
//!     .computed("left", ["w", "x"], |[w, x]| w == x)
//!     .computed("right", ["y", "z"], |[y, z]| y == z)
//!     .computed("output", ["left", "right"], |[left, right]| left == right)
//!     .build()?;
//!
//! // Rows in which `left` comes from another run; in half of them that changes the output.
//! let rows = Counterfactuals::of(&model).exchange([["left"]]).changed(0.5).seed(1).rows(20)?;
//! let row = rows[1].to_row(
//!     |setting| {
//!         let [w, x, y, z] = ["w", "x", "y", "z"].map(|name| &setting[name]);
//!         format!("Is {w} to {x} as {y} is to {z}?")
//!     },
//!     |label| if label.is_true() { " yes" } else { " no" }.to_owned(),
//! )?;
//! assert_ne!(row.target, row.foil);
//! # Ok::<(), vene::causal::CausalError>(())
//! ```

mod accuracy;
mod builder;
mod counterfactual;
mod counterfactuals;
mod domain;
mod error;
pub mod examples;
mod function;
mod graph;
mod model;
mod order;
mod paths;
mod sampler;
mod setting;
mod tabulate;
mod value;

pub use accuracy::{
    InterchangeAccuracy, Proportion, base_clusters, interchange_intervention_accuracy,
};
pub use builder::Builder;
pub use counterfactual::{CounterfactualRow, Exchange};
pub use counterfactuals::Counterfactuals;
pub use error::CausalError;
pub use model::CausalModel;
pub use sampler::Sampler;
pub use setting::Setting;
pub use value::{IntoValue, Value};
