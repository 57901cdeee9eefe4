"""What is measured, as plain data, so that every tool does the same thing on the same numbers.

A workload says which model, which examples (token ids of a base and, where one is read, a source), which
cells (one intervention each) and what is read at the last position:

- `interchange`: a cell's component takes the source's values. With `freeze`, that component keeps the
  base's own values at the same position in all later layers (a direct effect).
- `restore`: causal tracing. The embeddings at some positions get each row of the given noise; a cell gives
  one layer's output at one position its clean value back.
- `forward`: no intervention.
- `data_set`: rows of a data set, which differ in length; a cell is at a role instead of a position, and each
  row has the position of each role in its base (`written`) and in its source (`read`). What is read is the
  difference of its answers' logits.

Values come in the order of `intervention_count`: noise rows outermost, then cells, then examples, then tokens.
The workloads (f) average over their examples, and give one value a cell.
"""

import random
from collections.abc import Callable

import data_sets

GPT2, SMOLLM2, GEMMA3 = "gpt2-shape", "smollm2", "gemma3"

SHAPES = {
    GPT2: {"layers": 12, "heads": 12, "d_model": 768, "vocabulary": 50257},
    SMOLLM2: {"layers": 30, "heads": 9, "d_model": 576, "vocabulary": 49152},
    GEMMA3: {"layers": 18, "heads": 4, "d_model": 640, "vocabulary": 262144},
}

# "The capital of Spain is", "The capital of Italy is", "One capital of Italy is"; " Madrid", " Rome".
CAPITALS = {
    GPT2: {
        "base": [464, 3139, 286, 8602, 318],
        "source": [464, 3139, 286, 8031, 318],
        "unlike": [3198, 3139, 286, 8031, 318],
        "tokens": [14708, 10598],
    },
    SMOLLM2: {
        "base": [504, 3575, 282, 7476, 314],
        "source": [504, 3575, 282, 7158, 314],
        "unlike": [2705, 3575, 282, 7158, 314],
        "tokens": [28030, 7268],
    },
    # Gemma's prompts begin with its beginning-of-sequence token.
    GEMMA3: {
        "base": [2, 818, 5279, 529, 14145, 563],
        "source": [2, 818, 5279, 529, 11702, 563],
        "unlike": [2, 4906, 5279, 529, 11702, 563],
        "tokens": [19627, 13706],
    },
}

SHARED = "all tokens before the country"
NOTHING = "nothing"
START = "the beginning-of-sequence token"

DATA_SET_ROWS = 200


def cell(component: str, layer: int, position: int, head: int | None = None) -> dict:
    return {"component": component, "layer": layer, "position": position, "head": head}


def probability(tokens: list[int]) -> dict:
    return {"kind": "probability", "tokens": tokens}


def grid(components: tuple[str, ...], layers: int, positions: int) -> list[dict]:
    return [
        cell(component, layer, position)
        for layer in range(layers)
        for component in components
        for position in range(positions)
    ]


def every_head(shape: dict, position: int) -> list[dict]:
    return [
        cell("attention_value_output", layer, position, head)
        for layer in range(shape["layers"])
        for head in range(shape["heads"])
    ]


def workload(name: str, title: str, model: str, kind: str, shares: str, **rest) -> dict:
    return {"name": name, "title": title, "model": model, "kind": kind, "shares": shares, **rest}


def tutorial(name: str, model: str, source: str, shares: str) -> dict:
    """The sweep of pyvene's tutorial: two components, every layer and position."""
    prompts = CAPITALS[model]
    cells = grid(("mlp_output", "attention_input"), SHAPES[model]["layers"], len(prompts["base"]))
    return workload(
        name,
        f"tutorial sweep, {model}" + ("" if source == "source" else ", unlike prompts"),
        model,
        "interchange",
        shares,
        examples=[{"base": prompts["base"], "source": prompts[source]}],
        cells=cells,
        read=probability(prompts["tokens"]),
    )


def unlike_prompts(length: int, seed: int) -> tuple[list[int], list[int]]:
    """Two prompts of random tokens of GPT-2's that differ at every position."""
    draw, vocabulary = random.Random(seed), SHAPES[GPT2]["vocabulary"]
    base = [draw.randrange(vocabulary) for _ in range(length)]
    return base, [(token + 1 + draw.randrange(vocabulary - 1)) % vocabulary for token in base]


def block_outputs(name: str, length: int) -> dict:
    """`block_output` at every layer and position of prompts that share nothing."""
    shape = SHAPES[GPT2]
    base, source = unlike_prompts(length, seed=length)
    return workload(
        name,
        f"block_output, {shape['layers']} layers x {length} positions",
        GPT2,
        "interchange",
        NOTHING,
        examples=[{"base": base, "source": source}],
        cells=grid(("block_output",), shape["layers"], length),
        read=probability(CAPITALS[GPT2]["tokens"]),
    )


def heads(name: str, model: str) -> dict:
    """Every head's `attention_value_output` at the last position."""
    prompts = CAPITALS[model]
    return workload(
        name,
        f"every head at the last position, {model}",
        model,
        "interchange",
        SHARED,
        examples=[{"base": prompts["base"], "source": prompts["source"]}],
        cells=every_head(SHAPES[model], len(prompts["base"]) - 1),
        read=probability(prompts["tokens"]),
    )


# Indirect object identification (Wang et al. 2022), as in "Then , A and B were working at the PLACE . B
# decided to give a THING to": 17 or 18 tokens there, 17 here. Letters stand for words that are drawn for
# each prompt: I the indirect object, S the subject, P a place, T a thing; all others belong to the
# template, and have a token of their own there.
IOI_TEMPLATES = (
    "then , I and S were-working at-the P today . S decided to give a T to",
    "then , S and I were-working at-the P today . S decided to give a T to",
    "when I and S got a T at the P , S wanted to give it to",
    "when S and I got a T at the P , S wanted to give it to",
    "after I and S went to the P they found a T . S gave it to",
    "after S and I went to the P they found a T . S gave it to",
)


def ioi_examples(count: int, vocabulary: int, seed: int) -> list[dict]:
    """Prompts whose answer is the indirect object, and the same with three unlike names (ABC)."""
    draw = random.Random(seed)
    words = sorted({word for template in IOI_TEMPLATES for word in template.split()} - set("ISPT"))
    tokens = draw.sample(range(vocabulary), len(words) + 100 + 20 + 20)
    template_token = dict(zip(words, tokens, strict=False))
    names, places, things = tokens[-140:-40], tokens[-40:-20], tokens[-20:]
    examples = []
    for number in range(count):
        template = IOI_TEMPLATES[number % len(IOI_TEMPLATES)].split()
        indirect, subject, *others = draw.sample(names, 5)
        place, thing = draw.choice(places), draw.choice(things)

        def fill(subjects: list[int], other: int) -> list[int]:
            drawn = {"I": other, "P": place, "T": thing}
            remaining = iter(subjects)
            return [
                next(remaining) if word == "S" else drawn.get(word, template_token.get(word))
                for word in template
            ]

        examples.append(
            {
                "base": fill([subject, subject], indirect),
                "source": fill(others[:2], others[2]),
                "indirect_object": indirect,
                "subject": subject,
            }
        )
    return examples


def indirect_object(name: str, freeze: str | None, count: int = 100) -> dict:
    """One head swapped at the last position; the change of the mean logit difference, relative."""
    examples = ioi_examples(count, SHAPES[GPT2]["vocabulary"], seed=1)
    pairs = [[example.pop("indirect_object"), example.pop("subject")] for example in examples]
    effect = "direct" if freeze else "total"
    return workload(
        name,
        f"IOI, {count} examples x 144 heads, {effect} effect",
        GPT2,
        "interchange",
        "each template's first words, with its source and other examples",
        examples=examples,
        cells=every_head(SHAPES[GPT2], len(examples[0]["base"]) - 1),
        freeze=freeze,
        read={"kind": "logit_difference", "pairs": pairs},
    )


def causal_tracing(name: str, noise_rows: int = 10) -> dict:
    """Causal tracing (Meng et al. 2022): noise on the subject, one layer's output restored at one token."""
    # "The Space Needle is in downtown"; the subject is the first four tokens, the noise 3 times as wide
    # as the embeddings of the random model (0.1).
    tokens, subject = [464, 4687, 10664, 293, 318, 287, 9436], [0, 1, 2, 3]
    draw, shape = random.Random(2), SHAPES[GPT2]
    noise = [
        [[round(draw.gauss(0, 0.3), 4) for _ in range(shape["d_model"])] for _ in subject]
        for _ in range(noise_rows)
    ]
    return workload(
        name,
        f"causal tracing, {noise_rows} noise rows x {shape['layers']} layers x {len(tokens)} tokens",
        GPT2,
        "restore",
        NOTHING,
        examples=[{"base": tokens, "source": None}],
        cells=grid(("block_output",), shape["layers"], len(tokens)),
        noise={"positions": subject, "rows": noise},
        read=probability([14708]),
    )


def forward(name: str, length: int) -> dict:
    base, _ = unlike_prompts(length, seed=length)
    return workload(
        name,
        f"one forward pass, {length} tokens",
        GPT2,
        "forward",
        NOTHING,
        examples=[{"base": base, "source": None}],
        cells=[],
        read=probability(CAPITALS[GPT2]["tokens"] + [464, 318, 262, 1]),
    )


def over_data(name: str, title: str, model: str, task: str, roles: tuple[str, ...], **rest) -> dict:
    """A sweep over 200 rows that `vene task` makes for the model."""
    path = data_sets.made(task, model, DATA_SET_ROWS)
    return workload(
        name,
        title,
        model,
        "data_set",
        "each template's first words",
        # What vene reads: the texts, and the file that has the model's tokenizer.
        rows=str(path),
        tokenizer=str(data_sets.gguf(model)),
        roles=roles,
        examples=data_sets.in_tokens(path, model, roles),
        read={"kind": "answers"},
        tools=["vene", "hand-batched PyTorch", "pyvene"],
        **rest,
    )


def countries(name: str, model: str) -> dict:
    """Where a country becomes its capital: three components, every layer, three roles."""
    layers = SHAPES[model]["layers"]
    components = ("mlp_output", "attention_output", "block_output")
    roles = ("subject_last", "after_subject", "last")
    cells = [
        {"component": component, "layer": layer, "role": role, "head": None}
        for layer in range(layers)
        for component in components
        for role in range(len(roles))
    ]
    title = f"{DATA_SET_ROWS} country pairs x {layers} layers x 3 components x 3 roles, {model}"
    return over_data(name, title, model, "capital", roles, cells=cells)


def ioi_data(name: str, model: str) -> dict:
    """Every head at the last position, in prompts of several lengths."""
    shape = SHAPES[model]
    cells = [
        {"component": "attention_value_output", "layer": layer, "role": 0, "head": head}
        for layer in range(shape["layers"])
        for head in range(shape["heads"])
    ]
    title = f"IOI, {DATA_SET_ROWS} pairs x {len(cells)} heads, {model}"
    return over_data(name, title, model, "ioi", ("last",), cells=cells)


# All workloads, in the order of the table; those of one model lie together.
WORKLOADS: dict[str, Callable[[str], dict]] = {
    "a": lambda name: tutorial(name, GPT2, "source", SHARED),
    "a2": lambda name: tutorial(name, GPT2, "unlike", NOTHING),
    "d": lambda name: block_outputs(name, 128),
    "e": lambda name: heads(name, GPT2),
    "f": lambda name: indirect_object(name, freeze="attention_output"),
    "f2": lambda name: indirect_object(name, freeze=None),
    "g": causal_tracing,
    "h5": lambda name: forward(name, 5),
    "h128": lambda name: forward(name, 128),
    "b": lambda name: tutorial(name, SMOLLM2, "source", SHARED),
    "b2": lambda name: tutorial(name, SMOLLM2, "unlike", NOTHING),
    "e-smollm2": lambda name: heads(name, SMOLLM2),
    "i": lambda name: countries(name, SMOLLM2),
    "j": lambda name: ioi_data(name, SMOLLM2),
    "c": lambda name: tutorial(name, GEMMA3, "source", SHARED),
    "c2": lambda name: tutorial(name, GEMMA3, "unlike", START),
    "k": lambda name: ioi_data(name, GEMMA3),
}


def intervention_count(work: dict) -> int:
    """How many edited runs a workload asks for; a forward pass counts as one."""
    noise = len(work["noise"]["rows"]) if work["kind"] == "restore" else 1
    return max(1, len(work["cells"])) * noise * len(work["examples"])


def sample(work: dict, cells: int) -> dict:
    """The same workload with only so many of its cells, drawn at random; `kept` are their indices.

    Evenly spread ones would fall on one position of a grid, and perhaps on one that changes nothing.
    """
    if not 0 < cells < len(work["cells"]):
        return work
    kept = sorted(random.Random(cells).sample(range(len(work["cells"])), cells))
    title = f"{work['title']} (only {cells} cells of it)"
    return {**work, "cells": [work["cells"][index] for index in kept], "kept": kept, "title": title}


def of_rows(work: dict, rows: int) -> dict:
    """The same workload with only its first rows, where it is over a data set."""
    if work["kind"] != "data_set" or not 0 < rows < len(work["examples"]):
        return work
    title = f"{work['title']} (only {rows} rows of it)"
    return {**work, "examples": work["examples"][:rows], "title": title}


def selected(names: str | None) -> list[dict]:
    """Workloads by name; a letter that is no name selects all whose names begin with it."""
    wanted = set(WORKLOADS)
    if names is not None:
        wanted = {one for name in names.split(",") for one in matching(name)}
    return [make(name) for name, make in WORKLOADS.items() if name in wanted]


def matching(name: str) -> list[str]:
    found = [name] if name in WORKLOADS else [one for one in WORKLOADS if one.startswith(name)]
    if not found:
        raise SystemExit(f"no workload is called {name!r}; there are {', '.join(WORKLOADS)}")
    return found
