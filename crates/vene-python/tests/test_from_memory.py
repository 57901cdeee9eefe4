"""Models made of what is in memory: arrays, and where PyTorch is there, models of transformers and pyvene."""

import copy
import json
import pickle

import numpy as np
import pytest
from conftest import ROOT, arrays, numbered

import vene

MODELS = ROOT / "fixtures/models"
PROMPT = [3, 17, 4, 9, 33, 2]


def config_of(name: str) -> dict:
    return json.loads((MODELS / name / "config.json").read_text())


def of_arrays(folder: str, **options) -> vene.Model:
    return vene.from_tensors(config_of(folder), arrays(MODELS / folder / "model.safetensors"), **options)


def logits(model: vene.Model, prompt: list[int] = PROMPT) -> np.ndarray:
    """`[positions, vocabulary]`"""
    return np.asarray(model(np.array([prompt])).logits)[0]


@pytest.mark.parametrize("name", ["gpt2-plain", "llama-gqa", "gemma3-plain", "gpt_neox-parallel", "mlp-plain", "gru-plain"])
@pytest.mark.filterwarnings("ignore")
def test_arrays_are_the_model_that_their_file_is(name, tmp_path):
    of_file, of_memory = vene.load(str(numbered(name, tmp_path))), of_arrays(name, name="mine")
    assert of_memory.identity == of_file.identity
    assert of_memory.name == "mine" and of_memory.config == of_file.config
    assert np.array_equal(logits(of_memory), logits(of_file))
    # Without a tokenizer a text is a list of numbers.
    assert of_memory.tokens("3 17 4") == (3, 17, 4)


def test_the_arrays_may_go(tmp_path):
    tensors = arrays(MODELS / "gpt2-plain/model.safetensors")
    tensors = {name: tensor.copy() for name, tensor in tensors.items()}
    model = vene.from_tensors(config_of("gpt2-plain"), tensors)
    tensors.clear()
    assert np.array_equal(logits(model), logits(of_arrays("gpt2-plain")))


def test_any_order_in_memory_is_the_same_model():
    tensors = arrays(MODELS / "gpt2-plain/model.safetensors")
    turned = {name: np.asfortranarray(tensor).astype(">f4") for name, tensor in reversed(tensors.items())}
    model = vene.from_tensors(config_of("gpt2-plain"), turned)
    assert model.identity == of_arrays("gpt2-plain").identity
    assert np.array_equal(logits(model), logits(of_arrays("gpt2-plain")))


def test_half_precision_stays():
    tensors = arrays(MODELS / "llama-gqa/model.safetensors")
    halves = {name: tensor.astype(np.float16) for name, tensor in tensors.items()}
    model = vene.from_tensors(config_of("llama-gqa"), halves)
    widened = {name: tensor.astype(np.float32) for name, tensor in halves.items()}
    same = vene.from_tensors(config_of("llama-gqa"), widened)
    assert model.identity != same.identity
    assert np.array_equal(logits(model), logits(same))
    assert not np.array_equal(logits(model), logits(of_arrays("llama-gqa")))


def test_a_tokenizer_in_a_folder(tmp_path):
    folder = numbered("gpt2-plain", tmp_path)
    model = of_arrays("gpt2-plain", tokenizer=folder)
    assert model.tokenizer.encode("17") == [17]
    # To this one it is a word that it does not know.
    assert model.tokens("3 17 4") == (0,)


@pytest.mark.parametrize(
    ("change", "error", "said"),
    [
        (lambda config, tensors: tensors.popitem(), vene.ModelError, "has no tensor `transformer.wte.weight`"),
        (lambda config, tensors: tensors.update(x=np.zeros(3, np.float32)), vene.ModelError, "`x`"),
        (lambda config, tensors: tensors.update({"transformer.wte.weight": np.zeros((3, 3), np.float32)}), vene.ModelError, "[3, 3]"),
        (lambda config, tensors: tensors.update({"transformer.ln_f.bias": np.zeros(20, np.int64)}), vene.ModelError, "stored as I64"),
        (lambda config, tensors: tensors.update({"transformer.ln_f.bias": [1.0, 2.0]}), vene.InputError, "given a list"),
        (lambda config, tensors: config.update(model_type="bert"), vene.ModelError, "bert"),
        (lambda config, tensors: config.update(n_head=3), vene.ModelError, "multiple of 3"),
    ],
)
def test_what_is_wrong_is_named(change, error, said):
    config, tensors = config_of("gpt2-plain"), arrays(MODELS / "gpt2-plain/model.safetensors")
    change(config, tensors)
    with pytest.raises(error) as raised:
        vene.from_tensors(config, tensors)
    assert said in str(raised.value)


def test_it_is_not_pickled_by_a_name_that_no_file_has():
    model = of_arrays("gpt2-plain", name="mine")
    assert copy.deepcopy(model) is model
    with pytest.raises(TypeError, match="mine was made of what is in memory.*vene.load"):
        pickle.dumps(model)


def test_what_is_no_tokenizer_is_refused(tmp_path):
    for wrong, said in [(tmp_path, "has no file of a tokenizer"), (17, "given a int")]:
        with pytest.raises(vene.InputError, match=said):
            of_arrays("gpt2-plain", tokenizer=wrong)
    with pytest.raises(vene.InputError, match="given a dict"):
        vene.from_transformers({})
