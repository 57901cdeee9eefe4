"""pyvene's own interventions as the engine's: what it is told of each, and their parameters by name."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from vene.pyvene import interventions, learned
from vene.pyvene._backend import as_array

PARAMETERS: dict[type, tuple[str, ...]] = {
    interventions.VanillaIntervention: (),
    interventions.AdditionIntervention: (),
    interventions.SubtractionIntervention: (),
    interventions.ZeroIntervention: (),
    interventions.SkipIntervention: (),
    interventions.CollectIntervention: (),
    interventions.NoiseIntervention: (),
    learned.RotatedSpaceIntervention: ("rotate_layer.weight",),
    learned.LowRankRotatedSpaceIntervention: ("rotate_layer.weight",),
    learned.BoundlessRotatedSpaceIntervention: ("rotate_layer.weight", "intervention_boundaries", "temperature"),
    learned.SigmoidMaskRotatedSpaceIntervention: ("rotate_layer.weight", "masks", "temperature"),
    learned.SigmoidMaskIntervention: ("mask", "temperature"),
    learned.PCARotatedSpaceIntervention: ("pca_components", "pca_mean", "pca_std"),
    learned.AutoencoderIntervention: (
        "autoencoder.encoder.0.weight", "autoencoder.encoder.0.bias", "autoencoder.decoder.0.weight",
        "autoencoder.decoder.0.bias"),
    learned.JumpReLUAutoencoderIntervention: ("W_enc", "W_dec", "threshold", "b_enc", "b_dec"),
}
"""The classes that the engine has itself, each with its parameters' names."""


def is_native(intervention: Any) -> bool:
    """Whether the engine computes it by itself: an object of one of these very classes, with their options."""
    kind = type(intervention)
    alters = bool(intervention.keep_last_dim) and kind is not learned.JumpReLUAutoencoderIntervention
    return kind in PARAMETERS and not alters


def learns(intervention: Any) -> bool:
    """Whether the engine computes it by itself, with parameters."""
    return is_native(intervention) and bool(PARAMETERS[type(intervention)])


def parameter(intervention: Any, name: str) -> Any:
    """A parameter by its name, the parts of which are attributes."""
    found = intervention
    for part in name.split("."):
        found = getattr(found, part)
    if name == "temperature" and type(intervention) is learned.SigmoidMaskIntervention and hasattr(found, "detach"):
        # As in pyvene no gradient reaches it.
        return found.detach()
    return found


def parameters(intervention: Any) -> dict[str, npt.NDArray[Any]]:
    """The parameters' values."""
    return {name: crossed(parameter(intervention, name)) for name in PARAMETERS[type(intervention)]}


def crossed(values: Any) -> npt.NDArray[Any]:
    """Values on their way into the engine."""
    found = as_array(values)
    if found.dtype not in (np.float32, np.float64):
        found = found.astype(np.float32)
    return np.ascontiguousarray(found)


def class_name(intervention: Any) -> str:
    """Its class in the engine's configuration: noise is the addition of given values, and what is not known stands for itself."""
    kind = type(intervention)
    if kind is interventions.NoiseIntervention:
        return "AdditionIntervention"
    return kind.__name__ if kind in PARAMETERS else "Intervention"


def own_source(intervention: Any) -> Any:
    """The values that it has in a source's place, `None` where it reads a run."""
    if type(intervention) is interventions.NoiseIntervention:
        return intervention.noise[0] * intervention.noise_level
    return intervention.source_representation
