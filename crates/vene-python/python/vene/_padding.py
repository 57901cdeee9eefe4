"""Batches of token ids that are padded: the tokens that the mask shows are prompts, and nothing is computed of the others."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from vene._errors import InputError


@dataclass(frozen=True)
class Prompts:
    """The prompts of a batch, and where they stand in its rows."""

    tokens: list[tuple[int, ...]]
    """Each prompt's token ids."""
    before: list[int]
    """How many tokens of padding stand before each."""
    width: int
    """How long the batch's rows are, in tokens."""

    @classmethod
    def of(cls, input_ids: Any, attention_mask: Any = None, position_ids: Any = None) -> Prompts:
        """The prompts in `[prompts, tokens]` ids, padded on either side as the mask, of the same shape, says (1: a token).

        `position_ids` are those that vene gives the tokens itself, counted from each prompt's first; others are refused.
        """
        ids = np.atleast_2d(np.asarray(input_ids))
        if ids.ndim != 2 or not np.issubdtype(ids.dtype, np.integer):
            raise InputError(f"input_ids are an array {list(ids.shape)} of {ids.dtype}; expected integers [prompts, tokens]")
        mask = None if attention_mask is None else _mask(attention_mask, ids.shape)
        tokens, before = [], []
        for index, row in enumerate(ids):
            if mask is None or (len(row) and mask[index].all()):
                tokens.append(tuple(row.tolist()))
                before.append(0)
                continue
            (places,) = np.nonzero(mask[index])
            if not len(places):
                raise InputError(f"the attention mask hides every token of prompt {index}")
            first, last = int(places[0]), int(places[-1])
            if last - first + 1 != len(places):
                raise InputError(
                    f"the attention mask hides tokens within prompt {index}: padding stands before a prompt or after it")
            tokens.append(tuple(row[first : last + 1].tolist()))
            before.append(first)
        found = cls(tokens, before, ids.shape[1])
        if position_ids is not None:
            found._check_positions(position_ids)
        return found

    @property
    def shown(self) -> npt.NDArray[np.bool_]:
        """Which of `[prompts, width]` are tokens of a prompt."""
        mask = np.zeros((len(self.tokens), self.width), dtype=bool)
        for row, prompt, before in zip(mask, self.tokens, self.before, strict=True):
            row[before : before + len(prompt)] = True
        return mask

    @property
    def is_padded(self) -> bool:
        return any(len(prompt) != self.width for prompt in self.tokens)

    def spread(self, rows: Sequence[npt.NDArray[Any]]) -> npt.NDArray[Any]:
        """Each prompt's rows `[tokens, ...]` where the batch has them, as `[prompts, width, ...]`: zeros where it is padded."""
        if not self.is_padded:
            return np.stack(rows)
        whole = np.zeros((len(rows), self.width, *rows[0].shape[1:]), dtype=rows[0].dtype)
        for into, own, before in zip(whole, rows, self.before, strict=True):
            into[before : before + len(own)] = own
        return whole

    def _check_positions(self, position_ids: Any) -> None:
        given = np.atleast_2d(np.asarray(position_ids))
        if given.shape not in ((len(self.tokens), self.width), (1, self.width)):
            raise InputError(f"position_ids have shape {list(given.shape)}; input_ids {[len(self.tokens), self.width]}")
        given = np.broadcast_to(given, (len(self.tokens), self.width))
        for index, (row, prompt, before) in enumerate(zip(given, self.tokens, self.before, strict=True)):
            if row[before : before + len(prompt)].tolist() != list(range(len(prompt))):
                raise InputError(
                    f"position_ids of prompt {index} do not count its tokens from 0, as vene does: leave them out")


def _mask(given: Any, shape: tuple[int, ...]) -> npt.NDArray[np.bool_]:
    mask = np.atleast_2d(np.asarray(given))
    if mask.shape != shape:
        raise InputError(f"the attention mask has shape {list(mask.shape)}; input_ids {list(shape)}")
    if not ((mask == 0) | (mask == 1)).all():
        raise InputError("the attention mask has values other than 0 and 1")
    shown: npt.NDArray[np.bool_] = mask.astype(bool)
    return shown
