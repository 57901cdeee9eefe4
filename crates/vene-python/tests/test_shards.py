"""Runs divided into stretches of rows, and put together."""

import json
import os
import signal
import subprocess
import sys
import time

import pytest
from conftest import ROWS

import vene
from vene.shards import Shards

SWEEP = {
    "kind": "sweep",
    "model": {"id": "embedded"},
    "sweep": {"components": ["block_output"], "layers": "0..3", "positions": "subject_last,last"},
    "statistics": {"resamples": 60},
}


@pytest.fixture
def sweep(tmp_path):
    path = tmp_path / "rows.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in ROWS * 4))
    return {**SWEEP, "data": {"path": str(path)}}


def test_stretches_are_one_run(sweep, tmp_path):
    whole = vene.run(sweep, tmp_path / "whole")
    shards = Shards(sweep, 3, tmp_path / "joined")
    assert list(shards.numbers) == [1, 2, 3]
    assert [shards.run(number) for number in (3, 1, 2)] == [3, 1, 2]
    # What is complete is not run again.
    record = shards.folder / "2-of-3/run.json"
    before = record.stat().st_mtime_ns
    Shards(sweep, 3, tmp_path / "joined").run(2)
    assert record.stat().st_mtime_ns == before
    joined = shards.join()
    for name in ("examples.parquet", "summary.parquet", "summary.csv", "mean.svg"):
        assert (joined.folder / name).read_bytes() == (whole.folder / name).read_bytes()
    assert not shards.folder.exists()


def test_changes_are_those_of_a_run(sweep, tmp_path):
    shards = Shards(sweep, 2, tmp_path / "joined", sweep__layers=[1])
    for number in shards.numbers:
        shards.run(number)
    assert set(shards.join().table("examples").to_dict()["layer"]) == {1}


def test_a_process_ends_with_the_one_that_started_it(tmp_path):
    # The parent starts a long run and dies without a word.
    rows = {"task": "capital", "rows": 3000}
    program = (
        "import sys; from vene.shards import Shards\n"
        f"Shards({ {**SWEEP, 'data': rows} !r}, 2, {str(tmp_path / 'run')!r}, sweep__components=['block_output', 'mlp_output']).run(1)")
    parent = subprocess.Popen([sys.executable, "-c", program])
    lock = tmp_path / "run.shards/1-of-2/.vene-lock"
    until = time.monotonic() + 60
    while not (lock.parent / "run.json").exists() and time.monotonic() < until:
        time.sleep(0.02)
    os.kill(parent.pid, signal.SIGKILL)
    parent.wait()
    time.sleep(1)
    assert json.loads((lock.parent / "run.json").read_text())["status"] == "running"
    held = [line for line in open("/proc/locks") if line.split()[5].endswith(f":{lock.stat().st_ino}")]
    assert held == []


@pytest.mark.parametrize(
    ("wrong", "error", "said"),
    [
        (lambda sweep, out: Shards(sweep, 0, out), vene.InputError, "0 shards"),
        (lambda sweep, out: Shards(sweep, 2, out).run(3), vene.InputError, "expected 1 to 2"),
        (lambda sweep, out: Shards(sweep, 9, out).run(1), vene.RunError, "8 rows"),
        (lambda sweep, out: Shards(sweep, 2, out).join(), vene.RunError, "1-of-2"),
        (lambda sweep, out: Shards(sweep, 2, out, sweep__layer=1), vene.RunError, "did you mean `layers`"),
        (lambda sweep, out: (Shards(sweep, 2, out), Shards(sweep, 3, out)), vene.InputError, "another experiment"),
        (lambda sweep, out: (out.mkdir(), Shards(sweep, 2, out)), vene.InputError, "there already"),
    ],
)
def test_what_is_wrong_is_told(sweep, tmp_path, wrong, error, said):
    with pytest.raises(error, match=said):
        wrong(sweep, tmp_path / "joined")
