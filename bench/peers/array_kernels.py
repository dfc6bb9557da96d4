"""The kernels in terms of a module that looks like NumPy: NumPy itself, CuPy, jax.numpy."""


def kernels(xp, real):
    """Makers by kernel name. `real` says whether the library does arithmetic on an array's dtype other than by a slow detour."""

    def only_real(function):
        return lambda *inputs: function(*inputs) if all(real(array) for array in inputs) else None

    def turned(array, flag):
        return array.swapaxes(-1, -2) if flag else array

    def copy(dtype="same"):
        names = {"f64": "float64", "f32": "float32", "f16": "float16", "i8": "int8", "i16": "int16", "i32": "int32"}
        names |= {"i64": "int64", "u8": "uint8", "u16": "uint16", "u32": "uint32", "u64": "uint64"}
        if dtype == "same":
            return lambda x: xp.array(x, order="C")
        return (lambda x: x.astype(names[dtype])) if dtype in names else None

    def soft_cap(cap=30.0):
        return only_real(lambda x: x.dtype.type(cap) * xp.tanh(x / x.dtype.type(cap)))

    def soft_cap_bw(cap=30.0):
        return only_real(lambda dy, x: dy * (1 - xp.square(xp.tanh(x / x.dtype.type(cap)))))

    def matmul(transpose_a=False, transpose_b=False, tile="auto"):
        return only_real(lambda a, b: xp.matmul(turned(a, transpose_a), turned(b, transpose_b)))

    def gram(of_rows=False, tile="auto"):
        def run(a):
            return xp.matmul(turned(a, not of_rows), turned(a, of_rows))

        return only_real(run)

    def gemv(transpose=False):
        return only_real(lambda a, x: xp.matmul(turned(a, transpose), x[..., None])[..., 0])

    def sum(axis=-1, mode="plain"):
        return only_real(lambda x: xp.sum(x, axis=axis)) if mode == "plain" else None

    def max(axis=-1):
        return only_real(lambda x: xp.max(x, axis=axis))

    def argmax(axis=-1, index="u32"):
        return only_real(lambda x: xp.argmax(x, axis=axis))

    def logsumexp(axis=-1):
        def run(x):
            top = xp.max(x, axis=axis, keepdims=True)
            return xp.log(xp.sum(xp.exp(x - top), axis=axis)) + top.squeeze(axis)

        return only_real(run)

    def softmax(axis=-1):
        def run(x):
            shifted = xp.exp(x - xp.max(x, axis=axis, keepdims=True))
            return shifted / xp.sum(shifted, axis=axis, keepdims=True)

        return only_real(run)

    def scan(axis=-1, exclusive=False, reverse=False):
        if exclusive or reverse:
            return None
        return only_real(lambda x: xp.cumsum(x, axis=axis))

    def top_k(k=1, axis=-1, largest=True, index="u32"):
        if axis != -1 or not largest or k < 1:
            return None

        def run(x):
            n = x.shape[-1]
            chosen = xp.argpartition(x, n - k, axis=-1)[..., n - k :]
            values = xp.take_along_axis(x, chosen, axis=-1)
            order = xp.argsort(-values, axis=-1)
            return xp.take_along_axis(values, order, axis=-1), xp.take_along_axis(chosen, order, axis=-1)

        return only_real(run)

    def eigh(upper=False, descending=False, values_only=False):
        if descending or values_only:
            return None

        def run(a):
            values, vectors = xp.linalg.eigh(a, UPLO="U" if upper else "L")
            return values, xp.zeros(a.shape[:-2], dtype="int32"), vectors

        return only_real(run)

    def svd(mode="reduced"):
        if mode == "values":
            return None

        def run(a):
            u, s, vt = xp.linalg.svd(a, full_matrices=mode == "full")
            return s, xp.zeros(a.shape[:-2], dtype="int32"), u, vt

        return only_real(run)

    def pinv():
        return only_real(lambda a: xp.linalg.pinv(a, rcond=max_extent(a) * xp.finfo(a.dtype).eps))

    def max_extent(a):
        return a.shape[-1] if a.shape[-1] > a.shape[-2] else a.shape[-2]

    return {
        maker.__name__: maker
        for maker in (
            copy, soft_cap, soft_cap_bw, matmul, gram, gemv, sum, max, argmax, logsumexp, softmax, scan, top_k, eigh, svd,
            pinv,
        )
    }
