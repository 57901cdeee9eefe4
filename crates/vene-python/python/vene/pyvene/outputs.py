"""What a call gives: hidden states and logits, by attribute, by name and by number."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any


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
