"""Interventions are trained: by the engine's trainer, and by PyTorch's optimisers where PyTorch is."""

import numpy as np
import pytest
from conftest import ITALY, SPAIN

import vene
from vene import IntervenableModel
from vene import pyvene as pv
from vene.pyvene._backend import HAS_TORCH

needs_torch = pytest.mark.skipif(not HAS_TORCH, reason="needs PyTorch")

COUNTRIES = {"Spain": " Madrid", "Italy": " Rome", "Japan": " Tokyo", "France": " Paris"}


def examples(model):
    """Bases, sources, and what the source's answer is."""
    names = list(COUNTRIES)
    pairs = [(base, source) for base in names for source in names if base != source]
    texts = [[f"The capital of {name} is" for name in side] for side in zip(*pairs, strict=True)]
    tokens = [np.asarray([model.tokenizer.encode(text) for text in side]) for side in texts]
    labels = [model.tokenizer.encode(COUNTRIES[source])[-1] for _, source in pairs]
    return *({"input_ids": own} for own in tokens), labels


def low_rank(model, kind=None, **options):
    kind = kind or pv.LowRankRotatedSpaceIntervention
    config = {"layer": 2, "component": "block_output", "low_rank_dimension": 8, "intervention_type": kind, **options}
    return IntervenableModel(config, model)


def test_the_engines_trainer(model):
    bases, sources, labels = examples(model)
    intervenable = low_rank(model)
    rotation = intervenable.interventions[intervenable.sorted_keys[0]].rotate_layer
    before = np.array(rotation.weight.detach() if HAS_TORCH else rotation.weight)
    losses = intervenable.fit(bases, sources, {"sources->base": 3}, labels, epochs=12, batch=6, learning_rate=0.03)
    assert len(losses) == 24 and losses[-1] < 0.5 * losses[0]
    after = np.array(rotation.weight.detach() if HAS_TORCH else rotation.weight)
    assert np.abs(after - before).max() > 0.01
    np.testing.assert_allclose(after.T @ after, np.eye(8), atol=1e-5)
    # What was learned is what calls run with.
    _, output = intervenable(bases, sources, {"sources->base": 3})
    logits = output.logits.detach() if HAS_TORCH else output.logits
    assert np.mean(np.argmax(np.asarray(logits)[:, -1], axis=-1) == labels) > 0.8


def test_the_engines_trainer_refuses_what_it_cannot_train(model):
    bases, sources, labels = examples(model)
    intervenable = IntervenableModel({"layer": 2, "intervention": lambda base, source: base}, model)
    with pytest.raises(vene.PlanError, match="PyTorch"):
        intervenable.fit(bases, sources, {"sources->base": 3}, labels)
    with pytest.raises(vene.RunError):
        IntervenableModel({"layer": 2}, model).fit(bases, sources, {"sources->base": 3}, labels)


@needs_torch
@pytest.mark.parametrize("kind", [
    pv.RotatedSpaceIntervention, pv.LowRankRotatedSpaceIntervention, pv.BoundlessRotatedSpaceIntervention,
    pv.SigmoidMaskIntervention, pv.SigmoidMaskRotatedSpaceIntervention,
])
def test_the_engines_gradients_are_pytorchs(model, kind):
    """Those of its own interventions, against PyTorch's through `forward`."""
    import torch

    bases, sources, labels = examples(model)
    bases, sources = ({"input_ids": torch.from_numpy(one["input_ids"][:3])} for one in (bases, sources))
    torch.manual_seed(0)
    native = low_rank(model, kind)
    by_hand = low_rank(model, type("Own", (kind,), {}))
    (own,), (other,) = native.interventions.values(), by_hand.interventions.values()
    other.load_state_dict(own.state_dict())
    with torch.no_grad():
        if hasattr(own, "masks"):
            own.masks.copy_(torch.randn(len(own.masks)) * 3)
    for one in (own, other):
        # Of all directions an interchange does not depend on the basis.
        one.set_interchange_dim(40)
    other.load_state_dict(own.state_dict())
    if hasattr(own, "set_temperature"):
        for one in (native, by_hand):
            one.set_temperature(torch.tensor(3.0))
    gradients = []
    for one in (native, by_hand):
        _, output = one(bases, sources, {"sources->base": 3})
        loss = torch.nn.functional.cross_entropy(output.logits[:, -1], torch.tensor(labels[:3]))
        loss.backward()
        gradients.append({name: parameter.grad for name, parameter in one.named_parameters()})
    compared = 0
    for (name, found), expected in zip(gradients[0].items(), gradients[1].values(), strict=True):
        if name.endswith("temperature"):
            # The engine never trains it.
            continue
        assert expected.abs().max() > 0, name
        torch.testing.assert_close(found, expected, rtol=2e-3, atol=2e-4 * float(expected.abs().max()))
        compared += 1
    assert compared


@needs_torch
def test_a_loop_with_an_optimiser(model):
    import torch

    bases, sources, labels = examples(model)
    bases, sources = ({"input_ids": torch.from_numpy(one["input_ids"])} for one in (bases, sources))
    wanted = torch.tensor(labels)
    intervenable = low_rank(model)
    optimiser = torch.optim.Adam(intervenable.get_trainable_parameters(), lr=0.03)
    losses = []
    for _ in range(25):
        _, output = intervenable(bases, sources, {"sources->base": 3})
        loss = torch.nn.functional.cross_entropy(output.logits[:, -1], wanted)
        loss.backward()
        optimiser.step()
        intervenable.set_zero_grad()
        losses.append(loss.item())
    assert losses[-1] < 0.3 * losses[0]
    with torch.no_grad():
        _, output = intervenable(bases, sources, {"sources->base": 3})
    assert not output.logits.requires_grad
    assert (output.logits[:, -1].argmax(-1) == wanted).float().mean() > 0.8


@needs_torch
def test_gradients_reach_hidden_states_functions_and_given_values(model):
    import torch

    base = model.tokenizer(SPAIN, return_tensors="pt")
    given = torch.zeros(model.config.d_model, requires_grad=True)
    config = {"layer": 2, "component": "block_output", "intervention_type": pv.AdditionIntervention}
    _, output = IntervenableModel(config, model)(base, unit_locations={"base": 3}, source_representations=given)
    output.last_hidden_state[0, -1].pow(2).sum().backward()
    # Against a difference quotient.
    direction = torch.randn(model.config.d_model)
    values = []
    for step in (1e-2, -1e-2):
        with torch.no_grad():
            _, moved = IntervenableModel(config, model)(
                base, unit_locations={"base": 3}, source_representations=direction * step)
        values.append(float(moved.last_hidden_state[0, -1].double().pow(2).sum()))
    slope = (values[0] - values[1]) / 2e-2
    assert abs(float(given.grad @ direction) - slope) < 0.02 * abs(slope) + 0.05


@needs_torch
def test_two_results_of_one_batch_keep_their_own_gradients(model):
    import torch

    bases, sources, labels = examples(model)
    bases, sources = ({"input_ids": torch.from_numpy(one["input_ids"][:2])} for one in (bases, sources))
    intervenable = low_rank(model)
    first, second = (intervenable(bases, sources, {"sources->base": 3})[1].logits[:, -1] for _ in range(2))
    (first[0, labels[0]] + second[1, labels[1]]).backward()
    both = [one.grad.clone() for one in intervenable.get_trainable_parameters()]
    intervenable.set_zero_grad()
    for index in range(2):
        intervenable(bases, sources, {"sources->base": 3})[1].logits[index, -1, labels[index]].backward()
    for one, other in zip(both, intervenable.get_trainable_parameters(), strict=True):
        torch.testing.assert_close(one, other.grad, rtol=1e-4, atol=1e-5)


def test_counting_and_temperatures(model):
    intervenable = low_rank(model, pv.BoundlessRotatedSpaceIntervention)
    width = model.config.d_model
    assert intervenable.count_parameters() == width * width + 1 + 1
    intervenable.set_temperature(np.float32(2.5))
    (own,) = intervenable.interventions.values()
    assert float(own.get_temperature()) == 2.5
    linked = IntervenableModel([
        {"layer": layer, "low_rank_dimension": 4, "intervention_link_key": 0,
         "intervention_type": pv.LowRankRotatedSpaceIntervention} for layer in (1, 2)], model)
    assert linked.count_parameters() == 4 * width
    assert len({id(one) for one in linked.interventions.values()}) == 1


def test_devices_other_than_the_processor_are_refused(model):
    low_rank(model).set_device("cpu")
    with pytest.raises(vene.PlanError, match="cuda"):
        low_rank(model).set_device("cuda:0")
    with pytest.raises(vene.PlanError, match="weights"):
        low_rank(model).enable_model_gradients()


def test_texts_under_interventions(model):
    base, source = (model.tokenizer(text, return_tensors="pt") for text in (SPAIN, ITALY))
    intervenable = IntervenableModel({"layer": 2, "component": "block_output"}, model)
    original, edited = intervenable.generate(
        base, source, {"sources->base": 3}, intervene_on_prompt=True, max_new_tokens=3, output_original_output=True)
    patch = {"edit": [{"intervention": "interchange", "component": "block_output", "layer": 2, "positions": 3, "from": 3}]}
    prompt = model.tokenizer.encode(SPAIN)
    for found, options in ((original, {}), (edited, {"plan": patch, "sources": [ITALY]})):
        (text,) = model.generate(SPAIN, 3, **options)
        assert np.asarray(found).tolist() == [prompt + text.tokens]
    vector = np.ones(model.config.d_model, dtype=np.float32)
    steered = IntervenableModel({"layer": 2, "component": "mlp_output", "intervention_type": pv.AdditionIntervention}, model)
    _, found = steered.generate(base, source_representations=vector * 3, max_new_tokens=4)
    plan = {"edit": [{"intervention": "steering", "component": "mlp_output", "layer": 2, "source": {"values": [3.0] * model.config.d_model},
                      "when": "generated"}]}
    (text,) = model.generate(SPAIN, 4, plan=plan)
    assert np.asarray(found).tolist() == [prompt + text.tokens]
    with pytest.raises(vene.PlanError, match="num_beams"):
        steered.generate(base, source_representations=vector, max_new_tokens=4, num_beams=3)
