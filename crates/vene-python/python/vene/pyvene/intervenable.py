"""pyvene's `IntervenableModel`: a model whose calls make the interventions of a configuration."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from vene import _function
from vene._errors import PlanError
from vene.pyvene import generation, modules, saving, training
from vene.pyvene._backend import Module, ModuleDict
from vene.pyvene.bridge import LambdaIntervention
from vene.pyvene.calls import Call
from vene.pyvene.configuration import IntervenableConfig, RepresentationConfig, class_of
from vene.pyvene.hosts import Host
from vene.pyvene.interventions import CollectIntervention, Intervention, TrainableIntervention
from vene.pyvene.outputs import IntervenableModelOutput


class IntervenableModel(Module):
    """A model whose calls make the interventions of a configuration.

    `config` is an `IntervenableConfig`, or what its `representations` are. `model` is one of vene's (`vene.load`), one of
    transformers' that is in memory, or a network of pyvene's. Calls that follow each other with the same prompts, of this or
    another configuration, share the unedited runs.
    """

    BACKEND = "native"

    def __init__(self, config: Any, model: Any, use_fast: bool = False, **more: Any) -> None:
        super().__init__()
        self.as_adaptor = bool(more.pop("as_adaptor", False))
        if more:
            raise PlanError(f"IntervenableModel has no {', '.join(sorted(more))}")
        if not isinstance(config, IntervenableConfig):
            config = IntervenableConfig(representations=config)
        self.config: IntervenableConfig = config
        self.mode = config.mode
        if self.as_adaptor and self.mode == "serial":
            raise PlanError("as_adaptor is for interventions of one run, and the mode is serial")
        self.use_fast = use_fast
        self.host = Host(model)
        self.model = model
        self.model_config = model.config
        self.config.model_type = str(type(model))
        self.is_model_stateless = not type(model).__name__.startswith("GRU")
        self.full_intervention_outputs: list[Any] = []
        self.representations: dict[str, RepresentationConfig] = {}
        self.components: list[tuple[str, int]] = []
        self.interventions: Any = ModuleDict()
        self._make_interventions()
        self.sorted_keys = list(self.representations)
        self._intervention_group = self._groups()
        self.return_collect_activations = any(
            isinstance(one, CollectIntervention) for one in self.interventions.values())
        self._runs = training.KeptRuns()
        if hasattr(model, "eval"):
            self.disable_model_gradients()

    def _make_interventions(self) -> None:
        linked: dict[Any, Any] = {}
        self._links: dict[str, Any] = {}
        for one, kind in zip(self.config.representations, self.config.types(), strict=True):
            if one.moe_key is not None:
                raise PlanError("moe_key is not known here: no component that pyvene knows is an expert of a mixture")
            component, layer = self._place(one)
            link = one.intervention_link_key
            intervention = linked.get(link) if link is not None else None
            if intervention is None:
                intervention = self._intervention(one, kind, component)
                linked[link] = intervention
            key = self._key(one)
            if link is not None:
                self._links[key] = link
            self.representations[key] = one
            self.components.append((component, layer))
            self.interventions[key] = intervention

    def _place(self, one: RepresentationConfig) -> tuple[str, int]:
        model = self.host.model
        if "." in one.component:
            if one.component.rpartition(".")[2] in ("input", "output"):
                return modules.component(one.component, model.config.family)
            component, layer, _ = model._model.component(one.component)
            return component, int(one.layer or 0) if layer is None else layer
        return one.component, int(one.layer or 0)

    def _intervention(self, one: RepresentationConfig, kind: Any, component: str) -> Any:
        given = one.intervention
        if given is None:
            kind = class_of(kind) if isinstance(kind, str) else kind
            if not (isinstance(kind, type) and issubclass(kind, Intervention)):
                raise PlanError(
                    f"{getattr(kind, '__name__', kind)} is not an intervention's type: derive it from pyvene's Intervention, "
                    "or give a function as `intervention`")
            width = self.host.model._model.width(component)
            if width is not None:
                width *= int(one.max_number_of_units)
            return kind(**{**one._asdict(), "embed_dim": width, "use_fast": self.use_fast})
        if isinstance(given, Intervention):
            given.use_fast = self.use_fast
            return given
        if isinstance(given, _function.Intervention) or callable(given):
            return LambdaIntervention(given)
        raise PlanError(f"an intervention is an object of pyvene's classes, or a function; given {type(given).__name__}")

    def _key(self, one: RepresentationConfig) -> str:
        unit, units = one.unit.replace(".", "_"), one.max_number_of_units
        place = f"comp_{one.component.replace('.', '_')}" if "." in one.component else f"layer_{one.layer}_comp_{one.component}"
        name = f"{place}_unit_{unit}_nunit_{units}"
        same = sum(known.rpartition("#")[0] == name for known in self.representations)
        return f"{name}#{same}"

    def _groups(self) -> dict[Any, list[str]]:
        """The interventions of each source, in order."""
        keys = {key: one.group_key for key, one in self.representations.items()}
        if all(group is None for group in keys.values()):
            return {index: [key] for index, key in enumerate(keys)}
        if None in keys.values():
            raise PlanError("some representations have a group_key: give all of them one")
        order = list(keys.values())
        if sorted(order) != order:
            raise PlanError(f"group_key is {order}: interventions stand in the order of their groups")
        return {group: [key for key, own in keys.items() if own == group] for group in sorted(set(order))}

    def forward(
        self,
        base: Any,
        sources: Sequence[Any] | Any = None,
        unit_locations: dict[str, Any] | None = None,
        source_representations: Any = None,
        subspaces: Any = None,
        labels: Any = None,
        output_original_output: bool = False,
        return_dict: bool | None = None,
        use_cache: bool | None = None,
        intervention_additional_kwargs: dict[str, Any] | None = None,
    ) -> Any:
        """The base's run without interventions (where `output_original_output` asks for it), and with them.

        `base` and each of `sources` are what the tokenizer gives. `unit_locations` says where, as pyvene does:
        `{"sources->base": 4}`, a pair of source's and base's positions, or lists `[interventions][examples][units]`.
        `source_representations` are values in place of sources: a tensor for all, a list, or a dict by key. Where an intervention
        collects, the first of the pair is `(original, collected)`.

        Under PyTorch, what is returned has a graph that leads to the interventions' parameters, unless gradients are off.
        """
        call = Call(
            self, base, sources, unit_locations, source_representations, subspaces, intervention_additional_kwargs)
        edited, original, collected = call.run(labels=labels, with_original=output_original_output)
        self.full_intervention_outputs = call.outputs
        if return_dict:
            return IntervenableModelOutput(original, edited, collected)
        return ((original, collected) if self.return_collect_activations else original), edited

    def generate(
        self,
        base: Any,
        sources: Sequence[Any] | Any = None,
        unit_locations: dict[str, Any] | None = None,
        source_representations: Any = None,
        intervene_on_prompt: bool = False,
        subspaces: Any = None,
        output_original_output: bool = False,
        intervention_additional_kwargs: dict[str, Any] | None = None,
        **options: Any,
    ) -> Any:
        """The base continued without interventions (where `output_original_output` asks for it), and with them: token ids
        `[examples, tokens]`, each prompt's own first.

        Interventions are made on each new token, or with `intervene_on_prompt=True` on the prompt alone. `options` are those of
        transformers' `generate` that are known here: `max_new_tokens`, `max_length`, `do_sample`, `temperature`, `top_k`,
        `top_p`, `num_return_sequences`, `eos_token_id`, `pad_token_id`.
        """
        call = Call(
            self, base, sources, unit_locations, source_representations, subspaces, intervention_additional_kwargs,
            when="prompt" if intervene_on_prompt else "generated")
        original, edited = generation.generated(call, options, output_original_output)
        self.full_intervention_outputs = call.outputs
        return ((original, []) if self.return_collect_activations else original), edited

    def save(
        self, save_directory: str | Path, save_to_hf_hub: bool = False, hf_repo_name: str = "my-awesome-model",
        include_model: bool = False,
    ) -> None:
        """Writes a folder that pyvene loads too: `config.json`, and the parameters of each intervention that has some."""
        saving.save(self, save_directory, save_to_hf_hub, include_model)

    @staticmethod
    def load(
        load_directory: str | Path, model: Any, local_directory: Any = None, from_huggingface_hub: bool = False,
        include_model: bool = False,
    ) -> IntervenableModel:
        """What `save` wrote, of vene or of pyvene. Nothing of the folder is run, and no class imported by its name."""
        return saving.load(load_directory, model, from_huggingface_hub, include_model)

    def save_intervention(self, save_directory: str | Path, include_model: bool = False) -> None:
        """Writes the parameters of what is trained, without a configuration."""
        saving.save_parameters(self, save_directory, include_model)

    def load_intervention(self, load_directory: str | Path, include_model: bool = False) -> None:
        """Reads what `save_intervention` wrote."""
        saving.load_parameters(self, load_directory, include_model)

    @property
    def activations(self) -> dict[str, Any]:
        """Empty, as after each of pyvene's calls: what is collected is returned."""
        return {}

    def get_cached_activations(self) -> dict[str, Any]:
        return self.activations

    @property
    def hot_activations(self) -> dict[str, Any]:
        """Empty, as after each of pyvene's calls."""
        return {}

    def get_cached_hot_activations(self) -> dict[str, Any]:
        return self.hot_activations

    def trained(self) -> Iterator[tuple[str, Any]]:
        """The interventions that are trained, by key; linked ones once."""
        seen: list[Any] = []
        for key, intervention in self.interventions.items():
            if isinstance(intervention, TrainableIntervention) and not any(one is intervention for one in seen):
                seen.append(intervention)
                yield key, intervention

    def get_trainable_parameters(self) -> list[Any]:
        """The parameters of the interventions that are trained."""
        return [one for _, intervention in self.trained() for one in intervention.parameters()]

    def named_parameters(self, *_arguments: Any, **_options: Any) -> Any:
        """The same with their names."""
        return [
            (f"{key}.{name}", one) for key, intervention in self.trained() for name, one in intervention.named_parameters()]

    def parameters(self, recurse: bool = True) -> Any:
        return iter(self.get_trainable_parameters())

    def count_parameters(self, include_model: bool = False) -> int:
        """How many numbers are trained; the model itself has none that are."""
        return sum(int(one.numel()) for one in self.get_trainable_parameters() if one.requires_grad)

    def set_temperature(self, temp: Any) -> None:
        """How soft the masks of the interventions are."""
        for intervention in self.interventions.values():
            if hasattr(intervention, "set_temperature"):
                intervention.set_temperature(temp)

    def set_zero_grad(self) -> None:
        """Forgets the gradients."""
        for _, intervention in self.trained():
            intervention.zero_grad()

    def zero_grad(self, set_to_none: bool = True) -> None:
        self.set_zero_grad()

    def enable_model_gradients(self) -> None:
        raise PlanError("a model's own weights get no gradients here: interventions are trained")

    def disable_model_gradients(self) -> None:
        """A model's own weights get no gradients; one of PyTorch's is told so, as pyvene does."""
        if hasattr(self.model, "eval"):
            self.model.eval()
            for weight in self.model.parameters():
                weight.requires_grad = False

    def disable_intervention_gradients(self) -> None:
        """Nothing, as in pyvene: parameters have `requires_grad`."""

    def set_device(self, device: Any, set_model: bool = True) -> None:
        """The processor computes everything; another device is refused."""
        if str(getattr(device, "type", device)).partition(":")[0] != "cpu":
            raise PlanError(f"the device is {device}; everything is computed by the processor (cpu) here")

    def get_device(self) -> Any:
        return getattr(self.model, "device", "cpu")

    def train(self, mode: bool = True) -> IntervenableModel:
        """A model of PyTorch's is put into training mode, as pyvene does; its dropout is never run here."""
        if hasattr(self.model, "train"):
            dropouts = [one for one in self.model.modules() if type(one).__name__ == "Dropout"]
            if mode and any(one.p > 0 for one in dropouts):
                warnings.warn("the model's own dropout is not run: interventions alone are trained", stacklevel=2)
            self.model.train(mode)
        return self

    def eval(self) -> IntervenableModel:
        return self.train(False)

    def fit(
        self, base: Any, sources: Any, unit_locations: Any, labels: Any, **options: Any,
    ) -> list[float]:
        """Trains the interventions by the engine's own trainer, which needs no PyTorch: the loss of each step.

        `base`, `sources`, `unit_locations` are those of a call over all examples; `labels` has for each the token that the
        edited run should say after the prompt. Options: `subspaces`, `epochs` (3), `batch` (32), `learning_rate` (0.001) and
        `weight_decay` (0) of AdamW, `seed` (0), `annealing`, the temperatures of masks at the first and the last step.
        """
        return training.fit(self, base, sources, unit_locations, labels, **options)

    def train_alignment(
        self, train_dataloader: Any, compute_loss: Any, compute_metrics: Any, inputs_collator: Any = None, **options: Any,
    ) -> None:
        """pyvene's loop over batches (PyTorch's optimisers): `docs/python.md`."""
        training.train_alignment(self, train_dataloader, compute_loss, compute_metrics, inputs_collator, **options)

    def eval_alignment(
        self, eval_dataloader: Any, compute_metrics: Any, inputs_collator: Any = None, **_options: Any,
    ) -> Any:
        """The metrics over batches, weighted by their sizes."""
        return training.eval_alignment(self, eval_dataloader, compute_metrics, inputs_collator)

    def __str__(self) -> str:
        kinds = [str(one) for one in self.interventions.values()]
        return f"IntervenableModel({self.mode}, {', '.join(map(' at '.join, zip(kinds, self.sorted_keys, strict=True)))})"

    __repr__ = __str__


def build_intervenable_model(config: Any, model: Any, **options: Any) -> IntervenableModel:
    """An `IntervenableModel`."""
    return IntervenableModel(config, model, **options)


