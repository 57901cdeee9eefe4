"""pyvene's interventions: classes of its names, whose objects hold parameters and are functions of base and source.

Objects of these very classes are run by the engine's own interventions, which are given their parameters (`native.py`); `forward`
is what a user calls by hand, and what objects of classes derived from these are run by.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from vene.pyvene._backend import Module, floats, values
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
        drawn = np.random.RandomState(1).randn(1, 4, width_of(self))
        self.register_buffer("noise", values(drawn))
        # pyvene's own spelling of the option is taken too.
        level = options.get("noise_level", options.get("noise_leve", 0.13462981581687927))
        self.register_buffer("noise_level", values(level))

    def forward(self, base: Any, source: Any = None, subspaces: Any = None, **options: Any) -> Any:
        noise = self.noise * self.noise_level
        return interchanged(base, (noise + base * 0), "add", self.interchange_dim)


def width_of(intervention: Intervention) -> int:
    if intervention.embed_dim is None:
        raise ValueError(f"{type(intervention).__name__} needs embed_dim, the width of the values")
    return int(intervention.embed_dim)
