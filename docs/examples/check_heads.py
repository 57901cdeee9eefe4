#!/usr/bin/env python3
"""Checks tables of heads against a plain PyTorch loop, on the first rows of their data sets.

    cd DIR; python3 docs/examples/check_heads.py

DIR is the folder in which `docs/examples/make` ran. For each data set the sweep over heads is run again on its
first rows, and a loop does the same with transformers: one full forward pass for each head and row, whose
output projection gets the source's values for that head at the last position. Both read the same
GGUF file. Needs what fixtures/requirements.txt lists, and `vene` on the PATH.
"""

import csv
import json
import pathlib
import struct
import subprocess
import sys
import tempfile

import torch

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "fixtures"))
import real_models  # noqa: E402

ROWS = 4
# Data sets, the model's name in fixtures/real_models.py, whether prompts begin as the model's files say, layers.
TABLES = [
    ("country-capital/smollm2", "smollm2", "model", "18..30"),
    ("indirect-object/gemma", "gemma3", "model", "0..18"),
    ("indirect-object/gemma", "gemma3", "never", "0..18"),
    ("indirect-object/smollm2", "smollm2", "model", "0..30"),
    ("induction/gemma", "gemma3", "model", "0..18"),
    ("induction/smollm2", "smollm2", "model", "0..30"),
]
# The largest difference that single precision may make, relative to the largest effect.
TOLERANCE = 1e-4


def vene(*arguments):
    subprocess.run(["vene", *arguments], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def by_vene(model, data, bos, layers):
    """Mean effect of each (layer, head), as the sweep says."""
    with tempfile.TemporaryDirectory() as folder:
        vene("sweep", "--model", model, "--data", data, "--limit", str(ROWS), "--bos", bos, "--unit", "h.pos",
             "--answers", "first", "--layers", layers, "--component", "head_attention_value_output", "--positions", "last", "--out", f"{folder}/out")
        with open(f"{folder}/out/summary.csv", newline="") as file:
            return {(int(row["layer"]), int(row["head"])): float(row["mean"]) for row in csv.DictReader(file)}


def tokens(model, prompts, bos):
    """The prompts' token ids: what is checked is the arithmetic, not the tokenizer."""
    with tempfile.TemporaryDirectory() as folder:
        path = f"{folder}/prompts.safetensors"
        vene("collect", "--model", model, "--bos", bos, "--component", "final_norm", "--positions", "last",
             "--out", path, *prompts)
        with open(path, "rb") as file:
            (size,) = struct.unpack("<Q", file.read(8))
            header = json.loads(file.read(size))
    return [torch.tensor([prompt["token_ids"]]) for prompt in json.loads(header["__metadata__"]["vene"])["prompts"]]


def by_loop(model, pairs, answers, wanted):
    """The same by hooks."""
    heads, layers = model.config.num_attention_heads, model.model.layers
    projections = [layer.self_attn.o_proj for layer in layers]
    width = projections[0].in_features // heads

    def difference(prompt, target, foil):
        logits = model(prompt).logits[0, -1].double()
        return (logits[target] - logits[foil]).item()

    effects = {}
    for (base, source), (target, foil) in zip(pairs, answers):
        seen = {}
        hooks = [projection.register_forward_pre_hook(lambda _, given, at=at: seen.update({at: given[0][0, -1].clone()}))
                 for at, projection in enumerate(projections)]
        model(source)
        for hook in hooks:
            hook.remove()
        before = difference(base, target, foil)
        for at, head in wanted:
            here = slice(head * width, (head + 1) * width)

            def replace(_, given):
                edited = given[0].clone()
                edited[0, -1, here] = seen[at][here]
                return (edited,)

            hook = projections[at].register_forward_pre_hook(replace)
            effect = difference(base, target, foil) - before
            hook.remove()
            effects[at, head] = effects.get((at, head), 0.0) + effect / len(pairs)
    return effects


@torch.no_grad()
def main():
    failed = False
    for name, which, bos, layers in TABLES:
        model = f".cache/models/{real_models.FILES[which]}"
        folder, stem = name.split("/")
        data = f"vene-out/{folder}/{stem}.jsonl"
        with open(data) as file:
            rows = [json.loads(line) for line, _ in zip(file, range(ROWS))]
        texts = [(row["base"], row["source"], row["base"] + row["target"], row["base"] + row["foil"]) for row in rows]
        read = tokens(model, [text for row in texts for text in row], bos)
        pairs = list(zip(read[::4], read[1::4]))
        # An answer's first token is the one that its text adds to the prompt.
        answers = [tuple(answered[0, base.shape[1]].item() for answered in both)
                   for base, both in zip(read[::4], zip(read[2::4], read[3::4]))]
        ours = by_vene(model, data, bos, layers)
        theirs = by_loop(real_models.load(which), pairs, answers, list(ours))
        largest = max(map(abs, theirs.values()))
        error = max(abs(ours[head] - theirs[head]) for head in ours)
        failed |= not error <= TOLERANCE * largest
        print(f"{name}, bos {bos}: {len(ours)} heads, {ROWS} rows: largest effect {largest:.2f}, "
              f"largest difference {error:.1e}", flush=True)
    sys.exit("the tables disagree" if failed else None)


main()
