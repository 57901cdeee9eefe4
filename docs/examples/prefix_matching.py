#!/usr/bin/env python3
"""How much each head attends to what came behind the same token before: its prefix-matching score.

    docs/examples/prefix_matching.py patterns.safetensors > scores.csv

Reads what `vene collect --component attention_weight` wrote of prompts in which words are repeated.
Wherever a token stood before, its head's attention to the token behind that earlier place is taken,
and averaged over all such places of all prompts (Olsson et al. 2022, arXiv 2209.11895). Needs Python 3.9
and nothing else.
"""

import csv
import json
import struct
import sys


def main(path):
    with open(path, "rb") as file:
        (size,) = struct.unpack("<Q", file.read(8))
        header = json.loads(file.read(size))
        values = memoryview(file.read()).cast("f")
    prompts = json.loads(header.pop("__metadata__")["vene"])["prompts"]
    total, count = {}, {}
    for name, tensor in header.items():
        if not name.startswith("attention_weight/"):
            continue
        layer = int(name.split("/")[1])
        start = tensor["data_offsets"][0] // 4
        # Prompts of fewer tokens are filled up with zeros.
        _, heads, length, _ = tensor["shape"]
        for prompt, of_prompt in enumerate(prompts):
            tokens = of_prompt["token_ids"]
            # Where each token stands for the second time: (query, the key behind its first place).
            places = [(query, tokens.index(token) + 1) for query, token in enumerate(tokens) if token in tokens[:query]]
            for head in range(heads):
                key = layer, head
                at = start + (prompt * heads + head) * length * length
                total[key] = total.get(key, 0.0) + sum(values[at + query * length + behind] for query, behind in places)
                count[key] = count.get(key, 0) + len(places)
    writer = csv.writer(sys.stdout)
    writer.writerow(["layer", "head", "score", "places"])
    for layer, head in sorted(total):
        writer.writerow([layer, head, total[layer, head] / count[layer, head], count[layer, head]])


if len(sys.argv) != 2:
    sys.exit(__doc__)
main(sys.argv[1])
