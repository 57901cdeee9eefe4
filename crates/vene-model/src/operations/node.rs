//! Nodes of candle's graph that know their own way back.
//!
//! candle's backward pass computes a gradient for both factors of a product, whoever wants them: for a
//! frozen weight matrix this is as much work as the rest of the product's backward pass, and a gradient
//! of the matrix's size that is thrown away. So where a gradient is to flow at all, a map by frozen
//! weights is one node of the graph, which knows its transpose ([`linear_map`]). The same goes for whatever
//! knows its gradient better than the chain rule over its steps does ([`with_backward`]).

use std::sync::Mutex;

use candle_core::{CpuStorage, CustomOp1, Layout, Result, Shape, Storage, Tensor};
use vene_files::check_interrupt;

/// `forward(x)` as one node. Where `x` has no graph behind it that is all; else the node's backward pass is
/// `backward(x, gradient)`: from the gradient of the result, in the result's shape, to that of `x`. What
/// `forward` computes leaves no graph.
///
/// # Errors
/// What `forward` says; on another device than the CPU.
pub fn with_backward(
    x: &Tensor,
    forward: impl Fn(&Tensor) -> Result<Tensor>,
    backward: impl Fn(&Tensor, &Tensor) -> Result<Tensor> + Send + Sync + 'static,
) -> Result<Tensor> {
    if !x.track_op() {
        return forward(x);
    }
    let result = forward(&x.detach())?.detach().contiguous()?;
    x.apply_op1(Node { result: Mutex::new(Some(result)), backward: Box::new(backward) })
}

/// `forward(x)`, a map that is linear in `x` (or affine). Where `x` has no graph behind it that is all;
/// else its gradient is `transpose` of the result's.
pub(super) fn linear_map(
    x: &Tensor,
    forward: impl Fn(&Tensor) -> Result<Tensor>,
    transpose: impl Fn(&Tensor) -> Result<Tensor> + Send + Sync + 'static,
) -> Result<Tensor> {
    with_backward(x, forward, move |_, gradient| transpose(gradient))
}

/// From `x` and the gradient of the result to the gradient of `x`.
type Backward = Box<dyn Fn(&Tensor, &Tensor) -> Result<Tensor> + Send + Sync>;

struct Node {
    /// What the forward pass gave; taken by the node that is made of it.
    result: Mutex<Option<Tensor>>,
    backward: Backward,
}

impl CustomOp1 for Node {
    fn name(&self) -> &'static str {
        "with backward"
    }

    fn cpu_fwd(&self, _: &CpuStorage, _: &Layout) -> Result<(CpuStorage, Shape)> {
        let result = self.result.lock().ok().and_then(|mut result| result.take());
        let Some(result) = result else { candle_core::bail!("a node's result is taken once") };
        let shape = result.shape().clone();
        let (storage, layout) = result.storage_and_layout();
        if layout.start_offset() != 0 {
            candle_core::bail!("a node's result begins within another tensor");
        }
        match &*storage {
            Storage::Cpu(storage) => Ok((storage.clone(), shape)),
            _ => candle_core::bail!("a node's result lies on another device"),
        }
    }

    fn bwd(&self, x: &Tensor, _: &Tensor, gradient: &Tensor) -> Result<Option<Tensor>> {
        check_interrupt().map_err(candle_core::Error::wrap)?;
        (self.backward)(&x.detach(), &gradient.contiguous()?).map(Some)
    }
}
