//! Ten steps on whole answers, held to pyreft's own data sets, model and loss (`fixtures/make_pyreft.py`): positions as pyreft
//! cuts `f3+l3`, an intervention for each end or one for both, labels with pyreft's end token.

use std::collections::HashMap;
use std::ops::ControlFlow;
use std::path::Path;

use candle_core::Tensor;
use serde::Deserialize;
use vene::plan::{ResolvedPlan, TeacherForced};
use vene::plan_file::{Format, PlanFile};
use vene::training::{AdamW, CrossEntropy, Examples, Objective, Rotations, Trainer};
use vene::{Example, Model, Plan, Precision};
use vene_test_support::{Fixture, json, tensors};

#[derive(Deserialize)]
struct About {
    rank: usize,
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    name: String,
    model: String,
    intervention: String,
    /// The layer of each intervention; of those for one end each, the first half is for the beginning.
    layers: Vec<usize>,
    share_weights: bool,
    /// `f3+l3`.
    positions: String,
    learning_rate: f64,
    weight_decay: f64,
    batch: usize,
    epochs: usize,
    examples: Vec<Text>,
    losses: Vec<f64>,
}

#[derive(Deserialize)]
struct Text {
    prompt: Vec<u32>,
    answer: Vec<u32>,
    /// What each intervention edits, of the prompt.
    edited: Vec<Vec<usize>>,
}

impl Case {
    /// pyreft's `f3+l3` as a plan's file says it.
    fn plan(&self, rank: usize) -> String {
        let (first, last) = self.positions.split_once('+').unwrap();
        let count = |text: &str| text[1..].parse::<usize>().unwrap();
        let (first, last) = (count(first), count(last));
        // pyreft's data sets do not count the prompt's last token; its function for lists of texts does.
        let skipped = match self.name.as_str() {
            "ends" | "shared" => ", skip_last = 1",
            _ => "",
        };
        let edit = |(number, layer): (usize, &usize)| {
            let ends = if self.share_weights {
                format!("first = {first}, last = {last}")
            } else if number < self.layers.len() / 2 {
                format!("first = {first}")
            } else {
                format!("last = {last}")
            };
            format!(
                "[[edit]]\ncomponent = \"block_output\"\nlayer = {layer}\n\
                 positions = {{ {ends}, short = \"halved\"{skipped} }}\n\
                 intervention = {{ name = \"{}\", rank = {rank} }}\n",
                self.intervention
            )
        };
        self.layers.iter().enumerate().map(edit).collect()
    }

    fn model(&self, precision: Precision) -> Model {
        Fixture::new(self.model.clone().leak()).load(precision)
    }

    /// The plan with pyreft's parameters of the beginning over the texts, and what they should say.
    fn forced(&self, model: &Model, rank: usize, start: &HashMap<String, Tensor>) -> TeacherForced {
        let file = PlanFile::parse(&self.plan(rank), Format::Toml, Path::new("")).unwrap();
        let plan: Plan = file.plan(model).unwrap();
        let example = |text: &Text| Example::new(model.prompt_from_tokens(&text.prompt).unwrap());
        let examples: Vec<Example> = self.examples.iter().map(example).collect();
        let answers: Vec<Vec<u32>> = self.examples.iter().map(|text| text.answer.clone()).collect();
        let forced = plan.teacher_forced(model, &examples, &answers).unwrap();
        for (number, edit) in forced.plan.edits().iter().enumerate() {
            for parameter in edit.intervention.parameters().iter().filter(|one| one.is_trained()) {
                let name = format!("{}/{number}/start/{}", self.name, parameter.name);
                let value = start.get(&name).unwrap_or_else(|| panic!("no {name}"));
                let value = value.to_dtype(parameter.variable.dtype()).unwrap();
                parameter.variable.set(&value).unwrap();
            }
        }
        forced
    }

    /// The losses of its steps.
    fn train(&self, model: &Model, forced: &TeacherForced) -> Vec<f64> {
        let objective = Objective::new(CrossEntropy::of_answers(forced.labels.clone()));
        let trainer = Trainer {
            epochs: self.epochs,
            batch: self.batch,
            optimizer: AdamW {
                learning_rate: self.learning_rate,
                weight_decay: self.weight_decay,
                rotations: Rotations::PyTorch,
                ..AdamW::default()
            },
            seed: None,
            ..Trainer::default()
        };
        let examples = Examples { plan: &forced.plan, objective: &objective };
        let trained =
            trainer.train(model, examples, None, &mut |_| ControlFlow::Continue(())).unwrap();
        trained.steps.iter().map(|step| step.loss).collect()
    }
}

fn edited(plan: &ResolvedPlan, edit: usize, example: usize) -> &[usize] {
    &plan.edits()[edit].units[example].positions
}

#[test]
fn ten_steps_on_whole_answers_are_pyreft_s() {
    let about: About = json("training/pyreft.json");
    let start = tensors("training/pyreft.safetensors");
    // transformers takes the loss in single precision, whatever the model's.
    for (precision, tolerance) in [(Precision::Double, 2e-6), (Precision::Single, 2e-4)] {
        let mut cases = about.cases.iter().filter(|case| case.name != "padded").peekable();
        assert!(cases.peek().is_some());
        for case in cases {
            let model = case.model(precision);
            let forced = case.forced(&model, about.rank, &start);
            for (example, text) in case.examples.iter().enumerate() {
                for (number, right) in text.edited.iter().enumerate() {
                    let mut right = right.clone();
                    right.sort_unstable();
                    let found = edited(&forced.plan, number, example);
                    assert_eq!(found, right, "{}, {number}, example {example}", case.name);
                }
            }
            let losses = case.train(&model, &forced);
            assert_eq!(losses.len(), 10);
            for (step, (found, right)) in losses.iter().zip(&case.losses).enumerate() {
                let off = (found - right).abs();
                assert!(off < tolerance, "{}, step {step}: {found}, not {right}", case.name);
            }
            for (number, edit) in forced.plan.edits().iter().enumerate() {
                let parameters = edit.intervention.parameters();
                for parameter in parameters.iter().filter(|one| one.is_trained()) {
                    let right =
                        &start[&format!("{}/{number}/trained/{}", case.name, parameter.name)];
                    let found = parameter.variable.to_dtype(right.dtype()).unwrap();
                    let off = (found - right).unwrap().abs().unwrap().max_all().unwrap();
                    let off = off.to_scalar::<f64>().unwrap();
                    let name = &parameter.name;
                    assert!(off < 20.0 * tolerance, "{}, {number}, {name}: {off:e}", case.name);
                }
            }
        }
    }
}

/// Where a text is too short, pyreft's function for lists of texts pads its positions by the first token of the answer, which
/// is then edited too, in training alone. vene edits the prompt. Where answers have one token nothing comes after that one.
#[test]
fn what_pads_pyreft_s_positions_is_not_edited() {
    let about: About = json("training/pyreft.json");
    let start = tensors("training/pyreft.safetensors");
    let case = about.cases.iter().find(|case| case.name == "padded").unwrap();
    let model = case.model(Precision::Double);
    let forced = case.forced(&model, about.rank, &start);
    let (mut cut, mut longer) = (0, 0);
    for (example, text) in case.examples.iter().enumerate() {
        for (number, right) in text.edited.iter().enumerate() {
            assert_eq!(edited(&forced.plan, number, example), right);
            cut += usize::from(right.len() < 3);
            longer += usize::from(right.len() < 3 && text.answer.len() > 1);
        }
    }
    assert!(cut > 0 && longer > 0);
    let off = (case.train(&model, &forced)[1] - case.losses[1]).abs();
    println!("{off}");
    assert!(off > 1e-3, "{off}");
}
