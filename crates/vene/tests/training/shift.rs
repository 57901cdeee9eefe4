//! The simplest trainable intervention: a vector that is added.

use candle_core::{DType, Device, Result, Tensor, Var};
use vene::intervention::{Intervention, Parameter, SourceCount, Traits, UnitContext};

#[derive(Debug)]
pub struct Shift {
    pub vector: Var,
}

impl Shift {
    pub fn new(width: usize, start: f64) -> Self {
        let values: Vec<f64> = (0..width).map(|column| start * (column as f64).sin()).collect();
        let vector = Tensor::from_vec(values, width, &Device::Cpu).unwrap();
        Self { vector: Var::from_tensor(&vector.to_dtype(DType::F64).unwrap()).unwrap() }
    }
}

impl Intervention for Shift {
    fn name(&self) -> &'static str {
        "shift"
    }

    fn traits(&self) -> Traits {
        Traits::of(SourceCount::None)
    }

    fn apply(&self, base: &Tensor, _: &[Tensor], _: UnitContext<'_>) -> Result<Tensor> {
        base.broadcast_add(&self.vector.as_tensor().to_dtype(base.dtype())?)
    }

    fn parameters(&self) -> Vec<Parameter> {
        vec![Parameter::trained("vector", &self.vector)]
    }
}
