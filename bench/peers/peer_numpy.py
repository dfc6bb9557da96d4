"""NumPy as a peer."""

from protocol import Library, serve


class NumPy(Library):
    def __init__(self):
        import numpy

        self.np = numpy
        self.name = f"numpy {numpy.__version__}"

    def load(self, array, dtype, device):
        return None if dtype == "bf16" else array

    def copy(self, array):
        return array.copy(order="K")

    def store(self, array):
        return self.np.asarray(array), "as stored"

    def functions(self, kernel, args):
        make = getattr(self, kernel, None)
        function = make(**args) if make else None
        return {"numpy": function} if function else {}

    def matmul(self, transpose_a=False, transpose_b=False, alpha=1.0, beta=0.0, out_dtype="auto", tile="auto"):
        if alpha != 1.0 or beta != 0.0 or out_dtype != "auto":
            return None

        def run(a, b):
            # NumPy has no matrix product of f16 that is more than a loop.
            if a.dtype == self.np.float16:
                return None
            return self.np.matmul(a.swapaxes(-1, -2) if transpose_a else a, b.swapaxes(-1, -2) if transpose_b else b)

        return run

    def gram(self, **args):
        if args:
            return None
        return lambda a: None if a.dtype == self.np.float16 else self.np.matmul(a.swapaxes(-1, -2), a)

    def copy_kernel(self, dtype="same"):
        names = {"f64": "f8", "f32": "f4", "f16": "f2", "i8": "i1", "i16": "i2", "i32": "i4", "i64": "i8"}
        if dtype == "same":
            return lambda x: self.np.array(x, order="C")
        return (lambda x: x.astype(names[dtype], order="C")) if dtype in names else None

    def soft_cap(self, cap=30.0):
        np = self.np
        return lambda x: x.dtype.type(cap) * np.tanh(x / x.dtype.type(cap)) if x.dtype.itemsize >= 4 else None

    def sum(self, axis=-1, mode="plain"):
        return (lambda x: self.np.sum(x, axis=axis)) if mode == "plain" else None

    def max(self, axis=-1):
        return lambda x: self.np.max(x, axis=axis)

    def argmax(self, axis=-1):
        return lambda x: self.np.argmax(x, axis=axis)


NumPy.functions_named_like_methods = {"copy": "copy_kernel"}


def functions(self, kernel, args):
    make = getattr(self, self.functions_named_like_methods.get(kernel, kernel), None)
    function = make(**args) if make else None
    return {"numpy": function} if function else {}


NumPy.functions = functions

serve(NumPy)
