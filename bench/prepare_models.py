"""Writes the three models as folders that transformers and vene read: `prepare_models.py TO GGUF_FOLDER [DEPTH ...]`.

- `gpt2-shape`: GPT-2 small's shape with seeded random weights. Its embeddings are wider than an untrained
  model's, so that the next-token distributions are far from flat; every bias and norm differs from its
  neutral value, so that a tool that forgets one is found out. `gpt2-shape-DEPTH` has as many layers.
- `smollm2`, `gemma3`: the real weights, as transformers dequantises the GGUF files.
"""

import json
import sys
from pathlib import Path

import torch
from transformers import AutoModelForCausalLM, GPT2Config, GPT2LMHeadModel

from environment import GGUF_FILES


def random_gpt2(layers: int = 12) -> GPT2LMHeadModel:
    torch.manual_seed(0)
    model = GPT2LMHeadModel(GPT2Config(n_layer=layers, architectures=["GPT2LMHeadModel"]))
    for name, weight in model.named_parameters():
        if name.endswith("ln_1.weight") or name.endswith("ln_2.weight") or name.endswith("ln_f.weight"):
            torch.nn.init.normal_(weight, mean=1.0, std=0.02)
        else:
            torch.nn.init.normal_(weight, std=0.1 if name == "transformer.wte.weight" else 0.02)
    return model


def bytes_as_characters() -> list[str]:
    """GPT-2's printable stand-ins for the 256 bytes."""
    printable = [*range(ord("!"), ord("~") + 1), *range(ord("¡"), ord("¬") + 1), *range(ord("®"), ord("ÿ") + 1)]
    others = [byte for byte in range(256) if byte not in printable]
    characters = {byte: chr(byte) for byte in printable}
    characters |= {byte: chr(256 + index) for index, byte in enumerate(others)}
    return [characters[byte] for byte in range(256)]


def filler_tokenizer(size: int) -> dict:
    """A byte-level tokenizer with enough tokens: workloads name ids, but vene opens no model without one."""
    vocabulary = {text: number for number, text in enumerate(bytes_as_characters())}
    vocabulary |= {f"unused{number}": number for number in range(256, size)}
    byte_level = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True}
    return {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": [],
        "normalizer": None,
        "pre_tokenizer": byte_level,
        "post_processor": None,
        "decoder": byte_level,
        "model": {
            "type": "BPE",
            "dropout": None,
            "unk_token": None,
            "continuing_subword_prefix": "",
            "end_of_word_suffix": "",
            "fuse_unk": False,
            "byte_fallback": False,
            "ignore_merges": False,
            "vocab": vocabulary,
            "merges": [],
        },
    }


def save(model, folder: Path) -> None:
    partial = folder.with_name(folder.name + ".partial")
    model.save_pretrained(partial)
    tokenizer = filler_tokenizer(model.config.vocab_size)
    (partial / "tokenizer.json").write_text(json.dumps(tokenizer, ensure_ascii=False))
    partial.rename(folder)


def main() -> None:
    target, gguf_folder = map(Path, sys.argv[1:3])
    target.mkdir(parents=True, exist_ok=True)
    shapes = {"gpt2-shape": 12} | {f"gpt2-shape-{depth}": int(depth) for depth in sys.argv[3:]}
    for name, layers in shapes.items():
        if not (target / name).exists():
            save(random_gpt2(layers), target / name)
    for name, file in GGUF_FILES.items():
        if not (target / name).exists():
            model = AutoModelForCausalLM.from_pretrained(
                gguf_folder, gguf_file=file, torch_dtype=torch.float32
            )
            save(model, target / name)


if __name__ == "__main__":
    main()
