"""A module's path as the place of an intervention: `h[10].attn.attn_dropout.input` is the attention pattern of layer 10."""

from __future__ import annotations

import re

from vene._errors import PlanError

_GPT2 = {
    (".", "input"): "block_input",
    (".", "output"): "block_output",
    ("attn", "input"): "attention_input",
    ("attn", "output"): "attention_output",
    ("attn.attn_dropout", "input"): "attention_weight",
    ("attn.c_proj", "input"): "attention_value_output",
    ("attn.c_proj", "output"): "attention_output",
    ("attn.resid_dropout", "output"): "attention_output",
    ("ln_1", "output"): "attention_input",
    ("ln_2", "output"): "mlp_input",
    ("mlp", "input"): "mlp_input",
    ("mlp", "output"): "mlp_output",
    ("mlp.act", "output"): "mlp_activation",
    ("mlp.c_proj", "input"): "mlp_activation",
    ("mlp.c_proj", "output"): "mlp_output",
}

_LLAMA = {
    (".", "input"): "block_input",
    (".", "output"): "block_output",
    ("self_attn", "input"): "attention_input",
    ("self_attn", "output"): "attention_output",
    ("self_attn.q_proj", "output"): "query_output",
    ("self_attn.k_proj", "output"): "key_output",
    ("self_attn.v_proj", "output"): "value_output",
    ("self_attn.o_proj", "input"): "attention_value_output",
    ("self_attn.o_proj", "output"): "attention_output",
    ("mlp", "input"): "mlp_input",
    ("mlp", "output"): "mlp_output",
    ("mlp.act_fn", "output"): "mlp_activation",
    ("mlp.down_proj", "output"): "mlp_output",
}

_FORMS = [
    (re.compile(r"(?:transformer\.)?h(?:\[(\d+)\]|\.(\d+))(?:\.(.+))?\.(input|output)"), "gpt2", _GPT2),
    (re.compile(r"(?:model\.)?layers(?:\[(\d+)\]|\.(\d+))(?:\.(.+))?\.(input|output)"), "llama", _LLAMA),
]
"""How paths begin, the family whose modules are meant, and its table."""

LIKE_LLAMA = ("llama", "mistral", "qwen2")
"""Families whose blocks have Llama's modules, each with Llama's place in the block."""


def component(path: str, family: str) -> tuple[str, int]:
    """The component and the layer that a module's input or output is, in a model of this family."""
    for form, meant, table in _FORMS:
        found = form.fullmatch(path)
        if found is None:
            continue
        first, second, module, side = found.groups()
        name = table.get((module or ".", side))
        if name is not None and (family == meant or (meant == "llama" and family in LIKE_LLAMA)):
            return name, int(first or second)
    raise PlanError(
        f"{path} is no module whose place in a model of family {family} is known here: give layer and component, "
        "as in docs/components.md")
