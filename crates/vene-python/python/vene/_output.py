"""What a forward pass gives to those who call a model as Hugging Face's are called."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from vene import _vene
from vene._arrays import LazyRows, array
from vene._outcome import softmax

UNEMBEDDED = 16
"""How many rows of logits a model keeps for calls that follow each other."""


@dataclass(frozen=True)
class ModelOutput:
    """What a run gave: of one prompt, or of several of equal length."""

    last_hidden_state: Any
    """After the last norm: `[prompts, positions, d_model]`."""
    logits: LazyRows
    """`[prompts, positions, vocabulary]`; a row is computed when it is asked for."""


class Unembedding:
    """From the last norm's output to logits: a row when it is asked for, the last few of them kept."""

    def __init__(self, model: _vene.Model, vocabulary: int) -> None:
        self._model = model
        self._vocabulary = vocabulary
        self._kept: OrderedDict[bytes, npt.NDArray[Any]] = OrderedDict()
        self._distributions: OrderedDict[bytes, npt.NDArray[Any]] = OrderedDict()

    def probabilities(self, hidden: npt.ArrayLike, log: bool = False) -> LazyRows:
        """The next-token distributions of the last norm's output: `[..., d_model]` to `[..., vocabulary]`, in double precision;
        with `log` their logarithms, in nats."""
        rows = np.ascontiguousarray(np.asarray(hidden), dtype=np.float32)
        flat = rows.reshape(-1, rows.shape[-1])
        logits = self(flat)

        def distribution(place: int) -> npt.NDArray[Any]:
            key = flat[place].tobytes()
            known = self._distributions.pop(key, None)
            found = softmax(np.asarray(logits[place])) if known is None else known
            self._distributions[key] = found
            while len(self._distributions) > UNEMBEDDED:
                self._distributions.popitem(last=False)
            return found

        def distributions(places: npt.NDArray[np.intp]) -> npt.NDArray[Any]:
            found = np.stack([distribution(int(place)) for place in places])
            return np.log(found) if log else found

        return LazyRows(rows.shape[:-1], self._vocabulary, distributions)

    def __call__(self, hidden: npt.ArrayLike) -> LazyRows:
        rows = np.ascontiguousarray(np.asarray(hidden), dtype=np.float32)
        flat = rows.reshape(-1, rows.shape[-1])

        def logits(places: npt.NDArray[np.intp]) -> npt.NDArray[Any]:
            # Interventions that change nothing leave the same row again and again.
            keys = [flat[place].tobytes() for place in places]
            new = {key: place for key, place in zip(keys, places, strict=True) if key not in self._kept}
            if new:
                computed = array(self._model.logits(flat[list(new.values())]))
                self._kept.update(zip(new, computed, strict=True))
            chosen = np.stack([self._kept[key] for key in keys])
            while len(self._kept) > UNEMBEDDED:
                self._kept.popitem(last=False)
            return chosen

        return LazyRows(rows.shape[:-1], self._vocabulary, logits)
