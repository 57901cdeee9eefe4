"""What the tests share: models, and where the repository's fixtures are."""

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


@pytest.fixture(scope="session")
def model() -> vene.Model:
    return vene.load("embedded")
