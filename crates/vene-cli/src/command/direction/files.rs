//! Files that plans take: the vectors, and a plan that adds the best.

use safetensors::Dtype;
use safetensors::tensor::TensorView;
use serde_json::json;
use vene::data::Role;
use vene::inspect::direction::{Direction, DirectionMethod};

/// The file with a tensor for each layer.
pub(super) const VECTORS: &str = "directions.safetensors";

/// A plan that adds the vector of the best layer.
pub(super) const PLAN: &str = "steer.toml";

/// A tensor `[width]` for each layer, called as in files of activations, and beside it a random one of the same length.
pub(super) fn vectors(
    directions: &[Direction],
    method: DirectionMethod,
    seed: u64,
) -> anyhow::Result<Vec<u8>> {
    let tensor = |name: String, vector: &[f64]| -> (String, usize, Vec<u8>) {
        let bytes = vector.iter().flat_map(|value| (*value as f32).to_le_bytes());
        (name, vector.len(), bytes.collect())
    };
    let of = |direction: &Direction| {
        let name = tensor_name(direction);
        let random = tensor(format!("random/{name}"), &direction.random(seed));
        [tensor(name, &direction.vector), random]
    };
    let tensors: Vec<(String, usize, Vec<u8>)> = directions.iter().flat_map(of).collect();
    let views = tensors
        .iter()
        .map(|(name, width, bytes)| {
            Ok((name.clone(), TensorView::new(Dtype::F32, vec![*width], bytes)?))
        })
        .collect::<anyhow::Result<Vec<_>>>()?;
    let about = json!({ "kind": "directions", "method": method.name() }).to_string();
    Ok(safetensors::serialize(views, Some([("vene".to_owned(), about)].into()))?)
}

fn tensor_name(direction: &Direction) -> String {
    format!("{}/{}", direction.component, direction.layer)
}

/// A plan that adds the vector where it was found.
pub(super) fn plan(model: &str, direction: &Direction, role: &Role) -> String {
    let id = if std::path::Path::new(model).exists() {
        std::path::absolute(model)
            .map_or_else(|_| model.to_owned(), |path| path.display().to_string())
    } else {
        model.to_owned()
    };
    let positions = match role {
        Role::Last => "\"last\"".to_owned(),
        Role::Index(index) => index.to_string(),
        role => format!("{{ role = {:?} }}", role.to_string()),
    };
    format!(
        "# Moves activations from the sources' side to the bases'; a negative scale, the other way. For texts that go on, `positions = \"all\"`.\n\
         [model]\nid = {id:?}\n\n\
         [[edit]]\nintervention = {{ name = \"steering\", scale = 1.0 }}\ncomponent = \"{}\"\nlayer = {}\npositions = {positions}\n\
         source = {{ file = \"{VECTORS}\", tensor = \"{}\" }}\n",
        direction.component,
        direction.layer,
        tensor_name(direction),
    )
}
