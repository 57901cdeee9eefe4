"""Runs of the engine as functions that PyTorch differentiates: parameters in, hidden states out, and logits after them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from vene import _vene
from vene._arrays import array
from vene._model import Model
from vene.pyvene import native
from vene.pyvene.bridge import Bridge

if TYPE_CHECKING:

    class Function:
        """PyTorch's."""

        @classmethod
        def apply(cls, *arguments: Any) -> Any: ...
else:
    from torch.autograd import Function


class DifferentiableCall:
    """A plan over examples, run with the parameters that the interventions have now."""

    def __init__(
        self,
        run: _vene.DifferentiableRun,
        interventions: Sequence[Any],
        bridges: Sequence[Bridge],
        trained: Sequence[Sequence[Any]],
    ) -> None:
        self._run = run
        self._bridges = bridges
        self._names = [(interventions[place], name) for place, name in run.parameters]
        self._trained = trained
        self._result: _vene.Differentiated | None = None

    def hidden(self) -> Any:
        """What the unembedding reads at all positions of all examples, one after the other: `[positions, d_model]`."""
        tensors = [native.parameter(intervention, name) for intervention, name in self._names]
        return _Run.apply(self, *tensors, *(one for of_bridge in self._trained for one in of_bridge))

    def forward(self, tensors: Sequence[Any]) -> Any:
        import torch

        for bridge in self._bridges:
            bridge.reset()
        self._result = self._run.run([native.crossed(one) for one in tensors[: len(self._names)]])
        return torch.from_numpy(array(self._result.values()))

    def backward(self, gradient: Any) -> list[Any]:
        """The gradients of the parameters, those of the engine's interventions first."""
        import torch

        assert self._result is not None
        for bridge in self._bridges:
            bridge.reset()
        found = self._result.gradients(native.crossed(gradient))
        own = [None if one is None else torch.from_numpy(array(one)) for one in found]
        return [*own, *(one for bridge in self._bridges for one in bridge.gradients)]


class _Run(Function):
    @staticmethod
    def forward(ctx: Any, call: DifferentiableCall, *tensors: Any) -> Any:
        ctx.call = call
        ctx.kinds = [(tensor.shape, tensor.dtype) for tensor in tensors]
        return call.forward(tensors)

    @staticmethod
    def backward(ctx: Any, gradient: Any) -> Any:
        found = ctx.call.backward(gradient)
        shaped = (
            None if one is None else one.reshape(shape).to(dtype)
            for one, (shape, dtype) in zip(found, ctx.kinds, strict=True)
        )
        return None, *shaped


class _Unembedding(Function):
    @staticmethod
    def forward(ctx: Any, model: Model, hidden: Any) -> Any:
        import torch

        ctx.model, ctx.hidden = model, hidden.detach()
        rows = np.ascontiguousarray(ctx.hidden.reshape(-1, hidden.shape[-1]).numpy(), dtype=np.float32)
        logits = torch.from_numpy(array(model._model.logits(rows)))
        return logits.reshape(*hidden.shape[:-1], logits.shape[-1]).to(hidden.dtype)

    @staticmethod
    def backward(ctx: Any, gradient: Any) -> Any:
        import torch

        hidden = ctx.hidden.reshape(-1, ctx.hidden.shape[-1])
        of_logits = native.crossed(gradient.reshape(len(hidden), -1))
        found = array(_vene.unembedding_gradients(ctx.model._model, native.crossed(hidden), of_logits))
        return None, torch.from_numpy(found).reshape(ctx.hidden.shape).to(ctx.hidden.dtype)


def unembedded(model: Model, hidden: Any) -> Any:
    """The logits of hidden states, `[..., d_model]` to `[..., vocabulary]`."""
    return _Unembedding.apply(model, hidden)
