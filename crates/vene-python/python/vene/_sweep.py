"""What a sweep gives: its tables, and its figures."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from vene import _vene
from vene._figure import Figure, Figures
from vene._errors import InputError
from vene._table import Table
from vene._vega import heat_map


@dataclass(frozen=True, repr=False)
class Swept:
    """What a sweep gave."""

    examples: Table
    """A row for each example, place and metric. Of a pair without metrics it has no rows."""
    tokens: Table | None
    """Of a pair: the probability of each token that was followed, at each place."""
    summary: Table | None
    """Over a data set: means with intervals over clusters of rows."""
    seconds: float
    """How long the engine took: the command's `sweep_seconds`."""
    _figures: Figures

    @classmethod
    def of(cls, swept: _vene.Swept) -> Swept:
        tokens, summary = swept.tokens, swept.summary
        return cls(
            examples=Table(swept.examples),
            tokens=None if tokens is None else Table(tokens),
            summary=None if summary is None else Table(summary),
            seconds=swept.seconds,
            _figures=Figures(swept.figures),
        )

    @property
    def figures(self) -> list[str]:
        """The names of the figures that the command would draw."""
        return list(self._figures.all())

    def plot(self, name: str | None = None) -> Figure:
        """A figure by its name, by default the heat map: notebooks show it, and `save` writes it."""
        return self._figures.one(name)

    def vega(self) -> dict[str, Any]:
        """The heat map as a Vega-Lite document, data included."""
        return heat_map(self._told)

    def altair(self) -> Any:
        """The same as a chart of Altair, which has to be installed."""
        try:
            import altair
        except ImportError:
            raise InputError("altair is not installed: pip install altair; vega() gives the same document") from None
        return altair.Chart.from_dict(self.vega())

    @property
    def _told(self) -> Table:
        """The table that says most in a few rows."""
        return next(table for table in (self.summary, self.tokens, self.examples) if table is not None)

    def __reduce__(self) -> tuple[Callable[..., Swept], tuple[Any, ...]]:
        # Tables go by value; figures are drawn where the sweep was made.
        return Swept, (self.examples, self.tokens, self.summary, self.seconds, Figures(None))

    def __repr__(self) -> str:
        return repr(self._told)

    def _repr_html_(self) -> str:
        """As notebooks show it: the heat map, and the ends of the table."""
        return self._figures.html() + self._told._repr_html_()
