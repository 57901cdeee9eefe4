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

from serve import hugging_face_model, relative_change, serve


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


def forward(model, workload: dict) -> list[float]:
    """pyvene has no forward pass of its own: this is the model's, as its tutorials call it."""
    output = model(**inputs([workload["examples"][0]["base"]]))
    return read(output.logits, workload["read"])[0]


RUN = {"interchange": interchange, "restore": restore, "forward": forward}

if __name__ == "__main__":
    register_gemma3()
    serve(hugging_face_model, lambda model, workload: RUN[workload["kind"]](model, workload))
