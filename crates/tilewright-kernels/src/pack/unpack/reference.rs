//! The truth: an element at a time.

/// The elements of `size` bytes of a row-major tensor of `shape`, with its axes in the order of `axes`.
pub(super) fn turned(bytes: &[u8], size: usize, shape: [usize; 3], axes: [usize; 3]) -> Vec<u8> {
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = [0; 3];
    for first in 0..shape[axes[0]] {
        for second in 0..shape[axes[1]] {
            for third in 0..shape[axes[2]] {
                (at[axes[0]], at[axes[1]], at[axes[2]]) = (first, second, third);
                let place = (at[0] * shape[1] + at[1]) * shape[2] + at[2];
                out.extend(&bytes[place * size..][..size]);
            }
        }
    }
    out
}

/// Writes the elements of `size` bytes of a row-major tensor of `shape` into `memory`, at `offset` and these strides, in elements.
pub(super) fn scattered(
    bytes: &[u8],
    size: usize,
    shape: [usize; 3],
    [offset, a, b, c]: [usize; 4],
    memory: &mut [u8],
) {
    let mut left = bytes;
    for first in 0..shape[0] {
        for second in 0..shape[1] {
            for third in 0..shape[2] {
                let place = offset + first * a + second * b + third * c;
                memory[place * size..][..size].copy_from_slice(&left[..size]);
                left = &left[size..];
            }
        }
    }
}
