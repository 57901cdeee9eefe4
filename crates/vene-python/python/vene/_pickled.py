"""What cannot be pickled, and the sentence that says what can."""

from __future__ import annotations

from typing import Any


class Unpicklable:
    """Something that lives in this process alone."""

    _instead = "take what it holds out of it"

    def __reduce_ex__(self, _protocol: Any) -> Any:
        name = type(self).__name__
        raise TypeError(f"a vene.{name} lives in this process and is not pickled: {self._instead}")
