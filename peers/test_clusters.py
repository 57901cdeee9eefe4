"""Runs divided over the workers of a cluster, one of which dies: the bytes of one run.

`scripts/peers ray` runs them, with Ray and Dask on this machine.
"""

import os
import signal
import threading
import time
from pathlib import Path

import pytest

import vene
from vene.shards import Shards

SWEEP = {
    "kind": "sweep",
    "model": {"id": "embedded"},
    "data": {"task": "capital", "rows": 1600, "seed": 3},
    "sweep": {"components": ["block_output", "mlp_output"], "positions": "subject_last,last"},
    "statistics": {"resamples": 50},
}
TABLES = ("examples.parquet", "summary.parquet", "summary.csv", "mean.svg")


@pytest.fixture(scope="module")
def whole(tmp_path_factory) -> dict[str, bytes]:
    """What one run gives."""
    return files(vene.run(SWEEP, tmp_path_factory.mktemp("whole") / "run").folder)


def files(folder: Path) -> dict[str, bytes]:
    return {name: (folder / name).read_bytes() for name in TABLES}


def parent_of_shard(folder: Path) -> int | None:
    """The process that runs a shard in a process of its own."""
    for process in Path("/proc").glob("[0-9]*"):
        try:
            line = (process / "cmdline").read_bytes().split(b"\0")
            if b"vene.shards" in line and str(folder).encode() in line:
                return int((process / "stat").read_text().rpartition(")")[2].split()[1])
        except OSError:
            continue
    return None


def kill_the_worker_of(shard: Path, killed: list[Path]) -> None:
    """Waits for the first part of a shard's rows, and kills the process that asked for it."""
    for _ in range(6000):
        parts = sorted(shard.glob("parts/batch-*.json"))
        worker = parent_of_shard(shard)
        if parts and worker is not None and worker != os.getpid():
            os.kill(worker, signal.SIGKILL)
            killed.extend(parts)
            return
        time.sleep(0.01)


def test_a_worker_of_ray_that_is_killed_changes_nothing(whole, tmp_path):
    ray = pytest.importorskip("ray")
    import vene.ray

    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False)
    try:
        shard, killed = tmp_path / "run.shards/2-of-3", []
        killer = threading.Thread(target=kill_the_worker_of, args=(shard, killed))
        killer.start()
        run = vene.ray.run(SWEEP, 3, tmp_path / "run")
        killer.join()
        assert killed, "no worker was killed in the middle"
        assert files(run.folder) == whole
        assert run.record["status"] == "complete" and not shard.parent.exists()
        # What the experiment makes fail is said at once.
        with pytest.raises(vene.RunError, match="layers"):
            vene.ray.run(SWEEP, 2, tmp_path / "wrong", sweep__layers="90")
    finally:
        ray.shutdown()


def test_dask(whole, tmp_path):
    distributed = pytest.importorskip("distributed")
    shards = Shards(SWEEP, 2, tmp_path / "run")
    with distributed.LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as cluster:
        with distributed.Client(cluster) as client:
            client.gather(client.map(shards.run, shards.numbers))
    assert files(shards.join().folder) == whole
