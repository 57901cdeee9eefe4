//! A case of pyvene's fixtures (`fixtures/README.md` tells its fields), translated into a plan.

use std::collections::HashMap;
use std::sync::Arc;

use candle_core::Tensor;
use serde::Deserialize;
use vene::plan::Source;
use vene::{Edit, Example, Model, Module, Plan, Positions, Run, alias};
use vene_model::{Component, DecoderConfig};
use vene_test_support::values;

#[derive(Debug, Deserialize)]
pub struct Case {
    pub tensor: Option<String>,
    #[serde(default)]
    pub result: Wanted,
    mode: Option<Mode>,
    base_prompt: Vec<u32>,
    source_prompts: Vec<Vec<u32>>,
    /// Several edits …
    #[serde(default)]
    interventions: Vec<Step>,
    /// … or this one.
    #[serde(flatten)]
    single: Option<Step>,
}

#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Wanted {
    #[default]
    Probability,
    Activation,
}

#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Mode {
    Parallel,
    Serial,
}

#[derive(Debug, Deserialize)]
struct Step {
    component: String,
    layer: usize,
    unit: Unit,
    locations: Locations,
    intervention: Kind,
    vector: Option<String>,
    #[serde(default)]
    source_prompt: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
enum Unit {
    /// A position, which pyvene calls time step in recurrent networks.
    #[serde(rename = "pos", alias = "t")]
    Position,
    #[serde(rename = "h")]
    Head,
    #[serde(rename = "h.pos")]
    HeadAtPosition,
}

#[derive(Debug, Deserialize)]
struct Locations {
    base: Location,
    source: Option<Location>,
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Location {
    /// Positions, or heads.
    One(Vec<usize>),
    /// Heads and positions.
    Both(Vec<usize>, Vec<usize>),
}

#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Kind {
    Interchange,
    Zero,
    Addition,
    Subtraction,
    Collect,
    Skip,
}

impl Case {
    /// Whether a source is itself edited by another source.
    pub fn is_serial(&self) -> bool {
        self.mode == Some(Mode::Serial)
    }

    pub fn describe(&self) -> String {
        let steps = self.steps().map(|step| {
            let Step { component, layer, unit, locations, intervention, .. } = step;
            format!("{intervention:?} of {component} {layer}, {unit:?} {:?}", locations.base)
        });
        steps.collect::<Vec<_>>().join("; ")
    }

    pub fn example(&self, model: &Model) -> Example {
        let prompt = |tokens: &Vec<u32>| model.prompt_from_tokens(tokens).unwrap();
        let base = Example::new(prompt(&self.base_prompt));
        self.source_prompts.iter().fold(base, |example, source| example.source(prompt(source)))
    }

    pub fn plan(&self, model: &Model, vectors: &HashMap<String, Tensor>) -> Plan {
        let steps = self.steps().count();
        self.steps().enumerate().fold(Plan::new(), |plan, (index, step)| match step.intervention {
            Kind::Collect => {
                let (_, positions) = step.unit_at(&step.locations.base);
                plan.collect(step.component(model.config()), step.layer, positions)
            }
            Kind::Skip => {
                // pyvene writes what the module was given in the *source's* run; vene skips it in
                // the edited one. They are the same where the base is its own source.
                assert_eq!(self.source_prompts, std::slice::from_ref(&self.base_prompt));
                plan.edit(step.edit(model.config(), vectors))
            }
            // Each source is read into the next one, the last into the base.
            _ if self.is_serial() => {
                let edit = step.edit(model.config(), vectors).source(Source::Run(index));
                let last = index + 1 == steps;
                plan.edit(if last { edit } else { edit.within(Run::Source(index + 1)) })
            }
            _ => plan.edit(step.edit(model.config(), vectors)),
        })
    }

    /// The edits, where nothing is collected.
    pub fn edits(&self, config: &DecoderConfig, vectors: &HashMap<String, Tensor>) -> Vec<Edit> {
        self.steps().map(|step| step.edit(config, vectors)).collect()
    }

    /// The collected rows `[position, width]` as pyvene returns them: `[unit, width]`, or
    /// `[position, head, width of a head]`.
    pub fn units_of(&self, collected: &Tensor, config: &DecoderConfig) -> Tensor {
        let step = self.steps().find(|step| step.intervention == Kind::Collect).unwrap();
        let (Some(heads), _) = step.unit_at(&step.locations.base) else { return collected.clone() };
        let (positions, width) = collected.dims2().unwrap();
        let all = step.component(config).heads(config).unwrap();
        let chosen: Vec<u32> = heads.iter().map(|&head| head as u32).collect();
        let chosen = Tensor::new(chosen, collected.device()).unwrap();
        collected.reshape((positions, all, width / all)).unwrap().index_select(&chosen, 1).unwrap()
    }

    fn steps(&self) -> impl Iterator<Item = &Step> {
        self.interventions.iter().chain(&self.single)
    }
}

impl Step {
    fn component(&self, config: &DecoderConfig) -> Component {
        let named = alias::resolve(&self.component, config).unwrap();
        let is_head_form = self.component.starts_with("head_");
        assert_eq!((named.layer, named.per_head), (None, is_head_form), "{}", self.component);
        named.component
    }

    /// The heads and positions that a location names.
    fn unit_at(&self, location: &Location) -> (Option<Vec<usize>>, Positions) {
        let at = |positions: &[usize]| Positions::At(positions.iter().map(|&p| p as i64).collect());
        match (self.unit, location) {
            (Unit::Position, Location::One(positions)) => (None, at(positions)),
            (Unit::Head, Location::One(heads)) => (Some(heads.clone()), Positions::All),
            (Unit::HeadAtPosition, Location::Both(heads, positions)) => {
                (Some(heads.clone()), at(positions))
            }
            other => panic!("{other:?}"),
        }
    }

    fn edit(&self, config: &DecoderConfig, vectors: &HashMap<String, Tensor>) -> Edit {
        let (component, layer) = (self.component(config), self.layer);
        let mut edit = match self.intervention {
            Kind::Interchange => Edit::interchange(component, layer),
            Kind::Zero => Edit::zero(component, layer),
            Kind::Addition => Edit::addition(component, layer),
            Kind::Subtraction => Edit::subtraction(component, layer),
            Kind::Skip => Edit::skip(module_of(component), layer),
            Kind::Collect => unreachable!("collecting is no edit"),
        };
        let (heads, positions) = self.unit_at(&self.locations.base);
        edit = edit.at(positions);
        if let Some(heads) = heads {
            edit = edit.heads(heads);
        }
        if let Some(vector) = &self.vector {
            return edit.source(Source::Given(Arc::new(values(&vectors[vector]))));
        }
        let Some(source) =
            self.locations.source.as_ref().filter(|_| self.intervention != Kind::Skip)
        else {
            return edit;
        };
        let (heads, positions) = self.unit_at(source);
        edit = edit.source(Source::Run(self.source_prompt)).from(positions);
        match heads {
            Some(heads) => edit.from_heads(heads),
            None => edit,
        }
    }
}

fn module_of(component: Component) -> Module {
    match component {
        Component::MlpOutput => Module::Mlp,
        Component::BlockOutput => Module::Block,
        Component::AttentionOutput => Module::Attention,
        other => panic!("{other} is no module's output"),
    }
}
