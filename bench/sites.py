"""Where a component lives in transformers' modules: the input or the output of which one."""

from dataclasses import dataclass

import torch


@dataclass(frozen=True)
class Site:
    """The input (else the output) of a module; edits are functions from its tensor to another."""

    module: torch.nn.Module
    is_input: bool

    def hook(self, edit):
        """Passes `[batch, position, width]` of every run through `edit`; nothing changes if it gives None."""

        def on_input(_, arguments, keywords):
            tensor = edit(arguments[0] if arguments else keywords["hidden_states"])
            if tensor is None:
                return None
            if arguments:
                return (tensor, *arguments[1:]), keywords
            return arguments, {**keywords, "hidden_states": tensor}

        def on_output(_, arguments, output):
            tensor = edit(output[0] if isinstance(output, tuple) else output)
            if tensor is None:
                return None
            return (tensor, *output[1:]) if isinstance(output, tuple) else tensor

        if self.is_input:
            return self.module.register_forward_pre_hook(on_input, with_kwargs=True)
        return self.module.register_forward_hook(on_output)


def backbone(model) -> torch.nn.Module:
    """The model without its unembedding."""
    return model.transformer if hasattr(model, "transformer") else model.model


def blocks(model):
    body = backbone(model)
    return body.h if hasattr(body, "h") else body.layers


def attention(block) -> torch.nn.Module:
    return block.attn if hasattr(block, "attn") else block.self_attn


def site(model, component: str, layer: int) -> Site:
    block = blocks(model)[layer]
    match component:
        case "block_input" | "block_output":
            return Site(block, component == "block_input")
        case "attention_input" | "attention_output":
            return Site(attention(block), component == "attention_input")
        case "attention_value_output":
            module = attention(block)
            return Site(module.c_proj if hasattr(module, "c_proj") else module.o_proj, True)
        case "mlp_output":
            return Site(block.mlp, False)
    raise KeyError(component)
