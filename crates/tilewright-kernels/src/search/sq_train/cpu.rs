//! Native path: stretches of rows side by side.

use rayon::prelude::*;
use tilewright_core::{Result, Tensor};

/// Elements of a stretch: enough to be worth handing out.
const STRETCH: usize = 1 << 16;

pub(super) fn sq_train(x: &Tensor) -> Result<Tensor> {
    let (d, x) = (x.dims()[1], x.as_slice::<f32>()?);
    let none = || (vec![f32::INFINITY; d], vec![f32::NEG_INFINITY; d]);
    let of_stretch = |rows: &[f32]| {
        let (mut least, mut greatest) = none();
        for row in rows.chunks_exact(d) {
            for ((least, greatest), &x) in least.iter_mut().zip(&mut greatest).zip(row) {
                let finite = x.abs() < f32::INFINITY;
                *least = if finite && x < *least { x } else { *least };
                *greatest = if finite && x > *greatest { x } else { *greatest };
            }
        }
        (least, greatest)
    };
    let both = |a: (Vec<f32>, Vec<f32>), b: (Vec<f32>, Vec<f32>)| {
        let least = a.0.iter().zip(&b.0).map(|(a, b)| a.min(*b)).collect();
        (least, a.1.iter().zip(&b.1).map(|(a, b)| a.max(*b)).collect())
    };
    let rows = (STRETCH / d).max(1);
    let (mut ranges, greatest) = x.par_chunks(rows * d).map(of_stretch).reduce(none, both);
    let none = ranges.iter().zip(&greatest).map(|(least, greatest)| least > greatest);
    let none: Vec<bool> = none.collect();
    let widths = ranges.iter().zip(greatest).map(|(least, greatest)| greatest - least);
    ranges.extend(widths.collect::<Vec<_>>());
    for (at, _) in none.iter().enumerate().filter(|&(_, &none)| none) {
        (ranges[at], ranges[d + at]) = (0.0, 0.0);
    }
    // -0 and 0 are one number, and which of them came first is nobody's business.
    ranges.iter_mut().for_each(|x| *x += 0.0);
    Tensor::from_vec(ranges, [2, d])
}
