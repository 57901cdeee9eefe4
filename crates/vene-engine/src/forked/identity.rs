//! Which interventions are the same, so that plans that were made one at a time share what one plan's clones would.
//!
//! Interventions of the same settings and the same bits of parameters are the same. What is trained, and what no file
//! can describe, such as a closure, is equal to itself only.

use std::collections::HashMap;
use std::sync::Arc;

use candle_core::TensorId;
use vene_intervention::{Intervention, Parameter};

/// The number of an intervention: equal ones have the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct InterventionId(usize);

/// Numbers interventions.
#[derive(Default)]
pub(super) struct Interned {
    ids: HashMap<Identity, InterventionId>,
    /// Objects that were numbered already, by their place in memory: they live as long as the plans do.
    known: HashMap<*const (), InterventionId>,
}

/// What makes an intervention the same as another.
#[derive(PartialEq, Eq, Hash)]
enum Identity {
    /// What a file would say of it.
    Described { settings: String, parameters: Vec<Content> },
    /// That it is this very object.
    Own(*const ()),
}

/// What makes a parameter the same as another.
#[derive(PartialEq, Eq, Hash)]
enum Content {
    Bits(Vec<usize>, String),
    /// The very same variable: of large ones the values are not compared.
    Variable(TensorId),
}

/// Values of a parameter that are compared, at most.
const COMPARED: usize = 1 << 16;

impl Interned {
    /// The intervention's number.
    pub(super) fn id(&mut self, intervention: &Arc<dyn Intervention>) -> InterventionId {
        let object = Arc::as_ptr(intervention).cast::<()>();
        if let Some(&id) = self.known.get(&object) {
            return id;
        }
        let next = InterventionId(self.ids.len());
        let identity = described(intervention.as_ref()).unwrap_or(Identity::Own(object));
        let id = *self.ids.entry(identity).or_insert(next);
        self.known.insert(object, id);
        id
    }
}

fn described(intervention: &dyn Intervention) -> Option<Identity> {
    if intervention.traits().observes {
        return None;
    }
    let settings = format!("{:?}", intervention.settings()?);
    let parameters = intervention.parameters();
    if parameters.iter().any(Parameter::is_trained) {
        return None;
    }
    let parameters = parameters.iter().map(content).collect::<Option<_>>()?;
    Some(Identity::Described { settings, parameters })
}

fn content(parameter: &Parameter) -> Option<Content> {
    let variable = parameter.variable.as_tensor();
    if variable.elem_count() > COMPARED {
        return Some(Content::Variable(variable.id()));
    }
    let values = variable.to_dtype(candle_core::DType::F64).ok()?.flatten_all().ok()?;
    let values: Vec<f64> = values.to_vec1().ok()?;
    let bytes: Vec<u8> = values.iter().flat_map(|value| value.to_bits().to_le_bytes()).collect();
    let digest = format!("{} {:?} {}", parameter.name, variable.dtype(), vene_files::sha256(bytes));
    Some(Content::Bits(variable.dims().to_vec(), digest))
}
