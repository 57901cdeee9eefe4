"""Experiments on a loaded model: arguments become the sections of a file, and the compiled half does what the command does."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from vene import _metric, _vene
from vene._progress import Told, bar
from vene._rows import file_of
from vene._warn import warn

if TYPE_CHECKING:
    from vene._model import Model

Names = str | Sequence[str]
Section = dict[str, Any]
T = TypeVar("T")


@dataclass(frozen=True)
class Asked:
    """An experiment as the compiled half takes it."""

    experiment: str
    plan: _vene.Plan | str | None
    functions: list[tuple[str, _vene.Intervention]]
    method: _vene.Intervention | None
    metrics: list[_metric.Asked]
    progress: Told | None


def listed(values: Any) -> Any:
    """A list as experiments have it: one value, or several."""
    if values is None or isinstance(values, str | int):
        return values
    return [value if isinstance(value, int | str) else str(value) for value in values]


def names(values: Names | None) -> list[str]:
    """One name, or several."""
    if values is None:
        return []
    return [values] if isinstance(values, str) else list(values)


def do(
    run: Callable[[_vene.Model, Asked], tuple[T, list[str]]],
    model: Model,
    kind: str,
    sections: Mapping[str, Section | list[Any]],
    *,
    unit: str,
    data: Any = None,
    metric: Any = None,
    plan: _vene.Plan | str | None = None,
    functions: Sequence[tuple[str, _vene.Intervention]] = (),
    method: _vene.Intervention | None = None,
    progress: bool | None = None,
) -> T:
    """Does an experiment; its warnings are Python's."""
    named, own = _metric.asked(metric, model)
    with ExitStack() as stack:
        said = {name: dict(section) if isinstance(section, Mapping) else section for name, section in sections.items()}
        if data is not None:
            said["data"] = {**_section(said, "data"), "path": stack.enter_context(file_of(data))}
        if named is not None:
            said["measure"] = {**_section(said, "measure"), "metrics": named}
        document = {name: section for name, section in map(_told, said.items()) if section}
        told = stack.enter_context(bar(progress, unit))
        asked = Asked(json.dumps({"kind": kind, **document}), plan, list(functions), method, own, told)
        result, warnings = run(model._model, asked)
    warn(warnings)
    return result


def _section(said: Mapping[str, Any], name: str) -> Section:
    section: Section = said.get(name) or {}
    return section


def _told(item: tuple[str, Any]) -> tuple[str, Any]:
    """A section without what was not said of it."""
    name, section = item
    if not isinstance(section, dict):
        return name, section
    return name, {key: value for key, value in section.items() if value is not None and value != []}
