//! Norms whose scale is held at what it was in a run: so they are linear, and what goes into them can be taken apart.
//!
//! A norm divides a row by its size (and a layer norm subtracts its mean before). Held at the size that the row had, it is a
//! linear map, so that the output is the sum of what the parts of the row become, and the bias.

use vene_model::config::NormKind;
use vene_model::tensors::NormTensors;

/// A norm's weights, ready to be held.
#[derive(Clone, Debug)]
pub(crate) struct Norm {
    kind: NormKind,
    weight: Vec<f64>,
    bias: Option<Vec<f64>>,
}

impl Norm {
    /// Of a norm of the whole width.
    pub fn new(tensors: &NormTensors, kind: NormKind) -> Self {
        let offset = match kind {
            NormKind::RootMeanSquare { unit_offset: true, .. } => 1.0,
            _ => 0.0,
        };
        let weight = tensors.weight.data.iter().map(|&value| f64::from(value) + offset).collect();
        let widened = |tensor: &vene_model::tensors::HostTensor| {
            tensor.data.iter().map(|&value| f64::from(value)).collect()
        };
        Self { kind, weight, bias: tensors.bias.as_ref().map(widened) }
    }

    /// What each value is multiplied by after it was divided by the row's size.
    pub fn weight(&self) -> &[f64] {
        &self.weight
    }

    /// What the norm multiplies this row by, weight aside.
    pub fn scale_of(&self, row: &[f64]) -> f64 {
        let width = row.len() as f64;
        match self.kind {
            NormKind::Layer { epsilon } => {
                let mean = row.iter().sum::<f64>() / width;
                let variance = row.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / width;
                (variance + epsilon).sqrt().recip()
            }
            NormKind::RootMeanSquare { epsilon, .. } => {
                let square = row.iter().map(|x| x * x).sum::<f64>() / width;
                (square + epsilon).sqrt().recip()
            }
        }
    }

    /// The norm of a row.
    pub fn of(&self, row: &[f64]) -> Vec<f64> {
        let scale = self.scale_of(row);
        let mean = match self.kind {
            NormKind::Layer { .. } => row.iter().sum::<f64>() / row.len() as f64,
            NormKind::RootMeanSquare { .. } => 0.0,
        };
        let normed = row.iter().zip(&self.weight).map(|(x, weight)| (x - mean) * scale * weight);
        match &self.bias {
            Some(bias) => normed.zip(bias).map(|(x, bias)| x + bias).collect(),
            None => normed.collect(),
        }
    }

    /// The direction in the norm's input that stands for `direction` in its output, the scale held: the dot product with a
    /// part of the input is that part's share in the dot product of the output, the bias aside.
    pub fn direction_before(&self, direction: &[f64], scale: f64) -> Vec<f64> {
        let mut before: Vec<f64> =
            direction.iter().zip(&self.weight).map(|(x, weight)| x * weight * scale).collect();
        if let NormKind::Layer { .. } = self.kind {
            let mean = before.iter().sum::<f64>() / before.len() as f64;
            before.iter_mut().for_each(|x| *x -= mean);
        }
        before
    }

    /// What a part of a row becomes with the scale held at that of the row, and the norm's bias with it; `None` where there is
    /// neither.
    pub fn held(&self, row: &[f64], part: Option<&[f64]>) -> Option<Vec<f64>> {
        let of_part = part.map(|part| {
            let scale = self.scale_of(row);
            let mean = match self.kind {
                NormKind::Layer { .. } => part.iter().sum::<f64>() / part.len() as f64,
                NormKind::RootMeanSquare { .. } => 0.0,
            };
            let each = part.iter().zip(&self.weight);
            each.map(|(x, weight)| (x - mean) * scale * weight).collect::<Vec<f64>>()
        });
        match (of_part, &self.bias) {
            (Some(part), Some(bias)) => Some(part.iter().zip(bias).map(|(x, y)| x + y).collect()),
            (Some(part), None) => Some(part),
            (None, bias) => bias.clone(),
        }
    }

    /// The bias' share in the dot product of the output with a direction; `None` where there is no bias.
    pub fn bias_along(&self, direction: &[f64]) -> Option<f64> {
        self.bias.as_ref().map(|bias| dot(bias, direction))
    }
}

/// Σ a b.
pub(crate) fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use vene_model::tensors::HostTensor;

    fn tensors(weight: &[f32], bias: Option<&[f32]>) -> NormTensors {
        let host = |data: &[f32]| HostTensor { data: data.to_vec(), shape: vec![data.len()] };
        NormTensors { weight: host(weight), bias: bias.map(host), stretches: 1 }
    }

    /// Whatever a row is cut into, the parts' shares and the bias' add up to the norm's output along the direction.
    #[test]
    fn parts_add_up() {
        let kinds = [
            NormKind::Layer { epsilon: 1e-5 },
            NormKind::RootMeanSquare { epsilon: 1e-6, unit_offset: false },
            NormKind::RootMeanSquare { epsilon: 1e-6, unit_offset: true },
        ];
        let parts = [[0.5, -1.0, 2.0], [0.25, 3.0, -0.5], [-2.0, 0.0, 0.125]];
        let row: Vec<f64> = (0..3).map(|at| parts.iter().map(|part| part[at]).sum()).collect();
        let direction = [1.0, -2.0, 0.5];
        for kind in kinds {
            let norm = Norm::new(&tensors(&[0.5, 1.5, -1.0], Some(&[0.1, 0.2, -0.3])), kind);
            let before = norm.direction_before(&direction, norm.scale_of(&row));
            let shares: f64 = parts.iter().map(|part| dot(part, &before)).sum();
            let whole = dot(&norm.of(&row), &direction);
            let sum = shares + norm.bias_along(&direction).unwrap_or(0.0);
            assert!((whole - sum).abs() < 1e-12, "{kind:?}: {whole}, {sum}");
        }
    }
}
