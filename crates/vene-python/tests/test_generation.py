"""Texts under edits."""

import pytest
from conftest import ITALY, SPAIN

import vene


def test_the_likeliest_text(model):
    (text,) = model.generate(SPAIN, 4)
    assert str(text).startswith(" Madrid") and text.text == str(text)
    assert len(text.tokens) == len(text.log_probabilities)
    best, probability = model.top(SPAIN, 1)[0]
    assert best == " Madrid"
    assert abs(text.log_probabilities[0] - __import__("math").log(probability)) < 1e-6


def test_draws_depend_on_the_seed_alone(model):
    first = model.generate(SPAIN, 8, temperature=1.5, seed=3, samples=3)
    again = model.generate(SPAIN, 8, temperature=1.5, seed=3, samples=3)
    assert [text.tokens for text in first] == [text.tokens for text in again]
    assert len({tuple(text.tokens) for text in first}) > 1
    assert first != model.generate(SPAIN, 8, temperature=1.5, seed=4, samples=3)


def test_a_plan_and_a_stream(model):
    patch = {"edit": [{
        "intervention": "interchange", "component": "block_output", "layer": 2, "positions": {"phrase": "Spain"},
        "from": {"phrase": "Italy"}}]}
    told = []
    (text,) = model.generate(SPAIN, 3, plan=patch, sources=[ITALY], stream=told.append)
    assert text.text.startswith(" Rome") and told[0] == " Rome"


def test_a_stream_that_fails_is_told(model):
    def fails(_):
        raise ZeroDivisionError("here")

    with pytest.raises(ZeroDivisionError, match="here"):
        model.generate(SPAIN, 3, stream=fails)


@pytest.mark.parametrize("wrong", [{"temperature": -1.0}, {"top_p": 2.0}, {"stop": [""]}])
def test_what_is_wrong_is_told(model, wrong):
    with pytest.raises(vene.VeneError):
        model.generate(SPAIN, 3, **wrong)
