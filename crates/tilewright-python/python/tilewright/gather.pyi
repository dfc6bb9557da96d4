"""The family gather. Written by `python -m tilewright.stubs`: do not edit."""

from tilewright import Array, Device

def embedding(
    table: Array,
    ids: Array,
    *,
    device: Device | str | None = None,
    variant: str | None = None,
) -> Array:
    """out[.., j] = table[ids[..], j]

    Inputs:
        table: [n, d]
        ids: [..]

    Returns:
        out: [.., d]

    Arguments:
        device: where to run, such as "cuda:0"; where the first input lies by default
        variant: one way to run it on the device; the library's choice by default

    Dtypes: f32, f16, bf16, f64.
    """

def embedding_bw(
    dy: Array,
    ids: Array,
    *,
    n: int = 1,
    device: Device | str | None = None,
    variant: str | None = None,
) -> Array:
    """dtable[i, j] = sum of dy[p, j] over all places p with ids[p] = i

    Inputs:
        dy: [.., d]
        ids: [..]

    Returns:
        dtable: [n, d]

    Arguments:
        n: the rows of the table
        device: where to run, such as "cuda:0"; where the first input lies by default
        variant: one way to run it on the device; the library's choice by default

    Dtypes: f32, f16, bf16, f64.
    """
