"""The tables: Markdown to read, JSON to compute with."""

import json
import os
import platform
import subprocess
from pathlib import Path

from agreement import TOLERANCE, disagreement, values_of_cells
from environment import THREADS
from measure import ONCE_ABOVE, Measurement
from workloads import intervention_count

VENE = "vene"
Results = list[tuple[dict, dict[str, Measurement]]]


def machine() -> dict:
    """The processor, its cores, the memory."""
    facts = Path("/proc/cpuinfo").read_text().splitlines()
    model = next((line.split(":")[1].strip() for line in facts if line.startswith("model name")), "")
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return {
        "processor": model or platform.processor(),
        "cores": os.cpu_count(),
        "memory_gib": round(memory),
        "threads": THREADS,
        "load_before": round(os.getloadavg()[0], 2),
    }


def versions(python: Path, tools: tuple[str, ...]) -> str:
    """An environment's tools and what they stand on."""
    wanted = (*tools, "transformers", "torch")
    listed = subprocess.run(
        [python, "-m", "pip", "list", "--format=json"], check=True, capture_output=True, text=True
    )
    packages = {package["name"]: package["version"] for package in json.loads(listed.stdout)}
    return ", ".join(f"{name} {packages[name]}" for name in wanted)


def seconds(value: float) -> str:
    """Three digits that count."""
    return f"{value:.0f}" if value >= 100 else f"{value:.3g}"


def table(head: list[str], rows: list[list[str]]) -> list[str]:
    """A Markdown table; all columns but the first two are numbers."""
    rule = [":--", ":--"] + ["--:"] * (len(head) - 2)
    return ["| " + " | ".join(cells) + " |" for cells in [head, rule, *rows]]


def time_cell(measurement: Measurement, vene: Measurement | None) -> str:
    if measurement.unsupported:
        return "not supported"
    text = seconds(measurement.median)
    if measurement.scale > 1:
        text = f"~{text}"
    elif measurement.median > ONCE_ABOVE:
        text = f"{text}*"
    if vene is None or vene is measurement or not vene.seconds:
        return text
    return f"{text} ({seconds(measurement.median / vene.median)}x)"


def times(results: Results, names: list[str]) -> list[str]:
    rows = []
    for workload, found in results:
        cells = [time_cell(found[name], found.get(VENE)) for name in names]
        rows.append([f"({workload['name']})", workload["title"], str(intervention_count(workload)), *cells])
    return table(["", "workload", "runs", *names], rows)


def memory(results: Results, names: list[str]) -> list[str]:
    rows = []
    for workload, found in results:
        cells = [f"{found[name].peak_memory / 2**20:.0f}" for name in names]
        rows.append([f"({workload['name']})", workload["title"], *cells])
    return table(["", "workload", *names], rows)


def engine(results: Results) -> list[str]:
    """How near to the machine's speed vene comes."""
    rows = []
    for workload, found in results:
        vene = found[VENE]
        rate = vene.operations / vene.median
        rows.append(
            [
                f"({workload['name']})",
                workload["shares"],
                seconds(intervention_count(workload) / vene.median),
                seconds(vene.operations / 1e9),
                seconds(rate / 1e9),
                seconds(vene.best_product / 1e9),
                f"{rate / vene.best_product:.0%}",
            ]
        )
    head = ["", "rows shared by", "runs/s", "GFLOP", "GFLOP/s", "best product", "of it"]
    return table(head, rows)


def disagreements(results: Results, reference: str) -> dict[str, dict[str, float]]:
    """For each workload and tool the largest difference from the reference, relative to the spread."""
    return {
        workload["name"]: {
            name: differs(workload, found[reference], measurement)
            for name, measurement in found.items()
            if name != reference and measurement.seconds
        }
        for workload, found in results
        if found[reference].seconds
    }


def differs(workload: dict, ours: Measurement, theirs: Measurement) -> float:
    kept = theirs.workload.get("kept")
    values = ours.values
    if kept is not None and theirs.workload is not workload:
        values = values_of_cells(workload, values, kept)
    return disagreement(theirs.workload, values, theirs.values)


def agreement(by_workload: dict[str, dict[str, float]], reference: str, names: list[str]) -> list[str]:
    others = [name for name in names if name != reference]
    rows = []
    for workload, by_tool in by_workload.items():
        worst = max(by_tool.values(), default=0.0)
        cells = [f"{by_tool[name]:.0e}" if name in by_tool else "" for name in others]
        rows.append([f"({workload})", "agree" if worst < TOLERANCE else "**differ**", *cells])
    return table(["", f"with {reference}", *others], rows)


def markdown(results: Results, names: list[str], about: dict) -> str:
    host = about["machine"]
    lines = [
        f"{host['processor']}, {host['cores']} cores, {host['memory_gib']} GiB, {host['threads']} threads. "
        + "; ".join(about["versions"])
        + ".",
        "",
        f"Median seconds of up to {about['rounds']} runs in alternation, and the ratio to vene. `*`: run once, "
        "since it takes over a minute. `~`: a twelfth of the cells was run once, and the time multiplied.",
        "",
        *times(results, names),
        "",
        "Largest resident memory in MiB, weights and libraries included.",
        "",
        *memory(results, names),
    ]
    if VENE in names:
        lines += [
            "",
            "vene: edited runs a second; operations of the matrix products, as forks need them; the rate; the "
            "fastest large product of the same process, and the share of it.",
            "",
            *engine(results),
        ]
    if len(names) > 1:
        reference = names[0]
        lines += [
            "",
            "Largest difference between the tools' values, relative to the spread of the values.",
            "",
            *agreement(disagreements(results, reference), reference, names),
        ]
    refused = {
        f"- {name} on ({workload['name']}): {measurement.unsupported}"
        for workload, found in results
        for name, measurement in found.items()
        if measurement.unsupported
    }
    if refused:
        lines += ["", "Not supported:", "", *sorted(refused)]
    return "\n".join(lines) + "\n"


def as_json(results: Results, names: list[str], about: dict) -> str:
    differences = disagreements(results, names[0])
    workloads = []
    for workload, found in results:
        tools = {}
        for name, measurement in found.items():
            if measurement.unsupported:
                tools[name] = {"unsupported": measurement.unsupported}
                continue
            tools[name] = {
                "median_seconds": measurement.median,
                "seconds": measurement.seconds,
                "extrapolated_by": measurement.scale,
                "peak_bytes": measurement.peak_memory,
                "operations": measurement.operations,
                "best_product": measurement.best_product,
                f"difference_from_{names[0]}": differences.get(workload["name"], {}).get(name),
            }
        workloads.append(
            {
                "name": workload["name"],
                "title": workload["title"],
                "model": workload["model"],
                "shares": workload["shares"],
                "interventions": intervention_count(workload),
                "tools": tools,
            }
        )
    return json.dumps({**about, "workloads": workloads}, indent=1) + "\n"
