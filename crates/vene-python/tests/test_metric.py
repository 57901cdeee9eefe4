"""Functions as metrics: in sweeps of pairs and rows, and in plans over rows."""

import numpy as np
import pytest
from conftest import ITALY, ROWS, SPAIN

import vene

PATCH = {"edit": [{
    "intervention": "interchange", "component": "block_output", "layer": 2, "positions": {"role": "subject_last"}}]}


@vene.metric
def divergence(log_probabilities, unedited_log_probabilities):
    """The built-in `kl`."""
    p = unedited_log_probabilities
    return (np.exp(p) * (p - log_probabilities)).sum()


@vene.metric(rowwise=True)
def difference(target_logits, foil_logits):
    """The built-in `logit_difference`."""
    return target_logits[:, 0] - foil_logits[:, 0]


def by_metric(table, name, column):
    columns = table.to_dict()
    return [value for metric, value in zip(columns["metric"], columns[column], strict=True) if metric == name]


@pytest.mark.parametrize("columns", [("mean", "low", "high")])
def test_functions_are_the_built_in_ones(model, columns):
    swept = model.sweep(
        data=ROWS, components="block_output", layers="0..3", positions=["subject_last", "last"],
        metric=["kl", divergence, "logit_difference", difference])
    ran = model.run(PATCH, data=ROWS, metric=["kl", divergence, "logit_difference", difference])
    for table in (swept.summary, ran.summary):
        for built_in, own in (("kl", "divergence"), ("logit_difference", "difference")):
            for column in columns:
                expected = by_metric(table, built_in, column)
                assert len(expected) >= 1 and None not in expected
                np.testing.assert_allclose(by_metric(table, own, column), expected, rtol=0, atol=1e-9)
    assert max(by_metric(swept.summary, "kl", "mean")) > 1


def test_a_pair(model):
    def best(probabilities):
        return probabilities.max()

    swept = model.sweep(SPAIN, ITALY, components="block_output", layers=2, positions="all", metric=best)
    outcome = model.run(
        {"edit": [{"intervention": "interchange", "component": "block_output", "layer": 2, "positions": 3}]}, SPAIN, [ITALY])
    columns = swept.examples.to_dict()
    patched = columns["value"][columns["position"].index(3)]
    assert abs(patched - outcome.probabilities().max()) < 1e-9


def test_how_often_it_is_called(model):
    shapes = {"one": [], "all": []}

    def one(logits):
        shapes["one"].append(logits.shape)
        return logits[0]

    def everything(logits):
        shapes["all"].append(logits.shape)
        return logits[:, 0]

    ran = model.run(PATCH, data=ROWS * 3, metric=[one, vene.metric(everything, rowwise=True)])
    examples = ran.examples
    np.testing.assert_array_equal(by_metric(examples, "one", "value"), by_metric(examples, "everything", "value"))
    vocabulary = model.config.vocabulary
    assert set(shapes["one"]) == {(vocabulary,)} and (6, vocabulary) in shapes["all"]
    # Rows in which noise is measured are runs of their own.
    assert len(shapes["one"]) == sum(rows for rows, _ in shapes["all"]) > len(shapes["all"])


def test_activations(model):
    seen = []

    @vene.metric(reads={"mlp": ("blocks.5.hook_mlp_out",), "pattern": ("attention_weight", 3, "subject_last")})
    def norms(mlp, pattern):
        seen.append(pattern.shape)
        return np.linalg.norm(mlp)

    ran = model.run(PATCH, data=ROWS[:1], metric=norms)
    trace = model.trace(SPAIN)
    (unedited,) = by_metric(ran.examples, "norms", "base_value")
    assert abs(unedited - np.linalg.norm(trace["mlp_output/5"][-1])) < 1e-4
    assert set(seen) == {(model.config.heads, 1, 5)}


def test_pytorch(model):
    torch = pytest.importorskip("torch")

    @vene.metric(torch=True, rowwise=True)
    def entropy(logits):
        assert isinstance(logits, torch.Tensor)
        return torch.distributions.Categorical(logits=logits).entropy()

    def own(log_probabilities):
        return -(np.exp(log_probabilities) * log_probabilities).sum()

    ran = model.run(PATCH, data=ROWS, metric=[entropy, own])
    np.testing.assert_allclose(by_metric(ran.examples, "entropy", "value"), by_metric(ran.examples, "own", "value"), atol=1e-9)


@pytest.mark.parametrize("rowwise", [False, True])
def test_what_it_raises_is_the_cause(model, rowwise):
    calls = []

    def fails(logits):
        calls.append(logits)
        if len(calls) > 1:
            raise ZeroDivisionError("here")
        return logits[..., 0]

    with pytest.raises(vene.RunError, match=r"the metric fails, .*row 0.*ZeroDivisionError: here") as raised:
        model.run(PATCH, data=ROWS[:1], metric=vene.metric(fails, rowwise=rowwise))
    cause = raised.value.__cause__
    assert isinstance(cause, ZeroDivisionError)
    assert cause.__traceback__.tb_next.tb_frame.f_code.co_name == "fails"


def test_a_wish_to_end_is_raised_itself(model):
    def ends(logits):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        model.run(PATCH, data=ROWS, metric=ends)


@pytest.mark.parametrize(("metric", "error", "said"), [
    (lambda logits: float("nan"), vene.RunError, "finite number"),
    (lambda logits: "x", vene.RunError, "could not convert"),
    (vene.metric(lambda logits: logits[:, :2], rowwise=True), vene.RunError, r"shape \(2, 2\) for 2 rows"),
    (lambda x: 0.0, vene.InputError, "called after what they read: logits"),
    (abs, vene.InputError, "without names"),
    ([lambda logits: 0.0, lambda logits: 1.0], vene.InputError, "two metrics are called lambda"),
    (7, vene.InputError, "expected names and functions|not iterable"),
    ("surprise", vene.VeneError, "surprise"),
    (vene.metric(lambda mlp: 0.0, reads={"mlp": ("mlp_outptu", 2)}), vene.PlanError, "mlp_outptu"),
    (vene.metric(lambda mlp: 0.0, reads={"mlp": ("mlp_output", 99)}), vene.VeneError, "99"),
])
def test_what_is_wrong_is_told(model, metric, error, said):
    with pytest.raises(error, match=said):
        model.run(PATCH, data=ROWS, metric=metric)


def test_a_name_that_is_no_parameter():
    with pytest.raises(vene.InputError, match="has no parameter `mpl`"):
        vene.metric(lambda logits: 0.0, reads={"mpl": ("mlp_output", 2)})
