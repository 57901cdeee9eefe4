"""`as_adaptor`: an intervention that is also given what its module read, as `args`.

The engine hands an intervention the values of one component. What the module read is kept by a second edit, which stands where the
module's input is and changes nothing: within a pass it is always reached first.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from vene import _vene
from vene._arrays import array
from vene._errors import PlanError
from vene._function import returned
from vene.pyvene._backend import HAS_TORCH
from vene.pyvene.configuration import MODULE

_INPUTS = {
    "block_output": "block_input",
    "attention_output": "attention_input",
    "query_output": "attention_input",
    "key_output": "attention_input",
    "value_output": "attention_input",
    "mlp_output": "mlp_input",
    # Here the module is hooked before it runs: it reads what is edited.
    "block_input": "block_input",
    "attention_input": "attention_input",
    "attention_value_output": "attention_value_output",
    "mlp_input": "mlp_input",
}
"""The component that a component's module reads."""


def read_by(component: str, unit: str, family: str) -> str:
    """The component that the module of a component reads, as pyvene has modules."""
    found = _INPUTS.get(component) if unit == "pos" else None
    if unit == "pos" and family == "gpt2":
        # Its attention ends in a dropout, which is the module; queries, keys and values are of one module.
        found = {"attention_output": component, "query_output": None, "key_output": None, "value_output": None}.get(
            component, found)
    if found is None:
        raise PlanError(
            f"as_adaptor gives interventions what their modules read; of {component} by {unit} in a model of family {family} that "
            f"is not known here. It is for {', '.join(_INPUTS)}, by pos")
    return found


ITSELF = "itself"
"""In place of a `ModuleInput`: the module reads what is edited."""


class ModuleInput:
    """What a module read in each example: `[1, positions, width]`. With `differentiated`, gradients with respect to it go back
    to where it was read."""

    def __init__(self, component: str, differentiated: bool) -> None:
        self.component = component
        self._seen: dict[int, Any] = {}
        self.native = _vene.Intervention(
            self._kept_with_gradient if differentiated else self._kept, "as_adaptor", "none",
            gradients="always" if differentiated else "never")

    def of(self, example: int) -> Any:
        return self._seen[example]

    def _kept(self, base: _vene.Values, _sources: list[_vene.Values], context: Any, _differentiated: bool) -> Any:
        values: Any = array(base).copy()
        if HAS_TORCH:
            import torch

            values = torch.from_numpy(values)
        self._seen[context[0]] = values[None]
        return None

    def _kept_with_gradient(
        self, base: _vene.Values, _sources: list[_vene.Values], context: Any, _is_wanted: bool,
    ) -> Any:
        import torch

        example = context[0]
        values = torch.from_numpy(array(base).copy())
        self._seen[example] = values[None].requires_grad_(True)

        def back(given: _vene.Values) -> Any:
            gradient = torch.from_numpy(array(given)).clone()
            own = self._seen[example].grad
            return returned(gradient if own is None else gradient + own[0].to(gradient.dtype), tuple(values.shape))

        return returned(values, tuple(values.shape)), back


def with_inputs(configuration: dict[str, Any], inputs: Sequence[tuple[int, ModuleInput]]) -> dict[str, Any]:
    """A configuration with an edit more for each module whose input is kept, by the place of its representation."""
    representations = configuration["representations"]
    more = [
        {**representations[index], "component": one.component, "subspace_partition": None, "intervention_link_key": None,
         "group_key": representations[-1]["group_key"]}
        for index, one in inputs
    ]
    kind = f"<class '{MODULE}.Intervention'>"
    return {
        **configuration,
        "representations": [*representations, *more],
        "intervention_types": [*configuration["intervention_types"], *[kind] * len(more)],
        "intervention_dimensions": [*configuration["intervention_dimensions"], *[None] * len(more)],
    }


def repeated(sides: Sequence[Any], places: Sequence[int]) -> list[Any]:
    """The unit locations of a pair of runs, with those of some representations once more: on the base's side alone."""
    source, base = sides
    return [
        None if source is None else [*source, *[None] * len(places)],
        None if base is None else [*base, *(base[place] for place in places)],
    ]
