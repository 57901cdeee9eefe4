"""Whose runs are edited: a model of vene's, one of transformers' in memory, or a network of pyvene's that reads vectors."""

from __future__ import annotations

import warnings
import weakref
from collections import OrderedDict
from dataclasses import dataclass
from typing import Any

import numpy as np

from vene._errors import InputError, ModelError
from vene._from_memory import Weights
from vene._model import Model
from vene._padding import Prompts
from vene.pyvene._backend import as_array

NETWORKS = ("MLPModel", "MLPForClassification", "GRUModel", "GRUForClassification", "GRULMHeadModel")
"""Classes of pyvene's networks."""
KEPT_INPUTS = 4
"""So many sets of vectors are kept for calls that follow each other."""


class Host:
    """A model as it is given, and vene's for it."""

    def __init__(self, given: Any) -> None:
        self.given = given
        self.is_network = type(given).__name__ in NETWORKS
        if not isinstance(given, Model) and not (hasattr(given, "state_dict") and hasattr(given, "config")):
            raise ModelError(
                f"a model is one of vene's (vene.load) or of transformers'; given {type(given).__name__}")
        self._inputs: OrderedDict[bytes, tuple[_Converted, Model]] = OrderedDict()
        if not isinstance(given, Model):
            _forget_if_changed(given)

    @property
    def model(self) -> Model:
        """vene's model, with the weights that the given one has now."""
        return self.given if isinstance(self.given, Model) else _converted(self.given).model

    @property
    def has_head(self) -> bool:
        """Whether the model gives logits first, and not hidden states."""
        name = type(self.given).__name__
        return isinstance(self.given, Model) or "LMHead" in name or "For" in name

    @property
    def wants_torch(self) -> bool:
        return not isinstance(self.given, Model)

    def encoded(self, inputs: list[Any]) -> tuple[Model, list[Prompts]]:
        """The prompts of several inputs, each what a tokenizer (or, for networks, a user) gives; and the model that reads them."""
        if not self.is_network or all("input_ids" in one for one in inputs):
            return self.model, [_token_prompts(one) for one in inputs]
        rows: dict[bytes, int] = {}
        prompts = [_vector_prompts(one, rows) for one in inputs]
        key = b"".join(rows)
        current = _converted(self.given)
        made_of, model = self._inputs.pop(key, (None, None))
        if model is None or made_of is not current:
            vectors = np.frombuffer(key, dtype=np.float32).reshape(len(rows), current.model.config.d_model)
            model = current.weights.model(current.precision, vectors)
        self._inputs[key] = current, model
        while len(self._inputs) > KEPT_INPUTS:
            self._inputs.popitem(last=False)
        return model, prompts


def _token_prompts(inputs: Any) -> Prompts:
    """The token ids of what a tokenizer gave, `[examples, tokens]`, padded or not."""
    given = {name: as_array(value) for name, value in inputs.items() if value is not None}
    unknown = set(given) - {"input_ids", "attention_mask", "position_ids", "token_type_ids"}
    if unknown or "input_ids" not in given:
        raise InputError(
            f"inputs have {', '.join(sorted(given))}; input_ids, with attention_mask and position_ids, are known here")
    return Prompts.of(given["input_ids"], given.get("attention_mask"), given.get("position_ids"))


def _vector_prompts(inputs: Any, rows: dict[bytes, int]) -> Prompts:
    """Prompts of vectors `[examples, positions, width]`, each vector by its number in `rows`."""
    unknown = [name for name, value in inputs.items() if value is not None and name != "inputs_embeds"]
    if unknown:
        raise InputError(f"inputs have {', '.join(unknown)}; inputs_embeds alone is known for such a network")
    vectors = np.ascontiguousarray(as_array(inputs["inputs_embeds"]), dtype=np.float32)
    if vectors.ndim != 3:
        raise InputError(f"inputs_embeds has shape {list(vectors.shape)}; expected [examples, positions, width]")
    numbers = [tuple(rows.setdefault(row.tobytes(), len(rows)) for row in example) for example in vectors]
    return Prompts(numbers, [0] * len(numbers), vectors.shape[1])


@dataclass(frozen=True)
class _Converted:
    """vene's model for one that is in memory, as its weights were."""

    stamp: tuple[tuple[int, int], ...]
    """Where each weight lay, and PyTorch's count of what was written into it."""
    sample: tuple[float, ...]
    """Sums of some of its values, which tell what PyTorch does not count."""
    weights: Weights
    model: Model
    precision: str


_CONVERTED: weakref.WeakKeyDictionary[Any, _Converted] = weakref.WeakKeyDictionary()


def _stamp(given: Any) -> tuple[tuple[int, int], ...]:
    return tuple((weight.data_ptr(), weight._version) for weight in given.parameters())


def _sample(given: Any) -> tuple[float, ...]:
    """Sums of some values of each weight."""
    flat = (weight.detach().reshape(-1) for weight in given.parameters())
    return tuple(float(values[:: max(1, len(values) // 64)].double().sum()) for values in flat)


def _forget_if_changed(given: Any) -> None:
    """Reads a model anew whose weights were changed through `.data`, which PyTorch does not count: looked at when it is wrapped."""
    known = _CONVERTED.get(given)
    if known is not None and known.sample != _sample(given):
        del _CONVERTED[given]


def _converted(given: Any) -> _Converted:
    """vene's model for one that is in memory; made anew when a weight was changed."""
    stamp, known = _stamp(given), _CONVERTED.get(given)
    if known is not None and known.stamp == stamp:
        return known
    has_head = type(given).__name__ in NETWORKS or getattr(given, "get_output_embeddings", lambda: None)() is not None
    weights = Weights.of_transformers(given, headless=not has_head)
    precision = "double" if "float64" in str(next(given.parameters()).dtype) else "single"
    with warnings.catch_warnings():
        # What is doubtful of the tokenizer, which is not there: prompts are given in tokens.
        warnings.simplefilter("ignore")
        model = weights.model(precision)
    made = _CONVERTED[given] = _Converted(stamp, _sample(given), weights, model, precision)
    return made
