"""Frames of tensors."""

import io
import pathlib

import numpy as np
import pytest

import tilewright
from tilewright import wire

FIXTURES = pathlib.Path(__file__).parents[2] / "tilewright-wire/tests/fixtures"
RANDOM = np.random.default_rng(2)


def test_arrays_come_back_as_they_were():
    arrays = {each: RANDOM.integers(0, 2, (3, 4)).astype(each) for each in ("float64", "float32", "float16", "int8", "int16", "int32", "int64", "uint8", "bool")}
    arrays |= {"turned": RANDOM.normal(size=(5, 6, 7)).transpose(2, 0, 1)[::2], "scalar": np.array(2.5, np.float32), "empty": np.zeros((3, 0, 2))}
    for compress in (False, True):
        data = wire.pack(arrays, meta=b"layer 3", compress=compress)
        assert len(data) % 64 == 0
        frame = wire.unpack(data)
        assert frame.meta == b"layer 3" and frame.names == list(arrays) and len(frame) == len(arrays)
        for place, (name, array) in enumerate(arrays.items()):
            for read in (frame.tensor(name), frame.tensor_at(place)):
                assert np.array(read).dtype == array.dtype and read.shape == array.shape
                np.testing.assert_array_equal(np.array(read), array)
    kept = frame.tensor("turned")
    del frame
    np.testing.assert_array_equal(np.array(kept), arrays["turned"])
    zeros = {"zeros": np.zeros(100_000)}
    assert len(wire.pack(zeros, compress=True)) < 10_000 < len(wire.pack(zeros))


def test_golden_frames_are_read_and_written_to_the_byte():
    golden = (FIXTURES / "frame.bin").read_bytes()
    frame = wire.unpack(golden)
    assert frame.meta == b'{"layer":3}' and {"bfloat16", "float8_e4m3fn", "float8_e5m2"} <= set(frame.names)
    assert [frame.tensor(name).dtype for name in ("bfloat16", "float8_e4m3fn", "float8_e5m2")] == ["bf16", "f8e4m3", "f8e5m2"]
    # bf16 and f8 go out again as they came. All but one of the golden frame have a checksum.
    tensors = {name: frame.tensor(name) for name in frame.names if name != "unchecked"}
    again = wire.unpack(wire.pack(tensors, meta=frame.meta))
    for name, tensor in tensors.items():
        assert again.tensor(name).tobytes() == tensor.tobytes() and again.tensor(name).dtype == tensor.dtype
    # A later version's: what this one does not know is refused where it is asked for, and nothing else.
    later = wire.unpack((FIXTURES / "frame_later.bin").read_bytes())
    np.testing.assert_array_equal(np.array(later.tensor("known")), [1, 2])
    with pytest.raises(NotImplementedError, match="code 99"):
        later.tensor("dtype of tomorrow")


def test_frames_follow_one_another_in_a_stream():
    stream = io.BytesIO()
    sizes = [wire.write(stream, {"x": np.arange(count)}) for count in (3, 0, 1000)]
    assert sum(sizes) == len(stream.getvalue())
    stream.seek(0)
    for count in (3, 0, 1000):
        frame = wire.read(stream)
        assert frame is not None
        np.testing.assert_array_equal(np.array(frame.tensor("x")), np.arange(count))
    assert wire.read(stream) is None


def test_what_is_no_frame_is_refused():
    data = wire.pack({"x": np.arange(100)})
    for bad, message in [
        (b"", "no bytes"),
        (data + b"1", "1 bytes follow"),
        (data[:-1], "frame"),
        (b"safetensors" * 20, "magic"),
    ]:
        with pytest.raises((ValueError, OSError, NotImplementedError), match=message):
            wire.unpack(bad)
    flipped = bytearray(data)
    flipped[-600] ^= 1
    with pytest.raises((ValueError, OSError), match="checksum"):
        wire.unpack(flipped).tensor("x")
    with pytest.raises((ValueError, OSError), match="128"):
        wire.unpack(data, limit=128)
    with pytest.raises((ValueError, OSError), match="name"):
        wire.unpack(data).tensor("y")
    with pytest.raises(TypeError, match="is no array"):
        wire.pack({"x": object()})


def test_a_file_object_raises_what_it_raises():
    class Full(io.BytesIO):
        def write(self, data):
            raise RuntimeError("full")

    with pytest.raises(RuntimeError, match="full"):
        wire.write(Full(), {"x": np.arange(3)})
    assert tilewright.wire is wire
