"""Makes a synthetic checkpoint of the shape of Llama 3.1 8B, in bfloat16 (16 GB), to see that it runs in the memory of its file.

    python bench/make_large.py FOLDER [--layers N]

Weights are random and small enough that nothing overflows.  They are written tensor by tensor, so that this needs no more
memory than one tensor.  Needs numpy.  Put FOLDER where git does not look.
"""

import argparse
import json
from pathlib import Path

import numpy as np

CONFIG = {
    "architectures": ["LlamaForCausalLM"], "model_type": "llama", "hidden_size": 4096, "intermediate_size": 14336,
    "num_hidden_layers": 32, "num_attention_heads": 32, "num_key_value_heads": 8, "vocab_size": 128256,
    "max_position_embeddings": 131072, "rms_norm_eps": 1e-5, "rope_theta": 500000.0, "hidden_act": "silu",
    "tie_word_embeddings": False, "torch_dtype": "bfloat16",
    "rope_scaling": {"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
                     "original_max_position_embeddings": 8192},
}


def shapes(layers: int) -> dict[str, list[int]]:
    width, hidden, vocabulary = CONFIG["hidden_size"], CONFIG["intermediate_size"], CONFIG["vocab_size"]
    keys = width // CONFIG["num_attention_heads"] * CONFIG["num_key_value_heads"]
    block = {
        "input_layernorm": [width], "self_attn.q_proj": [width, width], "self_attn.k_proj": [keys, width],
        "self_attn.v_proj": [keys, width], "self_attn.o_proj": [width, width], "post_attention_layernorm": [width],
        "mlp.gate_proj": [hidden, width], "mlp.up_proj": [hidden, width], "mlp.down_proj": [width, hidden],
    }
    named = {"model.embed_tokens": [vocabulary, width]}
    named |= {f"model.layers.{layer}.{name}": shape for layer in range(layers) for name, shape in block.items()}
    named |= {"model.norm": [width], "lm_head": [vocabulary, width]}
    return {f"{name}.weight": shape for name, shape in named.items()}


def rows(generator: np.random.Generator, shape: list[int], count: int) -> bytes:
    """So many numbers in bfloat16: the upper halves of floats."""
    if len(shape) == 1:
        values = np.ones(count, np.float32)
    else:
        values = generator.standard_normal(count, np.float32) * np.float32(0.5 / shape[-1] ** 0.5)
    return (values.view(np.uint32) >> 16).astype(np.uint16).tobytes()


def write_weights(path: Path, layers: int) -> None:
    header, end = {}, 0
    for name, shape in shapes(layers).items():
        size = 2 * int(np.prod(shape))
        header[name] = {"dtype": "BF16", "shape": shape, "data_offsets": [end, end + size]}
        end += size
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    generator = np.random.default_rng(0)
    with path.open("wb") as file:
        file.write(len(text).to_bytes(8, "little") + text)
        for shape in shapes(layers).values():
            total, most = int(np.prod(shape)), 1 << 24
            for start in range(0, total, most):
                file.write(rows(generator, shape, min(most, total - start)))


def write_tokenizer(path: Path) -> None:
    words = {f"t{index}": index for index in range(CONFIG["vocab_size"])}
    model = {"type": "WordLevel", "vocab": words, "unk_token": "t0"}
    path.write_text(json.dumps({
        "version": "1.0", "truncation": None, "padding": None, "added_tokens": [], "normalizer": None,
        "pre_tokenizer": {"type": "WhitespaceSplit"}, "post_processor": None, "decoder": None, "model": model,
    }))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--layers", type=int, default=CONFIG["num_hidden_layers"])
    given = parser.parse_args()
    given.folder.mkdir(parents=True, exist_ok=True)
    config = {**CONFIG, "num_hidden_layers": given.layers}
    (given.folder / "config.json").write_text(json.dumps(config, indent=1) + "\n")
    write_tokenizer(given.folder / "tokenizer.json")
    write_weights(given.folder / "model.safetensors", given.layers)


if __name__ == "__main__":
    main()
