"""What a plan's run over one example gave."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from vene import _vene
from vene._arrays import array
from vene._pickled import Unpicklable

if TYPE_CHECKING:
    from vene._model import Model


@dataclass(frozen=True)
class Outcome(Unpicklable):
    """What a plan's run gave."""

    _instead = "pickle its arrays, `logits()` and `activation(...)`, or its `receipts`"

    _outcome: _vene.Outcome
    _model: Model

    def logits(self, read: int = 0) -> npt.NDArray[np.float64]:
        """Of the whole vocabulary, `[vocabulary]`, at the position that the plan reads as its `read`-th (default: the last)."""
        return array(self._outcome.logits(read))

    def probabilities(self, read: int = 0) -> npt.NDArray[np.float64]:
        """The same as probabilities."""
        return softmax(self.logits(read))

    def activation(self, component: str, layer: int | None = None) -> npt.NDArray[Any]:
        """What `[[collect]]` kept there: `[positions, width]`, or `[heads, queries, keys]` of attention patterns."""
        name, own, _ = self._model._model.component(component)
        return array(self._outcome.activation(name, own if layer is None else layer))

    @property
    def receipts(self) -> list[dict[str, Any]]:
        """What each edit did: where, how large the change was, and why nothing changed where nothing did."""
        receipts: list[dict[str, Any]] = json.loads(self._outcome.receipts)
        return receipts

    def __repr__(self) -> str:
        logits = self.logits()
        best = int(np.argmax(logits))
        token = self._model._model.token_text(best)
        return f"vene.Outcome(likeliest: {token!r} {softmax(logits)[best]:.3f}, {len(self.receipts)} receipts)"


def softmax(logits: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Probabilities along the last axis, in double precision."""
    shifted = logits.astype(np.float64) - logits.max(axis=-1, keepdims=True)
    weights: npt.NDArray[Any] = np.exp(shifted)
    weights /= weights.sum(axis=-1, keepdims=True)
    return weights
