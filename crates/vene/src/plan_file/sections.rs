//! The sections of a plan's file that say what the plan is for: model, data, training, generation.
//!
//! Every key may be left out; a command says what it then takes.

use std::collections::HashSet;
use std::path::PathBuf;

use vene_model::{InputError, Outline};

use super::document::{Node, table};
use super::error::PlanFileError;
use super::table::Item;
use crate::generation::{Generator, Sampling};
use crate::training::{AdamW, Annealing, Schedule, Trainer};

type Result<T> = std::result::Result<T, PlanFileError>;

/// `[model]`: which model a plan is for.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ModelSection {
    /// A Hugging Face id, a path or `embedded`, as [`Outline::open`](vene_model::Outline::open) takes it.
    pub id: Option<String>,
    /// What identifies the model, as a saved plan states it.
    pub identity: Option<String>,
    /// Its shape ([`ModelKey::shape`](vene_model::ModelKey::shape)), as a saved plan states it.
    pub shape: Option<String>,
    /// A hash of its tokenizer ([`ModelKey::tokenizer`](vene_model::ModelKey::tokenizer)), likewise.
    pub tokenizer: Option<String>,
}

/// `[data]`: what a plan is run on.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct DataSection {
    /// A file with a data set.
    pub path: Option<PathBuf>,
    /// A generator of data sets, by its name.
    pub task: Option<String>,
    /// How many of the rows are taken, or made.
    pub rows: Option<usize>,
    /// What a task draws by.
    pub seed: Option<u64>,
    /// Which of several counterfactuals of a row.
    pub counterfactual: Option<String>,
    /// One example's base, in place of a data set.
    pub base: Option<String>,
    /// That example's sources.
    pub sources: Vec<String>,
}

/// `[train]`: how a plan's interventions are trained.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TrainSection {
    /// How often each example is seen.
    pub epochs: Option<usize>,
    /// Examples of a step.
    pub batch: Option<usize>,
    /// The step size, before the schedule's factor.
    pub learning_rate: Option<f64>,
    /// Share of a parameter that a step of size 1 takes away.
    pub weight_decay: Option<f64>,
    /// Decay of the mean of gradients.
    pub beta1: Option<f64>,
    /// Decay of the mean of squared gradients.
    pub beta2: Option<f64>,
    /// Added to the root of the latter.
    pub epsilon: Option<f64>,
    /// How the step size changes: `constant`, `linear` or `cosine`.
    pub schedule: Option<ScheduleName>,
    /// Steps of the way up, of a linear or a cosine schedule.
    pub warmup: Option<usize>,
    /// What the order of examples depends on.
    pub seed: Option<u64>,
    /// Whether the examples' order changes from epoch to epoch.
    pub shuffle: Option<bool>,
    /// Epochs without a better loss after which the training ends.
    pub patience: Option<usize>,
    /// What the edited run should answer: which column or answer of the data.
    pub labels: Option<String>,
    /// What becomes small.
    pub loss: Option<LossName>,
    /// The temperature of masks at the first and at the last step.
    pub annealing: Option<[f64; 2]>,
    /// What the sum of a boundless rotation's boundaries is multiplied by before it is added to the loss.
    pub boundary_penalty: Option<f64>,
    /// The share of the rows that are held out, to be looked at after each epoch.
    pub held_out: Option<f64>,
    /// Whether blocks are run once more on the way back instead of being remembered.
    pub recomputes: Option<bool>,
}

/// A loss's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LossName {
    /// -log p of the label.
    CrossEntropy,
    /// How far the other answer's logit lies above the label's.
    LogitDifference,
}

/// A schedule's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ScheduleName {
    /// Always 1.
    Constant,
    /// Up, then down in a straight line.
    Linear,
    /// Up, then down along half a cosine.
    Cosine,
}

/// `[generate]`: how a text is gone on with under a plan.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct GenerateSection {
    /// The text to go on with, in place of the data's base.
    pub prompt: Option<String>,
    /// At most so many new tokens.
    pub tokens: Option<usize>,
    /// Sharpens or flattens what tokens are drawn from; the likeliest token is taken where nothing is said
    /// of temperature, cuts, seed and samples.
    pub temperature: Option<f64>,
    /// Only so many of the likeliest tokens are drawn from.
    pub top_k: Option<usize>,
    /// Only the likeliest tokens that make up this probability together are drawn from.
    pub top_p: Option<f64>,
    /// What is drawn depends on it.
    pub seed: Option<u64>,
    /// How many texts are drawn.
    pub samples: Option<usize>,
    /// Tokens at which generation ends, in place of those that the model's own files name.
    pub stop: Vec<String>,
}

const LOSSES: [(&str, LossName); 2] =
    [("cross_entropy", LossName::CrossEntropy), ("logit_difference", LossName::LogitDifference)];

const SCHEDULES: [(&str, ScheduleName); 3] = [
    ("constant", ScheduleName::Constant),
    ("linear", ScheduleName::Linear),
    ("cosine", ScheduleName::Cosine),
];

fn text(item: &Item<'_>) -> Result<String> {
    item.text("a text").map(str::to_owned)
}

fn texts(item: &Item<'_>) -> Result<Vec<String>> {
    item.list("a list of texts")?.iter().map(text).collect()
}

fn seed(item: &Item<'_>) -> Result<u64> {
    item.whole("a whole number from 0 on")
}

impl ModelSection {
    pub(super) fn read(item: &Item<'_>) -> Result<Self> {
        let table = item.table("a table", &["id", "identity", "shape", "tokenizer"])?;
        Ok(Self {
            id: table.read("id", text)?,
            identity: table.read("identity", text)?,
            shape: table.read("shape", text)?,
            tokenizer: table.read("tokenizer", text)?,
        })
    }

    pub(super) fn write(&self) -> Node {
        let Self { id, identity, shape, tokenizer } = self;
        let entries =
            [("id", id), ("identity", identity), ("shape", shape), ("tokenizer", tokenizer)];
        let given = |(key, value): (&'static str, &Option<String>)| {
            value.as_deref().map(|value| (key, value.into()))
        };
        table(entries.into_iter().filter_map(given))
    }
}

impl DataSection {
    pub(super) fn read(item: &Item<'_>) -> Result<Self> {
        let known = ["path", "task", "rows", "seed", "counterfactual", "base", "sources"];
        let table = item.table("a table", &known)?;
        Ok(Self {
            path: table.read("path", text)?.map(PathBuf::from),
            task: table.read("task", text)?,
            rows: table.read("rows", Item::positive)?,
            seed: table.read("seed", seed)?,
            counterfactual: table.read("counterfactual", text)?,
            base: table.read("base", text)?,
            sources: table.read("sources", texts)?.unwrap_or_default(),
        })
    }

    pub(super) fn write(&self) -> Node {
        let path = self.path.as_ref().map(|path| path.to_string_lossy().into_owned());
        let sources = (!self.sources.is_empty()).then(|| self.sources.clone().into());
        given([
            ("path", path.map(Node::from)),
            ("task", self.task.clone().map(Node::from)),
            ("rows", self.rows.map(Node::from)),
            ("seed", self.seed.map(Node::from)),
            ("counterfactual", self.counterfactual.clone().map(Node::from)),
            ("base", self.base.clone().map(Node::from)),
            ("sources", sources),
        ])
    }
}

/// The entries that are there.
fn given<const N: usize>(entries: [(&'static str, Option<Node>); N]) -> Node {
    table(entries.into_iter().filter_map(|(key, value)| Some((key, value?))))
}

impl TrainSection {
    pub(super) fn read(item: &Item<'_>) -> Result<Self> {
        let known = [
            "epochs",
            "batch",
            "learning_rate",
            "weight_decay",
            "beta1",
            "beta2",
            "epsilon",
            "schedule",
            "warmup",
            "seed",
            "shuffle",
            "patience",
            "labels",
            "loss",
            "annealing",
            "boundary_penalty",
            "held_out",
            "recomputes",
        ];
        let table = item.table("a table", &known)?;
        let schedule = |item: &Item<'_>| {
            let name = item.text("the name of a schedule")?;
            let names = SCHEDULES.map(|(name, _)| name);
            let found = SCHEDULES.iter().find(|(known, _)| *known == name);
            found
                .map(|(_, schedule)| *schedule)
                .ok_or_else(|| item.unknown("schedule", name, &names))
        };
        let loss = |item: &Item<'_>| {
            let name = item.text("the name of a loss")?;
            let names = LOSSES.map(|(name, _)| name);
            let found = LOSSES.iter().find(|(known, _)| *known == name);
            found.map(|(_, loss)| *loss).ok_or_else(|| item.unknown("loss", name, &names))
        };
        let annealing = |item: &Item<'_>| {
            const EXPECTED: &str = "[first, last], two temperatures above 0";
            let numbers =
                item.list(EXPECTED)?.iter().map(Item::number).collect::<Result<Vec<_>>>()?;
            match numbers.as_slice() {
                &[first, last] if first > 0.0 && last > 0.0 => Ok([first, last]),
                _ => Err(item.expected(EXPECTED)),
            }
        };
        let share = |item: &Item<'_>| match item.number()? {
            share if share > 0.0 && share < 1.0 => Ok(share),
            _ => Err(item.expected("a share of the rows, more than 0 and less than 1")),
        };
        let section = Self {
            epochs: table.read("epochs", Item::positive)?,
            batch: table.read("batch", Item::count)?,
            learning_rate: table.read("learning_rate", Item::number)?,
            weight_decay: table.read("weight_decay", Item::number)?,
            beta1: table.read("beta1", Item::number)?,
            beta2: table.read("beta2", Item::number)?,
            epsilon: table.read("epsilon", Item::number)?,
            schedule: table.read("schedule", schedule)?,
            warmup: table.read("warmup", Item::count)?,
            seed: table.read("seed", seed)?,
            shuffle: table.read("shuffle", Item::flag)?,
            patience: table.read("patience", Item::count)?,
            labels: table.read("labels", text)?,
            loss: table.read("loss", loss)?,
            annealing: table.read("annealing", annealing)?,
            boundary_penalty: table.read("boundary_penalty", Item::number)?,
            held_out: table.read("held_out", share)?,
            recomputes: table.read("recomputes", Item::flag)?,
        };
        let rises = matches!(section.schedule, Some(ScheduleName::Linear | ScheduleName::Cosine));
        if let (Some(warmup), false) = (table.get("warmup"), rises) {
            return Err(warmup.contradiction(
                "a constant schedule has no warmup: give `schedule = \"linear\"` or \"cosine\", or leave it out",
            ));
        }
        Ok(section)
    }

    pub(super) fn write(&self) -> Node {
        let schedule = self.schedule.and_then(|schedule| {
            SCHEDULES
                .iter()
                .find(|(_, known)| *known == schedule)
                .map(|(name, _)| Node::from(*name))
        });
        let loss = self.loss.and_then(|loss| {
            LOSSES.iter().find(|(_, known)| *known == loss).map(|(name, _)| Node::from(*name))
        });
        given([
            ("epochs", self.epochs.map(Node::from)),
            ("batch", self.batch.map(Node::from)),
            ("learning_rate", self.learning_rate.map(Node::from)),
            ("weight_decay", self.weight_decay.map(Node::from)),
            ("beta1", self.beta1.map(Node::from)),
            ("beta2", self.beta2.map(Node::from)),
            ("epsilon", self.epsilon.map(Node::from)),
            ("schedule", schedule),
            ("warmup", self.warmup.map(Node::from)),
            ("seed", self.seed.map(Node::from)),
            ("shuffle", self.shuffle.map(Node::from)),
            ("patience", self.patience.map(Node::from)),
            ("labels", self.labels.clone().map(Node::from)),
            ("loss", loss),
            ("annealing", self.annealing.map(|annealing| annealing.to_vec().into())),
            ("boundary_penalty", self.boundary_penalty.map(Node::from)),
            ("held_out", self.held_out.map(Node::from)),
            ("recomputes", self.recomputes.map(Node::from)),
        ])
    }

    /// The trainer that the section describes; what it does not say is as in [`Trainer::default`].
    pub fn trainer(&self) -> Trainer {
        let usual = Trainer::default();
        let warmup = self.warmup.unwrap_or(0);
        let seed = self.seed.or(usual.seed);
        Trainer {
            epochs: self.epochs.unwrap_or(usual.epochs),
            batch: self.batch.unwrap_or(usual.batch),
            optimizer: AdamW {
                learning_rate: self.learning_rate.unwrap_or(usual.optimizer.learning_rate),
                weight_decay: self.weight_decay.unwrap_or(usual.optimizer.weight_decay),
                beta1: self.beta1.unwrap_or(usual.optimizer.beta1),
                beta2: self.beta2.unwrap_or(usual.optimizer.beta2),
                epsilon: self.epsilon.unwrap_or(usual.optimizer.epsilon),
                rotations: usual.optimizer.rotations,
            },
            schedule: match self.schedule {
                None => usual.schedule,
                Some(ScheduleName::Constant) => Schedule::Constant,
                Some(ScheduleName::Linear) => Schedule::Linear { warmup },
                Some(ScheduleName::Cosine) => Schedule::Cosine { warmup },
            },
            seed: if self.shuffle == Some(false) { None } else { seed },
            patience: self.patience.or(usual.patience),
            annealing: self.annealing.map(|[from, to]| Annealing { from, to }),
            recomputes: self.recomputes.unwrap_or(usual.recomputes),
        }
    }
}

impl GenerateSection {
    pub(super) fn read(item: &Item<'_>) -> Result<Self> {
        let known =
            ["prompt", "tokens", "temperature", "top_k", "top_p", "seed", "samples", "stop"];
        let table = item.table("a table", &known)?;
        Ok(Self {
            prompt: table.read("prompt", text)?,
            tokens: table.read("tokens", Item::count)?,
            temperature: table.read("temperature", Item::number)?,
            top_k: table.read("top_k", Item::count)?,
            top_p: table.read("top_p", Item::number)?,
            seed: table.read("seed", seed)?,
            samples: table.read("samples", Item::count)?,
            stop: table.read("stop", texts)?.unwrap_or_default(),
        })
    }

    pub(super) fn write(&self) -> Node {
        let stop = (!self.stop.is_empty()).then(|| self.stop.clone().into());
        given([
            ("prompt", self.prompt.clone().map(Node::from)),
            ("tokens", self.tokens.map(Node::from)),
            ("temperature", self.temperature.map(Node::from)),
            ("top_k", self.top_k.map(Node::from)),
            ("top_p", self.top_p.map(Node::from)),
            ("seed", self.seed.map(Node::from)),
            ("samples", self.samples.map(Node::from)),
            ("stop", stop),
        ])
    }

    /// The generator that the section describes; what it does not say is as in [`Generator::default`].
    ///
    /// # Errors
    /// A text to stop at that is not one token of the model.
    pub fn generator(&self, outline: &Outline) -> std::result::Result<Generator, InputError> {
        let usual = Generator::default();
        let is_drawn = self.temperature.is_some()
            || self.top_k.is_some()
            || self.top_p.is_some()
            || self.seed.is_some()
            || self.samples.is_some();
        let token = |text: &String| outline.tokenizer().single_token(text);
        // A text that is named a thousand times is looked up once.
        let mut seen = HashSet::new();
        let stop = self.stop.iter().filter(|text| seen.insert(text.as_str())).map(token);
        let stop = stop.collect::<std::result::Result<Vec<u32>, _>>()?;
        Ok(Generator {
            max_new_tokens: self.tokens.unwrap_or(usual.max_new_tokens),
            stop: if stop.is_empty() { usual.stop } else { Some(stop) },
            sampling: is_drawn.then(|| Sampling {
                temperature: self.temperature.unwrap_or(1.0),
                top_k: self.top_k,
                top_p: self.top_p,
            }),
            seed: self.seed.unwrap_or(usual.seed),
            samples: self.samples.unwrap_or(usual.samples),
            memory: usual.memory,
        })
    }
}
