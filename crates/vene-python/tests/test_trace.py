"""Activations by name, computed when they are asked for."""

import numpy as np
import pytest
from conftest import SPAIN

import vene
from vene import _vene


def test_nothing_is_computed_before_it_is_asked_for(model, monkeypatch):
    passes = []

    class Session:
        def __init__(self, _model, prompts):
            self.inner = _vene.Session(_model, prompts)
            passes.append("session")

        def run(self, *arguments):
            passes.append("pass")
            return self.inner.run(*arguments)

    monkeypatch.setattr(model._sessions, "of", lambda prompts: Session(model._model, [list(prompt) for prompt in prompts]))
    trace = model.trace(SPAIN)
    assert "mlp_output/3" in trace and "mlp_output/99" not in trace and "mlp_outptu/3" not in trace and 3 not in trace
    assert len(list(trace)) == len(trace) > 100
    assert trace.tokens == ["The", " capital", " of", " Spain", " is"] or len(trace.tokens) == 5
    assert passes == [] and trace.computed == []
    trace["mlp_output/3"]
    trace["mlp_output/3"]
    assert passes == ["session", "pass"] and trace.computed == ["mlp_output/3"]
    several = trace.take("mlp_output", "final_norm", "attention_weight/2")
    assert passes.count("pass") == 2
    assert [array.shape for array in several] == [
        (model.config.layers, 5, model.config.d_model), (5, model.config.d_model), (model.config.heads, 5, 5)]
    assert np.array_equal(trace["mlp_output/3"], several[0][3])
    assert passes.count("pass") == 2


def test_what_is_named_is_computed_together(model):
    trace = model.trace(SPAIN, ["block_output", "final_norm"], layers=[0, 7])
    assert list(trace) == ["block_output/0", "block_output/7", "final_norm"] and trace.computed == []
    trace["final_norm"]
    assert len(trace.computed) == 3
    assert {name: array.shape for name, array in trace.items()} == dict.fromkeys(trace, (5, model.config.d_model))


def test_they_are_what_a_plan_collects(model):
    trace = model.trace(SPAIN)
    sites = [(name.partition("/")[0], int(name.partition("/")[2])) if "/" in name else (name, None) for name in trace]
    plan = {"collect": [
        {"component": component, "positions": "all", **({} if layer is None else {"layer": layer})} for component, layer in sites]}
    outcome = model.run(plan, SPAIN)
    for name, array in zip(trace, trace.take(*trace), strict=True):
        component, _, layer = name.partition("/")
        expected = outcome.activation(component, int(layer) if layer else None)
        np.testing.assert_allclose(array, expected, rtol=0, atol=1e-6, err_msg=name)


@pytest.mark.parametrize(("name", "said"), [
    ("mlp_outptu", "mlp_outptu"),
    ("mlp_output/99", "the trace has no mlp_output/99; it has mlp_output/0"),
    ("mlp_output/x", "expected a layer's number"),
    (("mlp_output", 3), "a text such as"),
])
def test_what_is_not_there_is_told(model, name, said):
    with pytest.raises(vene.VeneError, match=said):
        model.trace(SPAIN)[name]
