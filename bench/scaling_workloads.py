"""Four axes along which a sweep grows, each with the others held."""

from collections.abc import Iterator

from workloads import (
    CAPITALS,
    GPT2,
    NOTHING,
    SHAPES,
    cell,
    grid,
    indirect_object,
    probability,
    sample,
    unlike_prompts,
    workload,
)

LAYERS = SHAPES[GPT2]["layers"]
TUTORIAL = ("mlp_output", "attention_input")
TUTORIAL_TOKENS = 5


def pairs(count: int, length: int) -> list[dict]:
    """Pairs of prompts that share nothing, with each other and among themselves."""
    prompts = (unlike_prompts(length, seed=number) for number in range(count))
    return [{"base": base, "source": source} for base, source in prompts]


def sweep(axis: str, size: int, model: str, examples: list[dict], cells: list[dict]) -> dict:
    return workload(
        f"{axis} {size}",
        f"{axis}: {size}",
        model,
        "interchange",
        NOTHING,
        examples=examples,
        cells=cells,
        read=probability(CAPITALS[GPT2]["tokens"]),
    )


def interventions() -> Iterator[tuple[int, dict]]:
    """The tutorial's sweep: some of its cells, all, or all for several pairs of prompts."""
    cells = grid(TUTORIAL, LAYERS, TUTORIAL_TOKENS)
    for size in (10, 30, 120, 360, 1_200, 3_600, 12_000, 36_000, 99_960):
        examples = pairs(max(1, size // len(cells)), TUTORIAL_TOKENS)
        yield size, sample(sweep("interventions", size, GPT2, examples, cells), size)


def sequence_length() -> Iterator[tuple[int, dict]]:
    """`block_output` in every layer, at the end of each quarter of the prompt."""
    for length in (8, 16, 32, 64, 128, 256, 512, 1024):
        positions = [length * quarter // 4 - 1 for quarter in (1, 2, 3, 4)]
        cells = [cell("block_output", layer, place) for layer in range(LAYERS) for place in positions]
        yield length, sweep("tokens", length, GPT2, pairs(1, length), cells)


def examples() -> Iterator[tuple[int, dict]]:
    """The IOI prompts with one head of every layer swapped (total effect)."""
    for count in (1, 3, 10, 30, 100, 300, 1000):
        work = indirect_object("examples", freeze=None, count=count)
        one_a_layer = [one for one in work["cells"] if one["head"] == 0]
        yield count, {**work, "name": f"examples {count}", "title": f"examples: {count}", "cells": one_a_layer}


def depth() -> Iterator[tuple[int, dict]]:
    """The same number of interventions, and the same width, in models of more and more layers."""
    for layers in (3, 6, 12, 24):
        cells = grid(TUTORIAL, layers, TUTORIAL_TOKENS)
        work = sweep("layers", layers, f"{GPT2}-{layers}", pairs(1, TUTORIAL_TOKENS), cells)
        yield layers, sample(work, 30)


AXES = {
    "interventions": interventions,
    "tokens of the prompt": sequence_length,
    "examples": examples,
    "layers of the model": depth,
}
