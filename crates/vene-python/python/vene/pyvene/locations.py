"""What a call says of places, brought into one form: for each intervention and each example its units.

pyvene takes many short forms; all are spelt out here, so that what is written into a plan has one meaning.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from vene._errors import PlanError
from vene._padding import Prompts


class MissingPlace(PlanError, IndexError):
    """Fewer places than interventions; an `IndexError` too, as in pyvene."""


Nested = Any


def lists(value: Any) -> Nested:
    """Numbers and lists as JSON has them, of tuples, arrays and tensors."""
    if isinstance(value, dict):
        return {key: lists(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [lists(inner) for inner in value]
    if value is None or isinstance(value, int):
        return value
    found = np.asarray(value.tolist() if hasattr(value, "tolist") else value).tolist()
    return found if isinstance(found, int) else lists(found)


def unit_locations(given: Any, units: Sequence[str], examples: int, serial: bool) -> dict[str, Nested] | None:
    """`{"sources->base": (sources', base's)}` with `[interventions][examples][units]` on each side; `None` stays.

    `units` has each intervention's (`pos`, `h`, `h.pos`, `t`); in serial mode each pair is of one group's alone.
    """
    if given is None:
        return None
    if not isinstance(given, dict):
        raise PlanError('unit_locations is a dict, as {"sources->base": 4}')
    spelt: dict[str, Nested] = {}
    for name, value in given.items():
        short = value if isinstance(value, tuple) else lists(value)
        count = 1 if serial else len(units)
        own = units[_group(name):][:1] if serial else units
        if name == "base":
            spelt["sources->base"] = [None, _side(lists(short), own, count, examples)]
        elif _is_pair(short):
            spelt[name] = [_side(lists(side), own, count, examples) for side in short]
        else:
            side = _side(lists(short), own, count, examples)
            spelt[name] = [side, side]
    return spelt


def subspaces(given: Any, interventions: int, examples: int) -> Nested:
    """`[interventions][examples][parts]`; `None` stays, in place of an intervention's too."""
    value = lists(given)
    if value is None:
        return None
    if isinstance(value, int):
        value = [value]
    if all(isinstance(one, int) for one in value):
        return [[value] * examples] * interventions
    if len(value) != interventions:
        raise MissingPlace(f"subspaces has {len(value)} entries for {interventions} interventions")
    return [None if one is None else _of_examples(one, examples) for one in value]


def of_the_first(spelt: Nested, examples: int) -> Nested:
    """The same with the first example's lists for all, which is what pyvene's `use_fast` means."""
    if isinstance(spelt, dict):
        return {name: of_the_first(value, examples) for name, value in spelt.items()}
    if isinstance(spelt, list):
        if len(spelt) == examples and all(_is_flat(one) for one in spelt):
            return spelt[:1] * examples
        return [of_the_first(one, examples) for one in spelt]
    return spelt


def _is_flat(value: Nested) -> bool:
    return isinstance(value, list) and all(isinstance(one, int) for one in value)


def in_prompts(side: Nested, units: Sequence[str], batches: Sequence[Prompts | None]) -> Nested:
    """A side's places in rows of padded batches, as places in the prompts; `batches` has for each intervention the batch that is
    meant, `None` where it reads none."""
    if side is None:
        return None
    return [
        one if one is None or batch is None or unit == "h"
        else [one[0], _in_prompts(one[1], batch)] if unit == "h.pos"
        else _in_prompts(one, batch)
        for one, unit, batch in zip(side, units, batches, strict=True)
    ]


def _in_prompts(places: list[list[int]], batch: Prompts) -> list[list[int]]:
    found = []
    for index, (own, prompt, before) in enumerate(zip(places, batch.tokens, batch.before, strict=True)):
        for place in own:
            if not 0 <= place - before < len(prompt):
                raise PlanError(
                    f"location {place} of example {index} is padding: its prompt stands at {before} to {before + len(prompt) - 1}")
        found.append([place - before for place in own])
    return found


def serial_pair(name: str) -> tuple[int, int | None]:
    """The run that is read and the one that is edited, of a name such as `source_0->source_1`; `None` is the base."""
    into = name.partition("->")[2]
    return _group(name), None if into == "base" else _number(into, name)


def _group(name: str) -> int:
    return _number(name.partition("->")[0], name)


def _number(run: str, name: str) -> int:
    source = run.rpartition("_")[2]
    if not source.isdigit():
        raise PlanError(f"{name} is no pair of locations in serial mode: expected source_0->source_1 and so on")
    return int(source)


def _is_pair(value: Any) -> bool:
    """Whether it is a pair of source's and base's, and not one side for both."""
    return isinstance(value, tuple | list) and len(value) == 2


def _side(value: Nested, units: Sequence[str], count: int, examples: int) -> Nested:
    if value is None:
        return None
    if isinstance(value, int):
        value = [value]
    if value and all(isinstance(one, int) for one in value):
        if "h.pos" in units:
            raise PlanError(f"{value} names no heads, of unit h.pos: give [heads, positions] for each intervention")
        return [[value] * examples] * count
    if len(value) != count:
        raise MissingPlace(f"unit_locations has {len(value)} entries for {count} interventions")
    return [
        None if one is None
        else [_of_examples(part, examples) for part in one] if unit == "h.pos"
        else _of_examples(one, examples)
        for one, unit in zip(value, units, strict=True)
    ]


def _of_examples(value: Nested, examples: int) -> Nested:
    """A list for each example; one that is given alone is meant for all."""
    if not isinstance(value, list) or any(isinstance(one, int) for one in value):
        raise PlanError(f"{value} has no list for each example: expected [interventions][examples][units]")
    if len(value) == examples:
        return value
    if len(value) == 1:
        return value * examples
    raise PlanError(f"{len(value)} lists of units for {examples} examples")
