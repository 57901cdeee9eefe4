"""What the tests share: models, and where the repository's fixtures are."""

import json
from pathlib import Path

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


@pytest.fixture(scope="session")
def model() -> vene.Model:
    return vene.load("embedded")
