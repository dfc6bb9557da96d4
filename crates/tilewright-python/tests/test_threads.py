"""Sixteen threads call every function at once. `TILEWRIGHT_HAMMER=60` does it for a minute; so does `python tests/test_threads.py 60`, without pytest."""

import functools
import os
import sys
import threading
import time

import numpy as np

import tilewright
from tilewright import linalg

THREADS = 16
RANDOM = np.random.default_rng(3)


def every_kernel():
    """Each kernel of the registry on the first two of its own test cases."""
    calls = {}
    for name, function in tilewright.kernels.ALL.items():
        for case in function.kernel.cases()[:2]:
            inputs, arguments = function.kernel.case(case)
            calls[f"{name} {case}"] = functools.partial(function.kernel.call, tuple(inputs), arguments)
    return calls


def every_linear_function():
    """All that `tilewright.linalg` exports, by NumPy arrays."""
    a = RANDOM.normal(size=(12, 12)) + 12 * np.eye(12)
    spd, b, x = a @ a.T, RANDOM.normal(size=(12, 3)), RANDOM.normal(size=(4, 3))
    factor, parts = linalg.cholesky(spd), linalg.qr_reflectors(a)
    given = {
        "apply_q": (*parts, b),
        "cholesky": (spd,),
        "cholesky_solve": (factor, b),
        "cross": (x, x[::-1].copy()),
        "eigh": (spd,),
        "eigvalsh": (spd,),
        "lstsq": (a, b),
        "matmul": (a, b),
        "matrix_power": (a, 3),
        "outer": (x[0], x[1]),
        "solve": (a, b),
        "triangular_solve": (factor, b),
        "vecdot": (x, x),
    }
    calls = {"linalg.tensordot": functools.partial(linalg.tensordot, a, b, axes=1)}
    names = [name for name in linalg.__all__ if not isinstance(getattr(linalg, name), type)]
    return {f"linalg.{name}": functools.partial(getattr(linalg, name), *given.get(name, (a,))) for name in names} | calls


def what_has_state():
    """Objects that threads share: an index, its snapshot, a language model, a kernel of the user's own."""
    data = RANDOM.normal(size=(300, 4)).astype(np.float32)
    index = tilewright.Index(4, "IVF8,Flat")
    index.train(data)
    index.add(data)
    snapshot = index.snapshot()
    config = {"vocab_size": 256, "hidden_size": 32, "num_hidden_layers": 2, "num_heads": 2, "eos_token_id": None}
    model = tilewright.LanguageModel.random(config, seed=1)
    logits = RANDOM.normal(size=(2, 50)).astype(np.float32)

    def draws():
        # A session belongs to its caller, as a row's history does.
        sampler = tilewright.Sampler(vocab_size=50)
        for seed in (1, 2):
            sampler.add(temperature=0.9, top_k=20, repetition_penalty=1.2, seed=seed)
        return np.array([[drawn.id for drawn in sampler.step(logits)] for _ in range(4)])

    return {
        "Index.search": lambda: index.search(data[:3], 5, nprobe=4),
        "Index.reconstruct": lambda: index.reconstruct(7),
        "Snapshot.search": lambda: snapshot.search(data[:3], 5),
        "LanguageModel.write": lambda: np.frombuffer("".join(model.write("To be", max_tokens=3, seed=2)).encode(), np.uint8).copy(),
        "Sampler": draws,
    }


def raw(result):
    """The bytes of a result: calls are deterministic, so two that are right are the same."""
    if isinstance(result, (tuple, list)):
        return [raw(part) for part in result]
    if result is None or isinstance(result, (bool, int, float, complex, str)):
        return result
    # NumPy's own arrays may be complex, which tensors are not.
    return result.tobytes() if isinstance(result, np.ndarray) else tilewright.asarray(result).tobytes()


def hammer(seconds):
    """Wrong answers, calls, functions."""
    calls = every_kernel() | every_linear_function() | what_has_state()
    truth = {name: raw(call()) for name, call in calls.items()}
    wrong, counts, end = [], [0] * THREADS, time.monotonic() + seconds
    start = threading.Barrier(THREADS)

    def work(number):
        names = list(calls)
        np.random.default_rng(number).shuffle(names)
        start.wait()
        while True:
            for name in names:
                try:
                    if raw(calls[name]()) != truth[name]:
                        wrong.append(name)
                except Exception as error:  # noqa: BLE001: whatever it is, the test has to see it
                    wrong.append(f"{name}: {error!r}")
                counts[number] += 1
            if time.monotonic() > end:
                return

    threads = [threading.Thread(target=work, args=(number,)) for number in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return wrong, sum(counts), len(calls)


def test_sixteen_threads_get_right_answers():
    wrong, calls, functions = hammer(float(os.environ.get("TILEWRIGHT_HAMMER", "3")))
    assert not wrong, sorted(set(wrong))
    assert functions > len(tilewright.kernels.ALL) and calls >= THREADS * functions


if __name__ == "__main__":
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 60.0
    wrong, calls, functions = hammer(seconds)
    locked = getattr(sys, "_is_gil_enabled", lambda: True)()
    print(f"{THREADS} threads, {functions} different calls, {calls} made in {seconds:g} s, {len(wrong)} wrong: {sorted(set(wrong))[:5]}")
    print(f"the interpreter's lock is {'on' if locked else 'off'}")
    sys.exit(bool(wrong))
