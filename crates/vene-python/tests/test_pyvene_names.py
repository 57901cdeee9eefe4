"""pyvene's names: as `vene`'s, by pyvene's own paths, and modules by theirs."""

import subprocess
import sys
import warnings

import numpy as np
import pytest
from conftest import numbered

import vene
from vene import IntervenableModel
from vene import pyvene as pv

SCRIPT = """
import vene.pyvene
vene.pyvene.take_over()
import pyvene
from pyvene.models.basic_utils import embed_to_distrib, top_vals
from pyvene.models.configuration_intervenable_model import IntervenableConfig, RepresentationConfig
from pyvene.models.intervenable_base import IntervenableModel
from pyvene.models.intervention_utils import _do_intervention_by_swap
from pyvene.models.interventions import VanillaIntervention
from pyvene.data_generators.causal_model import CausalModel
assert pyvene.IntervenableModel is IntervenableModel is vene.IntervenableModel
assert pyvene.models.constants.CONST_OUTPUT_HOOK == "register_forward_hook"
print("taken over")
"""


def test_pyvenes_paths_are_venes():
    done = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True)
    assert done.stdout == "taken over\n", done.stderr


def test_all_names_are_the_packages():
    for name in pv.__all__:
        assert getattr(vene, name) is getattr(pv, name)
    with pytest.raises(AttributeError, match="NoSuchIntervention"):
        vene.NoSuchIntervention  # noqa: B018


@pytest.mark.parametrize(("path", "component"), [
    ("layers[1].mlp.output", "mlp_output"),
    ("model.layers[1].self_attn.o_proj.input", "attention_value_output"),
    ("layers[1].input", "block_input"),
    ("layers[1].self_attn.k_proj.output", "key_output"),
])
def test_llamas_modules(tmp_path, path, component):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = vene.load(str(numbered("llama-gqa", tmp_path)))
    base, source = ({"input_ids": np.asarray([row])} for row in ([3, 14, 15, 9, 26], [11, 4, 30, 2, 6]))
    places = [{"component": path}, {"layer": 1, "component": component}]
    outputs = [IntervenableModel(place, model)(base, source, {"sources->base": 2})[1] for place in places]
    assert np.array_equal(*(np.asarray(output.last_hidden_state) for output in outputs))
    unedited = np.asarray(model(base["input_ids"]).last_hidden_state)
    assert np.abs(np.asarray(outputs[0].last_hidden_state) - unedited).max() > 1e-4
