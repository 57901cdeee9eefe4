"""pyvene's interventions along learned directions, by learned masks, and in the latents of autoencoders."""

from __future__ import annotations

from typing import Any

import numpy as np

from vene.pyvene._backend import HAS_TORCH, Module, as_array, parameter, rotate_layer, sigmoid, values
from vene.pyvene.interchange import interchanged
from vene.pyvene.interventions import (
    BasisAgnosticIntervention,
    DistributedRepresentationIntervention,
    LocalistRepresentationIntervention,
    TrainableIntervention,
    width_of,
)


class RotatedSpaceIntervention(TrainableIntervention, DistributedRepresentationIntervention):
    """An interchange of coordinates in a learned basis."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.rotate_layer = rotate_layer(width_of(self), width_of(self))

    def forward(self, base: Any, source: Any, subspaces: Any = None, **options: Any) -> Any:
        source = self.rotate_layer(self._read(source))
        swapped = self._swapped(self.rotate_layer(base), source, "interchange", subspaces)
        return _like(swapped @ self.rotate_layer.weight.T, base)


class LowRankRotatedSpaceIntervention(TrainableIntervention, DistributedRepresentationIntervention):
    """The same along few directions, `low_rank_dimension` of them."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.rotate_layer = rotate_layer(width_of(self), _rank(options))

    def forward(self, base: Any, source: Any, subspaces: Any = None, **options: Any) -> Any:
        rotated = self.rotate_layer(base)
        swapped = self.rotate_layer(self._read(source))
        if subspaces is not None:
            swapped = interchanged(
                rotated, swapped, "interchange", None, subspaces, self.subspace_partition, self.use_fast)
        return _like(base + (swapped - rotated) @ self.rotate_layer.weight.T, base)


class BoundlessRotatedSpaceIntervention(TrainableIntervention, DistributedRepresentationIntervention):
    """The same along as many directions as are learned."""

    intervention_population: Any

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.rotate_layer = rotate_layer(width_of(self), width_of(self))
        self.intervention_boundaries = parameter([0.5])
        self.temperature = parameter(50.0)
        self.register_buffer("intervention_population", values(np.arange(width_of(self))))

    def get_boundary_parameters(self) -> Any:
        return self.intervention_boundaries

    def get_temperature(self) -> Any:
        return self.temperature

    def set_temperature(self, temp: Any) -> None:
        _set_temperature(self, temp)

    def set_intervention_boundaries(self, intervention_boundaries: Any) -> None:
        self.intervention_boundaries = parameter([float(intervention_boundaries)])

    def forward(self, base: Any, source: Any, subspaces: Any = None, **options: Any) -> Any:
        rotated, swapped = self.rotate_layer(base), self.rotate_layer(self._read(source))
        end = self.intervention_boundaries.clip(1e-3, 1)[0] * width_of(self)
        place = self.intervention_population
        mask = sigmoid(place / self.temperature) * sigmoid((end - place) / self.temperature)
        return _like(((1 - mask) * rotated + mask * swapped) @ self.rotate_layer.weight.T, base)


class SigmoidMaskRotatedSpaceIntervention(TrainableIntervention, DistributedRepresentationIntervention):
    """The same with a learned share of each direction."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.rotate_layer = rotate_layer(width_of(self), width_of(self))
        self.masks = parameter(np.full(width_of(self), 100.0))
        self.temperature = parameter(50.0)

    def get_temperature(self) -> Any:
        return self.temperature

    def set_temperature(self, temp: Any) -> None:
        _set_temperature(self, temp)

    def forward(self, base: Any, source: Any, subspaces: Any = None, **options: Any) -> Any:
        rotated, swapped = self.rotate_layer(base), self.rotate_layer(self._read(source))
        mask = sigmoid(self.masks / self.temperature)
        return _like(((1 - mask) * rotated + mask * swapped) @ self.rotate_layer.weight.T, base)


class SigmoidMaskIntervention(TrainableIntervention, LocalistRepresentationIntervention):
    """A learned share of each dimension is the source's."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.mask = parameter(np.zeros(width_of(self)))
        self.temperature = parameter(0.01)

    def get_temperature(self) -> Any:
        return self.temperature

    def set_temperature(self, temp: Any) -> None:
        _set_temperature(self, temp)

    def forward(self, base: Any, source: Any, subspaces: Any = None, **options: Any) -> Any:
        # As in pyvene no gradient reaches the temperature.
        temperature = self.temperature.detach() if HAS_TORCH else self.temperature
        mask = sigmoid(self.mask / temperature)
        return (1 - mask) * base + mask * self._read(source)


class PCARotatedSpaceIntervention(BasisAgnosticIntervention, DistributedRepresentationIntervention):
    """An interchange of principal components: `pca` has `components_`, `pca_mean` and `pca_std` say how values are normed."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        missing = [name for name in ("pca", "pca_mean", "pca_std") if name not in options]
        if missing:
            raise ValueError(f"PCARotatedSpaceIntervention needs {', '.join(missing)}")
        self.pca_components = parameter(options["pca"].components_, trained=False)
        self.pca_mean = parameter(options["pca_mean"], trained=False)
        self.pca_std = parameter(options["pca_std"], trained=False)

    def forward(self, base: Any, source: Any, subspaces: Any = None, **options: Any) -> Any:
        def components(given: Any) -> Any:
            return ((given - self.pca_mean) / self.pca_std) @ self.pca_components.T

        swapped = self._swapped(components(base), components(self._read(source)), "interchange", subspaces)
        return (swapped @ self.pca_components) * self.pca_std + self.pca_mean


class AutoencoderIntervention(TrainableIntervention):
    """An interchange of an autoencoder's latents; `latent_dim` of them."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        if options.get("latent_dim") is None:
            raise ValueError("AutoencoderIntervention needs latent_dim: how many latents there are")
        self.autoencoder = _Autoencoder(width_of(self), int(options["latent_dim"]))

    def forward(self, base: Any, source: Any, subspaces: Any = None, **options: Any) -> Any:
        own, other = self.autoencoder.encode(base), self.autoencoder.encode(self._read(source))
        if subspaces is None:
            subspaces = [self.latents()] * len(own)
        swapped = interchanged(own, other, "interchange", None, subspaces, self.subspace_partition, self.use_fast)
        return _like(self.autoencoder.decode(swapped), base)

    def latents(self) -> list[int]:
        """The latents that are exchanged where no subspace is chosen: those whose numbers `interchange_dim` has, as in pyvene;
        all where it has none that is there."""
        count = len(self.autoencoder.encoder[0].bias)
        named: list[int] = [] if self.interchange_dim is None else np.ravel(as_array(self.interchange_dim)).astype(int).tolist()
        return named if named and max(named) < count else list(range(count))


class JumpReLUAutoencoderIntervention(TrainableIntervention):
    """An interchange of the latents of an autoencoder with thresholds; `low_rank_dimension` of them."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**{**options, "keep_last_dim": True})
        width, latents = width_of(self), _rank(options)
        self.W_enc = parameter(np.zeros((width, latents)))
        self.W_dec = parameter(np.zeros((latents, width)))
        self.threshold = parameter(np.zeros(latents))
        self.b_enc = parameter(np.zeros(latents))
        self.b_dec = parameter(np.zeros(width))

    def encode(self, input_acts: Any) -> Any:
        active = input_acts @ self.W_enc + self.b_enc
        return active * ((active > self.threshold) & (active > 0))

    def decode(self, acts: Any) -> Any:
        return acts @ self.W_dec + self.b_dec

    def forward(self, base: Any, source: Any = None, subspaces: Any = None, **options: Any) -> Any:
        swapped = self._swapped(self.encode(base), self.encode(self._read(source)), "interchange", subspaces)
        return self.decode(swapped)


class _Linear(Module):
    """`[inputs]` to `[outputs]`, with PyTorch's names and first values."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        bound = inputs ** -0.5
        if HAS_TORCH:
            import torch

            made = torch.nn.Linear(inputs, outputs)
            self.weight, self.bias = made.weight, made.bias
        else:
            self.weight = parameter(np.random.uniform(-bound, bound, (outputs, inputs)))
            self.bias = parameter(np.random.uniform(-bound, bound, outputs))

    def forward(self, given: Any) -> Any:
        return given @ self.weight.T + self.bias


class _Autoencoder(Module):
    """One layer each way; parameters by pyvene's names, `encoder.0.weight` and so on."""

    def __init__(self, width: int, latents: int) -> None:
        super().__init__()
        self.encoder, self.decoder = _Only(_Linear(width, latents)), _Only(_Linear(latents, width))

    def encode(self, given: Any) -> Any:
        latent = self.encoder((given.to(self.encoder[0].weight.dtype) if HAS_TORCH else given) - self.decoder[0].bias)
        return latent * (latent > 0)

    def decode(self, latent: Any) -> Any:
        return self.decoder(latent)


class _Only(Module):
    """A sequence of one layer, which is named `0`."""

    def __init__(self, layer: Any) -> None:
        super().__init__()
        setattr(self, "0", layer)

    def __getitem__(self, _index: int) -> Any:
        return getattr(self, "0")

    def forward(self, given: Any) -> Any:
        return self[0](given)


def _rank(options: dict[str, Any]) -> int:
    if options.get("low_rank_dimension") is None:
        raise ValueError("low_rank_dimension is missing: how many directions, or latents, there are")
    return int(options["low_rank_dimension"])


def _like(edited: Any, base: Any) -> Any:
    return edited.to(base.dtype) if HAS_TORCH else edited.astype(base.dtype)


def _set_temperature(intervention: Any, temp: Any) -> None:
    if HAS_TORCH:
        import torch

        intervention.temperature.data = torch.as_tensor(temp).reshape(()).detach().clone()
    else:
        intervention.temperature = parameter(temp)
