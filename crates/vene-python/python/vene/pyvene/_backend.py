"""PyTorch where it is installed, else NumPy: what pyvene's interventions are made of, under one name each."""

from __future__ import annotations

import importlib.util
from typing import TYPE_CHECKING, Any

import numpy as np

HAS_TORCH = importlib.util.find_spec("torch") is not None

if TYPE_CHECKING or not HAS_TORCH:
    from vene.pyvene._module import Module, ModuleDict, Parameter
else:
    import torch
    from torch.nn import Module, ModuleDict, Parameter

__all__ = [
    "HAS_TORCH", "Module", "ModuleDict", "Parameter", "as_array", "copy", "floats", "parameter", "rotate_layer", "sigmoid",
    "values",
]


def parameter(values: Any, *, trained: bool = True) -> Any:
    """A parameter with these values, in single precision."""
    if HAS_TORCH:
        import torch

        return torch.nn.Parameter(torch.as_tensor(values, dtype=torch.float32), requires_grad=trained)
    return Parameter.of(values, trained)


def floats(values: Any) -> Any:
    """A tensor of floats, of PyTorch or NumPy."""
    if HAS_TORCH:
        import torch

        given = torch.as_tensor(values)
        return given if given.is_floating_point() else given.float()
    return np.asarray(values, dtype=np.float32)


def values(given: Any) -> Any:
    """A tensor with these values, whatever their type."""
    if HAS_TORCH:
        import torch

        return torch.as_tensor(given)
    return np.asarray(given)


def as_array(given: Any) -> np.ndarray[Any, Any]:
    """The values as NumPy's array, cut off from any graph; half precision is widened."""
    if HAS_TORCH:
        import torch

        if isinstance(given, torch.Tensor):
            given = given.detach().cpu()
            return np.asarray((given.float() if given.dtype in (torch.float16, torch.bfloat16) else given).numpy())
    return np.asarray(given)


def copy(given: Any) -> Any:
    """Values that may be written into."""
    return given.clone() if hasattr(given, "clone") else np.array(given)


def sigmoid(given: Any) -> Any:
    if HAS_TORCH:
        import torch

        return torch.sigmoid(given)
    from vene.pyvene import _module

    return _module.sigmoid(given)


class _Rotation(Module):
    """Multiplies by orthonormal columns, `weight` `[width, rank]`."""

    def __init__(self, width: int, rank: int) -> None:
        super().__init__()
        if HAS_TORCH:
            import torch

            self.weight: Any = torch.nn.Parameter(torch.nn.init.orthogonal_(torch.empty(width, rank)))
        else:
            from vene.pyvene import _module

            self.weight = _module.rotation(width, rank)

    def forward(self, given: Any) -> Any:
        return (given.to(self.weight.dtype) if HAS_TORCH else given) @ self.weight


def rotate_layer(width: int, rank: int) -> Any:
    """Random orthonormal columns, which stay orthonormal in training: under PyTorch by its own parametrisation."""
    layer: Any = _Rotation(width, rank)
    if HAS_TORCH:
        import torch

        return torch.nn.utils.parametrizations.orthogonal(layer)
    return layer
