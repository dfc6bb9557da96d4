"""Calls a node as exo's Python does, with grpcio and the numbers in NumPy: python exo_client.py HOST:PORT.

The node is `tilewright serve --model MODEL` with all blocks of a model of bytes. Needs grpcio-tools and numpy.
"""

import importlib
import pathlib
import sys
import tempfile

import grpc
import numpy
from grpc_tools import protoc

PROTO = pathlib.Path(__file__).parent.parent / "src/exo"


def main(address):
    with tempfile.TemporaryDirectory() as folder:
        if protoc.main(["", f"-I{PROTO}", f"--python_out={folder}", f"--grpc_python_out={folder}", str(PROTO / "node_service.proto")]):
            raise SystemExit("node_service.proto does not compile")
        sys.path.insert(0, folder)
        pb, services = importlib.import_module("node_service_pb2"), importlib.import_module("node_service_pb2_grpc")
    large = 256 << 20
    options = [("grpc.max_send_message_length", large), ("grpc.max_receive_message_length", large)]
    node = services.NodeServiceStub(grpc.insecure_channel(address, options=options))
    assert node.HealthCheck(pb.HealthCheckRequest(), timeout=5).is_healthy
    topology = node.CollectTopology(pb.CollectTopologyRequest(visited=[], max_depth=4), timeout=10)
    (name, device), *_ = topology.nodes.items()
    print(f"{name}: {device.model} on {device.chip}, {device.memory} MiB")

    def logits(answer):
        return numpy.frombuffer(answer.tensor_data, dtype=answer.dtype).reshape(tuple(answer.shape))

    # The node says what it holds where it is asked for something else.
    try:
        node.SendPrompt(pb.PromptRequest(shard=pb.Shard(model_id=device.model, n_layers=-1), prompt="a"))
        raise SystemExit("a shard that is none was taken")
    except grpc.RpcError as why:
        print("refused:", why.details())
        layers = int(why.details().split(" of ")[1])
    shard = pb.Shard(model_id=device.model, start_layer=0, end_layer=layers - 1, n_layers=layers)
    request, text = "exo's request", "the cat"
    answer = logits(node.SendPrompt(pb.PromptRequest(shard=shard, prompt=text, request_id=request), timeout=60))
    tokens = []
    for _ in range(20):
        tokens.append(int(answer[0].argmax()))
        token = numpy.array([[tokens[-1]]], dtype=numpy.int64)
        tensor = pb.Tensor(tensor_data=token.tobytes(), shape=token.shape, dtype=str(token.dtype))
        sent = pb.TensorRequest(shard=shard, tensor=tensor, request_id=request)
        answer = logits(node.SendTensor(sent, timeout=60))
    node.SendResult(pb.SendResultRequest(request_id=request, result=tokens, is_finished=True), timeout=5)
    print(",".join(map(str, tokens)))


main(sys.argv[1])
