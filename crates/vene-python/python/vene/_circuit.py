"""Circuits: a model's graph, and what edges, paths and whole circuits do over rows."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from vene import _vene
from vene._errors import InputError
from vene._experiment import do
from vene._figure import Figure, Figures
from vene._pickled import Unpicklable
from vene._table import Table

if TYPE_CHECKING:
    from vene._model import Model


class Graph:
    """A model's graph, and a circuit: some of its edges.

    Edges are called as EAP-IG calls them: `"a5.h1->m6"`, `"m2->a5.h1<q>"`, `"input->logits"`. Where query heads share keys and
    values, the `"grouped"` graph has `"m2->a5.kv0<k>"`, and the `"ungrouped"` one each head's own copy.
    """

    def __init__(
        self, model: Model, graph: str = "grouped", *, circuit: Iterable[str] = (), scores: Mapping[str, float] | None = None,
    ) -> None:
        self._graph = _vene.Graph(model._model, graph)
        self._model = model
        self.circuit: set[str] = set(circuit)
        """The edges of the circuit."""
        self.scores: dict[str, float] = dict(scores or {})
        """What edges are worth: how much larger a metric is where each is patched."""

    @property
    def edges(self) -> list[str]:
        """All edges, those of a receiver together."""
        return self._graph.edges()

    @property
    def senders(self) -> list[str]:
        """What adds to the residual stream: `input`, heads, MLPs."""
        return self._graph.senders()

    @property
    def receivers(self) -> list[str]:
        """What reads it: queries, keys and values of heads, MLPs, `logits`."""
        return self._graph.receivers()

    def first(self, edges: int | float, by: str = "absolute", *, prune: bool = True) -> Graph:
        """The circuit of the first edges by their scores: so many, or (of a number below 1) a share of all.

        `by` is `"absolute"`, or `"signed"`: what lowers the metric most comes first. With `prune` edges on no way from the input to
        the logits are taken out.
        """
        count = int(edges * len(self.edges)) if isinstance(edges, float) and edges <= 1 else int(edges)
        circuit = self._graph.first(list(self.scores.items()), max(count, 0), by)
        found = Graph(self._model, self._graph.keys, circuit=circuit, scores=self.scores)
        return found.pruned() if prune else found

    def pruned(self) -> Graph:
        """The same without edges that are on no way from the input to the logits."""
        circuit = self._graph.pruned(sorted(self.circuit))
        return Graph(self._model, self._graph.keys, circuit=circuit, scores=self.scores)

    def save(self, path: str | Path) -> Path:
        """Writes the graph as EAP-IG and MIB read it (`.json`), or the circuit as GraphML (`.graphml`)."""
        if Path(path).suffix not in (".json", ".graphml"):
            raise InputError(f"{path}: the ending says what is written: .json, or .graphml")
        self._graph.write(str(path), sorted(self.circuit), list(self.scores.items()))
        return Path(path)

    @classmethod
    def load(cls, path: str | Path, model: Model, graph: str = "grouped") -> Graph:
        """Reads what `save`, `vene circuit save` or EAP-IG wrote, for a model."""
        found = cls(model, graph)
        circuit, scores = found._graph.read(str(path))
        found.circuit, found.scores = set(circuit), dict(scores)
        return found

    def __contains__(self, edge: object) -> bool:
        return edge in self.circuit

    def __len__(self) -> int:
        return len(self.circuit)

    def __repr__(self) -> str:
        return f"vene.Graph({self._graph.keys}: {len(self.circuit)} of {len(self.edges)} edges in the circuit)"


class Measured(Unpicklable):
    """What edges, paths, circuits or hypotheses gave over rows. Made by `Model.edges`, `paths`, `faithfulness`, `pairs` and `scrub`."""

    _instead = "keep its tables, which can be pickled"

    def __init__(self, measured: _vene.Measured, model: Model, graph: str) -> None:
        self._summaries = {name: Table(table) for name, table in measured.summaries}
        self._figures = Figures(measured.figures)
        self._model, self._keys = model, graph
        self.examples = Table(measured.examples)
        """A row for each example, and edge, path or circuit."""

    @property
    def table(self) -> Table:
        """Over all rows, with 95 % intervals over clusters of rows: the largest effects first, or the curve of faithfulness."""
        return next(iter(self._summaries.values()))

    @property
    def areas(self) -> Table | None:
        """Of circuits of several sizes: CPR and CMD, as MIB has them."""
        return self._summaries.get("areas")

    @property
    def heads(self) -> Table | None:
        """Of pairs: each head's effect alone, and its Shapley value."""
        return self._summaries.get("heads")

    @property
    def claims(self) -> Table | None:
        """Of hypotheses: each node, and how many rows it may be given for a row."""
        return self._summaries.get("claims")

    @property
    def check(self) -> Table | None:
        """Of edges that were estimated by gradients: how far those are off that were patched as well."""
        return self._summaries.get("check")

    def graph(self, metric: str | None = None) -> Graph:
        """Of edges that were scored at all positions: the graph with the mean effects as scores."""
        rows = self.table.to_dicts()
        if not rows or "sender" not in rows[0]:
            raise InputError("these are no edges: model.edges(...) scores them")
        metrics = sorted({row["metric"] for row in rows})
        if metric is None and len(metrics) > 1:
            raise InputError(f"the edges have scores of several metrics; name one: {', '.join(metrics)}")
        chosen = metric or metrics[0]
        if chosen not in metrics:
            raise InputError(f"the edges have no scores of {chosen}; there are {', '.join(metrics)}")
        scores = {
            f"{row['sender']}->{row['receiver']}": row["mean"]
            for row in rows if row["metric"] == chosen and row["position"] == "all"
        }
        return Graph(self._model, self._keys, scores=scores)

    @property
    def figures(self) -> list[str]:
        """The names of the figures that the command would draw."""
        return list(self._figures.all())

    def plot(self, name: str | None = None) -> Figure:
        """A figure by its name, by default the first: notebooks show it, and `save` writes it."""
        return self._figures.one(name)

    def __repr__(self) -> str:
        return repr(self.table)

    def _repr_html_(self) -> str:
        return self._figures.html() + self.table._repr_html_()


@contextmanager
def scored(edges: Any) -> Iterator[str]:
    """The path of a file with scored edges, or of a circuit: the one that is given, or one that is there for as long as it is needed."""
    if isinstance(edges, str | Path):
        yield str(Path(edges).absolute())
        return
    with TemporaryDirectory(prefix="vene-") as folder:
        if isinstance(edges, Graph):
            yield str(edges.save(Path(folder) / "circuit.json"))
        elif isinstance(edges, Measured):
            path = Path(folder) / "edges.parquet"
            edges.table.write_parquet(path)
            yield str(path)
        else:
            raise InputError(
                f"edges: expected what model.edges gave, a vene.Graph, or the path of either; given {type(edges).__name__}")


class CircuitMethods:
    """What a `Model` does with circuits."""

    def graph(self: Model, graph: str = "grouped") -> Graph:  # type: ignore[misc]
        """The model's graph (`vene.Graph`); `"ungrouped"` where each query head's own copy of shared keys and values is told apart."""
        return Graph(self, graph)

    def edges(  # type: ignore[misc]
        self: Model,
        data: Any,
        *,
        senders: Any = None,
        receivers: Any = None,
        positions: Any = None,
        method: str | None = None,
        steps: int | None = None,
        check: float | None = None,
        check_largest: int | None = None,
        metric: Any = None,
        norm: str | None = None,
        ablation: str | None = None,
        graph: str = "grouped",
        progress: bool | None = None,
        **more: Any,
    ) -> Measured:
        """The effect of every edge of the model's graph on metrics, in every row (`docs/circuits.md`).

        Args:
            data: rows with a base and a source, as in `run`.
            senders, receivers: of which edges: names such as `"a5.h1"` and `"a5.h1<q>"`, `"heads"`, `"mlps"`; by default all.
            positions: `"all"` positions at once (base and source of one length), or roles, each by itself.
            method: `"exact"`: each edge is patched, and all that follows is recomputed; `"eap"`, `"eap-ig"`: to first order, by gradients.
            steps: of `eap-ig`.
            check: by gradients, the share of the edges that are patched exactly as well (.01), drawn at random; 0 for none.
            check_largest: by gradients, how many of each row's largest estimates are patched exactly as well (20).
            metric: names (default: `"logit_difference"`), and functions (`vene.metric`).
            norm: how a receiver's norm treats what is added: `"recomputed"`, or `"frozen"`.
            ablation: what senders add instead: `"resample"` (what they add in the source), or `"zero"`.
            graph: `"grouped"`, or `"ungrouped"`.
            more: `limit`, `counterfactual`, `answers`, `resamples`, `seed`, `memory`, `chat`, `system`, as in `sweep`.

        Returns:
            Tables: `table`, a row for each edge, place and metric with its mean effect and a 95 % interval; `examples`, each row's.
        """
        circuit = {
            "senders": _list(senders), "receivers": _list(receivers), "positions": _list(positions), "method": method, "steps": steps,
            "check": check, "check_largest": check_largest, "norm": norm, "ablation": ablation, "graph": graph,
        }
        return _measure(self, "edges", data, circuit, metric, progress, more)

    def paths(  # type: ignore[misc]
        self: Model,
        data: Any,
        receivers: Any,
        *,
        senders: Any = None,
        together: bool = False,
        through: str | None = None,
        positions: Any = None,
        metric: Any = None,
        norm: str | None = None,
        ablation: str | None = None,
        graph: str = "grouped",
        progress: bool | None = None,
        **more: Any,
    ) -> Measured:
        """Path patching: what reaches receivers from each sender, and what the model says when they alone read it.

        Args:
            data: rows with a base and a source, as in `run`.
            receivers: what reads the paths, all at once: `"a9.h9<q>"`, `"m7"`, `"logits"`, `"heads"`, or a list of such.
            senders: whose paths are patched, each by itself (by default all heads), or `together`.
            through: which nodes on the way are computed anew: `"direct"` (none), or `"mlps"`.
            positions, metric, norm, ablation, graph, more: as in `edges`.

        Returns:
            Tables: `table`, a row for each sender, place and metric with its mean effect and a 95 % interval; `examples`, each row's.
        """
        circuit = {
            "senders": _list(senders), "receivers": _list(receivers), "together": together or None, "through": through,
            "positions": _list(positions), "norm": norm, "ablation": ablation, "graph": graph,
        }
        return _measure(self, "paths", data, circuit, metric, progress, more)

    def faithfulness(  # type: ignore[misc]
        self: Model,
        data: Any,
        edges: Any,
        *,
        shares: Any = None,
        rank: str | None = None,
        by_metric: str | None = None,
        prune: bool | None = None,
        random: int | None = None,
        metric: Any = None,
        ablation: str | None = None,
        graph: str = "grouped",
        progress: bool | None = None,
        **more: Any,
    ) -> Measured:
        """How much of what the model does circuits do by themselves, with controls.

        Args:
            data: rows with a base and a source, as in `run`.
            edges: scored edges (what `edges` gave, or a `vene.Graph` with scores), a graph with a circuit, or a path of either.
            shares: sizes of circuits, as shares of the edges; by default MIB's, .001 to 1.
            rank: which edges come first: `"absolute"`, or `"signed"`.
            by_metric: whose effects rank the edges, where several metrics were measured.
            prune: whether edges on no way from the input to the logits are taken out (default: they are).
            random: how many random circuits stand beside each.
            metric, ablation, graph, more: as in `edges`.

        Returns:
            Tables: `table`, the faithfulness of each circuit and control with a 95 % interval; `areas`, CPR and CMD; `examples`.
        """
        with scored(edges) as path:
            circuit = {
                "edges": path, "shares": _list(shares), "rank": rank, "by_metric": by_metric, "prune": prune, "random": random,
                "ablation": ablation, "graph": graph,
            }
            return _measure(self, "faithfulness", data, circuit, metric, progress, more)

    def pairs(  # type: ignore[misc]
        self: Model,
        data: Any,
        heads: Any = None,
        *,
        shapley: int | None = None,
        positions: Any = None,
        metric: Any = None,
        ablation: str | None = None,
        progress: bool | None = None,
        **more: Any,
    ) -> Measured:
        """What patching two heads at once does beyond what each does, and each head's share of what all do.

        Args:
            data: rows with a base and a source, as in `run`.
            heads: `["a5.h1", "a6.h3"]`; by default all.
            shapley: in how many random orders heads are patched one after the other, for Shapley values (0).
            positions: roles such as `"last"` (the default), each by itself, or `"all"` positions at once.
            metric, ablation, more: as in `edges`.

        Returns:
            Tables: `table`, a row for each pair with its mean interaction and a 95 % interval; `heads`, each head's effect and Shapley
            value; `examples`, each row's.
        """
        circuit = {"senders": _list(heads), "shapley": shapley, "positions": _list(positions), "ablation": ablation}
        return _measure(self, "pairs", data, circuit, metric, progress, more)

    def scrub(  # type: ignore[misc]
        self: Model,
        data: Any,
        hypotheses: Any,
        *,
        draws: int | None = None,
        metric: Any = None,
        progress: bool | None = None,
        **more: Any,
    ) -> Measured:
        """Causal scrubbing: how much of what the model does a hypothesis of it accounts for (`docs/scrubbing.md`).

        Args:
            data: rows with a base and a target; a source is not read.
            hypotheses: one or several: a dict as a file has it (`{"name": ..., "logits": [...], "nodes": {...}}`), or the path of a `.toml` or `.json`.
            draws: how often each row's tree is drawn (10).
            metric: names (default: `"log_probability"`), and functions (`vene.metric`).
            more: as in `edges`.

        Returns:
            Tables: `table`, the share of the metric that each hypothesis recovers with a 95 % interval; `claims`, how many rows each node may be
            given; `examples`, each row's draws.
        """
        given = [hypotheses] if isinstance(hypotheses, Mapping | str | Path) else list(hypotheses)
        circuit = {"hypotheses": [_hypothesis(one) for one in given], "draws": draws}
        return _measure(self, "scrub", data, circuit, metric, progress, more)


_MORE = {
    "limit": "data", "counterfactual": "data", "answers": "measure", "resamples": "statistics", "seed": "statistics",
    "memory": "limits", "chat": "model", "system": "model",
}
"""Which section each further key belongs to."""


def _measure(
    model: Model, kind: str, data: Any, circuit: dict[str, Any], metric: Any, progress: bool | None, more: dict[str, Any],
) -> Measured:
    sections: dict[str, dict[str, Any]] = {"circuit": circuit}
    for key, value in more.items():
        if key not in _MORE:
            raise InputError(f"{key} is not known here; there are {', '.join(_MORE)}")
        sections.setdefault(_MORE[key], {})[key] = value
    units = {"edges": "edges", "paths": "paths", "faithfulness": "circuits", "pairs": "runs", "scrub": "draws"}
    found = do(_vene.measure, model, kind, sections, unit=units[kind], data=data, metric=metric, progress=progress)
    return Measured(found, model, circuit.get("graph", "grouped"))


def _hypothesis(given: Any) -> dict[str, Any]:
    """As an experiment says it; one of a file that says no name is called as the file is."""
    if isinstance(given, Mapping):
        return dict(given)
    path = Path(given)
    try:
        text = path.read_text(encoding="utf-8")
        read: dict[str, Any] = json.loads(text) if path.suffix == ".json" else tomllib.loads(text)
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: {error}") from None
    return {"name": path.stem, **read}


def _list(values: Any) -> str | None:
    """One name, or several, as a list of the command."""
    if values is None or isinstance(values, str):
        return values
    return ",".join(str(value) for value in values)
