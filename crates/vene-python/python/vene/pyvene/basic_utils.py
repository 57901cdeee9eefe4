"""The helpers of pyvene's tutorials."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import numpy as np

from vene._errors import PlanError
from vene._model import Model
from vene._tokenizer import Tokenizer
from vene.pyvene._backend import HAS_TORCH, as_array, sigmoid
from vene.pyvene.configuration import class_of


def embed_to_distrib(model: Any, embed: Any, log: bool = False, logits: bool = False) -> Any:
    """The next-token distributions of `last_hidden_state`: `[..., d_model]` to `[..., vocabulary]`.

    A row is computed when it is asked for. `logits=True`: the logits themselves; `log=True`: log-probabilities in nats. Of a
    model of PyTorch's its tensors.
    """
    if not isinstance(model, Model):
        return _of_torch(model, embed, log, logits)
    hidden = as_array(embed)
    if logits:
        return model.unembed(hidden)
    return model.unembed.probabilities(hidden, log)


def _of_torch(model: Any, embed: Any, log: bool, logits: bool) -> Any:
    import torch

    with torch.inference_mode():
        head = model.get_output_embeddings()
        weight = model.get_input_embeddings().weight if head is None else head.weight
        scores = embed @ weight.t()
        if logits:
            return scores
        return scores.log_softmax(-1) if log else scores.softmax(-1)


def format_token(tokenizer: Tokenizer, tok: Any) -> str:
    """A token's text, on one line: `_Madrid`."""
    return str(tokenizer.decode(tok)).replace(" ", "_").replace("\n", "\\n")


def top_vals(tokenizer: Tokenizer, res: Any, n: int = 10, return_results: bool = False) -> list[tuple[str, float]] | None:
    """Prints the `n` largest of `[vocabulary]` values with their tokens, or returns them."""
    values = as_array(res)
    best = np.argsort(-values, kind="stable")[:n]
    found = [(format_token(tokenizer, int(token)), float(values[token])) for token in best]
    if return_results:
        return found
    for text, value in found:
        print(f"{text:<20} {value}")
    return None


def GET_LOC(LOC: tuple[int, int], unit: str = "h.pos", batch_size: int = 1) -> list[Any]:
    """A head and a position as the location of one intervention."""
    if unit != "h.pos":
        raise PlanError(f"unit is {unit!r}; expected h.pos, a head and a position")
    return [[[[LOC[0]]] * batch_size, [[LOC[1]]] * batch_size]]


def get_list_depth(lst: Any) -> int:
    """How deep lists are nested: 0 of what is no list."""
    return 1 + max(map(get_list_depth, lst), default=0) if isinstance(lst, list) else 0


def get_batch_size(model_input: Any) -> int:
    """How many examples inputs hold."""
    if isinstance(model_input, dict) or hasattr(model_input, "items"):
        model_input = next(iter(model_input.values()))
    return int(model_input.shape[0])


def get_type_from_string(type_str: str) -> type:
    """pyvene's class of a name; nothing is imported by its name."""
    return class_of(type_str)


def create_directory(path: str | Path) -> None:
    """Makes a folder, unless it is there."""
    Path(path).mkdir(parents=True, exist_ok=True)


def set_seed(seed: int) -> None:
    """Seeds the generators of Python, NumPy and PyTorch."""
    random.seed(seed)
    np.random.seed(seed)
    if HAS_TORCH:
        import torch

        torch.manual_seed(seed)


def count_parameters(model: Any) -> int:
    """How many numbers of a module are trained."""
    return sum(int(one.numel()) for one in model.parameters() if one.requires_grad)


def sigmoid_boundary(_input: Any, boundary_x: Any, boundary_y: Any, temperature: Any) -> Any:
    """A soft mask that is 1 between two boundaries."""
    return sigmoid((_input - boundary_x) / temperature) * sigmoid((boundary_y - _input) / temperature)
