"""Kernels on your own arrays, and a Metal kernel on whatever device there is.

    python examples/first_steps.py [cuda:0 | metal:0 | emulated]
"""

import sys

import numpy as np

import tilewright

print("devices:", *tilewright.devices())

# A kernel on NumPy arrays: no copy in, no copy out.
a = np.random.default_rng(1).normal(size=(1000, 50))
q, r = tilewright.linalg.qr(a)
print("|a - q r| =", np.abs(a - q @ r).max())

# A body for mx.fast.metal_kernel, unchanged.
rms_norm = tilewright.metal_kernel(
    name="rms_norm",
    input_names=["x"],
    output_names=["out"],
    source="""
        uint row = threadgroup_position_in_grid.x, lane = thread_position_in_threadgroup.x;
        float sum = 0;
        for (uint i = lane; i < uint(x_shape[1]); i += 32) { sum += x[row * x_shape[1] + i] * x[row * x_shape[1] + i]; }
        float scale = metal::rsqrt(simd_sum(sum) / x_shape[1] + 1e-6f);
        for (uint i = lane; i < uint(x_shape[1]); i += 32) { out[row * x_shape[1] + i] = T(x[row * x_shape[1] + i] * scale); }
    """,
)
x = np.random.default_rng(2).normal(size=(4, 1000)).astype(np.float32)
(out,) = rms_norm(
    inputs=[x],
    template=[("T", x.dtype)],
    grid=(32 * 4, 1, 1),
    threadgroup=(32, 1, 1),
    output_shapes=[x.shape],
    output_dtypes=[x.dtype],
    device=sys.argv[1] if len(sys.argv) > 1 else None,
)
print("mean squares of the rows:", np.square(out).mean(1))
