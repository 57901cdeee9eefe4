"""Padded batches: what they give is what each prompt gives alone, and where padding stands is never computed."""

import numpy as np
import pytest
from conftest import ITALY, SPAIN

import vene
from vene import CollectIntervention, IntervenableModel, VanillaIntervention

LONG = "I know that the capital of Japan is"
TEXTS = (SPAIN, LONG), (ITALY, "I know that the capital of Italy is")
SIDES = pytest.mark.parametrize("side", ["left", "right"])


def batches(model, side):
    return [model.tokenizer(list(texts), return_tensors="np", padding=True, padding_side=side) for texts in TEXTS]


def pads(batch):
    """How many tokens of padding stand before each prompt."""
    return [int(np.argmax(row)) for row in batch["attention_mask"]]


@SIDES
def test_hidden_states_are_those_of_each_prompt_alone(model, side):
    batch, _ = batches(model, side)
    assert batch["attention_mask"].tolist()[1] == [1] * 8 and sum(batch["attention_mask"][0]) == 5
    output = model(**batch)
    for row, before, text in zip(output.last_hidden_state, pads(batch), TEXTS[0], strict=True):
        alone = model(**model.tokenizer(text, return_tensors="np")).last_hidden_state[0]
        assert np.array_equal(row[before : before + len(alone)], alone)
        hidden = [place for place in range(len(row)) if not before <= place < before + len(alone)]
        assert not row[hidden].any()


@SIDES
def test_edits_are_those_of_each_prompt_alone(model, side):
    base, source = batches(model, side)
    # "Spain" and "Japan", wherever the rows have them.
    places = [[before + own] for before, own in zip(pads(base), (3, 6), strict=True)]
    config = [{"layer": 2, "component": "block_output", "intervention_type": VanillaIntervention},
              {"layer": 3, "component": "mlp_output", "intervention_type": CollectIntervention}]
    intervenable = IntervenableModel(config, model)
    locations = {"sources->base": ([places, None], [places, places])}
    (_, (collected,)), output = intervenable(base, [source, None], locations)
    for row, (before, own) in enumerate(zip(pads(base), (3, 6), strict=True)):
        alone = [model.tokenizer(texts[row], return_tensors="np") for texts in TEXTS]
        (_, (kept,)), single = intervenable(alone[0], [alone[1], None], {"sources->base": ([[[own]], None], [[[own]]] * 2)})
        length = alone[0]["input_ids"].shape[1]
        found = np.asarray(output.last_hidden_state)[row]
        assert np.array_equal(found[before : before + length], np.asarray(single.last_hidden_state)[0])
        assert np.array_equal(np.asarray(collected)[row], np.asarray(kept)[0])
    with pytest.raises(vene.PlanError, match="of example 0 is padding"):
        padding = 0 if side == "left" else 7
        intervenable(base, [source, None], {"sources->base": ([places, None], [[[padding], [6]], places])})


def test_what_is_collected_everywhere_is_padded_too(model):
    base, _ = batches(model, "left")
    everywhere = IntervenableModel([{"layer": 3, "component": "mlp_output", "intervention_type": CollectIntervention}], model)
    (_, (collected,)), _ = everywhere(base)
    assert collected.shape == (2, 8, model.config.d_model)
    assert not np.asarray(collected)[0, :3].any() and np.asarray(collected)[0, 3:].all(axis=-1).any()


def test_serial_runs_are_placed_each_by_its_own_padding(model):
    base, source = batches(model, "left")
    config = vene.IntervenableConfig(
        [{"layer": 1, "component": "block_output"}, {"layer": 4, "component": "block_output"}], VanillaIntervention, mode="serial")
    intervenable = IntervenableModel(config, model)

    def locations(places):
        return {"source_0->source_1": (places, places), "source_1->base": (places, places)}

    _, together = intervenable(base, [source, base], locations([[[6], [6]]]))
    for row, before in enumerate(pads(base)):
        alone = [model.tokenizer(texts[row], return_tensors="np") for texts in TEXTS]
        _, single = intervenable(alone[0], [alone[1], alone[0]], locations([[[6 - before]]]))
        assert np.array_equal(np.asarray(together.last_hidden_state)[row, before:], np.asarray(single.last_hidden_state)[0])


def test_texts_continue_behind_their_own_prompts(model):
    base, source = batches(model, "left")
    config = [{"layer": 2, "component": "block_output", "intervention_type": VanillaIntervention}]
    intervenable = IntervenableModel(config, model)
    options = {"intervene_on_prompt": True, "max_new_tokens": 4, "eos_token_id": []}
    _, texts = intervenable.generate(base, source, {"sources->base": 6}, **options)
    for row, before in enumerate(pads(base)):
        alone = [model.tokenizer(both[row], return_tensors="np") for both in TEXTS]
        _, single = intervenable.generate(alone[0], alone[1], {"sources->base": 6 - before}, **options)
        assert np.array_equal(np.asarray(texts)[row, before:], np.asarray(single)[0])


def test_losses_count_no_padding(model):
    torch = pytest.importorskip("torch")
    base, source = batches(model, "left")
    labels = torch.where(torch.from_numpy(base["attention_mask"]) == 1, torch.from_numpy(base["input_ids"]), -100)
    intervenable = IntervenableModel([{"layer": 2, "component": "block_output"}], model)
    _, both = intervenable(base, source, {"sources->base": 6}, labels=labels)
    alone = []
    for row, before in enumerate(pads(base)):
        texts = [model.tokenizer(each[row], return_tensors="np") for each in TEXTS]
        _, single = intervenable(*texts, {"sources->base": 6 - before}, labels=texts[0]["input_ids"])
        alone.append((float(single.loss), len(texts[0]["input_ids"][0]) - 1))
    mean = sum(loss * count for loss, count in alone) / sum(count for _, count in alone)
    assert abs(float(both.loss) - mean) < 1e-5


def test_gradients_reach_padded_batches(model):
    torch = pytest.importorskip("torch")
    base, source = batches(model, "right")
    config = {"layer": 2, "component": "block_output", "low_rank_dimension": 4,
              "intervention_type": vene.LowRankRotatedSpaceIntervention}
    intervenable = IntervenableModel(config, model)
    places = {"sources->base": ([[[3], [6]]], [[[3], [6]]])}
    _, output = intervenable(base, source, places)
    assert output.last_hidden_state.shape == (2, 8, model.config.d_model)
    assert not output.last_hidden_state[0, 5:].any()
    (output.last_hidden_state[0, 4].sum() + output.last_hidden_state[1, 7].sum()).backward()
    together = [one.grad.clone() for one in intervenable.get_trainable_parameters()]
    intervenable.set_zero_grad()
    for row, place in enumerate((3, 6)):
        texts = [model.tokenizer(each[row], return_tensors="pt") for each in TEXTS]
        intervenable(*texts, {"sources->base": place})[1].last_hidden_state[0, -1].sum().backward()
    for one, other in zip(together, intervenable.get_trainable_parameters(), strict=True):
        assert one.abs().max() > 0
        torch.testing.assert_close(one, other.grad, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize(("mask", "positions", "said"), [
    ([[1, 0, 1, 1, 1]], None, "within prompt 0"),
    ([[0, 0, 0, 0, 0]], None, "every token"),
    ([[1, 1, 1]], None, r"shape \[1, 3\]"),
    ([[2, 1, 1, 1, 1]], None, "other than 0 and 1"),
    ([[0, 1, 1, 1, 1]], [[0, 1, 2, 3, 4]], "from 0"),
    ([[0, 1, 1, 1, 1]], [[0, 1]], "position_ids have shape"),
])
def test_what_is_no_padding_is_refused(model, mask, positions, said):
    ids = np.asarray([model.tokenizer.encode(SPAIN)])
    with pytest.raises(vene.InputError, match=said):
        model(ids, attention_mask=np.array(mask), position_ids=positions)


def test_positions_that_are_vene_s_own_are_taken(model):
    base, _ = batches(model, "left")
    positions = np.maximum(base["attention_mask"].cumsum(axis=1) - 1, 0)
    assert np.array_equal(model(**base, position_ids=positions).last_hidden_state, model(**base).last_hidden_state)


def test_a_tokenizer_pads_where_it_is_told(model):
    for wrong in ({"padding": "max_length"}, {"padding": True, "padding_side": "middle"}):
        with pytest.raises(vene.InputError, match="padding"):
            model.tokenizer([SPAIN, LONG], **wrong)
    with pytest.raises(vene.InputError, match="padding=True"):
        model.tokenizer([SPAIN, LONG], return_tensors="np")
    assert model.tokenizer([SPAIN, LONG], padding=True)["attention_mask"][0] == [1] * 5 + [0] * 3
