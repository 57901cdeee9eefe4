"""pyvene, as its tutorials do it.

For each component and layer an `IntervenableModel`, for each position a call of it, which runs base and
source. Examples and noise rows are a batch, as its data set tutorials and its causal tracing tutorial have
them.
"""

import torch
from pyvene import (
    ConstantSourceIntervention,
    IntervenableConfig,
    IntervenableModel,
    LocalistRepresentationIntervention,
    RepresentationConfig,
    VanillaIntervention,
)
from pyvene.models import intervenable_modelcard as card
from transformers import Gemma2ForCausalLM, Gemma3ForCausalLM

from batched_data_set import padded
from serve import hugging_face_model, relative_change, serve

# Tokens of a batch of a data set, whose logits pyvene computes at every position.
TOKENS = 1024


def register_gemma3() -> None:
    """pyvene does not know Gemma 3, whose modules are called as Gemma 2's are."""
    modules, widths = card.type_to_module_mapping, card.type_to_dimension_mapping
    modules[Gemma3ForCausalLM] = modules[Gemma2ForCausalLM]
    widths[Gemma3ForCausalLM] = widths[Gemma2ForCausalLM]


class GivenNoise(ConstantSourceIntervention, LocalistRepresentationIntervention):
    """pyvene's `NoiseIntervention`, with given noise instead of a draw of its own."""

    noise: torch.Tensor

    def forward(self, base, source=None, subspaces=None, **_):
        return base + self.noise

    def __str__(self):
        return "GivenNoise()"


def inputs(prompts: list[list[int]]) -> dict:
    tokens = torch.tensor(prompts)
    return {"input_ids": tokens, "attention_mask": torch.ones_like(tokens)}


def read(logits: torch.Tensor, wanted: dict) -> list[list[float]]:
    """What a workload reads off `[example, position, token]`: values for each example."""
    last = logits[:, -1]
    if wanted["kind"] == "logit_difference":
        indirect, subject = torch.tensor(wanted["pairs"]).T
        rows = torch.arange(len(last))
        return (last[rows, indirect] - last[rows, subject])[:, None].tolist()
    return last.softmax(-1)[:, wanted["tokens"]].tolist()


def representation(cell: dict, **more) -> RepresentationConfig:
    """Heads have a unit of their own, `h.pos`."""
    if cell["head"] is None:
        return RepresentationConfig(cell["layer"], cell["component"], "pos", 1, **more)
    return RepresentationConfig(cell["layer"], f"head_{cell['component']}", "h.pos", 1, **more)


def location(cell: dict, examples: int):
    """pyvene's nesting: for each example a list of units; for `h.pos` one such for heads, one for positions."""
    positions = [[cell["position"]]] * examples
    return positions if cell["head"] is None else [[[cell["head"]]] * examples, positions]


def interchange(model, workload: dict) -> list[float]:
    base = inputs([example["base"] for example in workload["examples"]])
    source = inputs([example["source"] for example in workload["examples"]])
    examples, freeze, values = len(workload["examples"]), workload.get("freeze"), []
    # The first source is the counterfactual; where there is a second one, it is the base itself.
    sources = [source, base]
    kind, built, intervenable = VanillaIntervention, None, None
    for cell in workload["cells"]:
        frozen = []
        if freeze:
            layers = range(cell["layer"] + 1, model.config.num_hidden_layers)
            frozen = [{**cell, "component": freeze, "layer": layer, "head": None} for layer in layers]
        if built != (cell["component"], cell["layer"]):
            built = (cell["component"], cell["layer"])
            groups = {"group_key": 0} if frozen else {}
            parts = [representation(cell, **groups)]
            parts += [representation(later, group_key=1) for later in frozen]
            intervenable = IntervenableModel(IntervenableConfig(parts, intervention_types=kind), model)
        locations = [location(part, examples) for part in [cell, *frozen]]
        if examples == 1 and cell["head"] is None:
            # As the tutorial writes it; pyvene then takes its faster way.
            where = {"sources->base": cell["position"]}
        else:
            where = {"sources->base": (locations, locations)}
        _, output = intervenable(base, sources[: 2 if frozen else 1], where)
        found = read(output.logits, workload["read"])
        values.append(found)
    if workload["read"]["kind"] == "probability":
        return [value for cell in values for example in cell for value in example]
    own = [value for (value,) in read(model(**base).logits, workload["read"])]
    return [relative_change([value for (value,) in cell], own) for cell in values]


def restore(model, workload: dict) -> list[float]:
    positions = workload["noise"]["positions"]
    GivenNoise.noise = torch.tensor(workload["noise"]["rows"])
    rows = len(GivenNoise.noise)
    base = inputs([workload["examples"][0]["base"]] * rows)
    values, built, intervenable = [], None, None
    for cell in workload["cells"]:
        if built != (cell["component"], cell["layer"]):
            built = (cell["component"], cell["layer"])
            parts = [RepresentationConfig(0, "block_input", "pos", len(positions)), representation(cell)]
            kinds = [GivenNoise, VanillaIntervention]
            intervenable = IntervenableModel(IntervenableConfig(parts, intervention_types=kinds), model)
        restored = location(cell, rows)
        where = {"sources->base": ([None, restored], [[positions] * rows, restored])}
        _, output = intervenable(base, [None, base], where)
        values.append(read(output.logits, workload["read"]))
    return [value for row in range(rows) for cell in values for value in cell[row]]


def data_set(model, workload: dict) -> list[float]:
    """Rows of like length are a batch, padded on the right, each with positions of its own."""
    by_length = sorted(range(len(workload["examples"])), key=lambda row: len(workload["examples"][row]["base"]))
    found = torch.empty(len(workload["cells"]), len(by_length))
    size = max(1, TOKENS // max(len(example["base"]) for example in workload["examples"]))
    batches = [by_length[start : start + size] for start in range(0, len(by_length), size)]
    built, intervenable = None, None
    for number, cell in enumerate(workload["cells"]):
        if built != (cell["component"], cell["layer"]):
            built = (cell["component"], cell["layer"])
            intervenable = IntervenableModel(
                IntervenableConfig([representation(cell)], intervention_types=VanillaIntervention), model
            )
        for batch in batches:
            examples = [workload["examples"][row] for row in batch]
            source, base = (
                [locations(cell, [example[whose][cell["role"]] for example in examples])]
                for whose in ("read", "written")
            )
            _, output = intervenable(
                padded_inputs([example["base"] for example in examples]),
                [padded_inputs([example["source"] for example in examples])],
                {"sources->base": (source, base)},
            )
            rows = torch.arange(len(batch))
            last = output.logits[rows, [len(example["base"]) - 1 for example in examples]]
            targets, foils = torch.tensor([example["answers"] for example in examples]).T
            found[number, batch] = last[rows, targets] - last[rows, foils]
    return found.flatten().tolist()


def locations(cell: dict, positions: list[int]):
    """As `location`, with a position of its own for each example."""
    positions = [[position] for position in positions]
    return positions if cell["head"] is None else [[[cell["head"]]] * len(positions), positions]


def padded_inputs(prompts: list[list[int]]) -> dict:
    tokens = padded(prompts)
    lengths = torch.tensor([[len(prompt)] for prompt in prompts])
    return {"input_ids": tokens, "attention_mask": (torch.arange(tokens.shape[1]) < lengths).long()}


def forward(model, workload: dict) -> list[float]:
    """pyvene has no forward pass of its own: this is the model's, as its tutorials call it."""
    output = model(**inputs([workload["examples"][0]["base"]]))
    return read(output.logits, workload["read"])[0]


RUN = {"interchange": interchange, "restore": restore, "forward": forward, "data_set": data_set}

if __name__ == "__main__":
    register_gemma3()
    serve(hugging_face_model, lambda model, workload: RUN[workload["kind"]](model, workload))
