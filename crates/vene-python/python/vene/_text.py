"""Texts that were generated."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Text:
    """How a prompt was continued."""

    text: str
    tokens: list[int]
    """The new tokens, one that ended the text included."""
    log_probabilities: list[float]
    """Each token's, in nats, in the model's distribution before temperature and cuts."""
    end: str
    """Why it ended: `stop`, `stop_text`, `enough`, `context_full`."""
    likeliest: list[list[tuple[int, float]]] = field(default_factory=list)
    """For each step the likeliest tokens and their log-probabilities, as many as `top_logprobs` says."""
    stop_text: str | None = None
    """The text that ended it, where one did."""

    @classmethod
    def of(cls, told: dict[str, Any]) -> Text:
        """Of what the compiled half tells."""
        likeliest = [[(token, log_probability) for token, log_probability in step] for step in told.pop("likeliest")]
        return cls(**told, likeliest=likeliest)

    def __str__(self) -> str:
        return self.text
