"""nnsight, with the batching that its documentation recommends: many `invoke` blocks in one trace.

The source runs once; then each cell is an `invoke` of the base with its own edit, and as many of them share
a forward pass as hold `TOKENS` tokens. Examples and noise rows are a batch within their `invoke`.
"""

import nnsight
import torch
from nnsight import TransformersModel
from transformers import AutoTokenizer

from environment import MODELS
from serve import hugging_face_model, relative_change, serve
from sites import attention, blocks

TOKENS = 4096


def load(name: str) -> TransformersModel:
    # It wants a tokenizer for padding, though all inputs here are token ids of one length.
    tokenizer = AutoTokenizer.from_pretrained(MODELS / name)
    return TransformersModel(hugging_face_model(name), tokenizer=tokenizer)


def first(output) -> torch.Tensor:
    return output[0] if isinstance(output, tuple) else output


def value_at(model, component: str, layer: int) -> torch.Tensor:
    """The live tensor of a component, within a trace; what is written into it the model goes on with."""
    block = blocks(model)[layer]
    match component:
        case "block_input":
            return block.input
        case "block_output":
            return first(block.output)
        case "attention_input":
            return attention(block).input
        case "attention_output":
            return first(attention(block).output)
        case "attention_value_output":
            module = attention(block)
            return (module.c_proj if hasattr(module, "c_proj") else module.o_proj).input
        case "mlp_output":
            return block.mlp.output
    raise KeyError(component)


def place(cell: dict) -> tuple[str, int]:
    return cell["component"], cell["layer"]


def kept_values(model, tokens: torch.Tensor, places: set[tuple[str, int]]) -> dict:
    """What an unedited run shows; places are visited in the order in which the model comes to them."""
    order = ["attention_input", "attention_value_output", "attention_output", "mlp_output", "block_output"]
    with model.trace(tokens):
        kept = nnsight.save({})
        for component, layer in sorted(places, key=lambda one: (one[1], order.index(one[0]))):
            kept[component, layer] = value_at(model, component, layer).clone()
    return kept


def write(model, cell: dict, values: torch.Tensor) -> None:
    tensor, position = value_at(model, *place(cell)), cell["position"]
    if cell["head"] is None:
        tensor[:, position] = values[:, position]
        return
    width = tensor.shape[-1] // model.config.num_attention_heads
    columns = slice(cell["head"] * width, (cell["head"] + 1) * width)
    tensor[:, position, columns] = values[:, position, columns]


def read(last: torch.Tensor, wanted: dict) -> torch.Tensor:
    """What a workload reads off the last position's logits `[row, token]`: `[row, value]`."""
    if wanted["kind"] == "logit_difference":
        indirect, subject = torch.tensor(wanted["pairs"]).T
        rows = torch.arange(len(last))
        return (last[rows, indirect] - last[rows, subject])[:, None]
    return last.softmax(-1)[:, wanted["tokens"]]


def sweep(model, tokens: torch.Tensor, cells: list[dict], edit, wanted: dict) -> list[list[list[float]]]:
    """For each cell the values of each row of `tokens`; `edit(cell)` is what happens in its `invoke`."""
    together, found = max(1, TOKENS // tokens.numel()), []
    for start in range(0, len(cells), together):
        with model.trace() as tracer:
            values = nnsight.save([])
            for cell in cells[start : start + together]:
                with tracer.invoke(tokens):
                    edit(cell)
                    values.append(read(model.lm_head.output[:, -1], wanted))
        found += [value.tolist() for value in values]
    return found


def interchange(model, workload: dict) -> list[float]:
    base = torch.tensor([example["base"] for example in workload["examples"]])
    source = torch.tensor([example["source"] for example in workload["examples"]])
    cells, wanted, freeze = workload["cells"], workload["read"], workload.get("freeze")
    source_values = kept_values(model, source, {place(cell) for cell in cells})
    layers = range(len(blocks(model)))
    base_values = kept_values(model, base, {(freeze, layer) for layer in layers}) if freeze else {}

    def edit(cell):
        write(model, cell, source_values[place(cell)])
        for layer in layers[cell["layer"] + 1 :] if freeze else ():
            later = {**cell, "component": freeze, "layer": layer, "head": None}
            write(model, later, base_values[place(later)])

    found = sweep(model, base, cells, edit, wanted)
    if wanted["kind"] == "probability":
        return [value for cell in found for example in cell for value in example]
    with model.trace(base):
        own = read(model.lm_head.output[:, -1], wanted)[:, 0].save()
    return [relative_change([value for (value,) in cell], own.tolist()) for cell in found]


def restore(model, workload: dict) -> list[float]:
    positions = workload["noise"]["positions"]
    noise = torch.tensor(workload["noise"]["rows"])
    clean = torch.tensor([workload["examples"][0]["base"]])
    kept = kept_values(model, clean, {place(cell) for cell in workload["cells"]})

    def edit(cell):
        value_at(model, "block_input", 0)[:, positions] += noise
        write(model, cell, kept[place(cell)])

    found = sweep(model, clean.expand(len(noise), -1), workload["cells"], edit, workload["read"])
    return [value for row in range(len(noise)) for cell in found for value in cell[row]]


def forward(model, workload: dict) -> list[float]:
    with model.trace(torch.tensor([workload["examples"][0]["base"]])):
        values = read(model.lm_head.output[:, -1], workload["read"]).save()
    return values.flatten().tolist()


RUN = {"interchange": interchange, "restore": restore, "forward": forward}

if __name__ == "__main__":
    serve(load, lambda model, workload: RUN[workload["kind"]](model, workload))
