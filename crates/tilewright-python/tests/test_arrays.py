"""Arrays in and out: dtypes, views, lifetimes, flags, both kinds of capsule."""

import array
import ctypes
import gc
import pickle
import weakref

import numpy as np
import pytest

import tilewright

NUMPY = {
    "f64": np.float64,
    "f32": np.float32,
    "f16": np.float16,
    "i8": np.int8,
    "i16": np.int16,
    "i32": np.int32,
    "i64": np.int64,
    "u8": np.uint8,
    "u16": np.uint16,
    "u32": np.uint32,
    "u64": np.uint64,
    "bool": np.bool_,
}
BEYOND_NUMPY = ["bf16", "f8e4m3", "f8e5m2"]


def address(x):
    return x.__array_interface__["data"][0]


def test_these_are_all_dtypes():
    assert sorted([*NUMPY, *BEYOND_NUMPY]) == sorted(tilewright.DTYPES)


@pytest.mark.parametrize("name", NUMPY)
def test_every_numpy_dtype_is_shared_both_ways(name):
    x = np.arange(6).reshape(2, 3).astype(NUMPY[name])
    t = tilewright.asarray(x)
    assert (t.dtype, t.shape, t.strides, t.ndim, t.size, t.nbytes) == (name, (2, 3), (3, 1), 2, 6, x.nbytes)
    assert t.tolist() == x.tolist()
    assert t.tobytes() == x.tobytes()
    for y in (np.from_dlpack(t), np.asarray(t), np.asarray(memoryview(t))):
        assert y.dtype == x.dtype and y.shape == x.shape
        assert address(y) == address(x)
        assert not y.flags.writeable
        np.testing.assert_array_equal(y, x)


@pytest.mark.parametrize("name", BEYOND_NUMPY)
def test_dtypes_that_numpy_lacks_never_pass_through_it(name):
    size = 2 if name == "bf16" else 1
    data = bytes(range(6 * size))
    t = tilewright.frombuffer(data, name, (2, 3))
    assert (t.dtype, t.shape, t.tobytes()) == (name, (2, 3), data)
    lent = tilewright.asarray(Lender(t))
    assert (lent.dtype, lent.tobytes()) == (name, data)
    assert tilewright.elementwise.copy(t, dtype="f32").tolist() == t.tolist()
    assert tilewright.elementwise.copy(tilewright.elementwise.copy(t, dtype="f32"), dtype=name).tobytes() == data
    with pytest.raises(BufferError, match=name):
        memoryview(t)
    assert not hasattr(t, "__array_interface__")
    with pytest.raises(TypeError, match=f"out has dtype {name}, which NumPy lacks"):
        tilewright.elementwise.copy(np.zeros(3, np.float32), dtype=name)


class Lender:
    """Another library's array, by DLPack alone."""

    def __init__(self, inner, legacy=False):
        self.inner, self.legacy, self.asked = inner, legacy, []

    def __dlpack_device__(self):
        return self.inner.__dlpack_device__()

    def __dlpack__(self, **keywords):
        self.asked.append(keywords)
        if self.legacy:
            if keywords:
                raise TypeError("unexpected keyword argument")
            return self.inner.__dlpack__()
        return self.inner.__dlpack__(**keywords)


def capsule_name(capsule):
    name = ctypes.pythonapi.PyCapsule_GetName
    name.restype, name.argtypes = ctypes.c_char_p, [ctypes.py_object]
    return name(capsule)


def test_legacy_and_versioned_capsules():
    t = tilewright.asarray(np.arange(4.0))
    assert capsule_name(t.__dlpack__(max_version=(1, 0))) == b"dltensor_versioned"
    assert capsule_name(t.__dlpack__(max_version=(1, 0), copy=True)) == b"dltensor_versioned"
    assert capsule_name(t.__dlpack__()) == b"dltensor"
    with pytest.raises(BufferError, match="read-only"):
        t.__dlpack__(copy=False)
    old = Lender(t, legacy=True)
    assert tilewright.asarray(old).tolist() == [0, 1, 2, 3]
    assert old.asked == [{"max_version": (1, 0)}, {}]
    new = Lender(t)
    assert tilewright.asarray(new).tolist() == [0, 1, 2, 3]
    assert new.asked == [{"max_version": (1, 0)}]


def test_a_capsule_serves_once():
    class Once(Lender):
        def __dlpack__(self, **keywords):
            if not hasattr(self, "capsule"):
                self.capsule = self.inner.__dlpack__(**keywords)
            return self.capsule

    once = Once(tilewright.asarray(np.arange(3)))
    assert tilewright.asarray(once).tolist() == [0, 1, 2]
    assert capsule_name(once.capsule) == b"used_dltensor_versioned"
    with pytest.raises(TypeError, match="used"):
        tilewright.asarray(once)


def test_copies_are_the_callers_own():
    x = np.arange(4.0)
    y = np.from_dlpack(tilewright.asarray(x), copy=True)
    y[0] = 9
    assert x[0] == 0


def test_wrong_requests_are_refused():
    t = tilewright.asarray(np.arange(4.0))
    with pytest.raises(ValueError, match="stream"):
        t.__dlpack__(stream=1, max_version=(1, 0))
    with pytest.raises(BufferError, match="cpu"):
        t.__dlpack__(dl_device=(2, 0), max_version=(1, 0))
    with pytest.raises(TypeError, match="not writable"):
        ctypes.c_char.from_buffer(t)


@pytest.mark.parametrize(
    "view",
    [
        lambda x: x.T,
        lambda x: x[1:, ::2],
        lambda x: x[:, 1],
        lambda x: x[None, :, None],
        lambda x: np.broadcast_to(x[0], (3, 5)),
        lambda x: x[:0],
        lambda x: x[2, 3],
    ],
    ids=["transposed", "stepped", "column", "unit axes", "broadcast", "empty", "scalar"],
)
def test_views_are_shared_as_they_lie(view):
    x = np.arange(20.0).reshape(4, 5)
    y = np.asarray(view(x))
    t = tilewright.asarray(y)
    assert t.shape == y.shape and t.tolist() == y.tolist()
    if y.size > 1:
        assert address(t) == address(y)
        np.testing.assert_array_equal(np.from_dlpack(t), y)
        np.testing.assert_array_equal(np.asarray(memoryview(t)), y)


@pytest.mark.parametrize(
    "x",
    [
        np.arange(12.0).reshape(3, 4)[::-1, ::-2],
        np.frombuffer(bytes(range(33)), np.uint8)[1:].view(np.float32),
        np.zeros(3, [("a", np.int8), ("b", np.int32)])["b"],
    ],
    ids=["reversed", "misaligned", "between fields"],
)
def test_layouts_that_no_view_has_are_copied(x):
    t = tilewright.asarray(x)
    assert t.tobytes() == x.tobytes()
    assert address(t) != address(x)


def test_every_protocol():
    assert tilewright.asarray(array.array("d", [1, 2])).tolist() == [1, 2]
    assert tilewright.asarray(b"ab").tolist() == [97, 98]
    assert tilewright.asarray(memoryview(bytearray(b"ab")).cast("B", (2, 1))).tolist() == [[97], [98]]

    class Interface:
        x = np.arange(6, dtype=np.int16).reshape(2, 3).T
        __array_interface__ = x.__array_interface__

    assert tilewright.asarray(Interface()).tolist() == [[0, 3], [1, 4], [2, 5]]
    read_only = np.arange(3.0)
    read_only.flags.writeable = False
    assert tilewright.asarray(read_only).tolist() == [0, 1, 2]
    own = tilewright.asarray(read_only)
    assert tilewright.asarray(own).tolist() == [0, 1, 2]


@pytest.mark.parametrize(
    ("x", "message"),
    [
        ([1.0, 2.0], "list is no array"),
        (None, "NoneType is no array"),
        (np.zeros(2, np.complex64), "lacks"),
        (np.zeros(2, ">f4"), "lacks"),
        (np.array(["a"]), "lacks"),
        (np.array([None]), "lacks"),
    ],
    ids=["list", "none", "complex", "byte order", "text", "objects"],
)
def test_what_is_no_array_of_ours_is_a_type_error(x, message):
    with pytest.raises(TypeError, match=message):
        tilewright.asarray(x)


def test_too_many_axes():
    with pytest.raises(ValueError, match="rank is 9"):
        tilewright.asarray(np.zeros((1,) * 9))
    with pytest.raises(ValueError, match="shape"):
        tilewright.frombuffer(b"abc", "f32", (1,))
    with pytest.raises(TypeError, match="no dtype"):
        tilewright.frombuffer(b"abcd", "f33", (1,))


class Owner(np.ndarray):
    """An array that can be watched."""


@pytest.mark.parametrize("take", [np.from_dlpack, np.asarray, memoryview], ids=["dlpack", "array", "buffer"])
def test_memory_lives_as_long_as_any_view_and_no_longer(take):
    x = np.arange(1000.0).view(Owner)
    watch = weakref.ref(x)
    t = tilewright.asarray(x)
    view = take(t)
    del x, t
    gc.collect()
    assert watch() is not None and view[999] == 999
    del view
    gc.collect()
    assert watch() is None


def test_results_outlive_everything_and_are_the_callers():
    x = np.arange(300_000.0)
    y = tilewright.elementwise.soft_cap(x, cap=1e9)
    del x
    gc.collect()
    other = [tilewright.elementwise.soft_cap(np.ones(300_000)) for _ in range(3)]
    np.testing.assert_allclose(y, np.arange(300_000.0), rtol=1e-6)
    y[:] = 7
    assert other[0][0] != 7 and y.flags.writeable


def test_a_result_never_is_an_input():
    for x in (np.arange(6.0), np.arange(6.0).reshape(2, 3).T, np.zeros((0, 3))):
        y = tilewright.elementwise.copy(x)
        assert not np.shares_memory(x, y)
        np.testing.assert_array_equal(x, y)


def test_capsules_that_nobody_takes_are_freed():
    x = np.arange(1000.0).view(Owner)
    watch = weakref.ref(x)
    t = tilewright.asarray(x)
    for _ in range(3):
        t.__dlpack__(max_version=(1, 0))
    del x, t
    gc.collect()
    assert watch() is None


def test_ml_dtypes_arrays_are_shared():
    ml_dtypes = pytest.importorskip("ml_dtypes", reason="ml_dtypes is not installed")
    for name, theirs in [("bf16", ml_dtypes.bfloat16), ("f8e4m3", ml_dtypes.float8_e4m3fn), ("f8e5m2", ml_dtypes.float8_e5m2)]:
        x = np.array([[1.0, -2.0], [0.5, 4.0]], dtype=theirs).T
        t = tilewright.asarray(x)
        assert t.dtype == name and t.tolist() == [[1.0, 0.5], [-2.0, 4.0]]


def test_tensors_say_what_they_are():
    t = tilewright.asarray(np.zeros((2, 3), np.float32))
    assert repr(t) == "tilewright.Tensor(f32 [2, 3] on cpu)"
    assert len(t) == 2
    assert t.to("cpu") is t
    assert t.device == tilewright.Device("cpu")
    for tensor in (t, tilewright.frombuffer(b"abcdef", "bf16", (3, 1)), tilewright.asarray(np.arange(6).reshape(2, 3).T)):
        loaded = pickle.loads(pickle.dumps(tensor))
        assert (loaded.dtype, loaded.shape, loaded.tobytes()) == (tensor.dtype, tensor.shape, tensor.tobytes())
    with pytest.raises(TypeError, match="no length"):
        len(tilewright.asarray(np.float32(1)))


def test_scalars_of_numpy_outlive_what_they_describe():
    """NumPy describes a scalar by an array that it makes and drops; its memory was another's by the time it was read."""
    for dtype in (np.float64, np.float32, np.int64, np.int8, np.bool_):
        made = [(dtype(k), tilewright.asarray(dtype(k))) for k in range(100)]
        others = [np.full(3, 7, dtype) for _ in range(100)]
        assert all(tensor.shape == () and tensor.tolist() == value.item() for value, tensor in made), (dtype, len(others))
