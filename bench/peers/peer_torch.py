"""PyTorch as a peer, on the CPU and on NVIDIA GPUs."""

import numpy
from protocol import serve


def make():
    import torch
    from torch_arrays import DTYPES as dtypes
    from torch_arrays import TorchLibrary, filters

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

    def real(function):
        def run(*inputs):
            return function(*inputs) if inputs[0].dtype in (torch.float32, torch.float64) else None

        return run

    def qr(mode="reduced", nonnegative=False):
        return None if mode == "r" or nonnegative else real(lambda a: torch.linalg.qr(a, mode=mode)[::-1])

    def orthogonalize(method="muon", steps=5):
        """Muon's loop in torch's own functions."""
        if method != "muon":
            return None

        def run(a):
            x = a.mT if a.shape[-2] > a.shape[-1] else a
            x = x / (x.norm(dim=(-2, -1), keepdim=True) + 1e-7)
            for _ in range(steps):
                g = x @ x.mT
                x = 3.4445 * x + (-4.7750 * g + 2.0315 * g @ g) @ x
            return x.mT if a.shape[-2] > a.shape[-1] else x

        return run

    def deviates(words, numbers, device):
        """The noise that the kernel defines (noise.rs): a peer that draws from other noise could not be judged."""
        words = words.cpu().numpy().view(numpy.uint32)
        wide = words.astype(numpy.uint64)

        def mixed(x):
            x = (x ^ (x >> numpy.uint64(30))) * numpy.uint64(0xBF58476D1CE4E5B9)
            x = (x ^ (x >> numpy.uint64(27))) * numpy.uint64(0x94D049BB133111EB)
            return x ^ (x >> numpy.uint64(31))

        seed, position = (wide[:, at] | wide[:, at + 1] << numpy.uint64(32) for at in (12, 14))
        keys = mixed(mixed(seed + numpy.uint64(0x9E3779B97F4A7C15)) ^ (position + numpy.uint64(0xD1B54A32D192ED03)))
        low, high = keys.astype(numpy.uint32)[:, None], (keys >> numpy.uint64(32)).astype(numpy.uint32)[:, None]
        x = numbers.astype(numpy.uint32)[None, :] ^ low
        x = (x ^ x >> numpy.uint32(17)) * numpy.uint32(0xED5AD4BB)
        x = (x ^ x >> numpy.uint32(11) ^ high) * numpy.uint32(0xAC4C1B51)
        x = (x ^ x >> numpy.uint32(15)) * numpy.uint32(0x31848BAB)
        x ^= x >> numpy.uint32(14)
        noise = -numpy.log1p(-(x.astype(numpy.float64) + 0.5) / 2**32)
        return torch.from_numpy(noise.astype(numpy.float32)).to(device)

    def sample(top_n=0, logprobs="raw", step=0):
        """vLLM's chain in torch's own functions: sort, masks, softmax, and the least of noise over probability for a multinomial draw."""
        if top_n or logprobs != "raw" or step:
            return None
        known = []

        def settings(logits, words):
            # Made once for a batch, as a server's would be: the untimed first call pays.
            asked = filters(words, logits.device)
            if asked is None:
                return False
            heat, k, p, by_k, by_p = asked
            k = k.long()[:, None]
            k = torch.where(k == 0, logits.shape[1], k)
            tiles = -(-logits.shape[1] // 1024)
            noise = deviates(words, numpy.arange(1024 * tiles), logits.device)
            heats = deviates(words, numpy.arange(tiles) + 2**31, logits.device)
            known.extend([heat[:, None], k, p[:, None], by_k or by_p, noise, heats])
            return True

        def draw(logits, words):
            if not known and not settings(logits, words):
                return None
            heat, k, p, filtered, noise, heats = known
            v = logits.shape[1]
            z = logits.float() / heat
            if filtered:
                ordered, places = z.sort(dim=-1, descending=False)
                last = ordered.gather(1, ordered.shape[1] - k)
                ordered.masked_fill_(ordered < last, -torch.inf)
                below = ordered.softmax(dim=-1).cumsum(dim=-1)
                cut = below <= 1 - p
                cut[:, -1] = False
                ordered.masked_fill_(cut, -torch.inf)
                z = torch.empty_like(z).scatter_(1, places, ordered)
            weights = z.softmax(dim=-1)
            if filtered:
                ids = weights.div(noise[:, :v]).argmax(dim=-1)
            else:
                # The two heats of the contract: among tiles, then among the tokens of one.
                parts = torch.nn.functional.pad(weights, (0, noise.shape[1] - v)).view(len(z), -1, 1024)
                tile = parts.sum(dim=-1).div(heats).argmax(dim=-1)
                rows = torch.arange(len(z), device=z.device)
                own = parts[rows, tile].div(noise.view(len(z), -1, 1024)[rows, tile])
                ids = own.argmax(dim=-1) + 1024 * tile
            raw = logits.float()
            logprobs = raw.gather(1, ids[:, None])[:, 0] - raw.logsumexp(dim=-1)
            return ids, logprobs, ids.new_empty((len(ids), 0)), logprobs.new_empty((len(ids), 0))

        return draw

    def kv_append(block=16):
        def run(*inputs):
            if len(inputs) != 3:
                return None
            *sources, slots = inputs
            caches = [torch.empty_like(x) for x in sources]
            for cache, x in zip(caches, sources):
                cache.index_copy_(0, slots, x)
            return [cache.view(-1, block, *cache.shape[1:]) for cache in caches]

        return run

    def pack(axes=""):
        """The bytes alone: torch has no checksum."""
        order = [int(axis) for axis in axes.split(",") if axis]

        def run(x):
            return (x.permute(order) if order else x).clone(memory_format=torch.contiguous_format).view(torch.uint8).flatten()

        return run

    def unpack(dtype, shape, axes=""):
        order = [int(axis) for axis in axes.split(",") if axis]
        shape = [int(extent) for extent in shape.split(",")]

        def run(sent):
            x = sent.view(dtypes[dtype]).view(shape)
            return (x.permute(order) if order else x).clone(memory_format=torch.contiguous_format)

        return run if dtype in dtypes else None

    def quantize(bits=8, block=0, format="int"):
        """Blocks' largest magnitudes, scaled, rounded and narrowed, a pass each."""
        most = {("int", 8): 127.0, ("int", 4): 7.0, ("e4m3", 8): 448.0, ("e5m2", 8): 57344.0}.get((format, bits))

        def run(x):
            blocks = x.float().unflatten(-1, (-1, block or x.shape[-1]))
            largest = blocks.abs().amax(dim=-1, keepdim=True)
            scaled = (blocks * (most / largest)).flatten(-2)
            if format != "int":
                values = scaled.to({"e4m3": torch.float8_e4m3fn, "e5m2": torch.float8_e5m2}[format])
            elif bits == 8:
                values = scaled.round().to(torch.int8)
            else:
                even, odd = (scaled[..., at::2].round().to(torch.int8).view(torch.uint8) for at in (0, 1))
                values = (even & 15) | (odd << 4)
            return values, largest.squeeze(-1) / most

        return run if most else None

    def requantize():
        def run(values, scales):
            small = torch.round(values.to(torch.float32) * (7 / 127)).to(torch.int8).view(torch.uint8)
            return (small[..., ::2] & 15) | (small[..., 1::2] << 4), scales * (127 / 7)

        return run

    def flat_scan_topk(k=1, metric="l2"):
        # In bands of rows, so that no matrix of all distances is needed; |q|^2 is added to what was selected.
        def run(queries, data, band=1 << 18):
            values, ids = [], []
            for start in range(0, len(data), band):
                rows = data[start:start + band]
                scores = torch.addmm((rows * rows).sum(1), queries, rows.T, alpha=-2)
                best = torch.topk(scores, min(k, len(rows)), dim=1, largest=False)
                values.append(best.values)
                ids.append(best.indices + start)
            best = torch.topk(torch.cat(values, 1), k, dim=1, largest=False)
            return best.values + (queries * queries).sum(1, keepdim=True), torch.cat(ids, 1).gather(1, best.indices)

        return run if metric == "l2" and k >= 1 else None

    def kmeans(k=1, iterations=10, **others):
        # Labels in bands of rows; the mean of the rows of each label, or the centroid as it was where there are none.
        def run(x, initial, band=1 << 18):
            centroids = initial
            for _ in range(iterations):
                right, half = centroids.to(x.dtype).T, centroids.square().sum(1) / 2
                labels = torch.cat([(half - rows @ right).argmin(1) for rows in x.split(band)])
                sums = torch.zeros_like(centroids).index_add_(0, labels, x.to(centroids.dtype))
                counts = torch.bincount(labels, minlength=k).unsqueeze(1)
                centroids = torch.where(counts > 0, sums / counts.clamp(min=1), centroids)
            return centroids, labels

        return None if others else run

    def attention(causal=False, scale=None, soft_cap=0.0, window=0, keep=0):
        """torch's fused kernels, which give the logarithms too; their causal mask is ours where queries and keys are as many."""
        if soft_cap or window:
            return None

        def run(q, k, v):
            if q.device.type != "cuda" or (causal and q.shape[2] != k.shape[2]):
                return None
            if q.dtype != torch.float32:
                return torch.ops.aten._scaled_dot_product_flash_attention(q, k, v, 0.0, causal, False, scale=scale)[:2]
            k, v = (x.repeat_interleave(q.shape[1] // x.shape[1], 1) for x in (k, v))
            read = torch.ops.aten._scaled_dot_product_efficient_attention(q, k, v, None, True, 0.0, causal, scale=scale)
            return read[0], read[1][..., :q.shape[2]]

        return run

    def attention_decode(scale=None, soft_cap=0.0, window=0, keep=0, splits=0):
        """The blocks gathered, then the fused kernel with a group's queries as its rows: sequences of one length alone."""
        read = attention(scale=scale, soft_cap=soft_cap, window=window, keep=keep)
        known = []

        def run(q, k_cache, v_cache, table, lengths):
            if read is None or q.device.type != "cuda":
                return None
            if not known:
                known.append(int(lengths[0]) if bool((lengths == lengths[0]).all()) else -1)
            if known[0] < 0:
                return None
            k, v = (x[table.long()].flatten(1, 2)[:, :known[0]].transpose(1, 2) for x in (k_cache, v_cache))
            found = read(q.view(len(q), k.shape[1], -1, q.shape[2]), k, v)
            return found and (found[0].reshape(*q.shape[:2], -1), found[1].reshape(q.shape[:2]))

        return run

    makers = {
        "attention": attention,
        "attention_decode": attention_decode,
        "sample": sample,
        "eigh": eigh,
        "svd": svd,
        "pinv": lambda: lambda a: torch.linalg.pinv(a, rtol=max(a.shape[-2:]) * torch.finfo(a.dtype).eps),
        "copy": copy,
        "cholesky": lambda upper=False: real(lambda a: torch.linalg.cholesky_ex(a, upper=upper)),
        # It counts exchanges where the kernel counts rows.
        "lu": lambda: real(torch.linalg.lu_factor_ex),
        "inverse": lambda: real(torch.linalg.inv_ex),
        "solve": lambda: real(torch.linalg.solve_ex),
        "orthogonalize": orthogonalize,
        "qr": qr,
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
        "flat_scan_topk": flat_scan_topk,
        "kmeans": kmeans,
        "kv_append": kv_append,
        "pack": pack,
        "unpack": unpack,
        "quantize": quantize,
        "requantize": requantize,
        "top_k": lambda k=1, axis=-1, largest=True, index="u32": lambda x: torch.topk(x, k, dim=axis, largest=largest),
    }

    class Torch(TorchLibrary):
        name = f"torch {torch.__version__}"
        kernels = makers
        replayed = {"argmax", "top_k", "sample", "kv_append", "pack", "unpack"}

    return Torch()


serve(make)
