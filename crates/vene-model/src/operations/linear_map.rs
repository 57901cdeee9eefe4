//! Linear maps whose weights are frozen: a gradient goes through them, and to nothing else.
//!
//! candle's backward pass computes a gradient for both factors of a product, whoever wants them: for a
//! frozen weight matrix this is as much work as the rest of the product's backward pass, and a gradient
//! of the matrix's size that is thrown away. So where a gradient is to flow at all, a map by frozen
//! weights is one node of the graph, which knows its transpose.

use std::sync::Mutex;

use candle_core::{CpuStorage, CustomOp1, Layout, Result, Shape, Storage, Tensor};

/// `forward(x)`, a map that is linear in `x` (or affine). Where `x` has no graph behind it that is all;
/// else its gradient is `transpose` of the result's.
pub(super) fn linear_map(
    x: &Tensor,
    forward: impl Fn(&Tensor) -> Result<Tensor>,
    transpose: impl Fn(&Tensor) -> Result<Tensor> + Send + Sync + 'static,
) -> Result<Tensor> {
    if !x.track_op() {
        return forward(x);
    }
    let result = forward(&x.detach())?.contiguous()?;
    x.apply_op1(LinearMap { result: Mutex::new(Some(result)), transpose: Box::new(transpose) })
}

/// The transpose of a linear map.
type Transpose = Box<dyn Fn(&Tensor) -> Result<Tensor> + Send + Sync>;

struct LinearMap {
    /// What the map gave; taken by the node that is made of it.
    result: Mutex<Option<Tensor>>,
    transpose: Transpose,
}

impl CustomOp1 for LinearMap {
    fn name(&self) -> &'static str {
        "linear map"
    }

    fn cpu_fwd(&self, _: &CpuStorage, _: &Layout) -> Result<(CpuStorage, Shape)> {
        let result = self.result.lock().ok().and_then(|mut result| result.take());
        let Some(result) = result else { candle_core::bail!("a linear map is applied once") };
        let shape = result.shape().clone();
        let (storage, _) = result.storage_and_layout();
        match &*storage {
            Storage::Cpu(storage) => Ok((storage.clone(), shape)),
            _ => candle_core::bail!("a linear map's result lies on another device"),
        }
    }

    fn bwd(&self, _: &Tensor, _: &Tensor, gradient: &Tensor) -> Result<Option<Tensor>> {
        (self.transpose)(&gradient.contiguous()?).map(Some)
    }
}
