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
