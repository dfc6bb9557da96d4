"""PyTorch: its dtypes, its own arrays back, gradients."""

import gc

import pytest

import tilewright

torch = pytest.importorskip("torch", reason="PyTorch is not installed: its arrays and operators were not tested")

DTYPES = {
    "f64": torch.float64,
    "f32": torch.float32,
    "f16": torch.float16,
    "bf16": torch.bfloat16,
    "f8e4m3": torch.float8_e4m3fn,
    "f8e5m2": torch.float8_e5m2,
    "i8": torch.int8,
    "i16": torch.int16,
    "i32": torch.int32,
    "i64": torch.int64,
    "u8": torch.uint8,
    "u16": torch.uint16,
    "u32": torch.uint32,
    "u64": torch.uint64,
    "bool": torch.bool,
}


@pytest.mark.parametrize("name", tilewright.DTYPES)
def test_every_dtype_is_shared_and_comes_back(name):
    x = torch.tensor([[0, 1, 1], [1, 0, 1]]).to(DTYPES[name])
    t = tilewright.asarray(x)
    assert t.dtype == name and t.shape == (2, 3)
    assert t.tobytes() == bytes(x.view(torch.uint8).flatten().tolist())
    y = tilewright.elementwise.copy(x)
    assert y.dtype == x.dtype and y.data_ptr() != x.data_ptr()
    assert bytes(y.view(torch.uint8).flatten().tolist()) == t.tobytes()
    assert tilewright.elementwise.copy(torch.zeros(3), dtype=x.dtype).dtype == x.dtype


def test_memory_is_shared_and_kept():
    x = torch.arange(1000.0)
    t = tilewright.asarray(x.view(10, 100).T)
    assert t.strides == (1, 100)
    del x
    gc.collect()
    assert t.tolist()[7][3] == 307
    y = torch.from_dlpack(tilewright.asarray(torch.arange(1000.0)).__dlpack__(copy=True))
    gc.collect()
    assert y[999] == 999


def test_a_tensor_with_a_gradient_says_what_to_do():
    with pytest.raises((BufferError, RuntimeError), match="detach"):
        tilewright.elementwise.soft_cap(torch.zeros(3, requires_grad=True))


def test_soft_cap_has_its_gradient():
    from tilewright.torch import soft_cap

    x = torch.randn(3, 5, dtype=torch.float64).requires_grad_()
    torch.testing.assert_close(soft_cap(x, 2.0), 2 * torch.tanh(x / 2))
    assert torch.autograd.gradcheck(lambda x: soft_cap(x, 2.0), x)
    assert torch.autograd.gradcheck(lambda x: soft_cap(x.T, 2.0), x)


def recurrent(q, k, v, i, f, state=None):
    """The mLSTM step by step, by PyTorch's own operations."""
    (b, nh, s, dqk), dv = q.shape, v.shape[-1]
    c, n, m = state or (q.new_zeros(b, nh, dqk, dv), q.new_zeros(b, nh, dqk), q.new_zeros(b, nh))
    rows = []
    for t in range(s):
        forget = torch.nn.functional.logsigmoid(f[..., t])
        later = torch.maximum(forget + m, i[..., t]).detach()
        keep, take = torch.exp(forget + m - later), torch.exp(i[..., t] - later)
        c = keep[..., None, None] * c + take[..., None, None] * k[..., t, :, None] * v[..., t, None, :]
        n = keep[..., None] * n + take[..., None] * k[..., t, :]
        m = later
        query = q[..., t, :] / dqk**0.5
        floor = torch.maximum((query * n).sum(-1).abs(), torch.exp(-m)) + 1e-6
        rows.append((query[..., None] * c).sum(-2) / floor[..., None])
    return torch.stack(rows, -2), c, n, m


def sample(s):
    generator = torch.Generator().manual_seed(3)
    draw = lambda *shape: torch.randn(*shape, dtype=torch.float64, generator=generator).requires_grad_()
    return draw(1, 2, s, 3), draw(1, 2, s, 3), draw(1, 2, s, 4), draw(1, 2, s), draw(1, 2, s)


@pytest.mark.parametrize("with_state", [False, True])
def test_mlstm_agrees_with_the_recurrence_and_so_do_its_gradients(with_state):
    from tilewright.torch import mlstm_chunkwise

    inputs = sample(7)
    generator = torch.Generator().manual_seed(5)
    draw = lambda *shape: torch.randn(*shape, dtype=torch.float64, generator=generator)
    state = (draw(1, 2, 3, 4).requires_grad_(), draw(1, 2, 3).requires_grad_(), draw(1, 2)) if with_state else None
    wanted = [*inputs, *(state[:2] if with_state else [])]
    weights = draw(1, 2, 7, 4), draw(1, 2, 3, 4), draw(1, 2, 3)

    def loss_of(h, c, n, m):
        scale = torch.exp(m)
        return (h * weights[0]).sum() + (c * scale[..., None, None] * weights[1]).sum() + (n * scale[..., None] * weights[2]).sum()

    ours, theirs = mlstm_chunkwise(*inputs, state, chunk=3), recurrent(*inputs, state)
    for a, b in zip(ours, theirs, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-5, atol=1e-6)
    mine = torch.autograd.grad(loss_of(*ours), wanted)
    others = torch.autograd.grad(loss_of(*theirs), wanted)
    for a, b in zip(mine, others, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-5)


def test_a_step_takes_a_state_of_bf16():
    from tilewright.mlstm import mlstm_step

    q, k, v, i, f = (each.detach().float()[:, :, 0].contiguous() for each in sample(1))
    c, n, m = torch.randn(1, 2, 3, 4, generator=torch.Generator().manual_seed(4)).bfloat16(), torch.ones(1, 2, 3), torch.zeros(1, 2)
    out, c_next, n_next, m_next = mlstm_step(q, k, v, i, f, c, n, m)
    wide = mlstm_step(q, k, v, i, f, c.float(), n, m)
    assert (c_next.dtype, n_next.dtype, m_next.dtype) == (torch.bfloat16, torch.float32, torch.float32)
    torch.testing.assert_close(c_next, wide.c_next.bfloat16(), rtol=0, atol=0)
    torch.testing.assert_close(out, wide.h, rtol=0, atol=0)


def test_the_operators_are_sound_for_torch():
    from tilewright import torch as ours

    x = torch.randn(4, 3)
    torch.library.opcheck(ours._soft_cap, (x, 3.0), test_utils=("test_schema", "test_faketensor"))
    inputs = [each.detach().float() for each in sample(5)]
    given = (*inputs, None, None, None, None, None, None, None, None, 2)
    torch.library.opcheck(ours._mlstm, given, test_utils=("test_schema", "test_faketensor"))


def test_every_gradient_kernel_is_an_operator():
    import tilewright.torch as ours

    generator = torch.Generator().manual_seed(9)

    def draw(*shape):
        return torch.randn(*shape, dtype=torch.float64, generator=generator).requires_grad_()

    ids, target = torch.tensor([[0, 3], [3, 1]]), torch.tensor([2, 0, 4])
    calls = {
        "rms_norm": (lambda x, w: ours.rms_norm(x, w, eps=0.1), (draw(3, 5), draw(5))),
        "multi_head_layer_norm": (ours.multi_head_layer_norm, (draw(2, 3, 5), draw(3, 5), draw(2, 3, 5))),
        "causal_conv": (ours.causal_conv, (draw(2, 6, 3), draw(3, 4), draw(3), draw(2, 3, 3))),
        "embedding": (lambda table: ours.embedding(table, ids), (draw(4, 3),)),
        "cross_entropy": (lambda logits: ours.cross_entropy(logits, target), (draw(3, 5),)),
        "glu": (lambda a, b: ours.glu(a, b, activation="silu"), (draw(2, 3), draw(2, 3))),
    }
    named = {name.removesuffix("_bw") for name in tilewright.kernels.ALL if name.endswith("_bw")}
    assert named - {"mlstm_parallel"} <= set(ours.__all__)
    for name, (call, inputs) in calls.items():
        f64 = "f64" in tilewright.kernels.ALL[name].kernel.dtypes
        if f64:
            assert torch.autograd.gradcheck(call, inputs), name
        else:
            # Central differences, as steps of f32 allow them.
            singles = [each.detach().float().requires_grad_() for each in inputs]
            weights = torch.randn_like(call(*singles))
            gradients = torch.autograd.grad((call(*singles) * weights).sum(), singles)
            for at, (each, gradient) in enumerate(zip(singles, gradients, strict=True)):
                step = 1e-2 * torch.randn(each.shape, generator=generator)
                given = lambda sign: [x.detach() + sign * step if i == at else x.detach() for i, x in enumerate(singles)]
                slope = ((call(*given(1)) - call(*given(-1))).double() * weights).sum() / 2
                torch.testing.assert_close((gradient.double() * step).sum(), slope, rtol=1e-2, atol=1e-3)


def test_linear_algebra_has_its_gradients():
    """Against central differences: every factor that is determined, by functions that no sign of a vector changes."""
    import tilewright.torch as ours

    generator = torch.Generator().manual_seed(6)
    draw = lambda *shape: torch.randn(*shape, dtype=torch.float64, generator=generator)
    a, b, tall = (draw(2, 4, 4) + 5 * torch.eye(4)).requires_grad_(), draw(2, 4, 2).requires_grad_(), draw(2, 5, 3).requires_grad_()
    symmetric = lambda a: (a + a.mT) / 2
    lower = lambda a: a.tril()

    def by_svd(x):
        s, _, u, vt = ours.svd(x)
        return s, (u * s[..., None, :] ** 2) @ u.mT, (vt.mT * s[..., None, :]) @ vt

    def by_eigh(x):
        values, _, vectors = ours.eigh(symmetric(x))
        return values, (vectors * values[..., None, :].sin()) @ vectors.mT

    calls = {
        "cholesky": (lambda a: ours.cholesky(a @ a.mT).factor, (a,)),
        "eigh": (by_eigh, (a,)),
        "inverse": (lambda a: ours.inverse(a).x, (a,)),
        "norm": (lambda a: ours.norm(a), (a,)),
        "polar": (lambda a: tuple(ours.polar(a)), (tall,)),
        "qr": (lambda a: tuple(ours.qr(a))[::-1], (tall,)),
        "slogdet": (lambda a: ours.slogdet(a).log, (a,)),
        "solve": (lambda a, b: ours.solve(a, b).x, (a, b)),
        "svd": (by_svd, (tall,)),
        "triangular_solve": (lambda a, b: ours.triangular_solve(lower(a), b).x, (a, b)),
    }
    linear = {name.removesuffix("_bw") for name, function in tilewright.kernels.ALL.items() if name.endswith("_bw") and function.kernel.family == "linalg"}
    assert linear == set(calls)
    for name, (call, inputs) in calls.items():
        assert torch.autograd.gradcheck(call, inputs, atol=1e-5, rtol=1e-4), name


def test_a_gradient_that_no_kernel_gives_is_refused():
    from tilewright._gradients import plans

    plan = plans()["cross_entropy"]
    (at,) = (at for at, place in enumerate(plan.gradients) if place is None)
    assert f"cross_entropy_bw gives no gradient by {plan.inputs[at]}" in str(plan.refuse(at))


def test_operators_compile():
    import tilewright.torch as ours

    generator = torch.Generator().manual_seed(7)
    x, w = torch.randn(3, 8, requires_grad=True, generator=generator), torch.ones(8)
    a = torch.randn(2, 6, 4, dtype=torch.float64, generator=generator).requires_grad_()
    calls = {
        "rms_norm": (lambda x: ours.rms_norm(x * 2, w) + 1, x),
        "svd": (lambda a: ours.svd(a * 2).s.square() + 1, a),
        "qr": (lambda a: ours.qr(a * 2).r[..., 0, 0].abs(), a),
        "solve": (lambda a: ours.solve(a.mT @ a, a[..., :4, :]).x, a),
    }
    for name, (call, given) in calls.items():
        run = torch.compile(call, backend="aot_eager", fullgraph=True)
        torch.testing.assert_close(run(given), call(given), msg=name)
        (compiled,) = torch.autograd.grad(run(given).sum(), given)
        (eager,) = torch.autograd.grad(call(given).sum(), given)
        torch.testing.assert_close(compiled, eager, msg=name)


def test_what_the_compiler_is_told_of_outputs_is_so():
    """Shapes, dtypes and schemas of each operator, on the registry's own cases of its kernel."""
    import tilewright.torch as ours
    from tilewright._gradients import plans

    for name, plan in plans().items():
        if name not in ours.__all__ or name in ("soft_cap", "mlstm_chunkwise"):
            continue
        operator = getattr(torch.ops.tilewright, name).default
        kernel = plan.forward.kernel
        defaults = {argument: default for argument, default, _ in kernel.arguments}
        for case in kernel.cases():
            inputs, arguments = kernel.case(case)
            given = [torch.from_dlpack(each.__dlpack__(copy=True)) for each in inputs]
            settings = {key: ours._told(value, defaults[key]) for key, value in arguments.items()}
            torch.library.opcheck(operator, tuple(given), settings, test_utils=("test_schema", "test_faketensor"))
