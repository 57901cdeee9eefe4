"""Texts continued under interventions, as transformers' `generate` returns them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from vene import _vene
from vene._arrays import tensor
from vene._errors import PlanError

if TYPE_CHECKING:
    from vene.pyvene.calls import Call

USUAL_LENGTH = 20
"""So long is a text, its prompt included, where nothing is said of it: transformers' own default."""


def generated(call: Call, options: dict[str, Any], with_original: bool) -> tuple[Any, Any]:
    """The bases continued without interventions, where wanted, and with them: token ids `[texts, tokens]`."""
    given = dict(options)
    new = _new_tokens(given, max(len(base) for base, _ in call.examples))
    stop = _stop(given.pop("eos_token_id", None), call)
    padding = given.pop("pad_token_id", None)
    samples = int(given.pop("num_return_sequences", 1))
    sampling, seed = _sampling(given)
    unknown = {name for name, value in given.items() if value not in (None, False) and (name, value) != ("num_beams", 1)}
    unknown -= {"use_cache", "early_stopping", "attention_mask"}
    if unknown:
        raise PlanError(f"generate does not know {', '.join(sorted(unknown))}")

    filler = padding if padding is not None else stop[0] if stop else 0

    def texts(plan: _vene.Plan, examples: Any) -> Any:
        written = _vene.generate_all(
            call.model._model, plan, examples, new, stop, sampling=sampling, seed=seed, samples=samples)
        # As transformers has it, what a batch is padded with on the left comes first.
        prompts = [[filler] * before + base for before, (base, _) in zip(call.bases.before, examples, strict=True) for _ in range(samples)]
        rows = [[*prompt, *text] for prompt, text in zip(prompts, written, strict=True)]
        longest = max(map(len, rows))
        padded = [row + [filler] * (longest - len(row)) for row in rows]
        return tensor(np.asarray(padded, dtype=np.int64))

    plan = call.plan()
    for bridge in call.bridges:
        bridge.reset()
    edited = texts(plan, call.examples)
    call.outputs = [one for bridge in call.bridges for one in bridge.outputs]
    if not with_original:
        return None, edited
    return texts(call.model._plan({}), [(base, []) for base, _ in call.examples]), edited


def _new_tokens(given: dict[str, Any], prompt: int) -> int:
    new, longest = given.pop("max_new_tokens", None), given.pop("max_length", None)
    if new is not None:
        return int(new)
    longest = USUAL_LENGTH if longest is None else int(longest)
    if longest <= prompt:
        raise PlanError(f"max_length is {longest}, and the prompt has {prompt} tokens: give max_new_tokens")
    return longest - prompt


def _stop(given: Any, call: Call) -> list[int]:
    """The tokens that end a text: those given, or those of the model's own configuration."""
    if given is None:
        config = call._of.model_config
        generation = getattr(call._of.model, "generation_config", None)
        given = getattr(generation, "eos_token_id", None)
        given = getattr(config, "eos_token_id", None) if given is None else given
        if given is None:
            return list(call.model._model.ends)
    return [int(one) for one in (given if isinstance(given, list | tuple) else [given])]


def _sampling(given: dict[str, Any]) -> tuple[tuple[float, int | None, float | None] | None, int]:
    """How tokens are drawn, `None` for the likeliest; and the seed, drawn by PyTorch's or NumPy's generator."""
    draws = bool(given.pop("do_sample", False))
    temperature, top_k, top_p = (given.pop(name, None) for name in ("temperature", "top_k", "top_p"))
    seed = given.pop("seed", None)
    if not draws:
        return None, 0
    if seed is None:
        seed = int(np.random.randint(1 << 31))
        try:
            import torch

            seed = int(torch.randint(1 << 31, ()).item())
        except ImportError:
            pass
    cut = 50 if top_k is None else int(top_k)
    return (float(temperature or 1.0), cut or None, None if top_p in (None, 1.0) else float(top_p)), seed
