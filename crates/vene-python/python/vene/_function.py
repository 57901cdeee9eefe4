"""Functions and objects of Python as interventions: `vene.intervention`."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, overload

import numpy as np
import numpy.typing as npt

from vene import _vene
from vene._arrays import array
from vene._errors import PlanError

Function = Callable[..., Any]


@dataclass(frozen=True)
class Context:
    """Which values a function is given: what it gets as `context`, if it has a parameter of this name."""

    example: int
    """The example's index in its plan."""
    positions: list[int]
    """The token positions, one for each row of the values (of attention patterns the queries)."""
    columns: list[int]
    """Where each edited head's stretch begins in a row of the component (of attention patterns the heads)."""
    keys: list[int] | None
    """The keys, of attention patterns."""


@dataclass(frozen=True)
class Intervention:
    """A function as an intervention. Made by `vene.intervention`, and called as the function itself is."""

    function: Function
    name: str
    _native: _vene.Intervention

    def __call__(self, *arguments: Any, **options: Any) -> Any:
        return self.function(*arguments, **options)


@overload
def intervention(
    function: Function, *, name: str | None = ..., reads_source: bool | None = ..., rowwise: bool = ...,
    absolute: bool = ..., torch: bool = ...,
) -> Intervention: ...
@overload
def intervention(
    function: None = ..., *, name: str | None = ..., reads_source: bool | None = ..., rowwise: bool = ...,
    absolute: bool = ..., torch: bool = ...,
) -> Callable[[Function], Intervention]: ...
def intervention(
    function: Function | None = None,
    *,
    name: str | None = None,
    reads_source: bool | None = None,
    rowwise: bool = False,
    absolute: bool = False,
    torch: bool = False,
) -> Intervention | Callable[[Function], Intervention]:
    """A function of the base's values, and a source's, as an intervention: for calls, or above a definition.

        @vene.intervention(rowwise=True)
        def halfway(base, source):
            return (base + source) / 2

    The function gets `base`, `[positions, width]` (`[heads, queries, keys]` of attention patterns), and returns values of this
    shape, or `None` where it changes nothing. One with a second parameter reads a source, of the same shape; one with
    `*sources` all of them; `reads_source` says it where the parameters do not. One with a parameter `context` gets a
    `Context` by this name.

    `rowwise=True` says that each row's result depends on that row alone: the function is then called once for the rows of many
    examples together, without a context. `absolute=True` says that the result does not depend on the base. Both are
    believed. `torch=True`: the values are PyTorch's tensors instead of NumPy's arrays; in a training PyTorch's autograd carries
    gradients through the function, to what is trained before it.
    """
    if function is None:
        return lambda function: intervention(
            function, name=name, reads_source=reads_source, rowwise=rowwise, absolute=absolute, torch=torch)
    if not callable(function):
        raise PlanError(f"an intervention is a function of the base's values; given {type(function).__name__}")
    sources, wants_context = _parameters(function, reads_source)
    if wants_context and rowwise:
        raise PlanError("a rowwise function is given rows of many examples: it has no context")
    called = name or str(getattr(function, "__name__", type(function).__name__))

    def call(base: _vene.Values, given: list[_vene.Values], context: Any, differentiated: bool) -> Any:
        options = {"context": Context(*context)} if wants_context else {}
        if not torch:
            values = array(base)
            edited = function(values, *map(array, given), **options)
            return None if edited is None else returned(edited, values.shape)
        import torch as pytorch

        tensor, others = _tensor(base), map(_tensor, given)
        with pytorch.set_grad_enabled(differentiated):
            edited = function(tensor.requires_grad_(differentiated), *others, **options)
        after = None if edited is None else returned(edited, tuple(tensor.shape))
        if differentiated:
            return after, None if edited is None else _way_back(tensor, edited)
        return after

    native = _vene.Intervention(
        call, called, sources, rowwise=rowwise, absolute=absolute, gradients="through" if torch else "never")
    return Intervention(function, called, native)


def made(given: Any) -> Intervention:
    """A function as an intervention, unless it is one."""
    return given if isinstance(given, Intervention) else intervention(given)


def with_functions(plan: Mapping[str, Any]) -> tuple[dict[str, Any], list[tuple[str, _vene.Intervention]]]:
    """A plan in which each function stands by a name, and these functions by their names."""
    own: dict[str, tuple[Any, _vene.Intervention]] = {}

    def named(edit: Any) -> Any:
        given = edit.get("intervention") if isinstance(edit, Mapping) else None
        if given is None or not callable(given):
            return edit
        own_one = made(given)
        name = own_one.name
        while name in own and own[name][0] is not given:
            name += "'"
        # One object is one intervention, however many edits it is in.
        own.setdefault(name, (given, own_one._native))
        return {**edit, "intervention": f"python:{name}"}

    said = dict(plan)
    if isinstance(plan.get("edit"), Sequence):
        said["edit"] = [named(edit) for edit in plan["edit"]]
    return said, [(f"python:{name}", native) for name, (_, native) in own.items()]


def returned(values: Any, shape: tuple[int, ...]) -> npt.NDArray[Any]:
    """What a function returned, on its way back, checked against the base's shape."""
    found = values.detach().cpu().numpy() if hasattr(values, "detach") else np.asarray(values)
    if found.shape != shape:
        raise ValueError(f"it returned values of shape {list(found.shape)} for {list(shape)}")
    if found.dtype not in (np.float32, np.float64):
        found = found.astype(np.float32)
    return np.ascontiguousarray(found)


def _way_back(values: Any, edited: Any) -> Callable[[_vene.Values], npt.NDArray[Any]]:
    """From the gradient of a function's result to that of its base."""
    import torch

    def back(given: _vene.Values) -> npt.NDArray[Any]:
        gradient = None
        if edited.requires_grad:
            of_result = torch.from_numpy(array(given)).to(edited.dtype)
            (gradient,) = torch.autograd.grad(edited, [values], of_result, retain_graph=True, allow_unused=True)
        return returned(torch.zeros_like(values) if gradient is None else gradient, tuple(values.shape))

    return back


def _tensor(given: _vene.Values) -> Any:
    import torch

    return torch.from_numpy(array(given))


def _parameters(function: Function, reads_source: bool | None) -> tuple[str, bool]:
    """How many sources a function reads, and whether it takes a context."""
    try:
        parameters = list(inspect.signature(function).parameters.values())
    except ValueError:
        # Some compiled functions do not say.
        return ("one" if reads_source else "none"), False
    wants_context = any(parameter.name == "context" for parameter in parameters)
    if reads_source is not None:
        return ("one" if reads_source else "none"), wants_context
    if any(parameter.kind is parameter.VAR_POSITIONAL for parameter in parameters):
        return "several", wants_context
    by_place = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    needed = [
        parameter for parameter in parameters
        if parameter.kind in by_place and parameter.default is parameter.empty and parameter.name != "context"
    ]
    if not 1 <= len(needed) <= 2:
        raise PlanError(f"an intervention has one or two parameters, base and source; this function has {len(needed)}")
    return ("one" if len(needed) == 2 else "none"), wants_context
