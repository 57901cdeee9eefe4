"""Models by pyvene's functions: loaded by vene, or made of a configuration."""

from __future__ import annotations

import sys
from typing import Any

from vene._errors import ModelError
from vene._model import Config, Model, load
from vene._tokenizer import Tokenizer


def create_gpt2(name: str = "gpt2", cache_dir: Any = None) -> tuple[Config, Tokenizer, Model]:
    """Configuration, tokenizer and model; of any model that vene loads."""
    model = load(name)
    print("loaded model")
    return model.config, model.tokenizer, model


def create_gpt2_lm(name: str = "gpt2", config: Any = None, cache_dir: Any = None) -> tuple[Any, Any, Any]:
    """The same; with a configuration of transformers' a random model of it, in memory, and no tokenizer."""
    return create_gpt2(name) if config is None else _random("GPT2LMHeadModel", config)


def create_llama(
    name: str = "sharpbai/alpaca-7b-merged", cache_dir: Any = None, dtype: Any = None, config: Any = None,
) -> tuple[Any, Any, Any]:
    """The same of Llama."""
    return create_gpt2(name) if config is None else _random("LlamaForCausalLM", config)


def create_gpt_neo(name: str = "roneneldan/TinyStories-33M", cache_dir: Any = None) -> tuple[Config, Tokenizer, Model]:
    """A model of TinyStories."""
    return create_gpt2(name)


create_gpt_neox = create_olmo = create_gpt2


def create_mlp_classifier(config: Any, tokenizer_name: Any = None, cache_dir: Any = None) -> tuple[Any, Any, Any]:
    """pyvene's perceptron: `config` is its `MLPConfig`, and the network is made of the module that this is from."""
    return _network(config, "MLPForClassification", tokenizer_name)


def create_gru(config: Any, tokenizer_name: Any = None, cache_dir: Any = None) -> tuple[Any, Any, Any]:
    """pyvene's recurrent network: `config` is its `GRUConfig`."""
    return _network(config, "GRUModel", tokenizer_name)


def create_gru_lm(config: Any, tokenizer_name: Any = None, cache_dir: Any = None) -> tuple[Any, Any, Any]:
    """The same with the head of a language model."""
    return _network(config, "GRULMHeadModel", tokenizer_name)


def create_gru_classifier(config: Any, tokenizer_name: Any = None, cache_dir: Any = None) -> tuple[Any, Any, Any]:
    """The same with the head of a classifier."""
    return _network(config, "GRUForClassification", tokenizer_name)


def _random(kind: str, config: Any) -> tuple[Any, Any, Any]:
    import transformers

    config._attn_implementation = "eager"
    model = getattr(transformers, kind)(config)
    print("loaded model")
    return config, None, model


def _network(config: Any, kind: str, tokenizer_name: Any) -> tuple[Any, Any, Any]:
    if tokenizer_name is not None:
        raise ModelError("tokenizer_name is not known here: such networks are given vectors or token ids")
    module = sys.modules[type(config).__module__]
    if not hasattr(module, kind):
        raise ModelError(f"{type(config).__name__} is no configuration of pyvene's {kind}")
    return config, None, getattr(module, kind)(config=config)
