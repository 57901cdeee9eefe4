"""What pyvene's plain interventions do to values: source's in place of base's, added, subtracted, or collected, in chosen dimensions."""

from __future__ import annotations

from typing import Any

import numpy as np

from vene.pyvene._backend import HAS_TORCH


def expanded(partition: Any) -> list[list[int]] | None:
    """A partition's parts as lists of dimensions; as in pyvene a part of two numbers is a range, its end excluded."""
    if partition is None:
        return None
    return [
        list(range(part[0], part[1])) if len(part) == 2 and isinstance(part[0], int) else list(part)
        for part in partition
    ]


def dimensions(chosen: Any, partition: list[list[int]] | None) -> list[int]:
    """The dimensions that an example's subspaces name: parts of the partition, or without one dimensions."""
    if partition is None:
        return [int(one) for one in chosen]
    return [dimension for part in chosen for dimension in partition[int(part)]]


def broadcast(source: Any, base: Any) -> Any:
    """A source in the shape of the base: one row for all."""
    if tuple(source.shape) == tuple(base.shape):
        return source
    if source.shape[-1] != base.shape[-1] or int(np.prod(source.shape)) != source.shape[-1]:
        raise ValueError(f"a source of shape {list(source.shape)} does not fit a base of shape {list(base.shape)}")
    row = source.reshape((1,) * (len(base.shape) - 1) + (source.shape[-1],))
    return row.expand(*base.shape) if HAS_TORCH else np.broadcast_to(row, base.shape)


def interchanged(
    base: Any,
    source: Any,
    mode: str = "interchange",
    interchange_dim: Any = None,
    subspaces: Any = None,
    subspace_partition: Any = None,
    use_fast: bool = False,
) -> Any:
    """`base` `[examples, ..., width]`, edited: `mode` is `interchange`, `add`, `subtract` or `collect`.

    `subspaces` chooses dimensions (or parts of the partition) for each example, or, where there are as many lists as rows, for
    each row; without it the first `interchange_dim` are meant. `use_fast`: those of the first example are meant for all.
    `collect` returns the chosen dimensions, side by side. The base itself stays as it is.
    """
    if mode == "collect":
        assert source is None, "values are collected of the base alone"
    else:
        source = broadcast(source, base)
    after = base.clone() if HAS_TORCH else np.array(base)
    if subspaces is None:
        end = None if interchange_dim is None else int(interchange_dim)
        return _edited(after, source, mode, (..., slice(None, end)))
    if all(isinstance(one, int) for one in subspaces):
        # One list for all.
        subspaces = [subspaces]
    chosen = [dimensions(one, subspace_partition) for one in subspaces]
    if use_fast or all(one == chosen[0] for one in chosen):
        return _edited(after, source, mode, (..., chosen[0]))
    # For each example its own; where there are as many lists as rows, for each row.
    by_row = len(base.shape) > 2 and len(chosen) == base.shape[-2] and len(chosen) != base.shape[0]
    kept = []
    for index, own in enumerate(chosen):
        place = (..., index, own) if by_row else (index, ..., own)
        kept.append(_edited(after, source, mode, place))
    if mode != "collect":
        return after
    axis = len(base.shape) - 2 if by_row else 0
    if HAS_TORCH:
        import torch

        return torch.stack(kept, dim=axis)
    return np.stack(kept, axis=axis)


def _edited(after: Any, source: Any, mode: str, place: Any) -> Any:
    match mode:
        case "collect":
            return after[place]
        case "interchange":
            after[place] = source[place]
        case "add":
            after[place] += source[place]
        case "subtract":
            after[place] -= source[place]
        case _:
            raise ValueError(f"mode is {mode!r}; expected interchange, add, subtract or collect")
    return after
