"""A model's sizes."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Config:
    """A model's sizes. pyvene's and Hugging Face's names of some are there too (`n_layer`, `hidden_size` ...)."""

    family: str
    layers: int
    d_model: int
    heads: int
    key_value_heads: int
    head_dim: int
    d_mlp: int
    vocabulary: int
    context: int
    final_norm: bool

    @property
    def n_layer(self) -> int:
        return self.layers

    @property
    def num_hidden_layers(self) -> int:
        return self.layers

    @property
    def n_head(self) -> int:
        return self.heads

    @property
    def num_attention_heads(self) -> int:
        return self.heads

    @property
    def n_embd(self) -> int:
        return self.d_model

    @property
    def hidden_size(self) -> int:
        return self.d_model

    @property
    def vocab_size(self) -> int:
        return self.vocabulary
