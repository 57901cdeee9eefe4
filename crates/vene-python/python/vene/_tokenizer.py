"""A model's tokenizer, called as Hugging Face's are."""

from __future__ import annotations

import importlib.util
from typing import Any

import numpy as np

from vene import _vene
from vene._arrays import Tensor
from vene._errors import InputError


class Encoding(dict[str, Any]):
    """Token ids and their mask, by key and by attribute: `**encoding` goes into a model's call."""

    def __getattr__(self, name: str) -> Any:
        try:
            return self[name]
        except KeyError:
            raise AttributeError(name) from None

    def to(self, _device: Any) -> Encoding:
        """The same: everything is computed by the processor."""
        return self


class Tokenizer:
    """Texts to tokens and back, by the model's own files."""

    def __init__(self, model: _vene.Model) -> None:
        self._model = model

    def __call__(
        self,
        text: str | list[str],
        return_tensors: str | None = None,
        padding: bool | str | None = None,
        padding_side: str | None = None,
        **options: Any,
    ) -> Encoding:
        """The tokens of a text, or of several: `input_ids` and `attention_mask`, `[texts, tokens]`.

        `return_tensors`: `"pt"` gives PyTorch's tensors where PyTorch is installed, else `vene.Tensor`; `"np"` NumPy's;
        `None` lists. With `padding=True` shorter texts are filled up, on the right or, by `padding_side="left"`, on the left, with
        tokens that the mask hides.
        """
        unknown = {name for name, value in options.items() if value not in (None, False)}
        unknown -= {"add_special_tokens"}
        if unknown:
            raise InputError(f"the tokenizer does not know {', '.join(sorted(unknown))}")
        texts = [text] if isinstance(text, str) else list(text)
        ids = [self.encode(text) for text in texts]
        mask = [[1] * len(tokens) for tokens in ids]
        if padding not in (None, False, True, "longest"):
            raise InputError(f"padding={padding!r}: expected True, or nothing")
        if padding_side not in (None, "left", "right"):
            raise InputError(f"padding_side={padding_side!r}: expected 'left' or 'right'")
        if padding:
            filler = (self._model.ends or [0])[0]
            ids = _padded(ids, filler, padding_side)
            mask = _padded(mask, 0, padding_side)
        if return_tensors is None:
            single = isinstance(text, str)
            return Encoding(input_ids=ids[0] if single else ids, attention_mask=mask[0] if single else mask)
        if len({len(tokens) for tokens in ids}) > 1:
            raise InputError("texts of different lengths make no tensor: pad them (padding=True), or encode them one by one")
        return Encoding(
            input_ids=_returned(np.asarray(ids, dtype=np.int64), return_tensors),
            attention_mask=_returned(np.asarray(mask, dtype=np.int64), return_tensors),
        )

    def encode(self, text: str) -> list[int]:
        """The tokens of a text, with the beginning-of-sequence token that the model has."""
        return self._model.encode(text)

    def decode(self, tokens: Any, **_options: Any) -> str:
        """The text of a token, or of several."""
        return self._model.decode([int(token) for token in np.ravel(np.asarray(tokens))])


def _padded(rows: list[list[int]], filler: int, side: str | None) -> list[list[int]]:
    """Rows as long as the longest."""
    longest = max(map(len, rows), default=0)
    pads = [[filler] * (longest - len(row)) for row in rows]
    return [pad + row if side == "left" else row + pad for row, pad in zip(rows, pads, strict=True)]


def _returned(tokens: Any, how: str) -> Any:
    if how == "np":
        return tokens
    if how != "pt":
        raise InputError(f"return_tensors={how!r}: expected 'pt', 'np' or None")
    if importlib.util.find_spec("torch") is None:
        return Tensor.of(tokens)
    import torch

    return torch.from_numpy(tokens)
