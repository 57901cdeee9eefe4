"""pyvene's tutorial as a notebook, run as a reader runs it."""

import json

import nbclient
import nbformat
import numpy as np
import pandas
from conftest import ROOT

NOTEBOOK = ROOT / "docs/notebooks/interchange-intervention.ipynb"


def test_the_tutorial_runs_and_gives_pyvenes_numbers(tmp_path):
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    saved = str(tmp_path / "data.csv")
    notebook.cells.append(nbformat.v4.new_code_cell(f"df.to_csv({saved!r})"))
    nbclient.NotebookClient(notebook, timeout=120, kernel_name="python3").execute()
    printed = "".join(
        output["text"] for cell in notebook.cells for output in cell.get("outputs", []) if output["output_type"] == "stream")
    assert "_Madrid              0.478070" in printed and "_Rome" in printed
    images = [
        output for cell in notebook.cells for output in cell.get("outputs", [])
        if any(kind.startswith("image/") for kind in output.get("data", {}))]
    assert len(images) == 2

    frame = pandas.read_csv(saved)
    fixture = json.loads((ROOT / "fixtures/pyvene/embedded_tutorial.json").read_text())
    assert len(frame) == len(fixture["rows"]) == 8 * 2 * 5 * 2
    by_pyvene = {
        (row["component"], row["layer"], row["position"], row["token"].replace(" ", "_")): row["probability"]
        for row in fixture["rows"]}
    expected = [by_pyvene[row.type, int(row.layer[1:]), row.pos, row.token] for row in frame.itertuples()]
    np.testing.assert_allclose(frame["prob"], expected, rtol=0, atol=1e-5)
