//! A case of `fixtures/plans/cases.json`, as a plan.

use std::collections::HashMap;
use std::sync::Arc;

use candle_core::Tensor;
use serde::Deserialize;
use vene::intervention::{RotatedSpace, Rotation, Subspace};
use vene::plan::{Padded, Positions};
use vene::{Edit, Example, Heads, Model, Plan, Run, Source, alias};
use vene_test_support::values;

#[derive(Debug, Deserialize)]
pub struct Case {
    pub name: String,
    pub number: usize,
    bases: Vec<Vec<u32>>,
    /// By source, then by example.
    sources: Vec<Vec<Vec<u32>>>,
    #[serde(default)]
    mode: Mode,
    #[serde(default)]
    given: bool,
    /// Edits that are not applied.
    #[serde(default)]
    off: Vec<usize>,
    padding: Option<Side>,
    #[serde(default)]
    pub pyvene_differs: bool,
    edits: Vec<Step>,
}

#[derive(Debug, Default, Deserialize, PartialEq)]
#[serde(rename_all = "lowercase")]
enum Mode {
    #[default]
    Parallel,
    Serial,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Side {
    Left,
    Right,
}

#[derive(Debug, Deserialize)]
struct Step {
    component: String,
    layer: usize,
    kind: Kind,
    source: Option<usize>,
    positions: Vec<Vec<i64>>,
    source_positions: Vec<Vec<i64>>,
    heads: Option<Vec<Vec<usize>>>,
    source_heads: Option<Vec<Vec<usize>>>,
    rotation: Option<String>,
    dimensions: Option<Dimensions>,
    #[serde(default)]
    concatenated: bool,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Kind {
    Interchange,
    Addition,
    Subtraction,
    Zero,
    Rotated,
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Dimensions {
    All(Vec<usize>),
    Each(Vec<Vec<usize>>),
}

impl Case {
    /// Where the case is about padding, the prompts are taken out of padded rows.
    pub fn examples(&self, model: &Model) -> Vec<Example> {
        let longest = self.bases.iter().map(Vec::len).max().unwrap_or(0);
        let prompt = |tokens: &Vec<u32>| {
            let Some(side) = &self.padding else {
                return model.prompt_from_tokens(tokens).unwrap();
            };
            let padding = longest - tokens.len();
            let (before, after) = match side {
                Side::Left => (padding, 0),
                Side::Right => (0, padding),
            };
            let pad = |own: Vec<u32>| [vec![0; before], own, vec![0; after]].concat();
            let mask: Vec<u8> =
                pad(vec![1; tokens.len()]).into_iter().map(|value| value as u8).collect();
            Padded::new(model, &pad(tokens.clone()), &mask).unwrap().prompt().clone()
        };
        let example = |(index, base)| {
            let sources = self.sources.iter().map(|source| prompt(&source[index]));
            sources.fold(Example::new(prompt(base)), Example::source)
        };
        self.bases.iter().enumerate().map(example).collect()
    }

    pub fn plan(&self, model: &Model, tensors: &HashMap<String, Tensor>) -> Plan {
        // One object for each rotation: edits that name the same are linked.
        let mut rotations = HashMap::new();
        for name in self.edits.iter().filter_map(|step| step.rotation.clone()) {
            let matrix = &tensors[&format!("rotation/{name}")];
            let rotation = Rotation::new(matrix).unwrap();
            let rotated = RotatedSpace::new(rotation, Subspace::All).unwrap();
            rotations.entry(name).or_insert_with(|| Arc::new(rotated));
        }
        let last = self.edits.len() - 1;
        let mut plan = Plan::new();
        for (index, step) in self.edits.iter().enumerate().filter(|(i, _)| !self.off.contains(i)) {
            let mut edit = step.edit(model, &rotations);
            if self.given {
                let given = values(&tensors[&format!("given/{}.{index}", self.number)]);
                let width = given.len() / self.bases.len();
                let each = given.chunks(width).map(|row| Arc::new(row.to_vec())).collect();
                edit = edit.source(Source::GivenEach(each));
            }
            if self.mode == Mode::Serial {
                edit = edit.source(Source::Run(index));
                if index != last {
                    edit = edit.within(Run::Source(index + 1));
                }
            }
            plan = plan.edit(edit);
        }
        plan
    }
}

impl Step {
    fn edit(&self, model: &Model, rotations: &HashMap<String, Arc<RotatedSpace>>) -> Edit {
        let component = alias::resolve(&self.component, model.config()).unwrap().component;
        let mut edit = match self.kind {
            Kind::Interchange => Edit::interchange(component, self.layer),
            Kind::Addition => Edit::addition(component, self.layer),
            Kind::Subtraction => Edit::subtraction(component, self.layer),
            Kind::Zero => Edit::zero(component, self.layer),
            Kind::Rotated => {
                let rotation = rotations[self.rotation.as_ref().unwrap()].clone();
                Edit::new(component, self.layer, rotation)
            }
        };
        edit = edit.at(Positions::Each(self.positions.clone()));
        if let Some(heads) = &self.heads {
            edit = edit.heads(Heads::Each(heads.clone()));
        }
        if let Some(dimensions) = &self.dimensions {
            edit = edit.subspaces(match dimensions {
                Dimensions::All(all) => vec![Subspace::Dimensions(all.clone())],
                Dimensions::Each(each) => each.iter().cloned().map(Subspace::Dimensions).collect(),
            });
        }
        if let Some(source) = self.source {
            edit = edit
                .source(Source::Run(source))
                .from(Positions::Each(self.source_positions.clone()));
            if let Some(heads) = &self.source_heads {
                edit = edit.from_heads(Heads::Each(heads.clone()));
            }
        }
        if self.concatenated { edit.concatenated() } else { edit }
    }
}
