"""Bodies for `mx.fast.metal_kernel`, in the emulator."""

import numpy as np
import pytest

import tilewright

EXP = """
    uint elem = thread_position_in_grid.x;
    T tmp = inp[elem];
    out[elem] = metal::exp(tmp);
"""


def test_mlx_documentations_first_kernel(emulated, capfd):
    # The first example of MLX's page on custom kernels, unchanged but for the module.
    def exp_elementwise(a):
        kernel = tilewright.metal_kernel(name="myexp", input_names=["inp"], output_names=["out"], source=EXP)
        outputs = kernel(
            inputs=[a],
            template=[("T", np.float32)],
            grid=(a.size, 1, 1),
            threadgroup=(256, 1, 1),
            output_shapes=[a.shape],
            output_dtypes=[a.dtype],
            verbose=True,
            device=emulated,
        )
        return outputs[0]

    a = np.random.default_rng(1).normal(size=(4, 16)).astype(np.float32)
    for x in (a, a.T):
        b = exp_elementwise(x)
        assert isinstance(b, np.ndarray) and b.flags.writeable
        np.testing.assert_allclose(b, np.exp(x), rtol=1e-6)
    assert "myexp" in capfd.readouterr().out


def test_strides_scalars_initial_values_and_templates(emulated):
    kernel = tilewright.metal_kernel(
        name="scaled",
        input_names=["x", "by", "small"],
        output_names=["y", "untouched"],
        source="""
            uint i = thread_position_in_grid.x;
            uint row = i / x_shape[1], column = i % x_shape[1];
            y[i] = x[row * x_strides[0] + column * x_strides[1]] * by + small[0] + (Flag ? N : 0);
        """,
        ensure_row_contiguous=False,
    )
    x = np.arange(6, dtype=np.float32).reshape(3, 2).T
    y, untouched = kernel(
        inputs=[x, 2.0, np.array([0.5], np.float32)],
        template=[("Flag", True), ("N", 100)],
        grid=(6, 1, 1),
        threadgroup=(32, 1, 1),
        output_shapes=[(2, 3), (4,)],
        output_dtypes=["float32", "i32"],
        init_value=7,
        device="emulated",
    )
    np.testing.assert_array_equal(y, x * 2 + 100.5)
    np.testing.assert_array_equal(untouched, np.full(4, 7, np.int32))


def test_atomic_outputs(emulated):
    kernel = tilewright.metal_kernel(
        name="count",
        input_names=["bin"],
        output_names=["counts"],
        source="atomic_fetch_add_explicit(&counts[bin[thread_position_in_grid.x]], 1, memory_order_relaxed);",
        atomic_outputs=True,
    )
    bins = np.array([0, 1, 1, 2, 2, 2, 3, 3, 3, 3], np.uint32)
    (counts,) = kernel(
        inputs=[bins],
        grid=(10, 1, 1),
        threadgroup=(32, 1, 1),
        output_shapes=[(4,)],
        output_dtypes=[np.int32],
        init_value=0,
        device=emulated,
    )
    assert counts.tolist() == [1, 2, 3, 4]


def test_what_is_wrong_is_told(emulated):
    with pytest.raises(ValueError, match="two words"):
        tilewright.metal_kernel("two words", ["x"], ["y"], "")
    with pytest.raises(ValueError, match="math_mode"):
        tilewright.metal_kernel("k", ["x"], ["y"], "", compile_options={"math_mode": "wild"})
    kernel = tilewright.metal_kernel("broken", ["x"], ["y"], "y[0] = nonsense;")
    x = np.zeros(8, np.float32)
    call = {
        "inputs": [x],
        "grid": (8, 1, 1),
        "threadgroup": (8, 1, 1),
        "output_shapes": [(8,)],
        "output_dtypes": [np.float32],
        "device": emulated,
    }
    with pytest.raises(tilewright.CompileError, match="nonsense"):
        kernel(**call)
    with pytest.raises(ValueError, match="2 inputs given, it has 1"):
        kernel(**(call | {"inputs": [x, x]}))
    with pytest.raises(TypeError, match="broken: x: list is no array"):
        kernel(**(call | {"inputs": [[1]]}))
    with pytest.raises(ValueError, match="group"):
        kernel(**(call | {"threadgroup": (0, 1, 1)}))
    outside = tilewright.metal_kernel("outside", ["x"], ["y"], "y[thread_position_in_grid.x + 8] = x[0];")
    with pytest.raises(tilewright.DeviceError, match="outside"):
        outside(**call)
    with pytest.raises(NotImplementedError, match="cpu"):
        kernel(**(call | {"device": "cpu"}))
