"""Unedited runs that are kept: by users, and by a model for calls that follow each other."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable
from typing import TYPE_CHECKING

from vene import _vene
from vene._outcome import Outcome
from vene._pickled import Unpicklable

if TYPE_CHECKING:
    from vene._model import GivenPlan, Model, Prompt

KEPT = 4
"""How many sessions a model keeps for calls that follow each other."""


class Session(Unpicklable):
    """Unedited runs that are kept. Made by `Model.session`."""

    _instead = "pickle its model, and make a session in the other process"

    def __init__(self, model: Model, session: _vene.Session) -> None:
        self._model = model
        self._session = session

    @property
    def bytes(self) -> int:
        """What is kept takes so many bytes."""
        return self._session.bytes

    def run(self, plan: GivenPlan, base: Prompt, sources: Iterable[Prompt] = ()) -> Outcome:
        """Runs a plan over prompts of the session; `Model.run` says what a plan is."""
        model = self._model
        given = [model._given(prompt) for prompt in (base, *sources)]
        return Outcome(self._session.run(model._plan(plan), given[0], given[1:]), model)

    def __repr__(self) -> str:
        return f"vene.Session({self._session.rows} tokens kept in {self.bytes:,} bytes)"


class Sessions:
    """The last few sessions of a model, by their prompts."""

    def __init__(self, model: _vene.Model) -> None:
        self._model = model
        self._kept: OrderedDict[tuple[tuple[int, ...], ...], _vene.Session] = OrderedDict()

    def of(self, prompts: Iterable[tuple[int, ...]]) -> _vene.Session:
        """That of some prompts, which are run where it is not kept."""
        key = tuple(dict.fromkeys(prompts))
        # Another thread may take it at the same time: then both run the prompts, and both are right.
        found = self._kept.pop(key, None)
        session = found or _vene.Session(self._model, [list(prompt) for prompt in key])
        self._kept[key] = session
        while len(self._kept) > KEPT:
            self._kept.popitem(last=False)
        return session
