"""Experiments in files and dicts, as the command runs them."""

import json
from pathlib import Path

import pytest
from conftest import ROWS

import vene

SWEEP = {
    "kind": "sweep",
    "model": {"id": "embedded"},
    "sweep": {"components": ["block_output"], "layers": "0..3", "positions": "subject_last,last"},
    "statistics": {"resamples": 60},
}


@pytest.fixture
def rows(tmp_path):
    path = tmp_path / "rows.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in ROWS))
    return path


def test_a_dict_a_file_and_a_record_are_one_experiment(model, rows, tmp_path):
    said = {**SWEEP, "data": {"path": str(rows)}}
    run = vene.run(said, tmp_path / "run")
    assert run.record["status"] == "complete" and "summary.parquet" in run.files
    (tmp_path / "sweep.json").write_text(json.dumps({**SWEEP, "data": {"path": "rows.jsonl"}}))
    of_file = vene.run(tmp_path / "sweep.json", tmp_path / "of-file")
    again = vene.run(run.folder / "run.json", tmp_path / "again")
    in_memory = model.sweep(
        data=ROWS, components="block_output", layers="0..3", positions="subject_last,last", resamples=60)
    for other in (of_file.table(), again.table(), in_memory.summary):
        assert run.table().to_dict() == other.to_dict()


def test_a_dicts_paths_are_those_of_the_working_folder(rows, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    run = vene.run({**SWEEP, "data": {"path": rows.name}})
    assert run.folder.parent == Path("vene-out") and len(run.table("examples")) == 2 * 3 * 2
    assert sorted(path.name for path in tmp_path.iterdir()) == ["rows.jsonl", "vene-out"]


def test_changes(rows, tmp_path):
    run = vene.run({**SWEEP, "data": {"path": str(rows)}}, tmp_path / "run", sweep__layers=[1])
    assert set(run.table("examples").to_dict()["layer"]) == {1}


def test_what_is_wrong_is_told(rows, tmp_path):
    with pytest.raises(vene.RunError, match="did you mean `layers`"):
        vene.run({**SWEEP, "data": {"path": str(rows)}}, tmp_path / "run", sweep__layer=1)
    assert not (tmp_path / "run").exists()
