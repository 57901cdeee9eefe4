"""TransformerLens, as its activation patching tutorials do it.

The source runs once with `run_with_cache`; then each cell is a `run_with_hooks` of the base, as in
`transformer_lens.patching`. Examples and noise rows are a batch.
"""

import torch
from transformer_lens.model_bridge import TransformerBridge

from environment import MODELS
from serve import hugging_face_model, relative_change, serve

# Each name is of the very tensor that the workload means: a module's input after its norm, its output before
# a post-norm. (`hook_attn_in` and, under post-norms, `hook_mlp_out` are others.)
HOOKS = {
    "block_input": "blocks.{}.hook_resid_pre",
    "block_output": "blocks.{}.hook_resid_post",
    "attention_input": "blocks.{}.attn.hook_in",
    "attention_output": "blocks.{}.attn.hook_out",
    "attention_value_output": "blocks.{}.attn.hook_z",
    "mlp_output": "blocks.{}.mlp.hook_out",
}


def load(name: str) -> TransformerBridge:
    model = hugging_face_model(name)
    return TransformerBridge.boot_transformers(str(MODELS / name), hf_model=model, device="cpu").eval()


def hook_name(component: str, layer: int) -> str:
    return HOOKS[component].format(layer)


def name_of(cell: dict) -> str:
    return hook_name(cell["component"], cell["layer"])


def patch(cell: dict, cache):
    """The cell's component takes what the cache holds."""
    name, where = name_of(cell), (slice(None), cell["position"])
    if cell["head"] is not None:
        where = (*where, cell["head"])

    def edit(activation, hook):
        activation[where] = cache[name][where]
        return activation

    return name, edit


def read(logits: torch.Tensor, wanted: dict) -> list[list[float]]:
    last = logits[:, -1]
    if wanted["kind"] == "logit_difference":
        indirect, subject = torch.tensor(wanted["pairs"]).T
        rows = torch.arange(len(last))
        return (last[rows, indirect] - last[rows, subject])[:, None].tolist()
    return last.softmax(-1)[:, wanted["tokens"]].tolist()


def interchange(model, workload: dict) -> list[float]:
    base = torch.tensor([example["base"] for example in workload["examples"]])
    source = torch.tensor([example["source"] for example in workload["examples"]])
    names = {name_of(cell) for cell in workload["cells"]}
    _, cache = model.run_with_cache(source, names_filter=lambda name: name in names)
    layers, freeze = range(model.cfg.n_layers), workload.get("freeze")
    if freeze:
        held = {hook_name(freeze, layer) for layer in layers}
        own_logits, base_cache = model.run_with_cache(base, names_filter=lambda name: name in held)
    elif workload["read"]["kind"] == "logit_difference":
        own_logits = model(base)
    values = []
    for cell in workload["cells"]:
        hooks = [patch(cell, cache)]
        for layer in layers[cell["layer"] + 1 :] if freeze else ():
            hooks.append(patch({**cell, "component": freeze, "layer": layer, "head": None}, base_cache))
        values.append(read(model.run_with_hooks(base, fwd_hooks=hooks), workload["read"]))
    if workload["read"]["kind"] == "probability":
        return [value for cell in values for example in cell for value in example]
    own = [value for (value,) in read(own_logits, workload["read"])]
    return [relative_change([value for (value,) in cell], own) for cell in values]


def restore(model, workload: dict) -> list[float]:
    positions = workload["noise"]["positions"]
    noise = torch.tensor(workload["noise"]["rows"])
    clean = torch.tensor([workload["examples"][0]["base"]])
    names = {name_of(cell) for cell in workload["cells"]}
    _, cache = model.run_with_cache(clean, names_filter=lambda name: name in names)

    def corrupt(activation, hook):
        activation[:, positions] += noise
        return activation

    tokens, values = clean.expand(len(noise), -1), []
    for cell in workload["cells"]:
        hooks = [(hook_name("block_input", 0), corrupt), patch(cell, cache)]
        values.append(read(model.run_with_hooks(tokens, fwd_hooks=hooks), workload["read"]))
    return [value for row in range(len(noise)) for cell in values for value in cell[row]]


def forward(model, workload: dict) -> list[float]:
    return read(model(torch.tensor([workload["examples"][0]["base"]])), workload["read"])[0]


RUN = {"interchange": interchange, "restore": restore, "forward": forward}

if __name__ == "__main__":
    serve(load, lambda model, workload: RUN[workload["kind"]](model, workload))
