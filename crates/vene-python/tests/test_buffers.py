"""Numbers are shared with NumPy and PyTorch, not copied."""

import gc

import numpy as np
import pytest
from conftest import ITALY, SPAIN

from vene import _vene


def values(model):
    plan = _vene.Plan.parse(model._model, '{"kind": "plan"}').collecting("block_output", 2)
    tokens = list(model.tokens(SPAIN))
    return _vene.Session(model._model, [tokens]).run(plan, tokens, []).activation("block_output", 2)


def test_arrays_share_memory(model):
    given = values(model)
    one, other = np.asarray(given), np.asarray(given)
    assert np.shares_memory(one, other) and one.dtype == np.float32 == np.dtype(given.dtype)
    assert one.shape == (5, model.config.d_model) and one.flags.c_contiguous and one.flags.writeable
    one[3, 7] = 42
    assert other[3, 7] == 42


def test_a_view_outlives_its_owner(model):
    given = values(model)
    array = np.asarray(given)
    expected = array.copy()
    del given
    gc.collect()
    np.zeros(array.size * 8, dtype=np.float32)
    assert np.array_equal(array, expected)


def test_the_buffer_says_what_it_is(model):
    view = memoryview(values(model))
    width = model.config.d_model
    assert (view.format, view.itemsize, view.ndim, view.shape) == ("f", 4, 2, (5, width))
    assert view.strides == (4 * width, 4) and view.c_contiguous and not view.readonly
    # As those who know no shapes ask for it.
    assert bytes(view) == np.asarray(view).tobytes() == bytes(values(model))


def test_what_is_written_into_an_array_is_its_own(model):
    outcome = model.run({"collect": [{"component": "block_output", "layer": 2}]}, SPAIN)
    first = outcome.activation("block_output", 2)
    first[:] = 0
    assert np.any(outcome.activation("block_output", 2))
    assert outcome.logits().dtype == np.float64


def test_pytorch_shares_them(model):
    torch = pytest.importorskip("torch")
    array = np.asarray(values(model))
    for tensor in (torch.from_dlpack(array), torch.from_numpy(array)):
        tensor[0, 0] = 7
        assert array[0, 0] == 7
        array[0, 0] = 0


@pytest.mark.parametrize(("rows", "said"), [
    (np.zeros(3, np.float32), "1 dimensions"),
    (np.zeros((2, 3), np.float32), "rows of 3"),
    (np.zeros((2, 3), np.float64), "buffer"),
])
def test_other_arrays_are_refused(model, rows, said):
    with pytest.raises((ValueError, BufferError, Exception), match=said):
        model._model.logits(rows)


def test_logits_of_rows_that_lie_apart(model):
    hidden = model.trace(ITALY)["final_norm"]
    both = np.asarray(model._model.logits(hidden[[0, 4]]))
    strided = np.asarray(model._model.logits(np.concatenate([hidden, hidden], axis=1)[:, : hidden.shape[1]]))
    assert np.array_equal(both, strided[[0, 4]])
