"""What pyvene's interventions need of `torch.nn.Module`, over NumPy: for an installation without PyTorch."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt


class Parameter(np.ndarray[Any, Any]):
    """An array that a training may change."""

    requires_grad = True

    @classmethod
    def of(cls, values: npt.ArrayLike, requires_grad: bool = True) -> Parameter:
        made = np.array(values, dtype=np.float32).view(cls)
        made.requires_grad = requires_grad
        return made

    def numel(self) -> int:
        return self.size


class Module:
    """Named parameters and buffers, those of modules within it included."""

    def __init__(self) -> None:
        self._buffers: dict[str, Any] = {}
        self.training = True

    def register_buffer(self, name: str, values: Any) -> None:
        self._buffers[name] = np.asarray(values)
        object.__setattr__(self, name, self._buffers[name])

    def __setattr__(self, name: str, value: Any) -> None:
        if name in self.__dict__.get("_buffers", ()):
            self._buffers[name] = value
        object.__setattr__(self, name, value)

    def forward(self, *arguments: Any, **options: Any) -> Any:
        raise NotImplementedError(f"{type(self).__name__} has no forward")

    def __call__(self, *arguments: Any, **options: Any) -> Any:
        return self.forward(*arguments, **options)

    def named_parameters(self, prefix: str = "") -> Iterator[tuple[str, Parameter]]:
        for name, value in self.__dict__.items():
            if isinstance(value, Parameter):
                yield prefix + name, value
            elif isinstance(value, Module):
                yield from value.named_parameters(f"{prefix}{name}.")

    def parameters(self) -> Iterator[Parameter]:
        return (parameter for _, parameter in self.named_parameters())

    def state_dict(self) -> dict[str, npt.NDArray[Any]]:
        """Parameters and buffers by name."""
        return {**dict(self.named_parameters()), **self._buffers}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        known = self.state_dict()
        if set(known) != set(state):
            raise KeyError(f"parameters {sorted(state)} for {sorted(known)}")
        for name, values in state.items():
            *path, last = name.split(".")
            owner: Any = self
            for part in path:
                owner = getattr(owner, part)
            old = getattr(owner, last)
            given = np.asarray(values)
            setattr(owner, last, Parameter.of(given, old.requires_grad) if isinstance(old, Parameter) else given)

    def to(self, _device: Any) -> Module:
        """The same: everything is computed by the processor."""
        return self

    def train(self, mode: bool = True) -> Module:
        self.training = mode
        return self

    def eval(self) -> Module:
        return self.train(False)

    def zero_grad(self) -> None:
        """Nothing: gradients are kept by PyTorch alone."""


class ModuleDict(dict[str, Any]):
    """Modules by name."""


def sigmoid(values: Any) -> Any:
    return 1 / (1 + np.exp(-np.asarray(values, dtype=np.float64)))


def rotation(width: int, rank: int) -> Parameter:
    """Random orthonormal columns `[width, rank]`, drawn by NumPy's global generator."""
    drawn, signs = np.linalg.qr(np.random.standard_normal((width, rank)))
    return Parameter.of(drawn * np.sign(np.diag(signs)))
