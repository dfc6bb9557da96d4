"""What peers that compute on PyTorch's tensors have in common."""

import numpy
import torch
from protocol import Library

DTYPES = {
    "f64": torch.float64, "f32": torch.float32, "f16": torch.float16, "bf16": torch.bfloat16, "i8": torch.int8,
    "i16": torch.int16, "i32": torch.int32, "i64": torch.int64, "u8": torch.uint8,
}


class TorchLibrary(Library):
    device = None

    def accepts(self, device):
        if device.startswith("cuda"):
            return torch.cuda.is_available() and torch.cuda.device_count() > int(device.split(":")[1])
        return device == "cpu"

    def load(self, array, dtype, device):
        if dtype == "u32":
            array, dtype = array.view(numpy.int32), "i32"
        if dtype not in DTYPES:
            return None
        self.device = device
        tensor = torch.from_numpy(array.view(numpy.int16) if dtype == "bf16" else array)
        return (tensor.view(torch.bfloat16) if dtype == "bf16" else tensor).to(device)

    def transpose(self, array, axes):
        return array.permute(axes)

    def copy(self, array):
        return array.clone(memory_format=torch.preserve_format)

    def store(self, array):
        array = array.detach().cpu().contiguous()
        if array.dtype == torch.bfloat16:
            return array.view(torch.int16).numpy().view(numpy.uint16), "bf16"
        return array.numpy(), None

    def finish(self, outputs):
        if self.device != "cpu":
            torch.cuda.synchronize(self.device)

    def release(self):
        torch.cuda.empty_cache()

    def start_memory(self):
        if self.device == "cpu":
            return None
        torch.cuda.synchronize(self.device)
        torch.cuda.reset_peak_memory_stats(self.device)
        return torch.cuda.memory_allocated(self.device)

    def stop_memory(self, before):
        if before is None:
            return None
        torch.cuda.synchronize(self.device)
        return torch.cuda.max_memory_allocated(self.device) - before

    def start_timer(self):
        if self.device == "cpu":
            return None
        event = torch.cuda.Event(enable_timing=True)
        event.record()
        return event

    def stop_timer(self, timer):
        if timer is None:
            return None
        event = torch.cuda.Event(enable_timing=True)
        event.record()
        event.synchronize()
        return timer.elapsed_time(event)

    def record(self, function, sets, calls):
        if self.device == "cpu":
            return None
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            for call in range(calls):
                function(*sets[call % len(sets)])
        return graph.replay


class CudaLibrary(TorchLibrary):
    """Of libraries that have kernels for NVIDIA GPUs alone."""

    def accepts(self, device):
        return device.startswith("cuda") and super().accepts(device)


def filters(words, device):
    """What rows of `sample` ask for (parameters.rs): temperatures, k (0 for none), p, and whether any row has k and p; None where a row is greedy or has other stages."""
    host = words.cpu().numpy().view(numpy.uint32)
    stages = {int(host[row, 10]) >> 4 * at & 15 for row in range(len(host)) for at in range(7)}
    if host[:, 0].max(initial=0) & 1 or not stages <= {0, 1, 3, 5}:
        return None
    heat = 1.4426950408889634 / torch.from_numpy(host[:, 1].copy()).view(torch.float32).to(device)
    k = torch.from_numpy(host[:, 3].astype(numpy.int32)).to(device)
    p = torch.from_numpy((host[:, 4].astype(numpy.float64) / 2**32).astype(numpy.float32)).to(device)
    return heat, k, p, 3 in stages, 5 in stages
