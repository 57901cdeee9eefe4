//! Where pyvene's intervention types do something else than they were asked
//! (`fixtures/interventions/differences.json`): vene does what was asked.

use std::sync::Arc;

use candle_core::Tensor;
use serde::Deserialize;
use vene::intervention::{
    ErrorTerm, InSubspace, Interchange, Intervention, LatentInterchange, Partition,
    PcaRotatedSpace, Subspace, UnitContext,
};
use vene_test_support::{json, relative_error, tensors, values};

use crate::case::Tensors;

#[derive(Deserialize)]
struct Difference {
    name: String,
}

#[test]
fn vene_does_what_was_asked() {
    let differences: Vec<Difference> = json("interventions/differences.json");
    let all = tensors("interventions/interventions.safetensors");
    let mut compared = 0;
    for Difference { name } in &differences {
        let tensors = Tensors { all: &all, case: name };
        let latents = |autoencoder, subspace| -> Arc<dyn Intervention> {
            Arc::new(LatentInterchange::new(autoencoder, subspace, ErrorTerm::Dropped))
        };
        let (edit, itself): (Arc<dyn Intervention>, _) = match name.as_str() {
            "autoencoder-one-latent" => {
                (latents(tensors.linear_autoencoder(), Subspace::dimensions([0, 3])), false)
            }
            "autoencoder-all-latents" => {
                (latents(tensors.linear_autoencoder(), Subspace::All), false)
            }
            "jump-relu-all-latents" => (latents(tensors.jump_relu(), Subspace::All), false),
            "partition-of-pairs" => {
                let partition = Partition::new(6, [("0", [0, 2]), ("1", [1, 3])]).unwrap();
                let part = partition.subspace(["0"]).unwrap();
                (Arc::new(InSubspace::new(Arc::new(Interchange), part)), false)
            }
            "pca-few-components" => {
                let fitted = tensors.principal_components();
                let subspace = Subspace::dimensions([0]);
                let edit = PcaRotatedSpace::new(&fitted, subspace, ErrorTerm::Kept).unwrap();
                (Arc::new(edit), true)
            }
            // Told of in `conformance.rs`, which compares the gradients.
            "autoencoder-no-gradient" => continue,
            other => panic!("the fixture has a difference `{other}` that nothing is compared with"),
        };
        let base = tensors.get("base");
        let source: &Tensor = if itself { base } else { tensors.get("source") };
        let context = UnitContext::at(&[0, 1, 2, 3]);
        let edited = edit.apply(base, std::slice::from_ref(source), context).unwrap();
        let (edited, right) = (values(&edited), values(tensors.get("right")));
        assert!(relative_error(&edited, &right) < 1e-12, "{name}");
        assert!(relative_error(&edited, &values(tensors.get("pyvene"))) > 1e-3, "{name}");
        compared += 1;
    }
    assert_eq!(compared, 5);
}
