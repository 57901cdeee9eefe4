"""A sweep over a data set, as a careful PyTorch user batches it by hand.

Bases and sources run once: the sources' values are kept where a cell reads them, and of the bases the keys and
values. An intervention is a row that begins at the edited token and continues from its base's keys and values
before it; so nothing is computed again but the tokens that an edit can change. Rows that begin at the same
position and have as many tokens left are batched, whatever their example, place and head; hooks edit them. Of
the last position only the two answers' logits are computed.
"""

from collections import defaultdict

import torch
from transformers import DynamicCache

from hooks import capturing, hooked
from sites import backbone, site

# Tokens of a batch: from 256 to 4096 it hardly matters, nor whether its rows are of one example or of one cell.
TOKENS = 512


def padded(prompts: list[list[int]]) -> torch.Tensor:
    """To one length, on the right: attention is causal, so that what is before the padding stays as it is."""
    longest = max(map(len, prompts))
    return torch.tensor([prompt + [0] * (longest - len(prompt)) for prompt in prompts])


def batches(rows: list, tokens: int):
    """Rows of so many tokens each, in pieces that are not too large."""
    size = max(1, TOKENS // tokens)
    for start in range(0, len(rows), size):
        yield rows[start : start + size]


class DataSet:
    def __init__(self, model, workload: dict):
        self.model, self.cells = model, workload["cells"]
        self.examples = workload["examples"]
        self.base = padded([example["base"] for example in self.examples])
        self.written = torch.tensor([example["written"] for example in self.examples])
        self.lengths = torch.tensor([len(example["base"]) for example in self.examples])
        targets, foils = torch.tensor([example["answers"] for example in self.examples]).T
        self.unembedding = model.lm_head.weight[targets] - model.lm_head.weight[foils]
        self.source_values = self.values_of_sources()
        self.prefix = self.keys_and_values()

    def values_of_sources(self) -> dict:
        """For each place `[example, role, width]`: what the sources show at their roles."""
        places = {(cell["component"], cell["layer"]) for cell in self.cells}
        source = padded([example["source"] for example in self.examples])
        read = torch.tensor([example["read"] for example in self.examples])
        found = defaultdict(list)
        for batch in batches(range(len(source)), source.shape[1]):
            kept, hooks = capturing(self.model, places)
            with hooked(hooks):
                backbone(self.model)(source[list(batch)], use_cache=False)
            rows = torch.arange(len(batch))[:, None]
            for place, values in kept.items():
                found[place].append(values[rows, read[list(batch)]])
        return {place: torch.cat(values) for place, values in found.items()}

    def keys_and_values(self) -> list[tuple[torch.Tensor, torch.Tensor]]:
        """For each layer those of all bases, `[example, head, position, width]`."""
        found = []
        for batch in batches(range(len(self.base)), self.base.shape[1]):
            cache = DynamicCache()
            backbone(self.model)(self.base[list(batch)], past_key_values=cache, use_cache=True)
            found.append(cache.to_legacy_cache())
        return [tuple(map(torch.cat, zip(*layer, strict=True))) for layer in zip(*found, strict=True)]

    def run(self) -> torch.Tensor:
        """The logit differences, `[cell, example]`."""
        groups = defaultdict(list)
        # Cells outermost, so that a batch needs hooks in few places.
        for number, cell in enumerate(self.cells):
            for example, start in enumerate(self.written[:, cell["role"]].tolist()):
                left = len(self.examples[example]["base"]) - start
                groups[start, left].append((number, example))
        found = torch.empty(len(self.cells), len(self.examples))
        for (start, left), rows in groups.items():
            for batch in batches(rows, left):
                cells, examples = torch.tensor(batch).T
                found[cells, examples] = self.run_batch(start, left, cells.tolist(), examples)
        return found

    def run_batch(self, start: int, left: int, cells: list[int], examples: torch.Tensor) -> torch.Tensor:
        by_place = defaultdict(list)
        for row, number in enumerate(cells):
            cell = self.cells[number]
            by_place[cell["component"], cell["layer"]].append((row, cell))
        hooks = [
            (site(self.model, *place), self.interchange(place, edits, examples))
            for place, edits in by_place.items()
        ]
        prefix = [(keys[examples, :, :start], values[examples, :, :start]) for keys, values in self.prefix]
        with hooked(hooks):
            output = backbone(self.model)(
                self.base[examples, start : start + left],
                attention_mask=torch.ones(len(examples), start + left, dtype=torch.long),
                past_key_values=DynamicCache.from_legacy_cache(prefix) if start else None,
                use_cache=start > 0,
            )
        return (output.last_hidden_state[:, -1] * self.unembedding[examples]).sum(-1)

    def interchange(self, place: tuple[str, int], edits: list[tuple[int, dict]], examples: torch.Tensor):
        """What edits a place: the first token of each row is the one."""
        rows = torch.tensor([row for row, _ in edits])
        roles = torch.tensor([cell["role"] for _, cell in edits])
        values = self.source_values[place][examples[rows], roles]
        if edits[0][1]["head"] is None:

            def edit(tensor):
                tensor = tensor.clone()
                tensor[rows, 0] = values
                return tensor

            return edit
        count = self.model.config.num_attention_heads
        heads = torch.tensor([cell["head"] for _, cell in edits])
        values = values.unflatten(-1, (count, -1))[torch.arange(len(edits)), heads]

        def edit_head(tensor):
            tensor = tensor.clone()
            tensor.unflatten(-1, (count, -1))[rows, 0, heads] = values
            return tensor

        return edit_head


def data_set(model, workload: dict) -> list[float]:
    return DataSet(model, workload).run().flatten().tolist()
