"""pyvene's interventions: the engine's against what their own `forward` gives, functions and classes of users, and errors."""

import traceback

import numpy as np
import pytest
from conftest import ITALY, SPAIN

import vene
from vene import IntervenableModel
from vene import pyvene as pv
from vene.pyvene._backend import HAS_TORCH

WIDTH = 128


class Components:
    """What scikit-learn's PCA has."""

    components_ = np.linalg.qr(np.random.default_rng(3).standard_normal((WIDTH, WIDTH)))[0][:20]


OBJECTS = {
    "vanilla": lambda: pv.VanillaIntervention(embed_dim=WIDTH),
    "first dimensions": lambda: dimensions(pv.VanillaIntervention(embed_dim=WIDTH), 30),
    "addition": lambda: pv.AdditionIntervention(embed_dim=WIDTH),
    "subtraction": lambda: pv.SubtractionIntervention(embed_dim=WIDTH),
    "zero": lambda: pv.ZeroIntervention(embed_dim=WIDTH),
    "rotated": lambda: pv.RotatedSpaceIntervention(embed_dim=WIDTH),
    "rotated, some directions": lambda: dimensions(pv.RotatedSpaceIntervention(embed_dim=WIDTH), 50),
    "low rank": lambda: pv.LowRankRotatedSpaceIntervention(embed_dim=WIDTH, low_rank_dimension=5),
    "boundless": lambda: boundless(),
    "masked directions": lambda: with_values(pv.SigmoidMaskRotatedSpaceIntervention(embed_dim=WIDTH), "masks"),
    "mask": lambda: with_values(pv.SigmoidMaskIntervention(embed_dim=WIDTH), "mask"),
    "principal components": lambda: pv.PCARotatedSpaceIntervention(
        embed_dim=WIDTH, pca=Components, pca_mean=np.full(WIDTH, 0.1), pca_std=np.full(WIDTH, 0.7)),
    "autoencoder": lambda: pv.AutoencoderIntervention(embed_dim=WIDTH, latent_dim=40),
    "jump relu": lambda: jump_relu(),
}


def dimensions(intervention, count):
    intervention.set_interchange_dim(count)
    return intervention


def boundless():
    made = pv.BoundlessRotatedSpaceIntervention(embed_dim=WIDTH)
    made.set_intervention_boundaries(0.3)
    made.set_temperature(np.float32(5.0))
    return made


def with_values(intervention, name):
    own = getattr(intervention, name)
    drawn = np.random.default_rng(1).standard_normal(len(own)).astype(np.float32)
    set_values(intervention, {name: drawn})
    intervention.set_temperature(np.float32(0.8))
    return intervention


def jump_relu():
    made = pv.JumpReLUAutoencoderIntervention(embed_dim=WIDTH, low_rank_dimension=60)
    draws = np.random.default_rng(2)
    shapes = {"W_enc": (WIDTH, 60), "W_dec": (60, WIDTH), "threshold": 60, "b_enc": 60, "b_dec": WIDTH}
    set_values(made, {name: draws.standard_normal(shape).astype(np.float32) * 0.1 for name, shape in shapes.items()})
    return made


def set_values(intervention, values):
    state = intervention.state_dict()
    if HAS_TORCH:
        import torch

        values = {name: torch.from_numpy(value) for name, value in values.items()}
    intervention.load_state_dict({**state, **values})


def encoded(model, *texts):
    return [model.tokenizer(text, return_tensors="pt") for text in texts]


def edited(model, intervention, **options):
    base, source = encoded(model, SPAIN, ITALY)
    config = {"layer": 2, "component": "block_output", "intervention": intervention}
    needs_source = not intervention.is_source_constant
    _, output = IntervenableModel(config, model)(
        base, source if needs_source else None, {"sources->base": 3} if needs_source else {"base": 3}, **options)
    return np.asarray(detached(output.last_hidden_state))


def detached(values):
    return values.detach() if hasattr(values, "detach") else values


@pytest.mark.parametrize("name", OBJECTS)
def test_the_engine_computes_what_forward_says(model, name):
    native = OBJECTS[name]()
    # The same object as one of a class that the engine does not know.
    kind = type(native)
    by_hand = OBJECTS[name]()
    by_hand.load_state_dict(native.state_dict())
    by_hand.__class__ = type("Own", (kind,), {})
    found, expected = edited(model, native), edited(model, by_hand)
    unedited = np.asarray(model(**model.tokenizer(SPAIN, return_tensors="np")).last_hidden_state)
    assert np.abs(expected - unedited).max() > 1e-3
    np.testing.assert_allclose(found, expected, rtol=0, atol=2e-4)


@pytest.mark.parametrize("name", ["vanilla", "rotated", "low rank"])
def test_subspaces_by_both_ways(model, name):
    native, by_hand = OBJECTS[name](), OBJECTS[name]()
    by_hand.load_state_dict(native.state_dict())
    by_hand.__class__ = type("Own", (type(native),), {})
    found = edited(model, native, subspaces=[0, 2, 3])
    np.testing.assert_allclose(found, edited(model, by_hand, subspaces=[0, 2, 3]), rtol=0, atol=2e-4)
    assert np.abs(found - edited(model, native)).max() > 1e-3


def test_noise_is_pyvenes(model):
    noise = pv.NoiseIntervention(embed_dim=WIDTH)
    base = encoded(model, SPAIN)[0]
    intervenable = IntervenableModel({"layer": 0, "component": "block_input", "intervention": noise}, model)
    _, output = intervenable(base, unit_locations={"base": [[[0, 1, 2, 3]]]})
    drawn = np.random.RandomState(1).randn(4, WIDTH) * 0.13462981581687927
    by_plan = model.run({"edit": [{
        "intervention": "steering", "component": "block_input", "layer": 0, "positions": [0, 1, 2, 3],
        "source": {"values": drawn.reshape(-1).tolist()}}]}, SPAIN)
    np.testing.assert_allclose(np.asarray(output.logits[0][-1]), by_plan.logits(), rtol=1e-5, atol=1e-4)


def test_functions_of_base_and_source(model):
    base, source = encoded(model, SPAIN, ITALY)
    shapes = []

    def halfway(base, source):
        shapes.append(tuple(base.shape))
        return (base + source) / 2

    config = [{"layer": 2, "component": "block_output", "intervention": halfway}]
    _, output = IntervenableModel(config, model)(base, source, {"sources->base": ([[[3, 4]]], [[[3, 4]]])})
    assert shapes == [(1, 2, WIDTH)]

    @vene.intervention(rowwise=True)
    def by_row(base, source):
        return (base + source) / 2

    assert by_row(1.0, 2.0) == 1.5
    config = [{"layer": 2, "component": "block_output", "intervention": by_row}]
    _, other = IntervenableModel(config, model)(base, source, {"sources->base": ([[[3, 4]]], [[[3, 4]]])})
    np.testing.assert_allclose(
        detached(output.last_hidden_state), detached(other.last_hidden_state), rtol=0, atol=1e-6)


def test_a_function_by_row_is_called_once_for_a_batch(model):
    calls = []

    @vene.intervention(rowwise=True)
    def twice(base):
        calls.append(base.shape)
        return base * 2

    texts = [SPAIN, ITALY, "The capital of Japan is"]
    base = model.tokenizer(texts, return_tensors="pt")
    config = [{"layer": 3, "component": "mlp_output", "intervention": twice}]
    _, together = IntervenableModel(config, model)(base, unit_locations={"base": 4})
    assert calls == [(3, WIDTH)]
    scaled = {"edit": [{"intervention": {"name": "scaling", "factor": 2}, "component": "mlp_output", "layer": 3, "positions": 4}]}
    for index, text in enumerate(texts):
        np.testing.assert_allclose(
            np.asarray(together.logits[index][-1]), model.run(scaled, text).logits(), rtol=1e-5, atol=1e-4)


def test_a_function_is_told_where_it_is(model):
    told = []

    @vene.intervention
    def look(base, context):
        told.append(context)

    base = model.tokenizer([SPAIN, ITALY], return_tensors="pt")
    config = [{"layer": 3, "component": "mlp_output", "intervention": look}]
    _, output = IntervenableModel(config, model)(base, unit_locations={"base": [[[2], [4]]]})
    assert [(context.example, context.positions) for context in told] == [(0, [2]), (1, [4])]
    # It returned nothing, and nothing is changed.
    assert np.array_equal(detached(output.last_hidden_state), model(**base).last_hidden_state)


def test_attention_patterns_and_module_paths(model):
    base = encoded(model, SPAIN)[0]
    seen = {}

    def keep(base, source):
        seen["pattern"] = np.asarray(base)

    IntervenableModel({"component": "h[3].attn.attn_dropout.input", "intervention": keep}, model)(base)
    shown = model.trace(SPAIN, "attention_weight", layers=[3])["attention_weight/3"]
    np.testing.assert_allclose(seen["pattern"][0], shown, rtol=0, atol=1e-6)
    mask = np.ones((1, 5, WIDTH), dtype=np.float32)
    mask[:, 3] = 0
    _, by_function = IntervenableModel({"component": "h[0].mlp.output", "intervention": lambda b, s: b * mask}, model)(base)
    zero = {"layer": 0, "component": "mlp_output", "intervention_type": pv.ZeroIntervention}
    _, by_type = IntervenableModel(zero, model)(base, unit_locations={"base": 3})
    np.testing.assert_allclose(
        detached(by_function.last_hidden_state), detached(by_type.last_hidden_state), rtol=0, atol=1e-5)


class Multiplied(pv.ConstantSourceIntervention):
    """A user's own."""

    def __init__(self, embed_dim, factor=3.0, **options):
        super().__init__()
        self.factor = factor

    def forward(self, base, source=None, subspaces=None, **options):
        assert source is None and base.shape == (1, 2 * WIDTH)
        return pv.InterventionOutput(output=base * options.get("times", self.factor), latent="what else is of interest")


def test_a_class_of_ones_own(model):
    base = encoded(model, SPAIN)[0]
    intervenable = IntervenableModel({"intervention_type": Multiplied, "layer": 1, "max_number_of_units": 2}, model)
    _, output = intervenable(base, unit_locations={"base": [[[3, 4]]]}, intervention_additional_kwargs={"times": 2.0})
    assert [one.latent for one in intervenable.full_intervention_outputs] == ["what else is of interest"]
    scaled = {"edit": [
        {"intervention": {"name": "scaling", "factor": 2}, "component": "block_output", "layer": 1, "positions": [3, 4]}]}
    np.testing.assert_allclose(
        np.asarray(output.logits[0][-1]), model.run(scaled, SPAIN).logits(), rtol=1e-5, atol=1e-4)


def raising(base):
    raise ValueError("these are not the values I want")


@pytest.mark.parametrize(("function", "said"), [
    (raising, "ValueError: these are not the values I want"),
    (lambda base: base[:0], "shape [0, 128]"),
    (lambda base: base * np.nan, "nan"),
])
def test_what_a_function_does_wrong_is_told_with_its_site(model, function, said):
    base = encoded(model, SPAIN)[0]
    config = [{"layer": 3, "component": "mlp_output", "intervention": vene.intervention(function, name="mine")}]
    with pytest.raises(vene.RunError) as raised:
        IntervenableModel(config, model)(base, unit_locations={"base": 4})
    assert said.lower() in str(raised.value).lower()
    assert "mine" in str(raised.value) and "mlp_output" in str(raised.value)


def test_an_exception_keeps_its_traceback(model):
    base = encoded(model, SPAIN)[0]
    config = [{"layer": 3, "component": "mlp_output", "intervention": vene.intervention(raising)}]
    with pytest.raises(vene.RunError) as raised:
        IntervenableModel(config, model)(base, unit_locations={"base": 4})
    cause = raised.value.__cause__
    assert type(cause) is ValueError
    assert "raising" in [frame.name for frame in traceback.extract_tb(cause.__traceback__)]


@pytest.mark.parametrize(("function", "options", "said"), [
    (lambda base, source, more: base, {}, "one or two parameters"),
    (lambda base, context: base, {"rowwise": True}, "context"),
    (7, {}, "int"),
])
def test_what_is_no_intervention_is_refused(function, options, said):
    with pytest.raises(vene.PlanError) as raised:
        vene.intervention(function, **options)
    assert said in str(raised.value)


class Adding(pv.ConstantSourceIntervention):
    """Adds what its module read."""

    def forward(self, base, source=None, subspaces=None, args=None):
        assert args.shape == (1, 1, WIDTH)
        return base + args.reshape(base.shape)


@pytest.mark.parametrize("places", [[(2, "mlp_output")], [(2, "mlp_output"), (4, "block_output")]])
def test_an_adaptor_is_given_what_its_module_read(model, places):
    base = model.tokenizer(SPAIN, return_tensors="pt")
    inputs = {"mlp_output": "mlp_input", "block_output": "block_input"}
    config = [{"layer": layer, "component": component, "intervention_type": Adding} for layer, component in places]
    _, output = pv.IntervenableModel(config, model, as_adaptor=True)(base, unit_locations={"base": 3})
    # One edit after the other, each adding what is collected beside those before it.
    edits = []
    for layer, component in places:
        collected = model.run({"edit": edits, "collect": [
            {"component": inputs[component], "layer": layer, "positions": 3}]}, SPAIN)
        read = np.asarray(collected.activation(inputs[component], layer)).reshape(-1)
        edits.append({"intervention": "addition", "component": component, "layer": layer, "positions": 3,
                      "source": {"values": read.tolist()}})
    expected = model.run({"edit": edits}, SPAIN).logits()
    np.testing.assert_allclose(np.asarray(output.logits[0][-1]), expected, rtol=0, atol=1e-5)


def test_what_modules_read_is_not_known_everywhere(model):
    config = [{"layer": 2, "component": "head_attention_value_output", "unit": "h.pos", "intervention_type": Adding}]
    with pytest.raises(vene.PlanError, match="as_adaptor gives .* not known here"):
        pv.IntervenableModel(config, model, as_adaptor=True)(
            model.tokenizer(SPAIN, return_tensors="pt"), unit_locations={"base": ([[[[1]], [[3]]]])})
