"""The family mlstm. Written by `python -m tilewright.stubs`: do not edit."""

from typing import Generic, NamedTuple

from tilewright import Array, Device

class MlstmBwGatesResult(NamedTuple, Generic[Array]):
    di: Array
    df: Array
    dm: Array

def mlstm_bw_gates(
    q: Array,
    k: Array,
    i: Array,
    f: Array,
    dq: Array,
    dk: Array,
    c_states: Array,
    n_states: Array,
    dc_states: Array,
    dn_states: Array,
    *,
    input_gate: str = 'exponential',
    normalize: bool = True,
    eps: float = 1e-06,
    scale: float | str = 'auto',
    gate_cap: int | str = 'none',
    chunk: int = 64,
    every: int = 1,
    device: Device | str | None = None,
    variant: str | None = None,
) -> MlstmBwGatesResult[Array]:
    """di = k . dk, df_t = sigma(-f_t) (<C_e, dC_e> + <n_e, dn_e> + sum_{t<=u<=e} (q_u . dq_u - k_u . dk_u)), dm = <C_0, dC_0> + <n_0, dn_0>

    Inputs:
        q: [b, nh, s, dqk]
        k: [b, nh, s, dqk]
        i: [b, nh, s]
        f: [b, nh, s]
        dq: [b, nh, s, dqk]
        dk: [b, nh, s, dqk]
        c_states: [b, nh, e, dqk, dv]
        n_states: [b, nh, e, dqk]
        dc_states: [b, nh, e, dqk, dv]
        dn_states: [b, nh, e, dqk]

    Returns:
        di: [b, nh, s]
        df: [b, nh, s]
        dm: [b, nh]

    Arguments:
        input_gate: exponential, or sigmoid (m stays 0)
        normalize: divide by max(|n.q|, exp(-m)) + eps
        eps: added to the denominator
        scale: the factor of q; auto: dqk^-1/2
        gate_cap: i and f are limited to cap tanh(x / cap)
        chunk: tokens per chunk, at least 1
        every: states are kept at every so many chunks, at least 1
        device: where to run, such as "cuda:0"; where the first input lies by default
        variant: one way to run it on the device; the library's choice by default

    Dtypes: f32, f16, bf16, f64.
    """

def mlstm_bw_k(
    q: Array,
    k: Array,
    v: Array,
    i: Array,
    f: Array,
    dh: Array,
    c_states: Array,
    n_states: Array,
    m_states: Array,
    dc_states: Array,
    dn_states: Array,
    *,
    input_gate: str = 'exponential',
    normalize: bool = True,
    eps: float = 1e-06,
    scale: float | str = 'auto',
    gate_cap: int | str = 'none',
    chunk: int = 64,
    every: int = 1,
    mode: str = 'exact',
    wide: bool = False,
    device: Device | str | None = None,
    variant: str | None = None,
) -> Array:
    """dk_j = sum_t A_tj q_t + W_j (dC v_j + dn), from the states of mlstm_states and their gradients

    Inputs:
        q: [b, nh, s, dqk]
        k: [b, nh, s, dqk]
        v: [b, nh, s, dv]
        i: [b, nh, s]
        f: [b, nh, s]
        dh: [b, nh, s, dv]
        c_states: [b, nh, e, dqk, dv]
        n_states: [b, nh, e, dqk]
        m_states: [b, nh, e]
        dc_states: [b, nh, e, dqk, dv]
        dn_states: [b, nh, e, dqk]

    Returns:
        dk: [b, nh, s, dqk]

    Arguments:
        input_gate: exponential, or sigmoid (m stays 0)
        normalize: divide by max(|n.q|, exp(-m)) + eps
        eps: added to the denominator
        scale: the factor of q; auto: dqk^-1/2
        gate_cap: i and f are limited to cap tanh(x / cap)
        chunk: tokens per chunk, at least 1
        every: states are kept at every so many chunks, at least 1
        mode: exact, or norm_invariant: denominators held constant
        wide: the gradient leaves as f32 (f64), whatever the data
        device: where to run, such as "cuda:0"; where the first input lies by default
        variant: one way to run it on the device; the library's choice by default

    Dtypes: f32, f16, bf16, f64.
    """

def mlstm_bw_q(
    q: Array,
    k: Array,
    v: Array,
    i: Array,
    f: Array,
    dh: Array,
    c_states: Array,
    n_states: Array,
    m_states: Array,
    *,
    input_gate: str = 'exponential',
    normalize: bool = True,
    eps: float = 1e-06,
    scale: float | str = 'auto',
    gate_cap: int | str = 'none',
    chunk: int = 64,
    every: int = 1,
    mode: str = 'exact',
    wide: bool = False,
    device: Device | str | None = None,
    variant: str | None = None,
) -> Array:
    """dq_t = sum_j A_tj k_j + B_t (C g_t + n dz_t), from the states of mlstm_states

    Inputs:
        q: [b, nh, s, dqk]
        k: [b, nh, s, dqk]
        v: [b, nh, s, dv]
        i: [b, nh, s]
        f: [b, nh, s]
        dh: [b, nh, s, dv]
        c_states: [b, nh, e, dqk, dv]
        n_states: [b, nh, e, dqk]
        m_states: [b, nh, e]

    Returns:
        dq: [b, nh, s, dqk]

    Arguments:
        input_gate: exponential, or sigmoid (m stays 0)
        normalize: divide by max(|n.q|, exp(-m)) + eps
        eps: added to the denominator
        scale: the factor of q; auto: dqk^-1/2
        gate_cap: i and f are limited to cap tanh(x / cap)
        chunk: tokens per chunk, at least 1
        every: states are kept at every so many chunks, at least 1
        mode: exact, or norm_invariant: denominators held constant
        wide: the gradient leaves as f32 (f64), whatever the data
        device: where to run, such as "cuda:0"; where the first input lies by default
        variant: one way to run it on the device; the library's choice by default

    Dtypes: f32, f16, bf16, f64.
    """

class MlstmBwStatesResult(NamedTuple, Generic[Array]):
    dc_states: Array
    dn_states: Array

def mlstm_bw_states(
    q: Array,
    k: Array,
    v: Array,
    i: Array,
    f: Array,
    dh: Array,
    c_states: Array,
    n_states: Array,
    m_states: Array,
    dc_last: Array | None = None,
    dn_last: Array | None = None,
    *,
    input_gate: str = 'exponential',
    normalize: bool = True,
    eps: float = 1e-06,
    scale: float | str = 'auto',
    gate_cap: int | str = 'none',
    chunk: int = 64,
    every: int = 1,
    mode: str = 'exact',
    device: Device | str | None = None,
    variant: str | None = None,
) -> MlstmBwStatesResult[Array]:
    """dC = exp(g + m - m') dC' + sum_t scale exp(b_t + m - m_t) q_t (r_t dh_t)^T, dn alike with dz_t, from stretch to stretch back

    Inputs:
        q: [b, nh, s, dqk]
        k: [b, nh, s, dqk]
        v: [b, nh, s, dv]
        i: [b, nh, s]
        f: [b, nh, s]
        dh: [b, nh, s, dv]
        c_states: [b, nh, e, dqk, dv]
        n_states: [b, nh, e, dqk]
        m_states: [b, nh, e]
        dc_last: [b, nh, dqk, dv], may be left out
        dn_last: [b, nh, dqk], may be left out

    Returns:
        dc_states: [b, nh, e, dqk, dv]
        dn_states: [b, nh, e, dqk]

    Arguments:
        input_gate: exponential, or sigmoid (m stays 0)
        normalize: divide by max(|n.q|, exp(-m)) + eps
        eps: added to the denominator
        scale: the factor of q; auto: dqk^-1/2
        gate_cap: i and f are limited to cap tanh(x / cap)
        chunk: tokens per chunk, at least 1
        every: states are kept at every so many chunks, at least 1
        mode: exact, or norm_invariant: denominators held constant
        device: where to run, such as "cuda:0"; where the first input lies by default
        variant: one way to run it on the device; the library's choice by default

    Dtypes: f32, f16, bf16, f64.
    """

def mlstm_bw_v(
    q: Array,
    k: Array,
    v: Array,
    i: Array,
    f: Array,
    dh: Array,
    c_states: Array,
    n_states: Array,
    m_states: Array,
    dc_states: Array,
    dn_states: Array,
    *,
    input_gate: str = 'exponential',
    normalize: bool = True,
    eps: float = 1e-06,
    scale: float | str = 'auto',
    gate_cap: int | str = 'none',
    chunk: int = 64,
    every: int = 1,
    mode: str = 'exact',
    wide: bool = False,
    device: Device | str | None = None,
    variant: str | None = None,
) -> Array:
    """dv_j = sum_t S_tj g_t + W_j dC^T k_j, from the states of mlstm_states and their gradients

    Inputs:
        q: [b, nh, s, dqk]
        k: [b, nh, s, dqk]
        v: [b, nh, s, dv]
        i: [b, nh, s]
        f: [b, nh, s]
        dh: [b, nh, s, dv]
        c_states: [b, nh, e, dqk, dv]
        n_states: [b, nh, e, dqk]
        m_states: [b, nh, e]
        dc_states: [b, nh, e, dqk, dv]
        dn_states: [b, nh, e, dqk]

    Returns:
        dv: [b, nh, s, dv]

    Arguments:
        input_gate: exponential, or sigmoid (m stays 0)
        normalize: divide by max(|n.q|, exp(-m)) + eps
        eps: added to the denominator
        scale: the factor of q; auto: dqk^-1/2
        gate_cap: i and f are limited to cap tanh(x / cap)
        chunk: tokens per chunk, at least 1
        every: states are kept at every so many chunks, at least 1
        mode: exact, or norm_invariant: denominators held constant
        wide: the gradient leaves as f32 (f64), whatever the data
        device: where to run, such as "cuda:0"; where the first input lies by default
        variant: one way to run it on the device; the library's choice by default

    Dtypes: f32, f16, bf16, f64.
    """

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

class MlstmOutputsResult(NamedTuple, Generic[Array]):
    h: Array
    denominators: Array
    stabilisers: Array

def mlstm_outputs(
    q: Array,
    k: Array,
    v: Array,
    i: Array,
    f: Array,
    c_states: Array,
    n_states: Array,
    m_states: Array,
    o: Array | None = None,
    *,
    input_gate: str = 'exponential',
    normalize: bool = True,
    eps: float = 1e-06,
    scale: float | str = 'auto',
    gate_cap: int | str = 'none',
    chunk: int = 64,
    every: int = 1,
    device: Device | str | None = None,
    variant: str | None = None,
) -> MlstmOutputsResult[Array]:
    """h = (B q C + S v) / (N + eps), N = max(|B q . n + S 1|, exp(-M)), from the states of mlstm_states

    Inputs:
        q: [b, nh, s, dqk]
        k: [b, nh, s, dqk]
        v: [b, nh, s, dv]
        i: [b, nh, s]
        f: [b, nh, s]
        c_states: [b, nh, e, dqk, dv]
        n_states: [b, nh, e, dqk]
        m_states: [b, nh, e]
        o: [b, nh, s, dv], may be left out

    Returns:
        h: [b, nh, s, dv]
        denominators: [b, nh, s]
        stabilisers: [b, nh, s]

    Arguments:
        input_gate: exponential, or sigmoid (m stays 0)
        normalize: divide by max(|n.q|, exp(-m)) + eps
        eps: added to the denominator
        scale: the factor of q; auto: dqk^-1/2
        gate_cap: i and f are limited to cap tanh(x / cap)
        chunk: tokens per chunk, at least 1
        every: states are kept at every so many chunks, at least 1
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

class MlstmStatesResult(NamedTuple, Generic[Array]):
    c_states: Array
    n_states: Array
    m_states: Array

def mlstm_states(
    k: Array,
    v: Array,
    i: Array,
    f: Array,
    c: Array | None = None,
    n: Array | None = None,
    m: Array | None = None,
    *,
    input_gate: str = 'exponential',
    normalize: bool = True,
    eps: float = 1e-06,
    scale: float | str = 'auto',
    gate_cap: int | str = 'none',
    chunk: int = 64,
    every: int = 1,
    device: Device | str | None = None,
    variant: str | None = None,
) -> MlstmStatesResult[Array]:
    """C' = exp(g + m - m') C + sum_j exp(a_j - m') k_j v_j^T, n' alike, m' = max(g + m, max_j a_j), from stretch to stretch

    Inputs:
        k: [b, nh, s, dqk]
        v: [b, nh, s, dv]
        i: [b, nh, s]
        f: [b, nh, s]
        c: [b, nh, dqk, dv], may be left out
        n: [b, nh, dqk], may be left out
        m: [b, nh], may be left out

    Returns:
        c_states: [b, nh, e, dqk, dv]
        n_states: [b, nh, e, dqk]
        m_states: [b, nh, e]

    Arguments:
        input_gate: exponential, or sigmoid (m stays 0)
        normalize: divide by max(|n.q|, exp(-m)) + eps
        eps: added to the denominator
        scale: the factor of q; auto: dqk^-1/2
        gate_cap: i and f are limited to cap tanh(x / cap)
        chunk: tokens per chunk, at least 1
        every: states are kept at every so many chunks, at least 1
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
