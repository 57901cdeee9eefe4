"""pyvene's interface: configurations of interventions, and a model that makes them when it is called."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from vene import _vene
from vene._errors import PlanError
from vene._model import Model, ModelOutput, check_mask

MODULE = "pyvene.models.interventions"


class Intervention:
    """What becomes of a base's values, by pyvene's name."""


class VanillaIntervention(Intervention):
    """The source's values in place of the base's."""


class AdditionIntervention(Intervention):
    """The source's values added to the base's."""


class SubtractionIntervention(Intervention):
    """The source's values subtracted from the base's."""


class ZeroIntervention(Intervention):
    """Zeros in place of the base's values."""


class SkipIntervention(Intervention):
    """What a module was given in place of what it gives."""


@dataclass
class RepresentationConfig:
    """Where an intervention reads and writes: pyvene's fields, in its order."""

    layer: int | None = None
    component: str = "block_output"
    unit: str = "pos"
    max_number_of_units: int = 1
    low_rank_dimension: int | None = None
    intervention_type: Any = None
    intervention: Any = None
    subspace_partition: Any = None
    group_key: Any = None
    intervention_link_key: Any = None
    moe_key: Any = None
    source_representation: Any = None
    hidden_source_representation: Any = None
    latent_dim: Any = None


@dataclass
class IntervenableConfig:
    """What is done at each representation."""

    representations: Any = field(default_factory=lambda: [RepresentationConfig()])
    intervention_types: Any = VanillaIntervention
    mode: str = "parallel"
    model_type: Any = None

    def __post_init__(self) -> None:
        if not isinstance(self.representations, list | tuple):
            self.representations = [self.representations]
        self.representations = [
            one if isinstance(one, RepresentationConfig) else _representation(one) for one in self.representations
        ]

    def to_json(self) -> str:
        """As pyvene writes it into `config.json`."""
        types = self.intervention_types
        if not isinstance(types, list | tuple):
            types = [types] * len(self.representations)
        if len(types) != len(self.representations):
            raise PlanError(f"{len(types)} intervention_types for {len(self.representations)} representations")
        own = [
            one.intervention_type or given for one, given in zip(self.representations, types, strict=True)
        ]
        unset = {"intervention_type": None, "intervention": None}
        for one in self.representations:
            if one.intervention is not None:
                raise PlanError("an intervention given as an object or a function is not known here: give its type")
        return json.dumps({
            "mode": self.mode,
            "representations": [{**asdict(one), **unset, "layer": one.layer or 0} for one in self.representations],
            "intervention_types": [f"<class '{MODULE}.{_name(kind)}'>" for kind in own],
        })


def _representation(fields: Any) -> RepresentationConfig:
    return RepresentationConfig(**fields) if isinstance(fields, dict) else RepresentationConfig(*fields)


def _name(kind: Any) -> str:
    """The name of an intervention's type."""
    known = [known.__name__ for known in Intervention.__subclasses__()]
    name = kind if isinstance(kind, str) else getattr(kind, "__name__", str(kind))
    if name not in known:
        raise PlanError(f"{name} is not known here; there are {', '.join(known)}")
    return str(name)


class IntervenableModel:
    """A model whose calls make the interventions of a configuration.

    Calls that follow each other with the same prompts, of this or another configuration, share the unedited runs.
    """

    def __init__(self, config: Any, model: Model) -> None:
        if not isinstance(config, IntervenableConfig):
            config = IntervenableConfig(representations=config)
        self.config: IntervenableConfig = config
        self.model = model
        self._json = config.to_json()

    def __call__(
        self,
        base: Any,
        sources: Sequence[Any] | None = None,
        unit_locations: dict[str, Any] | None = None,
        source_representations: Any = None,
        subspaces: Any = None,
        output_original_output: bool = False,
        return_dict: bool = False,
        use_cache: bool = True,
    ) -> tuple[ModelOutput | None, ModelOutput]:
        """The base's run without interventions (where `output_original_output` asks for it), and with them.

        `base` and each of `sources` are what the tokenizer gives. `unit_locations` says where, as pyvene does:
        `{"sources->base": 4}`, a pair of source's and base's positions, or lists `[interventions][examples][units]`.
        """
        if source_representations is not None:
            raise PlanError("source_representations are not known here: give sources, or a plan with `source = { file }`")
        bases = _prompts(base)
        given = [None if source is None else _prompts(source) for source in sources or ()]
        counts = {len(bases), *(len(prompts) for prompts in given if prompts is not None)}
        if len(counts) > 1:
            raise PlanError("base and sources hold different numbers of examples")
        # Which of an example's sources each group reads; one that is None switches its group off.
        present = [index for index, prompts in enumerate(given) if prompts is not None]
        reads = [present.index(index) if index in present else None for index in range(len(given))]
        outcomes, originals = [], []
        for example, prompt in enumerate(bases):
            own = [prompts[example] for prompts in given if prompts is not None]
            plan = _vene.Plan.of_pyvene(
                self.model._model,
                self._json,
                json.dumps(_of_example(_lists(unit_locations), example, len(bases))),
                json.dumps(_of_example(_lists(subspaces), example, len(bases), depth=1)),
                reads,
            )
            session = self.model._session([prompt, *own])
            hidden = self.model._hidden_plan(plan)
            outcomes.append(session.run(hidden, list(prompt), [list(source) for source in own]))
            if output_original_output:
                unedited = self.model._hidden_plan(self.model._plan({}))
                originals.append(session.run(unedited, list(prompt), []))
        original = self.model._output(originals) if output_original_output else None
        return original, self.model._output(outcomes)


def _prompts(inputs: Any) -> list[tuple[int, ...]]:
    """The token ids of what a tokenizer gave, `[examples, tokens]`."""
    check_mask(inputs.get("attention_mask"))
    return [tuple(row) for row in np.atleast_2d(np.asarray(inputs["input_ids"])).tolist()]


def _lists(value: Any) -> Any:
    """Numbers and lists as JSON has them."""
    if isinstance(value, dict):
        return {key: _lists(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_lists(inner) for inner in value]
    if value is None or isinstance(value, int):
        return value
    found = np.asarray(value).tolist()
    return found if isinstance(found, int) else _lists(found)


def _of_example(value: Any, example: int, examples: int, depth: int = 0) -> Any:
    """Of lists `[interventions][examples][...]` those of one example, in the same nesting."""
    if examples == 1 or value is None or isinstance(value, int):
        return value
    if isinstance(value, dict):
        return {
            name: [_of_example(side, example, examples, 1) for side in pair]
            if name != "base" and isinstance(pair, list) and len(pair) == 2
            else _of_example(pair, example, examples, 1)
            for name, pair in value.items()
        }
    if not any(isinstance(inner, list) for inner in value):
        return value
    return [
        [inner[example]] if isinstance(inner, list) and len(inner) == examples else inner for inner in value
    ]
