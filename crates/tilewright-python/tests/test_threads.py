"""Sixteen threads call every function at once. `TILEWRIGHT_HAMMER=60` does it for a minute; `python tests/test_threads.py 60` runs without pytest and NumPy's help."""

import os
import sys
import threading
import time

import numpy as np

import tilewright
from tilewright import linalg

THREADS = 16
RANDOM = np.random.default_rng(3)


def tensors(*arrays):
    return [tilewright.asarray(array) for array in arrays]


def cases():
    """Every function of the linear algebra, and kernels of every family that take plain arrays."""
    a = RANDOM.normal(size=(12, 12)) + 12 * np.eye(12)
    spd, b = a @ a.T, RANDOM.normal(size=(12, 3))
    x, w = RANDOM.normal(size=(4, 12)).astype(np.float32), np.ones(12, np.float32)
    logits, ids = RANDOM.normal(size=(3, 40)).astype(np.float32), np.array([2, 0, 5])
    heads = [RANDOM.normal(size=(1, 2, 6, 4)) for _ in range(3)]
    gates = [RANDOM.normal(size=(1, 2, 6)) for _ in range(2)]
    data = RANDOM.normal(size=(30, 4)).astype(np.float32)
    index = tilewright.Index(4)
    index.add(data)
    calls = {name: (getattr(linalg, name), (a,)) for name in ("svd", "svdvals", "qr", "inv", "det", "slogdet", "pinv", "cond", "matrix_rank", "lu", "trace")}
    calls |= {name: (getattr(linalg, name), (spd,)) for name in ("cholesky", "eigh", "eigvalsh", "matrix_norm", "vector_norm", "matrix_transpose")}
    calls |= {name: (getattr(linalg, name), (a, b)) for name in ("solve", "matmul", "lstsq")}
    plain = ("softmax", "sum", "max", "argmax", "logsumexp", "scan", "soft_cap", "copy", "quantize", "gram")
    calls |= {name: (tilewright.kernels.ALL[name], (x,)) for name in plain}
    calls |= {
        "top_k": (lambda x: tilewright.reduce.top_k(x, k=3), (x,)),
        "rms_norm": (tilewright.norm.rms_norm, (x, w)),
        "rms_norm_bw": (tilewright.norm.rms_norm_bw, (x, x, w)),
        "glu": (tilewright.elementwise.glu, (x, x)),
        "cross_entropy": (tilewright.reduce.cross_entropy, (logits, ids)),
        "embedding": (tilewright.gather.embedding, (x, ids % 4)),
        "mlstm_parallel": (tilewright.mlstm.mlstm_parallel, (*heads, *gates)),
        "mlstm_chunkwise": (tilewright.mlstm.mlstm_chunkwise, (*heads, *gates)),
        "kmeans": (lambda x: tilewright.search.kmeans(x, k=3), (data,)),
        "flat_scan_topk": (lambda q, x: tilewright.search.flat_scan_topk(q, x, k=3), (data[:2], data)),
        "index": (lambda q: index.search(q, 3), (data[:2],)),
    }
    return calls


def raw(result):
    """The bytes of a result: calls are deterministic, so two that are right are the same."""
    parts = result if isinstance(result, tuple) else (result,)
    return [None if part is None else tilewright.asarray(part).tobytes() for part in parts]


def hammer(seconds):
    """Wrong answers, calls."""
    calls = cases()
    truth = {name: raw(call(*arrays)) for name, (call, arrays) in calls.items()}
    wrong, counts, end = [], [0] * THREADS, time.monotonic() + seconds
    start = threading.Barrier(THREADS)

    def work(number):
        names = list(calls)
        np.random.default_rng(number).shuffle(names)
        start.wait()
        while True:
            for name in names:
                call, arrays = calls[name]
                try:
                    if raw(call(*arrays)) != truth[name]:
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
    return wrong, sum(counts)


def test_sixteen_threads_get_right_answers():
    wrong, calls = hammer(float(os.environ.get("TILEWRIGHT_HAMMER", "3")))
    assert not wrong, sorted(set(wrong))
    assert calls >= THREADS * len(cases())


if __name__ == "__main__":
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 60.0
    wrong, calls = hammer(seconds)
    locked = getattr(sys, "_is_gil_enabled", lambda: True)()
    print(f"{THREADS} threads, {calls} calls in {seconds:g} s, {len(wrong)} wrong, the interpreter's lock is {'on' if locked else 'off'}")
    sys.exit(bool(wrong))
