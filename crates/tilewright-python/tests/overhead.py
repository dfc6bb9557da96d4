"""What a call from Python costs over the same call from Rust, in microseconds, for every kernel: the least of its test cases. Run it by hand; it asserts nothing.

    python tests/overhead.py [--record FILE.csv]

The gain of a tensor over an array is what DLPack and the making of the result take; `peers` are the same operation by the array's own library.
"""

import argparse
import csv
import pathlib
import statistics
import timeit

import numpy as np

import tilewright


def microseconds(call, number=2000):
    return min(timeit.repeat(call, number=number, repeat=5)) / number * 1e6


def least(function):
    """The test case of a kernel that takes least, called from Rust."""
    cases = [function.kernel.case(case) for case in function.kernel.cases()]
    inputs, arguments = min(cases, key=lambda case: function.kernel.time(tuple(case[0]), case[1], 3))
    return tuple(inputs), arguments


def of_kernel(name, function):
    """Interleaved, since a machine's clock drifts: from Rust, from Python."""
    inputs, arguments = least(function)
    once = function.kernel.time(inputs, arguments, 20)
    number = max(5, min(2000, int(0.004 / once)))
    rust, python = [], []
    for _ in range(9):
        rust.append(function.kernel.time(inputs, arguments, number) * 1e6)
        python.append(timeit.timeit(lambda: function(*inputs, **arguments), number=number) / number * 1e6)
    over = statistics.median(a - b for a, b in zip(python, rust, strict=True))
    return {"kernel": name, "rust_us": f"{statistics.median(rust):.2f}", "python_us": f"{statistics.median(python):.2f}", "over_us": f"{over:.2f}"}


def beside_libraries():
    """One element by the caller's own arrays, and by their library."""
    x = np.ones(1, np.float32)
    t, soft_cap = tilewright.asarray(x), tilewright.elementwise.soft_cap
    yield "tensor in, tensor out", lambda: soft_cap(t)
    yield "NumPy in, NumPy out", lambda: soft_cap(x)
    yield "NumPy's tanh", lambda: np.tanh(x)
    yield "asarray(NumPy)", lambda: tilewright.asarray(x)
    yield "numpy.from_dlpack", lambda: np.from_dlpack(t)
    try:
        import torch
    except ImportError:
        return
    y = torch.ones(1)
    yield "PyTorch in and out", lambda: soft_cap(y)
    yield "PyTorch's tanh", lambda: torch.tanh(y)
    if torch.cuda.is_available():
        g = torch.ones(1, device="cuda")
        yield "PyTorch CUDA in and out", lambda: soft_cap(g)
        yield "PyTorch CUDA's tanh", lambda: torch.tanh(g)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--record", type=pathlib.Path)
    options = parser.parse_args()
    for name, call in beside_libraries():
        print(f"{name:26} {microseconds(call):8.2f}")
    rows = [of_kernel(name, function) for name, function in tilewright.kernels.ALL.items()]
    print(f"\n{'kernel':26} {'Rust':>8} {'Python':>8} {'over':>8}")
    for row in rows:
        print(f"{row['kernel']:26} {row['rust_us']:>8} {row['python_us']:>8} {row['over_us']:>8}")
    over = [float(row["over_us"]) for row in rows]
    print(f"\nover Rust: median {statistics.median(over):.2f} us, {sum(value <= 2 for value in over)} of {len(over)} within 2 us, worst {max(over):.2f}")
    if options.record:
        with options.record.open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, rows[0].keys(), lineterminator="\n")
            writer.writeheader()
            writer.writerows(rows)


if __name__ == "__main__":
    main()
