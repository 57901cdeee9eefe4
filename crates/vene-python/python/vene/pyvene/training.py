"""Training interventions: by PyTorch's optimisers, whose gradients the engine gives, and by the engine's own trainer."""

from __future__ import annotations

import json
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from vene import _vene
from vene._arrays import array
from vene._errors import PlanError
from vene.pyvene._backend import HAS_TORCH, as_array, parameter

if TYPE_CHECKING:
    from vene.pyvene.calls import Call
    from vene.pyvene.intervenable import IntervenableModel

KEPT_BYTES = 1 << 30
"""About so much of unedited runs is kept for batches that come again."""


class KeptRuns:
    """Runs of the batches of a training, for the epochs that follow: each keeps what is never edited."""

    def __init__(self) -> None:
        self._runs: OrderedDict[Any, tuple[int, _vene.DifferentiableRun]] = OrderedDict()

    def get(self, key: Any) -> _vene.DifferentiableRun | None:
        """The run of a batch, unless somebody still wants the gradients of what it gave."""
        found = self._runs.get(key)
        if found is None or found[1].is_held:
            return None
        self._runs.move_to_end(key)
        return found[1]

    def keep(self, key: Any, run: _vene.DifferentiableRun, size: int) -> None:
        self._runs[key] = (size, run)
        while len(self._runs) > 1 and sum(size for size, _ in self._runs.values()) > KEPT_BYTES:
            self._runs.popitem(last=False)


def differentiated(call: Call) -> Any:
    """The hidden states of a call's edited runs, `[examples, positions, d_model]`, with a graph that leads to parameters."""
    from vene.pyvene.autograd import DifferentiableCall

    of = call._of
    trained: list[Sequence[Any]] = []
    plan = call.plan(trained)
    key = None
    if not call.bridges and all(given is None for given in call._given):
        key = (id(call.model), json.dumps([call.configuration(), call.examples, call._locations, call._subspaces, call._reads]))
    run = None if key is None else of._runs.get(key)
    if run is None:
        run = _vene.DifferentiableRun(call.model._model, plan, call.examples)
        if key is not None:
            of._runs.keep(key, run, _bytes(call))
    interventions = [of.interventions[one] for one in of.sorted_keys]
    hidden = DifferentiableCall(run, interventions, call.bridges, trained).hidden()
    if call.bases.is_padded:
        import torch

        whole = hidden.new_zeros(len(call.examples) * call.bases.width, hidden.shape[-1])
        hidden = whole.index_copy(0, torch.from_numpy(np.flatnonzero(call.bases.shown)), hidden)
    return hidden.reshape(len(call.examples), call.bases.width, hidden.shape[-1])


def _bytes(call: Call) -> int:
    """About how much a run keeps: keys, values and the residual stream of every row and layer."""
    config = call.model.config
    rows = sum(len(base) + sum(map(len, sources)) for base, sources in call.examples)
    return rows * config.layers * 4 * (config.d_model + 2 * config.key_value_heads * config.head_dim)


def train_alignment(
    intervenable: IntervenableModel,
    batches: Any,
    compute_loss: Any,
    compute_metrics: Any,
    inputs_collator: Any,
    *,
    lr: float = 1e-3,
    epochs: int = 10,
    gradient_accumulation_steps: int = 1,
    optimizer: Any = None,
    scheduler: Any = None,
    temperatures: tuple[float, float] = (50.0, 0.1),
    **unknown: Any,
) -> None:
    """A loop over batches with Adam and a rate that rises for a tenth of the steps and then falls to 0; temperatures of masks
    go from the first to the second number."""
    if unknown:
        raise PlanError(f"train_alignment does not know {', '.join(sorted(unknown))}")
    if not HAS_TORCH:
        raise PlanError("train_alignment needs PyTorch; IntervenableModel.fit trains without it")
    import torch

    steps = len(batches) * int(epochs)
    warm = max(steps // 10, 1)
    optimizer = optimizer or torch.optim.Adam(intervenable.get_trainable_parameters(), lr=lr)

    def rate(step: int) -> float:
        return step / warm if step < warm else max(steps - step, 0) / max(steps - warm, 1)

    scheduler = scheduler or torch.optim.lr_scheduler.LambdaLR(optimizer, rate)
    schedule = np.linspace(*temperatures, max(steps, 1))
    step = 0
    for _epoch in range(int(epochs)):
        for batch in batches:
            outputs, labels = _aligned(intervenable, batch, inputs_collator)
            compute_metrics([outputs.logits], [labels])
            loss = compute_loss(outputs.logits, labels)
            (loss / gradient_accumulation_steps).backward()
            step += 1
            if step % gradient_accumulation_steps == 0:
                optimizer.step()
                scheduler.step()
                intervenable.set_zero_grad()
                intervenable.set_temperature(float(schedule[step - 1]))


def eval_alignment(intervenable: IntervenableModel, batches: Any, compute_metrics: Any, inputs_collator: Any) -> dict[str, float]:
    """The metrics over all batches, each batch counted by its examples."""
    found: list[tuple[int, dict[str, float]]] = []
    for batch in batches:
        if HAS_TORCH:
            import torch

            with torch.no_grad():
                outputs, labels = _aligned(intervenable, batch, inputs_collator)
        else:
            outputs, labels = _aligned(intervenable, batch, inputs_collator)
        found.append((len(labels), compute_metrics([outputs.logits], [labels])))
    all_examples = sum(count for count, _ in found)
    return {name: sum(count * metrics[name] for count, metrics in found) / all_examples for name in found[0][1]}


def _aligned(intervenable: IntervenableModel, batch: Any, inputs_collator: Any) -> tuple[Any, Any]:
    """The edited run of a batch of a data loader, and its labels."""
    batch = batch if inputs_collator is None else inputs_collator(batch)
    _, outputs = intervenable(
        {"input_ids": batch["input_ids"]}, [{"input_ids": batch["source_input_ids"]}],
        batch_locations(intervenable, batch), subspaces=batch.get("subspaces"))
    return outputs, batch["labels"]


def batch_locations(intervenable: IntervenableModel, batch: Any) -> dict[str, Any]:
    """The unit locations of a batch, which has them under `source_0->base.0.pos` (the source's) and `source_0->base.1.pos`."""
    names = list(intervenable.representations.values())
    sides: dict[str, tuple[list[Any], list[Any]]] = {}
    for index, one in enumerate(names):
        is_last = index == len(names) - 1
        pair = f"source_{index}->base" if intervenable.mode == "parallel" or is_last else f"source_{index}->source_{index + 1}"
        found = []
        for side in (0, 1):
            parts = [as_array(batch[f"{pair}.{side}.{unit}"]).tolist() for unit in one.unit.split(".")]
            found.append(parts[0] if len(parts) == 1 else parts)
        into = sides.setdefault("sources->base" if intervenable.mode == "parallel" else pair, ([], []))
        into[0].append(found[0])
        into[1].append(found[1])
    return dict(sides)


def fit(
    intervenable: IntervenableModel,
    base: Any,
    sources: Any,
    unit_locations: Any,
    labels: Iterable[int],
    *,
    subspaces: Any = None,
    epochs: int = 3,
    batch: int = 32,
    learning_rate: float = 1e-3,
    weight_decay: float = 0.0,
    seed: int = 0,
    annealing: tuple[float, float] | None = None,
) -> list[float]:
    """Trains the interventions by the engine's own trainer: `docs/python.md`."""
    from vene.pyvene.calls import Call

    call = Call(intervenable, base, sources, unit_locations, None, subspaces, None)
    plan = call.plan()
    if call.bridges:
        raise PlanError("the engine's trainer knows pyvene's own interventions: train functions by PyTorch")
    wanted = [int(label) for label in as_array(labels if hasattr(labels, "shape") else list(labels)).reshape(-1)]
    losses, learned = _vene.fit(
        call.model._model, plan, call.examples, wanted, epochs, batch, learning_rate, weight_decay, seed, annealing)
    for place, name, values in learned:
        _set(intervenable.interventions[intervenable.sorted_keys[place]], name, array(values))
    return list(losses)


def _set(intervention: Any, name: str, values: Any) -> None:
    """Writes a parameter's values."""
    *path, last = name.split(".")
    for part in path:
        intervention = getattr(intervention, part)
    old = getattr(intervention, last)
    if HAS_TORCH:
        import torch

        with torch.no_grad():
            if isinstance(old, torch.nn.Parameter):
                old.copy_(torch.as_tensor(values).reshape(old.shape))
            else:
                # A rotation, which PyTorch makes of free numbers.
                setattr(intervention, last, torch.as_tensor(values, dtype=old.dtype))
    else:
        setattr(intervention, last, parameter(values.reshape(np.shape(old)), trained=old.requires_grad))


__all__ = ["KeptRuns", "batch_locations", "differentiated", "eval_alignment", "fit", "train_alignment"]
