"""Sweeps: over a pair, over rows of whatever has rows, with tables for whoever wants them."""

import subprocess
import sys

import pandas
import polars
import pyarrow
import pytest
from conftest import ITALY, ROWS, SPAIN

import vene

PLACES = {"components": ["block_output"], "layers": "0..3", "positions": ["subject_last", "last"]}


def test_a_pair_is_what_the_command_writes(model, tmp_path):
    swept = model.sweep(SPAIN, ITALY, components=["mlp_output", "attention_input"], tokens=[" Madrid", " Rome"])
    assert swept.summary is None
    line = [sys.executable, "-m", "vene", "demo", "--out", tmp_path / "demo"]
    subprocess.run(line, check=True, capture_output=True)
    written = polars.read_parquet(tmp_path / "demo/sweep.parquet")
    table = swept.tokens.to_polars()
    assert table.columns == written.columns
    for name in table.columns:
        assert table[name].to_list() == written[name].to_list(), name
    assert "160 rows" in repr(swept)


def test_metrics_of_a_pair(model):
    swept = model.sweep(
        SPAIN, ITALY, components="block_output", layers=2, positions="last", metric=["logit_difference", "kl"],
        target=" Madrid", foil=" Rome", direction=["noising", "denoising"])
    assert swept.examples.to_dict()["metric"] == ["logit_difference", "kl"] * 2
    assert swept.tokens is None


@pytest.mark.parametrize("of", [
    lambda rows, path: rows,
    lambda rows, path: iter(rows),
    lambda rows, path: pandas.DataFrame(rows),
    lambda rows, path: polars.DataFrame(rows),
    lambda rows, path: pyarrow.Table.from_pylist(rows),
    lambda rows, path: _written(rows, path),
])
def test_rows_of_anything(model, tmp_path, of):
    swept = model.sweep(data=of(ROWS, tmp_path), **PLACES)
    assert len(swept.examples) == 2 * 3 * 2
    summary = swept.summary.to_pandas()
    assert list(summary["role"]) == ["subject_last", "last"] * 3
    # Before it is read the country matters, where it is read nothing does yet.
    assert (summary.query("role == 'subject_last'")["mean"] < -10).all()


def _written(rows, path):
    polars.DataFrame(rows).write_parquet(path / "rows.parquet")
    return path / "rows.parquet"


def test_tables_cross_as_arrow(model):
    table = model.sweep(data=ROWS, **PLACES).examples
    arrow = pyarrow.table(table)
    assert arrow.num_rows == len(table) and arrow.column_names == table.columns
    assert polars.DataFrame(table).height == len(table)
    assert arrow["effect"].to_pylist() == table.to_dict()["effect"]


def test_notebooks_show_the_ends(model):
    swept = model.sweep(SPAIN, ITALY, components="mlp_output", tokens=[" Madrid", "<"])
    html = swept._repr_html_()
    assert html.count("<tr>") == 1 + 5 + 1 + 5 and "80 rows x 11 columns" in html
    assert "&lt;" in html and "<td>mlp_output</td>" in html
    short = model.sweep(data=ROWS, **PLACES).summary._repr_html_()
    assert short.count("<tr>") == 1 + 6 and "…" not in short


@pytest.mark.parametrize(("more", "said"), [
    ({"factor": 2}, "scaling"),
    ({"facto": 2}, "did you mean `factor`?"),
    ({"intervention": "interchnge"}, "interchange"),
    ({"memory": 1}, "memory"),
])
def test_what_is_not_read_is_refused(model, more, said):
    with pytest.raises(vene.VeneError) as raised:
        model.sweep(SPAIN, ITALY, components="mlp_output", tokens=" Madrid", **more)
    assert said in str(raised.value)


@pytest.mark.parametrize("data", [7, {"base": "x"}, ["x"], b"x"])
def test_data_without_rows_is_refused(model, data):
    with pytest.raises(vene.InputError, match="data: expected"):
        model.sweep(data=data, **PLACES)


def test_a_sweep_can_be_interrupted():
    code = f"""
import _thread, threading, time, vene
model = vene.load("embedded")
rows = {ROWS!r} * 4000
threading.Timer(2.0, _thread.interrupt_main).start()
start = time.time()
try:
    model.sweep(data=rows, components=["block_output", "mlp_output"], positions=["subject_last", "last"])
except KeyboardInterrupt:
    print("stopped after", time.time() - start)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=100)
    assert done.returncode == 0, done.stderr
    assert float(done.stdout.split()[-1]) < 6, done.stdout
