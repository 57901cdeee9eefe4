"""An intervention object of Python as one of the engine's: values in the shape that pyvene gives them, and gradients back."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from vene import _vene
from vene._arrays import array
from vene._function import returned
from vene.pyvene._backend import HAS_TORCH
from vene.pyvene.adaptor import ModuleInput
from vene.pyvene.interventions import (
    CollectIntervention,
    Intervention,
    InterventionOutput,
    LocalistRepresentationIntervention,
    VanillaIntervention,
)
from vene.pyvene.learned import BoundlessRotatedSpaceIntervention


class LambdaIntervention(Intervention, LocalistRepresentationIntervention):
    """A function of base and source, given in an intervention's place."""

    def __init__(self, function: Any) -> None:
        super().__init__()
        self.function = function

    def forward(self, base: Any, source: Any = None, *subspaces: Any, **options: Any) -> Any:
        return self.function(base, source, *subspaces, **options)


class Bridge:
    """An object as the engine calls it, once for each example: `forward` sees a batch of one, `[1, units, width]`.

    Localist interventions see positions side by side (`[1, heads, positions, width]` of heads), others one vector
    (`[1, positions * width]`). With `trained`, PyTorch's tensors whose gradients are wanted, each call keeps its graph, and
    `gradients` has what came back since `reset`.
    """

    def __init__(
        self,
        intervention: Any,
        unit: str,
        *,
        is_pattern: bool,
        reads_source: bool,
        subspaces: Sequence[Any] | None,
        options: dict[str, Any],
        given: Any = None,
        trained: Sequence[Any] | None = None,
        module_input: ModuleInput | str | None = None,
    ) -> None:
        self._intervention = intervention
        self._is_pattern = is_pattern
        self._unit = unit
        self._subspaces = subspaces
        self._options = options
        self._given = given
        self._trained = trained
        self._module_input = module_input
        self.outputs: list[InterventionOutput] = []
        self.gradients: list[Any] = []
        name = getattr(intervention, "function", intervention)
        self.native = _vene.Intervention(
            self._differentiated if trained is not None else self._called,
            getattr(name, "__name__", type(name).__name__),
            "one" if reads_source and given is None else "none",
            gradients="never" if trained is None else "always",
        )

    def reset(self) -> None:
        self.outputs = []
        self.gradients = [None] * len(self._trained or ())

    def _called(self, base: _vene.Values, sources: list[_vene.Values], context: Any, _differentiated: bool) -> Any:
        values = array(base)
        if HAS_TORCH:
            import torch

            with torch.no_grad():
                edited = self._forward(torch.from_numpy(values), [torch.from_numpy(array(one)) for one in sources], context)
        else:
            edited = self._forward(values, [array(one) for one in sources], context)
        return None if edited is None else returned(edited, values.shape)

    def _differentiated(self, base: _vene.Values, sources: list[_vene.Values], context: Any, _is_wanted: bool) -> Any:
        import torch

        with torch.enable_grad():
            values = torch.from_numpy(array(base)).requires_grad_(True)
            edited = self._forward(values, [torch.from_numpy(array(one)) for one in sources], context)
        if edited is None:
            return None, None
        trained = list(self._trained or ())

        def back(given: _vene.Values) -> npt.NDArray[Any]:
            found: list[Any] = [None] * (1 + len(trained))
            if edited.requires_grad:
                read = [self._module_input.of(context[0])] if isinstance(self._module_input, ModuleInput) else []
                gradient = torch.from_numpy(array(given)).to(edited.dtype)
                found = list(torch.autograd.grad(
                    edited, [values, *trained, *read], gradient, retain_graph=True, allow_unused=True))
                for one in read:
                    one.grad = found.pop()
            for index, one in enumerate(found[1:]):
                if one is not None:
                    before = self.gradients[index]
                    self.gradients[index] = one if before is None else before + one
            gradient_of_base = torch.zeros_like(values) if found[0] is None else found[0]
            return returned(gradient_of_base, tuple(values.shape))

        return returned(edited, tuple(values.shape)), back

    def _forward(self, base: Any, sources: list[Any], context: Any) -> Any:
        example, _, columns, _ = context
        shape = tuple(base.shape)
        heads = len(columns) if self._unit in ("h", "h.pos") and not self._is_pattern else None
        given = self._given
        source = given if given is not None else self._seen(sources[0], heads) if sources else None
        arguments = [self._seen(base, heads), source]
        if self._subspaces is not None or not isinstance(self._intervention, LambdaIntervention):
            arguments.append(None if self._subspaces is None else [self._subspaces[example]])
        options = self._options
        if self._module_input is not None:
            read = self._module_input.of(example) if isinstance(self._module_input, ModuleInput) else base[None]
            options = {**options, "args": read}
        edited = self._intervention(*arguments, **options)
        if isinstance(edited, InterventionOutput):
            self.outputs.append(edited)
            edited = edited.output
        if edited is None:
            return None
        seen = tuple(arguments[0].shape)
        if tuple(edited.shape) != seen:
            raise ValueError(
                f"it returned values of shape {list(edited.shape)} for {list(seen)}: it is called for one example at a time")
        return self._put_back(edited, shape, heads)

    @property
    def _is_localist(self) -> bool:
        kinds = (
            LocalistRepresentationIntervention, VanillaIntervention, CollectIntervention, BoundlessRotatedSpaceIntervention)
        return isinstance(self._intervention, kinds) or bool(getattr(self._intervention, "keep_last_dim", False))

    def _seen(self, values: Any, heads: int | None) -> Any:
        """Values `[positions, width]` (`[heads, queries, keys]` of attention patterns) as pyvene hands them over."""
        if self._unit == "t" or (heads is not None and not self._is_localist):
            return values if self._unit == "t" else values[None]
        if self._is_pattern:
            return values[None]
        if heads is not None:
            positions, width = values.shape
            split = values.reshape(positions, heads, width // heads)
            return _swapped(split, 0, 1)[None]
        return values[None] if self._is_localist else values.reshape(1, -1)

    def _put_back(self, values: Any, shape: tuple[int, ...], heads: int | None) -> Any:
        if heads is not None and self._is_localist:
            return _swapped(values[0], 0, 1).reshape(shape)
        return values.reshape(shape)


def _swapped(values: Any, first: int, second: int) -> Any:
    return values.transpose(first, second) if HAS_TORCH else np.swapaxes(values, first, second)
