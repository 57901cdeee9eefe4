"""Activations of many prompts, stacked."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from vene import _vene
from vene._arrays import array
from vene._table import Table


class Activations(Mapping[str, npt.NDArray[np.float32]]):
    """What components show in every row, by name: `[rows, positions, width]`, or `[rows, heads, queries, keys]`. Made by
    `Model.collect`.
    """

    def __init__(
        self,
        tensors: dict[str, npt.NDArray[np.float32]],
        lengths: list[list[int]] | None,
        rows: Table,
    ) -> None:
        self._tensors = tensors
        self.lengths = lengths
        """Where rows are padded with zeros: for each row, how many positions of each list are values."""
        self.rows = rows
        """Which row is which: its texts, its tokens, the positions of its roles."""

    @classmethod
    def of(cls, collected: tuple[list[tuple[str, _vene.Values]], list[list[int]] | None, _vene.Table]) -> Activations:
        tensors, lengths, rows = collected
        return cls({name: array(values) for name, values in tensors}, lengths, Table(rows))

    def __getitem__(self, name: str) -> npt.NDArray[np.float32]:
        return self._tensors[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._tensors)

    def __len__(self) -> int:
        return len(self._tensors)

    def __reduce__(self) -> tuple[type[Activations], tuple[Any, ...]]:
        return Activations, (self._tensors, self.lengths, self.rows)

    def __repr__(self) -> str:
        shapes = ", ".join(f"{name} {list(values.shape)}" for name, values in self.items())
        return f"vene.Activations({shapes})"
