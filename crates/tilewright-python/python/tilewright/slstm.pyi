"""The family slstm. Written by `python -m tilewright.stubs`: do not edit."""

from typing import Generic, NamedTuple

from tilewright import Array, Device

class SlstmSequenceResult(NamedTuple, Generic[Array]):
    h: Array
    c_last: Array
    n_last: Array
    h_last: Array
    m_last: Array

def slstm_sequence(
    x: Array,
    r: Array,
    c: Array | None = None,
    n: Array | None = None,
    h: Array | None = None,
    m: Array | None = None,
    *,
    forget_gate: str = 'sigmoid',
    device: Device | str | None = None,
    variant: str | None = None,
) -> SlstmSequenceResult[Array]:
    """c_t = F_t c_{t-1} + I_t tanh(z_t), n_t = F_t n_{t-1} + I_t, h_t = sigma(o_t) c_t / n_t; gates of x_t + r h_{t-1}

    Inputs:
        x: [b, nh, s, 4, d]
        r: [nh, 4, d, d]
        c: [b, nh, d], may be left out
        n: [b, nh, d], may be left out
        h: [b, nh, d], may be left out
        m: [b, nh, d], may be left out

    Returns:
        h: [b, nh, s, d]
        c_last: [b, nh, d]
        n_last: [b, nh, d]
        h_last: [b, nh, d]
        m_last: [b, nh, d]

    Arguments:
        forget_gate: sigmoid, or exponential
        device: where to run, such as "cuda:0"; where the first input lies by default
        variant: one way to run it on the device; the library's choice by default

    Dtypes: f32, f16, bf16, f64.
    """

class SlstmSequenceBwResult(NamedTuple, Generic[Array]):
    dx: Array
    dr: Array
    dc_first: Array
    dn_first: Array
    dh_first: Array
    dm_first: Array

def slstm_sequence_bw(
    x: Array,
    r: Array,
    dh: Array,
    c: Array | None = None,
    n: Array | None = None,
    h: Array | None = None,
    m: Array | None = None,
    dc_last: Array | None = None,
    dn_last: Array | None = None,
    dh_last: Array | None = None,
    *,
    forget_gate: str = 'sigmoid',
    device: Device | str | None = None,
    variant: str | None = None,
) -> SlstmSequenceBwResult[Array]:
    """the gradients of slstm_sequence by x r c n h m, given those by h and by c, n and h after the last token

    Inputs:
        x: [b, nh, s, 4, d]
        r: [nh, 4, d, d]
        dh: [b, nh, s, d]
        c: [b, nh, d], may be left out
        n: [b, nh, d], may be left out
        h: [b, nh, d], may be left out
        m: [b, nh, d], may be left out
        dc_last: [b, nh, d], may be left out
        dn_last: [b, nh, d], may be left out
        dh_last: [b, nh, d], may be left out

    Returns:
        dx: [b, nh, s, 4, d]
        dr: [nh, 4, d, d]
        dc_first: [b, nh, d]
        dn_first: [b, nh, d]
        dh_first: [b, nh, d]
        dm_first: [b, nh, d]

    Arguments:
        forget_gate: sigmoid, or exponential
        device: where to run, such as "cuda:0"; where the first input lies by default
        variant: one way to run it on the device; the library's choice by default

    Dtypes: f32, f16, bf16, f64.
    """

class SlstmStepResult(NamedTuple, Generic[Array]):
    out: Array
    c_next: Array
    n_next: Array
    h_next: Array
    m_next: Array

def slstm_step(
    x: Array,
    r: Array,
    c: Array,
    n: Array,
    h: Array,
    m: Array,
    *,
    forget_gate: str = 'sigmoid',
    device: Device | str | None = None,
    variant: str | None = None,
) -> SlstmStepResult[Array]:
    """c' = F c + I tanh(z), n' = F n + I, h' = sigma(o) c' / n'; gates of x + r h

    Inputs:
        x: [b, nh, 4, d]
        r: [nh, 4, d, d]
        c: [b, nh, d]
        n: [b, nh, d]
        h: [b, nh, d]
        m: [b, nh, d]

    Returns:
        out: [b, nh, d]
        c_next: [b, nh, d]
        n_next: [b, nh, d]
        h_next: [b, nh, d]
        m_next: [b, nh, d]

    Arguments:
        forget_gate: sigmoid, or exponential
        device: where to run, such as "cuda:0"; where the first input lies by default
        variant: one way to run it on the device; the library's choice by default

    Dtypes: f32, f16, bf16, f64.
    """
