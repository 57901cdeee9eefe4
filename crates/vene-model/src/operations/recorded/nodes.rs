//! The nodes of the graph: for each operation its kernel, and that of its gradient.

use std::sync::Arc;

use candle_core::{
    CpuStorage, CustomOp1, CustomOp2, CustomOp3, Device, Layout, Result, Shape, Tensor,
};
use vene_kernels::{self as kernels, AttentionGradient, PackedMatrix, Slopes};

use super::slices::{floats, with_floats};
use super::{Direction, FusedLinear, FusedNorm, FusedRotary, OwnedPath};
use crate::config::Activation;
use crate::operations::Path;
use crate::pass::RowPlaces;

/// A tensor of the values that `fill` writes.
fn filled(shape: &Shape, fill: impl FnOnce(&mut [f32]) -> Result<()>) -> Result<Tensor> {
    let mut values = vec![0.0; shape.elem_count()];
    fill(&mut values)?;
    Tensor::from_vec(values, shape, &Device::Cpu)
}

/// `x W^T + b`.
pub(super) struct Linear(pub(super) FusedLinear);

impl CustomOp1 for Linear {
    fn name(&self) -> &'static str {
        "linear"
    }

    fn cpu_fwd(&self, storage: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let (rows, out) = (layout.shape().dims2()?.0, self.0.weight.out());
        let mut y = vec![0.0; rows * out];
        let x = floats(storage, layout)?;
        kernels::multiply(x, &self.0.weight, self.0.bias.as_deref(), &mut y);
        Ok((CpuStorage::F32(y), (rows, out).into()))
    }

    fn bwd(&self, x: &Tensor, _: &Tensor, gradient: &Tensor) -> Result<Option<Tensor>> {
        back_through(&self.0.weight, gradient, x.shape()).map(Some)
    }
}

/// `gradient W`.
fn back_through(weight: &PackedMatrix, gradient: &Tensor, shape: &Shape) -> Result<Tensor> {
    filled(shape, |out| {
        with_floats([&gradient.contiguous()?], |[gradient]| {
            kernels::multiply_transposed(gradient, weight, out);
        })
    })
}

/// Each head's own term of `x W^T`.
pub(super) struct LinearByHead {
    pub(super) weight: Arc<PackedMatrix>,
    pub(super) heads: usize,
}

impl LinearByHead {
    /// Copies a head's columns of rows `from` to those of rows `to`.
    fn copy_columns(
        from: &[f32],
        to: &mut [f32],
        [width, to_width]: [usize; 2],
        at: [usize; 2],
        count: usize,
    ) {
        for (from, to) in from.chunks_exact(width).zip(to.chunks_exact_mut(to_width)) {
            to[at[1]..][..count].copy_from_slice(&from[at[0]..][..count]);
        }
    }
}

impl CustomOp1 for LinearByHead {
    fn name(&self) -> &'static str {
        "linear by head"
    }

    fn cpu_fwd(&self, storage: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let (rows, width) = layout.shape().dims2()?;
        let (out, head_dim) = (self.weight.out(), width / self.heads);
        let x = floats(storage, layout)?;
        let mut terms = vec![0.0; rows * self.heads * out];
        let mut term = vec![0.0; rows * out];
        for head in 0..self.heads {
            // All other heads' columns are 0.
            let mut only = vec![0.0; rows * width];
            let start = head * head_dim;
            Self::copy_columns(x, &mut only, [width; 2], [start; 2], head_dim);
            kernels::multiply(&only, &self.weight, None, &mut term);
            Self::copy_columns(&term, &mut terms, [out, self.heads * out], [0, head * out], out);
        }
        Ok((CpuStorage::F32(terms), (rows, self.heads * out).into()))
    }

    fn bwd(&self, x: &Tensor, _: &Tensor, gradient: &Tensor) -> Result<Option<Tensor>> {
        let (rows, width) = x.dims2()?;
        let (out, head_dim) = (self.weight.out(), width / self.heads);
        let of_x = filled(x.shape(), |of_x| {
            with_floats([&gradient.contiguous()?], |[gradient]| {
                let (mut term, mut back) = (vec![0.0; rows * out], vec![0.0; rows * width]);
                for head in 0..self.heads {
                    let at = [head * out, 0];
                    Self::copy_columns(gradient, &mut term, [self.heads * out, out], at, out);
                    kernels::multiply_transposed(&term, &self.weight, &mut back);
                    let start = head * head_dim;
                    Self::copy_columns(&back, of_x, [width; 2], [start; 2], head_dim);
                }
            })
        })?;
        Ok(Some(of_x))
    }
}

/// A norm.
pub(super) struct Norm(pub(super) FusedNorm);

impl CustomOp1 for Norm {
    fn name(&self) -> &'static str {
        "norm"
    }

    fn cpu_fwd(&self, storage: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let x = floats(storage, layout)?;
        let mut y = vec![0.0; x.len()];
        self.0.apply(x, &mut y);
        Ok((CpuStorage::F32(y), layout.shape().clone()))
    }

    fn bwd(&self, x: &Tensor, _: &Tensor, gradient: &Tensor) -> Result<Option<Tensor>> {
        let of_x = filled(x.shape(), |out| {
            with_floats([x, &gradient.contiguous()?], |[x, gradient]| {
                self.0.apply_gradient(x, gradient, out);
            })
        })?;
        Ok(Some(of_x))
    }
}

/// Each head of each row turned by the angles of its place.
pub(super) struct Rotate {
    pub(super) rotary: Arc<FusedRotary>,
    pub(super) head_dim: usize,
    /// As in [`RowPlaces`].
    pub(super) positions: Vec<usize>,
    pub(super) lengths: Vec<usize>,
}

impl Rotate {
    fn turn(&self, x: &mut [f32], direction: Direction) {
        let places = RowPlaces { positions: &self.positions, lengths: &self.lengths };
        let (table, positions) = self.rotary.table(places, direction);
        kernels::rotate(x, self.head_dim, &positions, &table, self.rotary.pairing());
    }
}

impl CustomOp1 for Rotate {
    fn name(&self) -> &'static str {
        "rotate"
    }

    fn cpu_fwd(&self, storage: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let mut x = floats(storage, layout)?.to_vec();
        self.turn(&mut x, Direction::Forth);
        Ok((CpuStorage::F32(x), layout.shape().clone()))
    }

    fn bwd(&self, x: &Tensor, _: &Tensor, gradient: &Tensor) -> Result<Option<Tensor>> {
        let of_x = filled(x.shape(), |out| {
            with_floats([&gradient.contiguous()?], |[gradient]| out.copy_from_slice(gradient))?;
            self.turn(out, Direction::Back);
            Ok(())
        })?;
        Ok(Some(of_x))
    }
}

/// An activation function.
pub(super) struct Activate(pub(super) Activation);

impl CustomOp1 for Activate {
    fn name(&self) -> &'static str {
        "activate"
    }

    fn cpu_fwd(&self, storage: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let mut x = floats(storage, layout)?.to_vec();
        kernels::activate(&mut x, self.0.into());
        Ok((CpuStorage::F32(x), layout.shape().clone()))
    }

    fn bwd(&self, x: &Tensor, _: &Tensor, gradient: &Tensor) -> Result<Option<Tensor>> {
        let of_x = filled(x.shape(), |out| {
            with_floats([x, &gradient.contiguous()?], |[x, gradient]| {
                out.copy_from_slice(gradient);
                kernels::activate_gradient(x, self.0.into(), out);
            })
        })?;
        Ok(Some(of_x))
    }
}

/// `activation(gate) * up`.
pub(super) struct Gate(pub(super) Activation);

impl CustomOp2 for Gate {
    fn name(&self) -> &'static str {
        "gate"
    }

    fn cpu_fwd(
        &self,
        gate: &CpuStorage,
        gate_layout: &Layout,
        up: &CpuStorage,
        up_layout: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let mut gate = floats(gate, gate_layout)?.to_vec();
        kernels::activate_gated(&mut gate, floats(up, up_layout)?, self.0.into());
        Ok((CpuStorage::F32(gate), gate_layout.shape().clone()))
    }

    fn bwd(
        &self,
        gate: &Tensor,
        up: &Tensor,
        _: &Tensor,
        gradient: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>)> {
        let mut of_up = vec![0.0; up.elem_count()];
        let of_gate = filled(gate.shape(), |of_gate| {
            with_floats([gate, up, &gradient.contiguous()?], |[gate, up, gradient]| {
                let activation = self.0.into();
                kernels::activate_gated_gradient(
                    gate, up, activation, gradient, of_gate, &mut of_up,
                );
            })
        })?;
        let of_up = Tensor::from_vec(of_up, up.shape(), &Device::Cpu)?;
        Ok((Some(of_gate), Some(of_up)))
    }
}

/// The shape of attention with what it borrows, since a graph outlives the call.
pub(super) struct OwnedShape {
    shape: kernels::Shape<'static>,
    slopes: Option<(Vec<f32>, Option<f32>)>,
    sinks: Option<Vec<f32>>,
}

impl From<kernels::Shape<'_>> for OwnedShape {
    fn from(shape: kernels::Shape<'_>) -> Self {
        Self {
            slopes: shape.slopes.map(|slopes| (slopes.of_heads.to_vec(), slopes.rounded)),
            sinks: shape.sinks.map(<[f32]>::to_vec),
            shape: kernels::Shape { slopes: None, sinks: None, ..shape },
        }
    }
}

impl OwnedShape {
    fn as_shape(&self) -> kernels::Shape<'_> {
        let slopes = self.slopes.as_ref();
        let slopes = slopes.map(|(of_heads, rounded)| Slopes { of_heads, rounded: *rounded });
        kernels::Shape { slopes, sinks: self.sinks.as_deref(), ..self.shape }
    }
}

/// Attention behind rows that were computed earlier.
pub(super) struct Attend {
    pub(super) shape: OwnedShape,
    pub(super) window: Option<usize>,
    /// Keys and values of an earlier pass.
    pub(super) earlier: Option<[Tensor; 2]>,
    pub(super) paths: Vec<OwnedPath>,
}

impl Attend {
    /// Calls `attend` with all keys and all values, the earlier rows first, and how many these are.
    fn with_all<T>(
        &self,
        keys: &[f32],
        values: &[f32],
        attend: impl FnOnce(&[f32], &[f32], usize) -> T,
    ) -> Result<T> {
        match &self.earlier {
            None => Ok(attend(keys, values, 0)),
            Some([earlier_keys, earlier_values]) => {
                let kernels::Shape { key_value_heads, head_dim, .. } = self.shape.shape;
                let width = key_value_heads * head_dim;
                with_floats([earlier_keys, earlier_values], |[earlier_keys, earlier_values]| {
                    let keys = [earlier_keys, keys].concat();
                    let values = [earlier_values, values].concat();
                    attend(&keys, &values, earlier_keys.len() / width)
                })
            }
        }
    }

    fn paths(&self) -> Vec<Path<'_>> {
        self.paths.iter().map(OwnedPath::as_path).collect()
    }
}

impl CustomOp3 for Attend {
    fn name(&self) -> &'static str {
        "attend"
    }

    fn cpu_fwd(
        &self,
        queries: &CpuStorage,
        query_layout: &Layout,
        keys: &CpuStorage,
        key_layout: &Layout,
        values: &CpuStorage,
        value_layout: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let queries = floats(queries, query_layout)?;
        let mut mixed = vec![0.0; queries.len()];
        let (keys, values) = (floats(keys, key_layout)?, floats(values, value_layout)?);
        self.with_all(keys, values, |keys, values, _| {
            let (shape, paths) = (self.shape.as_shape(), self.paths());
            kernels::attend(queries, keys, values, &shape, self.window, &paths, &mut mixed);
        })?;
        Ok((CpuStorage::F32(mixed), query_layout.shape().clone()))
    }

    fn bwd(
        &self,
        queries: &Tensor,
        keys: &Tensor,
        values: &Tensor,
        _: &Tensor,
        gradient: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>, Option<Tensor>)> {
        let mut of_queries = vec![0.0; queries.elem_count()];
        let mut of_keys = vec![0.0; keys.elem_count()];
        let mut of_values = vec![0.0; values.elem_count()];
        let gradient = &gradient.contiguous()?;
        with_floats([queries, keys, values, gradient], |[queries, keys, values, gradient]| {
            self.with_all(keys, values, |keys, values, first| {
                let to = AttentionGradient {
                    of_queries: &mut of_queries,
                    of_keys: &mut of_keys,
                    of_values: &mut of_values,
                    first,
                };
                let (shape, paths) = (&self.shape.as_shape(), self.paths());
                let window = self.window;
                kernels::attend_gradient(
                    queries, keys, values, shape, window, &paths, gradient, to,
                );
            })
        })??;
        let tensor = |values, like: &Tensor| Tensor::from_vec(values, like.shape(), &Device::Cpu);
        Ok((
            Some(tensor(of_queries, queries)?),
            Some(tensor(of_keys, keys)?),
            Some(tensor(of_values, values)?),
        ))
    }
}
