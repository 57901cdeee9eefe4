"""pyvene's configurations: where interventions are made, and which."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

from vene._errors import PlanError
from vene.pyvene import interventions, learned
from vene.pyvene.interventions import Intervention, VanillaIntervention

MODULE = "pyvene.models.interventions"
OWN_MODULES = (interventions.__name__, learned.__name__)


class RepresentationConfig(NamedTuple):
    """Where an intervention reads and writes: pyvene's fields, in its order."""

    layer: Any = 0
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


class IntervenableConfig:
    """What is done at each representation.

    `representations`: one or a list, each a `RepresentationConfig`, a dict of its fields or a list of them. `intervention_types`:
    one class for all, or a list; `intervention_type` and `intervention` (an object, or a function of base and source) of a
    representation come first.
    """

    def __init__(
        self,
        representations: Any = (),
        intervention_types: Any = VanillaIntervention,
        mode: str = "parallel",
        sorted_keys: Any = None,
        model_type: Any = None,
        intervention_dimensions: Any = None,
        intervention_constant_sources: Any = None,
        **more: Any,
    ) -> None:
        if isinstance(representations, RepresentationConfig | dict) or not isinstance(representations, list | tuple):
            representations = [representations]
        self.representations = [_representation(one) for one in representations or [RepresentationConfig()]]
        own = [one for one in self.representations if _own_type(one) is not None]
        if own and len(own) != len(self.representations):
            raise PlanError("an intervention or a type is given for some representations: give one for all")
        self.intervention_types = [_own_type(one) for one in own] if own else intervention_types
        if mode not in ("parallel", "serial"):
            raise PlanError(f"mode is {mode!r}; expected parallel or serial")
        self.mode = mode
        self.sorted_keys = sorted_keys
        self.model_type = model_type
        self.intervention_dimensions = intervention_dimensions
        self.intervention_constant_sources = intervention_constant_sources
        for name, value in more.items():
            # What transformers' configurations have; of the interventions nothing is said by it.
            setattr(self, name, value)

    def add_intervention(self, representations: Any) -> None:
        """Adds one, or a list, each with its type or object."""
        if isinstance(representations, RepresentationConfig | dict) or not isinstance(representations, list | tuple):
            representations = [representations]
        types = self.types()
        for one in map(_representation, representations):
            if _own_type(one) is None:
                raise PlanError("a representation that is added needs its intervention_type, or an intervention")
            self.representations.append(one)
            types.append(_own_type(one))
        self.intervention_types = types

    def types(self) -> list[Any]:
        """The class of each representation's intervention."""
        given = self.intervention_types
        if not isinstance(given, list | tuple):
            return [given] * len(self.representations)
        if len(given) != len(self.representations):
            raise PlanError(f"{len(given)} intervention_types for {len(self.representations)} representations")
        return list(given)

    def to_dict(self) -> dict[str, Any]:
        """As pyvene writes it into `config.json`; tensors, objects and functions are not in it."""
        unset = {"intervention_type", "intervention", "source_representation", "hidden_source_representation"}
        return {
            "intervention_constant_sources": self.intervention_constant_sources,
            "intervention_dimensions": self.intervention_dimensions,
            "intervention_types": [_type_name(kind) for kind in self.types()],
            "mode": self.mode,
            "model_type": None if self.model_type is None else str(self.model_type),
            "representations": [
                [
                    (True if one.source_representation is not None else one.hidden_source_representation)
                    if name == "hidden_source_representation" else None if name in unset else value
                    for name, value in one._asdict().items()
                ]
                for one in self.representations
            ],
            "sorted_keys": self.sorted_keys,
        }

    def save_pretrained(self, folder: str | Path) -> None:
        """Writes `config.json` into a folder."""
        path = Path(folder)
        path.mkdir(parents=True, exist_ok=True)
        (path / "config.json").write_text(json.dumps(self.to_dict(), indent=2, sort_keys=True) + "\n")

    @classmethod
    def from_pretrained(cls, folder: str | Path) -> IntervenableConfig:
        """Reads `config.json` of a folder; types are those of pyvene's names, and nothing is imported."""
        read = json.loads((Path(folder) / "config.json").read_text())
        known = ("mode", "sorted_keys", "model_type", "intervention_dimensions", "intervention_constant_sources")
        types = [class_of(name) for name in read["intervention_types"]]
        return cls(read["representations"], types, **{name: read.get(name) for name in known})

    def __repr__(self) -> str:
        representations = "".join(
            "\n  " + ", ".join(
                f"{name}={'...' if hasattr(value, 'shape') else value!r}"
                for name, value in one._asdict().items() if value is not None)
            for one in self.representations)
        return f"IntervenableConfig(mode={self.mode!r}, intervention_types={self.intervention_types}){representations}"


def class_of(name: str) -> type[Intervention]:
    """pyvene's class of a name, as its files have it: `<class 'pyvene.models.interventions.VanillaIntervention'>`."""
    bare = name.removeprefix("<class '").removesuffix("'>")
    module, _, last = bare.rpartition(".")
    found = getattr(interventions, last, None) or getattr(learned, last, None)
    if module not in ("", MODULE, *OWN_MODULES) or not (
            isinstance(found, type) and issubclass(found, Intervention)):
        raise PlanError(f"{bare} is not one of pyvene's own interventions, and nothing is imported by its name")
    return found


def _type_name(kind: Any) -> str:
    """As pyvene writes it: its own classes under its own name."""
    if isinstance(kind, str):
        kind = class_of(kind)
    if kind.__module__ in OWN_MODULES:
        return f"<class '{MODULE}.{kind.__qualname__}'>"
    return str(kind)


def _representation(given: Any) -> RepresentationConfig:
    if isinstance(given, RepresentationConfig):
        return given
    if isinstance(given, dict):
        unknown = set(given) - set(RepresentationConfig._fields)
        if unknown:
            raise PlanError(
                f"a representation has no {', '.join(sorted(unknown))}; it has {', '.join(RepresentationConfig._fields)}")
        return RepresentationConfig(**given)
    if isinstance(given, Iterable) and not isinstance(given, str):
        return RepresentationConfig(*given)
    raise PlanError(f"a representation is a RepresentationConfig, a dict or a list; given {type(given).__name__}")


def _own_type(one: RepresentationConfig) -> Any:
    if one.intervention is not None and one.intervention_type is not None:
        raise PlanError("a representation has an intervention and an intervention_type: give one of them")
    return one.intervention_type if one.intervention is None else type(one.intervention)
