"""The rival to beat: what a careful PyTorch user writes by hand.

Every intervention is a row of a batch, and hooks edit rows. The source runs once; only the last position's
logits are computed, and of a logit difference only the two rows of the unembedding. Where all interventions
lie at the last position, the tokens before it run once and every row continues from their keys and values.
Batches are cut so that they hold at most `TOKENS` tokens.
"""

from collections import defaultdict

import torch
from transformers import DynamicCache

from batched_data_set import data_set
from hooks import captured, capturing, hooked
from serve import hugging_face_model, relative_change, serve
from sites import backbone, blocks, site

TOKENS = 4096


class BaseRun:
    """One run of all bases: what it shows at some places, its last position, and its keys and values."""

    def __init__(self, model, tokens: torch.Tensor, places: set[tuple[str, int]], keep_cache: bool):
        cache = DynamicCache() if keep_cache else None
        self.values, hooks = capturing(model, places)
        with hooked(hooks):
            output = backbone(model)(tokens, past_key_values=cache, use_cache=keep_cache)
        self.last_hidden = output.last_hidden_state[:, -1]
        if keep_cache:
            # All tokens but the last, from which every row continues.
            self.prefix = [(keys[:, :, :-1], values[:, :, :-1]) for keys, values in cache.to_legacy_cache()]

    def rows(self, examples: torch.Tensor) -> DynamicCache:
        """A cache with a row for each of these examples."""
        rows = tuple((keys[examples], values[examples]) for keys, values in self.prefix)
        return DynamicCache.from_legacy_cache(rows)


def read(model, hidden: torch.Tensor, wanted: dict, examples: torch.Tensor) -> torch.Tensor:
    """What a workload reads off the last position's final rows `[row, width]`: `[row, value]`."""
    if wanted["kind"] == "logit_difference":
        pairs = torch.tensor(wanted["pairs"])[examples]
        difference = model.lm_head.weight[pairs[:, 0]] - model.lm_head.weight[pairs[:, 1]]
        return (hidden * difference).sum(-1, keepdim=True)
    return model.lm_head(hidden).softmax(-1)[:, wanted["tokens"]]


class Sweep:
    """A row for each pair of cell and example, cells outermost."""

    def __init__(self, model, workload: dict):
        self.model, self.workload = model, workload
        self.cells = workload["cells"]
        self.base = torch.tensor([example["base"] for example in workload["examples"]])
        self.last = self.base.shape[1] - 1
        self.only_last = all(cell["position"] == self.last for cell in self.cells)
        self.places = {(cell["component"], cell["layer"]) for cell in self.cells}
        self.freeze = workload.get("freeze")
        source = torch.tensor([example["source"] for example in workload["examples"]])
        self.source_values = captured(model, source, self.places)
        layers = range(1, len(blocks(model))) if self.freeze else ()
        held = {(self.freeze, layer) for layer in layers}
        if self.only_last or self.needs_own_values():
            self.base_run = BaseRun(model, self.base, held, keep_cache=self.only_last)

    def needs_own_values(self) -> bool:
        return self.freeze is not None or self.workload["read"]["kind"] == "logit_difference"

    def hooks(self, chunk: list[tuple[int, int]]):
        """What edits the rows of a chunk of (cell, example) pairs."""
        by_place = defaultdict(list)
        for row, (number, example) in enumerate(chunk):
            cell = self.cells[number]
            by_place[cell["component"], cell["layer"]].append((row, example, cell))
        for place, edits in by_place.items():
            yield site(self.model, *place), self.interchange(place, edits)
        for place in self.base_run.values if self.freeze else ():
            frozen = [
                (row, example)
                for row, (number, example) in enumerate(chunk)
                if self.cells[number]["layer"] < place[1]
            ]
            if frozen:
                yield site(self.model, *place), self.hold(place, frozen)

    def interchange(self, place, edits):
        rows = torch.tensor([row for row, _, _ in edits])
        examples = torch.tensor([example for _, example, _ in edits])
        positions = torch.tensor([cell["position"] for _, _, cell in edits])
        values = self.source_values[place][examples, positions]
        written = torch.zeros_like(positions) if self.only_last else positions
        if edits[0][2]["head"] is None:

            def edit(tensor):
                tensor = tensor.clone()
                tensor[rows, written] = values
                return tensor

            return edit
        count = self.model.config.num_attention_heads
        heads = torch.tensor([cell["head"] for _, _, cell in edits])
        values = values.unflatten(-1, (count, -1))[torch.arange(len(edits)), heads]

        def edit_head(tensor):
            tensor = tensor.clone()
            tensor.unflatten(-1, (count, -1))[rows, written, heads] = values
            return tensor

        return edit_head

    def hold(self, place, frozen):
        rows = torch.tensor([row for row, _ in frozen])
        examples = torch.tensor([example for _, example in frozen])
        values = self.base_run.values[place][examples, self.last]
        written = 0 if self.only_last else self.last

        def edit(tensor):
            tensor = tensor.clone()
            tensor[rows, written] = values
            return tensor

        return edit

    def run(self) -> torch.Tensor:
        """`[cell, example, value]`."""
        rows = [(cell, example) for cell in range(len(self.cells)) for example in range(len(self.base))]
        size = max(1, TOKENS // self.base.shape[1])
        found = []
        for start in range(0, len(rows), size):
            chunk = rows[start : start + size]
            examples = torch.tensor([example for _, example in chunk])
            with hooked(self.hooks(chunk)):
                found.append(read(self.model, self.last_hidden(examples), self.workload["read"], examples))
        return torch.cat(found).unflatten(0, (len(self.cells), len(self.base)))

    def last_hidden(self, examples: torch.Tensor) -> torch.Tensor:
        tokens = self.base[examples]
        if not self.only_last:
            return backbone(self.model)(tokens, use_cache=False).last_hidden_state[:, -1]
        cache = self.base_run.rows(examples)
        output = backbone(self.model)(tokens[:, -1:], past_key_values=cache, use_cache=True)
        return output.last_hidden_state[:, -1]


def interchange(model, workload: dict) -> list[float]:
    sweep = Sweep(model, workload)
    found = sweep.run()
    if workload["read"]["kind"] == "probability":
        return found.flatten().tolist()
    every = torch.arange(len(sweep.base))
    own = read(model, sweep.base_run.last_hidden, workload["read"], every)[:, 0].tolist()
    return [relative_change(cell[:, 0].tolist(), own) for cell in found]


def restore(model, workload: dict) -> list[float]:
    """Causal tracing, a row for each pair of noise and cell."""
    cells, positions = workload["cells"], workload["noise"]["positions"]
    noise = torch.tensor(workload["noise"]["rows"])
    clean = torch.tensor([workload["examples"][0]["base"]])
    kept = captured(model, clean, {(cell["component"], cell["layer"]) for cell in cells})
    rows = [(noise_row, cell) for noise_row in range(len(noise)) for cell in range(len(cells))]
    size = max(1, TOKENS // clean.shape[1])
    found = []
    for start in range(0, len(rows), size):
        chunk = rows[start : start + size]
        of_row = torch.tensor([noise_row for noise_row, _ in chunk])

        def corrupt(tensor, of_row=of_row):
            tensor = tensor.clone()
            tensor[:, positions] += noise[of_row]
            return tensor

        hooks = [(site(model, "block_input", 0), corrupt)]
        for place, values in kept.items():
            edits = [
                (row, cells[cell]["position"])
                for row, (_, cell) in enumerate(chunk)
                if (cells[cell]["component"], cells[cell]["layer"]) == place
            ]
            if edits:
                hooks.append((site(model, *place), put_back(values[0], edits)))
        with hooked(hooks):
            tokens = clean.expand(len(chunk), -1)
            hidden = backbone(model)(tokens, use_cache=False).last_hidden_state[:, -1]
        found.append(read(model, hidden, workload["read"], of_row))
    return torch.cat(found).flatten().tolist()


def put_back(values: torch.Tensor, edits: list[tuple[int, int]]):
    rows = torch.tensor([row for row, _ in edits])
    positions = torch.tensor([position for _, position in edits])

    def edit(tensor):
        tensor = tensor.clone()
        tensor[rows, positions] = values[positions]
        return tensor

    return edit


def forward(model, workload: dict) -> list[float]:
    tokens = torch.tensor([workload["examples"][0]["base"]])
    hidden = backbone(model)(tokens, use_cache=False).last_hidden_state[:, -1]
    return read(model, hidden, workload["read"], torch.zeros(1, dtype=torch.long)).flatten().tolist()


RUN = {"interchange": interchange, "restore": restore, "forward": forward, "data_set": data_set}

if __name__ == "__main__":
    serve(hugging_face_model, lambda model, workload: RUN[workload["kind"]](model, workload))
