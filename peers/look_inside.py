"""What vene sees inside the two real models, beside plain PyTorch: logit lens, direct logit attribution, scores of heads.

    python peers/look_inside.py

PyTorch's side is that of `fixtures/make_inspect.py`, in double precision on the weights of the same GGUF files, which
`VENE_MODELS` has (default: `.cache/models`). Numbers must agree to 1e-4 of the largest: vene computes in single precision.
"""

import os
import pathlib
import sys
import tempfile

import numpy as np
import torch
from transformers import AutoModelForCausalLM

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "fixtures"))

import make_inspect  # noqa: E402

import vene  # noqa: E402

MODELS = pathlib.Path(os.environ.get("VENE_MODELS", ROOT / ".cache/models"))
FILES = ("smollm2-135m-instruct-q4_1.gguf", "gemma-3-270m-q4_k_m.gguf")
PROMPT = "When Mary and John went to the store, John gave a drink to"
TOLERANCE = 1e-4


def differences(file: str) -> dict[str, float]:
    """By what was compared, as a share of the largest number."""
    own = vene.load(MODELS / file)
    tokens = list(own.tokens(PROMPT))
    mary, john = (own.tokenizer.encode(name)[-1] for name in (" Mary", " John"))
    torch.set_default_dtype(torch.float64)
    model = AutoModelForCausalLM.from_pretrained(
        MODELS, gguf_file=file, torch_dtype=torch.float32, attn_implementation="eager").double().eval()
    parts = make_inspect.Parts(model)
    result, kept, streams = make_inspect.run(model, parts, tokens)
    expected = make_inspect.attribute(model, parts, kept, streams, tokens, mary, john)
    found = own.attribute(tokens, mary, john, direct=True).table.to_pandas()
    heads, mlps = found[found.component == "head"], found[found.component == "mlp"]
    pairs = {
        "contributions of heads": (heads.contribution, expected["heads"]),
        "of MLPs": (mlps.contribution, expected["mlps"]),
        "direct effects of heads": (heads.direct_effect, expected["direct_heads"]),
        "of MLPs (direct)": (mlps.direct_effect, expected["direct_mlps"]),
    }
    lens = torch.stack([model.lm_head(parts.norm(stream[-1])) for stream in streams])
    if parts.cap:
        lens = parts.cap * torch.tanh(lens / parts.cap)
    seen = own.lens(tokens, positions="last", tokens=[mary, john]).table.to_pandas()
    pairs["logits of the lens"] = (seen.logit, lens[:, [mary, john]])
    scores = own.head_scores(tokens).table.to_pandas()[["previous_token", "duplicate_token", "induction"]]
    pairs["scores of heads"] = (scores, make_inspect.scores(result.attentions, tokens))
    shares = {}
    for what, (one, other) in pairs.items():
        one, other = np.asarray(one, dtype=np.float64).ravel(), other.detach().numpy().ravel()
        shares[what] = float(np.abs(one - other).max() / np.abs(other).max())
    return shares


def main() -> None:
    largest = 0.0
    with torch.no_grad(), tempfile.TemporaryDirectory():
        for file in FILES:
            for what, share in differences(file).items():
                print(f"{file}: {what}: {share:.1e} of the largest")
                largest = max(largest, share)
    if not largest < TOLERANCE:
        sys.exit(f"largest difference {largest:.0e}, more than {TOLERANCE}")
    print(f"{len(FILES)} models, largest difference {largest:.0e} of the largest value")


if __name__ == "__main__":
    main()
