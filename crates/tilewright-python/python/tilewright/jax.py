"""Kernels as JAX functions with gradients: they take part in `jax.jit`, `jax.grad` and `jax.vmap` of batched code.

    from tilewright.jax import rms_norm
    jax.grad(lambda x: rms_norm(x, weight).sum())(x)

Every kernel of the registry that has a gradient kernel is here under its name, with the arrays and arguments of `tilewright.kernels`. Outside of `jit` a
call runs where its arrays lie; inside it JAX calls back to the host (`jax.pure_callback`).
"""

import functools

import jax
import jax.numpy as jnp
import numpy as np

from tilewright._gradients import plans
from tilewright._native import asarray
from tilewright.elementwise import copy

__all__ = []


def _shapes(call, *arrays):
    """Shapes and dtypes of what a kernel gives: it is run once on zeros of these shapes on the host, and they are remembered."""
    described = tuple(None if array is None else (array.shape, jnp.dtype(array.dtype).name) for array in arrays)
    return _shapes_of(call, described)


@functools.lru_cache(maxsize=1024)
def _shapes_of(call, described):
    with jax.ensure_compile_time_eval():
        zeros = [None if each is None else _host(np.zeros(each[0], jnp.dtype(each[1]))) for each in described]
        found = call(zeros)
    return tuple(None if each is None else jax.ShapeDtypeStruct(each.shape, each.dtype) for each in found)


def _host(array):
    """An array of JAX's on the CPU: bf16 has no other form that says what it is."""
    return jax.device_put(array, jax.devices("cpu")[0])


def _wide(array):
    """Integers of JAX have 32 bits unless it is told otherwise; kernels take ids of 64."""
    return copy(asarray(array), dtype="i64") if array is not None and array.dtype == jnp.int32 else array


class _Call:
    """One kernel, or its gradient, with its arguments: hashed as these are, so that shapes are found once."""

    def __init__(self, plan, arguments, backward):
        self.plan, self.arguments, self.backward = plan, arguments, backward

    def key(self):
        return self.plan.name, self.arguments, self.backward

    def __hash__(self):
        return hash(self.key())

    def __eq__(self, other):
        return isinstance(other, _Call) and self.key() == other.key()

    def __call__(self, arrays):
        plan, arguments = self.plan, dict(self.arguments)
        arrays = [_wide(array) for array in arrays]
        if not self.backward:
            return plan.run(arrays, arguments)
        n, m = len(plan.inputs), len(plan.outputs)
        return plan.differentiate(arrays[:n], arrays[n : n + m], arrays[n + m :], arguments)

    def apply(self, arrays):
        """The results: at once where arrays are there, else by a callback."""
        if not any(isinstance(array, jax.core.Tracer) for array in arrays):
            return list(self(arrays))
        present = [at for at, array in enumerate(arrays) if array is not None]
        shapes = _shapes(self, *arrays)
        given = [at for at, shape in enumerate(shapes) if shape is not None]

        def back(*values):
            table = [None] * len(arrays)
            for at, value in zip(present, values, strict=True):
                table[at] = _host(value)
            found = self(table)
            return tuple(np.asarray(found[at]) for at in given)

        results = jax.pure_callback(back, tuple(shapes[at] for at in given), *[arrays[at] for at in present])
        placed = dict(zip(given, results, strict=True))
        return [placed.get(at) for at in range(len(shapes))]


def _function(plan):
    names = [argument for argument, _, _ in plan.forward.kernel.arguments]

    @functools.partial(jax.custom_vjp, nondiff_argnums=(0,))
    def apply(arguments, inputs):
        return tuple(_Call(plan, arguments, False).apply(list(inputs)))

    def forward(arguments, inputs):
        outputs = apply(arguments, inputs)
        return outputs, (inputs, outputs)

    def backward(arguments, saved, outer):
        inputs, outputs = saved
        found = _Call(plan, arguments, True).apply([*inputs, *outputs, *outer])
        for at, (value, gradient) in enumerate(zip(inputs, found, strict=True)):
            if value is None:
                continue
            if gradient is None and not jnp.issubdtype(value.dtype, jnp.floating):
                found[at] = np.zeros(value.shape, jax.dtypes.float0)
            elif gradient is None:
                raise plan.refuse(at)
        return (tuple(found),)

    apply.defvjp(forward, backward)

    def function(*inputs, **keywords):
        given = list(inputs) + [keywords.pop(each, None) for each in plan.inputs[len(inputs) :]]
        arguments = tuple((name, keywords.pop(name)) for name in names if keywords.get(name) is not None)
        keywords = {name: value for name, value in keywords.items() if name not in names}
        if keywords or len(given) > len(plan.inputs):
            raise TypeError(f"{plan.name}: takes {', '.join(plan.inputs + names)}")
        given = tuple(None if each is None else jnp.asarray(each) for each in given)
        outputs = apply(arguments, given)
        return outputs[0] if len(plan.outputs) == 1 else plan.forward.kernel.result(*outputs)

    function.__name__ = function.__qualname__ = plan.name
    function.__doc__ = plan.forward.__doc__
    return function


for _name, _plan in plans().items():
    globals()[_name] = _function(_plan)
    __all__.append(_name)
