"""Loops over positions, whose next positions are computed ahead: what each call gives is what it gives alone."""

import numpy as np
import pytest
from conftest import ITALY, SPAIN

import vene
from vene import IntervenableModel, VanillaIntervention, ZeroIntervention
from vene.pyvene import ahead


@pytest.fixture
def passes(monkeypatch):
    """How many positions each pass computed."""
    made = []
    answer = ahead.Ahead.answer

    def counting(self, question, position, run):
        return answer(self, question, position, lambda positions: made.append(len(positions)) or run(positions))

    monkeypatch.setattr(ahead.Ahead, "answer", counting)
    return made


def intervenable(model, layer, kind=VanillaIntervention, component="block_output"):
    return IntervenableModel([{"layer": layer, "component": component, "intervention_type": kind}], model)


def hidden(model, layer, position, kind=VanillaIntervention, **more):
    base, source = (model.tokenizer(text, return_tensors="np") for text in (SPAIN, ITALY))
    _, output = intervenable(model, layer, kind, **more)(base, [source], {"sources->base": position})
    return np.asarray(output.last_hidden_state)


@pytest.mark.parametrize("kind", [VanillaIntervention, ZeroIntervention, vene.AdditionIntervention])
def test_a_loop_gives_what_each_call_gives_alone(kind, passes):
    places = [(layer, position) for layer in (0, 3, 7) for position in range(5)]
    looped = vene.load("embedded")
    ahead.of(looped).forget()
    found = {place: hidden(looped, *place, kind) for place in places}
    # The second call shows that it is a loop; loops after it are one pass each.
    assert passes == [1, 4, 5, 5]
    passes.clear()
    for place in reversed(places):
        alone = vene.load("embedded")
        ahead.of(alone).forget()
        assert np.array_equal(found[place], hidden(alone, *place, kind)), place
    assert passes == [1] * len(places)


def test_results_are_the_callers_own(model):
    for position in (0, 1, 2):
        hidden(model, 2, position)
    hidden(model, 2, 3)[:] = 7
    assert hidden(model, 2, 3).max() != 7


def test_what_is_no_loop_is_not_computed_ahead(model, passes):
    ahead.of(model).forget()
    for position in (4, 3, 2, 0, 2):
        hidden(model, 2, position)
    # One that was asked for is known.
    assert passes == [1, 1, 1, 1]
    hidden(model, 4, 4)
    assert passes[-1] == 1


def test_other_prompts_and_other_edits_are_other_questions(model, passes):
    for position in (2, 3):
        hidden(model, 2, position)
    first = hidden(model, 2, 4)
    base, source = (model.tokenizer(text, return_tensors="np") for text in ("The capital of Japan is", ITALY))
    _, other = intervenable(model, 2)(base, [source], {"sources->base": 4})
    assert not np.array_equal(np.asarray(other.last_hidden_state), first)
    assert not np.array_equal(hidden(model, 2, 4, component="mlp_output"), first)
    # A part of the dimensions, and what an object says of itself, are no such questions.
    count = len(passes)
    part = intervenable(model, 2)
    (own,) = part.interventions.values()
    own.set_interchange_dim(3)
    _, partial = part(*(model.tokenizer(text, return_tensors="np") for text in (SPAIN, ITALY)), {"sources->base": 4})
    assert len(passes) == count and not np.array_equal(np.asarray(partial.last_hidden_state), first)


def test_long_prompts_are_computed_ahead_in_parts(model, passes):
    ahead.of(model).forget()
    base, source = ({"input_ids": np.array([[first, *range(30, 59)]])} for first in (5, 6))
    for position in range(30):
        intervenable(model, 6)(base, [source], {"sources->base": position})
    # As many as may share a pass: 8 + 7 rows, 6 + 5 + 4, 3 + 2 + 1.
    assert passes == [1] * 22 + [2, 3, 3]
