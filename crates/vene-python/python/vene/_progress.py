"""How far a computation is: a bar of tqdm where that is installed, else a line on a terminal."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

Told = Callable[[int, int, str | None], None]


@contextmanager
def bar(progress: bool | None, unit: str) -> Iterator[Told | None]:
    """What is to be told how far it is; without a word (`None`), in notebooks and on terminals alone."""
    wanted = progress if progress is not None else sys.stderr.isatty() or "ipykernel" in sys.modules
    if not wanted:
        yield None
        return
    try:
        from tqdm.auto import tqdm
    except ImportError:
        yield from _line(unit)
        return
    with tqdm(unit=f" {unit}", leave=False) as shown:

        def told(done: int, everything: int, says: str | None) -> None:
            shown.total = everything
            if says:
                shown.set_postfix_str(says, refresh=False)
            shown.update(done - shown.n)

        yield told


def _line(unit: str) -> Iterator[Told]:
    written = ""

    def told(done: int, everything: int, says: str | None) -> None:
        nonlocal written
        line = f"{done:,} of {everything:,} {unit}{', ' + says if says else ''}"
        if line != written:
            print(f"\r{line:<{len(written)}}", end="", file=sys.stderr, flush=True)
            written = line

    try:
        yield told
    finally:
        if written:
            print(f"\r{'':<{len(written)}}\r", end="", file=sys.stderr, flush=True)
