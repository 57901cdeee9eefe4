"""What a prompt's run shows, by name, computed when it is asked for."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from vene._arrays import array
from vene._errors import InputError, VeneError
from vene._pickled import Unpicklable

if TYPE_CHECKING:
    from vene._model import Model

Site = tuple[str, int | None]


class Trace(Unpicklable, Mapping[str, npt.NDArray[Any]]):
    """The activations of a prompt's run. Made by `Model.trace`.

    Nothing is computed before a name is asked for: the prompt is then run once, and kept. What is asked for together is
    computed in one pass (`trace["mlp_output"]`, `trace.take("mlp_output/3", "final_norm")`), which begins in the block that the
    first of the names is in; a name that was computed is kept.
    """

    _instead = "pickle `dict(trace)`, or the arrays that are wanted"

    def __init__(self, model: Model, tokens: tuple[int, ...], sites: list[Site], named: bool) -> None:
        self._model = model
        self._ids = tokens
        self._sites = dict.fromkeys(sites)
        # What was named when the trace was made is wanted, and computed together.
        self._wanted = sites if named else []
        self._computed: dict[Site, npt.NDArray[Any]] = {}

    @property
    def tokens(self) -> list[str]:
        """The texts of the prompt's tokens, by position."""
        return [self._model._model.token_text(token) for token in self._ids]

    @property
    def computed(self) -> list[str]:
        """The names that were computed so far."""
        return [_name(site) for site in self._computed]

    def take(self, *names: str) -> list[npt.NDArray[Any]]:
        """What several names mean, computed in one pass. See `trace[name]`."""
        each = [self._meant(name) for name in names]
        self._compute([site for sites in each for site in sites])
        values = (
            np.stack([self._computed[site] for site in sites]) if self._is_every_layer(name) else self._computed[sites[0]]
            for name, sites in zip(names, each, strict=True)
        )
        return list(values)

    def __getitem__(self, name: str) -> npt.NDArray[Any]:
        """`"mlp_output/3"`: what the component shows in that layer, `[positions, width]`, or `[heads, queries, keys]` of attention
        patterns. `"mlp_output"`: in all layers of the trace, with a first axis for them. pyvene's and TransformerLens's names
        (`"blocks.3.hook_mlp_out"`) are understood.
        """
        return self.take(name)[0]

    def __contains__(self, name: object) -> bool:
        try:
            return isinstance(name, str) and bool(self._meant(name))
        except VeneError:
            return False

    def __iter__(self) -> Iterator[str]:
        return map(_name, self._sites)

    def __len__(self) -> int:
        return len(self._sites)

    def __repr__(self) -> str:
        return f"vene.Trace({len(self._ids)} tokens, {len(self)} names, {len(self._computed)} computed)"

    def _is_every_layer(self, name: str) -> bool:
        """Whether a name means a component in all layers."""
        component, _, layer = name.partition("/")
        _, own, per_layer = self._model._model.component(component)
        return per_layer and own is None and not layer

    def _meant(self, name: str) -> list[Site]:
        if not isinstance(name, str):
            raise InputError(f"an activation's name is a text such as \"mlp_output/3\"; given {name!r}")
        component, slash, layer = name.partition("/")
        known, own, _ = self._model._model.component(component)
        if self._is_every_layer(name):
            sites = [site for site in self._sites if site[0] == known]
        else:
            if slash and not layer.isdecimal():
                raise InputError(f"{name}: expected a layer's number after the `/`, such as {component}/0")
            sites = [(known, int(layer) if slash else own)]
        if not sites or any(site not in self._sites for site in sites):
            there = [_name(site) for site in self._sites if site[0] == known] or list(self)
            raise InputError(f"the trace has no {name}; it has {', '.join(there[:12])}{' ...' if len(there) > 12 else ''}")
        return sites

    def _compute(self, sites: Iterable[Site]) -> None:
        missing = [site for site in dict.fromkeys(sites) if site not in self._computed]
        if not missing:
            return
        missing = list(dict.fromkeys([*missing, *self._wanted]))
        missing = [site for site in missing if site not in self._computed]
        plan = self._model._plan({}).without_distributions()
        for site in missing:
            plan = plan.collecting(*site)
        outcome = self._model._session([self._ids]).run(plan, list(self._ids), [])
        for site in missing:
            self._computed[site] = array(outcome.activation(*site))


def _name(site: Site) -> str:
    component, layer = site
    return component if layer is None else f"{component}/{layer}"
