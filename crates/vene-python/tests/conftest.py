"""What the tests share: models, and where the repository's fixtures are."""

import json
import warnings
from pathlib import Path

import numpy as np
import pytest

import vene

ROOT = Path(__file__).resolve().parents[3]

SPAIN = "The capital of Spain is"
ITALY = "The capital of Italy is"

ROWS = [
    {"base": SPAIN, "source": ITALY, "target": " Madrid", "foil": " Rome", "subject": "Spain", "source_subject": "Italy"},
    {"base": "The capital of Japan is", "source": SPAIN, "target": " Tokyo", "foil": " Madrid", "subject": "Japan",
     "source_subject": "Spain"},
]


def numbered(name: str, folder: Path) -> Path:
    """A random model of the fixtures, which have no tokenizer, with one that reads numbers."""
    for file in (ROOT / "fixtures/models" / name).iterdir():
        (folder / file.name).symlink_to(file)
    size = json.loads((folder / "config.json").read_text())["vocab_size"]
    words = {str(number): number for number in range(size)}
    model = {"type": "WordLevel", "vocab": words, "unk_token": "0"}
    (folder / "tokenizer.json").write_text(json.dumps({"version": "1.0", "added_tokens": [], "model": model}))
    return folder


def arrays(path: Path) -> dict[str, np.ndarray]:
    """The tensors of a safetensors file in single precision, by name."""
    file = path.read_bytes()
    start = 8 + int.from_bytes(file[:8], "little")
    header = json.loads(file[8:start])
    header.pop("__metadata__", None)
    tensors = {}
    for name, told in header.items():
        assert told["dtype"] == "F32"
        first, end = told["data_offsets"]
        tensors[name] = np.frombuffer(file, np.float32, (end - first) // 4, start + first).reshape(told["shape"])
    return tensors


@pytest.fixture(scope="session")
def model() -> vene.Model:
    return vene.load("embedded")


def tensors(path: Path) -> dict[str, np.ndarray]:
    """The tensors of a safetensors file of the fixtures."""
    raw = path.read_bytes()
    size = int.from_bytes(raw[:8], "little")
    header = json.loads(raw[8 : 8 + size])
    header.pop("__metadata__", None)
    types = {"F32": np.float32, "F64": np.float64, "I64": np.int64}
    read = {}
    for name, entry in header.items():
        start, end = (8 + size + offset for offset in entry["data_offsets"])
        read[name] = np.frombuffer(raw[start:end], dtype=types[entry["dtype"]]).reshape(entry["shape"])
    return read


@pytest.fixture(scope="session")
def gpt2(tmp_path_factory) -> vene.Model:
    """The random GPT-2 that pyvene's own numbers in `fixtures/` are of."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return vene.load(str(numbered("gpt2-plain", tmp_path_factory.mktemp("gpt2-plain"))))
