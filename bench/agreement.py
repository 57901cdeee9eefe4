"""Whether two tools' values are the same, and to what.

Interventions often change a probability in its last digits only, so a difference is told relative to how far
the values themselves spread: that is the size of what the workload measures. Where they hardly spread at all
(no intervention had an effect), it is told relative to a small part of the values.
"""

# Where tools differ by more than this, one of them is wrong; float32 rounding stays far below it.
TOLERANCE = 1e-3
# A smaller spread than this, relative to the values, is none.
LEAST_SPREAD = 1e-3


def values_of_cells(workload: dict, values: list[float], kept: list[int]) -> list[float]:
    """The values of some cells, in the order of a workload that has only those."""
    outer = len(workload["noise"]["rows"]) if workload["kind"] == "restore" else 1
    by_cell = len(values) // outer // len(workload["cells"])
    starts = (
        (row * len(workload["cells"]) + cell) * by_cell for row in range(outer) for cell in kept
    )
    return [value for start in starts for value in values[start : start + by_cell]]


def columns(workload: dict, values: list[float]) -> list[list[float]]:
    """The values by token; those of a single forward pass all together."""
    read = workload["read"]
    if read["kind"] != "probability" or workload["kind"] == "forward":
        return [values]
    count = len(read["tokens"])
    return [values[column::count] for column in range(count)]


def disagreement(workload: dict, ours: list[float], theirs: list[float]) -> float:
    """The largest difference, relative to the spread of the values."""
    if len(ours) != len(theirs):
        raise ValueError(f"{workload['name']}: {len(ours)} values against {len(theirs)}")
    worst = 0.0
    for one, other in zip(columns(workload, ours), columns(workload, theirs), strict=True):
        spread = max(max(one) - min(one), LEAST_SPREAD * max(map(abs, one)))
        worst = max(worst, max(abs(a - b) for a, b in zip(one, other, strict=True)) / spread)
    return worst
