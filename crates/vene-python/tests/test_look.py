"""A look inside: the same numbers as traces give, and the ways to ask for them."""

import json
import pickle

import numpy as np
import pytest
from conftest import ITALY, ROOT, ROWS, SPAIN, arrays, numbered

import vene


@pytest.fixture(scope="module")
def rows(tmp_path_factory):
    """More rows than two, in groups."""
    countries = {"Spain": " Madrid", "Italy": " Rome", "Japan": " Tokyo", "France": " Paris", "Peru": " Lima"}
    names = list(countries)
    return [
        {"base": f"The capital of {name} is", "target": countries[name], "foil": countries[other], "subject": name,
         "group": str(index % 4)}
        for index, (name, other) in enumerate((name, other) for name in names for other in names if name != other)
    ]


def test_the_lens_is_the_norm_and_the_unembedding_of_the_stream(model):
    seen = model.lens(SPAIN, tokens=[" Madrid"], count=2)
    table = seen.table.to_dict()
    assert len(seen.table) == 5 * 9 and len(seen.likeliest) == 2 * len(seen.table)
    stream = model.trace(SPAIN, "block_output")
    weight, bias = model.weights["final_norm.weight"], model.weights["final_norm.bias"]
    madrid = model.weights["unembedding.weight"][model.tokenizer.encode(" Madrid")[-1]]
    for position in range(5):
        for layer in range(model.config.layers):
            rows = np.asarray(stream[f"block_output/{layer}"], dtype=np.float64)[position]
            normed = (rows - rows.mean()) / np.sqrt(rows.var() + 1e-5) * weight + bias
            at = position * 9 + 1 + layer
            assert table["layer"][at] == layer and table["position"][at] == position
            assert abs(table["logit"][at] - normed @ madrid) < 1e-4
    assert table["top"][-1] == "_Madrid" and table["kl"][-1] == 0


def test_numbers_are_those_of_pytorch(tmp_path):
    path = ROOT / "fixtures/inspect/llama-gqa.safetensors"
    expected = arrays(path)
    header = path.read_bytes()[8 : 8 + int.from_bytes(path.read_bytes()[:8], "little")]
    case = json.loads(json.loads(header)["__metadata__"]["case"])
    llama = vene.load(numbered("llama-gqa", tmp_path))
    parts = llama.attribute(case["prompt"], case["target"], case["foil"], direct=True)
    table = parts.table.to_pandas()
    heads = table[table.component == "head"]
    for column, name in (("contribution", "heads"), ("direct_effect", "direct_heads")):
        assert np.allclose(heads[column].to_numpy(), expected[name].ravel(), atol=2e-5 * abs(expected["heads"]).max())
    assert abs(table.contribution.sum() - parts.totals.to_dict()["logit"][0]) < 1e-4
    scores = llama.head_scores(case["prompt"]).table.to_pandas()
    found = scores[["previous_token", "duplicate_token", "induction"]].to_numpy()
    assert np.allclose(found, expected["scores"].reshape(-1, 3), atol=1e-5)


def test_edits_are_seen(model):
    patch = {"edit": [{
        "intervention": "interchange", "component": "block_output", "layer": 2, "positions": {"phrase": "Spain"},
        "from": {"phrase": "Italy"}}]}
    seen = model.lens(SPAIN, positions="last", plan=patch, sources=[ITALY]).table.to_dict()
    assert seen["top"][-1] == "_Rome" and seen["asked"][-1] == "prediction"


def test_rows_have_a_summary(model, rows):
    seen = model.attribute(data=rows, direct=True, resamples=200)
    summary = seen.summary.to_pandas()
    assert set(summary.metric) == {"contribution", "direct_effect"} and set(summary.n) == {20}
    of_rows = seen.table.to_pandas()
    one = of_rows[(of_rows.layer == 6) & (of_rows["head"] == 0)].contribution
    mean = summary[(summary.layer == 6) & (summary["head"] == 0) & (summary.metric == "contribution")]
    assert len(one) == 20 and abs(one.mean() - mean["mean"].item()) < 1e-12
    assert mean.low.item() < mean["mean"].item() < mean.high.item() and mean.clusters.item() == 4
    assert len(seen.totals) == 20
    lens = model.lens(data=rows, positions=["subject_last", "last"], limit=5).summary.to_pandas()
    assert set(lens.role) == {"subject_last", "last"} and set(lens.asked) == {"target", "foil"}
    assert model.head_scores(data=ROWS).summary.to_pandas().metric.nunique() == 3


def test_patterns_are_the_trace_s(model, tmp_path):
    seen = model.attention(SPAIN, layers=[3, 5], heads=[0, 2])
    assert seen.heads == [(3, 0), (3, 2), (5, 0), (5, 2)] and seen.weights.shape == (4, 5, 5)
    trace = model.trace(SPAIN, "attention_weight")
    assert np.array_equal(seen.weights[1], trace["attention_weight/3"][2])
    assert len(seen.table) == 4 * 15
    seen.save(tmp_path / "page.html")
    page = (tmp_path / "page.html").read_text()
    assert "L5H2" in page and "http" not in page and page.count("</script>") == 1
    assert "srcdoc" in seen._repr_html_()


def test_weights_are_read_by_name(model):
    weights = model.weights
    assert weights.shapes["layers.0.query.weight"] == (128, 128) and len(weights) == len(list(weights)) > 100
    assert "layers.0.query.weight" in weights and "layers.99.query.weight" not in weights
    assert weights["layers.0.query.weight"].dtype == np.float32
    assert np.array_equal(weights["unembedding.weight"], weights["embedding.weight"])
    assert weights.get("layers.0.querry.weight") is None
    with pytest.raises(KeyError, match="did you mean `layers.0.query.weight`"):
        weights["layers.0.querry.weight"]
    # What the second head of layer 1 reads by its values of what the first of layer 0 writes.
    norm = weights["layers.1.attention_norm.weight"]
    output, value = weights["layers.0.attention_output.weight"][:, :32], weights["layers.0.value.weight"][:32]
    first = output.astype(np.float64) @ (value * weights["layers.0.attention_norm.weight"])
    output, value = weights["layers.1.attention_output.weight"][:, 32:64], weights["layers.1.value.weight"][32:64]
    second = output.astype(np.float64) @ (value * norm)
    share = np.linalg.norm(second @ first) / (np.linalg.norm(second) * np.linalg.norm(first))
    table = model.compositions("value").to_pandas()
    [found] = table[(table.layer == 1) & (table["head"] == 1) & (table.earlier_layer == 0) & (table.earlier_head == 0)].composition
    assert abs(found - share) < 1e-6


def test_heads_copy_as_the_whole_circuit_says(model):
    output, value = model.weights["layers.7.attention_output.weight"][:, :32], model.weights["layers.7.value.weight"][:32]
    value = value * model.weights["layers.7.attention_norm.weight"].astype(np.float64)
    unembedding = model.weights["unembedding.weight"] * model.weights["final_norm.weight"].astype(np.float64)
    inner = value @ model.weights["embedding.weight"].T.astype(np.float64) @ unembedding @ output
    values = np.linalg.eigvals(inner)
    table = model.copying().to_pandas()
    found = table[(table.layer == 7) & (table["head"] == 0)].copying.item()
    assert len(table) == 32 and abs(found - values.real.sum() / np.abs(values).sum()) < 1e-6


def test_a_look_can_be_pickled(model):
    seen = model.lens(SPAIN, positions="last")
    assert pickle.loads(pickle.dumps(seen)) == seen


@pytest.mark.parametrize(
    ("ask", "says"),
    [
        (lambda model: model.lens(), "a prompt is looked at, or a data set"),
        (lambda model: model.lens(SPAIN, data=ROWS), "a prompt is looked at, or a data set"),
        (lambda model: model.lens(SPAIN, limit=3), "about a data set"),
        (lambda model: model.lens(data=ROWS, tokens=" Madrid"), "targets and foils of their own"),
        (lambda model: model.lens(SPAIN, positions="subject_last"), "names no position of a prompt"),
        (lambda model: model.lens(SPAIN, positions=[9]), "9"),
        (lambda model: model.lens(data=ROWS, positions="object_last"), "object"),
        (lambda model: model.attribute(SPAIN, foil=" Rome"), "a foil is compared with a token"),
        (lambda model: model.attribute(SPAIN, 10**6), "there is no token 1000000"),
        (lambda model: model.attention(SPAIN, layers=[8]), "there is no layer 8"),
        (lambda model: model.compositions("queries"), "There are query, key, value"),
    ],
)
def test_what_cannot_be_asked_is_refused(model, ask, says):
    with pytest.raises(vene.VeneError, match=says):
        ask(model)


CONTINENTS = [
    {"base": f"The capital of {one} is", "source": f"The capital of {other} is", "subject": one, "source_subject": other}
    for one, other in (("Spain", "Japan"), ("Italy", "India"), ("France", "China"), ("Poland", "Iran"), ("Greece", "Iraq"))
]


def test_a_direction_tells_continents_apart_and_steers(model):
    found = model.direction(CONTINENTS, position="subject_last", layers=[0, 6], resamples=50)
    auc = {row["layer"]: row["mean"] for row in found.table.to_dicts() if row["metric"] == "auc"}
    assert auc[6] > 0.9 and set(found.vectors) == {0, 6} and found.best in (0, 6)
    assert found.vectors[6].shape == (model.config.d_model,) and len(found.pairs) == 10
    # The difference of means is what the activations' means are apart.
    def mean(side):
        return np.mean([np.asarray(model.trace(row[side])["block_output/6"])[3] for row in CONTINENTS], axis=0)

    np.testing.assert_allclose(found.vectors[6], mean("base") - mean("source"), rtol=0, atol=1e-3)
    edited = model.run({"edit": [found.edit(1.0, layer=6, positions=0)]}, "Japan is a country in")
    assert edited is not None
    turned = [{**row, "target": " a", "foil": " b"} for row in CONTINENTS]
    same = model.direction(turned, position="subject_last", layers=[6], positive=" b", resamples=50)
    np.testing.assert_allclose(same.vectors[6], -found.vectors[6], rtol=0, atol=1e-4)
    for wrong, said in [
        ({"method": "guess"}, "guess"), ({"component": "guess"}, "guess"), ({"layers": [99]}, "99"), ({"positive": " c"}, "side"),
        ({"position": "object"}, "object"),
    ]:
        with pytest.raises(vene.VeneError) as told:
            model.direction(CONTINENTS, **wrong)
        assert said in str(told.value)
    with pytest.raises(vene.VeneError, match="there is no direction of layer 3"):
        found.edit(layer=3)
