//! Text that a model writes while its activations are edited.
//!
//! A [`Generator`] reads prompts once and goes on token by token: greedily, or by seeded
//! [`Sampling`]. The edits of a plan are made on the prompt, on every new token, or at chosen steps, as
//! each says ([`When`](crate::plan::When)); of the other runs that they read, prompts alone are run, once.
//!
//! Steering every new token, and the model's own continuation beside it:
//!
//! ```
//! use std::ops::ControlFlow;
//! use vene::{Component, Edit, Example, Generator, Model, Plan, Positions, When};
//!
//! let model = Model::load("embedded")?;
//! let prompt = model.prompt("The capital of Spain is")?;
//! let width = model.config().d_model;
//! let plan = Plan::new()
//!     .edit(
//!         Edit::steering(Component::BlockOutput, 2, vec![0.1; width])
//!             .at(Positions::All)
//!             .when(When::EveryStep),
//!     )
//!     .with_original()
//!     .resolve(&model, &[Example::new(prompt)])?;
//! let generator = Generator { max_new_tokens: 4, ..Generator::default() };
//! let generation = generator.run(&model, &plan, &mut |_| ControlFlow::Continue(()))?;
//! assert!(generation.originals[0].text(&model, &plan)?.starts_with(" Madrid"));
//! assert!(!generation.continuations[0].tokens.is_empty());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod continuation;
mod error;
mod generator;
mod penalty;
mod sampling;
mod stop;
mod text;
mod writer;

pub use continuation::{Continuation, End, Generation, LikelyToken, NewToken, StepReceipt};
pub use error::GenerationError;
pub use generator::Generator;
pub use penalty::penalised;
pub use sampling::Sampling;
pub use stop::StopStream;
pub use text::TextStream;
