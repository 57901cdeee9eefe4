//! The tensors of a mixture of experts, which files hold one by one or all in one.

use super::loading::BlockReader;
use super::reading::HasBias;
use super::slots::{ExpertNames, ExpertSlots, SharedSlots};
use crate::config::Experts;
use crate::error::ModelError;
use crate::matrix::Matrix;
use crate::tensors::{DenseTensors, ExpertTensors, HostTensor, LinearTensors};

/// All experts' projections of one kind, `[experts * out, in]`, and their biases `[experts * out]`.
struct Joined {
    all: LinearTensors,
    out: usize,
}

impl Joined {
    fn of(&self, expert: usize) -> LinearTensors {
        self.all.rows(expert * self.out, self.out)
    }
}

impl BlockReader<'_> {
    /// The mixture of a layer with experts.
    pub(super) fn experts(
        &self,
        experts: &Experts,
        slots: &ExpertSlots,
        bias: HasBias,
    ) -> Result<ExpertTensors, ModelError> {
        let Experts { count, d_expert, d_shared, .. } = *experts;
        let d_model = self.config.d_model;
        let all = match slots.experts {
            ExpertNames::Each { at, gate, up, down } => {
                let expert = |number: usize| {
                    let name = |module: &str| format!("{at}.{number}.{module}");
                    self.expert([&name(gate), &name(up), &name(down)], d_expert)
                };
                (0..count).map(expert).collect::<Result<_, _>>()?
            }
            ExpertNames::Joined { gate_and_up, down } => {
                let both = self.joined(gate_and_up, [count, 2 * d_expert, d_model], HasBias::No)?;
                let down = self.joined(down, [count, d_model, d_expert], HasBias::No)?;
                let expert = |number: usize| {
                    let both = both.of(number);
                    DenseTensors {
                        gate: Some(both.rows(0, d_expert)),
                        up: both.rows(d_expert, d_expert),
                        down: down.of(number),
                    }
                };
                (0..count).map(expert).collect()
            }
            ExpertNames::Alternating { gate_and_up, down } => {
                let both = self.inputs_first(gate_and_up, [count, 2 * d_expert, d_model])?;
                let down = self.inputs_first(down, [count, d_model, d_expert])?;
                let expert = |(both, down): (LinearTensors, LinearTensors)| {
                    let every_second = |first| (first..2 * d_expert).step_by(2);
                    DenseTensors {
                        gate: Some(both.stretches(every_second(0), 1)),
                        up: both.stretches(every_second(1), 1),
                        down,
                    }
                };
                both.into_iter().zip(down).map(expert).collect()
            }
            ExpertNames::Stacked { gate, up, down } => {
                let gate = self.joined(gate, [count, d_expert, d_model], bias)?;
                let up = self.joined(up, [count, d_expert, d_model], bias)?;
                let down = self.joined(down, [count, d_model, d_expert], bias)?;
                let expert = |number: usize| DenseTensors {
                    gate: Some(gate.of(number)),
                    up: up.of(number),
                    down: down.of(number),
                };
                (0..count).map(expert).collect()
            }
        };
        let shared = match (slots.shared, d_shared) {
            (Some(SharedSlots { gate, up, down, own_gate }), Some(hidden)) => {
                let own_gate = own_gate
                    .map(|gate| self.weights.row(&self.slots.in_block(self.layer, gate), d_model));
                Some((self.expert([gate, up, down], hidden)?, own_gate.transpose()?))
            }
            _ => None,
        };
        let router = self.linear(slots.router, [count, d_model], bias)?;
        Ok(ExpertTensors { router, experts: all, shared })
    }

    /// An expert whose projections are modules.
    fn expert(&self, modules: [&str; 3], hidden: usize) -> Result<DenseTensors, ModelError> {
        let [gate, up, down] = modules;
        let d_model = self.config.d_model;
        Ok(DenseTensors {
            gate: Some(self.linear(gate, [hidden, d_model], HasBias::No)?),
            up: self.linear(up, [hidden, d_model], HasBias::No)?,
            down: self.linear(down, [d_model, hidden], HasBias::No)?,
        })
    }

    /// All experts' projections in one tensor `[experts, out, in]`.
    fn joined(&self, module: &str, shape: [usize; 3], bias: HasBias) -> Result<Joined, ModelError> {
        let stem = self.slots.in_block(self.layer, module);
        let weight = self.weights.matrices(&format!("{stem}.weight"), &shape)?;
        let name = format!("{stem}.bias");
        let has_bias = match bias {
            HasBias::IfThere => self.weights.contains(&name),
            bias => bias == HasBias::Yes,
        };
        let bias = has_bias.then(|| self.biases(&name, shape)).transpose()?;
        Ok(Joined { all: LinearTensors { weight, bias }, out: shape[1] })
    }

    /// All experts' projections `[experts, out, in]` of a tensor that has the inputs first, or of one of four-bit floats.
    fn inputs_first(
        &self,
        module: &str,
        shape: [usize; 3],
    ) -> Result<Vec<LinearTensors>, ModelError> {
        let [count, out, input] = shape;
        let stem = self.slots.in_block(self.layer, module);
        let bias = self.biases(&format!("{stem}_bias"), shape)?;
        let linear = |number: usize, weight: Matrix| {
            let bias = bias.stretches(std::iter::once(number * out), out);
            LinearTensors { weight, bias: Some(bias) }
        };
        if self.weights.contains(&format!("{stem}_blocks")) {
            let all = self.weights.microscaled(&stem, shape)?;
            return Ok((0..count)
                .map(|number| linear(number, all.rows(number * out, out)))
                .collect());
        }
        let all = self.weights.matrices(&stem, &[count, input, out])?;
        let of_expert = |number: usize| all.rows(number * input, input).transposed();
        Ok((0..count).map(|number| linear(number, of_expert(number))).collect())
    }

    /// Biases `[experts, out]` in one vector.
    fn biases(&self, name: &str, [count, out, _]: [usize; 3]) -> Result<HostTensor, ModelError> {
        let biases = self.weights.tensor(name, &[count, out])?;
        Ok(HostTensor { shape: vec![count * out], ..biases })
    }
}
