"""Functions from the registry: against NumPy, their errors, their description."""

import importlib
import inspect
import pickle
import sys
import threading

import numpy as np
import pytest

import tilewright

RANDOM = np.random.default_rng(7)


def test_every_kernel_of_the_registry_is_a_documented_function():
    everything = tilewright.kernels.ALL
    assert len(everything) >= 34
    for name, function in everything.items():
        family = function.__module__
        assert getattr(sys.modules[family], name) is function
        assert pickle.loads(pickle.dumps(function)) is function
        parameters = inspect.signature(function).parameters
        assert [slot[0] for slot in function.kernel.inputs] == list(parameters)[: len(function.kernel.inputs)]
        assert {"device", "variant"} <= set(parameters)
        assert function.kernel.math in function.__doc__
        for entry in function.kernel.inputs + function.kernel.outputs + function.kernel.arguments:
            assert f"    {entry[0]}: " in function.__doc__
    assert importlib.import_module("tilewright.kernels.reduce") is importlib.import_module("tilewright.reduce") is tilewright.reduce
    # A module written by hand stands before the kernels of its family.
    assert importlib.import_module("tilewright.kernels.linalg") is not importlib.import_module("tilewright.linalg") is tilewright.linalg


def test_matmul_and_its_arguments():
    a, b = RANDOM.random((5, 7)), RANDOM.random((5, 3))
    np.testing.assert_allclose(tilewright.gemm.matmul(a, b, transpose_a=True), a.T @ b)
    np.testing.assert_allclose(tilewright.gemm.matmul(a.T, b, alpha=2), 2 * a.T @ b)
    np.testing.assert_allclose(tilewright.gemm.matmul(a=a.T, b=b, alpha=np.float32(0.5)), 0.5 * a.T @ b)
    c = RANDOM.random((7, 3))
    np.testing.assert_allclose(tilewright.gemm.matmul(a.T, b, c, beta=1.0), a.T @ b + c)
    np.testing.assert_allclose(tilewright.gemm.matmul(a.T, b, None), a.T @ b)
    half = tilewright.gemm.matmul(a.T.astype(np.float32), b.astype(np.float32), out_dtype=np.float16)
    assert half.dtype == np.float16


def test_several_outputs_are_a_named_tuple():
    a = RANDOM.random((2, 6, 4))
    result = tilewright.kernels.linalg.qr(a)
    np.testing.assert_allclose(result.q @ result.r, a)
    only = tilewright.kernels.linalg.qr(a, mode="r")
    assert only.q is None
    np.testing.assert_allclose(np.abs(only.r), np.abs(result.r))
    assert pickle.loads(pickle.dumps(result)).r.tobytes() == result.r.tobytes()
    values, positions = tilewright.reduce.top_k(RANDOM.random((3, 10)), k=2)
    assert values.shape == positions.shape == (3, 2)


def test_linear_algebra_against_numpy():
    a = RANDOM.random((3, 5, 5)) + 5 * np.eye(5)
    b = RANDOM.random((3, 5, 2))
    np.testing.assert_allclose(tilewright.kernels.linalg.solve(a, b).x, np.linalg.solve(a, b))
    np.testing.assert_allclose(tilewright.kernels.linalg.inverse(a)[0], np.linalg.inv(a), atol=1e-12)
    spd = a @ a.transpose(0, 2, 1)
    np.testing.assert_allclose(tilewright.kernels.linalg.cholesky(spd)[0], np.linalg.cholesky(spd), atol=1e-12)
    np.testing.assert_allclose(tilewright.kernels.linalg.det(a), np.linalg.det(a))
    x = RANDOM.random((4, 9)).astype(np.float32)
    np.testing.assert_allclose(tilewright.reduce.sum(x), x.sum(-1), rtol=1e-6)
    np.testing.assert_array_equal(tilewright.reduce.argmax(x), x.argmax(-1))


def test_tensors_in_tensors_out():
    x = tilewright.asarray(np.arange(3.0))
    y = tilewright.elementwise.soft_cap(x)
    assert isinstance(y, tilewright.Tensor)
    assert isinstance(tilewright.elementwise.soft_cap(memoryview(np.arange(3.0))), tilewright.Tensor)


@pytest.mark.parametrize(
    ("error", "message", "call"),
    [
        (ValueError, "b has shape", lambda: tilewright.gemm.matmul(np.eye(3), np.eye(4))),
        (ValueError, "cap is", lambda: tilewright.elementwise.soft_cap(np.eye(3), cap=-1)),
        (TypeError, "x has dtype i32", lambda: tilewright.elementwise.soft_cap(np.zeros(3, np.int32))),
        (TypeError, "matmul: a: list is no array", lambda: tilewright.gemm.matmul([1], np.eye(1))),
        (TypeError, "b .* is missing", lambda: tilewright.gemm.matmul(np.eye(3))),
        (TypeError, "a is given twice", lambda: tilewright.gemm.matmul(np.eye(3), np.eye(3), a=np.eye(3))),
        (TypeError, "4 arrays given", lambda: tilewright.gemm.matmul(*[np.eye(3)] * 4)),
        (TypeError, "unknown argument caps; it has cap", lambda: tilewright.elementwise.soft_cap(np.eye(3), caps=1)),
        (TypeError, "unknown argument caps", lambda: tilewright.elementwise.soft_cap(np.eye(3), caps=None)),
        (ValueError, "name is", lambda: tilewright.elementwise.soft_cap(np.eye(3), device="gpu")),
        (NotImplementedError, "metal:7", lambda: tilewright.elementwise.soft_cap(np.eye(3), device="metal:7")),
        (ValueError, "variant is", lambda: tilewright.elementwise.soft_cap(np.eye(3), variant="fastest")),
    ],
)
def test_errors_name_the_argument(error, message, call):
    with pytest.raises(error, match=message):
        call()


def test_a_function_on_the_emulator_gives_numpy_back(emulated):
    x = RANDOM.random((2, 5)).astype(np.float32)
    y = tilewright.elementwise.soft_cap(x, cap=1.0, device=emulated)
    assert isinstance(y, np.ndarray)
    np.testing.assert_allclose(y, np.tanh(x), rtol=1e-6)
    t = tilewright.asarray(x, device="emulated")
    assert t.device == emulated and t.to("cpu").tobytes() == x.tobytes()
    with pytest.raises(BufferError, match="emulated"):
        np.from_dlpack(t)
    with pytest.raises(ValueError, match="lies on"):
        tilewright.gemm.matmul(np.eye(2, dtype=np.float32), t)
    with pytest.raises(NotImplementedError, match="unsupported on emulated: x is f64"):
        tilewright.elementwise.soft_cap(np.eye(2), device="emulated")


def test_devices():
    first = tilewright.devices()[0]
    assert first.name == str(first) == "cpu" and first.available
    assert first.caps["simd_width"] >= 4
    first.synchronize()
    assert hash(first) == hash(tilewright.Device("cpu"))
    assert pickle.loads(pickle.dumps(first)) == first
    absent = tilewright.Device("cuda:63")
    assert not absent.available
    with pytest.raises(NotImplementedError, match="cuda:63"):
        absent.caps


def test_the_lock_is_free_while_a_kernel_runs():
    a = RANDOM.random((1500, 1500))
    beats, stop = [], threading.Event()

    def beat():
        while not stop.is_set():
            beats.append(None)
            stop.wait(0.001)

    thread = threading.Thread(target=beat)
    thread.start()
    while not beats:
        pass
    before = len(beats)
    tilewright.gemm.matmul(a, a)
    during = len(beats) - before
    stop.set()
    thread.join()
    assert during > 0


def test_threads_get_right_answers():
    a = RANDOM.random((20, 20))
    truth, wrong = a @ a, []

    def work():
        for _ in range(200):
            x = tilewright.gemm.matmul(a, a)
            q = tilewright.kernels.linalg.qr(a)
            if not (np.allclose(x, truth) and np.allclose(q.q @ q.r, a)):
                wrong.append(x)

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
