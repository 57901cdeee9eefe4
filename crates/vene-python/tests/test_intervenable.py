"""pyvene's interface, held to what pyvene computed (`fixtures/pyvene`)."""

import json
import os
from pathlib import Path

import numpy as np
import pytest
from conftest import ITALY, ROOT, SPAIN, numbered

import vene
from vene import (
    IntervenableConfig,
    IntervenableModel,
    RepresentationConfig,
    VanillaIntervention,
    ZeroIntervention,
    embed_to_distrib,
)

TINY = ("gpt2-plain", "llama-gqa", "gemma3-plain")


def tutorial(model, fixture, every=1):
    """Compares the tutorial's sweep with pyvene's numbers."""
    def inputs(ids):
        return {"input_ids": np.array([ids])}

    base, sources = inputs(fixture["base"]), [inputs(fixture["source"])]
    found, expected = [], []
    for row in fixture["rows"][::every]:
        config = IntervenableConfig(
            [RepresentationConfig(row["layer"], row["component"], "pos", 1)], intervention_types=VanillaIntervention)
        _, output = IntervenableModel(config, model)(base, sources, {"sources->base": row["position"]})
        distribution = embed_to_distrib(model, output.last_hidden_state)
        found.append(float(distribution[0][-1][row["token_id"]]))
        expected.append(row["probability"])
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-5)
    assert len(found) >= 20


@pytest.mark.filterwarnings("ignore:beginning of sequence")
@pytest.mark.parametrize("name", TINY)
def test_the_tutorial_on_random_models(name, tmp_path):
    fixture = json.loads((ROOT / f"fixtures/pyvene/{name}_tutorial.json").read_text())
    tutorial(vene.load(str(numbered(name, tmp_path))), fixture)


def test_the_tutorial_on_a_real_model():
    folder = Path(os.environ.get("VENE_MODELS", ROOT / ".cache/models"))
    path = folder / "smollm2-135m-instruct-q4_1.gguf"
    if not path.exists() and os.environ.get("VENE_REQUIRE_MODELS") != "1":
        pytest.skip(f"{path.name} is not there: scripts/fetch-models")
    fixture = json.loads((ROOT / "fixtures/pyvene/smollm2_tutorial.json").read_text())
    tutorial(vene.load(str(path)), fixture, every=3)


def encoded(model, *texts):
    return [model.tokenizer(text, return_tensors="pt") for text in texts]


def test_several_at_once_and_originals(model):
    base, source = encoded(model, SPAIN, ITALY)
    config = [
        {"layer": 2, "component": "block_output", "intervention_type": VanillaIntervention},
        {"layer": 5, "component": "mlp_output", "intervention_type": ZeroIntervention},
    ]
    original, output = IntervenableModel(config, model)(
        base, [source, source], {"sources->base": ([[[3]], [[4]]], [[[3]], [[4]]])}, output_original_output=True)
    assert np.array_equal(original.last_hidden_state, model(**base).last_hidden_state)
    by_plan = model.run(
        {"edit": [
            {"intervention": "interchange", "component": "block_output", "layer": 2, "positions": 3},
            {"intervention": "zero", "component": "mlp_output", "layer": 5, "positions": 4},
        ]}, SPAIN, [ITALY])
    np.testing.assert_allclose(np.asarray(output.logits[0][-1]), by_plan.logits(), rtol=1e-6, atol=1e-5)


def test_a_source_that_is_none_switches_its_group_off(model):
    base, source = encoded(model, SPAIN, ITALY)
    config = [{"layer": 2, "component": "block_output"}, {"layer": 6, "component": "block_output"}]
    both = IntervenableModel(config, model)
    _, off = both(base, [source, None], {"sources->base": ([[[3]], [[4]]], [[[3]], [[4]]])})
    _, one = IntervenableModel(config[:1], model)(base, [source], {"sources->base": 3})
    assert np.array_equal(off.last_hidden_state, one.last_hidden_state)


def test_examples_of_a_batch_are_those_alone(model):
    texts = (SPAIN, "The capital of Japan is"), (ITALY, SPAIN)
    base, source = (model.tokenizer(list(two), return_tensors="pt") for two in texts)
    intervenable = IntervenableModel([{"layer": 1, "component": "mlp_output"}], model)
    _, together = intervenable(base, [source], {"sources->base": ([[[3], [4]]], [[[3], [4]]])})
    for index, position in enumerate((3, 4)):
        alone = encoded(model, texts[0][index], texts[1][index])
        _, single = intervenable(alone[0], alone[1:], {"sources->base": position})
        assert np.array_equal(together.last_hidden_state[index], single.last_hidden_state[0])


@pytest.mark.parametrize(("config", "locations", "said"), [
    ([{"layer": 99, "component": "mlp_output"}], 3, "99"),
    ([{"layer": 1, "component": "mlp_outptu"}], 3, "mlp_outptu"),
    ([{"layer": 1, "component": "mlp_output"}], 30, "30"),
    ([{"layer": 1, "component": "mlp_output", "intervention_type": "CollectIntervention"}], 3, "VanillaIntervention"),
    ([{"layer": 1, "component": "mlp_output", "intervention": lambda base, source: base}], 3, "type"),
])
def test_what_is_wrong_is_told(model, config, locations, said):
    base, source = encoded(model, SPAIN, ITALY)
    with pytest.raises(vene.PlanError) as raised:
        IntervenableModel(config, model)(base, [source], {"sources->base": locations})
    assert said in str(raised.value)
