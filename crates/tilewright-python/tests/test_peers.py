"""Formats beside the real libraries of those who speak them: msgspec, grpcio with exo's messages, safetensors. What one side writes the other reads, both ways."""

import contextlib
import importlib
import io
import json
import os
import pathlib
import subprocess
import sys

import numpy as np
import pytest

import tilewright
from tilewright.exo import read_header, read_messages, write_cache_to_wire
from tilewright.lm import LanguageModel, LmState

ROOT = pathlib.Path(__file__).parents[3]
RANDOM = np.random.default_rng(11)
CONFIG = {"vocab_size": 256, "hidden_size": 64, "num_hidden_layers": 3, "num_heads": 2, "eos_token_id": None, "bos_token_id": None, "pad_token_id": None}


def array(*shape, dtype=np.float32):
    return RANDOM.normal(size=shape).astype(dtype)


# ---- exo's prefill stream, by msgspec


@pytest.fixture(scope="module")
def exo():
    """exo's messages as msgspec has them: the fields in exo's order, which decides the bytes."""
    msgspec = pytest.importorskip("msgspec", reason="msgspec is not installed: exo's prefill stream was not compared")
    struct = msgspec.defstruct
    blob = struct("TensorBlob", [("dtype", str), ("shape", tuple[int, ...]), ("data", bytes)])
    head = [("layer_idx", int), ("num_tokens", int), ("n_heads", int), ("head_dim", int), ("dtype", str)]
    types = {
        "header": struct("Header", [("request_id", str), ("model_id", str), ("num_layers", int), ("dtype", str), ("start_pos", int)]),
        "within": struct("Within", [*head, ("keys", bytes), ("values", bytes)], tag="kv_chunk"),
        "behind": struct("Behind", [*head, ("keys_len", int), ("values_len", int)], tag="kv_chunk"),
        "arrays": struct("ArraysState", [("layer_idx", int), ("arrays", list[blob])], tag="arrays_state"),
        "done": struct("Done", [("total_tokens", int)], tag="done"),
        "error": struct("ErrorMessage", [("code", int), ("message", str)], tag="error"),
    }

    def framed(message):
        payload = msgspec.msgpack.encode(message)
        return len(payload).to_bytes(4, "big") + payload

    def decoded(stream, kind):
        payload = stream.read(int.from_bytes(stream.read(4), "big"))
        return msgspec.msgpack.decode(payload, type=kind)

    union = types["within"] | types["arrays"] | types["done"] | types["error"]
    return {**types, "blob": blob, "framed": framed, "decoded": decoded, "message": union}


@pytest.mark.parametrize("dtype", ["float16", "float32"])
@pytest.mark.parametrize("way", ["within", "behind"])
def test_what_msgspec_writes_is_read(exo, dtype, way):
    keys, values = array(40, 3, 8, dtype=dtype), array(40, 3, 8, dtype=dtype)
    state = [array(1, 2, 3), array(4, dtype=np.float16), array()]
    stream = exo["framed"](exo["header"]("naïve", "m", 70_000, dtype, 5))
    stream += exo["framed"](exo["within"](300, 40, 3, 8, dtype, keys.tobytes(), values.tobytes())) if way == "within" else b""
    if way == "behind":
        sizes = keys.nbytes, values.nbytes
        stream += exo["framed"](exo["behind"](300, 40, 3, 8, dtype, *sizes)) + keys.tobytes() + values.tobytes()
    blobs = [exo["blob"](each.dtype.name, each.shape, each.tobytes()) for each in state]
    stream += exo["framed"](exo["arrays"](2, blobs)) + exo["framed"](exo["done"](45))
    file = io.BytesIO(stream)
    header = read_header(file)
    assert header[:3] == ("naïve", "m", 70_000) and header.start_pos == 5
    chunk, arrays, done = read_messages(file)
    assert (chunk.kind, chunk.number, arrays.kind, arrays.number, done.kind, done.number) == ("kv_chunk", 300, "arrays_state", 2, "done", 45)
    for ours, theirs in zip([*chunk.arrays, *arrays.arrays], [keys, values, *state], strict=True):
        assert np.array(ours).dtype == theirs.dtype
        np.testing.assert_array_equal(np.array(ours), theirs)
    failed = io.BytesIO(exo["framed"](exo["header"]("", "", 1, dtype, 0)) + exo["framed"](exo["error"](-7, "no memory")))
    read_header(failed)
    (error,) = read_messages(failed)
    assert (error.kind, error.number, error.text) == ("error", -7, "no memory")


class KVCache:
    """Of mlx-lm's names, which is what they are known by."""

    def __init__(self, keys, values, offset):
        self.keys, self.values, self.offset = keys, values, offset


class ArraysCache:
    def __init__(self, arrays):
        self.cache = arrays


@pytest.mark.parametrize("dtype", ["float16", "float32"])
def test_what_is_written_is_msgspecs_to_the_byte(exo, dtype):
    # Heads first, with room for more tokens than there are.
    keys, values = array(1, 3, 64, 8, dtype=dtype), array(1, 3, 64, 8, dtype=dtype)
    state = [array(1, 2, 3), array(7, dtype=np.float16)]
    file = io.BytesIO()
    sent = write_cache_to_wire(file, [KVCache(keys, values, 50), ArraysCache(state)], request_id="r", model_id="naïve", start_pos=9)
    assert sent == 41
    tokens = [np.ascontiguousarray(each[0, :, 9:50].transpose(1, 0, 2)) for each in (keys, values)]
    messages = [
        exo["header"]("r", "naïve", 2, dtype, 9),
        exo["within"](0, 41, 3, 8, dtype, *[each.tobytes() for each in tokens]),
        exo["arrays"](1, [exo["blob"](each.dtype.name, each.shape, each.tobytes()) for each in state]),
        exo["done"](41),
    ]
    assert file.getvalue() == b"".join(exo["framed"](message) for message in messages)
    file.seek(0)
    assert exo["decoded"](file, exo["header"]) == messages[0]
    assert [exo["decoded"](file, exo["message"]) for _ in messages[1:]] == messages[1:]
    assert file.read() == b""


# ---- exo's node service, by grpcio


@pytest.fixture(scope="module")
def program():
    path = pathlib.Path(os.environ.get("TILEWRIGHT_PROGRAM", ROOT / "target/debug/tilewright"))
    if not path.is_file():
        pytest.skip(f"{path} is not built (cargo build -p tilewright-cli, or TILEWRIGHT_PROGRAM): the node service was not asked")
    return path


@pytest.fixture(scope="module")
def service(tmp_path_factory):
    """The messages and the stub that Google's compiler makes of exo's service."""
    pytest.importorskip("grpc", reason="grpcio is not installed: the node service was not asked")
    protoc = pytest.importorskip("grpc_tools.protoc", reason="grpcio-tools is not installed: the node service was not asked")
    folder, proto = tmp_path_factory.mktemp("proto"), ROOT / "crates/tilewright-wire/src/exo"
    arguments = [f"-I{proto}", f"--python_out={folder}", f"--grpc_python_out={folder}", str(proto / "node_service.proto")]
    assert protoc.main(["protoc", *arguments]) == 0
    sys.path.insert(0, str(folder))
    try:
        return importlib.import_module("node_service_pb2"), importlib.import_module("node_service_pb2_grpc")
    finally:
        sys.path.remove(str(folder))


@contextlib.contextmanager
def node(program, service, folder, blocks, *more):
    """A node in a process of its own, and a stub with exo's options."""
    import grpc

    command = [program, "--json", "serve", "--model", folder, "--blocks", blocks, "--listen", "127.0.0.1:0", "--model-id", "m", *more]
    with subprocess.Popen([str(each) for each in command], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            text = ""
            while "}" not in text:
                line = process.stdout.readline()
                assert line, process.stderr.read()
                text += line
            limits = [("grpc.max_send_message_length", 256 << 20), ("grpc.max_receive_message_length", 256 << 20)]
            with grpc.insecure_channel(json.loads(text)["address"], options=limits) as channel:
                yield service[1].NodeServiceStub(channel)
        finally:
            process.terminate()
            process.communicate(timeout=30)


def packed(pb, tensor):
    return pb.Tensor(tensor_data=tensor.tobytes(), shape=tensor.shape, dtype=str(tensor.dtype))


def unpacked(tensor):
    return np.frombuffer(tensor.tensor_data, dtype=tensor.dtype).reshape(tensor.shape)


def close(ours, theirs):
    np.testing.assert_allclose(ours, np.array(theirs), rtol=1e-5, atol=1e-5)


def test_exos_client_runs_a_model_over_two_nodes(program, service, tmp_path):
    import grpc

    pb, _ = service
    model = LanguageModel.random(CONFIG, seed=3)
    model.save(tmp_path)
    shard = lambda first, last: pb.Shard(model_id="m", start_layer=first, end_layer=last, n_layers=3)
    with node(program, service, tmp_path, "0..1") as one, node(program, service, tmp_path, "1..3") as two:
        assert one.HealthCheck(pb.HealthCheckRequest()).is_healthy
        topology = one.CollectTopology(pb.CollectTopologyRequest(max_depth=4))
        assert [each.model for each in topology.nodes.values()] == ["m"]

        def step(asked, request):
            """What both nodes make of a text or of tokens."""
            if isinstance(asked, str):
                hidden = one.SendPrompt(pb.PromptRequest(shard=shard(0, 0), prompt=asked, request_id=request))
            else:
                tokens = np.array([asked], np.int64)
                hidden = one.SendTensor(pb.TensorRequest(shard=shard(0, 0), tensor=packed(pb, tokens), request_id=request))
            # As it came, and as numpy writes it anew.
            assert packed(pb, unpacked(hidden)) == hidden and hidden.dtype == "float32"
            return unpacked(two.SendTensor(pb.TensorRequest(shard=shard(1, 2), tensor=hidden, request_id=request)))

        expected, state = model.next([list("naïve".encode())])
        logits = step("naïve", "r")
        assert logits.shape == (1, 256)
        close(logits, expected)
        for _ in range(3):
            token = int(logits.argmax())
            expected, state = model.next([[token]], state)
            logits = step([token], "r")
            close(logits, expected)
        for stub in (one, two):
            stub.SendResult(pb.SendResultRequest(request_id="r", result=[token], is_finished=True))
            stub.SendOpaqueStatus(pb.SendOpaqueStatusRequest(request_id="r", status="{}"))
        close(step([7, 8], "r"), model.next([[7, 8]])[0])

        # Beyond gRPC's own 4 MiB, each way.
        long = RANDOM.integers(0, 256, 16_384).tolist()
        assert len(long) * 64 * 4 >= 4 << 20
        close(step(long, None), model.next([long])[0])

        for code, message, call in [
            (grpc.StatusCode.INVALID_ARGUMENT, "holds the layers 0 to 0 of 3", lambda: one.SendPrompt(pb.PromptRequest(shard=shard(0, 2), prompt="a"))),
            (grpc.StatusCode.UNIMPLEMENTED, "first node", lambda: two.SendPrompt(pb.PromptRequest(shard=shard(1, 2), prompt="a"))),
            (grpc.StatusCode.INVALID_ARGUMENT, "token is 256", lambda: step([256], None)),
            (grpc.StatusCode.UNIMPLEMENTED, "do not train", lambda: one.SendExample(pb.ExampleRequest(shard=shard(0, 0)))),
        ]:
            with pytest.raises(grpc.RpcError) as caught:
                call()
            assert caught.value.code() == code and message in caught.value.details()


WORDS = {
    "version": "1.0",
    "truncation": None,
    "padding": None,
    "added_tokens": [],
    "normalizer": None,
    "pre_tokenizer": None,
    "post_processor": None,
    "decoder": None,
    "model": {
        "type": "BPE",
        "dropout": None,
        "unk_token": None,
        "continuing_subword_prefix": None,
        "end_of_word_suffix": None,
        "fuse_unk": False,
        "byte_fallback": False,
        "vocab": {"a": 3, "b": 1, "ab": 4},
        "merges": [["a", "b"]],
    },
}


def test_a_prompt_is_read_by_the_tokenizer_beside_the_model(program, service, tmp_path):
    import grpc

    pb, _ = service
    model = LanguageModel.random(CONFIG | {"vocab_size": 6}, seed=3)
    model.save(tmp_path)
    request = pb.PromptRequest(shard=pb.Shard(model_id="m", start_layer=0, end_layer=2, n_layers=3), prompt="abba")
    with node(program, service, tmp_path, "0..3") as stub:
        with pytest.raises(grpc.RpcError) as caught:
            stub.SendPrompt(request)
        assert caught.value.code() == grpc.StatusCode.UNIMPLEMENTED and "tokenizer.json" in caught.value.details()
    (tmp_path / "tokenizer.json").write_text(json.dumps(WORDS))
    with node(program, service, tmp_path, "0..3") as stub:
        close(unpacked(stub.SendPrompt(request)), model.next([[4, 1, 3]])[0])


# ---- safetensors


@pytest.fixture(scope="module")
def safetensors():
    pytest.importorskip("safetensors", reason="safetensors is not installed: its files were not compared")
    return importlib.import_module("safetensors.numpy")


def test_weights_and_states_go_through_safetensors(safetensors, tmp_path):
    model = LanguageModel.random(CONFIG, seed=5)
    ours, theirs = tmp_path / "ours", tmp_path / "theirs"
    model.save(ours)
    weights = safetensors.load_file(ours / "model.safetensors")
    assert sum(each.size for each in weights.values()) == model.parameters
    theirs.mkdir()
    (theirs / "config.json").write_bytes((ours / "config.json").read_bytes())
    # Changed by theirs, so that what is read is what they wrote.
    halved = {name: (each / 2 if each.ndim == 2 else each) for name, each in weights.items()}
    safetensors.save_file(halved, theirs / "model.safetensors")
    other = LanguageModel.load(theirs)
    assert not np.array_equal(other.next([[1, 2]])[0], model.next([[1, 2]])[0])
    other.save(ours)
    for name, each in safetensors.load_file(ours / "model.safetensors").items():
        np.testing.assert_array_equal(each, halved[name], name)

    _, state = model.next([[1, 2, 3]])
    safetensors.save_file({name: np.array(each) for name, each in state.tensors().items()}, tmp_path / "state.safetensors")
    again = LmState.from_tensors(safetensors.load_file(tmp_path / "state.safetensors"))
    assert model.next([[4]], again)[0].tobytes() == model.next([[4]], state)[0].tobytes()


def test_the_commands_files_are_safetensors(program, safetensors, tmp_path):
    x = array(5, 7)
    safetensors.save_file({"x": x}, tmp_path / "in.safetensors")
    command = [program, "run", "softmax", "--input", f"x={tmp_path / 'in.safetensors'}", "--output", tmp_path / "out.safetensors"]
    subprocess.run([str(each) for each in command], check=True, capture_output=True, timeout=60)
    written = safetensors.load_file(tmp_path / "out.safetensors")
    exact = np.exp(x - x.max(1, keepdims=True))
    np.testing.assert_allclose(next(iter(written.values())), exact / exact.sum(1, keepdims=True), rtol=1e-5)
    np.testing.assert_array_equal(next(iter(written.values())), tilewright.kernels.reduce.softmax(x))
