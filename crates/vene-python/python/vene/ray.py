"""A run over many rows on a cluster of Ray.

    import vene.ray

    run = vene.ray.run("heads.toml", shards=16, out="heads")
    run.table("summary").to_pandas()
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import ray

from vene._run import Run
from vene.shards import Shards


def run(
    experiment: str | Path | dict[str, Any],
    shards: int,
    out: str | Path,
    *,
    threads: int = 1,
    retries: int = 3,
    **changes: Any,
) -> Run:
    """Runs an experiment's stretches of rows (`vene.shards.Shards`) as Ray's tasks, and puts them together: the bytes of one run.

    A task takes `threads` of the cluster's processors. One whose worker dies is run again up to `retries` times, and goes
    on after the last batch of rows that was written. What the experiment itself makes fail is raised at once (`vene.RunError`).
    Ray is started on this machine where it is not connected to a cluster.
    """
    divided = Shards(experiment, shards, out, threads=threads, **changes)
    task = ray.remote(num_cpus=threads, max_retries=retries)(_run)
    waiting = [task.remote(divided, number) for number in divided.numbers]
    try:
        while waiting:
            # The first that fails, not the first in order.
            done, waiting = ray.wait(waiting, num_returns=1)
            ray.get(done)
    finally:
        for left in waiting:
            ray.cancel(left)
    return divided.join()


def _run(shards: Shards, number: int) -> int:
    return shards.run(number)
