"""exo's code path for a prefill chunk, timed: pack and unpack of keys and values, 32 MiB of bf16.

Run it beside `cargo run --release -p tilewright-wire --example frame_speed`. It needs numpy and msgspec, and mlx if there is one.

The steps are exo's: exchange heads and tokens, see bf16 as uint16, `tobytes`, a msgpack header; back: read exactly, `frombuffer`, `reshape`,
`copy`, and an array of it. Where there is no mlx, NumPy's transpose and copy stand for mlx's, on one thread. As for ours, packing ends where
the buffers can be handed to a socket, and reading is from memory.
"""

import io
import statistics
import time

import msgspec
import numpy

try:
    import mlx.core as mx
except ImportError:
    mx = None

HEADS, TOKENS, WIDTH, SAMPLES = 8, 8192, 128, 15


class Chunk(msgspec.Struct, tag="kv_chunk"):
    layer_idx: int
    num_tokens: int
    n_heads: int
    head_dim: int
    dtype: str
    keys_len: int
    values_len: int


class WholeChunk(msgspec.Struct, tag="kv_chunk"):
    layer_idx: int
    num_tokens: int
    n_heads: int
    head_dim: int
    dtype: str
    keys: bytes
    values: bytes


encoder = msgspec.msgpack.Encoder()
decoder = msgspec.msgpack.Decoder(Chunk)
whole_decoder = msgspec.msgpack.Decoder(WholeChunk)


def to_bytes(array):
    if mx is None:
        return numpy.ascontiguousarray(array[0].transpose(1, 0, 2)).tobytes()
    with mx.stream(mx.Device(mx.cpu)):
        exchanged = mx.transpose(mx.array(array)[0], (1, 0, 2))
        mx.eval(exchanged)
    return numpy.asarray(exchanged.view(mx.uint16)).tobytes()


def to_array(data, shape):
    array = numpy.frombuffer(data, dtype=numpy.uint16).reshape(shape).copy()
    return numpy.array(array) if mx is None else mx.array(array).view(mx.bfloat16)


def read_exactly(stream, count):
    buffer = bytearray()
    while len(buffer) < count:
        part = stream.read(count - len(buffer))
        if not part:
            raise ConnectionError
        buffer.extend(part)
    return bytes(buffer)


def pack(keys, values):
    k, v = to_bytes(keys), to_bytes(values)
    header = encoder.encode(Chunk(0, TOKENS, HEADS, WIDTH, "bfloat16", len(k), len(v)))
    return len(header).to_bytes(4, "big"), header, k, v


def unpack(stream):
    stream.seek(0)
    chunk = decoder.decode(read_exactly(stream, int.from_bytes(read_exactly(stream, 4), "big")))
    shape = (chunk.num_tokens, chunk.n_heads, chunk.head_dim)
    return [to_array(read_exactly(stream, size), shape) for size in (chunk.keys_len, chunk.values_len)]


def pack_whole(keys, values):
    message = encoder.encode(WholeChunk(0, TOKENS, HEADS, WIDTH, "bfloat16", to_bytes(keys), to_bytes(values)))
    return len(message).to_bytes(4, "big"), message


def unpack_whole(stream):
    stream.seek(0)
    chunk = whole_decoder.decode(read_exactly(stream, int.from_bytes(read_exactly(stream, 4), "big")))
    shape = (chunk.num_tokens, chunk.n_heads, chunk.head_dim)
    return [to_array(data, shape) for data in (chunk.keys, chunk.values)]


def timed(what, size, function, *arguments):
    samples = []
    for _ in range(SAMPLES + 1):
        begin = time.perf_counter()
        result = function(*arguments)
        samples.append(time.perf_counter() - begin)
    median = statistics.median(samples[1:])
    print(f"{what:62} {median * 1e3:8.3f} ms {size / median / 1e9:7.2f} GB/s")
    return result


def main():
    rng = numpy.random.default_rng(1)
    keys, values = (rng.integers(0, 1 << 15, (1, HEADS, TOKENS, WIDTH), dtype=numpy.uint16) for _ in range(2))
    size = keys.nbytes + values.nbytes
    print("exo's path through", "NumPy (no mlx here)" if mx is None else f"mlx {mx.__version__}")
    if mx is not None:
        keys, values = (mx.array(array).view(mx.bfloat16) for array in (keys, values))
    parts = timed("pack: exchange, tobytes, header", size, pack, keys, values)
    timed("unpack: read, frombuffer, copy, array", size, unpack, io.BytesIO(b"".join(parts)))
    parts = timed("pack, bytes inside the msgpack message (older)", size, pack_whole, keys, values)
    timed("unpack of that", size, unpack_whole, io.BytesIO(b"".join(parts)))


main()
