"""Steering vectors and probes: directions along which the two sides of a data set are told apart."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from vene import _vene
from vene._arrays import array
from vene._errors import InputError
from vene._rows import file_of
from vene._table import Table
from vene._warn import warn

if TYPE_CHECKING:
    from vene._model import Model


@dataclass(frozen=True)
class AskedDirections:
    """What is asked for, as it crosses the border."""

    data: str
    method: str
    component: str
    layers: list[int] | None
    position: str
    positive: list[str]
    seed: int
    limit: int | None
    resamples: int | None


@dataclass(frozen=True)
class Directions:
    """Directions of the residual stream, or another component, in several layers. Made by `Model.direction`."""

    table: Table
    """How well each layer's direction tells texts of held-out groups apart: `auc` and `accuracy`, with 95 % intervals."""
    pairs: Table
    """Each pair's projections, of when it was held out."""
    vectors: dict[int, npt.NDArray[np.float32]]
    """By layer, `[width]`: found on all pairs, from the second side to the first, as long as the way between the sides' means."""
    component: str
    """Where they were found."""
    position: str
    """At which position, or role."""

    @property
    def best(self) -> int:
        """The layer whose direction tells most apart; of several the first."""
        auc = {row["layer"]: row["mean"] for row in self.table.to_dicts() if row["metric"] == "auc"}
        return max(self.vectors, key=lambda layer: (auc[layer], -layer))

    def edit(self, scale: float = 1.0, *, layer: int | None = None, positions: Any = None) -> dict[str, Any]:
        """An edit that adds a layer's vector (by default the best one's) where it was found, or at other `positions`, for a plan's `edit`.

        With a scale of 1 the second side's mean becomes the first's; negative scales go the other way.
        """
        chosen = self.best if layer is None else layer
        if chosen not in self.vectors:
            raise InputError(f"there is no direction of layer {chosen}; there are {', '.join(map(str, self.vectors))}")
        if positions is None:
            is_number = self.position.lstrip("-").isdigit()
            positions = int(self.position) if is_number else self.position if self.position == "last" else {"role": self.position}
        return {
            "intervention": {"name": "steering", "scale": scale}, "component": self.component, "layer": chosen,
            "positions": positions, "source": {"values": self.vectors[chosen].tolist()},
        }

    def _repr_html_(self) -> str:
        return self.table._repr_html_()


class DirectionMethods:
    """What a model is asked about directions."""

    def direction(  # type: ignore[misc]
        self: Model,
        data: Any,
        *,
        method: str = "means",
        component: str = "block_output",
        layers: Sequence[int] | None = None,
        position: str | int = "last",
        positive: str | Sequence[str] = (),
        seed: int = 0,
        limit: int | None = None,
        resamples: int | None = None,
    ) -> Directions:
        """Steering vectors and probes: directions from the rows' sources to their bases (`docs/directions.md`).

        Args:
            data: rows with a base on one side and a source on the other.
            method: `"means"` (the difference of means), `"pca"`, `"probe"` (mass-mean probing), `"logistic"`.
            component, layers: whose activations; by default the residual stream after each block.
            position: a position or role, such as `"last"`, `-2`, `"subject_last"`.
            positive: answers that tell the first side, where a base may be on either: rows with another target are turned round.
            seed: how groups are divided for held-out separation depends on it.
        """
        with file_of(data) as path:
            asked = AskedDirections(
                data=path, method=method, component=component, layers=None if layers is None else list(layers),
                position=str(position), positive=[positive] if isinstance(positive, str) else list(positive), seed=seed, limit=limit,
                resamples=resamples)
            table, pairs, vectors, warnings = _vene.find_directions(self._model, asked)
        warn(warnings)
        found = {layer: array(values) for layer, values in vectors}
        names = Table(table).to_dicts()
        return Directions(Table(table), Table(pairs), found, str(names[0]["component"]), str(position))
