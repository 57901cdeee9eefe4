"""A run over many rows, divided: stretches of its rows run one by one, wherever there is a processor, and put together.

The results are those of one run, to the byte. `vene.ray` runs the stretches as tasks of Ray; with Dask, Slurm or anything else
that calls a function, or a command, on some machine:

    shards = Shards("heads.toml", 16, out="heads")
    for number in shards.numbers:         # in any order, anywhere
        shards.run(number)
    shards.join().table("summary")

All machines see `out` and what the experiment names, under the same paths.
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from threading import Thread
from typing import IO, Any

from vene._errors import InputError, RunError
from vene._run import Run, changed, experiment_file, failure
from vene._vene import command


@dataclass(frozen=True, init=False)
class Shards:
    """An experiment, divided into `count` stretches of its rows (of a grid of trainings: of its runs).

    `experiment` and `changes` are those of `vene.run`; `out` is the folder of the whole run. The stretches' folders are in one
    beside it, `out` with the ending `.shards`, until they are joined: what is complete in there is not run again, and what was
    stopped is resumed. So the same call, made again after whatever ended it, goes on.
    `threads` is how many threads a stretch is computed by, which changes no result.
    """

    count: int
    out: Path
    threads: int

    def __init__(
        self, experiment: str | Path | dict[str, Any], count: int, out: str | Path, *, threads: int = 1, **changes: Any,
    ) -> None:
        if count < 1 or threads < 1:
            raise InputError(f"{count} shards of {threads} threads: expected at least one of each")
        object.__setattr__(self, "count", count)
        object.__setattr__(self, "out", Path(out).absolute())
        object.__setattr__(self, "threads", threads)
        if self.out.exists():
            raise InputError(f"{self.out} is there already: give another folder, or delete it")
        with experiment_file(experiment) as path:
            spec = _said([sys.executable, "-m", "vene", "run", str(path), "--print-spec", *changed(changes)])
        spec = f"# {count} shards\n{spec}"
        self.folder.mkdir(parents=True, exist_ok=True)
        if not self._spec.exists():
            # Whole or not at all.
            written = self._spec.with_suffix(f".{os.getpid()}")
            written.write_text(spec, "utf-8")
            written.replace(self._spec)
        elif self._spec.read_text("utf-8") != spec:
            raise InputError(f"{self.folder} has shards of another experiment: delete it, or give another folder")

    @property
    def folder(self) -> Path:
        """Where the stretches' folders are."""
        return self.out.with_name(f"{self.out.name}.shards")

    @property
    def numbers(self) -> range:
        """What `run` takes: 1 to `count`."""
        return range(1, self.count + 1)

    @property
    def _spec(self) -> Path:
        return self.folder / "experiment.toml"

    def _shard(self, number: int) -> Path:
        return self.folder / f"{number}-of-{self.count}"

    def run(self, number: int) -> int:
        """Runs a stretch, in a process of its own that ends with this one; returns its number.

        Nothing is done where it is complete already; one that was stopped is resumed. Where another process runs it, that
        is waited for for some seconds, and then refused (`vene.RunError`).
        """
        if number not in self.numbers:
            raise InputError(f"shard {number}: expected 1 to {self.count}")
        folder = self._shard(number)
        _wait_for(folder / ".vene-lock")
        line = ["--threads", str(self.threads), "run"]
        status = _status(folder)
        if status == "complete":
            return number
        if status is None:
            line += [str(self._spec), "--shard", f"{number}/{self.count}", "--out", str(folder), "--force"]
        else:
            line += ["--resume", str(folder)]
        _said([sys.executable, "-m", "vene.shards", *line])
        return number

    def join(self) -> Run:
        """Puts the stretches together in `out`, and deletes their folders."""
        folders = [str(self._shard(number)) for number in self.numbers]
        record = _said([sys.executable, "-m", "vene", "join", *folders, "--out", str(self.out), "--json"])
        shutil.rmtree(self.folder)
        return Run(folder=self.out, record=json.loads(record))


def _status(folder: Path) -> str | None:
    """What `run.json` says; `None` where there is none that can be read."""
    try:
        status = json.loads((folder / "run.json").read_text("utf-8"))["status"]
    except (OSError, ValueError, KeyError):
        return None
    return str(status)


def _wait_for(lock: Path, seconds: float = 10) -> None:
    """Waits until a folder's lock is free: a process whose parent was killed a moment ago is about to end."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        try:
            with lock.open() as file:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return
        except FileNotFoundError:
            return
        except OSError:
            time.sleep(0.1)


def _said(line: list[str]) -> str:
    """Runs a command, and returns what it printed. Its standard input is open for as long as this process lives."""
    with subprocess.Popen(line, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        told: list[str] = []
        reader = Thread(target=_read, args=(process.stderr, told))
        reader.start()
        assert process.stdout is not None
        printed = process.stdout.read()
        process.wait()
        reader.join()
    if process.returncode != 0:
        raise RunError(failure("".join(told)))
    return printed


def _read(lines: Iterable[str] | None, into: list[str]) -> None:
    into.extend(lines or ())


def _end_with(parent: IO[bytes]) -> None:
    """Ends this process when the one that started it is gone, however it went: its end of the pipe is closed then."""
    parent.read()
    os._exit(1)


if __name__ == "__main__":
    Thread(target=_end_with, args=(sys.stdin.buffer,), daemon=True).start()
    # Not `sys.exit`: the interpreter would wait for standard input, which the thread reads.
    code = command(["vene", *sys.argv[1:]])
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)
