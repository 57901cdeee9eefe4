"""The rows of a data set: of whatever has rows, into the file that the engine reads."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from vene._errors import InputError

EXPECTED = "data: expected the path of a file, a list of dicts, or a table of pandas, polars, Arrow or Hugging Face's datasets"


@contextmanager
def file_of(data: Any) -> Iterator[str]:
    """The path of a file with the rows: the one that is given, or one that is there for as long as it is needed."""
    if isinstance(data, str | Path):
        yield str(Path(data).absolute())
        return
    with TemporaryDirectory(prefix="vene-") as folder:
        path = Path(folder) / "rows.jsonl"
        with path.open("w", encoding="utf-8") as file:
            for row in _rows(data):
                said = {str(key): value for key, value in row.items() if not _is_missing(value)}
                file.write(json.dumps(said, ensure_ascii=False, default=_plain) + "\n")
        yield str(path)


def _rows(data: Any) -> Iterable[Mapping[str, Any]]:
    if isinstance(data, Mapping):
        splits = [name for name, value in data.items() if hasattr(value, "to_list")]
        raise InputError(f"{EXPECTED}; of a dict of data sets one: data[{splits[0]!r}]" if splits else EXPECTED)
    for method, arguments in (("to_dicts", ()), ("to_pylist", ()), ("to_list", ()), ("to_dict", ("records",))):
        # polars (and vene's own tables), Arrow, Hugging Face's datasets, pandas.
        found = getattr(data, method, None)
        if callable(found):
            return _mappings(found(*arguments))
    if isinstance(data, Iterable) and not isinstance(data, bytes):
        return _mappings(list(data))
    raise InputError(EXPECTED)


def _mappings(rows: Any) -> Iterable[Mapping[str, Any]]:
    if not isinstance(rows, list) or not all(isinstance(row, Mapping) for row in rows):
        raise InputError(EXPECTED)
    return rows


def _is_missing(value: Any) -> bool:
    """None, or NaN, which is what pandas has where nothing is."""
    return value is None or (isinstance(value, float) and value != value)


def _plain(value: Any) -> Any:
    """NumPy's numbers and arrays as JSON has them."""
    plain = getattr(value, "tolist", None)
    if plain is None:
        raise InputError(f"data: a cell holds {value!r}, a {type(value).__name__}; expected texts, numbers and lists of them")
    return plain()
