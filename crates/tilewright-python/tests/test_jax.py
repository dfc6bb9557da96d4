"""JAX: its dtypes, and its own arrays back."""

import pytest

import tilewright

jax = pytest.importorskip("jax", reason="JAX is not installed: its arrays were not tested")
jnp = jax.numpy

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
    result = tilewright.kernels.linalg.qr(a)
    assert isinstance(result.q, type(a))
    # On a GPU JAX's own product has the digits of TF32.
    with jax.default_matmul_precision("highest"):
        assert jnp.allclose(result.q @ result.r, a, atol=1e-5)
    assert jnp.allclose(tilewright.reduce.softmax(a.T), jnp.exp(a.T) / jnp.exp(a.T).sum(-1, keepdims=True), atol=1e-6)


def test_gradients_and_jit():
    from tilewright import jax as ours

    key = jax.random.PRNGKey(2)
    x, w = jax.random.normal(key, (4, 6)), jnp.linspace(0.5, 1.5, 6)
    target = jnp.array([1, 0, 5, 2])

    def plain(x, w):
        return x * jax.lax.rsqrt((x * x).mean(-1, keepdims=True) + 1e-6) * w

    def loss(call):
        return lambda x, w: jnp.sin(call(x, w)).sum()

    for run in (lambda f: f, jax.jit):
        for mine, theirs in zip(run(jax.grad(loss(ours.rms_norm), (0, 1)))(x, w), jax.grad(loss(plain), (0, 1))(x, w), strict=True):
            assert jnp.allclose(mine, theirs, atol=1e-5)
        entropy = run(jax.grad(lambda x: ours.cross_entropy(x, target).mean()))(x)
        assert jnp.allclose(entropy, jax.grad(lambda x: -jax.nn.log_softmax(x)[jnp.arange(4), target].mean())(x), atol=1e-6)
    assert jnp.allclose(ours.soft_cap(x, cap=2.0), 2 * jnp.tanh(x / 2), atol=1e-6)
    with pytest.raises(TypeError, match="takes x, cap"):
        ours.soft_cap(x, caps=2.0)


def test_the_mlstm_has_its_gradient():
    from tilewright import jax as ours

    q, k, v = (jax.random.normal(jax.random.PRNGKey(seed), (1, 2, 9, 4)) for seed in range(3))
    i, f = (jax.random.normal(jax.random.PRNGKey(seed), (1, 2, 9)) for seed in (3, 4))

    def by(name, **arguments):
        def loss(q, i):
            found = getattr(ours, name)(q, k, v, i, f, **arguments)
            return jnp.square(found.h if name == "mlstm_chunkwise" else found).sum()

        return jax.jit(jax.grad(loss, (0, 1)))(q, i)

    # Two forms of one function: the gradient of each is a kernel of its own.
    for chunkwise, parallel in zip(by("mlstm_chunkwise", chunk=4), by("mlstm_parallel"), strict=True):
        assert jnp.allclose(chunkwise, parallel, rtol=1e-3, atol=1e-4)
