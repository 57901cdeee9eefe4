"""Models of transformers and pyvene that are in memory, held to what PyTorch computes with them.

They need PyTorch and transformers (4.52 and 5 are meant), and some pyvene: `scripts/peers` runs them with these.
"""

import gc
import json
import os

import numpy as np
import pytest

import vene

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

pytestmark = pytest.mark.filterwarnings("ignore")

TOLERANCE = 1e-4
SIZES = {"vocab_size": 67, "hidden_size": 24, "intermediate_size": 40, "num_hidden_layers": 3, "num_attention_heads": 4,
         "max_position_embeddings": 32}
PROMPT = [3, 17, 4, 9, 33, 2, 60]


def config(kind: str):
    grouped = {**SIZES, "num_key_value_heads": 2}
    # transformers 4.52 would pass over the other's key.
    is_old = transformers.__version__.startswith("4.")
    windows = {"sliding_window_pattern": 3} if is_old else {"layer_types": ["sliding_attention"] * 2 + ["full_attention"]}
    return {
        "gpt2": lambda: transformers.GPT2Config(vocab_size=67, n_embd=24, n_layer=3, n_head=4, n_positions=32),
        "llama": lambda: transformers.LlamaConfig(**grouped),
        "llama-tied": lambda: transformers.LlamaConfig(**grouped, tie_word_embeddings=True),
        "gemma3": lambda: transformers.Gemma3TextConfig(
            **grouped, head_dim=8, sliding_window=4, query_pre_attn_scalar=8, **windows),
        "qwen2": lambda: transformers.Qwen2Config(**grouped),
        "qwen3": lambda: transformers.Qwen3Config(**grouped, head_dim=8),
        "pythia": lambda: transformers.GPTNeoXConfig(**SIZES, rotary_pct=1.0),
        "mixtral": lambda: transformers.MixtralConfig(**grouped, num_local_experts=4, num_experts_per_tok=2),
        "mistral": lambda: transformers.MistralConfig(**grouped, sliding_window=4),
    }[kind]()


def random(kind: str, dtype=torch.float32):
    """A model with weights large enough that each of them matters."""
    torch.manual_seed(5)
    model = transformers.AutoModelForCausalLM.from_config(config(kind)).eval()
    for parameter in model.parameters():
        scale = 0.1 if parameter.dim() == 1 else 1.2 / parameter.shape[-1] ** 0.5
        parameter.data += scale * torch.randn(parameter.shape)
        # As it is loaded: rotary frequencies, which are no parameters, stay in single precision.
        parameter.data = parameter.data.to(dtype)
    return model


def expected(model) -> np.ndarray:
    """`[positions, vocabulary]`, by PyTorch in single precision."""
    with torch.no_grad():
        return model.float()(input_ids=torch.tensor([PROMPT])).logits[0].numpy()


def error(model: vene.Model, right: np.ndarray) -> float:
    """The largest one, relative to the largest logit."""
    found = np.asarray(model(np.array([PROMPT])).logits)[0]
    assert found.shape == right.shape
    return float(np.abs(found - right).max() / np.abs(right).max())


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16], ids=str)
@pytest.mark.parametrize("kind", ["gpt2", "llama", "llama-tied", "gemma3", "qwen2", "qwen3", "pythia", "mistral", "mixtral"])
def test_logits_are_pytorchs(kind, dtype, tmp_path):
    of_torch = random(kind, dtype)
    model = vene.from_transformers(of_torch)
    of_torch.save_pretrained(tmp_path)
    file = pytest.importorskip("safetensors.torch").load_file(tmp_path / "model.safetensors")
    saved = vene.from_tensors(json.loads((tmp_path / "config.json").read_text()), file)
    assert model.identity == saved.identity
    assert error(model, expected(of_torch)) < TOLERANCE


def test_double_precision(tmp_path):
    of_torch = random("llama")
    model = vene.from_transformers(of_torch, precision="double")
    with torch.no_grad():
        right = of_torch.double()(input_ids=torch.tensor([PROMPT])).logits[0].numpy()
    assert error(model, right) < 1e-6


def fast_tokenizer():
    tokenizers = pytest.importorskip("tokenizers")
    words = {f"w{number}": number for number in range(67)}
    fast = tokenizers.Tokenizer(tokenizers.models.WordLevel(words, unk_token="w0"))
    fast.pre_tokenizer = tokenizers.pre_tokenizers.WhitespaceSplit()
    fast.post_processor = tokenizers.processors.TemplateProcessing(single="w1 $A", special_tokens=[("w1", 1)])
    return fast


def test_a_tokenizer_of_transformers_keeps_its_settings():
    fast = transformers.PreTrainedTokenizerFast(tokenizer_object=fast_tokenizer(), bos_token="w1", eos_token="w2")
    of_torch = random("llama")
    of_torch.generation_config.eos_token_id = 2
    model = vene.from_transformers(of_torch, fast)
    for text in ["w5 w66 w7", "w1 w5"]:
        assert model.tokenizer.encode(text)[-2:] == fast.encode(text)[-2:]
    assert model.tokenizer.encode("w5 w66") == fast.encode("w5 w66") == [1, 5, 66]
    # One of the library alone.
    alone = vene.from_transformers(of_torch, fast_tokenizer())
    assert alone.tokenizer.encode("w5 w66") == [1, 5, 66]


def test_texts_end_where_the_model_says():
    of_torch = random("llama")
    of_torch.generation_config.eos_token_id = None
    greedy, = vene.from_transformers(of_torch).generate(PROMPT, max_new_tokens=8)
    assert greedy.end == "enough" and len(greedy.tokens) == 8
    of_torch.generation_config.eos_token_id = greedy.tokens[2]
    ended, = vene.from_transformers(of_torch).generate(PROMPT, max_new_tokens=8)
    assert ended.end == "stop" and ended.tokens == greedy.tokens[: greedy.tokens.index(greedy.tokens[2]) + 1]


def test_a_model_that_is_trained_on_is_another():
    of_torch = random("gpt2")
    model = vene.from_transformers(of_torch)
    identity, right = model.identity, expected(of_torch)
    with torch.no_grad():
        of_torch.transformer.h[1].mlp.c_fc.weight.mul_(1.5)
    assert model.identity == identity and error(model, right) < TOLERANCE
    again = vene.from_transformers(of_torch)
    assert again.identity != identity
    assert error(again, expected(of_torch)) < TOLERANCE < error(again, right)


def test_a_head_that_was_untied_is_its_own():
    of_torch = random("gpt2")
    of_torch.lm_head.weight = torch.nn.Parameter(of_torch.lm_head.weight + torch.randn_like(of_torch.lm_head.weight))
    assert error(vene.from_transformers(of_torch), expected(of_torch)) < TOLERANCE


def test_tensors_are_not_copied():
    def resident() -> int:
        with open("/proc/self/statm") as file:
            return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")

    # 128 MiB, nearly all in the embedding, which is the head too.
    wide = transformers.GPT2Config(vocab_size=2**17, n_embd=256, n_layer=1, n_head=4, n_positions=32)
    of_torch = transformers.GPT2LMHeadModel(wide).half().eval()
    gc.collect()
    before = resident()
    model = vene.from_transformers(of_torch)
    taken = resident() - before
    # vene's own form of the weights, in half precision: the embedding's rows and the unembedding's panels.
    assert taken < (192 << 20), f"{taken >> 20} MiB"
    assert model.config.vocabulary == 2**17


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (lambda: transformers.LlamaForSequenceClassification(config("llama")), "lm_head"),
        (lambda: random("gpt2").to("meta"), "meta"),
        (lambda: transformers.BertModel(transformers.BertConfig(
            vocab_size=20, hidden_size=8, num_hidden_layers=1, num_attention_heads=2, intermediate_size=8)), "bert"),
    ],
)
def test_what_is_not_known_is_refused(wrong, said):
    with pytest.raises(vene.VeneError) as raised:
        vene.from_transformers(wrong())
    assert said in str(raised.value).lower()


def test_models_without_a_head_are_wrapped_as_they_are():
    of_torch = transformers.LlamaModel(config("llama")).eval()
    base, source = ({"input_ids": torch.tensor([PROMPT[:3] + [token, 5]])} for token in (9, 8))
    original, edited = vene.IntervenableModel({"layer": 0, "component": "mlp_output"}, of_torch)(
        base, [source], {"sources->base": 3}, output_original_output=True)
    with torch.no_grad():
        torch.testing.assert_close(original.last_hidden_state, of_torch(**base).last_hidden_state, rtol=0, atol=1e-5)
    assert (edited.last_hidden_state - original.last_hidden_state).abs().max() > 1e-3
    with pytest.raises(vene.ModelError, match="Linear"):
        vene.IntervenableModel({"layer": 0, "component": "mlp_output"}, torch.nn.Linear(3, 3))


def test_pyvenes_own_networks():
    pytest.importorskip("pyvene")
    from pyvene.models.gru.modelings_gru import GRUConfig, GRUForClassification, GRULMHeadModel
    from pyvene.models.mlp.modelings_mlp import MLPConfig, MLPForClassification

    torch.manual_seed(3)
    shape = {"include_emb": True, "vocab_size": 67, "max_position_embeddings": 20, "pdrop": 0.0}
    networks = [
        MLPForClassification(MLPConfig(**shape, n_layer=3, h_dim=14, num_classes=5, activation_function="relu")),
        GRUForClassification(GRUConfig(**shape, n_layer=2, h_dim=12, n_labels=5)),
        GRULMHeadModel(GRUConfig(**shape, n_layer=3, h_dim=10, include_bias=False)),
    ]
    for network in networks:
        network.eval()
        inner = network.gru if hasattr(network, "gru") else network.mlp
        head = network.lm_head if hasattr(network, "lm_head") else network.score
        with torch.no_grad():
            for parameter in network.parameters():
                parameter += 0.3 * torch.randn(parameter.shape)
            right = head(inner(input_ids=torch.tensor([PROMPT]))[0])[0].numpy()
        assert error(vene.from_transformers(network), right) < TOLERANCE
