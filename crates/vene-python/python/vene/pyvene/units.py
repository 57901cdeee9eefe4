"""Units of a module's output, read and written by location: pyvene's functions on PyTorch's tensors, for hooks of one's own.

The engine does not use them: it gathers and writes rows by itself.
"""

from __future__ import annotations

from typing import Any

from vene._errors import PlanError

CONST_INPUT_HOOK = "register_forward_pre_hook"
CONST_OUTPUT_HOOK = "register_forward_hook"
CONST_GRAD_HOOK = "register_hook"

_JOINT = {"query": 0, "key": 1, "value": 2}
"""The parts of GPT-2's joint projection, in order."""


def split_heads(tensor: Any, num_heads: int, attn_head_size: int) -> Any:
    """`[examples, positions, heads * width]` as `[examples, heads, positions, width]`, of the same memory."""
    return tensor.unflatten(-1, (num_heads, attn_head_size)).transpose(1, 2)


def output_to_subcomponent(output: Any, component: str, model_type: Any, model_config: Any) -> Any:
    """The part of a module's output that a component is: `[examples, positions, width]`, or with heads apart."""
    return _view(output, component, model_type, model_config)


def gather_neurons(tensor_input: Any, unit: str, unit_locations_as_list: Any, device: Any = None) -> Any:
    """Units by example: positions of `[examples, positions, width]`, heads of `[examples, heads, ...]`, or both (`h.pos`)."""
    return tensor_input[_places(unit, unit_locations_as_list)]


def scatter_neurons(
    tensor_input: Any,
    replacing_tensor_input: Any,
    component: str,
    unit: str,
    unit_locations_as_list: Any,
    model_type: Any,
    model_config: Any,
    use_fast: bool,
    device: Any = None,
) -> Any:
    """Writes what `gather_neurons` gave, edited, into a module's output, and returns that. `use_fast`: the first example's
    locations are those of all."""
    if use_fast:
        count = len(tensor_input)
        first = [side[:1] * count for side in unit_locations_as_list] if unit == "h.pos" else unit_locations_as_list[:1] * count
        unit_locations_as_list = first
    view = _view(tensor_input, component, model_type, model_config)
    places = _places(unit, unit_locations_as_list)
    # Of more units than are named the first are meant.
    view[places] = replacing_tensor_input[tuple(map(slice, view[places].shape))]
    return tensor_input


def _view(output: Any, component: str, model_type: Any, model_config: Any) -> Any:
    kind = component.removeprefix("head_").partition("_")[0]
    name = getattr(model_type, "__name__", str(model_type))
    if kind in _JOINT and name.startswith("GPT2") and component.endswith("_output"):
        output = output.unflatten(-1, (3, -1))[..., _JOINT[kind], :]
    if not component.startswith("head_"):
        return output
    heads = getattr(model_config, "num_attention_heads", None) or model_config.n_head
    if kind in ("key", "value"):
        heads = getattr(model_config, "num_key_value_heads", None) or heads
    return split_heads(output, heads, output.shape[-1] // heads)


def _places(unit: str, locations: Any) -> Any:
    import torch

    def listed(one: Any) -> Any:
        return torch.as_tensor(one)

    if unit in ("pos", "h", "t"):
        own = listed(locations)
        return torch.arange(len(own))[:, None], own
    if unit == "h.pos":
        heads, positions = map(listed, locations)
        return torch.arange(len(heads))[:, None, None], heads[:, :, None], positions[:, None, :]
    raise PlanError(f"unit is {unit!r}; expected pos, h, h.pos or t")
