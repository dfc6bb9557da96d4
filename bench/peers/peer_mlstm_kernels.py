"""NX-AI's mlstm_kernels (Triton) as a peer on NVIDIA GPUs, through the functions that the package documents.

Where a call is shorter than its launches take the host, it is timed as replays of a CUDA graph, as our own `--replayed` rows are.
"""

from importlib.metadata import version

from protocol import serve

# Chunks of 128 tokens, with which the authors publish their best times.
CHUNK = 128


def make():
    import torch
    from mlstm_kernels.torch import get_mlstm_kernel, get_mlstm_step_kernel
    from torch_arrays import CudaLibrary

    def chunkwise(input_gate, normalize, last):
        if input_gate == "exponential" and not normalize:
            return None
        sigmoid = input_gate == "sigmoid"
        kernel = get_mlstm_kernel("chunkwise--triton_xl_chunk" + ("_siging" if sigmoid else ""))
        settings = {"normalize": normalize} if sigmoid else {}

        def run(q, k, v, i, f):
            # f32 too is multiplied as bf16 there, on the matrix units.
            if q.dtype not in (torch.bfloat16, torch.float32):
                return None
            return kernel(
                q=q, k=k, v=v, i=i, f=f, chunk_size=min(CHUNK, q.shape[2]), return_last_states=last,
                autocast_kernel_dtype=torch.bfloat16, **settings,
            )

        return run

    def forward(input_gate="exponential", normalize=True):
        kernel = chunkwise(input_gate, normalize, True)

        def run(*inputs):
            if len(inputs) != 5:
                return None
            with torch.no_grad():
                made = kernel(*inputs)
            if made is None:
                return None
            h, (c, n, *m) = made
            # The sigmoid gate needs no stabiliser.
            m = m[0].reshape(m[0].shape[:2]) if m else torch.zeros(c.shape[:2], device=c.device)
            return h.to(inputs[0].dtype), c, n, m

        return kernel and run

    def both(input_gate="exponential", normalize=True):
        kernel = chunkwise(input_gate, normalize, False)

        def run(*inputs):
            if len(inputs) != 6:
                return None
            given = [x.detach().requires_grad_() for x in inputs[:5]]
            h = kernel(*given)
            if h is None:
                return None
            h = h[0] if isinstance(h, tuple) else h
            return (h.detach().to(inputs[0].dtype), *torch.autograd.grad(h, given, inputs[5].to(h.dtype)))

        return kernel and run

    def step():
        kernel = get_mlstm_step_kernel("triton")

        def run(q, k, v, i, f, c, n, m):
            if q.dtype != torch.bfloat16:
                return None
            with torch.no_grad():
                h, (c, n, m) = kernel(q=q, k=k, v=v, i=i[..., None], f=f[..., None], c=c, n=n, m=m[..., None])
            return h, c, n, m.reshape(m.shape[:2])

        return run

    class MlstmKernels(CudaLibrary):
        name = f"mlstm_kernels {version('mlstm_kernels')}"
        kernels = {"mlstm_chunkwise": forward, "mlstm_chunkwise+bw": both, "mlstm_step": step}
        replayed = {"mlstm_step"}

    return MlstmKernels()


serve(make)
