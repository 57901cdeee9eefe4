"""Plans over the rows of whatever has rows: tables, receipts, activations."""

import numpy as np
import pandas
import polars
import pyarrow
import pytest
from conftest import ITALY, ROWS, SPAIN

import vene

PATCH = {
    "edit": [{
        "intervention": "interchange", "component": "block_output", "layer": "$l", "positions": {"role": "subject_last"}}],
    "grid": {"l": [1, 2]},
    "read": {"probabilities_of": [" Madrid", " Rome"]},
    "collect": [{"component": "mlp_output", "layer": 5}],
}


def test_tables_tell_what_single_runs_tell(model):
    ran = model.run(PATCH, data=ROWS, metric="logit_difference")
    examples = ran.examples.to_dicts()
    assert len(examples) == 2 * 2 * 3
    edit = {**PATCH["edit"][0], "layer": 2, "positions": {"phrase": "Spain"}, "from": {"phrase": "Italy"}}
    alone = model.run({"edit": [edit], "collect": PATCH["collect"]}, SPAIN, [ITALY])
    madrid, rome = (model.tokenizer.encode(word)[-1] for word in (" Madrid", " Rome"))
    of_row = {row["metric"]: row["value"] for row in examples if row["l"] == 2 and row["example"] == 0}
    logits = alone.logits()
    assert abs(of_row["logit_difference"] - (logits[madrid] - logits[rome])) < 1e-4
    probability = next(value for name, value in of_row.items() if "Rome" in name)
    assert abs(probability - alone.probabilities()[rome]) < 1e-6
    np.testing.assert_allclose(
        ran.collected["l 2/mlp_output/5"][0], alone.activation("mlp_output", 5), rtol=0, atol=1e-5)


def test_summary_receipts_and_rows(model):
    ran = model.run(PATCH, data=ROWS, metric="logit_difference", resamples=60)
    summary = ran.summary.to_pandas().query("metric == 'logit_difference'")
    assert list(summary["l"]) == [1, 2] and (summary["low"] <= summary["mean"]).all() and (summary["mean"] < -5).all()
    receipts = ran.receipts.to_dict()
    assert len(ran.receipts) == 4 and set(receipts["outcome"]) == {"changed"}
    assert ran.rows.to_dict()["base"] == [row["base"] for row in ROWS]
    assert ran.collected["l 1/mlp_output/5"].shape == (2, 1, model.config.d_model)


@pytest.mark.parametrize("of", [
    lambda rows: pandas.DataFrame([*rows, {"base": "x"}])[: len(rows)],
    lambda rows: polars.DataFrame(rows),
    lambda rows: pyarrow.Table.from_pylist(rows),
    lambda rows: pytest.importorskip("datasets").Dataset.from_list(rows),
    lambda rows: [{**row, "weight": np.int64(3)} for row in rows],
])
def test_rows_of_anything(model, of):
    expected = model.run(PATCH, data=ROWS).summary
    import warnings

    with warnings.catch_warnings():
        # The column that is not read.
        warnings.simplefilter("ignore")
        assert model.run(PATCH, data=of(ROWS)).summary == expected


def test_a_dict_of_data_sets_is_refused(model):
    datasets = pytest.importorskip("datasets")
    both = datasets.DatasetDict({"train": datasets.Dataset.from_list(ROWS)})
    with pytest.raises(vene.InputError, match=r"one: data\['train'\]"):
        model.run(PATCH, data=both)


def test_what_is_doubtful_is_a_warning_at_the_callers_line(model):
    with pytest.warns(UserWarning, match="rows left out|no phrase|left out") as told:
        model.run(PATCH, data=[*ROWS, {"base": "x", "source": "y", "target": "z", "foil": "w"}])
    assert all(warning.filename == __file__ for warning in told)


def test_what_it_is_not_run_over_is_told(model):
    for wrong, said in (
        (lambda: model.run(PATCH), "over a base"),
        (lambda: model.run(PATCH, SPAIN, data=ROWS), "not over both"),
        (lambda: model.run({}, SPAIN, metric="kl"), "metric is read where"),
        (lambda: model.run(PATCH, data=ROWS, metrics="kl"), "metrics is not known"),
        (lambda: model.run({**PATCH, "grid": {"l": [99]}}, data=ROWS), "99"),
        (lambda: model.run(PATCH, data=ROWS, memory=1), "memory"),
    ):
        with pytest.raises(vene.VeneError, match=said):
            wrong()


def test_a_function_that_sees_how_far_it_is(model, capsys):
    model.run(PATCH, data=ROWS * 20, progress=True)
    assert "runs" in capsys.readouterr().err


def test_activations_of_prompts_and_rows(model):
    prompts = [SPAIN, ITALY]
    kept = model.collect(prompts, ["block_output", "final_norm"], layers=[2, 3], positions=[3, "last"])
    assert list(kept) == ["block_output/2", "block_output/3", "final_norm"]
    trace = model.trace(ITALY)
    np.testing.assert_allclose(kept["block_output/3"][1], trace["block_output/3"][[3, 4]], rtol=0, atol=1e-5)
    assert kept.rows.to_dict()["base"] == prompts
    of_rows = model.collect(data=ROWS, components="mlp_output", positions="subject_last")
    assert list(of_rows) == [f"mlp_output/{layer}" for layer in range(model.config.layers)]
    np.testing.assert_allclose(of_rows["mlp_output/1"][0, 0], model.trace(SPAIN)["mlp_output/1"][3], rtol=0, atol=1e-5)


def test_padding(model):
    longer = "In France, the capital of Spain is"
    with pytest.raises(vene.VeneError, match="unequal numbers"):
        model.collect([SPAIN, longer], "block_output", layers=[1], positions="all")
    kept = model.collect([SPAIN, longer], ["block_output"], layers=[1], positions="all", pad=True)
    lengths = [len(model.tokens(prompt)) for prompt in (SPAIN, longer)]
    assert kept.lengths == [[length] for length in lengths]
    assert kept["block_output/1"].shape == (2, max(lengths), model.config.d_model)
    assert not kept["block_output/1"][0, lengths[0]:].any()
    patterns = model.collect([SPAIN, longer], "attention_weight", layers=[1], positions="all", pad=True)["attention_weight/1"]
    np.testing.assert_allclose(patterns[0, :, :5, :5].sum(-1), 1, atol=1e-5)


def test_what_cannot_be_collected_is_told(model):
    for wrong, said in (
        (lambda: model.collect(), "give one of them"),
        (lambda: model.collect([SPAIN], data=ROWS), "give one of them"),
        (lambda: model.collect([SPAIN], "mlp_outptu"), "mlp_outptu"),
        (lambda: model.collect([SPAIN], layers=[99]), "99"),
        (lambda: model.collect([SPAIN], positions=99), "99"),
    ):
        with pytest.raises(vene.VeneError, match=said):
            wrong()
