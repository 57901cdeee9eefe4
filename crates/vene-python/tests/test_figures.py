"""Pictures of results: drawn as the command draws them, and as documents for those who style their own."""

import json

import pytest
from conftest import ITALY, ROWS, SPAIN

import vene


@pytest.fixture(scope="module")
def pair(model):
    return model.sweep(
        SPAIN, ITALY, components=["mlp_output", "block_output"], tokens=[" Madrid", " Rome"], metric="logit_difference",
        target=" Madrid", foil=" Rome")


@pytest.fixture(scope="module")
def over_rows(model):
    return model.sweep(data=ROWS, components="block_output", positions=["subject_last", "last"], resamples=60)


def test_they_are_the_commands(pair, over_rows, tmp_path):
    assert pair.figures == ["heatmap", "effects", "bars", "effects-logit_difference"]
    assert over_rows.figures == ["mean", "interval_width", "sign_agreement", "strips", "profile"]
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in ROWS))
    said = {
        "kind": "sweep", "model": {"id": "embedded"}, "data": {"path": str(tmp_path / "rows.jsonl")},
        "sweep": {"components": ["block_output"], "positions": "subject_last,last"}, "statistics": {"resamples": 60}}
    run = vene.run(said, tmp_path / "run")
    for name in over_rows.figures:
        assert over_rows.plot(name).svg == (run.folder / f"{name}.svg").read_text()


def test_they_are_shown_and_saved(pair, tmp_path):
    figure = pair.plot()
    assert figure._repr_svg_() == figure.svg == pair.plot("heatmap").svg and figure.svg.startswith("<svg")
    assert "Spain" in figure.svg and figure.svg in pair._repr_html_()
    assert figure.save(tmp_path / "map.svg").read_text() == figure.svg
    assert figure.save(tmp_path / "map.png").read_bytes().startswith(b"\x89PNG")
    with pytest.raises(vene.InputError, match=r"\.svg or \.png, not as \.pdf"):
        figure.save(tmp_path / "map.pdf")
    with pytest.raises(vene.InputError, match="no figure heat; there are heatmap, effects"):
        pair.plot("heat")


def test_a_document_of_vega(pair, over_rows):
    document = pair.vega()
    assert document["$schema"].endswith("vega-lite/v5.json")
    rows = document["data"]["values"]
    assert len(rows) == len(pair.tokens) and len({row["panel"] for row in rows}) == 4
    assert document["spec"]["encoding"]["x"]["field"] == "position"
    assert {row["probability"] for row in rows} == set(pair.tokens.to_dict()["probability"])
    document = over_rows.vega()
    assert document["encoding"]["x"]["field"] == "role" and document["encoding"]["color"]["field"] == "mean"
    json.dumps(document)


def test_a_chart_of_altair(pair, over_rows):
    altair = pytest.importorskip("altair")
    for swept in (pair, over_rows):
        chart = swept.altair()
        assert isinstance(chart, altair.TopLevelMixin)
        # Altair checks the document against Vega-Lite's own schema when it writes it.
        document = chart.to_dict()
        assert len(json.dumps(document)) > len(json.dumps(swept.vega()["data"]))


def test_a_plan_over_rows(model):
    plan = {
        "edit": [{
            "intervention": "interchange", "component": "block_output", "layer": "$l",
            "positions": {"role": "subject_last"}}],
        "grid": {"l": "all"}}
    ran = model.run(plan, data=ROWS, resamples=60)
    assert ran.figures == ["effects"] and ran.plot().svg in ran._repr_html_()
    nothing = model.run({"collect": [{"component": "final_norm"}]}, data=[{"base": SPAIN}])
    assert nothing.figures == [] and nothing.summary is None
    with pytest.raises(vene.InputError, match="nothing was measured"):
        nothing.plot()
