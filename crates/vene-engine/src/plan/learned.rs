//! What a plan's interventions learn.

use vene_intervention::{Intervention, Parameter};

use super::{Plan, ResolvedPlan};

impl Plan {
    /// What its interventions learn, each under its name in the plan (`edit.0.rotation`); what several edits share is there
    /// once.
    pub fn learned(&self) -> Vec<Parameter> {
        learned_by(self.edits.iter().map(|edit| &*edit.intervention))
    }
}

impl ResolvedPlan {
    /// As [`Plan::learned`].
    pub fn learned(&self) -> Vec<Parameter> {
        learned_by(self.edits.iter().map(|edit| &*edit.intervention))
    }
}

fn learned_by<'i>(interventions: impl Iterator<Item = &'i dyn Intervention>) -> Vec<Parameter> {
    let mut learned: Vec<Parameter> = Vec::new();
    for (index, intervention) in interventions.enumerate() {
        for parameter in intervention.parameters() {
            let known = learned.iter().any(|known| known.variable.id() == parameter.variable.id());
            if parameter.is_trained() && !known {
                let name = format!("edit.{index}.{}", parameter.name);
                learned.push(Parameter { name, ..parameter });
            }
        }
    }
    learned
}
