"""`CausalModel`: runs, interchanges, paths and samples."""

import random

import pytest

import vene
from vene.pyvene import CausalModel


def diamond():
    """`y = a and x`, `x = a and b`: two children share a parent."""
    return CausalModel(
        ["a", "b", "x", "y"],
        {name: [False, True] for name in "abxy"},
        {"a": [], "b": [], "x": ["a", "b"], "y": ["a", "x"]},
        {"a": lambda: True, "b": lambda: True, "x": lambda a, b: a and b, "y": lambda a, x: a and x},
    )


def test_runs_and_interchanges():
    model = diamond()
    assert model.inputs == ["a", "b"] and model.outputs == ["y"]
    assert model.timesteps == {"a": 0, "b": 0, "x": 1, "y": 2}
    assert model.run_forward() == {"a": True, "b": True, "x": True, "y": True}
    assert model.run_forward({"x": False})["y"] is False
    assert model.run_interchange({"a": True, "b": False}, {"x": {"a": True, "b": True}})["y"] is True
    # From all true every parent changes each of its children by itself.
    paths = model.find_live_paths({"a": True, "b": True})
    assert paths[2] == [["a", "x"], ["a", "y"], ["b", "x"], ["x", "y"]]
    assert paths[3] == [["a", "x", "y"], ["b", "x", "y"]]


def test_samples_give_what_is_asked_for():
    random.seed(0)
    model = diamond()
    for value in (False, True):
        for _ in range(50):
            drawn = model.sample_input_tree_balanced("y", value)
            assert model.run_forward(drawn)["y"] is value
    assert all(model.run_forward(model.sample_input(output_var="x", output_var_value=True))["x"] for _ in range(20))
    drawn = model.generate_counterfactual_dataset(6, lambda intervention: 7, 2, return_tensors=False)
    assert len(drawn) == 6
    for example in drawn:
        (source,) = example["source_input_ids"]
        assert example["labels"] == model.run_interchange(example["input_ids"], {"x": source})
        assert example["intervention_id"] == [7]
    tensors = model.generate_factual_dataset(3)
    assert tuple(tensors[0]["input_ids"].shape) == (2,) and tuple(tensors[0]["labels"].shape) == (1,)


@pytest.mark.parametrize(("wrong", "said"), [
    (lambda: CausalModel(["a"], {"a": [1]}, {}, {"a": lambda: 1}), "parents has no a"),
    (lambda: CausalModel(["a", "b"], {"a": [1], "b": [1]}, {"a": ["b"], "b": ["a"]},
                         {"a": lambda b: 1, "b": lambda a: 1}), "ancestor"),
    (lambda: diamond().run_forward({"z": True}), "no variable z"),
    (lambda: diamond().sample_input(lambda setting: False), "none is allowed"),
])
def test_what_is_wrong_is_told(wrong, said):
    with pytest.raises(vene.PlanError) as raised:
        wrong()
    assert said in str(raised.value)
