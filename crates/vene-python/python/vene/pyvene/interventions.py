"""pyvene's interventions: classes of its names, whose objects hold parameters and are functions of base and source.

Objects of these very classes are run by the engine's own interventions, which are given their parameters (`native.py`); `forward`
is what a user calls by hand, and what objects of classes derived from these are run by.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from vene.pyvene._backend import HAS_TORCH, Module, as_array, floats, parameter, rotate_layer, sigmoid, values
from vene.pyvene.interchange import expanded, interchanged


class InterventionOutput(dict[str, Any]):
    """What `forward` may return in place of the edited values: these as `output`, and what else is of interest as `latent`."""

    def __init__(self, output: Any = None, latent: Any = None) -> None:
        super().__init__(output=output, latent=latent)

    def __getattr__(self, name: str) -> Any:
        try:
            return self[name]
        except KeyError:
            raise AttributeError(name) from None


class Intervention(Module):
    """A function of base and source, with the options that a representation's configuration has."""

    trainable = False

    def __init__(self, **options: Any) -> None:
        super().__init__()
        self.is_source_constant = False
        self.keep_last_dim = options.get("keep_last_dim", False)
        self.use_fast = options.get("use_fast", False)
        self.subspace_partition = expanded(options.get("subspace_partition"))
        width = options.get("embed_dim")
        if width is None:
            self.embed_dim = self.interchange_dim = None
        else:
            self.register_buffer("embed_dim", values(int(width)))
            self.register_buffer("interchange_dim", values(int(width)))
        given = options.get("source_representation")
        if given is not None:
            self.set_source_representation(given)
        else:
            self.source_representation = None
            self.is_source_constant = options.get("hidden_source_representation") is not None

    def set_source_representation(self, source_representation: Any) -> None:
        """Values that are read in place of a source's."""
        self.is_source_constant = True
        if "source_representation" in self.__dict__:
            del self.source_representation
        self.register_buffer("source_representation", floats(source_representation))

    def set_interchange_dim(self, interchange_dim: Any) -> None:
        """How many dimensions are meant where no subspace is chosen: the first so many."""
        self.interchange_dim = values(interchange_dim)

    def forward(self, base: Any, source: Any, subspaces: Any = None, **options: Any) -> Any:
        raise NotImplementedError(f"{type(self).__name__} has no forward(base, source, subspaces=None)")

    def _read(self, source: Any) -> Any:
        """The values that are read: those that were given in a source's place, if some were."""
        return source if self.source_representation is None else self.source_representation

    def _swapped(self, base: Any, source: Any, mode: str, subspaces: Any) -> Any:
        return interchanged(
            base, source, mode, self.interchange_dim, subspaces, self.subspace_partition, self.use_fast)

    def __str__(self) -> str:
        return f"{type(self).__name__}()"


class LocalistRepresentationIntervention(Module):
    """Each position's values are handed over by themselves."""

    is_repr_distributed = False


class DistributedRepresentationIntervention(Module):
    """All positions' values are handed over as one vector."""

    is_repr_distributed = True


class TrainableIntervention(Intervention):
    """One with parameters that are trained."""

    trainable = True

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.is_source_constant = False

    def tie_weight(self, linked_intervention: Any) -> None:
        """For classes derived from this one."""


class ConstantSourceIntervention(Intervention):
    """One that reads no run."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.is_source_constant = True


class SourcelessIntervention(ConstantSourceIntervention):
    """One that has no source."""


class BasisAgnosticIntervention(Intervention):
    """One that moves values in any direction."""

    basis_agnostic = True


class SharedWeightsTrainableIntervention(TrainableIntervention):
    """One whose parameters are shared."""

    shared_weights = True


class ZeroIntervention(ConstantSourceIntervention, LocalistRepresentationIntervention):
    """Zeros in place of the base's values."""

    def forward(self, base: Any, source: Any = None, subspaces: Any = None, **options: Any) -> Any:
        return interchanged(
            base, base * 0, "interchange", self.interchange_dim, subspaces, self.subspace_partition, self.use_fast)


class CollectIntervention(ConstantSourceIntervention):
    """The values stay, and are returned by the call."""

    def forward(self, base: Any, source: Any = None, subspaces: Any = None, **options: Any) -> Any:
        return self._swapped(base, source, "collect", subspaces)


class SkipIntervention(BasisAgnosticIntervention, LocalistRepresentationIntervention):
    """What a module was given in place of what it gives."""

    def forward(self, base: Any, source: Any, subspaces: Any = None, **options: Any) -> Any:
        return self._swapped(base, self._read(source), "interchange", subspaces)


class VanillaIntervention(Intervention, LocalistRepresentationIntervention):
    """The source's values in place of the base's."""

    def forward(self, base: Any, source: Any, subspaces: Any = None, **options: Any) -> Any:
        return self._swapped(base, self._read(source), "interchange", subspaces)


class AdditionIntervention(BasisAgnosticIntervention, LocalistRepresentationIntervention):
    """The source's values added to the base's."""

    def forward(self, base: Any, source: Any, subspaces: Any = None, **options: Any) -> Any:
        return self._swapped(base, self._read(source), "add", subspaces)


class SubtractionIntervention(BasisAgnosticIntervention, LocalistRepresentationIntervention):
    """The source's values subtracted from the base's."""

    def forward(self, base: Any, source: Any, subspaces: Any = None, **options: Any) -> Any:
        return self._swapped(base, self._read(source), "subtract", subspaces)


class NoiseIntervention(ConstantSourceIntervention, LocalistRepresentationIntervention):
    """Noise added to four positions: the same in each object, as pyvene draws it. `noise_level` is its size."""

    noise: Any
    noise_level: Any

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        drawn = np.random.RandomState(1).randn(1, 4, _width(self))
        self.register_buffer("noise", values(drawn))
        # pyvene's own spelling of the option is taken too.
        level = options.get("noise_level", options.get("noise_leve", 0.13462981581687927))
        self.register_buffer("noise_level", values(level))

    def forward(self, base: Any, source: Any = None, subspaces: Any = None, **options: Any) -> Any:
        noise = self.noise * self.noise_level
        return interchanged(base, (noise + base * 0), "add", self.interchange_dim)


class RotatedSpaceIntervention(TrainableIntervention, DistributedRepresentationIntervention):
    """An interchange of coordinates in a learned basis."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.rotate_layer = rotate_layer(_width(self), _width(self))

    def forward(self, base: Any, source: Any, subspaces: Any = None, **options: Any) -> Any:
        source = self.rotate_layer(self._read(source))
        swapped = self._swapped(self.rotate_layer(base), source, "interchange", subspaces)
        return _like(swapped @ self.rotate_layer.weight.T, base)


class LowRankRotatedSpaceIntervention(TrainableIntervention, DistributedRepresentationIntervention):
    """The same along few directions, `low_rank_dimension` of them."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.rotate_layer = rotate_layer(_width(self), _rank(options))

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
        self.rotate_layer = rotate_layer(_width(self), _width(self))
        self.intervention_boundaries = parameter([0.5])
        self.temperature = parameter(50.0)
        self.register_buffer("intervention_population", values(np.arange(_width(self))))

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
        end = self.intervention_boundaries.clip(1e-3, 1)[0] * _width(self)
        place = self.intervention_population
        mask = sigmoid(place / self.temperature) * sigmoid((end - place) / self.temperature)
        return _like(((1 - mask) * rotated + mask * swapped) @ self.rotate_layer.weight.T, base)


class SigmoidMaskRotatedSpaceIntervention(TrainableIntervention, DistributedRepresentationIntervention):
    """The same with a learned share of each direction."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.rotate_layer = rotate_layer(_width(self), _width(self))
        self.masks = parameter(np.full(_width(self), 100.0))
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
        self.mask = parameter(np.zeros(_width(self)))
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
        self.autoencoder = _Autoencoder(_width(self), int(options["latent_dim"]))

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
        named = [] if self.interchange_dim is None else np.ravel(as_array(self.interchange_dim)).astype(int).tolist()
        return named if named and max(named) < count else list(range(count))


class JumpReLUAutoencoderIntervention(TrainableIntervention):
    """An interchange of the latents of an autoencoder with thresholds; `low_rank_dimension` of them."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**{**options, "keep_last_dim": True})
        width, latents = _width(self), _rank(options)
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


def _width(intervention: Intervention) -> int:
    if intervention.embed_dim is None:
        raise ValueError(f"{type(intervention).__name__} needs embed_dim, the width of the values")
    return int(intervention.embed_dim)


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
