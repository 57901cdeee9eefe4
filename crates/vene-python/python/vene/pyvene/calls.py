"""One call of an `IntervenableModel`: what it was given, as a plan over examples, and what came of it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from vene import _function, _vene
from vene._arrays import array, tensor
from vene._errors import PlanError
from vene._padding import Prompts
from vene.pyvene import ahead, locations, native
from vene.pyvene import adaptor as adaptors
from vene.pyvene._backend import HAS_TORCH, as_array
from vene.pyvene.bridge import Bridge, LambdaIntervention
from vene.pyvene.configuration import MODULE
from vene.pyvene.interventions import (
    AdditionIntervention,
    CollectIntervention,
    SkipIntervention,
    SubtractionIntervention,
    VanillaIntervention,
    ZeroIntervention,
)
from vene.pyvene.learned import AutoencoderIntervention
from vene.pyvene.outputs import Output, of_hidden

if TYPE_CHECKING:
    from vene.pyvene.intervenable import IntervenableModel

State = tuple[Any, Any, Any]

SIMPLE = (VanillaIntervention, AdditionIntervention, SubtractionIntervention, ZeroIntervention)
"""Interventions of which nothing but their class has to be known."""


class SourcesMismatch(PlanError, ValueError):
    """Another number of sources than groups of interventions; a `ValueError` too, as in pyvene."""


class Call:
    """The plan of a call."""

    def __init__(
        self,
        intervenable: IntervenableModel,
        base: Any,
        sources: Any,
        unit_locations: Any,
        source_representations: Any,
        subspaces: Any,
        options: dict[str, Any] | None,
        when: str = "prompt",
    ) -> None:
        self._of = intervenable
        self._options = dict(options or {})
        self.outputs: list[Any] = []
        self.bridges: list[Bridge] = []
        self._module_inputs: list[tuple[int, adaptors.ModuleInput]] = []
        given = self._sources(sources)
        present = [source for source in given if source is not None]
        self.model, prompts = intervenable.host.encoded([base, *present])
        self.bases, read = prompts[0], prompts[1:]
        self._counted = len(self.bases.tokens)
        if any(len(one.tokens) != self._counted for one in read):
            raise PlanError("base and sources hold different numbers of examples")
        self.examples = [
            (list(prompt), [list(one.tokens[index]) for one in read]) for index, prompt in enumerate(self.bases.tokens)]
        # Which of an example's sources each group reads; one that is None switches its group off.
        order = iter(range(len(present)))
        self._reads = [None if source is None else next(order) for source in given]
        units = [one.unit for one in intervenable.representations.values()]
        if when == "generated" and unit_locations is None:
            # Each new token is one row.
            unit_locations = {"base": 0}
        self._locations = locations.unit_locations(
            unit_locations, units, self._counted, intervenable.mode == "serial")
        self._subspaces = locations.subspaces(subspaces, len(units), self._counted)
        if intervenable.use_fast:
            self._locations = locations.of_the_first(self._locations, self._counted)
            self._subspaces = locations.of_the_first(self._subspaces, self._counted)
        if when == "prompt":
            self._locations = self._in_prompts(self._locations, read)
        self._given = self._given_values(source_representations)
        self._when = when

    def _in_prompts(self, spelt: dict[str, Any] | None, read: list[Prompts]) -> dict[str, Any] | None:
        """Locations of padded batches, counted in each prompt from its first token."""
        if spelt is None or not any(one.is_padded for one in (self.bases, *read)):
            return spelt
        of = self._of
        if any(self.is_pattern(index) for index in range(len(of.components))):
            raise PlanError("attention patterns are edited and collected in prompts of one length: give them without padding")
        units = [one.unit for one in of.representations.values()]
        groups = [self._group_of(key) for key in of.sorted_keys]
        by_group = [None if place is None else read[place] for place in self._reads]
        placed = {}
        for name, (source, base) in spelt.items():
            if of.mode == "serial":
                # Of a pair of runs: the one that is read, and the one that is edited.
                group, into = locations.serial_pair(name)
                batches = [by_group[group]], [self.bases if into is None else by_group[into]]
                own = units[group:][:1]
            else:
                batches, own = ([by_group[group] for group in groups], [self.bases] * len(units)), units
            placed[name] = [
                locations.in_prompts(side, own, of_side) for side, of_side in zip((source, base), batches, strict=True)]
        return placed

    def _sources(self, sources: Any) -> list[Any]:
        groups = len(self._of._intervention_group)
        if sources is None:
            return [None] * groups
        listed = list(sources) if isinstance(sources, list | tuple) else [sources]
        if len(listed) == 1:
            listed = listed * groups
        if len(listed) != groups:
            raise SourcesMismatch(f"{len(listed)} sources for {groups} groups of interventions: give one for each")
        return listed

    def _given_values(self, given: Any) -> list[Any]:
        """For each intervention the values in a source's place: those of the call, or its own."""
        keys = self._of.sorted_keys
        if given is None:
            of_call = {}
        elif isinstance(given, dict):
            unknown = set(given) - set(keys)
            if unknown:
                raise PlanError(f"there is no intervention {', '.join(sorted(unknown))}; there are {', '.join(keys)}")
            of_call = given
        elif isinstance(given, list | tuple):
            if len(given) != len(keys):
                raise SourcesMismatch(f"{len(given)} source_representations for {len(keys)} interventions")
            of_call = dict(zip(keys, given, strict=True))
        else:
            of_call = dict.fromkeys(keys, given)
        return [of_call.get(key, native.own_source(self._of.interventions[key])) for key in keys]

    def _group_of(self, key: str) -> int:
        return next(index for index, keys in enumerate(self._of._intervention_group.values()) if key in keys)

    def configuration(self) -> dict[str, Any]:
        """What is done where, as pyvene's `config.json` says it."""
        of = self._of
        places = list(zip(of.sorted_keys, of.representations.values(), of.components, strict=True))
        interventions = [of.interventions[key] for key in of.sorted_keys]
        return {
            "mode": of.mode,
            "representations": [
                {
                    "layer": layer, "component": component, "unit": one.unit,
                    "max_number_of_units": one.max_number_of_units, "subspace_partition": one.subspace_partition,
                    "group_key": one.group_key,
                    # Links share parameters, where there are some.
                    "intervention_link_key": one.intervention_link_key if native.learns(intervention) else None,
                }
                for (_, one, (component, layer)), intervention in zip(places, interventions, strict=True)
            ],
            "intervention_types": [f"<class '{MODULE}.{native.class_name(one)}'>" for one in interventions],
            "intervention_dimensions": [self._dimensions(one) for one in interventions],
        }

    def plan(self, trained: list[Sequence[Any]] | None = None) -> _vene.Plan:
        """The plan; with `trained`, which is filled, bridges keep graphs for gradients, each with its parameters."""
        self.bridges, self._module_inputs = [], []
        return self._planned(self._locations, [self._state(index, trained) for index in range(len(self._of.sorted_keys))])

    def _planned(self, spelt: dict[str, Any] | None, states: list[State]) -> _vene.Plan:
        configuration, subspaces, reads = self.configuration(), self._subspaces, self._reads
        if self._module_inputs:
            read = [index for index, _ in self._module_inputs]
            configuration = adaptors.with_inputs(configuration, self._module_inputs)
            spelt = None if spelt is None else {name: adaptors.repeated(sides, read) for name, sides in spelt.items()}
            subspaces = None if subspaces is None else [*subspaces, *[None] * len(read)]
            # Groups that are named stay as many as they are.
            if configuration["representations"][-1]["group_key"] is None:
                reads = [*reads, *[None] * len(read)]
            states = [*states, *((None, one.native, None) for _, one in self._module_inputs)]
        return _vene.Plan.of_pyvene(
            self.model._model, json.dumps(configuration), json.dumps(spelt), json.dumps(subspaces), reads, states, self._when,
            self._skips_own_input())

    def _dimensions(self, intervention: Any) -> Any:
        """How many of the first dimensions are meant where no subspace is chosen."""
        if isinstance(intervention, AutoencoderIntervention):
            return intervention.latents()
        count = getattr(intervention, "interchange_dim", None)
        return None if count is None else as_array(count).astype(int).tolist()

    def _state(self, index: int, trained: list[Sequence[Any]] | None) -> State:
        key = self._of.sorted_keys[index]
        intervention, given = self._of.interventions[key], self._given[index]
        wants_gradient = HAS_TORCH and trained is not None and getattr(given, "requires_grad", False)
        if native.is_native(intervention) and not wants_gradient:
            return native.parameters(intervention) or None, None, self._crossed(given, index)
        function = getattr(intervention, "function", None)
        if isinstance(function, _function.Intervention):
            return None, function._native, self._crossed(given, index)
        bridge = self._bridge(index, given, trained, wants_gradient)
        self.bridges.append(bridge)
        return None, bridge.native, None if wants_gradient else self._crossed(given, index)

    def _bridge(self, index: int, given: Any, trained: Any, wants_gradient: bool) -> Bridge:
        key = self._of.sorted_keys[index]
        one, intervention = self._of.representations[key], self._of.interventions[key]
        reads = given is not None or (
            not intervention.is_source_constant and self._reads[self._group_of(key)] is not None)
        if isinstance(intervention, CollectIntervention):
            reads = False
        own: list[Any] | None = None
        if trained is not None:
            own = [parameter for parameter in intervention.parameters() if parameter.requires_grad]
            own += [given] if wants_gradient else []
            trained.append(own)
        chosen = None if self._subspaces is None else self._subspaces[index]
        module_input: adaptors.ModuleInput | str | None = None
        if self._of.as_adaptor and not reads:
            component, _ = self._of.components[index]
            read = adaptors.read_by(component, one.unit, self.model.config.family)
            if read == component:
                module_input = adaptors.ITSELF
            else:
                module_input = adaptors.ModuleInput(read, trained is not None)
                self._module_inputs.append((index, module_input))
        return Bridge(
            intervention, one.unit, is_pattern=self.is_pattern(index), reads_source=reads, subspaces=chosen,
            options=self._options, given=given if wants_gradient else None, trained=own, module_input=module_input)

    def is_pattern(self, index: int) -> bool:
        return self._of.components[index][0].startswith("attention_weight")

    def _crossed(self, given: Any, index: int) -> Any:
        """Given values for all examples, or for each its own: `[examples, units, width]`."""
        if given is None:
            return None
        values = as_array(given)
        if values.ndim > 2 and len(values) == self._counted:
            if values.ndim == 4:
                # Heads, then positions: the engine has a row of heads for each position.
                values = values.swapaxes(1, 2)
            return [native.crossed(one.reshape(-1)) for one in values]
        row: npt.NDArray[Any] = values.reshape(-1)
        component, _ = self._of.components[index]
        if component.startswith("head_") and len(row) == self.model._model.width(component):
            # One head's values, for each of the heads.
            row = np.tile(row, self._heads(index))
        return [native.crossed(row)]

    def _skips_own_input(self) -> bool:
        """Whether each source that a module is skipped by is the base itself, read where it is written."""
        skipping = [
            self._group_of(key) for key in self._of.sorted_keys
            if isinstance(self._of.interventions[key], SkipIntervention)
        ]
        read = [self._reads[group] for group in skipping]
        same = all(
            sources[place] == base for base, sources in self.examples for place in read if place is not None)
        sides = list((self._locations or {}).values())
        return same and all(source is None or source == base for source, base in sides)

    def run(self, labels: Any = None, with_original: bool = False) -> tuple[Any, Any, list[Any]]:
        """What the edited run gives, the unedited one where it is wanted, and what was collected."""
        model, prompts = self.model, [one for base, sources in self.examples for one in (base, *sources)]
        if self._wants_gradients():
            from vene.pyvene import training

            hidden: Any = training.differentiated(self)
            collected: list[Any] = []
            if self._of.return_collect_activations:
                _, collected = self._shown()
        else:
            hidden, collected = self._shown()
        edited = self._output(hidden, labels)
        original = None
        if with_original:
            session = model._session([tuple(one) for one in prompts])
            plan = model._hidden_plan(model._plan({}))
            found = session.run_all(plan, [(base, []) for base, _ in self.examples])
            original = self._output(self._hidden(found), labels)
        self.outputs = [one for bridge in self.bridges for one in bridge.outputs]
        return edited, original, collected

    def _wants_gradients(self) -> bool:
        if not HAS_TORCH:
            return False
        import torch

        given = [one for one in self._given if getattr(one, "requires_grad", False)]
        trained = [one for _, one in self._of.trained()]
        others = [one for one in self._of.interventions.values() if not any(one is known for known in trained)]
        parameters = [one for module in (*trained, *others) for one in module.parameters() if one.requires_grad]
        return torch.is_grad_enabled() and bool(given or parameters) and self._edits() and not self._learns_in_sources()

    def _learns_in_sources(self) -> bool:
        """Whether a run that is read is edited by what is trained: the engine runs sources once, without a graph."""
        of = self._of
        groups = list(of._intervention_group.values())
        keys = [key for group in groups[:-1] for key in group] if of.mode == "serial" else []
        return any(parameter.requires_grad for key in keys for parameter in of.interventions[key].parameters())

    def _edits(self) -> bool:
        """Whether an intervention is made at all: one without its source is not."""
        return any(
            given is not None or self._of.interventions[key].is_source_constant
            or self._reads[self._group_of(key)] is not None
            for key, given in zip(self._of.sorted_keys, self._given, strict=True))

    def _shown(self) -> tuple[Any, list[Any]]:
        asked, kept = self._question(), ahead.of(self.model)
        if asked is not None:
            return kept.answer(*asked, self._at_each), []
        kept.forget()
        plan = self.plan()
        for bridge in self.bridges:
            bridge.reset()
        prompts = [tuple(one) for base, sources in self.examples for one in (base, *sources)]
        session = self.model._session(prompts)
        found = session.run_all(self.model._hidden_plan(plan), self.examples)
        return self._hidden(found), self._collected(plan)

    def _question(self) -> tuple[ahead.Question, int] | None:
        """What is asked, if a loop over positions may ask it: one of the simplest interventions, at one place of one example."""
        of = self._of
        if len(of.sorted_keys) != 1 or self._counted != 1 or self._options or self._subspaces is not None:
            return None
        (intervention,), (one,), ((component, layer),) = of.interventions.values(), of.representations.values(), of.components
        is_whole = intervention.interchange_dim is None or int(intervention.interchange_dim) == int(intervention.embed_dim)
        is_simple = type(intervention) in SIMPLE and native.is_native(intervention) and is_whole
        if not is_simple or one.unit != "pos" or one.subspace_partition is not None or self._given[0] is not None:
            return None
        if self.is_pattern(0) or of.mode == "serial" or self._locations is None or self._when != "prompt":
            return None
        source, base = self._locations.get("sources->base", (None, None))
        (base_tokens, sources), reads = self.examples[0], self._reads[0]
        match source, base:
            case [[[int(read)]]], [[[int(position)]]]:
                pass
            case None, [[[int(position)]]] if reads is None:
                read = position
            case _:
                return None
        question = ahead.Question(
            type(intervention), component, layer, tuple(base_tokens), None if reads is None else tuple(sources[reads]),
            read - position)
        return question, position

    def _at_each(self, positions: list[int]) -> list[Any]:
        """The hidden states of such a call at some positions, each by itself."""
        source, base = (self._locations or {})["sources->base"]
        shift = 0 if source is None else source[0][0][0] - base[0][0][0]
        sides = [[[[position + by] for position in positions]] for by in (shift, 0)]
        plan = self._planned({"sources->base": sides}, [(None, None, None)])
        session = self.model._session([tuple(one) for one in (self.examples[0][0], *self.examples[0][1])])
        found = session.run_all(self.model._hidden_plan(plan), self.examples * len(positions))
        return [array(found.activation(index, *self.model._hidden_site()))[None] for index in range(len(positions))]

    def _hidden(self, found: _vene.Batch) -> Any:
        site = self.model._hidden_site()
        return self.bases.spread([array(found.activation(example, *site)) for example in range(self._counted)])

    def _collected(self, plan: _vene.Plan) -> list[Any]:
        """For each intervention that collects its values, `[examples, units, width]`; of heads `[examples, heads, ...]`."""
        found: dict[int, dict[int, Any]] = {}
        for place, example, values in plan.collected():
            found.setdefault(place, {})[example] = array(values)
        collected = []
        for place, key in enumerate(self._of.sorted_keys):
            if not isinstance(self._of.interventions[key], CollectIntervention) or place not in found:
                continue
            one = self._of.representations[key]
            of_examples = [found[place][example] for example in sorted(found[place])]
            if self._locations is None:
                # At every position.
                of_examples = list(self.bases.spread(of_examples))
            if one.unit in ("h", "h.pos") and not self.is_pattern(place):
                heads = self._heads(place)
                of_examples = [
                    values.reshape(len(values), heads, -1).swapaxes(0, 1) for values in of_examples]
            collected.append(tensor(np.ascontiguousarray(np.stack(of_examples))))
        return collected

    def _heads(self, place: int) -> int:
        """How many heads a representation names."""
        sides = (self._locations or {}).get("sources->base")
        if sides is None or sides[1] is None or sides[1][place] is None:
            return self.model.config.heads
        own = sides[1][place]
        return len(own[0][0] if self._of.representations[self._of.sorted_keys[place]].unit == "h.pos" else own[0])

    def _output(self, hidden: Any, labels: Any) -> Output:
        return of_hidden(self._of.host, self.model, hidden, labels, self.bases)
