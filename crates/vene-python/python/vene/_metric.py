"""Functions as metrics: what they read is declared, and nothing else is computed."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar, overload

import numpy as np

from vene import _vene
from vene._errors import InputError

if TYPE_CHECKING:
    from vene._model import Model

OUTPUTS = tuple(_vene.metric_outputs())
"""What of a run's output a metric's parameters can be called after."""

Function = Callable[..., Any]
Read = tuple[str, int | None, str] | tuple[str, int | None] | tuple[str]
F = TypeVar("F", bound=Function)


class Metric:
    """A function with what it reads. Made by `metric`; where only outputs are read, the function itself does."""

    def __init__(
        self,
        function: Function,
        *,
        name: str | None = None,
        reads: Mapping[str, Read] | None = None,
        rowwise: bool = False,
        torch: bool = False,
    ) -> None:
        own = getattr(function, "__name__", type(function).__name__)
        self.function = function
        self.name = name or ("lambda" if own == "<lambda>" else own)
        self.rowwise = rowwise
        self.torch = torch
        self.reads = dict(reads or {})
        self.parameters = _parameters(function)
        unknown = [name for name in self.parameters if name not in OUTPUTS and name not in self.reads]
        if unknown:
            raise InputError(
                f"the metric {self.name} has a parameter `{unknown[0]}`; parameters are called after what they read: "
                f"{', '.join(OUTPUTS)}; or say what it is, e.g. reads={{\"{unknown[0]}\": (\"mlp_output\", 3, \"last\")}}")
        unused = [name for name in self.reads if name not in self.parameters]
        if unused:
            raise InputError(f"the metric {self.name} has no parameter `{unused[0]}`, which reads= gives it")

    def __call__(self, *arguments: Any, **named: Any) -> Any:
        return self.function(*arguments, **named)

    def __repr__(self) -> str:
        return f"vene.metric({self.name}: {', '.join(self.parameters)})"


@overload
def metric(function: F, /) -> Metric: ...
@overload
def metric(
    *,
    name: str | None = None,
    reads: Mapping[str, Read] | None = None,
    rowwise: bool = False,
    torch: bool = False,
) -> Callable[[Function], Metric]: ...
@overload
def metric(
    function: F,
    /,
    *,
    name: str | None = None,
    reads: Mapping[str, Read] | None = None,
    rowwise: bool = False,
    torch: bool = False,
) -> Metric: ...
def metric(function: Any = None, /, **options: Any) -> Any:
    """Makes a metric of a function, as a call or a decorator:

        @vene.metric
        def entropy(log_probabilities):
            return -(np.exp(log_probabilities) * log_probabilities).sum()

        @vene.metric(reads={"mlp": ("mlp_output", 6, "last")}, rowwise=True)
        def norm(mlp):                  # [rows, positions, width]
            return np.linalg.norm(mlp, axis=-1).mean(axis=-1)

    A parameter is called after what it reads of the edited run: `logits`, `log_probabilities` or `probabilities`, `[vocabulary]`,
    the same of the unedited run (`unedited_logits` ...), or those of the row's answers (`target_logits`, `foil_log_probabilities`
    ...), `[answers]`; nothing else is computed. `reads` says which activation a parameter of another name is: component, layer
    and position (a role; default: the last one), `[positions, width]`.

    It gives one finite number. With `rowwise` it is called once for the rows of a batch instead, all arrays having a first axis for
    them, and gives an array of numbers. Arrays are NumPy's, or PyTorch's tensors with `torch=True`, in double precision.
    """
    return (lambda function: Metric(function, **options)) if function is None else Metric(function, **options)


@dataclass(frozen=True)
class Asked:
    """A metric as the compiled half takes it."""

    name: str
    reads: list[str | tuple[str, int | None, str]]
    rowwise: bool
    call: Callable[[list[_vene.Values]], list[float]]


def asked(given: Any, model: Model) -> tuple[list[str] | None, list[Asked]]:
    """The names of metrics, and those among them that are functions."""
    if given is None:
        return None, []
    single = isinstance(given, str | Metric) or callable(given)
    if not single and not isinstance(given, list | tuple):
        raise InputError(f"metric: expected names and functions; given {given!r}")
    metrics: Sequence[Any] = [given] if single else given
    names: list[str] = []
    own: list[Asked] = []
    for one in metrics:
        if isinstance(one, str):
            names.append(one)
            continue
        if not callable(one):
            raise InputError(f"metric: expected names and functions; given {one!r}")
        function = one if isinstance(one, Metric) else Metric(one)
        if function.name in names:
            raise InputError(f"two metrics are called {function.name}: name one, vene.metric(..., name=\"...\")")
        names.append(function.name)
        reads = [_read(function, parameter, model) for parameter in function.parameters]
        own.append(Asked(function.name, reads, function.rowwise, _caller(function)))
    return names, own


def _parameters(function: Function) -> list[str]:
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        raise InputError(f"{function!r} does not say what its parameters are: wrap it in a function that does") from None
    kinds = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    wanted = [one for one in parameters if one.kind not in kinds and one.default is inspect.Parameter.empty]
    if any(one.kind is inspect.Parameter.POSITIONAL_ONLY for one in wanted):
        raise InputError(f"{function!r} has parameters without names, which say what is read: wrap it in a function")
    return [one.name for one in wanted]


def _read(function: Metric, parameter: str, model: Model) -> str | tuple[str, int | None, str]:
    if parameter not in function.reads:
        return parameter
    given = function.reads[parameter]
    if isinstance(given, str) or not 1 <= len(given) <= 3:
        raise InputError(f"reads of {function.name}: {parameter} is {given!r}; expected (component, layer, position)")
    component, layer, position = (*given, None, "last")[:3] if len(given) == 1 else (*given, "last")[:3]
    name, own, _ = model._model.component(str(component))
    return name, own if own is not None else layer, str(position)


def _caller(function: Metric) -> Callable[[list[_vene.Values]], list[float]]:
    """Calls it with arrays by name, and gives its numbers."""
    convert = _torch if function.torch else np.asarray

    def call(values: list[_vene.Values]) -> list[float]:
        arrays = {name: convert(value) for name, value in zip(function.parameters, values, strict=True)}
        rows = len(next(iter(arrays.values()))) if function.rowwise and arrays else 1
        found = function.function(**arrays)
        if not function.rowwise:
            return [float(found)]
        found = found.detach().cpu().numpy() if hasattr(found, "detach") else found
        numbers = np.asarray(found, dtype=np.float64)
        if numbers.shape != (rows,):
            raise ValueError(f"{function.name} gave an array of shape {numbers.shape} for {rows} rows; expected ({rows},)")
        return [float(number) for number in numbers]

    return call


def _torch(value: _vene.Values) -> Any:
    import torch

    return torch.from_numpy(np.asarray(value))
