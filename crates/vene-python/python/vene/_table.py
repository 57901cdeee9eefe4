"""Tables as users want them: pandas, polars, Arrow."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from vene import _vene

if TYPE_CHECKING:
    import pandas
    import polars


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

    def __repr__(self) -> str:
        return str(self._table)
