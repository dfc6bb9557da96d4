"""PyTorch as a peer, on the CPU and on NVIDIA GPUs."""

import numpy
from protocol import Library, serve


def make():
    import torch

    dtypes = {
        "f64": torch.float64, "f32": torch.float32, "f16": torch.float16, "bf16": torch.bfloat16, "i8": torch.int8,
        "i16": torch.int16, "i32": torch.int32, "i64": torch.int64, "u8": torch.uint8,
    }
    torch.backends.cuda.matmul.allow_tf32 = False

    def turned(array, flag):
        return array.transpose(-1, -2) if flag else array

    def copy(dtype="same"):
        if dtype == "same":
            return lambda x: x.clone(memory_format=torch.contiguous_format)
        return (lambda x: x.to(dtypes[dtype])) if dtype in dtypes else None

    def matmul(transpose_a=False, transpose_b=False, tile="auto"):
        return lambda a, b: torch.matmul(turned(a, transpose_a), turned(b, transpose_b))

    def gram(of_rows=False, tile="auto"):
        return lambda a: torch.matmul(turned(a, not of_rows), turned(a, of_rows))

    def sum(axis=-1, mode="plain"):
        return (lambda x: torch.sum(x, dim=axis, dtype=x.dtype)) if mode == "plain" else None

    def scan(axis=-1, exclusive=False, reverse=False):
        return None if exclusive or reverse else lambda x: torch.cumsum(x, dim=axis, dtype=x.dtype)

    def eigh(upper=False, descending=False, values_only=False):
        if descending or values_only:
            return None

        def run(a):
            values, vectors = torch.linalg.eigh(a, UPLO="U" if upper else "L")
            return values, torch.zeros(a.shape[:-2], dtype=torch.int32, device=a.device), vectors

        return run

    def svd(mode="reduced"):
        if mode == "values":
            return None

        def run(a):
            u, s, vt = torch.linalg.svd(a, full_matrices=mode == "full")
            return s, torch.zeros(a.shape[:-2], dtype=torch.int32, device=a.device), u, vt

        return run

    makers = {
        "eigh": eigh,
        "svd": svd,
        "pinv": lambda: lambda a: torch.linalg.pinv(a, rtol=max(a.shape[-2:]) * torch.finfo(a.dtype).eps),
        "copy": copy,
        "soft_cap": lambda cap=30.0: lambda x: cap * torch.tanh(x / cap),
        "soft_cap_bw": lambda cap=30.0: lambda dy, x: torch.ops.aten.tanh_backward(dy, torch.tanh(x / cap)),
        "matmul": matmul,
        "gram": gram,
        "gemv": lambda transpose=False: lambda a, x: torch.matmul(turned(a, transpose), x.unsqueeze(-1)).squeeze(-1),
        "sum": sum,
        "max": lambda axis=-1: lambda x: torch.amax(x, dim=axis),
        "argmax": lambda axis=-1, index="u32": lambda x: torch.argmax(x, dim=axis),
        "logsumexp": lambda axis=-1: lambda x: torch.logsumexp(x, dim=axis),
        "softmax": lambda axis=-1: lambda x: torch.softmax(x, dim=axis),
        "scan": scan,
        "top_k": lambda k=1, axis=-1, largest=True, index="u32": lambda x: torch.topk(x, k, dim=axis, largest=largest),
    }

    class Torch(Library):
        name = f"torch {torch.__version__}"
        device = None
        kernels = makers

        def accepts(self, device):
            if device.startswith("cuda"):
                return torch.cuda.is_available() and torch.cuda.device_count() > int(device.split(":")[1])
            return device == "cpu"

        def load(self, array, dtype, device):
            if dtype not in dtypes:
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

    return Torch()


serve(make)
