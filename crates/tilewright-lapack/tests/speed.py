"""The library beside the OpenBLAS that the wheels of NumPy and SciPy bring along: the same calls of the same processes, with and without LD_PRELOAD.

    python speed.py target/release/libtilewright_lapack.so [--sizes 128,512,1024] [--rounds 3] [--record [--host NAME]]

Rounds alternate between the two, so that a busy machine is unfair to neither; each number is the least of all rounds. `ratio` is OpenBLAS's time over
ours: above 1 we are faster. With --record the results go to bench/record/lapack/<host>_<date>.csv.
"""

import argparse
import csv
import datetime
import json
import os
import pathlib
import platform
import subprocess
import sys
import time


def work(sizes, dtypes):
    """Milliseconds of each routine, by name, in this process."""
    import ctypes

    import numpy as np
    from scipy.linalg import blas, lapack

    random = np.random.default_rng(0)
    found = {}
    for dtype in dtypes:
        letter = {"f32": "s", "f64": "d"}[dtype]
        real = {"f32": np.float32, "f64": np.float64}[dtype]
        routine = lambda name: getattr(lapack, letter + name)
        for n in sizes:
            a = np.asfortranarray(random.standard_normal((n, n)).astype(real))
            b = np.asfortranarray(random.standard_normal((n, n)).astype(real))
            symmetric = np.asfortranarray(a + a.T)
            spd = np.asfortranarray(a @ a.T + n * np.eye(n, dtype=real))
            gemm = getattr(blas, letter + "gemm")
            factors = routine("getrf")(a)
            workspace = [int(size) for size in routine("gelsd_lwork")(n, n, 1)]
            for name, call in {
                "gemm": lambda: gemm(1.0, a, b),
                "getrf": lambda: routine("getrf")(a),
                "gesv": lambda: routine("gesv")(a, b[:, :1]),
                "getri": lambda: routine("getri")(*factors[:2]),
                "potrf": lambda: routine("potrf")(spd, lower=1),
                "geqrf": lambda: routine("geqrf")(a),
                "gelsd": lambda: routine("gelsd")(a, b[:, :1], *workspace[:2]),
                "gesdd": lambda: routine("gesdd")(a),
                "syevd": lambda: routine("syevd")(symmetric),
                "geev": lambda: routine("geev")(a),
            }.items():
                call()
                times, began = [], time.perf_counter()
                while len(times) < 3 or (len(times) < 50 and time.perf_counter() - began < 0.3):
                    start = time.perf_counter()
                    call()
                    times.append(1e3 * (time.perf_counter() - start))
                found[f"{letter}{name} {n}"] = min(times)
    calls = getattr(ctypes.CDLL(None), "tilewright_lapack_calls", None)
    if calls is not None:
        calls.restype, calls.argtypes = ctypes.c_uint64, [ctypes.c_char_p]
        missed = [key for key in found if not calls(key.split()[0].encode())]
        assert not missed, f"calls that did not arrive: {missed}"
    return found, calls is not None


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("library")
    parser.add_argument("--sizes", default="128,512,1024")
    parser.add_argument("--dtypes", default="f32,f64")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--record", action="store_true", help="add the results to the records")
    parser.add_argument("--host", default=platform.node(), help="the machine's name in the records")
    parser.add_argument("--work", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    sizes, dtypes = [int(n) for n in options.sizes.split(",")], options.dtypes.split(",")
    if options.work:
        print(json.dumps(work(sizes, dtypes)))
        return

    best = {True: {}, False: {}}
    command = [sys.executable, os.path.abspath(__file__), *sys.argv[1:], "--work"]
    for _ in range(options.rounds):
        for preloaded in (True, False):
            environment = dict(os.environ)
            environment.pop("LD_PRELOAD", None)
            if preloaded:
                environment["LD_PRELOAD"] = os.path.abspath(options.library)
            output = subprocess.run(command, env=environment, check=True, stdout=subprocess.PIPE, text=True).stdout
            found, is_ours = json.loads(output.splitlines()[-1])
            assert is_ours == preloaded, "LD_PRELOAD did not do what it says"
            for name, milliseconds in found.items():
                best[preloaded][name] = min(milliseconds, best[preloaded].get(name, milliseconds))

    import numpy
    import scipy

    print(f"{platform.machine()}, {os.cpu_count()} processors; numpy {numpy.__version__}, scipy {scipy.__version__}, their OpenBLAS")
    rows = [(name, ours, best[False][name], best[False][name] / ours) for name, ours in best[True].items()]
    print(f"{'routine':<14}{'ours ms':>12}{'OpenBLAS ms':>14}{'ratio':>8}")
    for name, ours, theirs, ratio in rows:
        print(f"{name:<14}{ours:>12.3f}{theirs:>14.3f}{ratio:>8.2f}")
    if options.record:
        folder = pathlib.Path(__file__).resolve().parents[3] / "bench" / "record" / "lapack"
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"{options.host}_{datetime.date.today()}.csv"
        with open(path, "w", newline="") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(["routine", "n", "ours_ms", "openblas_ms", "ratio"])
            writer.writerows((*name.split(), f"{ours:.4f}", f"{theirs:.4f}", f"{ratio:.3f}") for name, ours, theirs, ratio in rows)
        print(f"recorded in {path}")


if __name__ == "__main__":
    main()
