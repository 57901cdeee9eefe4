"""The tools that are compared, and the conversation with a worker process of each."""

import json
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from environment import BENCH, MODELS, python_of, rust_worker, variables


@dataclass(frozen=True)
class Tool:
    """`command` makes what the worker needs and gives its command line.

    `linear`: whether a workload's time is the cells' times added up, so that a part of the cells tells
    what all of them would take.
    """

    name: str
    command: Callable[[], list[str | Path]]
    linear: bool


def python_worker(environment: str, script: str) -> Callable[[], list[str | Path]]:
    return lambda: [python_of(environment), BENCH / script]


TOOLS = [
    Tool("vene", lambda: [rust_worker(), MODELS], linear=False),
    Tool("hand-batched PyTorch", python_worker("pyvene", "worker_batched.py"), linear=False),
    Tool("nnsight", python_worker("hooks", "worker_nnsight.py"), linear=True),
    Tool("TransformerLens", python_worker("hooks", "worker_transformer_lens.py"), linear=True),
    Tool("pyvene", python_worker("pyvene", "worker_pyvene.py"), linear=True),
]


def tools_named(names: str | None) -> list[Tool]:
    """Tools whose names begin with one of these, in any case; all of them if there are none."""
    if names is None:
        return TOOLS
    wanted = names.lower().split(",")
    found = [tool for tool in TOOLS if any(tool.name.lower().startswith(name) for name in wanted)]
    if not found:
        raise SystemExit(f"no tool is called so; there are {', '.join(tool.name for tool in TOOLS)}")
    return found


class Worker:
    """A tool's process, which lives as long as the run does; its messages go to a file."""

    def __init__(self, tool: Tool, log: Path):
        self.log = log
        log.parent.mkdir(parents=True, exist_ok=True)
        self.process = subprocess.Popen(
            tool.command(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log.open("w"),
            text=True,
            env=variables(),
        )

    def ask(self, workload: dict) -> dict:
        """Does a workload once."""
        self.process.stdin.write(json.dumps({"workload": workload}) + "\n")
        self.process.stdin.flush()
        for line in self.process.stdout:
            # Some libraries greet on the standard output when they are imported.
            if line.startswith("{"):
                return json.loads(line)
        self.process.wait()
        last = self.log.read_text().strip().splitlines()[-1:]
        raise SystemExit(f"the worker ended on workload {workload['name']}: {last}; see {self.log}")

    def close(self) -> None:
        self.process.stdin.close()
        self.process.wait()
