//! A case of `fixtures/interventions/cases.json`, and the intervention that it is about.

use std::collections::HashMap;
use std::sync::Arc;

use candle_core::{Tensor, Var};
use serde::Deserialize;
use vene::intervention::{
    Activation, Addition, Autoencoder, Collect, ConstantSource, ErrorTerm, FeatureChange,
    FeatureEdit, InSubspace, Interchange, Intervention, LatentInterchange, Linear,
    LinearAutoencoder, PcaRotatedSpace, PrincipalComponents, Reft, RotatedSpace, Rotation,
    SigmoidMask, SparseAutoencoder, Subspace, Subtraction, UnitContext, Zero,
};
use vene_test_support::values;

#[derive(Deserialize)]
pub(crate) struct Case {
    pub(crate) name: String,
    pub(crate) kind: String,
    subspace: Option<Vec<usize>>,
    by_example: Option<Vec<Vec<usize>>>,
    /// What a gradient is given of.
    pub(crate) gradients: Vec<String>,
    interchange_dim: Option<usize>,
    latents: Option<Vec<usize>>,
    activation: Option<String>,
}

pub(crate) struct Tensors<'a> {
    pub(crate) all: &'a HashMap<String, Tensor>,
    pub(crate) case: &'a str,
}

impl Tensors<'_> {
    pub(crate) fn get(&self, name: &str) -> &Tensor {
        let name = format!("{}/{name}", self.case);
        self.all.get(&name).unwrap_or_else(|| panic!("no {name} in the fixture"))
    }

    pub(crate) fn find(&self, name: &str) -> Option<&Tensor> {
        self.all.get(&format!("{}/{name}", self.case))
    }

    fn parameter(&self, name: &str) -> &Tensor {
        self.get(&format!("parameter/{name}"))
    }

    fn number(&self, name: &str) -> f64 {
        values(self.parameter(name))[0]
    }

    fn rotation(&self) -> Rotation {
        Rotation::new(self.parameter("rotate_layer.weight")).unwrap()
    }

    fn linear(&self, layer: &str) -> Linear {
        let bias = self.find(&format!("parameter/{layer}.bias"));
        Linear::new(self.parameter(&format!("{layer}.weight")), bias).unwrap()
    }

    pub(crate) fn linear_autoencoder(&self) -> Arc<dyn Autoencoder> {
        let part = |part: &str| self.parameter(&format!("autoencoder.{part}"));
        let (encoder, decoder) = (part("encoder.0.weight"), part("decoder.0.weight"));
        let biases = (part("encoder.0.bias"), part("decoder.0.bias"));
        Arc::new(LinearAutoencoder::new(encoder, biases.0, decoder, biases.1).unwrap())
    }

    pub(crate) fn jump_relu(&self) -> Arc<dyn Autoencoder> {
        let part = |part: &str| self.parameter(part);
        let autoencoder =
            SparseAutoencoder::new(part("W_enc"), part("b_enc"), part("W_dec"), part("b_dec"));
        Arc::new(autoencoder.unwrap().jump_relu(part("threshold")).unwrap().trained())
    }

    pub(crate) fn principal_components(&self) -> PrincipalComponents {
        PrincipalComponents {
            components: self.parameter("pca_components").clone(),
            mean: self.parameter("pca_mean").clone(),
            deviation: self.parameter("pca_std").clone(),
            variances: Vec::new(),
        }
    }
}

impl Case {
    /// Of values and gradients, relative to the largest: pyvene's boundless mask is computed in
    /// single precision in any case.
    pub(crate) fn tolerance(&self) -> f64 {
        match self.name.ends_with("f64") && self.kind != "boundless_rotated_space" {
            true => 1e-12,
            false => 1e-5,
        }
    }

    fn subspace(&self) -> Subspace {
        let first = self.interchange_dim.map(Subspace::first);
        let dimensions = self.subspace.as_ref().or(self.latents.as_ref());
        dimensions.map(|given| Subspace::dimensions(given.clone())).or(first).unwrap_or_default()
    }

    fn activation(&self) -> Activation {
        match self.activation.as_deref().unwrap() {
            "linear" => Activation::Linear,
            "relu" => Activation::Relu,
            "gelu" => Activation::Gelu,
            "gelu_pytorch_tanh" => Activation::GeluTanh,
            "silu" => Activation::Silu,
            "tanh" => Activation::Tanh,
            "sigmoid" => Activation::Sigmoid,
            other => panic!("{other}"),
        }
    }

    /// The intervention with the case's parameters.
    pub(crate) fn intervention(&self, tensors: &Tensors<'_>) -> Arc<dyn Intervention> {
        let within = |inner: Arc<dyn Intervention>| -> Arc<dyn Intervention> {
            match self.subspace() {
                Subspace::All => inner,
                subspace => Arc::new(InSubspace::new(inner, subspace)),
            }
        };
        let constant = |inner: Arc<dyn Intervention>| {
            let vector = tensors.parameter("source_representation");
            Arc::new(ConstantSource::new(inner, vector).unwrap().trained())
        };
        let features = |error_term| {
            let changes = [
                (2, FeatureChange::Set(1.5)),
                (5, FeatureChange::Scale(3.0)),
                (6, FeatureChange::Add(-0.4)),
            ];
            Arc::new(FeatureEdit::new(tensors.jump_relu(), changes, error_term))
        };
        let learned = || tensors.linear("learned_source");
        match self.kind.as_str() {
            "interchange" => within(Arc::new(Interchange)),
            "addition" | "noise" => within(Arc::new(Addition)),
            "subtraction" => within(Arc::new(Subtraction)),
            "zero" => within(Arc::new(Zero)),
            "constant_interchange" => constant(Arc::new(Interchange)),
            "constant_addition" => constant(Arc::new(Addition)),
            "rotated_space" => {
                Arc::new(RotatedSpace::new(tensors.rotation(), self.subspace()).unwrap())
            }
            "low_rank_rotated_space" => {
                Arc::new(RotatedSpace::low_rank(tensors.rotation(), self.subspace()))
            }
            "boundless_rotated_space" => {
                let boundary = values(tensors.parameter("intervention_boundaries"));
                let (rotation, temperature) = (tensors.rotation(), tensors.number("temperature"));
                Arc::new(RotatedSpace::with_boundaries(rotation, &boundary, temperature).unwrap())
            }
            "sigmoid_mask_rotated_space" => {
                let (masks, temperature) =
                    (tensors.parameter("masks"), tensors.number("temperature"));
                Arc::new(RotatedSpace::with_masks(tensors.rotation(), masks, temperature).unwrap())
            }
            "sigmoid_mask" => {
                let (mask, temperature) =
                    (tensors.parameter("mask"), tensors.number("temperature"));
                Arc::new(SigmoidMask::with_mask(mask, temperature).unwrap())
            }
            "pca_rotated_space" => {
                let fitted = tensors.principal_components();
                Arc::new(
                    PcaRotatedSpace::new(&fitted, self.subspace(), ErrorTerm::Dropped).unwrap(),
                )
            }
            "autoencoder" => Arc::new(LatentInterchange::new(
                tensors.linear_autoencoder(),
                self.subspace(),
                ErrorTerm::Dropped,
            )),
            "jump_relu_autoencoder" => Arc::new(LatentInterchange::new(
                tensors.jump_relu(),
                self.subspace(),
                ErrorTerm::Dropped,
            )),
            "jump_relu_autoencoder_kept" => Arc::new(LatentInterchange::new(
                tensors.jump_relu(),
                self.subspace(),
                ErrorTerm::Kept,
            )),
            "features_dropped" => features(ErrorTerm::Dropped),
            "features_kept" => features(ErrorTerm::Kept),
            "loreft" => {
                Arc::new(Reft::loreft(tensors.rotation(), learned(), self.activation()).unwrap())
            }
            "noreft" => Arc::new(
                Reft::noreft(tensors.linear("proj_layer"), learned(), self.activation()).unwrap(),
            ),
            "direft" => {
                Arc::new(Reft::direft(tensors.rotation(), learned(), self.activation()).unwrap())
            }
            "nodireft" => Arc::new(
                Reft::nodireft(tensors.linear("proj_layer"), learned(), self.activation()).unwrap(),
            ),
            "consreft" => {
                let constant = tensors.parameter("learned_source");
                Arc::new(Reft::consreft(tensors.rotation(), constant).unwrap())
            }
            "lobireft" => {
                let constant = tensors.parameter("learned_source");
                Arc::new(Reft::lobireft(tensors.rotation(), constant).unwrap())
            }
            other => panic!("the fixture has a kind `{other}` that nothing is made of"),
        }
    }

    /// What the intervention makes of all rows, each an example of its own.
    pub(crate) fn apply(
        &self,
        intervention: &dyn Intervention,
        base: &Var,
        sources: &[Var],
    ) -> Tensor {
        let rows = base.dims()[0];
        let apply = |row: usize, count: usize, subspace: Option<&[usize]>| {
            let narrow = |tensor: &Var| tensor.narrow(0, row, count).unwrap();
            let sources: Vec<Tensor> = sources.iter().map(narrow).collect();
            let positions: Vec<usize> = (0..count).collect();
            let context =
                UnitContext { example: row, row, subspace, ..UnitContext::at(&positions) };
            intervention.apply(&narrow(base), &sources, context).unwrap()
        };
        match &self.by_example {
            None => apply(0, rows, None),
            Some(subspaces) => {
                let each: Vec<Tensor> =
                    (0..rows).map(|row| apply(row, 1, Some(&subspaces[row]))).collect();
                Tensor::cat(&each, 0).unwrap()
            }
        }
    }

    /// The dimensions of a `collect`, and what is collected in their place.
    pub(crate) fn collected(&self, base: &Var) -> Tensor {
        let subspace = self.subspace.clone().unwrap();
        let collect = Collect::new(Subspace::dimensions(subspace.clone()));
        let unchanged = self.apply(&collect, base, &[]);
        assert_eq!(values(&unchanged), values(base));
        let seen = collect.take().remove(0).values;
        let places = subspace.iter().map(|&dimension| dimension as u32);
        let places = Tensor::from_iter(places, base.device()).unwrap();
        base.zeros_like().unwrap().index_add(&places, &seen, 1).unwrap()
    }
}
