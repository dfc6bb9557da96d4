"""Tensors of any dtype in one checked run of bytes, which other processes and other versions read: the frame of tilewright-wire, as its SPEC.md has it.

    data = tilewright.wire.pack({"k": keys, "v": values}, meta=b"layer 3")   # arrays of any library and any strides
    frame = tilewright.wire.unpack(data)
    frame.tensor("k")                                                        # a Tensor: a view of the frame's memory

`write` and `read` do the same with a stream, one frame after another.
"""

import io
from collections.abc import Mapping
from typing import Any, BinaryIO

from tilewright import _native
from tilewright._native import Frame

__all__ = ["Frame", "pack", "read", "unpack", "write"]

# What a reader takes from a stranger at most.
_LIMIT = 1 << 32


def write(stream: BinaryIO, tensors: Mapping[str, Any], *, meta: bytes = b"", compress: bool = False) -> int:
    """Writes a frame of named arrays, with `meta` for whatever else there is to say; gives its bytes. `compress` stores what LZ4 makes smaller so."""
    return _native.frame_write(stream, list(tensors.items()), meta, compress)


def read(stream: BinaryIO, *, limit: int = _LIMIT) -> Frame | None:
    """The next frame, of at most `limit` bytes, also decompressed; None where the stream has ended before it."""
    return _native.frame_read(stream, limit)


def pack(tensors: Mapping[str, Any], *, meta: bytes = b"", compress: bool = False) -> bytes:
    """A frame as bytes."""
    out = io.BytesIO()
    write(out, tensors, meta=meta, compress=compress)
    return out.getvalue()


def unpack(data: Any, *, limit: int = _LIMIT) -> Frame:
    """The frame that `data`, bytes or another buffer, is from its beginning to its end."""
    stream = io.BytesIO(data)
    frame = read(stream, limit=limit)
    if frame is None:
        raise ValueError("unpack: there are no bytes, expected a frame")
    if rest := len(stream.read()):
        raise ValueError(f"unpack: {rest} bytes follow the frame")
    return frame
