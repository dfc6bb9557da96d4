//! Native path: stretches of rows side by side.

use crate::parallel::Each;
use rayon::prelude::*;
use tilewright_core::{Result, Tensor};

/// Elements of a stretch: enough to be worth handing out.
const STRETCH: usize = 1 << 15;
/// Sums that run side by side.
const SUMS: usize = 8;

pub(super) fn rabitq_encode(x: &Tensor) -> Result<(Tensor, Tensor, Tensor)> {
    let (n, d, x) = (x.dims()[0], x.dims()[1], x.as_slice::<f32>()?);
    let (bytes, rows) = (d.div_ceil(8), (STRETCH / d).max(1));
    let (mut codes, mut squares, mut factors) = (vec![0u8; n * bytes], vec![0.0f32; n], vec![0.0f32; n]);
    let numbers = squares.par_chunks_mut(rows).zip(factors.par_chunks_mut(rows));
    x.par_chunks(rows * d).zip(codes.par_chunks_mut(rows * bytes)).zip(numbers).each(&|(
        (x, codes),
        (squares, factors),
    )| {
        let numbers = squares.iter_mut().zip(factors);
        for ((x, code), (square, factor)) in x.chunks_exact(d).zip(codes.chunks_exact_mut(bytes)).zip(numbers)
        {
            let (mut squared, mut absolute) = ([0.0f64; SUMS], [0.0f64; SUMS]);
            for (byte, x) in code.iter_mut().zip(x.chunks(SUMS)) {
                for (bit, &x) in x.iter().enumerate() {
                    *byte |= u8::from(x > 0.0) << bit;
                    squared[bit] += f64::from(x) * f64::from(x);
                    absolute[bit] += f64::from(x.abs());
                }
            }
            let (squared, absolute) = (squared.iter().sum::<f64>(), absolute.iter().sum::<f64>());
            *square = squared as f32;
            *factor = if absolute == 0.0 { 0.0 } else { (2.0 * squared / absolute) as f32 };
        }
    });
    Ok((
        Tensor::from_vec(codes, [n, bytes])?,
        Tensor::from_vec(squares, [n])?,
        Tensor::from_vec(factors, [n])?,
    ))
}
