"""What a plan over the rows of a data set gives."""

from __future__ import annotations

import json
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from vene import _vene
from vene._arrays import array
from vene._figure import Figure, Figures
from vene._pickled import Unpicklable
from vene._table import Table


class Outcomes(Unpicklable):
    """What a plan, or each plan of a grid, did in the rows of a data set. Made by `Model.run` and `Model.evaluate`."""

    _instead = "pickle its tables and `collected`"

    def __init__(self, ran: _vene.PlanRan) -> None:
        self._ran = ran
        self._figures = Figures(ran.figures)

    @cached_property
    def examples(self) -> Table:
        """A row for each row, run of the grid and metric: the edited run's number, the unedited one's, their difference."""
        return Table(self._ran.examples)

    @cached_property
    def summary(self) -> Table | None:
        """Means with intervals over clusters of rows, where something was measured."""
        summary = self._ran.summary
        return None if summary is None else Table(summary)

    @cached_property
    def receipts(self) -> Table:
        """What every edit did in every row."""
        return Table(self._ran.receipts)

    @cached_property
    def rows(self) -> Table:
        """Which row of `collected` is which row of the data set: its texts, its tokens, the positions of its roles."""
        return Table(self._ran.rows)

    @cached_property
    def collected(self) -> dict[str, npt.NDArray[np.float32]]:
        """What `[[collect]]` kept, by name: `[rows, positions, width]`, of attention patterns `[rows, heads, queries, keys]`."""
        return {name: array(values) for name, values in self._ran.collected()}

    @property
    def evaluation(self) -> dict[str, Any] | None:
        """Of an evaluation: loss and accuracy of each plan, as a training tells them."""
        told = self._ran.evaluation
        return None if told is None else json.loads(told)

    @property
    def figures(self) -> list[str]:
        """The names of the figures that the command would draw."""
        return list(self._figures.all())

    def plot(self, name: str | None = None) -> Figure:
        """A figure by its name, by default the first."""
        return self._figures.one(name)

    def __repr__(self) -> str:
        return repr(self.receipts if self.summary is None else self.summary)

    def _repr_html_(self) -> str:
        table = self.receipts if self.summary is None else self.summary
        return self._figures.html() + table._repr_html_()
