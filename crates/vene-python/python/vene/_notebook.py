"""The helpers of pyvene's tutorials."""

from __future__ import annotations

from typing import Any

import numpy as np

from vene._arrays import LazyRows
from vene._model import Config, Model, load, softmax
from vene._tokenizer import Tokenizer


def create_gpt2(name: str = "gpt2", cache_dir: Any = None) -> tuple[Config, Tokenizer, Model]:
    """Configuration, tokenizer and model, as pyvene's function of the name; of any model that vene loads."""
    model = load(name)
    print("loaded model")
    return model.config, model.tokenizer, model


def embed_to_distrib(model: Model, embed: Any, log: bool = False, logits: bool = False) -> LazyRows:
    """The next-token distributions of `last_hidden_state`: `[..., d_model]` to `[..., vocabulary]`.

    A row is computed when it is asked for. `logits=True`: the logits themselves; `log=True`: log-probabilities in nats.
    """
    hidden = np.asarray(embed)
    if logits:
        return model.unembed(hidden)
    scores = model.unembed(hidden.reshape(-1, hidden.shape[-1]))

    def rows(places: Any) -> Any:
        probabilities = softmax(np.asarray(scores[places]))
        return np.log(probabilities) if log else probabilities

    return LazyRows(hidden.shape[:-1], scores.shape[-1], rows)


def format_token(tokenizer: Tokenizer, tok: Any) -> str:
    """A token's text, on one line: `_Madrid`."""
    return tokenizer.decode(tok).replace(" ", "_").replace("\n", "\\n")


def top_vals(tokenizer: Tokenizer, res: Any, n: int = 10, return_results: bool = False) -> list[tuple[str, float]] | None:
    """Prints the `n` largest of `[vocabulary]` values with their tokens, or returns them."""
    values = np.asarray(res)
    best = np.argsort(-values, kind="stable")[:n]
    found = [(format_token(tokenizer, int(token)), float(values[token])) for token in best]
    if return_results:
        return found
    for text, value in found:
        print(f"{text:<20} {value}")
    return None
