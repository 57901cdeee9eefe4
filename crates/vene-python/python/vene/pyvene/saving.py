"""Folders that pyvene reads and writes: `config.json`, and a file of parameters for each intervention that has some."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vene import _vene
from vene._arrays import array
from vene._errors import PlanError
from vene.pyvene._backend import HAS_TORCH, as_array
from vene.pyvene.bridge import LambdaIntervention
from vene.pyvene.configuration import IntervenableConfig
from vene.pyvene.interventions import SourcelessIntervention, TrainableIntervention, ZeroIntervention

if TYPE_CHECKING:
    from vene.pyvene.intervenable import IntervenableModel


def save(intervenable: IntervenableModel, folder: str | Path, to_hub: bool, include_model: bool) -> None:
    """Writes the configuration and the parameters."""
    if to_hub:
        raise PlanError("save_to_hf_hub is not known here: save into a folder, and upload that")
    _refuse_model(include_model)
    interventions = list(intervenable.interventions.values())
    for one in interventions:
        if isinstance(one, LambdaIntervention):
            raise PlanError("a function that is an intervention cannot be saved: no file describes it")
    config = copy.copy(intervenable.config)
    config.intervention_types = [type(one) for one in interventions]
    config.representations = [
        one._replace(source_representation=True if given.source_representation is not None else None)
        for one, given in zip(config.representations, interventions, strict=True)
    ]
    config.sorted_keys = intervenable.sorted_keys
    config.intervention_dimensions = [
        None if one.interchange_dim is None else as_array(one.interchange_dim).tolist() for one in interventions]
    config.intervention_constant_sources = [bool(one.is_source_constant) for one in interventions]
    config.save_pretrained(folder)
    for key, one in intervenable.interventions.items():
        if isinstance(one, TrainableIntervention) or one.source_representation is not None:
            _write(one, _file(folder, key))


def load(folder: str | Path, model: Any, from_hub: bool, include_model: bool) -> IntervenableModel:
    """An `IntervenableModel` of a folder."""
    from vene.pyvene.intervenable import IntervenableModel

    if from_hub:
        raise PlanError("from_huggingface_hub is not known here: download the folder first")
    _refuse_model(include_model)
    config = IntervenableConfig.from_pretrained(folder)
    dimensions, constants = config.intervention_dimensions, config.intervention_constant_sources
    made = IntervenableModel(config, model)
    for index, (key, one) in enumerate(made.interventions.items()):
        if constants is not None:
            one.is_source_constant = bool(constants[index])
        if dimensions is not None and dimensions[index] is not None:
            one.set_interchange_dim(dimensions[index])
        path = _file(folder, key)
        sourceless = isinstance(one, ZeroIntervention | SourcelessIntervention)
        if isinstance(one, TrainableIntervention):
            one.load_state_dict(_read(path))
        elif one.is_source_constant and not sourceless and path.exists():
            one.set_source_representation(_read(path)["source_representation"])
    return made


def save_parameters(intervenable: IntervenableModel, folder: str | Path, include_model: bool) -> None:
    """Writes what is trained."""
    _refuse_model(include_model)
    Path(folder).mkdir(parents=True, exist_ok=True)
    for key, one in intervenable.interventions.items():
        if isinstance(one, TrainableIntervention):
            _write(one, _file(folder, key))


def load_parameters(intervenable: IntervenableModel, folder: str | Path, include_model: bool) -> None:
    """Reads what is trained."""
    _refuse_model(include_model)
    for key, one in intervenable.interventions.items():
        if isinstance(one, TrainableIntervention):
            one.load_state_dict(_read(_file(folder, key)))


def _refuse_model(include_model: bool) -> None:
    if include_model:
        raise PlanError("include_model is not known here: a model's own weights are never trained")


def _file(folder: str | Path, key: str) -> Path:
    return Path(folder) / f"intkey_{key}.bin"


def _write(intervention: Any, path: Path) -> None:
    if not HAS_TORCH:
        raise PlanError("pyvene's files of parameters are PyTorch's: install torch to write them, or save a plan (docs/plans.md)")
    import torch

    torch.save(intervention.state_dict(), path)


def _read(path: Path) -> dict[str, Any]:
    """A state dict; of the file nothing is run."""
    if not path.exists():
        raise PlanError(f"{path} is not there: the parameters of an intervention")
    if not HAS_TORCH:
        return {name: array(values) for name, values in _vene.pyvene_parameters(str(path)).items()}
    import torch

    state: dict[str, Any] = torch.load(path, weights_only=True, map_location="cpu")
    return state


__all__ = ["load", "load_parameters", "save", "save_parameters"]
