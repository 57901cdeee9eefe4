"""Models that are in memory already: one of transformers (or pyvene's own networks), or arrays by their names."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from vene import _vene
from vene._errors import InputError
from vene._model import Model
from vene._warn import warn

DTYPES = {
    "float16": "F16", "bfloat16": "BF16", "float32": "F32", "float64": "F64", "bool": "BOOL",
    "int8": "I8", "int16": "I16", "int32": "I32", "int64": "I64", "uint8": "U8",
}
"""NumPy's and PyTorch's names of types, and those of safetensors files."""

TOKENIZER_FILES = (
    "tokenizer.json", "vocab.json", "merges.txt", "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json",
)


def from_transformers(model: Any, tokenizer: Any = None, *, precision: str = "single") -> Model:
    """The model that transformers has in memory, as a `vene.Model`.

        gpt2 = AutoModelForCausalLM.from_pretrained("gpt2")
        model = vene.from_transformers(gpt2, AutoTokenizer.from_pretrained("gpt2"))

    `model` is of a family that `vene.load` knows (`docs/models.md`), or one of pyvene's networks (`MLPForClassification`,
    `GRUForClassification`, `GRULMHeadModel`). Configuration and tensors are read as if the model had been saved, and refused
    where a saved one would be. `tokenizer` is its tokenizer; without one, prompts are token ids.

    Tensors that lie in the processor's memory are not copied; their types are kept as `vene.load` keeps them. They are held
    as long as the result lives, and should not be trained on meanwhile: the result stays the model that it was, or refuses
    where it would have to read them again (`vene.ModelError`).
    """
    return Weights.of_transformers(model, tokenizer).model(precision)


def from_tensors(
    config: Mapping[str, Any],
    tensors: Mapping[str, npt.NDArray[Any]],
    tokenizer: Any = None,
    *,
    name: str = "tensors in memory",
    precision: str = "single",
) -> Model:
    """A model made of arrays: `config` says what a `config.json` says, `tensors` has the arrays by the names and in the
    shapes that a safetensors file of the model has.

        model = vene.from_tensors(json.load(open("gpt2/config.json")), safetensors.numpy.load_file("gpt2/model.safetensors"))

    `tokenizer` is the folder of a tokenizer's files, a tokenizer of transformers or of tokenizers, or `None`: then prompts are
    token ids. Arrays of NumPy (also bfloat16 by `ml_dtypes`) and tensors of PyTorch are read where they lie; see
    `from_transformers` for how long. `name` is what results call the model.
    """
    return Weights(name, json.dumps(config), tensors, tokenizer_texts(tokenizer)).model(precision)


@dataclass(frozen=True)
class Weights:
    """What a model is made of, in memory."""

    name: str
    """What results call the model."""
    config: str
    """The text of its `config.json`."""
    tensors: Mapping[str, Any]
    """By the names, and in the shapes, of a safetensors file."""
    texts: Mapping[str, str]
    """The texts of its tokenizer's files, by their names; without any, prompts are token ids."""

    @classmethod
    def of_transformers(cls, model: Any, tokenizer: Any = None, *, headless: bool = False) -> Weights:
        """Of a model of transformers. `headless`: it has no unembedding, and its logits are not asked for."""
        if not hasattr(model, "config") or not hasattr(model, "state_dict"):
            raise InputError(f"from_transformers: expected a model of transformers, given a {type(model).__name__}")
        config = json.loads(model.config.to_json_string())
        # What `save_pretrained` adds.
        config["architectures"] = [type(model).__name__]
        if headless:
            # The embedding stands in its place.
            config["tie_word_embeddings"] = True
        texts = tokenizer_texts(tokenizer)
        generation = getattr(model, "generation_config", None)
        if generation is not None:
            texts["generation_config.json"] = generation.to_json_string()
        path = getattr(model.config, "_name_or_path", "")
        name = f"{path} ({type(model).__name__} in memory)" if path else f"{type(model).__name__} in memory"
        return cls(name, json.dumps(config), _as_saved(model, _untied(model)), texts)

    def model(self, precision: str, inputs: npt.NDArray[np.float32] | None = None) -> Model:
        """The model; with `inputs`, `[inputs, width]`, a network whose token `i` stands for row `i`."""
        given = [(tensor, *_bytes(tensor, values)) for tensor, values in self.tensors.items()]
        model = _vene.Model.of_tensors(self.name, self.config, given, dict(self.texts), precision, inputs)
        warn(model.notices)
        return Model(model, self.name, precision, has_files=False)


def tokenizer_texts(tokenizer: Any) -> dict[str, str]:
    """The texts of a tokenizer's files, by their names: those that it has in a folder, or would be saved as."""
    if tokenizer is None:
        return {}
    if isinstance(tokenizer, str | PathLike):
        found = _texts(Path(tokenizer))
        if not found:
            raise InputError(f"tokenizer: the folder {str(tokenizer)!r} has no file of a tokenizer")
        return found
    if hasattr(tokenizer, "save_pretrained"):
        with tempfile.TemporaryDirectory(prefix="vene-") as folder:
            tokenizer.save_pretrained(folder)
            found = _texts(Path(folder))
        if "tokenizer.json" not in found and "merges.txt" not in found:
            raise InputError(
                f"tokenizer: a {type(tokenizer).__name__} is saved without a tokenizer.json; give a fast one "
                "(AutoTokenizer.from_pretrained(..., use_fast=True))")
        return found
    if hasattr(tokenizer, "to_str"):
        return {"tokenizer.json": tokenizer.to_str()}
    raise InputError(
        f"tokenizer: expected a tokenizer of transformers or tokenizers, a folder, or None; given a {type(tokenizer).__name__}")


def _texts(folder: Path) -> dict[str, str]:
    files = ((name, folder / name) for name in TOKENIZER_FILES)
    return {name: path.read_text("utf-8") for name, path in files if path.is_file()}


def _untied(model: Any) -> dict[str, Any]:
    """The state dict, without the heads that are another tensor's memory, where the configuration says that they are: as saved."""
    state: dict[str, Any] = dict(model.state_dict())
    text = getattr(model.config, "text_config", None) or model.config
    if not getattr(text, "tie_word_embeddings", False):
        return state
    for name in getattr(model, "_tied_weights_keys", None) or ():
        tied = state.get(name)
        if tied is not None and any(other != name and _same_memory(tied, value) for other, value in state.items()):
            del state[name]
    return state


def _as_saved(model: Any, state: dict[str, Any]) -> dict[str, Any]:
    """By the names that files have. transformers 5 has other ones in memory, and experts in one piece: these are copied."""
    try:
        from transformers.core_model_loading import revert_weight_conversion
    except ImportError:
        return state
    return dict(revert_weight_conversion(model, state))


def _same_memory(one: Any, other: Any) -> bool:
    return bool(one.data_ptr() == other.data_ptr() and one.shape == other.shape and one.dtype == other.dtype)


def _bytes(name: str, values: Any) -> tuple[str, list[int], _vene.Buffer]:
    """Type, extents and bytes of an array or a PyTorch tensor; copied only where they lie elsewhere, or with gaps."""
    flat: _vene.Buffer
    if hasattr(values, "detach"):
        import torch

        tensor = values.detach()
        if type(tensor) not in (torch.Tensor, torch.nn.Parameter) or tensor.layout is not torch.strided:
            raise InputError(f"tensor {name!r} is a {type(values).__name__} ({values.layout}): expected a dense tensor in one piece")
        if tensor.is_meta:
            raise InputError(f"tensor {name!r} has no values (it is on the device 'meta'): load the whole model")
        dtype = str(tensor.dtype).removeprefix("torch.")
        flat = tensor.cpu().contiguous().reshape(-1).view(torch.uint8).numpy()
    elif isinstance(values, np.ndarray):
        array = np.ascontiguousarray(values)
        if not array.dtype.isnative:
            array = array.astype(array.dtype.newbyteorder("="))
        dtype = array.dtype.name
        flat = array.reshape(-1).view(np.uint8)
    else:
        raise InputError(f"tensor {name!r}: expected an array of NumPy or a tensor of PyTorch, given a {type(values).__name__}")
    return DTYPES.get(dtype, dtype), [int(extent) for extent in values.shape], flat
