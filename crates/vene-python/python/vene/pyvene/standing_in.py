"""`import pyvene` as this package: for scripts that name pyvene's sub-modules."""

from __future__ import annotations

import importlib
import sys
import types

from vene._errors import PlanError

MODULES = {
    "data_generators.causal_model": ["causal_model"],
    "models.basic_utils": ["basic_utils"],
    "models.configuration_intervenable_model": ["configuration"],
    "models.constants": ["units"],
    "models.gpt2.modelings_intervenable_gpt2": ["creation"],
    "models.gpt_neo.modelings_intervenable_gpt_neo": ["creation"],
    "models.gru.modelings_intervenable_gru": ["creation"],
    "models.intervenable_base": ["intervenable", "outputs", "interventions", "learned", "configuration"],
    "models.intervention_utils": ["interchange"],
    "models.interventions": ["interventions", "learned"],
    "models.llama.modelings_intervenable_llama": ["creation"],
    "models.mlp.modelings_intervenable_mlp": ["creation"],
    "models.modeling_utils": ["units"],
}
"""pyvene's sub-modules, and where their names are here."""

OTHER_NAMES = {"_do_intervention_by_swap": "interchanged"}
"""Names that pyvene's modules have for what is named otherwise here."""


def take_over() -> None:
    """From now on `import pyvene`, and its sub-modules by their paths, give what is here; of this process alone.

    Refused where PyTorch's pyvene was imported before.
    """
    here = sys.modules["vene.pyvene"]
    if sys.modules.get("pyvene", here) is not here:
        raise PlanError("pyvene was imported before: call take_over() first")
    sys.modules["pyvene"] = here
    for path, sources in MODULES.items():
        module = _package(path)
        for source in sources:
            found = importlib.import_module(f"vene.pyvene.{source}")
            names = getattr(found, "__all__", [name for name in vars(found) if not name.startswith("_")])
            vars(module).update({name: getattr(found, name) for name in names})
        for other, name in OTHER_NAMES.items():
            if hasattr(module, name):
                setattr(module, other, getattr(module, name))


def _package(path: str) -> types.ModuleType:
    """The module of a path within pyvene, and the packages around it."""
    parent = sys.modules["pyvene"]
    name = "pyvene"
    for part in path.split("."):
        name = f"{name}.{part}"
        module = sys.modules.get(name)
        if module is None:
            module = types.ModuleType(name, f"pyvene's `{name}`, over vene.")
            # A package, so that what is not here may be put beside it.
            module.__path__ = []
            sys.modules[name] = module
            if not hasattr(parent, part):
                setattr(parent, part, module)
        parent = module
    return parent
