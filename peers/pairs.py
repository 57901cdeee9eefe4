"""Runs the pairs of code on a page of docs/coming-from/, and compares what both sides say.

    python peers/pairs.py docs/coming-from/nnsight.md

In each section with code the first block is another tool's, the second vene's; blocks of one side go on where the one before
ended. Both end with an expression. Numbers must have one shape, and agree to 1e-4 of the largest; anything else must be equal.
`gpt2` is the model that ships inside vene, in a folder of that name.
"""

import ast
import contextlib
import json
import linecache
import os
import pathlib
import re
import shutil
import sys
import tempfile
import warnings

import numpy as np

ROOT = pathlib.Path(__file__).resolve().parent.parent
TOLERANCE = 1e-4
BLOCK = re.compile(r"^<!-- not-run: run by scripts/peers -->\n```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def pairs(text: str) -> list[tuple[str, str, str]]:
    """Of each section with code: title, the other tool's code, vene's."""
    found = []
    for section in re.split(r"^## ", text, flags=re.MULTILINE)[1:]:
        title, blocks = section.partition("\n")[0], BLOCK.findall(section)
        if section.count("```python") != len(blocks) or len(blocks) not in (0, 2):
            sys.exit(f"{title}: expected two blocks of Python, one of each side, under the comment that they are run; found {len(blocks)}")
        if blocks:
            found.append((title, *blocks))
    return found


def value_of(code: str, names: dict, title: str) -> object:
    """Runs a block; the value of the expression that it ends with."""
    tree = ast.parse(code)
    last = tree.body.pop()
    if not isinstance(last, ast.Expr):
        sys.exit(f"{title}: the block does not end with an expression:\n{code}")
    # nnsight reads the source of what it runs.
    linecache.cache[title] = (len(code), None, code.splitlines(keepends=True), title)
    exec(compile(tree, title, "exec"), names)
    return eval(compile(ast.Expression(last.value), title, "eval"), names)


def plain(value: object) -> object:
    """As NumPy has it, where it is numbers."""
    if hasattr(value, "detach"):
        value = value.detach().cpu().numpy()
    if isinstance(value, list | tuple):
        value = np.stack([plain(part) for part in value]) if value and not isinstance(value[0], str) else list(value)
    return np.asarray(value, dtype=np.float64) if isinstance(value, np.ndarray | np.generic | float) else value


def difference(theirs: object, ours: object, title: str) -> float:
    """The largest difference, in units of the largest value."""
    theirs, ours = plain(theirs), plain(ours)
    if not isinstance(theirs, np.ndarray) or not isinstance(ours, np.ndarray):
        if theirs != ours:
            sys.exit(f"{title}: {theirs!r} there, {ours!r} here")
        return 0.0
    if theirs.shape != ours.shape:
        sys.exit(f"{title}: shape {theirs.shape} there, {ours.shape} here")
    largest = np.abs(theirs).max()
    if not np.isfinite(theirs).all() or largest == 0 or theirs.size > 1 and np.ptp(theirs) == 0:
        sys.exit(f"{title}: {theirs} says nothing")
    error = float(np.abs(theirs - ours).max() / largest)
    if not error < TOLERANCE:
        sys.exit(f"{title}: a difference of {error:.2g} of the largest value:\n{theirs}\n{ours}")
    return error


def write_model(folder: pathlib.Path) -> None:
    """The model that ships inside vene, as GPT-2's folder is."""
    shutil.copytree(ROOT / "crates/vene-embedded/model", folder)
    bpe = json.loads((folder / "tokenizer.json").read_text("utf-8"))["model"]
    # pyvene reads these two.
    (folder / "vocab.json").write_text(json.dumps(bpe["vocab"]), "utf-8")
    merges = (merge if isinstance(merge, str) else " ".join(merge) for merge in bpe["merges"])
    (folder / "merges.txt").write_text("#version: 0.2\n" + "\n".join(merges) + "\n", "utf-8")


def main() -> None:
    page = (ROOT / sys.argv[1]).read_text("utf-8")
    warnings.filterwarnings("ignore")
    theirs, ours, errors = {}, {}, []
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
        write_model(pathlib.Path("gpt2"))
        # PyTorch's threads wait for each other for long where other programs run.
        os.environ |= {"HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"}
        for title, their_code, our_code in pairs(page):
            errors.append(difference(value_of(their_code, theirs, title), value_of(our_code, ours, title), title))
            print(f"{title}: {errors[-1]:.1e}", flush=True)
    if not errors:
        sys.exit(f"{sys.argv[1]} has no pairs")
    print(f"{len(errors)} pairs, largest difference {max(errors):.0e} of the largest value")


if __name__ == "__main__":
    main()
