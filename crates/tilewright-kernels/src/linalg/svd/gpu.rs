//! On a GPU: reflections to a triangle, turns of its columns, and the reflections' product with them.

use tilewright_core::{Result, Stream, Tensor};

use super::super::apply_q::{Target, apply};
use super::super::extents::Extents;
use super::super::jacobi::{Ask, spectrum};
use super::super::qr_reflectors::wide_reflectors;
use super::{SvdFactors, SvdMode};

/// The factors. `a` has elements, and n <= m.
pub(super) fn svd(stream: &Stream, a: &Tensor, extents: &Extents, mode: SvdMode) -> Result<SvdFactors> {
    let columns = if mode == SvdMode::Full { extents.m } else { extents.n };
    let vectors = mode != SvdMode::Values;
    let packed = wide_reflectors(stream, a, extents)?;
    let found = spectrum(stream, &packed.reflectors, extents, Ask::Singular { columns }, vectors)?;
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
