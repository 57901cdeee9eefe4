"""Whose runs are edited: a model of vene's, one of transformers' in memory, or a network of pyvene's that reads vectors."""

from __future__ import annotations

import json
import tempfile
import warnings
import weakref
from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np

from vene import _vene
from vene._errors import InputError, ModelError
from vene._model import Model, check_mask, load
from vene.pyvene._backend import as_array

NETWORKS = ("MLPModel", "MLPForClassification", "GRUModel", "GRUForClassification", "GRULMHeadModel")
"""Classes of pyvene's networks."""
KEPT_INPUTS = 4
"""So many sets of vectors are kept for calls that follow each other."""

Prompts = list[tuple[int, ...]]


class Host:
    """A model as it is given, and vene's for it."""

    def __init__(self, given: Any) -> None:
        self.given = given
        self.is_network = type(given).__name__ in NETWORKS
        if not isinstance(given, Model) and not hasattr(given, "state_dict"):
            raise ModelError(
                f"a model is one of vene's (vene.load) or of transformers'; given {type(given).__name__}")
        self._inputs: OrderedDict[bytes, Model] = OrderedDict()
        if not isinstance(given, Model):
            _forget_if_changed(given)

    @property
    def model(self) -> Model:
        """vene's model, with the weights that the given one has now."""
        return self.given if isinstance(self.given, Model) else _converted(self.given)[1]

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
        model = self._inputs.pop(key, None)
        folder, current = _converted(self.given)
        if model is None or model.name != str(folder):
            width = current.config.d_model
            vectors = np.frombuffer(key, dtype=np.float32).reshape(len(rows), width)
            precision = "double" if _is_double(self.given) else "single"
            model = Model(_vene.Model.network(str(folder), vectors, precision), str(folder))
        self._inputs[key] = model
        while len(self._inputs) > KEPT_INPUTS:
            self._inputs.popitem(last=False)
        return model, prompts


def _token_prompts(inputs: Any) -> Prompts:
    """The token ids of what a tokenizer gave, `[examples, tokens]`."""
    unknown = {
        name for name, value in inputs.items()
        if value is not None and name not in ("input_ids", "attention_mask", "token_type_ids")
    }
    if unknown:
        raise InputError(f"inputs have {', '.join(sorted(unknown))}; input_ids and attention_mask are known here")
    check_mask(None if inputs.get("attention_mask") is None else as_array(inputs["attention_mask"]))
    return [tuple(row) for row in np.atleast_2d(as_array(inputs["input_ids"])).tolist()]


def _vector_prompts(inputs: Any, rows: dict[bytes, int]) -> Prompts:
    """Prompts of vectors `[examples, positions, width]`, each vector by its number in `rows`."""
    unknown = [name for name, value in inputs.items() if value is not None and name != "inputs_embeds"]
    if unknown:
        raise InputError(f"inputs have {', '.join(unknown)}; inputs_embeds alone is known for such a network")
    vectors = np.ascontiguousarray(as_array(inputs["inputs_embeds"]), dtype=np.float32)
    if vectors.ndim != 3:
        raise InputError(f"inputs_embeds has shape {list(vectors.shape)}; expected [examples, positions, width]")
    return [tuple(rows.setdefault(row.tobytes(), len(rows)) for row in example) for example in vectors]


_CONVERTED: weakref.WeakKeyDictionary[Any, tuple[Any, tuple[Path, Model]]] = weakref.WeakKeyDictionary()
_SAMPLES: weakref.WeakKeyDictionary[Any, tuple[float, ...]] = weakref.WeakKeyDictionary()


def _sample(given: Any) -> tuple[float, ...]:
    """Sums of some values of each weight."""
    flat = (weight.detach().reshape(-1) for weight in given.parameters())
    return tuple(float(values[:: max(1, len(values) // 64)].double().sum()) for values in flat)


def _forget_if_changed(given: Any) -> None:
    """Reads a model anew whose weights were changed through `.data`, which PyTorch does not count: looked at when it is wrapped."""
    if given in _CONVERTED and _SAMPLES.get(given) != _sample(given):
        del _CONVERTED[given]


def _converted(given: Any) -> tuple[Path, Model]:
    """vene's model for one that is in memory, and the folder that it was read from; made anew when a weight was changed."""
    stamp = tuple((weight.data_ptr(), weight._version) for weight in given.parameters())
    known = _CONVERTED.get(given)
    if known is not None and known[0] == stamp:
        return known[1]
    folder = tempfile.TemporaryDirectory(prefix="vene-model-")
    # The files are in use as long as the model is.
    weakref.finalize(given, folder.cleanup)
    path = Path(folder.name)
    given.save_pretrained(path)
    config = json.loads((path / "config.json").read_text())
    if type(given).__name__ in ("LlamaModel", "GPT2Model") or not hasattr(given, "get_output_embeddings"):
        # One without a head: its logits are not asked for.
        config["tie_word_embeddings"] = True
        (path / "config.json").write_text(json.dumps(config))
    if "vocab_size" in config and not (path / "tokenizer.json").exists():
        words = {str(number): number for number in range(config["vocab_size"])}
        model = {"type": "WordLevel", "vocab": words, "unk_token": "0"}
        (path / "tokenizer.json").write_text(json.dumps({"version": "1.0", "added_tokens": [], "model": model}))
    with warnings.catch_warnings():
        # What is doubtful of the tokenizer: prompts are given in tokens.
        warnings.simplefilter("ignore")
        made = load(str(path), precision="double" if _is_double(given) else "single")
    _CONVERTED[given] = (stamp, (path, made))
    _SAMPLES[given] = _sample(given)
    return path, made


def _is_double(given: Any) -> bool:
    return "float64" in str(next(given.parameters()).dtype)
