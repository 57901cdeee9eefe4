//! A network that was trained, and what is learned of it and measured on it.

use std::error::Error;
use std::path::Path;

use vene::causal::{CausalModel, Sampler, Value};
use vene::{Example, Model, Plan};

use super::accuracy::{self, Accuracy};
use super::alignment::{self, Rows};
use super::perceptron::{self, Inputs, Training};

/// How much is drawn.
#[derive(Clone, Copy, Debug)]
pub struct Sizes {
    /// Rows to learn an alignment from.
    pub learned_on: usize,
    /// Others to measure it on: other interchanges, other objects.
    pub held_out: usize,
    /// How often each row is learned from.
    pub epochs: usize,
}

/// A trained network with everything that it is asked.
pub struct Network {
    pub model: Model,
    /// On inputs that it has not seen.
    pub accuracy: f64,
    learned_on: Rows,
    held_out: Rows,
    epochs: usize,
}

/// What was measured at a layer's output: with the rotation that was learned, and with a random one.
pub struct Measured {
    pub layer: usize,
    pub learned: Vec<Accuracy>,
    pub random: Vec<Accuracy>,
}

impl Network {
    /// Trains a network, saves it, loads it, and gives it inputs of three data sets, each with objects of its
    /// own.
    pub fn train(
        causal: &CausalModel,
        training: Training,
        sizes: Sizes,
        folder: &Path,
    ) -> Result<Self, Box<dyn Error>> {
        perceptron::train(causal, training, folder)?;
        let mut inputs = Inputs::new(1_000_000 + training.seed);
        let settings = Sampler::of(causal).balanced("output").seed(3).settings(sizes.held_out)?;
        let numbers: Vec<u32> = settings.iter().map(|setting| inputs.add(setting)).collect();
        let learned_on = Rows::draw(causal, sizes.learned_on, 1, &mut inputs)?;
        let held_out = Rows::draw(causal, sizes.held_out, 2, &mut inputs)?;
        let model = Model::load(&folder.display().to_string())?.with_inputs(inputs.table())?;
        let prompts = numbers.iter().map(|&number| model.prompt_from_tokens(&[number]));
        let examples = prompts.map(|prompt| Ok(Example::new(prompt?)));
        let examples = examples.collect::<Result<Vec<_>, vene::InputError>>()?;
        let plan = Plan::new().resolve(&model, &examples)?;
        let accuracy = accuracy::own_accuracy(&model, &plan, causal, &settings, class)?;
        Ok(Self { model, accuracy, learned_on, held_out, epochs: sizes.epochs })
    }

    /// Learns a rotation of a layer's output, and measures it on rows that it has not seen.
    pub fn align(&self, layer: usize) -> Result<Measured, Box<dyn Error>> {
        let rotation = alignment::train(&self.model, &self.learned_on, layer, self.epochs, 5)?;
        let of = |rotation| {
            let plan = self.held_out.plan(&self.model, rotation, layer)?;
            accuracy::accuracy(&self.model, &plan, &self.held_out.rows, class)
        };
        let random = alignment::random_rotation(99)?;
        Ok(Measured { layer, learned: of(&rotation)?, random: of(&random)? })
    }
}

/// What a class of the network means.
pub fn class(number: u32) -> Value {
    Value::from(number == 1)
}
