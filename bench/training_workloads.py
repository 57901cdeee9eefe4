"""Trainings that are measured: distributed alignment search over country pairs, as plain data.

A workload says which intervention is trained where, on which examples (token ids of base and source, the position
that is written and read, the token that the edited run should say: the first of the source's capital), in which
order and batches, from which rotation.
"""

import subprocess
from pathlib import Path

import data_sets
from environment import CACHE, python_of
from workloads import SHAPES, SMOLLM2

PAIRS = 256
LAYER = 12
BATCH = 32
EPOCHS = 3
RANK = 32
LEARNING_RATE = 1e-3


def training(name: str, intervention: str, role: str, pairs: int = PAIRS) -> dict:
    path = data_sets.made("capital", SMOLLM2, PAIRS)
    rows = data_sets.in_tokens(path, SMOLLM2, (role,))[:pairs]
    width = SHAPES[SMOLLM2]["d_model"]
    columns = width if intervention == "rotated_space" else RANK
    examples = [
        {
            "base": row["base"],
            "source": row["source"],
            "written": row["written"][0],
            "read": row["read"][0],
            # The foil is the source's answer.
            "label": row["answers"][1],
        }
        for row in rows
    ]
    return {
        "name": name,
        "title": f"{intervention}, {role.replace('_', ' ')}",
        "kind": "training",
        "model": SMOLLM2,
        "intervention": intervention,
        "layer": LAYER,
        "rank": RANK,
        "batch": BATCH,
        "epochs": EPOCHS,
        "learning_rate": LEARNING_RATE,
        "rotation": str(rotation(width, columns)),
        "examples": examples,
    }


DRAW = """
import sys, torch
from safetensors.torch import save_file
width, columns = int(sys.argv[1]), int(sys.argv[2])
drawn = torch.randn(width, columns, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
save_file({"rotate_layer.weight": torch.linalg.qr(drawn)[0].float().contiguous()}, sys.argv[3])
"""


def rotation(width: int, columns: int) -> Path:
    """Where the training begins: the Q of a random matrix, in a safetensors file."""
    path = CACHE / "data" / f"rotation-{width}-{columns}.safetensors"
    if not path.exists():
        command = [python_of("pyvene"), "-c", DRAW, str(width), str(columns), path]
        subprocess.run(command, check=True)
    return path


TRAININGS = {
    "subject-low-rank": lambda name, pairs: training(name, "low_rank_rotated_space", "subject_last", pairs),
    "subject": lambda name, pairs: training(name, "rotated_space", "subject_last", pairs),
    "last-low-rank": lambda name, pairs: training(name, "low_rank_rotated_space", "last", pairs),
    "last": lambda name, pairs: training(name, "rotated_space", "last", pairs),
}
