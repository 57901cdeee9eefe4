"""Texts that were generated."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Text:
    """How a prompt was continued."""

    text: str
    tokens: list[int]
    """The new tokens, one that ended the text included."""
    log_probabilities: list[float]
    """Each token's, in nats, in the model's distribution before temperature and cuts."""
    end: str
    """Why it ended: `stop`, `enough`, `context_full`."""

    def __str__(self) -> str:
        return self.text
