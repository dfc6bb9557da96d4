"""JAX: its dtypes, and its own arrays back."""

import pytest

import tilewright

jnp = pytest.importorskip("jax.numpy", reason="JAX is not installed: its arrays were not tested")

DTYPES = {
    "float32": "f32",
    "float16": "f16",
    "bfloat16": "bf16",
    "float8_e4m3fn": "f8e4m3",
    "float8_e5m2": "f8e5m2",
    "int8": "i8",
    "int32": "i32",
    "uint16": "u16",
    "bool": "bool",
}


@pytest.mark.parametrize("name", DTYPES)
def test_dtypes_pass_both_ways(name):
    x = jnp.asarray([[0, 1, 1], [1, 0, 1]], dtype=name)
    t = tilewright.asarray(x)
    assert t.dtype == DTYPES[name] and t.tolist() == x.tolist()
    for y in (tilewright.elementwise.copy(x), jnp.from_dlpack(t)):
        assert isinstance(y, type(x)) and y.dtype == x.dtype and y.tolist() == x.tolist()
    assert tilewright.elementwise.copy(jnp.zeros(2), dtype=jnp.dtype(name)).dtype == x.dtype


def test_functions_give_jax_arrays_back():
    a = jnp.arange(12.0).reshape(4, 3) ** 0.5
    result = tilewright.linalg.qr(a)
    assert isinstance(result.q, type(a))
    assert jnp.allclose(result.q @ result.r, a, atol=1e-5)
    assert jnp.allclose(tilewright.reduce.softmax(a.T), jnp.exp(a.T) / jnp.exp(a.T).sum(-1, keepdims=True), atol=1e-6)
