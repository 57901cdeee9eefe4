"""Tables as users want them: pandas, polars, Arrow."""

from __future__ import annotations

from collections.abc import Callable
from html import escape
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from vene import _vene

if TYPE_CHECKING:
    import pandas
    import polars
    import pyarrow


ENDS = 5
"""Rows that a notebook shows of each end."""


class Table:
    """Rows with named columns.

    Anything that reads the Arrow PyCapsule interface takes one without a copy: `polars.DataFrame(table)`,
    `pyarrow.table(table)`.
    """

    def __init__(self, table: _vene.Table) -> None:
        self._table = table

    @classmethod
    def read_parquet(cls, path: str | Path) -> Table:
        """A table of a run's folder."""
        return cls(_vene.Table.read_parquet(str(path)))

    def __len__(self) -> int:
        return len(self._table)

    @property
    def columns(self) -> list[str]:
        """The columns' names, in order."""
        return self._table.columns

    def to_dict(self) -> dict[str, list[Any]]:
        """Each column as a list; missing values are `None`."""
        return self._table.to_dict()

    def to_pandas(self) -> pandas.DataFrame:
        """A pandas `DataFrame`; needs pandas."""
        import pandas

        return pandas.DataFrame(self.to_dict())

    def to_polars(self) -> polars.DataFrame:
        """A polars `DataFrame`, without a copy; needs polars."""
        import polars

        return polars.DataFrame(self)

    def __arrow_c_stream__(self, requested_schema: object | None = None) -> object:
        return self._table.__arrow_c_stream__(requested_schema)

    def write_csv(self, path: str | Path) -> None:
        self._table.write_csv(str(path))

    def write_parquet(self, path: str | Path) -> None:
        self._table.write_parquet(str(path))

    def to_arrow(self) -> pyarrow.Table:
        """A pyarrow `Table`, without a copy; needs pyarrow."""
        import pyarrow

        return pyarrow.table(self)

    def to_dicts(self) -> list[dict[str, Any]]:
        """Each row as a dict."""
        columns = self.to_dict()
        return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]

    def __eq__(self, other: object) -> bool:
        return self.to_dict() == other.to_dict() if isinstance(other, Table) else NotImplemented

    __hash__ = None  # type: ignore[assignment]

    def __reduce__(self) -> tuple[Callable[[bytes], Table], tuple[bytes]]:
        with TemporaryDirectory(prefix="vene-") as folder:
            path = Path(folder) / "table.parquet"
            self.write_parquet(path)
            return _of_parquet, (path.read_bytes(),)

    def __repr__(self) -> str:
        return str(self._table)

    def _repr_html_(self) -> str:
        """As notebooks show it: its first and last rows."""
        columns, rows = self.to_dict(), len(self)
        shown = [*range(rows)] if rows <= 2 * ENDS else [*range(ENDS), None, *range(rows - ENDS, rows)]
        head = "".join(f"<th>{escape(name)}</th>" for name in columns)
        lines = [
            "".join(f"<td>{'…' if row is None else _cell(column[row])}</td>" for column in columns.values()) for row in shown
        ]
        body = "".join(f"<tr>{line}</tr>" for line in lines)
        size = f"<p>{rows:,} rows x {len(columns)} columns</p>"
        return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>{size}"


def _of_parquet(content: bytes) -> Table:
    """A pickled table."""
    with TemporaryDirectory(prefix="vene-") as folder:
        path = Path(folder) / "table.parquet"
        path.write_bytes(content)
        return Table.read_parquet(path)


def _cell(value: Any) -> str:
    if value is None:
        return ""
    return f"{value:.5g}" if isinstance(value, float) else escape(str(value))
