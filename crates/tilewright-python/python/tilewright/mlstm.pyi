"""The family mlstm. Written by `python -m tilewright.stubs`: do not edit."""

from typing import Generic, NamedTuple

from tilewright import Array, Device

class MlstmChunkwiseResult(NamedTuple, Generic[Array]):
    h: Array
    c_last: Array
    n_last: Array
    m_last: Array

def mlstm_chunkwise(
    q: Array,
    k: Array,
    v: Array,
    i: Array,
    f: Array,
    c: Array | None = None,
    n: Array | None = None,
    m: Array | None = None,
    o: Array | None = None,
    *,
    input_gate: str = 'exponential',
    normalize: bool = True,
    eps: float = 1e-06,
    scale: float | str = 'auto',
    gate_cap: int | str = 'none',
    chunk: int | str = 'auto',
    tile: int | str = 'auto',
    device: Device | str | None = None,
    variant: str | None = None,
) -> MlstmChunkwiseResult[Array]:
    """mlstm_sequence, a chunk at a time: h = (B q C + S v) / N with S_tj = q_t . k_j exp(D_tj - m_t)

    Inputs:
        q: [b, nh, s, dqk]
        k: [b, nh, s, dqk]
        v: [b, nh, s, dv]
        i: [b, nh, s]
        f: [b, nh, s]
        c: [b, nh, dqk, dv], may be left out
        n: [b, nh, dqk], may be left out
        m: [b, nh], may be left out
        o: [b, nh, s, dv], may be left out

    Returns:
        h: [b, nh, s, dv]
        c_last: [b, nh, dqk, dv]
        n_last: [b, nh, dqk]
        m_last: [b, nh]

    Arguments:
        input_gate: exponential, or sigmoid (m stays 0)
        normalize: divide by max(|n.q|, exp(-m)) + eps
        eps: added to the denominator
        scale: the factor of q; auto: dqk^-1/2
        gate_cap: i and f are limited to cap tanh(x / cap)
        chunk: tokens per chunk, at least 1; auto: what suits the device
        tile: side of the tiles of a GPU's portable body, 32 or 64; auto: what suits the device and the sizes
        device: where to run, such as "cuda:0"; where the first input lies by default
        variant: one way to run it on the device; the library's choice by default

    Dtypes: f32, f16, bf16, f64.
    """

class MlstmChunkwiseBwResult(NamedTuple, Generic[Array]):
    dq: Array
    dk: Array
    dv: Array
    di: Array
    df: Array
    dc: Array
    dn: Array
    dm: Array
    do: Array | None

def mlstm_chunkwise_bw(
    q: Array,
    k: Array,
    v: Array,
    i: Array,
    f: Array,
    dh: Array,
    c: Array | None = None,
    n: Array | None = None,
    m: Array | None = None,
    dc_last: Array | None = None,
    dn_last: Array | None = None,
    o: Array | None = None,
    *,
    input_gate: str = 'exponential',
    normalize: bool = True,
    eps: float = 1e-06,
    scale: float | str = 'auto',
    gate_cap: int | str = 'none',
    chunk: int | str = 'auto',
    tile: int | str = 'auto',
    mode: str = 'exact',
    device: Device | str | None = None,
    variant: str | None = None,
) -> MlstmChunkwiseBwResult[Array]:
    """the gradients of mlstm_chunkwise by q k v i f C n m and o, given those by h and by C and n after the last token

    Inputs:
        q: [b, nh, s, dqk]
        k: [b, nh, s, dqk]
        v: [b, nh, s, dv]
        i: [b, nh, s]
        f: [b, nh, s]
        dh: [b, nh, s, dv]
        c: [b, nh, dqk, dv], may be left out
        n: [b, nh, dqk], may be left out
        m: [b, nh], may be left out
        dc_last: [b, nh, dqk, dv], may be left out
        dn_last: [b, nh, dqk], may be left out
        o: [b, nh, s, dv], may be left out

    Returns:
        dq: [b, nh, s, dqk]
        dk: [b, nh, s, dqk]
        dv: [b, nh, s, dv]
        di: [b, nh, s]
        df: [b, nh, s]
        dc: [b, nh, dqk, dv]
        dn: [b, nh, dqk]
        dm: [b, nh]
        do: [b, nh, s, dv], None where the call does not ask for it

    Arguments:
        input_gate: exponential, or sigmoid (m stays 0)
        normalize: divide by max(|n.q|, exp(-m)) + eps
        eps: added to the denominator
        scale: the factor of q; auto: dqk^-1/2
        gate_cap: i and f are limited to cap tanh(x / cap)
        chunk: tokens per chunk, at least 1; auto: what suits the device
        tile: side of the tiles of a GPU's portable body, 32 or 64; auto: what suits the device and the sizes
        mode: exact, or norm_invariant: denominators held constant
        device: where to run, such as "cuda:0"; where the first input lies by default
        variant: one way to run it on the device; the library's choice by default

    Dtypes: f32, f16, bf16, f64.
    """

def mlstm_parallel(
    q: Array,
    k: Array,
    v: Array,
    i: Array,
    f: Array,
    o: Array | None = None,
    *,
    input_gate: str = 'exponential',
    normalize: bool = True,
    eps: float = 1e-06,
    scale: float | str = 'auto',
    gate_cap: int | str = 'none',
    device: Device | str | None = None,
    variant: str | None = None,
) -> Array:
    """h_t = sum_j S_tj v_j / (max(|sum_j S_tj|, exp(-m_t)) + eps), S_tj = q_t . k_j exp(D_tj - m_t)

    Inputs:
        q: [b, nh, s, dqk]
        k: [b, nh, s, dqk]
        v: [b, nh, s, dv]
        i: [b, nh, s]
        f: [b, nh, s]
        o: [b, nh, s, dv], may be left out

    Returns:
        h: [b, nh, s, dv]

    Arguments:
        input_gate: exponential, or sigmoid (m stays 0)
        normalize: divide by max(|n.q|, exp(-m)) + eps
        eps: added to the denominator
        scale: the factor of q; auto: dqk^-1/2
        gate_cap: i and f are limited to cap tanh(x / cap)
        device: where to run, such as "cuda:0"; where the first input lies by default
        variant: one way to run it on the device; the library's choice by default

    Dtypes: f32, f16, bf16, f64.
    """

class MlstmParallelBwResult(NamedTuple, Generic[Array]):
    dq: Array
    dk: Array
    dv: Array
    di: Array
    df: Array
    do: Array | None

def mlstm_parallel_bw(
    q: Array,
    k: Array,
    v: Array,
    i: Array,
    f: Array,
    dh: Array,
    o: Array | None = None,
    *,
    input_gate: str = 'exponential',
    normalize: bool = True,
    eps: float = 1e-06,
    scale: str = 'auto',
    gate_cap: str = 'none',
    mode: str = 'exact',
    device: Device | str | None = None,
    variant: str | None = None,
) -> MlstmParallelBwResult[Array]:
    """the gradients of mlstm_parallel by q k v i f and o, given that by h

    Inputs:
        q: [b, nh, s, dqk]
        k: [b, nh, s, dqk]
        v: [b, nh, s, dv]
        i: [b, nh, s]
        f: [b, nh, s]
        dh: [b, nh, s, dv]
        o: [b, nh, s, dv], may be left out

    Returns:
        dq: [b, nh, s, dqk]
        dk: [b, nh, s, dqk]
        dv: [b, nh, s, dv]
        di: [b, nh, s]
        df: [b, nh, s]
        do: [b, nh, s, dv], None where the call does not ask for it

    Arguments:
        input_gate: exponential, or sigmoid (m stays 0)
        normalize: divide by max(|n.q|, exp(-m)) + eps
        eps: added to the denominator
        scale: the factor of q; auto: dqk^-1/2
        gate_cap: i and f are limited to cap tanh(x / cap)
        mode: exact, or norm_invariant: denominators held constant
        device: where to run, such as "cuda:0"; where the first input lies by default
        variant: one way to run it on the device; the library's choice by default

    Dtypes: f32, f16, bf16, f64.
    """

class MlstmSequenceResult(NamedTuple, Generic[Array]):
    h: Array
    c_last: Array
    n_last: Array
    m_last: Array

def mlstm_sequence(
    q: Array,
    k: Array,
    v: Array,
    i: Array,
    f: Array,
    c: Array | None = None,
    n: Array | None = None,
    m: Array | None = None,
    o: Array | None = None,
    *,
    input_gate: str = 'exponential',
    normalize: bool = True,
    eps: float = 1e-06,
    scale: float | str = 'auto',
    gate_cap: int | str = 'none',
    device: Device | str | None = None,
    variant: str | None = None,
) -> MlstmSequenceResult[Array]:
    """C_t = F_t C_{t-1} + I_t k_t v_tᵀ, n_t alike; h_t = q_tᵀ C_t / (max(|q_t . n_t|, exp(-m_t)) + eps)

    Inputs:
        q: [b, nh, s, dqk]
        k: [b, nh, s, dqk]
        v: [b, nh, s, dv]
        i: [b, nh, s]
        f: [b, nh, s]
        c: [b, nh, dqk, dv], may be left out
        n: [b, nh, dqk], may be left out
        m: [b, nh], may be left out
        o: [b, nh, s, dv], may be left out

    Returns:
        h: [b, nh, s, dv]
        c_last: [b, nh, dqk, dv]
        n_last: [b, nh, dqk]
        m_last: [b, nh]

    Arguments:
        input_gate: exponential, or sigmoid (m stays 0)
        normalize: divide by max(|n.q|, exp(-m)) + eps
        eps: added to the denominator
        scale: the factor of q; auto: dqk^-1/2
        gate_cap: i and f are limited to cap tanh(x / cap)
        device: where to run, such as "cuda:0"; where the first input lies by default
        variant: one way to run it on the device; the library's choice by default

    Dtypes: f32, f16, bf16, f64.
    """

class MlstmStepResult(NamedTuple, Generic[Array]):
    h: Array
    c_next: Array
    n_next: Array
    m_next: Array

def mlstm_step(
    q: Array,
    k: Array,
    v: Array,
    i: Array,
    f: Array,
    c: Array,
    n: Array,
    m: Array,
    o: Array | None = None,
    *,
    input_gate: str = 'exponential',
    normalize: bool = True,
    eps: float = 1e-06,
    scale: float | str = 'auto',
    gate_cap: int | str = 'none',
    device: Device | str | None = None,
    variant: str | None = None,
) -> MlstmStepResult[Array]:
    """C' = F C + I k vᵀ, n' = F n + I k, h = qᵀ C' / (max(|q . n'|, exp(-m')) + eps)

    Inputs:
        q: [b, nh, dqk]
        k: [b, nh, dqk]
        v: [b, nh, dv]
        i: [b, nh]
        f: [b, nh]
        c: [b, nh, dqk, dv]
        n: [b, nh, dqk]
        m: [b, nh]
        o: [b, nh, dv], may be left out

    Returns:
        h: [b, nh, dv]
        c_next: [b, nh, dqk, dv]
        n_next: [b, nh, dqk]
        m_next: [b, nh]

    Arguments:
        input_gate: exponential, or sigmoid (m stays 0)
        normalize: divide by max(|n.q|, exp(-m)) + eps
        eps: added to the denominator
        scale: the factor of q; auto: dqk^-1/2
        gate_cap: i and f are limited to cap tanh(x / cap)
        device: where to run, such as "cuda:0"; where the first input lies by default
        variant: one way to run it on the device; the library's choice by default

    Dtypes: f32, f16, bf16, f64.
    """
