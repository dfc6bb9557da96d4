//! Systems of more equations than registers take, by the normal equations in f64, where those of f32 lose nothing by the square of their condition. What they
//! cannot tell from a singular matrix is left to elimination, which names the pivot.

use tilewright_core::{DType, Device, Result, Stream, Tensor};

use super::super::extents::Extents;
use super::super::placed::identity;
use super::super::{Solution, gram, vendor};
use super::{NAME, cuda, gpu, variants};

/// Whether such systems are taken.
pub(super) fn takes(device: Device, dtype: DType, extents: &Extents) -> bool {
    extents.n > gram::SMALL && gram::takes(device, dtype)
}

/// The solutions for `b: [.., n, k]`, or without one the inverses. `a` is taken, and there are elements.
pub(super) fn solve(stream: &Stream, a: &Tensor, b: Option<&Tensor>, extents: &Extents) -> Result<Solution> {
    let n = extents.n;
    let sides = b.map_or(n, |b| b.dims()[b.rank() - 1]);
    let mut x = Tensor::empty(stream, DType::F32, extents.shape(&[n, sides]))?;
    let mut infos = vec![0; extents.batches()];
    for items in gram::shares(extents) {
        let index = gram::index(stream, &items)?;
        let wide = gram::take(stream, a, &index, DType::F64, gram::pitch(n))?;
        let factor = gram::factor(stream, &wide, n)?;
        let found = match b {
            None => {
                let q = gram::product(stream, (&wide, false), (&factor.x, false))?;
                gram::product(stream, (&factor.x, false), (&q, true))?
            }
            Some(b) => {
                let b = gram::take(stream, b, &index, DType::F64, sides)?;
                let b = gram::product(stream, (&wide, true), (&b, false))?;
                let b = gram::product(stream, (&factor.x, true), (&b, false))?;
                gram::product(stream, (&factor.x, false), (&b, false))?
            }
        };
        gram::put(stream, &found, &index, &mut x, false)?;
        let rest: Vec<u32> =
            (0..items.len()).filter(|&place| !factor.is_known(place)).map(|place| items[place]).collect();
        if !rest.is_empty() {
            drop((wide, factor, found));
            let index = gram::index(stream, &rest)?;
            let b = b.map(|b| gram::take(stream, b, &index, DType::F32, sides)).transpose()?;
            let a = gram::take(stream, a, &index, DType::F32, n)?;
            let eliminated = by_elimination(stream, &a, b.as_ref(), rest.len())?;
            gram::put(stream, &eliminated.x, &index, &mut x, false)?;
            for (item, info) in rest.into_iter().zip(eliminated.info.to_vec::<i32>()?) {
                infos[item as usize] = info;
            }
        }
    }
    Ok(Solution { x, info: Tensor::from_vec(infos, &extents.batch[..])?.to(stream)? })
}

/// The same of `a: [count, n, n]`.
fn by_elimination(stream: &Stream, a: &Tensor, b: Option<&Tensor>, count: usize) -> Result<Solution> {
    let n = a.dims()[1];
    let extents = Extents { batch: vec![count], m: n, n };
    let known = variants(NAME, stream.device(), DType::F32, &extents)?;
    match (known.contains(&vendor::VARIANT), b) {
        (true, b) => cuda::solve(stream, a, b, &extents),
        (false, Some(b)) => gpu::solve(stream, a, b, &extents),
        (false, None) => {
            let sides = identity(stream, DType::F32, n, 1.0)?.broadcast_to(a.shape())?;
            gpu::solve(stream, a, &sides, &extents)
        }
    }
}
