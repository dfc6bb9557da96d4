"""JAX as a peer, compiled, on whatever devices it finds."""

import inspect
import os

import numpy
from array_kernels import kernels
from protocol import Library, serve


def make():
    # Otherwise it takes most of a GPU's memory before anyone asks.
    os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")
    import jax
    import jax_mlstm

    jax.config.update("jax_enable_x64", True)
    # f32 means f32: without this, GPUs multiply in TF32.
    jax.config.update("jax_default_matmul_precision", "highest")
    jnp = jax.numpy

    def top_k(k=1, axis=-1, largest=True, index="u32"):
        return (lambda x: jax.lax.top_k(x, k)) if axis == -1 and largest else None

    def copy(dtype="same"):
        names = {"f64": jnp.float64, "f32": jnp.float32, "f16": jnp.float16, "bf16": jnp.bfloat16}
        if dtype == "same":
            return lambda x: jnp.array(x, copy=True)
        return (lambda x: x.astype(names[dtype])) if dtype in names else None

    makers = kernels(jnp, lambda array: jnp.issubdtype(array.dtype, jnp.floating))
    makers |= jax_mlstm.kernels(jax) | {
        "copy": copy,
        "logsumexp": lambda axis=-1: lambda x: jax.scipy.special.logsumexp(x, axis=axis),
        "softmax": lambda axis=-1: lambda x: jax.nn.softmax(x, axis=axis),
        "top_k": top_k,
    }

    def compiled(maker):
        def make_compiled(**args):
            function = maker(**args)
            return function and jax.jit(function)

        make_compiled.__signature__ = inspect.signature(maker)
        return make_compiled

    class Jax(Library):
        name = f"jax {jax.__version__}"
        kernels = {name: compiled(maker) for name, maker in makers.items()}

        def device(self, device):
            kind, _, ordinal = device.partition(":")
            try:
                return jax.devices(kind)[int(ordinal or 0)]
            except (RuntimeError, IndexError):
                return None

        def accepts(self, device):
            return self.device(device) is not None

        def load(self, array, dtype, device):
            array = array.view(jnp.bfloat16) if dtype == "bf16" else array
            return jax.device_put(array, self.device(device))

        def copy(self, array):
            return jnp.array(array, copy=True)

        def store(self, array):
            stored = numpy.asarray(array)
            return (stored.view(numpy.uint16), "bf16") if stored.dtype == jnp.bfloat16 else (stored, None)

        def finish(self, outputs):
            jax.block_until_ready(outputs)

    return Jax()


serve(make)
