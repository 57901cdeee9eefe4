"""What was measured: JSON to compute with, and tables of it in Markdown to read."""

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


def time_cell(tool: dict | None, vene: dict | None) -> str:
    if tool is None:
        return ""
    if "unsupported" in tool:
        return "not supported"
    median = tool["median_seconds"]
    text = seconds(median)
    if tool["extrapolated_by"] > 1:
        text = f"~{text}"
    elif median > ONCE_ABOVE:
        text = f"{text}*"
    if vene is None or vene is tool or "median_seconds" not in vene:
        return text
    return f"{text} ({seconds(median / vene['median_seconds'])}x)"


def times(workloads: list[dict], names: list[str]) -> list[str]:
    rows = []
    for work in workloads:
        tools = work["tools"]
        cells = [time_cell(tools.get(name), tools.get(VENE)) for name in names]
        rows.append([f"({work['name']})", work["title"], str(work["interventions"]), *cells])
    return table(["", "workload", "runs", *names], rows)


def memory(workloads: list[dict], names: list[str]) -> list[str]:
    rows = []
    for work in workloads:
        peaks = [work["tools"].get(name, {}).get("peak_bytes") for name in names]
        cells = ["" if peak is None else f"{peak / 2**20:.0f}" for peak in peaks]
        rows.append([f"({work['name']})", work["title"], *cells])
    return table(["", "workload", *names], rows)


def engine(workloads: list[dict]) -> list[str]:
    """How near to the machine's speed vene comes."""
    rows = []
    for work in workloads:
        vene = work["tools"][VENE]
        rate = vene["operations"] / vene["median_seconds"]
        rows.append(
            [
                f"({work['name']})",
                work["shares"],
                seconds(work["interventions"] / vene["median_seconds"]),
                seconds(vene["operations"] / 1e9),
                seconds(rate / 1e9),
                seconds(vene["best_product"] / 1e9),
                f"{rate / vene['best_product']:.0%}",
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


def agreement(workloads: list[dict], reference: str, names: list[str]) -> list[str]:
    others = [name for name in names if name != reference]
    key, rows = f"difference_from_{reference}", []
    for work in workloads:
        found = {name: work["tools"].get(name, {}).get(key) for name in others}
        worst = max((value for value in found.values() if value is not None), default=0.0)
        cells = ["" if found[name] is None else f"{found[name]:.0e}" for name in others]
        rows.append([f"({work['name']})", "agree" if worst < TOLERANCE else "**differ**", *cells])
    return table(["", f"with {reference}", *others], rows)


def rounds(record: dict) -> str:
    """How often workloads were run, those apart that were run less often than the others."""
    by_count = {}
    for work in record["workloads"]:
        count = max((len(tool.get("seconds", [])) for tool in work["tools"].values()), default=0)
        by_count.setdefault(count, []).append(f"({work['name']})")
    most, *fewer = sorted(by_count, reverse=True)
    words = {1: "one"}
    apart = [f"{' and '.join(by_count[count])}: of {words.get(count, count)}" for count in fewer]
    return f"up to {most} runs in alternation" + (f" ({'; '.join(apart)})" if apart else "")


def markdown(record: dict) -> str:
    """The tables of a record."""
    host, workloads = record["machine"], record["workloads"]
    names = list(dict.fromkeys(name for work in workloads for name in work["tools"]))
    lines = [
        f"{host['processor']}, {host['cores']} cores, {host['memory_gib']} GiB, {host['threads']} threads. "
        + "; ".join(record["versions"])
        + ".",
        "",
        f"Median seconds of {rounds(record)}, and the ratio to vene. `*`: run once, "
        "since it takes over a minute. `~`: a twelfth of the cells was run once, and the time multiplied.",
        "",
        *times(workloads, names),
        "",
        "Largest resident memory in MiB, weights and libraries included.",
        "",
        *memory(workloads, names),
    ]
    if VENE in names:
        lines += [
            "",
            "vene: edited runs a second; operations of the matrix products, as forks need them; the rate; the "
            "fastest large product of the same process, and the share of it.",
            "",
            *engine(workloads),
        ]
    if len(names) > 1:
        lines += [
            "",
            "Largest difference between the tools' values, relative to the spread of the values.",
            "",
            *agreement(workloads, names[0], names),
        ]
    refused = {
        f"- {name} on ({work['name']}): {tool['unsupported']}"
        for work in workloads
        for name, tool in work["tools"].items()
        if "unsupported" in tool
    }
    if refused:
        lines += ["", "Not supported:", "", *sorted(refused)]
    return "\n".join(lines) + "\n"


def record_of(results: Results, names: list[str], about: dict) -> dict:
    """What was measured, as JSON has it."""
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
                "load_before": about["machine"]["load_before"],
                "tools": tools,
            }
        )
    return {**about, "workloads": workloads}


def merged(earlier: dict, record: dict) -> dict:
    """An earlier record with what was measured anew; both on one machine, by the same versions of all tools."""
    for key, varies in (("versions", None), ("machine", "load_before")):
        old, new = (one[key] if varies is None else {**one[key], varies: None} for one in (earlier, record))
        if old != new:
            raise SystemExit(f"the earlier results' {key} differ: {old}, now {new}; run everything anew")
    # Those that are measured anew stay in their places.
    workloads = {work["name"]: work for work in [*earlier["workloads"], *record["workloads"]]}
    rounds = max(earlier["rounds"], record["rounds"])
    return {**record, "rounds": rounds, "workloads": list(workloads.values())}
