//! On a GPU: tall matrices are reflected to a triangle first; small triangles and squares are decomposed by sweeps along two diagonals, single large
//! ones by the eigenvalues of their squares, others by turns of the triangle's columns.

use tilewright_core::{DType, Device, Result, Stream, Tensor};

use super::super::apply_q::{Target, apply};
use super::super::beside::stacked;
use super::super::chase;
use super::super::convert::dense;
use super::super::extents::Extents;
use super::super::jacobi::{Ask, spectrum};
use super::super::qr::{self, Qr, QrFactors, QrMode};
use super::super::qr_reflectors::wide_reflectors;
use super::{SvdFactors, SvdMode, cuda};
use crate::gemm::{Matmul, matmul};

/// Whether the QR decomposition takes a matrix apart that may have any number of rows.
pub(super) fn is_tall(device: Device, dtype: DType, extents: &Extents, mode: SvdMode) -> bool {
    mode != SvdMode::Full && qr::is_tall(device, dtype, extents)
}

/// The factors, by eigenvalues where libraries may be called and such a matrix is taken. `a` has elements, and n <= m.
pub(super) fn svd(
    stream: &Stream,
    a: &Tensor,
    extents: &Extents,
    mode: SvdMode,
    library: bool,
) -> Result<SvdFactors> {
    let (m, n) = (extents.m, extents.n);
    let columns = if mode == SvdMode::Full { m } else { n };
    let vectors = mode != SvdMode::Values;
    let small = chase::takes_general(stream.device(), a.dtype(), n);
    if small && m == n {
        let found = chase::general(stream, a, extents, false, columns, vectors)?;
        let [u, vt] = [found.left, found.right].map(|factor| vectors.then_some(factor));
        return Ok(SvdFactors { u, s: found.values, vt, info: found.info });
    }
    if is_tall(stream.device(), a.dtype(), extents, mode) {
        let wanted = if vectors { QrMode::Reduced } else { QrMode::R };
        let QrFactors { q, r } = qr::qr(stream, a, &Qr { mode: wanted, ..Qr::default() })?;
        let square = Extents { batch: extents.batch.clone(), m: n, n };
        let found = svd(stream, &r, &square, mode, library)?;
        let product = |(q, u)| matmul(stream, &q, &u, None, &Matmul::default());
        return Ok(SvdFactors { u: q.zip(found.u).map(product).transpose()?, ..found });
    }
    if library && extents.batches() > 1 {
        return one_by_one(stream, a, extents, mode);
    }
    if library && cuda::takes(stream.device(), a.dtype(), extents, mode) {
        return cuda::svd(stream, a, extents, mode);
    }
    let packed = wide_reflectors(stream, a, extents)?;
    let found = if small {
        chase::general(stream, &packed.reflectors, extents, true, columns, vectors)?
    } else {
        spectrum(stream, &packed.reflectors, extents, Ask::Singular { columns }, vectors)?
    };
    let u = vectors.then(|| {
        let turns = Target::Matrix(&found.left);
        apply(stream, &packed.reflectors, &packed.tau, turns, false, extents)
    });
    Ok(SvdFactors {
        u: u.transpose()?,
        s: found.values,
        vt: vectors.then_some(found.right),
        info: found.info,
    })
}

/// Matrices that only the library takes, and one at a time.
fn one_by_one(stream: &Stream, a: &Tensor, extents: &Extents, mode: SvdMode) -> Result<SvdFactors> {
    let (m, n, items) = (extents.m, extents.n, extents.batches());
    let one = Extents { batch: Vec::new(), m, n };
    let all = dense(stream, a)?.reshape([items, m, n])?;
    let found = (0..items).map(|item| {
        let own = all.slice(0, item..item + 1)?.reshape([m, n])?;
        cuda::svd(stream, &own, &one, mode)
    });
    let found = found.collect::<Result<Vec<_>>>()?;
    let columns = if mode == SvdMode::Full { m } else { n };
    let together = |of: fn(&SvdFactors) -> Option<Tensor>, tail: &[usize]| {
        let parts: Option<Vec<Tensor>> = found.iter().map(of).collect();
        parts.map(|parts| stacked(stream, &parts, extents.shape(tail))).transpose()
    };
    Ok(SvdFactors {
        u: together(|factors| factors.u.clone(), &[m, columns])?,
        s: together(|factors| Some(factors.s.clone()), &[n])?.expect("always given"),
        vt: together(|factors| factors.vt.clone(), &[n, n])?,
        info: together(|factors| Some(factors.info.clone()), &[])?.expect("always given"),
    })
}
