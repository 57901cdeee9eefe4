"""Heat maps as Vega-Lite documents, for those who style their own."""

from __future__ import annotations

from typing import Any

from vene._errors import InputError
from vene._table import Table

SCHEMA = "https://vega.github.io/schema/vega-lite/v5.json"

SPREAD = ("component", "token", "metric", "direction", "control", "split")
"""What panels differ in, if a table's rows do."""

ALONG = ("position", "role", "head")
"""What stands along the x axis: the first of these that a table tells."""

VALUES = ("mean", "probability", "effect")
"""What is shown by colour: the first of these that a table has."""


def heat_map(table: Table) -> dict[str, Any]:
    """Layers by positions (or roles, or heads), a panel for each component, token and metric."""
    columns = table.to_dict()
    value = next((name for name in VALUES if name in columns), None)
    along = next((name for name in ALONG if any(cell is not None for cell in columns.get(name, ()))), None)
    if value is None or along is None:
        raise InputError("the table has no places along which a heat map goes: a position, a role or a head")
    panels = [name for name in SPREAD if len(set(columns.get(name, ()))) > 1]
    label = [
        ", ".join(str(columns[name][row]) for name in panels) for row in range(len(table))
    ]
    told = [name for name in ("layer", along, "token_at_position", value, "low", "high", *panels) if name in columns]
    rows = [
        {**{name: columns[name][row] for name in told}, "panel": label[row]} for row in range(len(table))
    ]
    order = list(dict.fromkeys(columns[along]))
    diverging = value != "probability"
    color: dict[str, Any] = {"field": value, "type": "quantitative"}
    if diverging:
        color["scale"] = {"scheme": "redblue", "reverse": True, "domainMid": 0}
    else:
        color["scale"] = {"scheme": "viridis"}
    spec: dict[str, Any] = {
        "mark": {"type": "rect", "tooltip": {"content": "data"}},
        "encoding": {
            "x": {"field": along, "type": "ordinal", "sort": order},
            "y": {"field": "layer", "type": "ordinal", "sort": "descending"},
            "color": color,
        },
    }
    document: dict[str, Any] = {"$schema": SCHEMA, "data": {"values": rows}}
    if not panels:
        return {**document, **spec}
    facet = {"field": "panel", "type": "nominal", "title": ", ".join(panels), "sort": list(dict.fromkeys(label))}
    return {**document, "facet": facet, "columns": 2, "spec": spec}
