"""Loops over positions, answered ahead.

A loop such as the tutorial's makes one intervention at a position, then at the next. Each call alone reads all weights after
its layer for the sake of a few rows. The rows of positions that are likely to be asked for next can share that pass: they cost
little there, and their results are the same to the bit, since a row's result depends on that row alone.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from vene._model import Model

ROWS = 16
"""So many rows may share a pass before they cost more than the weights that it reads."""

Hidden = Any
"""Hidden states `[1, positions, d_model]`."""


@dataclass(frozen=True)
class Question:
    """What a call asks, but for the position: one intervention without parameters, in one example."""

    intervention: type
    component: str
    layer: int
    base: tuple[int, ...]
    source: tuple[int, ...] | None
    shift: int
    """The source's position less the base's."""


@dataclass
class _Loop:
    """Calls of one question at one position after the other."""

    question: Question
    first: int
    last: int
    goes_on: bool
    """Whether the next position is likely to be asked for."""
    known: dict[int, Hidden]


class Ahead:
    """What calls of a model asked last, and what was computed beside it."""

    def __init__(self) -> None:
        self._loop: _Loop | None = None

    def answer(self, question: Question, position: int, run: Callable[[list[int]], list[Hidden]]) -> Hidden:
        """The hidden states of a call; `run` computes those of several positions together."""
        loop = self._loop
        if loop is None or loop.question != question:
            # Loops over positions follow each other, each from the same one on.
            goes_on = loop is not None and loop.goes_on and position == loop.first
            loop = self._loop = _Loop(question, position, position, goes_on, {})
        else:
            loop.goes_on, loop.last = position == loop.last + 1, position
        if position not in loop.known:
            positions = [position, *(_next(question, position) if loop.goes_on else [])]
            loop.known.update(zip(positions, run(positions), strict=True))
        # A copy: it is the caller's.
        return loop.known[position].copy()

    def forget(self) -> None:
        """Another kind of call: no loop goes on."""
        self._loop = None


def _next(question: Question, position: int) -> list[int]:
    """The positions that are likely to be asked for, as many as may share a pass."""
    length = len(question.base)
    last = length if question.source is None else min(length, len(question.source) - question.shift)
    found, rows = [], length - position
    for other in range(position + 1, last):
        rows += length - other
        if rows > ROWS:
            break
        found.append(other)
    return found


_OF: weakref.WeakKeyDictionary[Model, Ahead] = weakref.WeakKeyDictionary()


def of(model: Model) -> Ahead:
    """What a model's calls asked last."""
    return _OF.setdefault(model, Ahead())
