"""Draws `scaling.svg` and `scaling.png`: `plot_scaling.py TIMES.csv FOLDER`."""

import csv
import sys
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
from matplotlib.lines import Line2D

# Told apart without colour too. (Okabe and Ito's palette.)
STYLES = {
    "vene": {"color": "#0072B2", "marker": "o"},
    "pyvene": {"color": "#D55E00", "marker": "s"},
    "hand-batched PyTorch": {"color": "#009E73", "marker": "^"},
    "TransformerLens": {"color": "#CC79A7", "marker": "D"},
    "nnsight": {"color": "#E69F00", "marker": "v"},
}
HELD = {
    "interventions": "tutorial's sweep, 5 tokens, 12 layers",
    "tokens of the prompt": "48 interventions on block_output",
    "examples": "12 heads of each, 17 tokens",
    "layers of the model": "30 interventions, 5 tokens",
}


def read(path: Path) -> dict[str, dict[str, list[tuple[float, float, bool]]]]:
    """Times by axis and tool: (size, seconds, extrapolated)."""
    axes = {}
    with path.open(newline="") as file:
        for row in csv.DictReader(file):
            point = float(row["size"]), float(row["seconds"]), row["extrapolated"] == "1"
            axes.setdefault(row["axis"], {}).setdefault(row["tool"], []).append(point)
    return axes


def draw_tool(panel, points: list[tuple[float, float, bool]], style: dict) -> None:
    measured = [(size, seconds) for size, seconds, extrapolated in points if not extrapolated]
    # The dashed part begins at the last measured point.
    beyond = measured[-1:] + [(size, seconds) for size, seconds, extrapolated in points if extrapolated]
    if measured:
        panel.plot(*zip(*measured), **style, linewidth=1.8, markersize=5)
    if len(beyond) > len(measured[-1:]):
        panel.plot(*zip(*beyond), color=style["color"], linestyle="--", linewidth=1.4)
        panel.plot(
            *zip(*beyond[len(measured[-1:]) :]), **style, linestyle="none", markersize=5, markerfacecolor="white"
        )


def main() -> None:
    times, folder = Path(sys.argv[1]), Path(sys.argv[2])
    axes = read(times)
    plt.rcParams.update({"font.size": 10, "svg.fonttype": "none", "svg.hashsalt": "scaling"})
    figure, panels = plt.subplots(2, 2, figsize=(9, 7.2), layout="constrained")
    tools = []
    for panel, (axis, by_tool) in zip(panels.flat, axes.items(), strict=False):
        for tool, points in by_tool.items():
            draw_tool(panel, points, STYLES[tool])
            tools += [tool] if tool not in tools else []
        panel.set(xscale="log", yscale="log", xlabel=axis, ylabel="seconds")
        panel.set_title(HELD[axis], fontsize=10)
        panel.grid(which="major", color="#dddddd", linewidth=0.7)
        panel.set_axisbelow(True)
        sizes = sorted({size for points in by_tool.values() for size, _, _ in points})
        if sizes[-1] < 100 * sizes[0] or axis.startswith("tokens"):
            panel.set_xticks(sizes, [f"{size:.0f}" for size in sizes])
            panel.minorticks_off()
    for panel in panels.flat[len(axes) :]:
        panel.set_visible(False)
    handles = [Line2D([], [], **STYLES[tool], linewidth=1.8, label=tool) for tool in tools]
    extrapolated = {"color": "#555555", "linestyle": "--", "marker": "o", "markerfacecolor": "white"}
    handles.append(Line2D([], [], **extrapolated, label="extrapolated from a part"))
    figure.legend(handles=handles, loc="outside lower center", ncols=len(handles), frameon=False)
    figure.savefig(folder / "scaling.svg", metadata={"Date": None})
    figure.savefig(folder / "scaling.png", dpi=150)


if __name__ == "__main__":
    main()
