//! Ten steps of each trainable type, held to those of pyvene and pyreft (`fixtures/training/`).

use std::collections::HashMap;
use std::ops::ControlFlow;
use std::sync::Arc;

use candle_core::{Device, Tensor};
use serde::Deserialize;
use vene::intervention::{
    Constraint, Intervention, Reft, ReftKind, RotatedSpace, Rotation, SigmoidMask, Subspace,
    orthogonal,
};
use vene::plan::ResolvedPlan;
use vene::training::{
    AdamW, Annealing, CrossEntropy, Examples, Loss, Objective, Rotations, SumOf, TrainRun, Trainer,
};
use vene::{Component, Edit, Example, Model, Plan, Positions, Precision};
use vene_test_support::{Fixture, json, tensors};

#[derive(Deserialize)]
struct About {
    model: String,
    layer: usize,
    position: i64,
    batch: usize,
    epochs: usize,
    pairs: Vec<Pair>,
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Pair {
    base: Vec<u32>,
    source: Vec<u32>,
    label: u32,
}

#[derive(Deserialize)]
struct Case {
    name: String,
    learning_rate: f64,
    losses: Vec<f64>,
    interchange: Option<usize>,
    annealing: Option<[f64; 2]>,
    boundary_penalty: Option<f64>,
}

const RANK: usize = 3;

impl Case {
    /// The intervention with the parameters of the beginning.
    fn intervention(&self, width: usize, start: &HashMap<String, Tensor>) -> Arc<dyn Intervention> {
        let random = |rank: usize| Rotation::random(width, rank, 0).unwrap();
        let made: Arc<dyn Intervention> = match self.name.as_str() {
            "rotated_space" => {
                let subspace = Subspace::first(self.interchange.unwrap());
                Arc::new(RotatedSpace::new(random(width), subspace).unwrap())
            }
            "low_rank_rotated_space" => {
                Arc::new(RotatedSpace::low_rank(random(RANK), Subspace::All))
            }
            "boundless_rotated_space" => Arc::new(RotatedSpace::boundless(random(width)).unwrap()),
            "sigmoid_mask" => Arc::new(SigmoidMask::new(width).unwrap()),
            "sigmoid_mask_rotated_space" => {
                Arc::new(RotatedSpace::sigmoid_mask(random(width)).unwrap())
            }
            "loreft" => Arc::new(Reft::random(ReftKind::LoReft, width, RANK, 0).unwrap()),
            "noreft" => Arc::new(Reft::random(ReftKind::NoReft, width, RANK, 0).unwrap()),
            "direft" => Arc::new(Reft::random(ReftKind::DiReft, width, RANK, 0).unwrap()),
            "nodireft" => Arc::new(Reft::random(ReftKind::NodiReft, width, RANK, 0).unwrap()),
            "consreft" => Arc::new(Reft::random(ReftKind::ConsReft, width, RANK, 0).unwrap()),
            "lobireft" => Arc::new(Reft::random(ReftKind::LobiReft, width, RANK, 0).unwrap()),
            other => panic!("{other}"),
        };
        for parameter in made.parameters().iter().filter(|parameter| parameter.is_trained()) {
            let name = format!("{}/parameter/{}", self.name, parameter.name);
            let value = start.get(&name).unwrap_or_else(|| panic!("the fixture has no {name}"));
            parameter.variable.set(&value.to_dtype(parameter.variable.dtype()).unwrap()).unwrap();
        }
        made
    }

    fn objective(&self, pairs: &[Pair]) -> Objective {
        let labels: Vec<u32> = pairs.iter().map(|pair| pair.label).collect();
        let objective = Objective::labels(&labels);
        match self.boundary_penalty {
            Some(weight) => {
                let parameter = "intervention_boundaries".to_owned();
                objective.penalty(SumOf { parameter, weight })
            }
            None => objective,
        }
    }

    fn trainer(&self, about: &About, rotations: Rotations) -> Trainer {
        Trainer {
            epochs: about.epochs,
            batch: about.batch,
            optimizer: AdamW { learning_rate: self.learning_rate, rotations, ..AdamW::default() },
            annealing: self.annealing.map(|[from, to]| Annealing { from, to }),
            seed: None,
            ..Trainer::default()
        }
    }
}

fn plan(model: &Model, about: &About, intervention: Arc<dyn Intervention>) -> ResolvedPlan {
    let examples: Vec<Example> = about
        .pairs
        .iter()
        .map(|pair| {
            let source = model.prompt_from_tokens(&pair.source).unwrap();
            Example::new(model.prompt_from_tokens(&pair.base).unwrap()).source(source)
        })
        .collect();
    let edit = Edit::new(Component::BlockOutput, about.layer, intervention)
        .at(Positions::index(about.position));
    Plan::new().edit(edit).resolve(model, &examples).unwrap()
}

/// Setting, the fixture's tensors, and the model in a precision.
fn setting(precision: Precision) -> (About, HashMap<String, Tensor>, Model) {
    let about: About = json("training/cases.json");
    let model = Fixture::new(about.model.clone().leak()).load(precision);
    (about, tensors("training/tensors.safetensors"), model)
}

fn losses(
    case: &Case,
    about: &About,
    model: &Model,
    start: &HashMap<String, Tensor>,
    rotations: Rotations,
) -> (Vec<f64>, Arc<dyn Intervention>) {
    let intervention = case.intervention(model.config().d_model, start);
    let plan = plan(model, about, intervention.clone());
    let objective = case.objective(&about.pairs);
    let examples = Examples { plan: &plan, objective: &objective };
    let trainer = case.trainer(about, rotations);
    let trained = trainer.train(model, examples, None, &mut |_| ControlFlow::Continue(())).unwrap();
    (trained.steps.iter().map(|step| step.loss).collect(), intervention)
}

fn difference(found: &Tensor, right: &Tensor) -> f64 {
    let change = (found.to_dtype(candle_core::DType::F64).unwrap() - right).unwrap();
    change.abs().unwrap().max_all().unwrap().to_scalar().unwrap()
}

#[test]
fn ten_steps_in_the_same_coordinates_are_the_same() {
    for (precision, tolerance) in [(Precision::Double, 2e-6), (Precision::Single, 5e-3)] {
        let (about, start, model) = setting(precision);
        for case in &about.cases {
            // pyvene's boundless mask is computed in single precision in any case.
            let is_boundless = case.name == "boundless_rotated_space";
            let tolerance: f64 = if is_boundless { 1e-3 } else { tolerance };
            let (found, intervention) = losses(case, &about, &model, &start, Rotations::PyTorch);
            assert_eq!(found.len(), 10);
            for (step, (found, right)) in found.iter().zip(&case.losses).enumerate() {
                let off = (found - right).abs();
                assert!(off < tolerance, "{}, step {step}: {found}, not {right}", case.name);
            }
            for parameter in intervention.parameters().iter().filter(|one| one.is_trained()) {
                let right = &start[&format!("{}/trained/{}", case.name, parameter.name)];
                let off = difference(&parameter.variable, right);
                assert!(off < 20.0 * tolerance, "{}, {}: {off:e}", case.name, parameter.name);
            }
        }
    }
}

/// The first step's gradients; of a rotation `R` those of PyTorch's coordinates at 0, which are the triangle below the
/// diagonal of `BᵀG − GᵀB`, twice that where there are fewer columns than rows.
#[test]
fn the_first_gradients_are_the_same() {
    let (about, start, model) = setting(Precision::Double);
    for case in &about.cases {
        let intervention = case.intervention(model.config().d_model, &start);
        if let Some([first, _]) = case.annealing {
            let parameters = intervention.parameters();
            let temperature = parameters.iter().find(|one| one.name == "temperature").unwrap();
            temperature.variable.set(&Tensor::new(first, &Device::Cpu).unwrap()).unwrap();
        }
        let suffix = TrainRun::new(&model, plan(&model, &about, intervention.clone())).unwrap();
        let labels: Vec<u32> = about.pairs.iter().map(|pair| pair.label).collect();
        let batch: Vec<usize> = (0..about.batch).collect();
        let loss = CrossEntropy::new(&labels).of(&suffix, &batch).unwrap().loss;
        let gradients = loss.backward().unwrap();
        for parameter in intervention.parameters().iter().filter(|one| one.is_trained()) {
            let right = &start[&format!("{}/gradient/{}", case.name, parameter.name)];
            let found = gradients.get(&parameter.variable).unwrap();
            let found = match (parameter.constraint, parameter.name.as_str()) {
                (Constraint::Orthogonal, _) => in_coordinates(&parameter.variable, found, right),
                // The penalty's own.
                (_, "intervention_boundaries") => (found + case.boundary_penalty.unwrap()).unwrap(),
                _ => found.clone(),
            };
            let size = right.abs().unwrap().max_all().unwrap().to_scalar::<f64>().unwrap();
            let off = difference(&found, right) / size;
            assert!(off < 1e-4, "{}, {}: {off:e}", case.name, parameter.name);
        }
    }
}

/// The part of PyTorch's gradient that does not depend on how the base is filled up: its first rows, as many as there
/// are columns. The others are compared by their lengths, which are those of the gradient across the rotation.
fn in_coordinates(rotation: &Tensor, gradient: &Tensor, right: &Tensor) -> Tensor {
    let (rows, columns) = rotation.dims2().unwrap();
    let product = rotation.t().unwrap().matmul(gradient).unwrap();
    let skew = (&product - product.t().unwrap()).unwrap();
    let skew = skew.to_vec2::<f64>().unwrap();
    let factor = if rows == columns { 1.0 } else { 2.0 };
    let mut found = right.to_vec2::<f64>().unwrap();
    for (row, values) in found.iter_mut().enumerate().take(columns) {
        for (column, value) in values.iter_mut().enumerate() {
            *value = if column < row { factor * skew[row][column] } else { 0.0 };
        }
    }
    if rows > columns {
        // (I - R Rᵀ) G.
        let along = rotation.matmul(&product).unwrap();
        let across = ((gradient - along).unwrap() * factor).unwrap();
        let below = right.narrow(0, columns, rows - columns).unwrap();
        let gram =
            |tensor: &Tensor| tensor.t().unwrap().contiguous().unwrap().matmul(tensor).unwrap();
        let off = difference(&gram(&across), &gram(&below.contiguous().unwrap()));
        assert!(off < 1e-10, "across the rotation: {off:e}");
    }
    Tensor::new(found, &Device::Cpu).unwrap()
}

/// In a rotation's own numbers Adam goes another way, as it does from one filled-up base of PyTorch's to another; it gets as
/// far.
#[test]
fn in_other_coordinates_the_way_is_another_and_no_worse() {
    let (about, start, model) = setting(Precision::Double);
    for case in about.cases.iter().filter(|case| case.name.ends_with("rotated_space")) {
        let (found, intervention) = losses(case, &about, &model, &start, Rotations::Tangent);
        assert!((found[0] - case.losses[0]).abs() < 2e-6, "{}: the same start", case.name);
        let epoch = |losses: &[f64]| losses[8] + losses[9] - losses[0] - losses[1];
        let (ours, theirs) = (epoch(&found), epoch(&case.losses));
        assert!(ours < 0.4 * theirs, "{}: {ours} and {theirs}", case.name);
        let rotation = &intervention.parameters()[0];
        assert!(orthogonal::drift(&rotation.variable).unwrap() < 1e-12);
        println!("{}: {:?} (PyTorch's: {:?})", case.name, found, case.losses);
    }
}
