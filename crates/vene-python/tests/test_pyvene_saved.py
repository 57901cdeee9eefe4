"""Folders that pyvene saved compute here what they compute there, and folders saved here are read again."""

import json

import numpy as np
import pytest
from conftest import ITALY, ROOT, SPAIN, tensors

import vene
from vene import IntervenableModel
from vene import pyvene as pv
from vene.pyvene._backend import HAS_TORCH

FOLDER = ROOT / "fixtures/pyvene_saved"
CASES = json.loads((FOLDER / "cases.json").read_text())


def inputs(rows):
    rows = np.asarray(rows)
    if HAS_TORCH:
        import torch

        return {"input_ids": torch.from_numpy(rows)}
    return {"input_ids": rows}


def last_logits(output):
    logits = output.logits
    logits = logits.detach() if hasattr(logits, "detach") else logits
    return np.asarray(logits)[:, -1]


@pytest.mark.parametrize("case", CASES, ids=[case["name"] for case in CASES])
def test_a_folder_computes_what_pyvene_computes(gpt2, case):
    intervenable = IntervenableModel.load(FOLDER / case["name"], gpt2)
    groups = len(intervenable._intervention_group)
    chosen = case.get("sources") or list(range(groups))
    if case.get("own_base"):
        sources = [inputs(case["bases"])] * groups
    else:
        read = [None if one is None else [own[one] for own in case["all_sources"]] for one in chosen]
        sources = [None if one is None else inputs(one) for one in read]
    _, output = intervenable(
        inputs(case["bases"]), sources, case.get("unit_locations"), subspaces=case.get("subspaces"))
    expected = tensors(FOLDER / "expected.safetensors")[case["name"]].reshape(len(case["bases"]), -1)
    scale = np.abs(expected).max()
    np.testing.assert_allclose(last_logits(output), expected, rtol=0, atol=1e-5 * scale)


def test_a_class_of_another_module_is_not_imported(gpt2, tmp_path):
    for file in (FOLDER / "vanilla").iterdir():
        text = file.read_text().replace("pyvene.models.interventions.VanillaIntervention", "os.path.Evil")
        (tmp_path / file.name).write_text(text)
    with pytest.raises(vene.PlanError, match="os.path.Evil"):
        IntervenableModel.load(tmp_path, gpt2)


def test_what_has_no_parameters_is_saved_and_loaded(model, tmp_path):
    base, source = (model.tokenizer(text, return_tensors="pt") for text in (SPAIN, ITALY))
    config = pv.IntervenableConfig([
        {"layer": 2, "component": "block_output", "group_key": 0, "subspace_partition": [[0, 8], [8, 64]]},
        {"layer": 4, "component": "mlp_output", "group_key": 1},
    ])
    made = IntervenableModel(config, model)
    made.save(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["config.json"]
    again = IntervenableModel.load(tmp_path, model)
    results = [
        one(base, [source, source], {"sources->base": 3}, subspaces=[[[1]], None])[1].last_hidden_state
        for one in (made, again)
    ]
    assert np.array_equal(*results)


@pytest.mark.skipif(not HAS_TORCH, reason="pyvene's files of parameters are PyTorch's")
@pytest.mark.parametrize("kind", [pv.RotatedSpaceIntervention, pv.LowRankRotatedSpaceIntervention, pv.SigmoidMaskIntervention])
def test_parameters_are_saved_and_loaded(model, tmp_path, kind):
    base, source = (model.tokenizer(text, return_tensors="pt") for text in (SPAIN, ITALY))
    config = {"layer": 2, "component": "mlp_output", "low_rank_dimension": 6, "intervention_type": kind}
    made = IntervenableModel(config, model)
    made.save(tmp_path)
    again = IntervenableModel.load(tmp_path, model)
    results = [one(base, source, {"sources->base": 3})[1].last_hidden_state.detach() for one in (made, again)]
    assert np.array_equal(*results)


@pytest.mark.skipif(HAS_TORCH, reason="PyTorch is installed")
def test_without_torch_parameters_are_not_written(model, tmp_path):
    made = IntervenableModel({"layer": 2, "intervention_type": pv.RotatedSpaceIntervention}, model)
    with pytest.raises(vene.PlanError, match="torch"):
        made.save(tmp_path)
