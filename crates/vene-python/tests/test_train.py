"""Trainings in memory: to the numbers of the command."""

import numpy as np
import polars
import pytest
from conftest import ITALY, SPAIN

import vene

DAS = {"edit": [{
    "intervention": {"name": "low_rank_rotated_space", "rank": 4}, "component": "block_output", "layer": 2,
    "positions": {"role": "subject_last"}}]}

TRAIN = {"epochs": 2, "learning_rate": 0.02, "batch": 4}

CAPITALS = {"Spain": "Madrid", "Italy": "Rome", "Japan": "Tokyo", "France": "Paris", "Russia": "Moscow"}


def rows():
    of = "The capital of {} is".format
    return [
        {"base": of(base), "source": of(source), "target": f" {CAPITALS[base]}", "foil": f" {CAPITALS[source]}", "subject": base,
         "source_subject": source}
        for base in CAPITALS for source in CAPITALS if base != source]


@pytest.fixture(scope="module")
def trained(model):
    return model.train(DAS, rows(), **TRAIN)


def test_it_is_what_the_command_trains(trained, tmp_path):
    polars.DataFrame(rows()).write_ndjson(tmp_path / "rows.jsonl")
    said = {**DAS, "kind": "train", "model": {"id": "embedded"}, "data": {"path": str(tmp_path / "rows.jsonl")}, "train": TRAIN}
    run = vene.run(said, tmp_path / "run")
    result = run.record["result"]
    for key in ("held_out", "control", "epochs", "rows", "held_out_rows", "steps"):
        assert trained.result[key] == result[key], key
    written = polars.read_csv(tmp_path / "run/training.csv")
    assert trained.history.to_dict()["step"] == written["step"].to_list()
    np.testing.assert_allclose(trained.history.to_dict()["loss"], written["loss"].to_list(), rtol=1e-12)
    folder = trained.save(tmp_path / "trained")
    ours, theirs = ((path / "interventions.safetensors").read_bytes() for path in (folder, tmp_path / "run/trained"))
    # What follows the header, which names the model, are the parameters.
    assert ours[8 + int.from_bytes(ours[:8], "little"):] == theirs[8 + int.from_bytes(theirs[:8], "little"):]


def test_what_was_learned(model, trained):
    (rotation,) = trained.parameters.values()
    assert sorted(rotation.shape) == [4, model.config.d_model]
    gram = rotation.T @ rotation if rotation.shape[0] > rotation.shape[1] else rotation @ rotation.T
    np.testing.assert_allclose(gram, np.eye(4), atol=1e-5)
    assert trained.held_out["accuracy"] >= trained.result["control"]["accuracy"]
    assert "held out" in repr(trained) and "<svg" in trained._repr_html_()
    losses = trained.history.to_dict()["loss"]
    assert losses[-1] < losses[0]


def test_it_is_a_plan_wherever_one_is_taken(model, trained, tmp_path):
    folder = trained.save(tmp_path / "trained")
    of_memory = model.run(trained, data=rows()[:4], metric="logit_difference")
    of_folder = model.run(folder, data=rows()[:4], metric="logit_difference")
    assert of_memory.summary == of_folder.summary
    evaluated = model.evaluate(trained, rows(), resamples=60)
    assert set(evaluated.summary.to_dict()["variant"]) == {"trained", "whole activation", "random directions"}
    assert 0 <= evaluated.evaluation["trained"]["accuracy"] <= 1
    assert model.evaluate(folder, rows(), resamples=60).summary == evaluated.summary
    again = model.train(folder, rows(), epochs=1)
    assert again.result["steps"] == 4 and again.held_out["accuracy"] >= trained.held_out["accuracy"]
    with pytest.raises(vene.PlanError, match="each row of a data set has"):
        model.run(trained, SPAIN, [ITALY])


@pytest.mark.parametrize(("plan", "more", "said"), [
    (DAS, {"epoch": 2}, "did you mean `epochs`"),
    (DAS, {"epochs": 0}, "epoch"),
    ({"edit": [{**DAS["edit"][0], "intervention": "interchange"}]}, {}, "learn|train"),
    ({**DAS, "edit": [{**DAS["edit"][0], "layer": "$l"}], "grid": {"l": [1, 2]}}, {}, "grid|several|plans"),
])
def test_what_is_wrong_is_told(model, plan, more, said):
    with pytest.raises(vene.VeneError, match=said):
        model.train(plan, rows(), **more)


def after_a_rotation(function):
    after = {"intervention": function, "component": "block_output", "layer": 4, "positions": "last"}
    return {"edit": [DAS["edit"][0], after]}


def test_gradients_pass_through_a_function(model):
    pytest.importorskip("torch")

    @vene.intervention(torch=True, rowwise=True)
    def shrunk(base):
        return 0.9 * base

    ours = model.train(after_a_rotation(shrunk), rows(), **TRAIN)
    built_in = model.train(after_a_rotation({"name": "scaling", "factor": 0.9}), rows(), **TRAIN)
    losses = [trained.history.to_dict()["loss"] for trained in (ours, built_in)]
    np.testing.assert_allclose(*losses, rtol=2e-3)
    assert losses[0][-1] < losses[0][0]
    with pytest.raises(vene.VeneError, match="shrunk"):
        ours.save("nowhere")


def test_a_function_without_gradients_ends_a_training(model):
    with pytest.raises(vene.RunError, match="torch=True"):
        model.train(after_a_rotation(lambda base: 0.9 * base), rows(), **TRAIN)
