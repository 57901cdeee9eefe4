"""A sweep's arguments as the experiment that they are, and its tables."""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vene import _vene
from vene._errors import InputError
from vene._table import Table

Names = str | Sequence[str]


@dataclass(frozen=True)
class Swept:
    """What a sweep gave."""

    examples: Table
    """A row for each example, place and metric. Of a pair without metrics it has no rows."""
    tokens: Table | None
    """Of a pair: the probability of each token that was followed, at each place."""
    summary: Table | None
    """Over a data set: means with intervals over clusters of rows."""

    @property
    def _told(self) -> Table:
        """The table that says most in a few rows."""
        return next(table for table in (self.summary, self.tokens, self.examples) if table is not None)

    def __repr__(self) -> str:
        return repr(self._told)

    def _repr_html_(self) -> str:
        return self._told._repr_html_()


def listed(values: Any) -> Any:
    """A list as experiments have it: one value, or several."""
    if values is None or isinstance(values, str | int):
        return values
    return [value if isinstance(value, int | str) else str(value) for value in values]


def names(values: Names | None) -> list[str]:
    if values is None:
        return []
    return [values] if isinstance(values, str) else list(values)


def sweep(model: _vene.Model, data: Any, sections: dict[str, dict[str, Any]], progress: bool | None) -> Swept:
    """Runs the sweep of these sections."""
    with tempfile.TemporaryDirectory(prefix="vene-") as folder:
        if data is not None:
            sections["data"]["path"] = str(_file(data, Path(folder)))
        said = {
            name: {key: value for key, value in section.items() if value is not None and value != []}
            for name, section in sections.items()
        }
        document = json.dumps({"kind": "sweep", **{name: section for name, section in said.items() if section}})
        examples, tokens, summary = _with_bar(progress, lambda told: _vene.sweep(model, document, told))
    return Swept(
        examples=Table(examples),
        tokens=None if tokens is None else Table(tokens),
        summary=None if summary is None else Table(summary),
    )


def _file(data: Any, folder: Path) -> Path:
    """Rows as a file: one that is there, or rows of whatever has rows."""
    if isinstance(data, str | Path):
        return Path(data).absolute()
    path = folder / "rows.jsonl"
    with path.open("w", encoding="utf-8") as file:
        for row in _rows(data):
            said = {key: value for key, value in row.items() if value is not None}
            file.write(json.dumps(said, ensure_ascii=False) + "\n")
    return path


def _rows(data: Any) -> Iterable[Mapping[str, Any]]:
    for method, arguments in (("to_dicts", ()), ("to_pylist", ()), ("to_dict", ("records",))):
        # polars, Arrow, pandas.
        found = getattr(data, method, None)
        if callable(found) and not isinstance(data, Mapping):
            return found(*arguments)  # type: ignore[no-any-return]
    if isinstance(data, Iterable) and not isinstance(data, Mapping | bytes):
        rows = list(data)
        if all(isinstance(row, Mapping) for row in rows):
            return rows
    raise InputError("data: expected the path of a file, a list of dicts, or a table of pandas, polars or Arrow")


def _with_bar(progress: bool | None, run: Callable[[Callable[[int, int], None] | None], Any]) -> Any:
    """With a bar of tqdm, where that is wanted; without a word, in notebooks and on terminals alone."""
    wanted = progress if progress is not None else sys.stderr.isatty() or "ipykernel" in sys.modules
    if not wanted:
        return run(None)
    try:
        from tqdm.auto import tqdm
    except ImportError:
        return run(None)
    with tqdm(unit="interventions", leave=False) as bar:

        def told(done: int, everything: int) -> None:
            bar.total = everything
            bar.update(done - bar.n)

        return run(told)
