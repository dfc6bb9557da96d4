//! Matrices of more columns than registers take, by the Cholesky factor of `aᵀ a` in f64: products throughout. The host looks at how far each q would be
//! from orthogonal; where that is more than a rounding of f32, q is decomposed once more, and where columns depend on others, to roundings of f32, a path by
//! reflections takes the matrix.

use tilewright_core::{DType, Device, Result, Stream, Tensor};

use super::super::extents::Extents;
use super::super::gram;
use super::{Qr, QrFactors, QrMode, run, variants};

/// Whether such matrices are taken. They have no fewer rows than columns.
pub(super) fn takes(device: Device, dtype: DType, extents: &Extents) -> bool {
    extents.n > gram::SMALL && extents.m >= extents.n && gram::takes(device, dtype)
}

/// q, if it is wanted, and r of each matrix, n x n, whose diagonal is not negative. `a`, of f32, is taken.
pub(super) fn qr(
    stream: &Stream,
    a: &Tensor,
    extents: &Extents,
    with_q: bool,
) -> Result<(Option<Tensor>, Tensor)> {
    let (m, n) = (extents.m, extents.n);
    let mut r = Tensor::empty(stream, DType::F32, extents.shape(&[n, n]))?;
    let mut q = with_q.then(|| Tensor::empty(stream, DType::F32, extents.shape(&[m, n]))).transpose()?;
    for items in gram::shares(extents) {
        share(stream, a, &items, q.as_mut(), &mut r)?;
    }
    Ok((q, r))
}

/// The factors of some matrices of the batch.
fn share(
    stream: &Stream,
    a: &Tensor,
    items: &[u32],
    mut q: Option<&mut Tensor>,
    r: &mut Tensor,
) -> Result<()> {
    let n = a.dims()[a.rank() - 1];
    let pitch = gram::pitch(n);
    let named = |places: &[u32]| -> Vec<u32> { places.iter().map(|&place| items[place as usize]).collect() };
    let index = gram::index(stream, items)?;
    let wide = gram::take(stream, a, &index, DType::F64, pitch)?;
    let first = gram::factor(stream, &wide, n)?;
    let places = || 0..items.len() as u32;
    let again: Vec<u32> = places()
        .filter(|&place| {
            q.is_some() && first.is_known(place as usize) && !first.is_orthogonal(place as usize)
        })
        .collect();
    let mut rest: Vec<u32> = places().filter(|&place| !first.is_known(place as usize)).collect();
    gram::put(stream, &first.r, &index, r, true)?;
    // A known r is right to a rounding of f32, whatever q would be.
    if let Some(q) = q.as_deref_mut() {
        let near = gram::product(stream, (&wide, false), (&first.x, false))?;
        drop(wide);
        gram::put(stream, &near, &index, q, false)?;
        if !again.is_empty() {
            let at = gram::index(stream, &again)?;
            let near = gram::take(stream, &near, &at, DType::F64, pitch)?;
            let second = gram::factor(stream, &near, n)?;
            let index = gram::index(stream, &named(&again))?;
            let before = gram::take(stream, &first.r, &at, DType::F64, pitch)?;
            let product = gram::product(stream, (&second.r, false), (&before, false))?;
            gram::put(stream, &product, &index, r, true)?;
            let product = gram::product(stream, (&near, false), (&second.x, false))?;
            gram::put(stream, &product, &index, q, false)?;
            rest.extend(
                (0..again.len()).filter(|&place| !second.is_orthogonal(place)).map(|place| again[place]),
            );
        }
    }
    if rest.is_empty() {
        return Ok(());
    }
    let index = gram::index(stream, &named(&rest))?;
    let taken = gram::take(stream, a, &index, DType::F32, n)?;
    let mode = if q.is_some() { QrMode::Reduced } else { QrMode::R };
    let extents = Extents { batch: vec![rest.len()], m: taken.dims()[1], n };
    let known = variants(stream.device(), DType::F32, &extents, mode)?;
    let other = known.into_iter().find(|&variant| variant != gram::VARIANT);
    let QrFactors { q: formed, r: triangle } = run(stream, other, &taken, &Qr { mode, nonnegative: true })?;
    // A library's factors lie by columns: they are copied on the way.
    gram::put(stream, &triangle, &index, r, true)?;
    match (q, formed) {
        (Some(q), Some(formed)) => gram::put(stream, &formed, &index, q, false),
        _ => Ok(()),
    }
}
