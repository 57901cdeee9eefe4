"""Numbers as notebooks expect them: NumPy arrays that answer what PyTorch's tensors are asked, or PyTorch's own."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from vene import _vene


class Tensor(np.ndarray[Any, Any]):
    """A NumPy array with the few methods of a PyTorch tensor that notebooks call."""

    @classmethod
    def of(cls, values: npt.ArrayLike) -> Self:
        return np.asarray(values).view(cls)

    def detach(self) -> Self:
        return self

    def cpu(self) -> Self:
        return self

    def numpy(self) -> npt.NDArray[Any]:
        return np.asarray(self)

    def float(self) -> Self:
        return type(self).of(self.astype(np.float32))

    def dim(self) -> int:
        return self.ndim


def array(values: _vene.Values) -> npt.NDArray[Any]:
    """What the compiled half gave, as an array that shares its memory."""
    return np.asarray(values)


def tensor(values: npt.ArrayLike) -> Any:
    """A PyTorch tensor where PyTorch is loaded, else a `Tensor`. No copy."""
    values = np.asarray(values)
    torch = sys.modules.get("torch")
    return Tensor.of(values) if torch is None else torch.from_numpy(values)


class LazyRows:
    """An array `[..., width]` whose rows are computed when they are asked for, each once.

    `[i]`, `[-1]` and slices choose rows and compute nothing until one row, or an array, is wanted; `numpy.asarray` computes all.
    """

    def __init__(
        self,
        shape: Sequence[int],
        width: int,
        rows: Callable[[npt.NDArray[np.intp]], npt.NDArray[Any]],
    ) -> None:
        self._rows = rows
        self._cache: dict[int, npt.NDArray[Any]] = {}
        self._places: npt.NDArray[np.intp] = np.arange(int(np.prod(shape))).reshape(shape)
        self._width = width

    @property
    def shape(self) -> tuple[int, ...]:
        return (*self._places.shape, self._width)

    @property
    def ndim(self) -> int:
        return len(self.shape)

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, index: Any) -> Any:
        index = index if isinstance(index, tuple) else (index,)
        if any(part is Ellipsis or part is None for part in index):
            return tensor(np.asarray(self)[index])
        leading, rest = index[: self._places.ndim], index[self._places.ndim :]
        chosen = self._places[leading]
        if np.ndim(chosen) == 0:
            row = self._computed(np.asarray([chosen]))[0]
            return tensor(row[rest] if rest else row)
        lazy = LazyRows.__new__(LazyRows)
        lazy._rows, lazy._cache, lazy._width = self._rows, self._cache, self._width
        lazy._places = np.asarray(chosen)
        return tensor(np.asarray(lazy)[(..., *rest)]) if rest else lazy

    def __iter__(self) -> Any:
        return (self[place] for place in range(len(self)))

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> npt.NDArray[Any]:
        whole = self._computed(self._places.reshape(-1)).reshape(self.shape)
        return whole if dtype is None else whole.astype(dtype)

    def numpy(self) -> npt.NDArray[Any]:
        return np.asarray(self)

    def detach(self) -> Self:
        return self

    def cpu(self) -> Self:
        return self

    def tolist(self) -> Any:
        return np.asarray(self).tolist()

    def __repr__(self) -> str:
        return f"LazyRows(shape={self.shape}, computed={len(self._cache)})"

    def _computed(self, places: npt.NDArray[np.intp]) -> npt.NDArray[Any]:
        missing = [int(place) for place in places if int(place) not in self._cache]
        if missing:
            for place, row in zip(missing, self._rows(np.asarray(missing)), strict=True):
                self._cache[place] = row
        rows = [self._cache[int(place)] for place in places]
        return np.stack(rows) if rows else np.empty((0, self._width), dtype=np.float32)
