"""Functions of Python's in plans, as interventions."""

import numpy as np
import pytest
from conftest import ITALY, ROWS, SPAIN

import vene


@vene.intervention(rowwise=True)
def halfway(base, source):
    return (base + source) / 2


def plan_of(intervention, **more):
    edit = {"intervention": intervention, "component": "block_output", "layer": 2, "positions": {"role": "subject_last"}}
    return {"edit": [{**edit, **more}]}


def at_phrases(plan):
    edit = plan["edit"][0]
    return {"edit": [{**edit, "positions": {"phrase": "Spain"}, "from": {"phrase": "Italy"}}]}


def test_a_function_in_a_plan_does_what_it_computes(model):
    outcome = model.run(at_phrases(plan_of(halfway)), SPAIN, [ITALY])
    shown = [model.trace(text)["block_output/2"][3] for text in (SPAIN, ITALY)]
    values = [float(value) for value in np.mean(shown, axis=0)]
    given = {**plan_of("constant")["edit"][0], "positions": {"phrase": "Spain"}, "source": {"values": values}}
    expected = model.run({"edit": [given]}, SPAIN)
    np.testing.assert_allclose(outcome.probabilities(), expected.probabilities(), rtol=0, atol=1e-6)
    assert abs(outcome.probabilities() - model.run({}, SPAIN).probabilities()).max() > 1e-3
    assert outcome.receipts[0]["intervention"] == "halfway"


def test_one_without_a_source_reads_none(model):
    doubled = model.run({"edit": [{**plan_of(lambda base: 2 * base)["edit"][0], "positions": [3]}]}, SPAIN)
    scaled = {"name": "scaling", "factor": 2.0}
    expected = model.run({"edit": [{**plan_of(scaled)["edit"][0], "positions": [3]}]}, SPAIN)
    np.testing.assert_allclose(doubled.probabilities(), expected.probabilities(), rtol=0, atol=1e-6)


def test_it_is_run_over_rows(model):
    over = model.run(plan_of(halfway), data=ROWS, metric="logit_difference").examples.to_pandas()
    assert len(over) == len(ROWS)
    alone = model.run(at_phrases(plan_of(halfway)), SPAIN, [ITALY]).logits()
    token = {word: model.tokenizer.encode(word)[-1] for word in (" Madrid", " Rome")}
    first = over[over["example"] == over["example"].min()]
    np.testing.assert_allclose(first["value"], alone[token[" Madrid"]] - alone[token[" Rome"]], rtol=0, atol=1e-4)


def test_what_it_raises_names_the_site(model):
    def broken(base):
        raise ZeroDivisionError("of the test")

    with pytest.raises(vene.RunError, match="broken at block_output of layer 2") as raised:
        model.run({"edit": [{**plan_of(broken)["edit"][0], "positions": [3]}]}, SPAIN)
    assert isinstance(raised.value.__cause__, ZeroDivisionError)


SWEEP = {"components": "block_output", "layers": "1..4", "positions": ["subject_last", "last"], "metric": "logit_difference"}


def swap(base, source):
    return source


@pytest.mark.parametrize("rowwise", [False, True])
def test_a_sweep_makes_it_at_every_place(model, rowwise):
    function = vene.intervention(swap, rowwise=rowwise)
    ours = model.sweep(data=ROWS, intervention=function, control="self", **SWEEP).examples.to_dict()
    named = model.sweep(data=ROWS, intervention="interchange", control="self", **SWEEP).examples.to_dict()
    assert set(ours.pop("intervention")) == {"swap"} and set(named.pop("intervention")) == {"interchange"}
    np.testing.assert_allclose(ours["value"], named["value"], rtol=0, atol=1e-4)
    assert ours["layer"] == named["layer"] and ours["control"] == named["control"]
    assert min(ours["effect"]) < -10


def test_a_sweep_over_a_pair_takes_one(model):
    places = {"components": "mlp_output", "layers": [0, 5], "positions": "3..5", "tokens": [" Madrid", " Rome"]}
    def doubled(base):
        return 2 * base

    found = model.sweep(SPAIN, intervention=doubled, **places).tokens.to_dict()
    expected = model.sweep(SPAIN, intervention="scaling", factor=2.0, **places).tokens.to_dict()
    np.testing.assert_allclose(found["probability"], expected["probability"], rtol=0, atol=1e-6)
    assert len(set(found["probability"])) > 4
    with pytest.raises(vene.VeneError, match="factor.*doubled|doubled.*factor"):
        model.sweep(SPAIN, intervention=doubled, factor=2.0, **places)


def test_a_rowwise_function_is_called_once_for_many_rows(model):
    shapes = {True: [], False: []}

    def counting(rowwise):
        def swapped(base, source):
            shapes[rowwise].append(base.shape)
            return source

        return vene.intervention(swapped, rowwise=rowwise)

    for rowwise in shapes:
        model.sweep(data=ROWS, intervention=counting(rowwise), **SWEEP)
    # Both positions of both rows of each of three layers; what follows are whole runs, which measure the noise floor.
    width = model.config.d_model
    assert shapes[True][:3] == [(4, width)] * 3 and shapes[False][:12] == [(1, width)] * 12
    assert sum(shape[0] for shape in shapes[True]) == len(shapes[False])


def test_what_one_raises_in_a_sweep_names_the_site(model):
    def broken(base, source):
        raise ZeroDivisionError("of the test")

    with pytest.raises(vene.RunError, match="broken at block_output of layer 1") as raised:
        model.sweep(data=ROWS, intervention=broken, **SWEEP)
    assert isinstance(raised.value.__cause__, ZeroDivisionError)
    with pytest.raises(vene.PlanError, match="one or two parameters"):
        model.sweep(data=ROWS, intervention=lambda one, two, three: one, **SWEEP)


def test_a_grid_of_plans_with_functions(model):
    plan = {"edit": plan_of(halfway, layer="$l")["edit"], "grid": {"l": [1, 2]}}
    ran = model.run(plan, data=ROWS, metric="logit_difference").examples.to_pandas()
    assert sorted(set(ran["l"])) == [1, 2] and len(ran) == 2 * len(ROWS)
    alone = model.run(plan_of(halfway), data=ROWS, metric="logit_difference").examples.to_pandas()
    np.testing.assert_array_equal(ran[ran["l"] == 2]["value"], alone["value"])
