"""pyvene's `CausalModel`: variables with functions of their parents, interchange interventions on them, and data sets of these.

vene's own, in Rust, is `vene::causal`; its agreement with pyvene's is tested there.
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable
from typing import Any

import numpy as np

from vene._errors import PlanError
from vene.pyvene._backend import HAS_TORCH

Setting = dict[str, Any]

MOST_DRAWS = 10_000
"""So often an input is drawn that a filter refuses, before that is an error."""


class CausalModel:
    """A causal model.

    `variables`: names. `values`: for each the values that it may have. `parents`: for each the variables that its function in
    `functions` takes, in this order; a variable without parents is an input, whose function gives its default.
    """

    def __init__(
        self,
        variables: list[str],
        values: dict[str, list[Any]],
        parents: dict[str, list[str]],
        functions: dict[str, Callable[..., Any]],
        timesteps: dict[str, int] | None = None,
        equiv_classes: dict[str, Any] | None = None,
        pos: dict[str, Any] | None = None,
    ) -> None:
        for name, table in (("values", values), ("parents", parents), ("functions", functions)):
            missing = [variable for variable in variables if variable not in table]
            if missing:
                raise PlanError(f"{name} has no {', '.join(missing)}")
        self.values, self.parents, self.functions = values, parents, functions
        self.children: dict[str, list[str]] = {variable: [] for variable in variables}
        for variable in sorted(variables):
            for parent in parents[variable]:
                if parent not in self.children:
                    raise PlanError(f"{variable} has a parent {parent}, which is no variable")
                self.children[parent].append(variable)
        self.inputs = [variable for variable in sorted(variables) if not parents[variable]]
        self.outputs = [variable for variable in sorted(variables) if not self.children[variable]]
        self.timesteps = self._timesteps(variables) if timesteps is None else timesteps
        self.end_time = max(self.timesteps.values())
        for variable in variables:
            late = [parent for parent in parents[variable] if self.timesteps[parent] >= self.timesteps[variable]]
            if late:
                raise PlanError(f"{late[0]} is a parent of {variable} and not before it")
        self.variables = sorted(variables, key=lambda variable: (self.timesteps[variable], variable))
        self.equiv_classes: dict[str, Any] = {} if equiv_classes is None else equiv_classes
        self.pos = self._positions({} if pos is None else dict(pos))
        self.run_forward()

    def _timesteps(self, variables: list[str]) -> dict[str, int]:
        """Each variable's longest way from an input; outputs come at the end."""
        steps: dict[str, int] = {}

        def step(variable: str, way: tuple[str, ...]) -> int:
            if variable in way:
                raise PlanError(f"{variable} is its own ancestor: {' -> '.join((*way, variable))}")
            if variable not in steps:
                own = (step(parent, (*way, variable)) for parent in self.parents[variable])
                steps[variable] = 1 + max(own, default=-1)
            return steps[variable]

        end = max(step(variable, ()) for variable in variables)
        return {**steps, **dict.fromkeys(self.outputs, end)}

    def _positions(self, pos: dict[str, Any]) -> dict[str, Any]:
        counts: dict[int, int] = {}
        for variable in self.variables:
            step = self.timesteps[variable]
            if variable not in pos:
                pos[variable] = (counts.get(step, 0), step)
                counts[step] = counts.get(step, 0) + 1
        return pos

    def generate_timesteps(self) -> tuple[dict[str, int], int]:
        """Each variable's step, and the last."""
        steps = self._timesteps(self.variables)
        return steps, max(steps.values())

    def generate_equiv_classes(self) -> None:
        """For each variable that is no input and each of its values the parents' values that give it."""
        for variable in self.variables:
            if variable in self.inputs or variable in self.equiv_classes:
                continue
            parents = self.parents[variable]
            classes: dict[Any, list[Setting]] = {value: [] for value in self.values[variable]}
            for given in itertools.product(*(self.values[parent] for parent in parents)):
                value = self.functions[variable](*given)
                if value not in classes:
                    raise PlanError(f"{variable} becomes {value!r}, which is none of its values {self.values[variable]}")
                classes[value].append(dict(zip(parents, given, strict=True)))
            self.equiv_classes[variable] = classes

    def run_forward(self, intervention: Setting | None = None) -> Setting:
        """The values of all variables, those of `intervention` being given."""
        given = intervention or {}
        self._refuse_unknown(given)
        setting: Setting = {}
        for variable in self.variables:
            setting[variable] = given[variable] if variable in given else self.functions[variable](
                *(setting[parent] for parent in self.parents[variable]))
        return setting

    def run_interchange(self, input: Setting, source_interventions: dict[str, Setting]) -> Setting:
        """The values that follow from `input` where each variable named has the value of a run of its own source."""
        given = dict(input)
        for variable, source in source_interventions.items():
            self._refuse_unknown({variable: None})
            given[variable] = self.run_forward(source)[variable]
        return self.run_forward(given)

    def _refuse_unknown(self, setting: Setting) -> None:
        unknown = [variable for variable in setting if variable not in self.timesteps]
        if unknown:
            raise PlanError(f"there is no variable {', '.join(unknown)}; there are {', '.join(self.variables)}")

    def add_variable(
        self, variable: str, values: list[Any], parents: list[str], children: list[str], function: Callable[..., Any],
        timestep: int | None = None,
    ) -> None:
        """Adds a variable; functions of its children must take it as their last parent."""
        self._refuse_unknown(dict.fromkeys([*parents, *children]))
        tables = (
            {**self.values, variable: values},
            {**self.parents, variable: list(parents), **{child: [*self.parents[child], variable] for child in children}},
            {**self.functions, variable: function},
        )
        steps = None if timestep is None else {**self.timesteps, variable: timestep}
        self.__init__([*self.variables, variable], *tables, timesteps=steps)  # type: ignore[misc]

    def find_live_paths(self, intervention: Setting) -> dict[int, list[list[str]]]:
        """By length the paths along which a variable's value changes that of the next, under an intervention."""
        actual = self.run_forward(intervention)

        def acts(parent: str, child: str) -> bool:
            others = (self.run_forward({**intervention, parent: value}) for value in self.values[parent])
            return any(other[child] != actual[child] for other in others)

        live = {parent: [child for child in children if acts(parent, child)] for parent, children in self.children.items()}
        paths = {1: [[variable] for variable in self.variables]}
        while paths[len(paths)]:
            last = paths[len(paths)]
            paths[len(paths) + 1] = [[*path, child] for path in last for child in live[path[-1]]]
        del paths[1]
        return paths

    def sample_intervention(self, mandatory: Any = None) -> Setting:
        """Values for some of the variables between inputs and outputs, at least one."""
        inner = [one for one in self.variables if one not in self.inputs and one not in self.outputs]
        if not inner:
            raise PlanError("there is no variable between inputs and outputs to intervene on")
        drawn: Setting = {}
        while not drawn:
            drawn = {one: random.choice(self.values[one]) for one in inner if random.choice((True, False))}
        return drawn

    def sample_input(
        self, mandatory: Callable[[Setting], bool] | None = None, output_var: str | None = None, output_var_value: Any = None,
    ) -> Setting:
        """Values of the inputs; those that `mandatory`, told all that follows from them, allows, and that give `output_var`
        the value that is asked for."""
        for _ in range(MOST_DRAWS):
            drawn = {one: random.choice(self.values[one]) for one in self.inputs}
            setting = self.run_forward(drawn)
            if output_var is not None and setting[output_var] != output_var_value:
                continue
            if mandatory is None or mandatory(setting):
                return drawn
        raise PlanError(f"of {MOST_DRAWS} inputs that were drawn none is allowed")

    def sample_input_tree_balanced(self, output_var: str | None = None, output_var_value: Any = None) -> Setting:
        """Values of the inputs that give `output_var` (default: the only output) the value asked for, or one of its values,
        each as likely."""
        if output_var is None:
            if len(self.outputs) != 1:
                raise PlanError(f"there are {len(self.outputs)} outputs: name the output_var")
            output_var = self.outputs[0]
        self.generate_equiv_classes()
        if output_var_value is None:
            output_var_value = random.choice(self.values[output_var])
        for _ in range(MOST_DRAWS):
            drawn: Setting = {}
            wanted = [(output_var, output_var_value)]
            while wanted:
                variable, value = wanted.pop()
                if variable in self.inputs:
                    drawn[variable] = value
                    continue
                if not self.equiv_classes[variable][value]:
                    break
                wanted.extend(random.choice(self.equiv_classes[variable][value]).items())
            full = {one: drawn.get(one, random.choice(self.values[one])) for one in self.inputs}
            # Where children share a parent, what was asked of it for one may not be what was asked for the other.
            if self.run_forward(full)[output_var] == output_var_value:
                return full
        raise PlanError(f"of {MOST_DRAWS} inputs that were drawn none gives {output_var} the value {output_var_value!r}")

    def get_path_maxlen_filter(self, lengths: Any) -> Callable[[Setting], bool]:
        """Whether the longest live path has one of these lengths."""
        def check(setting: Setting) -> bool:
            paths = self.find_live_paths({one: setting[one] for one in self.inputs})
            return max((length for length, found in paths.items() if found), default=0) in lengths

        return check

    def get_partial_filter(self, partial_setting: Setting) -> Callable[[Setting], bool]:
        """Whether some variables have these values."""
        return lambda setting: all(setting[one] == value for one, value in partial_setting.items())

    def get_specific_path_filter(self, start: str, end: str) -> Callable[[Setting], bool]:
        """Whether a live path leads from one variable to another."""
        def check(setting: Setting) -> bool:
            paths = self.find_live_paths({one: setting[one] for one in self.inputs})
            return any(path[0] == start and path[-1] == end for found in paths.values() for path in found)

        return check

    def input_to_tensor(self, setting: Setting) -> Any:
        """The inputs' values, one after the other."""
        return _tensor([setting[one] for one in self.inputs])

    def output_to_tensor(self, setting: Setting) -> Any:
        """The outputs' values."""
        return _tensor([float(setting[one]) for one in self.outputs])

    def generate_factual_dataset(
        self,
        size: int,
        sampler: Callable[..., Setting] | None = None,
        filter: Callable[[Setting], bool] | None = None,
        device: str = "cpu",
        input_function: Callable[[Setting], Any] | None = None,
        output_function: Callable[[Setting], Any] | None = None,
        return_tensors: bool = True,
    ) -> list[dict[str, Any]]:
        """Examples: inputs as `input_ids`, and what follows as `labels`; as tensors, or as settings."""
        _refuse_device(device)
        given, followed = self._functions(input_function, output_function, return_tensors)
        examples = []
        for drawn in self._drawn(sampler or self.sample_input, filter, size):
            examples.append({"input_ids": given(drawn), "labels": followed(self.run_forward(drawn))})
        return examples

    def generate_counterfactual_dataset(
        self,
        size: int,
        intervention_id: Callable[[Setting], int],
        batch_size: int,
        sampler: Callable[..., Setting] | None = None,
        intervention_sampler: Callable[[], Setting] | None = None,
        filter: Callable[[Setting], bool] | None = None,
        device: str = "cpu",
        input_function: Callable[[Setting], Any] | None = None,
        output_function: Callable[[Setting], Any] | None = None,
        return_tensors: bool = True,
    ) -> list[dict[str, Any]]:
        """Examples of interchanges, `batch_size` of each intervention that is drawn: the base as `input_ids`, sources as
        `source_input_ids` (filled up to as many as there are inner variables), `labels` with the interchange and
        `base_labels` without."""
        _refuse_device(device)
        given, followed = self._functions(input_function, output_function, return_tensors)
        sample = sampler or self.sample_input
        places = len([one for one in self.variables if one not in self.inputs and one not in self.outputs])
        examples: list[dict[str, Any]] = []
        while len(examples) < size:
            (intervention,) = self._drawn(intervention_sampler or self.sample_intervention, filter, 1)
            for _ in range(batch_size):
                base = sample()
                sources = {
                    one: sample(output_var=one, output_var_value=intervention[one])
                    for one in self.variables if one in intervention
                }
                shown = [given(source) for source in sources.values()]
                empty = given(base) * 0 if return_tensors else {}
                shown += [empty] * (places - len(shown))
                number = [intervention_id(intervention)]
                examples.append({
                    "labels": followed(self.run_interchange(base, sources)),
                    "base_labels": followed(self.run_forward(base)),
                    "input_ids": given(base),
                    "source_input_ids": _stacked(shown) if return_tensors else shown,
                    "intervention_id": _whole(number) if return_tensors else number,
                })
        return examples

    def _functions(self, given: Any, followed: Any, return_tensors: bool) -> tuple[Any, Any]:
        if not return_tensors:
            return (lambda setting: setting), (lambda setting: setting)
        return given or self.input_to_tensor, followed or self.output_to_tensor

    def _drawn(self, sample: Callable[[], Setting], allowed: Callable[[Setting], bool] | None, size: int) -> list[Setting]:
        drawn: list[Setting] = []
        refused = 0
        while len(drawn) < size:
            one = sample()
            if allowed is None or allowed(one):
                drawn.append(one)
                continue
            refused += 1
            if refused > MOST_DRAWS:
                raise PlanError(f"the filter refused {refused} of {refused + len(drawn)} that were drawn")
        return drawn


def _refuse_device(device: Any) -> None:
    if str(device) != "cpu":
        raise PlanError(f"the device is {device}; tensors are made for the processor (cpu): move them afterwards")


def _tensor(values: list[Any]) -> Any:
    numbers = np.concatenate([np.ravel(np.asarray(value, dtype=np.float32)) for value in values])
    if HAS_TORCH:
        import torch

        return torch.from_numpy(numbers)
    return numbers


def _stacked(values: list[Any]) -> Any:
    if HAS_TORCH:
        import torch

        return torch.stack(values)
    return np.stack(values)


def _whole(values: list[int]) -> Any:
    if HAS_TORCH:
        import torch

        return torch.tensor(values)
    return np.asarray(values)
