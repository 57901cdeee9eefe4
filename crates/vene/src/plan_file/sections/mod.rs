//! The sections of a plan's file that say what the plan is for: model, data, measures, sweep, training, generation.
//!
//! Together with the plan they are an experiment: what a command line says becomes the same value. Every key may be left
//! out; a command says what it then takes.

mod circuit;
mod generate;
mod keys;
mod list;
mod sweep;

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::de::{Error, Unexpected};
use serde::{Deserialize, Deserializer, Serialize};
use vene_model::{BeginningOfSequence, Chat, Precision, PromptForm};
use vene_named::named;

use super::document::Node;
use super::error::PlanFileError;
use super::table::Item;
use super::{deserialize, serialize};
use crate::sweep::AnswerTokens;
use crate::training::{AdamW, Annealing, Schedule, Trainer};
pub use circuit::CircuitSection;
pub use generate::GenerateSection;
pub use list::List;
pub use sweep::{MeanOver, SweepMethod, SweepSection};
use vene_data::Together;
use vene_data::task::Task;
use vene_engine::ExecutorName;
use vene_statistics::Correction;

named! {
    /// What is to be done with a file's plan.
    pub enum ExperimentKind as "kind of experiment", default Plan {
        /// It is run over the rows of a data set.
        Plan = "plan",
        /// What it learned is evaluated on rows, beside what it should be compared with.
        Evaluate = "evaluate",
        /// Its interventions are trained on rows.
        Train = "train",
        /// A prompt is continued under it.
        Generate = "generate",
        /// What it collects is kept, of prompts or rows.
        Collect = "collect",
        /// One intervention is made at every one of many places.
        Sweep = "sweep",
        /// The edges of the model's graph are scored in rows.
        Edges = "edges",
        /// Paths from senders to receivers are patched in rows.
        Paths = "paths",
        /// Circuits of growing size are run by themselves in rows.
        Faithfulness = "faithfulness",
        /// The model is scrubbed by hypotheses of what it computes, in rows.
        Scrub = "scrub",
        /// Heads are patched in pairs, in rows.
        Pairs = "pairs",
    }
}

/// `[model]`: which model a plan is for, and how it is run.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ModelSection {
    /// A Hugging Face id, a path or `embedded`, as [`Outline::open`](vene_model::Outline::open) takes it.
    pub id: Option<String>,
    /// Keys of its configuration that are left out ([`Opening`](vene_model::Opening)).
    pub ignored_keys: Vec<String>,
    /// Whether it may be another one than the plan was made for, of the same shape and tokenizer.
    pub another: Option<bool>,
    /// When prompts begin with a beginning-of-sequence token.
    pub bos: Option<BeginningOfSequence>,
    /// Whether each prompt is a user's turn in a conversation, in the form of the model's chat template.
    pub chat: Option<bool>,
    /// A system turn in front of such prompts.
    pub system: Option<String>,
    /// Whether prompts are token ids, written as numbers.
    pub ids: Option<bool>,
    /// Precision of weights and activations.
    pub precision: Option<Precision>,
    /// What identifies the model, as a saved plan states it.
    pub identity: Option<String>,
    /// Its shape ([`ModelKey::shape`](vene_model::ModelKey::shape)), as a saved plan states it.
    pub shape: Option<String>,
    /// A hash of its tokenizer ([`ModelKey::tokenizer`](vene_model::ModelKey::tokenizer)), likewise.
    pub tokenizer: Option<String>,
}

impl ModelSection {
    /// How prompts are made of texts.
    pub fn prompt_form(&self) -> PromptForm {
        let bos = self.bos.unwrap_or_default();
        match (self.ids, self.chat) {
            (Some(true), _) => PromptForm::Ids,
            (_, Some(true)) => {
                PromptForm::Chat(Chat { system: self.system.as_deref().map(Into::into), bos })
            }
            _ => PromptForm::Text(bos),
        }
    }
}

/// `[data]`: what a plan is run on.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct DataSection {
    /// A file with a data set.
    pub path: Option<PathBuf>,
    /// A generator of data sets, by its name.
    pub task: Option<Task>,
    /// How many of the rows are taken, or made.
    #[serde(deserialize_with = "positive")]
    pub rows: Option<usize>,
    /// No more than the first so many of them.
    #[serde(deserialize_with = "positive")]
    pub limit: Option<usize>,
    /// What a task draws by.
    pub seed: Option<u64>,
    /// Which of several counterfactuals of a row.
    pub counterfactual: Option<String>,
    /// Prompts, in place of a data set.
    pub prompts: Vec<String>,
    /// A file with a prompt on each line, likewise.
    pub lines: Option<PathBuf>,
    /// One example's base, in place of a data set.
    pub base: Option<String>,
    /// That example's sources.
    pub sources: Vec<String>,
    /// Right answers to that example's base, with their leading spaces.
    pub target: Vec<String>,
    /// Right answers to its source.
    pub foil: Vec<String>,
    /// The phrases of the base that roles such as `subject_last` are about: `{ subject = "Spain" }`.
    pub spans: BTreeMap<String, String>,
    /// The phrases of the source that replace them. Default: those of the base.
    pub source_spans: BTreeMap<String, String>,
}

/// `[measure]`: what is measured of each row's runs.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct MeasureSection {
    /// Metrics by name.
    pub metrics: Option<Vec<String>>,
    /// How answers of several tokens are read.
    pub answers: Option<AnswerTokens>,
}

/// `[statistics]`: how rows are summarised.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct StatisticsSection {
    /// Resamples of the bootstrap that intervals come from.
    #[serde(deserialize_with = "positive")]
    pub resamples: Option<usize>,
    /// How p-values are adjusted for the number of places.
    pub correction: Option<Correction>,
    /// What is drawn depends on it.
    pub seed: Option<u64>,
    /// The share of the rows in which effects are looked for; the others show what was found.
    #[serde(deserialize_with = "share")]
    pub discovery: Option<f64>,
    /// Which rows stay on one side of that split.
    pub together: Option<Together>,
}

/// `[tensors]`: how what is collected lies in a file.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct TensorsSection {
    /// Whether rows of fewer positions are filled with zeros.
    pub pad: Option<bool>,
}

/// `[limits]`: what a run may take.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct LimitsSection {
    /// About how many bytes the rows of one pass may take beside the weights.
    #[serde(deserialize_with = "positive")]
    pub memory: Option<usize>,
    /// What runs the plans.
    pub executor: Option<ExecutorName>,
}

/// `[train]`: how a plan's interventions are trained.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct TrainSection {
    /// How often each example is seen.
    #[serde(deserialize_with = "positive")]
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
    /// How the step size changes.
    pub schedule: Option<ScheduleName>,
    /// Steps of the way up, of a linear or a cosine schedule.
    pub warmup: Option<usize>,
    /// What the order of examples depends on.
    pub seed: Option<u64>,
    /// Whether the examples' order changes from epoch to epoch.
    pub shuffle: Option<bool>,
    /// Epochs without a better loss after which the training ends.
    pub patience: Option<usize>,
    /// What the edited run should answer.
    pub labels: Option<LabelName>,
    /// How much of the label the edited run should give.
    pub answers: Option<AnswerTokens>,
    /// Whether the model's own end of a text is the last token of each whole answer.
    pub end_token: Option<bool>,
    /// What becomes small.
    pub loss: Option<LossName>,
    /// The temperature of masks at the first and at the last step.
    #[serde(deserialize_with = "temperatures")]
    pub annealing: Option<[f64; 2]>,
    /// What the sum of a boundless rotation's boundaries is multiplied by before it is added to the loss.
    pub boundary_penalty: Option<f64>,
    /// The share of the rows that are held out, to be looked at after each epoch.
    #[serde(deserialize_with = "share")]
    pub held_out: Option<f64>,
    /// Which rows stay on one side, trained on or held out.
    pub together: Option<Together>,
    /// Whether blocks are run once more on the way back instead of being remembered.
    pub recomputes: Option<bool>,
}

named! {
    /// Which of a row's answers is learned.
    pub enum LabelName as "label" {
        /// The base's right answer.
        Target = "target",
        /// The source's right answer.
        Foil = "foil",
    }
}

named! {
    /// A loss's name.
    pub enum LossName as "loss" {
        /// -log p of the label.
        CrossEntropy = "cross_entropy",
        /// Minus the logit difference (the label's logit less the other answer's), which so becomes large.
        LogitDifference = "logit_difference",
    }
}

named! {
    /// A schedule's name.
    pub enum ScheduleName as "schedule" {
        /// Always 1.
        Constant = "constant",
        /// Up, then down in a straight line.
        Linear = "linear",
        /// Up, then down along half a cosine.
        Cosine = "cosine",
    }
}

/// What a plan is for: the sections of its file other than the plan itself.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Sections {
    /// `[model]`.
    pub model: Option<ModelSection>,
    /// `[data]`.
    pub data: Option<DataSection>,
    /// `[sweep]`.
    pub sweep: Option<SweepSection>,
    /// `[measure]`.
    pub measure: Option<MeasureSection>,
    /// `[statistics]`.
    pub statistics: Option<StatisticsSection>,
    /// `[limits]`.
    pub limits: Option<LimitsSection>,
    /// `[train]`.
    pub train: Option<TrainSection>,
    /// `[generate]`.
    pub generate: Option<GenerateSection>,
    /// `[tensors]`.
    pub tensors: Option<TensorsSection>,
    /// `[circuit]`.
    pub circuit: Option<CircuitSection>,
}

/// The sections' names, in the order in which they are written.
pub(super) const SECTIONS: [&str; 10] = [
    "model",
    "data",
    "sweep",
    "measure",
    "statistics",
    "limits",
    "train",
    "generate",
    "tensors",
    "circuit",
];

impl Sections {
    /// Every section with its keys, in the order in which they are declared.
    pub fn keys() -> [(&'static str, &'static [&'static str]); 10] {
        let keys = [
            keys::of::<ModelSection>(),
            keys::of::<DataSection>(),
            keys::of::<SweepSection>(),
            keys::of::<MeasureSection>(),
            keys::of::<StatisticsSection>(),
            keys::of::<LimitsSection>(),
            keys::of::<TrainSection>(),
            keys::of::<GenerateSection>(),
            keys::of::<TensorsSection>(),
            keys::of::<CircuitSection>(),
        ];
        std::array::from_fn(|index| (SECTIONS[index], keys[index]))
    }

    /// Those of a document.
    pub(super) fn read(document: &Item<'_>) -> Result<Self, PlanFileError> {
        fn section<T: serde::de::DeserializeOwned>(
            document: &Item<'_>,
            name: &str,
        ) -> Result<Option<T>, PlanFileError> {
            document.get(name).as_ref().map(deserialize::read).transpose()
        }
        let sections = Self {
            model: section(document, "model")?,
            data: section(document, "data")?,
            sweep: section(document, "sweep")?,
            measure: section(document, "measure")?,
            statistics: section(document, "statistics")?,
            limits: section(document, "limits")?,
            train: section(document, "train")?,
            generate: section(document, "generate")?,
            tensors: section(document, "tensors")?,
            circuit: section(document, "circuit")?,
        };
        refuse_two_forms(document, &sections)?;
        let schedule = sections.train.as_ref().and_then(|train| train.schedule);
        let rises = matches!(schedule, Some(ScheduleName::Linear | ScheduleName::Cosine));
        let warmup = document.get("train").and_then(|train| train.get("warmup"));
        if let (Some(warmup), false) = (warmup, rises) {
            return Err(warmup.contradiction(
                "a constant schedule has no warmup: give `schedule = \"linear\"` or \"cosine\", or leave it out",
            ));
        }
        Ok(sections)
    }

    /// As they stand in a file, by name.
    pub(super) fn write(&self) -> Vec<(String, Node)> {
        let Self {
            model,
            data,
            sweep,
            measure,
            statistics,
            limits,
            train,
            generate,
            tensors,
            circuit,
        } = self;
        let written = [
            model.as_ref().map(serialize::write),
            data.as_ref().map(serialize::write),
            sweep.as_ref().map(serialize::write),
            measure.as_ref().map(serialize::write),
            statistics.as_ref().map(serialize::write),
            limits.as_ref().map(serialize::write),
            train.as_ref().map(serialize::write),
            generate.as_ref().map(serialize::write),
            tensors.as_ref().map(serialize::write),
            circuit.as_ref().map(serialize::write),
        ];
        let named = SECTIONS.into_iter().zip(written);
        named.filter_map(|(name, section)| Some((name.to_owned(), section?))).collect()
    }
}

/// Refuses what can only be read of prompts in another form.
fn refuse_two_forms(document: &Item<'_>, sections: &Sections) -> Result<(), PlanFileError> {
    let model = sections.model.clone().unwrap_or_default();
    let (chat, ids) = (model.chat == Some(true), model.ids == Some(true));
    let instead = [
        (
            "system",
            !chat,
            "a system turn stands in front of a conversation: give `chat = true` too",
        ),
        ("chat", chat && ids, "prompts are conversations (`chat`) or token ids (`ids`), not both"),
        ("bos", ids, "token ids (`ids`) are taken as they are: leave `bos` out"),
    ];
    for (key, is_wrong, problem) in instead {
        if let (true, Some(item)) =
            (is_wrong, document.get("model").and_then(|model| model.get(key)))
        {
            return Err(item.contradiction(problem));
        }
    }
    Ok(())
}

/// A number of things of which there must be one.
fn positive<'de, D: Deserializer<'de>>(from: D) -> Result<Option<usize>, D::Error> {
    const EXPECTED: &str = "a whole number from 1 on";
    match i64::deserialize(from) {
        Ok(number) if number > 0 => Ok(Some(number as usize)),
        Ok(number) => Err(D::Error::invalid_value(Unexpected::Signed(number), &EXPECTED)),
        Err(_) => Err(D::Error::invalid_value(Unexpected::Other("it"), &EXPECTED)),
    }
}

fn share<'de, D: Deserializer<'de>>(from: D) -> Result<Option<f64>, D::Error> {
    const EXPECTED: &str = "a share of the rows, more than 0 and less than 1";
    match f64::deserialize(from)? {
        share if share > 0.0 && share < 1.0 => Ok(Some(share)),
        other => Err(D::Error::invalid_value(Unexpected::Float(other), &EXPECTED)),
    }
}

fn temperatures<'de, D: Deserializer<'de>>(from: D) -> Result<Option<[f64; 2]>, D::Error> {
    const EXPECTED: &str = "[first, last], two temperatures above 0";
    match Vec::<f64>::deserialize(from)?.as_slice() {
        &[first, last] if first > 0.0 && last > 0.0 => Ok(Some([first, last])),
        _ => Err(D::Error::invalid_value(Unexpected::Seq, &EXPECTED)),
    }
}

impl TrainSection {
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
            memory: usual.memory,
        }
    }
}
