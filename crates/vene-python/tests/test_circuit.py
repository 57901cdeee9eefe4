"""Edges, paths, circuits: what the command measures, in memory; files of graphs."""

import json

import numpy as np
import pytest
from conftest import ROWS

import vene

DATA = [ROWS[0], {**ROWS[1], "base": "The capital of Peru is", "target": " Lima"}]


@pytest.fixture(scope="module")
def edges(model):
    return model.edges(DATA, method="eap", resamples=50)


def test_edges_are_scored_exactly_and_by_gradients(model, edges):
    exact = model.edges(DATA, senders=["m0", "a1.h0"], receivers="logits,m4", resamples=50)
    found = {(row["sender"], row["receiver"]): row for row in exact.table.to_dicts()}
    assert len(found) == 4 and len(exact.examples) == 8
    row = found["m0", "m4"]
    assert row["method"] == "exact" and row["low"] <= row["mean"] <= row["high"]
    effects = [one["effect"] for one in exact.examples.to_dicts() if (one["sender"], one["receiver"]) == ("m0", "m4")]
    np.testing.assert_allclose(np.mean(effects), row["mean"], rtol=1e-12)
    assert len(edges.table) == len(model.graph().edges)
    assert "<svg" in exact.plot().svg and "edges" in edges.figures


def test_an_edge_to_the_logits_is_a_path_to_them(model):
    exact = model.edges(DATA, senders="a6.h3", receivers="logits", positions="last", resamples=50)
    path = model.paths(DATA, "logits", senders="a6.h3", positions="last", resamples=50)
    np.testing.assert_allclose(path.table.to_dict()["mean"], exact.table.to_dict()["mean"], rtol=0, atol=1e-9)
    through = model.paths(DATA, "logits", senders="a1.h1", through="mlps", positions="last", resamples=50)
    direct = model.paths(DATA, "logits", senders="a1.h1", positions="last", resamples=50)
    assert through.table.to_dict()["mean"] != direct.table.to_dict()["mean"]
    assert through.table.to_dict()["through"] == ["mlps"]
    together = model.paths(DATA, ["m4", "logits"], senders=["a1.h1", "m2"], together=True, resamples=50)
    assert together.table.to_dict()["sender"] == ["a1.h1+m2"]


def test_circuits_of_growing_size(model, edges, tmp_path):
    curve = model.faithfulness(DATA, edges, shares=[0.02, 0.2, 1], resamples=50)
    of = {(row["role"], row["share"]): row["faithfulness"] for row in curve.table.to_dicts()}
    assert of["circuit", 1.0] == pytest.approx(1, abs=1e-5) and of["complement", 1.0] == pytest.approx(0, abs=1e-5)
    assert of["circuit", 0.2] > 0.8 > of["complement", 0.2]
    assert all(of["self_swap", share] == pytest.approx(1, abs=1e-4) for share in (0.02, 0.2, 1.0))
    assert curve.areas.to_dict()["metric"][0] == "logit_difference"
    # The same circuit from the graph, and from its file.
    graph = edges.graph().first(0.2)
    alone = model.faithfulness(DATA, graph, resamples=50)
    saved = model.faithfulness(DATA, graph.save(tmp_path / "circuit.json"), resamples=50)
    for one in (alone, saved):
        first = next(row for row in one.table.to_dicts() if row["role"] == "circuit")
        assert first["faithfulness"] == pytest.approx(of["circuit", 0.2], abs=1e-6)
        assert first["edges"] == len(graph)


def test_graphs_are_those_of_eap_ig(model, edges, tmp_path):
    graph = edges.graph().first(50, "signed", prune=False)
    assert len(graph) == 50 and all(edge in graph for edge in graph.circuit)
    text = json.loads(graph.save(tmp_path / "graph.json").read_text())
    assert set(text) == {"cfg", "nodes", "edges"} and text["cfg"]["n_layers"] == model.config.layers
    assert sum(edge["in_graph"] for edge in text["edges"].values()) == 50
    read = vene.Graph.load(tmp_path / "graph.json", model)
    assert read.circuit == graph.circuit and read.scores == graph.scores
    assert vene.Graph.load(graph.save(tmp_path / "graph.graphml"), model).circuit == graph.circuit
    worst = min(graph.scores, key=graph.scores.get)
    assert worst in graph
    loose = vene.Graph(model, circuit=["input->logits", "m2->a5.h0<q>"])
    assert loose.pruned().circuit == {"input->logits"}
    assert "input" in graph.senders and "logits" in graph.receivers and "2 of" in repr(loose)


def test_pairs_of_heads(model):
    found = model.pairs(DATA, ["a5.h0", "a6.h3", "a7.h2"], shapley=4, resamples=50)
    assert len(found.table) == 3 and len(found.heads) == 3
    rows = found.examples.to_dicts()
    both = next(row for row in rows if row["term"] == "pair")
    alone = [row["effect"] for row in rows if row["term"] == "single" and row["example"] == both["example"]
             and row["first"] in (both["first"], both["second"])]
    np.testing.assert_allclose(both["effect"] - sum(alone), both["interaction"], rtol=0, atol=1e-9)


def test_a_model_is_scrubbed(model, tmp_path):
    rows = [
        {"base": template.replace("X", country), "target": f" {city}", "subject": country, "group": template}
        for country, city in (("Spain", "Madrid"), ("Italy", "Rome"), ("Japan", "Tokyo"))
        for template in ("The old capital of X is", "The new capital of X is")
    ]
    whole = tmp_path / "whole.toml"
    whole.write_text('logits = ["all"]\n[nodes.all]\nsenders = ["rest"]\nagrees = ["tokens"]\n')
    late = [f"a{layer}.h{head}" for layer in range(4, 8) for head in range(4)] + [f"m{layer}" for layer in range(4, 8)]
    country = {"name": "country", "logits": ["late"], "nodes": {"late": {"senders": late, "agrees": ["subject"]}}}
    found = model.scrub(rows, [whole, country, {"name": "nothing", "logits": []}], draws=3, resamples=50)
    table = found.table.to_dict()
    assert table["hypothesis"] == ["whole", "country", "nothing"] and table["runs"] == [18] * 3
    np.testing.assert_allclose(table["mean_value"][0], table["mean_base_value"][0], rtol=0, atol=1e-4)
    np.testing.assert_allclose(table["mean_value"][2], table["mean_baseline_value"][2], rtol=0, atol=1e-9)
    assert table["mean_value"][1] > table["mean_value"][2] + 3
    claims = {(row["hypothesis"], row["node"]): row["candidates"] for row in found.claims.to_dicts()}
    assert claims == {("whole", "all"): 1.0, ("country", "late"): 2.0}
    assert len(found.examples) == 3 * 6 * 3
    with pytest.raises(vene.VeneError, match="did you mean `agrees`"):
        model.scrub(rows, {"logits": ["late"], "nodes": {"late": {"senders": late, "agree": ["subject"]}}})
    with pytest.raises(vene.VeneError, match="none.toml"):
        model.scrub(rows, tmp_path / "none.toml")


@pytest.mark.parametrize(("wrong", "said"), [
    (lambda model, _: model.edges(DATA, method="guess"), "guess"),
    (lambda model, _: model.edges(DATA, limits=3), "limits is not known here"),
    (lambda model, _: model.edges(DATA, method="eap", norm="frozen"), "norm"),
    (lambda model, _: model.paths(DATA, "a99.h0<q>"), "a99.h0<q>"),
    (lambda model, _: model.paths(DATA, "a0.h0<q>", senders="m4"), "no receiver reads m4"),
    (lambda model, _: model.faithfulness(DATA, 3), "expected what model.edges gave"),
    (lambda model, edges: model.faithfulness(DATA, edges, shares=[0.5, 0.1]), "shares"),
    (lambda model, edges: edges.graph("kl"), "no scores of kl"),
    (lambda model, _: vene.Graph(model, circuit=["m4->m2"]).pruned(), "computed later"),
    (lambda model, _: vene.Graph(model).save("graph.txt"), "graphml"),
])
def test_what_is_wrong_is_told(model, edges, wrong, said):
    with pytest.raises(vene.VeneError) as told:
        wrong(model, edges)
    assert said in str(told.value)
