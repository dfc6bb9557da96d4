"""A data set of matrices through the batched SVD, in several processes of Ray.

    pip install ray; python examples/ray_linalg.py [matrices] [tasks]

Each block of matrices is one call; singular values are compared with NumPy's, matrix by matrix.
"""

import sys
import time

import numpy as np
import ray

from tilewright import linalg


@ray.remote(num_cpus=1)
def factorize(block):
    """Singular values, and how far the factors are from the matrices, in roundings."""
    u, s, vh = linalg.svd(block, full_matrices=False)
    error = np.abs(u * s[:, None] @ vh - block).max(axis=(1, 2)) / (s[:, 0] * np.finfo(block.dtype).eps)
    return s, error.max()


def main(matrices=4_000, tasks=8, n=32):
    data = np.random.default_rng(3).normal(size=(matrices, n, n)).astype(np.float32)
    # The first call of a process imports the package.
    ray.get([factorize.remote(data[:2]) for _ in range(2)])
    start = time.perf_counter()
    results = ray.get([factorize.remote(block) for block in np.array_split(data, tasks)])
    ours = time.perf_counter() - start
    start = time.perf_counter()
    expected = np.linalg.svd(data, compute_uv=False)
    theirs = time.perf_counter() - start
    values, errors = np.concatenate([s for s, _ in results]), max(error for _, error in results)
    worst = np.abs(values - expected).max() / expected.max() / np.finfo(np.float32).eps
    print(f"{matrices} matrices of {n} x {n}: factors in {ours * 1e3:.0f} ms, NumPy's values alone in {theirs * 1e3:.0f} ms")
    print(f"singular values differ by {worst:.1f} roundings, |a - u s vh| is at most {errors:.1f}")
    if worst > 100 or errors > 100:
        raise SystemExit("that is too much")


if __name__ == "__main__":
    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False)
    try:
        main(*map(int, sys.argv[1:]))
    finally:
        ray.shutdown()
