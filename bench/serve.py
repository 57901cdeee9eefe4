"""The worker's side of a run: JSON lines in, each a workload; JSON lines out, each what one run of it took.

Loading a model is not timed. The peak of the resident memory is reset before each run, after what earlier
runs left unused has been given back.
"""

import ctypes
import gc
import json
import os
import sys
import time
from pathlib import Path

import torch

from environment import MODELS, THREADS


class Unsupported(Exception):
    """The tool cannot do this workload; the message says why."""


def reset_peak_memory() -> None:
    gc.collect()
    ctypes.CDLL("libc.so.6").malloc_trim(0)
    Path("/proc/self/clear_refs").write_text("5")


def peak_memory() -> int:
    """The largest resident memory since the last reset, in bytes."""
    status = Path("/proc/self/status").read_text()
    line = next(line for line in status.splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) * 1024


def hugging_face_model(name: str):
    """A model of `.cache/bench/models`, in float32 with eager attention."""
    from transformers import AutoModelForCausalLM, __version__

    precision = "torch_dtype" if __version__.startswith("4.") else "dtype"
    model = AutoModelForCausalLM.from_pretrained(
        MODELS / name, attn_implementation="eager", **{precision: torch.float32}
    )
    model.config.use_cache = False
    return model.eval()


class Server:
    """Answers one workload after the other, keeping the model of the last one.

    `load` makes a tool's model from its name; `run` does a workload once and returns its values.
    """

    def __init__(self, load, run):
        self.load, self.run = load, run
        self.name, self.model = None, None

    def answer(self, workload: dict) -> dict:
        try:
            if self.name != workload["model"]:
                self.name = self.model = None
                gc.collect()
                self.model = self.load(workload["model"])
                self.name = workload["model"]
            reset_peak_memory()
            start = time.perf_counter()
            values = self.run(self.model, workload)
            seconds = time.perf_counter() - start
        except Unsupported as reason:
            return {"unsupported": str(reason)}
        return {"seconds": seconds, "peak_rss": peak_memory(), "values": values}


def serve(load, run, gradients: bool = False) -> None:
    # What libraries print must not come between the answers.
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    torch.set_num_threads(THREADS)
    server = Server(load, run)
    with torch.inference_mode(not gradients):
        for line in sys.stdin:
            answer = server.answer(json.loads(line)["workload"])
            print(json.dumps(answer), file=answers, flush=True)


def relative_change(patched: list[float], base: list[float]) -> float:
    """(mean patched - mean base) / mean base, over examples: the IOI workloads' value of a cell."""
    mean = sum(base) / len(base)
    return (sum(patched) / len(patched) - mean) / mean
