"""Kernels as PyTorch operators with gradients: they take part in autograd and `torch.compile`.

    from tilewright.torch import soft_cap, mlstm_chunkwise
    h, c, n, m = mlstm_chunkwise(q, k, v, i, f, chunk=64)
    h.square().mean().backward()

The gradients are kernels too (`soft_cap_bw`, `mlstm_chunkwise_bw`). Every kernel of the registry that has one is here under its name: `rms_norm`,
`multi_head_layer_norm`, `causal_conv`, `embedding`, `cross_entropy`, `glu`, ... with the arrays and arguments of `tilewright.kernels`.
"""

import torch

from tilewright import elementwise, mlstm
from tilewright._gradients import plans

__all__ = ["mlstm_chunkwise", "soft_cap"]


@torch.library.custom_op("tilewright::soft_cap", mutates_args=())
def _soft_cap(x: torch.Tensor, cap: float) -> torch.Tensor:
    return elementwise.soft_cap(x.detach(), cap=cap)


@torch.library.custom_op("tilewright::soft_cap_bw", mutates_args=())
def _soft_cap_bw(dy: torch.Tensor, x: torch.Tensor, cap: float) -> torch.Tensor:
    return elementwise.soft_cap_bw(dy.detach(), x.detach(), cap=cap)


# Results are row-major, whatever the strides of x.
@_soft_cap.register_fake
def _(x, cap):
    return torch.empty_like(x, memory_format=torch.contiguous_format)


@_soft_cap_bw.register_fake
def _(dy, x, cap):
    return torch.empty_like(x, memory_format=torch.contiguous_format)


def _keep_soft_cap(ctx, inputs, output):
    x, ctx.cap = inputs
    ctx.save_for_backward(x)


def _soft_cap_gradient(ctx, dy):
    (x,) = ctx.saved_tensors
    return _soft_cap_bw(dy, x, ctx.cap), None


_soft_cap.register_autograd(_soft_cap_gradient, setup_context=_keep_soft_cap)


def soft_cap(x: torch.Tensor, cap: float = 30.0) -> torch.Tensor:
    """`cap tanh(x / cap)`, with a gradient."""
    return _soft_cap(x, float(cap))


def _arguments(input_gate, normalize, eps, scale, gate_cap, chunk, tile):
    """What is None or empty is left to the kernel's defaults."""
    given = {"input_gate": input_gate, "normalize": normalize, "eps": eps, "scale": scale, "gate_cap": gate_cap, "chunk": chunk, "tile": tile}
    return {name: value for name, value in given.items() if value is not None}


def _detached(*tensors):
    return [None if tensor is None else tensor.detach() for tensor in tensors]


@torch.library.custom_op("tilewright::mlstm_chunkwise", mutates_args=())
def _mlstm(
    q: torch.Tensor,
    k: torch.Tensor,
    v: torch.Tensor,
    i: torch.Tensor,
    f: torch.Tensor,
    c: torch.Tensor | None,
    n: torch.Tensor | None,
    m: torch.Tensor | None,
    input_gate: str | None,
    normalize: bool | None,
    eps: float | None,
    scale: float | None,
    gate_cap: float | None,
    chunk: int | None,
    tile: int | None,
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
    arguments = _arguments(input_gate, normalize, eps, scale, gate_cap, chunk, tile)
    return tuple(mlstm.mlstm_chunkwise(*_detached(q, k, v, i, f, c, n, m), **arguments))


@_mlstm.register_fake
def _(q, k, v, i, f, c, n, m, input_gate, normalize, eps, scale, gate_cap, chunk, tile):
    b, nh, s, dqk = q.shape
    dv = v.shape[-1]
    return q.new_empty(b, nh, s, dv), i.new_empty(b, nh, dqk, dv), i.new_empty(b, nh, dqk), i.new_empty(b, nh)


@torch.library.custom_op("tilewright::mlstm_chunkwise_bw", mutates_args=())
def _mlstm_bw(
    q: torch.Tensor,
    k: torch.Tensor,
    v: torch.Tensor,
    i: torch.Tensor,
    f: torch.Tensor,
    dh: torch.Tensor,
    c: torch.Tensor,
    n: torch.Tensor,
    m: torch.Tensor,
    dc: torch.Tensor,
    dn: torch.Tensor,
    input_gate: str | None,
    normalize: bool | None,
    eps: float | None,
    scale: float | None,
    gate_cap: float | None,
    chunk: int | None,
    tile: int | None,
) -> list[torch.Tensor]:
    arguments = _arguments(input_gate, normalize, eps, scale, gate_cap, chunk, tile)
    return list(mlstm.mlstm_chunkwise_bw(*_detached(q, k, v, i, f, dh, c, n, m, dc, dn), **arguments))


@_mlstm_bw.register_fake
def _(q, k, v, i, f, dh, c, n, m, dc, dn, input_gate, normalize, eps, scale, gate_cap, chunk, tile):
    return [torch.empty_like(x, memory_format=torch.contiguous_format) for x in (q, k, v, i, f, c, n, m)]


def _keep_mlstm(ctx, inputs, output):
    ctx.save_for_backward(*inputs[:8])
    ctx.arguments = inputs[8:]
    # m only scales: the loss is one of c exp(m) and n exp(m), and nothing flows through m itself.
    ctx.mark_non_differentiable(output[3])


def _mlstm_gradient(ctx, dh, dc, dn, _):
    q, k, v, i, f, *state = ctx.saved_tensors
    if state[0] is None:
        (b, nh, _, dqk), dv = q.shape, v.shape[-1]
        first = [i.new_zeros(b, nh, dqk, dv), i.new_zeros(b, nh, dqk), i.new_zeros(b, nh)]
    else:
        first = state
    gradients = _mlstm_bw(q, k, v, i, f, dh, *first, dc, dn, *ctx.arguments)
    if state[0] is None:
        gradients = [*gradients[:5], None, None, None]
    return *gradients, *[None] * len(ctx.arguments)


_mlstm.register_autograd(_mlstm_gradient, setup_context=_keep_mlstm)


def mlstm_chunkwise(
    q: torch.Tensor,
    k: torch.Tensor,
    v: torch.Tensor,
    i: torch.Tensor,
    f: torch.Tensor,
    state: tuple[torch.Tensor, torch.Tensor, torch.Tensor] | None = None,
    *,
    input_gate: str | None = None,
    normalize: bool | None = None,
    eps: float | None = None,
    scale: float | None = None,
    gate_cap: float | None = None,
    chunk: int | None = None,
    tile: int | None = None,
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
    """The mLSTM over a sequence: h, and the state (c, n, m) after it, with gradients by q, k, v, i, f and the first state.

    Shapes: q, k [b, nh, s, dqk]; v, h [b, nh, s, dv]; i, f [b, nh, s]; c [b, nh, dqk, dv]; n [b, nh, dqk]; m [b, nh]. i, f and the state are
    f32 beside f16, bf16 and f32. The arguments are those of `tilewright.mlstm.mlstm_chunkwise`; None leaves its default.
    Nothing flows back through m itself: the loss must be one of h, c exp(m) and n exp(m).
    """
    c, n, m = state or (None, None, None)
    return _mlstm(q, k, v, i, f, c, n, m, input_gate, normalize, eps, scale, gate_cap, chunk, tile)


def _empty(like, *shape, dtype=None):
    return torch.empty(shape, dtype=dtype or like.dtype, device=like.device)


def _wide(dtype):
    return dtype if dtype == torch.float64 else torch.float32


def _like_the_first(first, *_, **__):
    return [_empty(first, *first.shape)]


def _info(a):
    return _empty(a, *a.shape[:-2], dtype=torch.int32)


def _norm_shape(a, *, axes="all", keepdims=False, **_):
    reduced = range(a.ndim) if axes == "all" else [int(axis) % a.ndim for axis in str(axes).split(",")]
    kept = [1 if at in reduced else size for at, size in enumerate(a.shape) if keepdims or at not in reduced]
    return [_empty(a, *kept)]


def _qr_shapes(a, *, mode="reduced", **_):
    *batch, m, n = a.shape
    k = m if mode == "complete" else min(m, n)
    return [_empty(a, *batch, k, n)] + ([] if mode == "r" else [_empty(a, *batch, m, k)])


def _svd_shapes(a, *, mode="reduced", rank="all", **_):
    *batch, m, n = a.shape
    k = min(m, n) if rank == "all" else min(m, n, int(rank))
    rows, columns = (m, n) if mode == "full" else (k, k)
    vectors = [] if mode == "values" else [_empty(a, *batch, m, rows), _empty(a, *batch, columns, n)]
    return [_empty(a, *batch, k), _info(a), *vectors]


def _eigh_shapes(a, *, values_only=False, **_):
    return [_empty(a, *a.shape[:-1]), _info(a)] + ([] if values_only else [_empty(a, *a.shape)])


def _slstm_shapes(x, r, c=None, *_, **__):
    b, nh, s, _, d = x.shape
    return [_empty(x, b, nh, s, d)] + [_empty(x, b, nh, d, dtype=_wide(x.dtype)) for _ in range(4)]


# The outputs that there are, in shape and dtype, for torch.compile: of inputs and arguments.
_SHAPES = {
    "embedding": lambda table, ids: [_empty(table, *ids.shape, table.shape[-1])],
    "cross_entropy": lambda logits, target: [_empty(logits, *target.shape, dtype=_wide(logits.dtype))],
    "cholesky": lambda a, **_: [_empty(a, *a.shape), _info(a)],
    "eigh": _eigh_shapes,
    "inverse": lambda a: [_empty(a, *a.shape), _info(a)],
    "norm": _norm_shape,
    "polar": lambda a: [_empty(a, *a.shape), _empty(a, *a.shape[:-2], a.shape[-1], a.shape[-1])],
    "qr": _qr_shapes,
    "slogdet": lambda a: [_empty(a, *a.shape[:-2]), _empty(a, *a.shape[:-2])],
    "solve": lambda a, b: [_empty(b, *b.shape), _info(a)],
    "svd": _svd_shapes,
    "triangular_solve": lambda a, b, **_: [_empty(b, *b.shape), _info(a)],
    "slstm_sequence": _slstm_shapes,
}


_KINDS = {bool: "bool", int: "float", float: "float", str: "str"}


def _told(value, default):
    """An argument as the schema has it: a whole number is a float to it, and one that may be a word too, as `rank` and `axes`, is text."""
    if value is None or isinstance(default, bool):
        return value
    return str(value) if isinstance(default, str) else float(value)


def _read(value):
    """What text says: a number where it is one."""
    for kind in (int, float) if isinstance(value, str) else ():
        try:
            return kind(value)
        except ValueError:
            continue
    return value


def _operator(plan):
    """A kernel and its gradient as operators. Arguments are optional in the schema: None leaves the kernel's default."""
    name, count = plan.name, len(plan.inputs)
    arguments = [argument for argument, _, _ in plan.forward.kernel.arguments]
    defaults = [default for _, default, _ in plan.forward.kernel.arguments]
    tensors = ", ".join(f"Tensor? {each}=None" if optional else f"Tensor {each}" for each, optional in zip(plan.inputs, plan.optional, strict=True))
    settings = "".join(f", {_KINDS[type(default)]}? {each}=None" for each, default, _ in plan.forward.kernel.arguments)

    def chosen(values):
        # PyTorch leaves out what has its default at the end.
        return {each: _read(value) for each, value in zip(arguments, values, strict=False) if value is not None}

    def forward(*given):
        # Outputs that may be absent are the last.
        return [output for output in plan.run(_detached(*given[:count]), chosen(given[count:])) if output is not None]

    def backward(inputs, outputs, gradients, wanted, *settings):
        absent = [None] * (len(plan.outputs) - len(outputs))
        found = plan.differentiate(_detached(*inputs), [*_detached(*outputs), *absent], [*_detached(*gradients), *absent], chosen(settings))
        return [found[at] for at in wanted]

    operator = torch.library.custom_op(f"tilewright::{name}", forward, mutates_args=(), schema=f"({tensors}{settings}) -> Tensor[]")
    shapes = _SHAPES.get(name, _like_the_first)
    operator.register_fake(lambda *given: shapes(*given[:count], **chosen(given[count:])))

    schema = f"(Tensor?[] inputs, Tensor[] outputs, Tensor[] gradients, int[] wanted{settings}) -> Tensor[]"
    derivative = torch.library.custom_op(f"tilewright::{name}_bw", backward, mutates_args=(), schema=schema)
    derivative.register_fake(lambda inputs, outputs, gradients, wanted, *_: [_empty(inputs[at], *inputs[at].shape) for at in wanted])

    def keep(ctx, inputs, output):
        ctx.settings = inputs[count:]
        ctx.mark_non_differentiable(*(each for each in output if not each.is_floating_point()))
        absent = [None] * (count - len(inputs))
        ctx.save_for_backward(*inputs[:count], *absent, *output)

    def gradient(ctx, outer):
        inputs, outputs = ctx.saved_tensors[:count], ctx.saved_tensors[count:]
        # PyTorch leaves out what has its default at the end.
        given = len(ctx.needs_input_grad)
        needed = [at for at in range(min(count, given)) if ctx.needs_input_grad[at]]
        for at in needed:
            if plan.gradients[at] is None:
                raise plan.refuse(at)
        # An output that the loss has nothing of.
        outer = [torch.zeros_like(output) if each is None else each for each, output in zip(outer, outputs, strict=True)]
        found = iter(derivative(list(inputs), list(outputs), outer, needed, *ctx.settings))
        return tuple(next(found) if at in needed else None for at in range(given))

    operator.register_autograd(gradient, setup_context=keep)

    def function(*inputs, **keywords):
        given = list(inputs) + [keywords.pop(each, None) for each in plan.inputs[len(inputs) :]]
        values = [keywords.pop(each, None) for each in arguments]
        if keywords or len(given) > count:
            raise TypeError(f"{name}: takes {', '.join(plan.inputs + arguments)}")
        outputs = operator(*given, *map(_told, values, defaults))
        absent = [None] * (len(plan.outputs) - len(outputs))
        return outputs[0] if len(plan.outputs) == 1 else plan.forward.kernel.result(*outputs, *absent)

    function.__name__ = function.__qualname__ = name
    function.__doc__ = f"{plan.forward.__doc__}\n\nWith gradients by {', '.join(plan.inputs[at] for at in range(count) if plan.gradients[at] is not None)}."
    return function


for _name, _plan in plans().items():
    # These two have operators of their own above; the other forms of the mLSTM have its gradient through `mlstm_chunkwise`.
    if _name not in ("soft_cap", "mlstm_chunkwise", "mlstm_parallel"):
        globals()[_name] = _operator(_plan)
        __all__.append(_name)
