"""What a call gives: hidden states and logits, by attribute, by name and by number."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np

from vene._arrays import tensor
from vene._errors import PlanError
from vene._model import Model
from vene._padding import Prompts
from vene.pyvene._backend import HAS_TORCH


class Output:
    """Named values, computed when they are asked for; by number those that transformers gives, in its order."""

    def __init__(self, values: dict[str, Callable[[], Any]], order: tuple[str, ...]) -> None:
        self._values = values
        self._order = order
        self._known: dict[str, Any] = {}

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_") or name not in self._values:
            raise AttributeError(f"there is no {name}; there are {', '.join(self._values)}")
        if name not in self._known:
            self._known[name] = self._values[name]()
        return self._known[name]

    def __getitem__(self, key: Any) -> Any:
        if isinstance(key, str):
            if key not in self._values:
                raise KeyError(key)
            return getattr(self, key)
        if isinstance(key, slice):
            return tuple(getattr(self, name) for name in self._order[key])
        return getattr(self, self._order[key])

    def __contains__(self, key: object) -> bool:
        return key in self._values

    def __iter__(self) -> Iterator[Any]:
        return (getattr(self, name) for name in self._order)

    def __len__(self) -> int:
        return len(self._order)

    def keys(self) -> tuple[str, ...]:
        return self._order

    def to_tuple(self) -> tuple[Any, ...]:
        return tuple(self)

    def __repr__(self) -> str:
        return f"Output({', '.join(self._values)})"


class IntervenableModelOutput(Output):
    """What a call with `return_dict=True` gives."""

    def __init__(self, original_outputs: Any, intervened_outputs: Any, collected_activations: Any) -> None:
        given = {
            "original_outputs": original_outputs,
            "intervened_outputs": intervened_outputs,
            "collected_activations": collected_activations,
        }
        super().__init__(
            {name: partial(given.get, name) for name in given},
            tuple(name for name, value in given.items() if value is not None))


def of_hidden(host: Any, model: Model, hidden: Any, labels: Any, prompts: Prompts) -> Output:
    """Hidden states `[examples, positions, d_model]` as the model's output."""
    hidden = tensor(hidden) if isinstance(hidden, np.ndarray) else hidden
    read = hidden
    if host.is_network and type(host.given).__name__ == "GRUForClassification":
        read = hidden[:, -1]
    squeezes = bool(getattr(host.given.config, "squeeze_output", False))

    def logits() -> Any:
        if not HAS_TORCH or not hasattr(hidden, "requires_grad"):
            return model.unembed(read)
        from vene.pyvene.autograd import unembedded

        found = unembedded(model, read)
        return found.squeeze(1) if squeezes else found

    made: dict[str, Any] = {"last_hidden_state": lambda: hidden}
    if not host.has_head:
        if labels is not None:
            raise PlanError("labels are given, and the model has no logits to compare with them")
        return Output(made, ("last_hidden_state",))
    made["logits"] = logits
    shown = Output(made, ("logits",))
    if labels is not None:
        made["loss"] = lambda: _loss(shown.logits, labels, host, prompts)
        return Output({**made, "logits": lambda: shown.logits}, ("loss", "logits"))
    return shown


def _loss(logits: Any, labels: Any, host: Any, prompts: Prompts) -> Any:
    """The mean cross entropy: of next tokens, as transformers computes it of a language model, or of classes. What padding is
    followed by is not counted."""
    if not HAS_TORCH:
        raise PlanError("labels need PyTorch: without it, train by vene.run or IntervenableModel.fit")
    import torch

    given = torch.as_tensor(labels)
    if not host.is_network or type(host.given).__name__ == "GRULMHeadModel":
        logits, given = logits[..., :-1, :], given[..., 1:]
        if prompts.is_padded:
            given = given.masked_fill(~torch.from_numpy(prompts.shown)[:, :-1], -100)
    if given.is_floating_point():
        raise PlanError("labels are numbers with fractions; expected classes or tokens")
    return torch.nn.functional.cross_entropy(
        logits.reshape(-1, logits.shape[-1]).float(), given.reshape(-1).long(), ignore_index=-100)
