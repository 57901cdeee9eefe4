"""What a training gives: a plan with what it learned."""

from __future__ import annotations

import json
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy.typing as npt

from vene import _vene
from vene._arrays import array
from vene._figure import Figure, Figures
from vene._pickled import Unpicklable
from vene._table import Table


class Trained(Unpicklable):
    """A trained plan. Made by `Model.train`; wherever a plan is taken, it is one."""

    _instead = "save it in a folder, save(folder), whose path is a plan anywhere"

    def __init__(self, trained: _vene.Trained) -> None:
        self._trained = trained
        self._figures = Figures(trained.figures)

    @property
    def plan(self) -> _vene.Plan:
        """The plan, for this model."""
        return self._trained.plan

    @cached_property
    def history(self) -> Table:
        """A row for each step: its epoch, the batch's loss and accuracy."""
        return Table(self._trained.steps)

    @cached_property
    def result(self) -> dict[str, Any]:
        """What the command's `run.json` says of it: rows, `epochs`, and of the rows that were held out the `held_out` loss and
        accuracy, beside the `control` of random directions.
        """
        result: dict[str, Any] = json.loads(self._trained.result)
        return result

    @property
    def held_out(self) -> dict[str, float]:
        """Loss and accuracy on the rows that were held out."""
        held_out: dict[str, float] = self.result["held_out"]
        return held_out

    @property
    def parameters(self) -> dict[str, npt.NDArray[Any]]:
        """What was learned, by name (`edit.0.rotate_layer.weight`): copies."""
        return {name: array(values) for name, values in self._trained.parameters()}

    def save(self, folder: str | Path) -> Path:
        """Keeps plan and parameters in a folder, as `vene train` does in `trained`."""
        self._trained.save(str(folder))
        return Path(folder)

    def plot(self) -> Figure:
        """The learning curves."""
        return self._figures.one(None)

    def __repr__(self) -> str:
        held_out, control = self.result["held_out"], self.result["control"]
        return (
            f"vene.Trained(held out: accuracy {held_out['accuracy']:.1%}, loss {held_out['loss']:.3f}; "
            f"{control['kind']}: accuracy {control['accuracy']:.1%})")

    def _repr_html_(self) -> str:
        return self._figures.html() + f"<p>{self!r}</p>"
