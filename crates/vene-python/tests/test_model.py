"""A model's own interface: what it says, shows and does when it is edited."""

import gc
import os

import numpy as np
import pytest
from conftest import ITALY, SPAIN, numbered

import vene

PATCH = {
    "edit": [{
        "intervention": "interchange",
        "component": "block_output",
        "layer": 2,
        "positions": {"phrase": "Spain"},
        "from": {"phrase": "Italy"},
    }],
    "collect": [{"component": "mlp_output", "layer": 5, "positions": "last"}],
}


def test_it_says_what_the_command_says(model):
    (token, probability), *_ = model.top(SPAIN, 3)
    # `vene demo` prints this number; its last digits are the processor's.
    assert (token, round(probability, 5)) == (" Madrid", 0.47807)
    assert model.config.n_layer == model.config.layers == 8
    assert model.identity.startswith("vene1-")


def test_a_forward_pass_shows_what_the_unembedding_reads(model):
    output = model(**model.tokenizer(SPAIN, return_tensors="np"))
    assert output.last_hidden_state.shape == (1, 5, model.config.d_model)
    assert output.logits.shape == (1, 5, model.config.vocabulary)
    probabilities = vene.embed_to_distrib(model, output.last_hidden_state)
    best = probabilities[0][-1]
    assert best.shape == (model.config.vocabulary,)
    assert model.tokenizer.decode(int(np.argmax(best))) == " Madrid"
    # A row that was asked for is what all rows are.
    assert np.array_equal(np.asarray(probabilities)[0, -1], best)
    np.testing.assert_allclose(np.asarray(probabilities).sum(-1), 1, atol=1e-12)
    assert np.array_equal(probabilities[0, -1, 3:5], best[3:5])
    logs = vene.embed_to_distrib(model, output.last_hidden_state, log=True)
    np.testing.assert_allclose(np.exp(np.asarray(logs[0][-1])), best, rtol=1e-12)


def test_activations_by_name(model):
    shown = model.trace(SPAIN, ["block_output", "blocks.3.hook_resid_post", "attention_weight", "final_norm"], layers=[3])
    assert shown["block_output/3"].shape == (5, model.config.d_model)
    assert shown["attention_weight/3"].shape == (model.config.heads, 5, 5)
    np.testing.assert_allclose(shown["attention_weight/3"].sum(-1), 1, atol=1e-6)
    hidden = model(model.tokenizer(SPAIN, return_tensors="np").input_ids).last_hidden_state[0]
    assert np.array_equal(shown["final_norm"], hidden)


def test_a_plan_and_its_receipt(model):
    outcome = model.run(PATCH, SPAIN, [ITALY])
    rome = model.tokenizer.encode(" Rome")[-1]
    assert int(np.argmax(outcome.logits())) == rome
    assert outcome.activation("mlp_output", 5).shape == (1, model.config.d_model)
    (receipt,) = outcome.receipts
    assert receipt["positions"] == [3] and receipt["change"] > 0 and receipt["unchanged"] is None
    # A session gives the same bits.
    session = model.session([SPAIN, ITALY])
    assert session.bytes > 0
    assert np.array_equal(session.run(PATCH, SPAIN, [ITALY]).logits(), outcome.logits())


def test_what_is_doubtful_of_a_model_is_a_warning(tmp_path):
    with pytest.warns(UserWarning, match="beginning of sequence: tokenizer.json has no template"):
        vene.load(str(numbered("gemma3-plain", tmp_path)))


def test_double_precision_is_double():
    model = vene.load("embedded", precision="double")
    assert model.trace(SPAIN, "block_output", layers=[0])["block_output/0"].dtype == np.float64


@pytest.mark.parametrize(
    ("wrong", "error", "said"),
    [
        (lambda model: vene.load("no/such/folder/at/all"), vene.ModelError, "no/such/folder"),
        (lambda model: vene.load("embedded", precision="half"), vene.InputError, "single"),
        (lambda model: model.run({"edit": [{"intervention": "interchnge", "component": "mlp_output"}]}, SPAIN),
         vene.PlanError, "interchange"),
        (lambda model: model.trace(SPAIN, "mlp_out"), vene.PlanError, "mlp_out"),
        (lambda model: model.top([10**6]), vene.InputError, "1000000"),
        (lambda model: model.top(np.zeros((1, 2), dtype=int)), vene.InputError, "shape (1, 2)"),
        (lambda model: model(np.array([[1, 2]]), attention_mask=np.array([[0, 0]])), vene.InputError, "every token"),
        (lambda model: model.tokenizer("x", padding="max_length"), vene.InputError, "padding"),
        (lambda model: model.run(PATCH, SPAIN, [ITALY]).activation("mlp_output", 4), vene.RunError, "mlp_output"),
    ],
)
def test_what_is_wrong_is_an_exception_with_a_sentence(model, wrong, error, said):
    with pytest.raises(error) as raised:
        wrong(model)
    assert isinstance(raised.value, vene.VeneError)
    assert said in str(raised.value)


def test_memory_is_given_back(model):
    def resident() -> int:
        with open("/proc/self/statm") as file:
            return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")

    def work() -> None:
        # Other prompts each time, so that sessions are made and dropped.
        for number in range(200):
            model.run({}, list(range(2 + number % 7, 12 + number % 7)))

    work()
    gc.collect()
    before = resident()
    for _ in range(4):
        work()
    gc.collect()
    assert resident() - before < 16 << 20
