"""What a run needs, made once: two Python environments, the models' folders, the Rust worker.

pyvene and the newest TransformerLens want different versions of transformers, hence two environments.
All of it lies in `.cache/bench`, which git ignores.
"""

import os
import subprocess
import sys
import venv
from pathlib import Path

BENCH = Path(__file__).resolve().parent
REPOSITORY = BENCH.parent
CACHE = REPOSITORY / ".cache" / "bench"
MODELS = CACHE / "models"
# One thread's processor time says something on a machine that does other things meanwhile.
THREADS = int(os.environ.get("VENE_BENCH_THREADS", "2"))
# The real models, whose tokenizers only the GGUF files have: transformers converts them wrongly.
GGUF_FILES = {"smollm2": "smollm2-135m-instruct-q4_1.gguf", "gemma3": "gemma-3-270m-q4_k_m.gguf"}


def announce(message: str) -> None:
    print(f"== {message}", file=sys.stderr, flush=True)


def python_of(environment: str) -> Path:
    """The interpreter of one of the two environments, which is filled first if it is new or outdated."""
    folder, requirements = CACHE / f"venv-{environment}", BENCH / f"requirements-{environment}.txt"
    python, installed = folder / "bin" / "python", folder / "installed-requirements.txt"
    if not installed.exists() or installed.read_text() != requirements.read_text():
        announce(f"installing {requirements.name} into {folder.relative_to(REPOSITORY)}")
        venv.create(folder, with_pip=True)
        subprocess.run([python, "-m", "pip", "install", "--quiet", "-r", requirements], check=True)
        installed.write_text(requirements.read_text())
    return python


def gguf_folder() -> Path:
    """Where the two real models' GGUF files are."""
    return Path(os.environ.get("VENE_MODELS") or REPOSITORY / ".cache" / "models")


def prepare_models(depths: tuple[int, ...] = ()) -> None:
    """Fetches the real models and writes every model's folder; and GPT-2's shape in other depths."""
    subprocess.run([REPOSITORY / "scripts" / "fetch-models"], check=True, stdout=sys.stderr)
    subprocess.run(
        [python_of("pyvene"), BENCH / "prepare_models.py", MODELS, gguf_folder(), *map(str, depths)],
        check=True,
        stdout=sys.stderr,
    )


def rust_program(name: str) -> Path:
    """A program of the workspace, built in release mode; with all else, so that dependencies are those of the tests."""
    command = ["cargo", "build", "--release", "--locked", "--workspace"]
    subprocess.run(command, cwd=REPOSITORY, check=True)
    target = Path(os.environ.get("CARGO_TARGET_DIR") or REPOSITORY / "target")
    return target / "release" / name


def rust_worker() -> Path:
    return rust_program("vene-bench-worker")


def variables() -> dict[str, str]:
    """The environment of every worker: the same number of threads, and no look at the network."""
    # Some machines set these for the sake of older OpenBLAS builds; they slow a current one.
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("OPENBLAS_")}
    threads = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "RAYON_NUM_THREADS")
    return {
        **inherited,
        **{name: str(THREADS) for name in threads},
        "HF_HUB_OFFLINE": "1",
        "TRANSFORMERS_OFFLINE": "1",
        "TOKENIZERS_PARALLELISM": "false",
        "PYTHONPATH": str(BENCH),
    }
