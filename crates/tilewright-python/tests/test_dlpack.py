"""Round trips by DLPack with each library that is installed, and Ctrl-C."""

import _thread
import gc
import signal
import threading
import time

import numpy as np
import pytest

import tilewright


def library(name):
    """An array of a float, its library's `from_dlpack`, and how it becomes NumPy's."""
    values = np.arange(24, dtype=np.float32).reshape(2, 3, 4)
    if name == "numpy":
        return values, np.from_dlpack, np.asarray
    if name == "torch":
        torch = pytest.importorskip("torch", reason="PyTorch is not installed: its round trip was not tested")
        return torch.from_numpy(values), torch.from_dlpack, lambda x: x.numpy()
    if name == "jax":
        jnp = pytest.importorskip("jax.numpy", reason="JAX is not installed: its round trip was not tested")
        return jnp.asarray(values), jnp.from_dlpack, np.asarray
    if name == "mlx":
        mx = pytest.importorskip("mlx.core", reason="MLX is not installed: its round trip was not tested")
        mx.set_default_device(mx.cpu)
        return mx.array(values), mx.array, np.array
    cupy = pytest.importorskip("cupy", reason="CuPy is not installed: its round trip was not tested")
    return cupy.asarray(values), cupy.from_dlpack, cupy.asnumpy


@pytest.mark.parametrize("name", ["numpy", "torch", "jax", "mlx", "cupy"])
def test_round_trips(name):
    x, back, to_numpy = library(name)
    t = tilewright.asarray(x)
    values = np.arange(24, dtype=np.float32).reshape(2, 3, 4)
    assert t.tolist() == values.tolist()
    again = back(t)
    np.testing.assert_array_equal(to_numpy(again), values)
    del t
    gc.collect()
    np.testing.assert_array_equal(to_numpy(again), values)
    y = tilewright.elementwise.soft_cap(x, cap=5.0)
    assert type(y) is type(x), "results are of the library of the first input"
    np.testing.assert_allclose(to_numpy(y), 5 * np.tanh(values / 5), rtol=1e-5)
    solved = tilewright.linalg.solve(tilewright.linalg.matmul(x, tilewright.linalg.matrix_transpose(x)), y)
    assert type(solved) is type(x)


def test_mlx_keeps_bfloat16():
    mx = pytest.importorskip("mlx.core", reason="MLX is not installed: its bf16 was not tested")
    x = mx.array([[1.5, -2.0], [0.25, 3.0]]).astype(mx.bfloat16)
    y = tilewright.elementwise.copy(x)
    assert y.dtype == mx.bfloat16 and mx.array_equal(x, y)


def interrupted(call):
    """Seconds until a call ends by Ctrl-C that comes after 0.3 seconds."""
    # A job in the background inherits that Ctrl-C is ignored.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    timer = threading.Timer(0.3, _thread.interrupt_main, (signal.SIGINT,))
    start = time.perf_counter()
    timer.start()
    try:
        with pytest.raises(KeyboardInterrupt):
            call()
    finally:
        timer.cancel()
        signal.signal(signal.SIGINT, before)
    return time.perf_counter() - start


def test_ctrl_c_ends_long_work():
    big = np.random.default_rng(1).normal(size=(1600, 1600))
    assert interrupted(lambda: [tilewright.linalg.svd(big) for _ in range(20)]) < 1.5
    model = tilewright.LanguageModel.random({"vocab_size": 256, "hidden_size": 64, "num_heads": 2, "num_hidden_layers": 1, "eos_token_id": None})
    assert interrupted(lambda: list(model.generate([1], max_tokens=1 << 40))) < 1.5


def test_streams():
    with tilewright.Stream("cpu") as stream:
        assert stream.device.name == "cpu"
        tilewright.linalg.inv(np.eye(3))
    stream.synchronize()
    with pytest.raises(RuntimeError, match="not entered"):
        stream.__exit__(None, None, None)
    with pytest.raises(NotImplementedError, match="cuda:63"):
        tilewright.Stream("cuda:63")
