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
    ([{"layer": 1, "component": "mlp_output", "intervention_type": "ColectIntervention"}], 3, "ColectIntervention"),
    ([{"layer": 1, "component": "mlp_output", "intervention_type": dict}], 3, "dict"),
    ([{"layer": 1, "component": "mlp_output", "intervention": 7}], 3, "int"),
    ([{"layer": 1, "component": "h[1].mlp.gate.output"}], 3, "h[1].mlp.gate.output"),
    ([{"layer": 1, "component": "mlp_output"}], [[[3]], [[4]], [[5]]], "3 entries"),
    ([{"layer": 1, "component": "mlp_output", "unitt": "pos"}], 3, "unitt"),
    ([{"layer": 1, "component": "mlp_output", "moe_key": 1}], 3, "moe_key"),
])
def test_what_is_wrong_is_told(model, config, locations, said):
    base, source = encoded(model, SPAIN, ITALY)
    with pytest.raises(vene.PlanError) as raised:
        IntervenableModel(config, model)(base, [source], {"sources->base": locations})
    assert said in str(raised.value)


def test_short_forms_of_locations_are_those_written_out(model):
    base, source = encoded(model, SPAIN, ITALY)
    config = [{"layer": 2, "component": "block_output"}, {"layer": 4, "component": "mlp_output"}]
    intervenable = IntervenableModel(config, model)
    written = {"sources->base": ([[[3]], [[3]]], [[[4]], [[4]]])}
    _, expected = intervenable(base, [source, source], written)
    for locations in ({"sources->base": (3, 4)}, {"sources->base": [3, 4]}, {"sources->base": ([3], [4])}):
        # One source is read by all.
        _, output = intervenable(base, source, locations)
        assert np.array_equal(output.last_hidden_state, expected.last_hidden_state)


def test_heads_and_subspaces(model):
    base, source = encoded(model, SPAIN, ITALY)
    config = [{"layer": 2, "component": "head_attention_value_output", "unit": "h.pos"}]
    _, output = IntervenableModel(config, model)(
        base, source, {"sources->base": ([[[[1, 3]], [[3]]]], [[[[1, 3]], [[4]]]])})
    edit = {"intervention": "interchange", "component": "attention_value_output", "layer": 2, "heads": [1, 3],
            "positions": 4, "from": {"positions": 3}}
    edit = {**edit, "from": 3}
    by_plan = model.run({"edit": [edit]}, SPAIN, [ITALY])
    np.testing.assert_allclose(np.asarray(output.logits[0][-1]), by_plan.logits(), rtol=1e-6, atol=1e-5)
    config = [{"layer": 2, "component": "block_output", "subspace_partition": [[0, 8], [8, 32]]}]
    _, part = IntervenableModel(config, model)(base, source, {"sources->base": 3}, subspaces=1)
    edit = {"intervention": {"name": "in_subspace", "of": "interchange", "subspace": "8..32"}, "component": "block_output",
            "layer": 2, "positions": 3, "from": 3}
    by_plan = model.run({"edit": [edit]}, SPAIN, [ITALY])
    np.testing.assert_allclose(np.asarray(part.logits[0][-1]), by_plan.logits(), rtol=1e-6, atol=1e-5)


def test_what_is_collected(model):
    base, source = encoded(model, SPAIN, ITALY)
    config = [
        {"layer": 2, "component": "block_output", "intervention_type": VanillaIntervention},
        {"layer": 4, "component": "mlp_output", "intervention_type": vene.CollectIntervention},
        {"layer": 4, "component": "head_query_output", "unit": "h.pos", "intervention_type": vene.CollectIntervention},
        {"layer": 5, "component": "attention_weight", "intervention_type": vene.CollectIntervention},
    ]
    width, heads = model.config.d_model, model.config.heads
    (original, collected), _ = IntervenableModel(config, model)(
        base, [source, None, None, None],
        {"sources->base": ([[[3]], None, None, None], [[[3]], [[3, 4]], [[[1, 2]], [[4]]], [[0]]])})
    assert original is None
    assert [tuple(one.shape) for one in collected] == [(1, 2, width), (1, 2, 1, width // heads), (1, 1, 5, 5)]
    outcome = model.run({
        "edit": [{"intervention": "interchange", "component": "block_output", "layer": 2, "positions": 3, "from": 3}],
        "collect": [{"component": "mlp_output", "layer": 4, "positions": [3, 4]}, {"component": "query_output", "layer": 4}],
    }, SPAIN, [ITALY])
    np.testing.assert_allclose(collected[0][0], outcome.activation("mlp_output", 4), rtol=0, atol=1e-5)
    queries = outcome.activation("query_output", 4).reshape(heads, -1)
    np.testing.assert_allclose(collected[1][0][:, 0], queries[1:3], rtol=0, atol=1e-5)


def test_given_values_in_a_sources_place(model):
    (base,) = encoded(model, SPAIN)
    width = model.config.d_model
    given = np.linspace(-1, 1, width, dtype=np.float32)
    of_call = IntervenableModel([{"layer": 2, "component": "mlp_output"}], model)
    _, one = of_call(base, unit_locations={"base": 3}, source_representations=given)
    own = IntervenableModel([{"layer": 2, "component": "mlp_output", "source_representation": given}], model)
    _, other = own(base, unit_locations={"base": 3})
    by_plan = model.run({"edit": [{"intervention": "constant", "component": "mlp_output", "layer": 2, "positions": 3,
                                   "source": {"values": given.tolist()}}]}, SPAIN)
    for output in (one, other):
        np.testing.assert_allclose(np.asarray(output.logits[0][-1]), by_plan.logits(), rtol=1e-6, atol=1e-5)
    key = of_call.sorted_keys[0]
    _, by_key = of_call(base, unit_locations={"base": 3}, source_representations={key: given})
    assert np.array_equal(by_key.last_hidden_state, one.last_hidden_state)
    with pytest.raises(vene.PlanError, match="layer_2_comp_mlp_output"):
        of_call(base, unit_locations={"base": 3}, source_representations={"other": given})


def test_a_module_is_skipped_where_its_source_is_the_base(model):
    base, source = encoded(model, SPAIN, ITALY)
    intervenable = IntervenableModel([{"layer": 2, "component": "mlp_output", "intervention_type": vene.SkipIntervention}], model)
    _, output = intervenable(base, base, {"sources->base": 4})
    by_plan = model.run({"edit": [{"intervention": "skip", "component": "mlp_output", "layer": 2, "positions": 4}]}, SPAIN)
    np.testing.assert_allclose(np.asarray(output.logits[0][-1]), by_plan.logits(), rtol=1e-6, atol=1e-5)
    with pytest.raises(vene.PlanError, match="skip"):
        intervenable(base, source, {"sources->base": 4})
