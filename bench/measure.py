"""One workload, measured: all tools in alternation, so that none has the machine at a better time."""

import statistics
import time
from dataclasses import dataclass, field

from environment import announce
from tools import Tool, Worker
from workloads import intervention_count, of_rows, sample

# A first run of a few cells warms a tool up, and tells whether all rounds of all cells are affordable.
PROBE_CELLS = 4
# Of a data set's rows that first run takes so many.
PROBE_ROWS = 50
# What takes longer than this is run once.
ONCE_ABOVE = 60.0
# Of what would take longer than the limit, this share of the cells is run.
SHARE = 1 / 12
# Threads of the tool before may still be spinning.
PAUSE = 0.3


@dataclass
class Measurement:
    """What a tool's runs of a workload took."""

    workload: dict
    seconds: list[float] = field(default_factory=list)
    peak_memory: int = 0
    values: list[float] = field(default_factory=list)
    # How many times as many cells the workload has as were run; 1 unless extrapolated.
    scale: float = 1.0
    unsupported: str | None = None
    operations: float | None = None
    best_product: float | None = None

    @property
    def median(self) -> float:
        return statistics.median(self.seconds) * self.scale

    def add(self, answer: dict) -> None:
        self.seconds.append(answer["seconds"])
        self.peak_memory = max(self.peak_memory, answer["peak_rss"])
        self.values = answer["values"]
        self.operations = answer.get("operations")
        self.best_product = max(self.best_product or 0.0, answer.get("best_product", 0.0)) or None


def measure(
    workload: dict, workers: dict[str, tuple[Tool, Worker]], rounds: int, limit: float
) -> dict[str, Measurement]:
    """`limit`: seconds a run above which a linear tool's time is extrapolated; 0 for never."""
    announce(f"{workload['name']}: {workload['title']}")
    found, wanted = {}, {}
    for name, (tool, worker) in workers.items():
        if name not in workload.get("tools", workers):
            continue
        found[name], wanted[name] = plan(workload, tool, worker, rounds, limit)
    for done in range(rounds):
        for name, measurement in found.items():
            if done < wanted[name]:
                time.sleep(PAUSE)
                measurement.add(workers[name][1].ask(measurement.workload))
                announce(f"  {name}: {measurement.seconds[-1]:.3f} s")
                if measurement.seconds[-1] > ONCE_ABOVE:
                    wanted[name] = done + 1
    return found


def plan(
    workload: dict, tool: Tool, worker: Worker, rounds: int, limit: float
) -> tuple[Measurement, int]:
    """What a tool is to run, and how often."""
    probe = of_rows(sample(workload, PROBE_CELLS), PROBE_ROWS)
    answer = worker.ask(probe)
    if "unsupported" in answer:
        return Measurement(workload, unsupported=answer["unsupported"]), 0
    if not tool.linear or not workload["cells"]:
        return Measurement(workload), rounds
    cells = len(workload["cells"])
    predicted = answer["seconds"] * intervention_count(workload) / intervention_count(probe)
    if 0 < limit < predicted:
        part = sample(workload, max(PROBE_CELLS, round(cells * SHARE)))
        return Measurement(part, scale=cells / len(part["cells"])), 1
    return Measurement(workload), 1 if predicted > ONCE_ABOVE else rounds
