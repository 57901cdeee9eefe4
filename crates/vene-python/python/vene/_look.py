"""A look inside: what the lens, an attribution and heads show."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from vene import _vene
from vene._arrays import array
from vene._errors import InputError
from vene._rows import file_of
from vene._table import Table
from vene._warn import warn


@dataclass(frozen=True)
class Looked:
    """What is looked at, as it crosses the border."""

    prompt: _vene.Prompt | None
    data: str | None
    positions: list[str]
    tokens: list[int]
    plan: _vene.Plan | None
    sources: list[_vene.Prompt]
    limit: int | None
    resamples: int | None


@dataclass(frozen=True)
class Look:
    """What was seen: tables.

    Made by `Model.lens`, `Model.attribute` and `Model.head_scores`.
    """

    table: Table
    """A row for each number: of a data set one for each of its rows too."""
    summary: Table | None = None
    """Of a data set the means over its rows, with 95 % intervals."""
    likeliest: Table | None = None
    """Of the lens, over one prompt: the likeliest tokens at each depth."""
    totals: Table | None = None
    """Of an attribution: the logit or difference at each position, and the sum of all contributions."""

    @classmethod
    def of(cls, found: tuple[list[tuple[str, _vene.Table]], list[str]]) -> Look:
        tables, warnings = found
        warn(warnings)
        return cls(**{name: Table(table) for name, table in tables})

    def _repr_html_(self) -> str:
        return (self.summary or self.table)._repr_html_()


class Attention:
    """What heads attend to in a prompt. Made by `Model.attention`; a notebook shows it as a page to point at."""

    def __init__(self, attention: _vene.Attention) -> None:
        self._attention = attention
        self.tokens: list[str] = attention.tokens
        """The prompt's tokens, spaces as `_`."""
        self.heads: list[tuple[int, int]] = attention.heads
        """Layer and number of each head, in the order of `weights`."""
        self.weights: npt.NDArray[np.float32] = array(attention.weights())
        """`[heads, queries, keys]`."""

    @property
    def table(self) -> Table:
        """A row for each head, query and key that it may see."""
        return Table(self._attention.table())

    def save(self, path: str | Path) -> None:
        """Writes a page, in one HTML file that needs no network, on which one points at heads and tokens."""
        Path(path).write_text(self._attention.page(), encoding="utf-8")

    def _repr_html_(self) -> str:
        page = self._attention.page().replace("&", "&amp;").replace('"', "&quot;")
        return f'<iframe srcdoc="{page}" width="100%" height="800" style="border: 0"></iframe>'

    def __repr__(self) -> str:
        return f"vene.Attention({len(self.heads)} heads, {len(self.tokens)} tokens)"


class Weights(Mapping[str, npt.NDArray[np.float32]]):
    """A model's weights by name, each read from the model's files when it is asked for.

    Names and layout are the same for all families: `weights["layers.0.query.weight"]` is `[heads * head_dim, d_model]`.
    """

    def __init__(self, model: _vene.Model) -> None:
        self._model = model
        self.shapes: dict[str, tuple[int, ...]] = {
            name: tuple(shape) for name, shape in _vene.list_weights(model)
        }
        """The shape of each."""

    def __getitem__(self, name: str) -> npt.NDArray[np.float32]:
        try:
            return array(_vene.read_weight(self._model, str(name)))
        except InputError as error:
            # As a mapping says it, so that `get` has its default.
            raise KeyError(str(error)) from None

    def __contains__(self, name: object) -> bool:
        return name in self.shapes

    def __iter__(self) -> Iterator[str]:
        return iter(self.shapes)

    def __len__(self) -> int:
        return len(self.shapes)

    def __repr__(self) -> str:
        return f"vene.Weights({len(self)} weights, such as {', '.join(list(self)[:3])})"


@contextmanager
def looked(
    model: _vene.Model,
    prompt: _vene.Prompt | None,
    data: Any,
    positions: Any,
    default: tuple[str, str],
    *,
    tokens: str | int | Sequence[str | int] | None = None,
    plan: _vene.Plan | None = None,
    sources: Iterable[_vene.Prompt] = (),
    limit: int | None = None,
    resamples: int | None = None,
) -> Iterator[Looked]:
    """What is looked at. `default` are the positions of a prompt, and of a data set's rows."""
    if (prompt is None) == (data is None):
        raise InputError("a prompt is looked at, or a data set: give one of them")
    if data is None and (limit is not None or resamples is not None):
        raise InputError("limit and resamples are about a data set (data=)")
    if data is not None and tokens is not None:
        raise InputError("a data set's rows have targets and foils of their own: tokens are about a prompt")
    given = default[data is not None] if positions is None else positions
    listed = given if isinstance(given, list | tuple | range | np.ndarray) else [given]
    named = [tokens] if isinstance(tokens, str | int) else list(tokens or [])
    ids = [model.single_token(token) if isinstance(token, str) else int(token) for token in named]
    if data is None:
        yield Looked(prompt, None, [str(item) for item in listed], ids, plan, list(sources), None, None)
        return
    with file_of(data) as path:
        yield Looked(None, path, [str(item) for item in listed], [], plan, [], limit, resamples)
