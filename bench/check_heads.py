#!/usr/bin/env python3
"""Checks vene's tables of heads against a plain PyTorch loop, on a part of them drawn at random.

    bench/check_heads.py                                   # all three data sets
    bench/check_heads.py --only ioi-smollm2 --cells 50     # one, and more of it

`vene task` makes a data set, `vene sweep --data` swaps every head at the last position in every row. Of the
`examples.parquet` that it writes, some cells of some rows are drawn and computed again, one by one, in the
plainest way there is: transformers' model in float32, one pass of the source that keeps the input of a layer's
`o_proj`, one pass of the base in which a hook puts the head's slice of it in. The two logit differences must
agree. Only token ids come from vene, since transformers converts these files' tokenizers wrongly; the weights are
read from the same GGUF files by transformers.
"""

import argparse
import json
import os
import random
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import data_sets
from environment import CACHE, MODELS, THREADS, announce, prepare_models, python_of, rust_program, variables

# float32 rounding stays far below this share of the largest effect among the cells that are compared.
TOLERANCE = 1e-3


@dataclass(frozen=True)
class Table:
    task: str
    model: str
    rows: int

    @property
    def name(self) -> str:
        return f"{self.task}-{self.model}"


TABLES = [Table("ioi", "smollm2", 50), Table("ioi", "gemma3", 50), Table("induction", "smollm2", 50)]


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", metavar="NAME", default="", help="how the tables' names begin")
    parser.add_argument("--rows", type=int, default=3, metavar="N", help="rows of each table (default: 3)")
    parser.add_argument("--cells", type=int, default=20, metavar="N", help="cells of each row (default: 20)")
    parser.add_argument("--seed", type=int, default=1, help="which (default: 1)")
    return parser.parse_args()


def without_spans(path: Path) -> Path:
    """The rows' prompts and answers alone: the last position needs no more, and a span may have its name."""
    bare = path.with_name(f"{path.stem}-bare.jsonl")
    kept = ("base", "source", "target", "foil")
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    bare.write_text("".join(json.dumps({key: row[key] for key in kept}) + "\n" for row in rows))
    return bare


def swept(table: Table) -> tuple[Path, Path]:
    """The data set, and vene's table of it."""
    rows = without_spans(data_sets.made(table.task, table.model, table.rows))
    folder = CACHE / "heads" / table.name
    command = [rust_program("vene"), "sweep", "--model", data_sets.gguf(table.model), "--data", rows]
    command += ["--component", "head_attention_value_output", "--unit", "h.pos", "--positions", "last"]
    subprocess.run([*map(str, command), "--out", str(folder)], check=True, stdout=subprocess.DEVNULL)
    return rows, folder / "examples.parquet"


class PlainLoop:
    """transformers' model, one intervention at a time."""

    def __init__(self, name: str):
        import torch
        from transformers import AutoModelForCausalLM

        self.torch = torch
        torch.set_num_threads(THREADS)
        self.model = AutoModelForCausalLM.from_pretrained(
            MODELS / name, attn_implementation="eager", torch_dtype=torch.float32
        ).eval()

    def last_logits(self, tokens: list[int], layer: int, hook):
        """Those behind the last token; `hook` sees, and may replace, the layer's heads before their projection."""
        projection = self.model.model.layers[layer].self_attn.o_proj
        handle = projection.register_forward_pre_hook(lambda _, inputs: hook(inputs[0]))
        try:
            with self.torch.inference_mode():
                return self.model(self.torch.tensor([tokens]), use_cache=False).logits[0, -1]
        finally:
            handle.remove()

    def logit_difference(self, row: dict, layer: int, head: int) -> float:
        """Target minus foil, where the head at the base's last position has the source's values."""
        width = self.model.config.head_dim
        columns = slice(head * width, (head + 1) * width)
        kept = {}

        def keep(heads):
            kept["source"] = heads[0, -1, columns].clone()

        def swap(heads):
            heads = heads.clone()
            heads[0, -1, columns] = kept["source"]
            return (heads,)

        self.last_logits(row["source"], layer, keep)
        logits = self.last_logits(row["base"], layer, swap)
        target, foil = row["answers"]
        return (logits[target] - logits[foil]).item()


def check(table: Table, options: argparse.Namespace) -> bool:
    import pandas

    rows_file, parquet = swept(table)
    rows = data_sets.in_tokens(rows_file, table.model, ("last",))
    found = pandas.read_parquet(parquet)
    found = found[(found.metric == "logit_difference") & (found.control == "none")]
    draw, loop = random.Random(options.seed), PlainLoop(table.model)
    examples = draw.sample(sorted(found.example.unique()), options.rows)
    worst, largest_effect, compared = 0.0, 0.0, 0
    for example in examples:
        of_example = found[found.example == example]
        for index in draw.sample(range(len(of_example)), options.cells):
            cell = of_example.iloc[index]
            own = loop.logit_difference(rows[example], int(cell["layer"]), int(cell["head"]))
            worst = max(worst, abs(own - cell["value"]))
            largest_effect = max(largest_effect, abs(cell["effect"]))
            compared += 1
    agree = worst <= TOLERANCE * largest_effect
    print(
        f"{table.name}: {compared} of {len(found)} values, in {len(examples)} rows; largest difference {worst:.1e}, "
        f"largest effect {largest_effect:.3g}, largest logit difference {found.value.abs().max():.3g}: "
        + ("agree" if agree else "DIFFER"),
        flush=True,
    )
    return agree


def main() -> None:
    options = arguments()
    python = python_of("pyvene")
    if Path(sys.prefix) != python.parent.parent:
        # The libraries are in the benchmarks' environment.
        prepare_models()
        os.execve(python, [str(python), *sys.argv], variables())
    tables = [table for table in TABLES if table.name.startswith(options.only)]
    if not tables:
        raise SystemExit(f"no table is called so; there are {', '.join(table.name for table in TABLES)}")
    results = []
    for table in tables:
        announce(f"{table.name}: {table.rows} rows")
        results.append(check(table, options))
    sys.exit(0 if all(results) else 1)


if __name__ == "__main__":
    main()
