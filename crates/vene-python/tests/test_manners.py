"""How the package behaves among others: threads, signals, processes, memory."""

import copy
import gc
import multiprocessing
import os
import pickle
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from conftest import ITALY, ROOT, ROWS, SPAIN

import vene

PATCH = {"edit": [{
    "intervention": "interchange", "component": "block_output", "layer": 2, "positions": {"phrase": "Spain"},
    "from": {"phrase": "Italy"}}]}

DAS = {"edit": [{
    "intervention": {"name": "low_rank_rotated_space", "rank": 8}, "component": "block_output", "layer": 2,
    "positions": {"role": "subject_last"}}]}


def test_other_threads_run_meanwhile(model):
    counted, done = 0, threading.Event()

    def count():
        nonlocal counted
        while not done.is_set():
            counted += 1

    thread = threading.Thread(target=count)
    thread.start()
    time.sleep(0.05)
    before = counted
    start = time.perf_counter()
    model.sweep(data=ROWS * 40, components=["block_output", "mlp_output"], positions=["subject_last", "last"])
    took, meanwhile = time.perf_counter() - start, counted - before
    done.set()
    thread.join()
    # A thread that was kept out would have been let in for the moments between steps alone.
    assert took > 0.2 and meanwhile / took > 100_000, (took, meanwhile)


def test_threads_share_a_model(model):
    expected = model.run(PATCH, SPAIN, [ITALY]).logits()
    found = []

    def work(length):
        for _ in range(20):
            model.top(list(range(2, 6 + length)))
            found.append(model.run(PATCH, SPAIN, [ITALY]).logits())

    threads = [threading.Thread(target=work, args=(length,)) for length in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 80 and all(np.array_equal(logits, expected) for logits in found)


INTERRUPTED = {
    "run": "model.run({'collect': [{'component': 'block_output', 'layer': 29}]}, list(range(100, 2000)))",
    "session": "model.session([list(range(n, n + 1500)) for n in range(100, 600, 100)])",
    "trace": "model.trace(list(range(100, 2000)))['block_output']",
    "generate": "model.generate('Once upon a time', 2000, temperature=1.0, seed=1, samples=8, stop=[])",
    "sweep": "model.sweep(data=rows, components=['block_output', 'mlp_output'], positions=['subject_last', 'last'])",
    "plan": "model.run({**das, 'grid': {'r': list(range(1, 200))}}, data=rows, metric='kl')",
    "train": "model.train(das, rows, epochs=100, batch=64)",
    "collect": "model.collect(data=rows * 40, components='block_output', positions='last')",
    "load": "vene.load(path, precision='double').top('x')",
}


@pytest.mark.parametrize("what", INTERRUPTED)
def test_ctrl_c_ends_it_within_a_second(what):
    folder = Path(os.environ.get("VENE_MODELS", ROOT / ".cache/models"))
    path = folder / "smollm2-135m-instruct-q4_1.gguf"
    if not path.exists() and os.environ.get("VENE_REQUIRE_MODELS") != "1":
        pytest.skip(f"{path.name} is not there: scripts/fetch-models")
    code = f"""
import os, signal, threading, time, vene
path = {str(path)!r}
rows = [{{**row, "subject": row["subject"]}} for row in {ROWS!r}] * 60
das = {DAS!r}
das["edit"][0]["layer"] = 12
if {what!r} == "plan":
    das["edit"][0]["intervention"] = {{"name": "scaling", "factor": "$r"}}
model = vene.load(path) if {what!r} != "load" else None
sent = None
def stop():
    global sent
    sent = time.perf_counter(), time.process_time()
    os.kill(os.getpid(), signal.SIGINT)
threading.Timer(0.15 if {what!r} == "load" else 1.5, stop).start()
try:
    {INTERRUPTED[what]}
    print("ended by itself")
except KeyboardInterrupt:
    print(time.perf_counter() - sent[0], time.process_time() - sent[1])
"""
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", code], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert "ended by itself" not in done.stdout, "it was done before it could be stopped"
    # On a machine that does other things meanwhile, what the process itself still did counts.
    assert min(map(float, done.stdout.split())) < 1.0, done.stdout


def test_a_model_is_pickled_by_its_name(model):
    # One that is there is not loaded twice.
    assert pickle.loads(pickle.dumps(model)) is model is copy.deepcopy(model)
    other = vene.load("embedded", precision="double")
    sent = pickle.dumps(other)
    del other
    gc.collect()
    assert pickle.loads(sent).trace(SPAIN)["final_norm"].dtype == np.float64


def test_a_model_that_changed_is_not_another_one_in_silence(model):
    reduced = model.__reduce__()
    with pytest.raises(vene.ModelError, match="not the model that was pickled"):
        reduced[0]("embedded", "single", "vene1-other")


def test_tables_are_pickled_by_value(model):
    swept = model.sweep(SPAIN, ITALY, components="mlp_output", layers=[1], tokens=" Madrid")
    again = pickle.loads(pickle.dumps(swept))
    assert again.tokens == swept.tokens and again.summary is None and again.tokens != swept.examples
    with pytest.raises(vene.InputError, match="pickled without their figures"):
        again.plot()
    kept = model.collect([SPAIN], "final_norm")
    other = pickle.loads(pickle.dumps(kept))
    assert np.array_equal(other["final_norm"], kept["final_norm"]) and other.rows == kept.rows


@pytest.mark.parametrize(("make", "instead"), [
    (lambda model: model.session([SPAIN]), "make a session in the other process"),
    (lambda model: model.trace(SPAIN), "dict"),
    (lambda model: model.run({}, SPAIN), "receipts"),
    (lambda model: model.run({"collect": [{"component": "final_norm"}]}, data=ROWS), "tables"),
])
def test_what_is_not_pickled_says_what_is(model, make, instead):
    with pytest.raises(TypeError, match=f"lives in this process.*{instead}"):
        pickle.dumps(make(model))


def best(model):
    return model.top(SPAIN, 1)[0][0]


@pytest.mark.parametrize("method", ["spawn", "forkserver"])
def test_processes_that_are_started_anew(model, method):
    with multiprocessing.get_context(method).Pool(2) as pool:
        assert pool.map(best, [model] * 4) == [" Madrid"] * 4


def test_a_fork_of_a_process_that_computed_says_so(model):
    best(model)
    with multiprocessing.get_context("fork").Pool(1) as pool, pytest.raises(vene.RunError, match='start processes by "spawn"'):
        pool.map(best, [model])


def test_a_fork_of_one_that_did_not_compute_computes():
    code = """
import multiprocessing, vene
def work(_):
    return vene.load("embedded").top("The capital of Spain is", 1)[0][0]
with multiprocessing.get_context("fork").Pool(2) as pool:
    print(pool.map(work, range(2)))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.stdout.strip() == "[' Madrid', ' Madrid']", done.stderr


def test_a_panic_is_an_error_with_a_sentence(model, monkeypatch):
    # pyo3 would make a `PanicException` of it, which no `except Exception` holds.
    assert issubclass(vene.RunError, Exception)
    with pytest.raises(vene.RunError, match="a defect of vene.*of a test"):
        vene._vene._panic()


def resident() -> int:
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def grown(work, times):
    work(times // 4)
    gc.collect()
    before = resident()
    work(times)
    gc.collect()
    return resident() - before


def test_a_thousand_sweeps_do_not_grow(model):
    def work(times):
        for number in range(times):
            swept = model.sweep(SPAIN, ITALY, components="mlp_output", layers=[number % 8], positions="last", tokens=" Madrid")
            assert len(swept.tokens) == 1

    assert grown(work, 1000) < 16 << 20


def test_functions_and_arrays_are_let_go(model):
    held = np.zeros(1 << 20)

    def work(times):
        for _ in range(times):
            big = held.copy()

            def metric(logits, big=big):
                return logits[0] + big[0]

            model.run({"edit": []}, data=ROWS, metric=metric)
            model.trace(SPAIN)["mlp_output"]

    assert grown(work, 100) < 32 << 20
