"""Experiments in files, run as the command runs them."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Any

from vene._errors import RunError
from vene._table import Table


@dataclass(frozen=True)
class Run:
    """A run's folder."""

    folder: Path
    record: dict[str, Any]
    """What `run.json` says: the experiment, the model, what came of it."""

    @property
    def files(self) -> list[str]:
        """The names of what was written."""
        return sorted(str(path.relative_to(self.folder)) for path in self.folder.rglob("*") if path.is_file())

    def table(self, name: str = "summary") -> Table:
        """A table of the run: `summary`, `examples`, `receipts` ..."""
        return Table.read_parquet(self.folder / f"{name}.parquet")

    def __repr__(self) -> str:
        return f"vene.Run({str(self.folder)!r}: {self.record.get('kind')}, {', '.join(self.files)})"


def run(experiment: str | Path | dict[str, Any], out: str | Path | None = None, **changes: Any) -> Run:
    """Runs an experiment (`docs/experiments.md`): a file, an earlier run's `run.json`, or a dict that says what a file says.

    `changes` stand in place of what it says, with `__` for the point: `run("heads.toml", sweep__layers=[7])`. It runs in a
    process of its own, with the command's bar; `out` is its folder (default: one in `vene-out/`, named by the experiment and the time).
    """
    name = experiment.get("kind", "plan") if isinstance(experiment, dict) else Path(experiment).stem
    folder = Path(f"vene-out/{name}-{datetime.now():%Y-%m-%d-%H%M%S}" if out is None else out)
    with experiment_file(experiment) as path:
        code, said = _command([sys.executable, "-m", "vene", "run", str(path), "--json", "--out", str(folder), *changed(changes)])
    if code != 0:
        raise RunError(failure(said))
    return Run(folder=folder, record=json.loads((folder / "run.json").read_text(encoding="utf-8")))


def _command(line: list[str]) -> tuple[int, str | None]:
    """Runs a command: its exit code, and what it said went wrong. Ctrl-C, or a notebook's stop button, stops it as it stops a command, which
    leaves a folder that can be resumed.
    """
    bar = sys.stderr.isatty()
    with subprocess.Popen(line, stdout=subprocess.PIPE, stderr=None if bar else subprocess.PIPE, text=True) as process:
        try:
            _, said = process.communicate()
        except BaseException:
            process.send_signal(signal.SIGINT)
            try:
                process.wait(timeout=10)
            except subprocess.TimeoutExpired:
                process.kill()
            raise
        return process.returncode, said


@contextmanager
def experiment_file(experiment: str | Path | dict[str, Any]) -> Iterator[Path]:
    """The file of an experiment; a dict is written into one, as long as it is needed."""
    if not isinstance(experiment, dict):
        yield Path(experiment)
        return
    # A dict's paths are relative to the working folder, as a file's are to its own.
    with NamedTemporaryFile("w", dir=".", prefix=".vene-", suffix=".json", encoding="utf-8") as file:
        json.dump(experiment, file)
        file.flush()
        yield Path(file.name)


def changed(changes: dict[str, Any]) -> list[str]:
    """Changes as the command takes them."""
    return [part for key, value in changes.items() for part in ("--set", f"{key.replace('__', '.')}={json.dumps(value)}")]


def failure(told: str | None) -> str:
    """What the command said went wrong."""
    return (told or "the command failed; it says why above").strip().removeprefix("error: ")
