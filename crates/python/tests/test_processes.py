"""Threads, the interpreter's lock, and processes that come of a fork."""

from __future__ import annotations

import multiprocessing
import os
import pickle
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from conftest import SETTINGS, Data, draw

import nfbmr


def test_threads_share_a_model(model: nfbmr.Model) -> None:
    images = [draw(seed, defect=seed % 2 == 0) for seed in range(40)]
    expected = [model.detect(image).json() for image in images]
    with ThreadPoolExecutor(8) as threads:
        found = list(threads.map(lambda image: model.detect(image).json(), images))
    assert found == expected


def test_the_lock_is_not_held(model: nfbmr.Model) -> None:
    images = [draw(seed) for seed in range(400)]
    ticks: list[float] = []
    over = threading.Event()

    def tick() -> None:
        while not over.is_set():
            ticks.append(time.perf_counter())
            time.sleep(0.001)

    thread = threading.Thread(target=tick)
    thread.start()
    start = time.perf_counter()
    found = model.detect_batch(images)
    took = time.perf_counter() - start
    over.set()
    thread.join()
    assert len(found) == len(images)
    during = [tick for tick in ticks if start < tick < start + took]
    assert len(during) > 10, f"{len(during)} ticks in {took} s"


forked: nfbmr.Model | None = None


def in_a_fork(seed: int) -> tuple[int, str]:
    assert forked is not None
    return os.getpid(), forked.detect(draw(seed)).json()


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_fork_after_the_parent_has_detected(model: nfbmr.Model) -> None:
    global forked
    forked = model
    expected = [model.detect(draw(seed)).json() for seed in range(12)]
    with multiprocessing.get_context("fork").Pool(2) as pool:
        found = pool.map_async(in_a_fork, range(12), chunksize=1).get(timeout=60)
    assert [json for _, json in found] == expected
    assert os.getpid() not in {process for process, _ in found}
    assert model.detect(draw(0)).json() == expected[0], "the parent goes on"


def train_in_a_fork(good: Path, file: Path) -> None:
    model = nfbmr.train(good, settings=SETTINGS)
    model.calibrate([draw(seed) for seed in range(200, 240)])
    model.save(file)


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_fork_can_train(model: nfbmr.Model, data: Data, tmp_path: Path) -> None:
    model.detect(draw(0))
    file = tmp_path / "forked.nfbmr"
    context = multiprocessing.get_context("fork")
    process = context.Process(target=train_in_a_fork, args=(data.good, file))
    process.start()
    process.join(60)
    assert process.exitcode == 0
    train_in_a_fork(data.good, tmp_path / "own.nfbmr")
    assert file.read_bytes() == (tmp_path / "own.nfbmr").read_bytes()


THREADS = """
import os, sys, time, nfbmr

model = nfbmr.load(sys.argv[1])
for number in (3, 1, None):
    nfbmr.set_threads(number)
    model.detect(sys.argv[2])
    time.sleep(0.5)  # those of before end by themselves
    print(sum("nfbmr" in open(f"/proc/self/task/{task}/comm").read() for task in os.listdir("/proc/self/task")))
"""


def test_the_number_of_threads(model_file: Path, data: Data) -> None:
    command = [sys.executable, "-c", THREADS, model_file, data.files[0]]
    for threads in ("5", None):
        own = {"RAYON_NUM_THREADS": threads} if threads else {}
        ran = subprocess.run(command, env=os.environ | own, capture_output=True, text=True, timeout=60)
        assert ran.returncode == 0, ran.stderr
        of_machine = str(len(os.sched_getaffinity(0)))
        assert ran.stdout.split() == ["3", "1", threads or of_machine]
    with pytest.raises(nfbmr.ConfigError, match="found 0"):
        nfbmr.set_threads(0)
    with pytest.raises(OverflowError):
        nfbmr.set_threads(-1)


TRAIN = "nfbmr.train(sys.argv[1], settings=sys.argv[2], progress=lambda _: begun.set())"
DETECT = """
    model = nfbmr.load(sys.argv[3])
    while True:
        model.detect(sys.argv[4])
        begun.set()
"""
LEFT_BEHIND = """
import sys, threading, time, nfbmr

begun = threading.Event()
def work():
    {}
threading.Thread(target=work, daemon=True).start()
assert begun.wait(60)
time.sleep(0.2)
print("over")
"""


@pytest.mark.parametrize("work", [TRAIN, DETECT])
def test_an_interpreter_ends_while_a_thread_works(
    data: Data, toml: Path, model_file: Path, tmp_path: Path, work: str
) -> None:
    long = tmp_path / "long.toml"
    long.write_text(toml.read_text().replace("flow_training.epochs = 2", "flow_training.epochs = 100000"))
    arguments = [data.good, long, model_file, data.files[0]]
    for _ in range(5):
        command = [sys.executable, "-c", LEFT_BEHIND.format(work), *arguments]
        ran = subprocess.run(command, capture_output=True, text=True, timeout=60)
        assert (ran.returncode, ran.stdout, ran.stderr) == (0, "over\n", "")


def test_errors_are_pickled(model: nfbmr.Model) -> None:
    (error,) = model.detect_each(["nowhere.png"])
    again = pickle.loads(pickle.dumps(error))
    assert type(again) is nfbmr.DataError and str(again) == str(error)
