//! Indexes of vectors that are turned first: `IndexPreTransform` of one `LinearTransform`, `OPQMatrix`, `PCAMatrix` or `RandomRotationMatrix`.
//!
//! A linear transform: whether it has an offset (u8), its matrix and its offset, lengths after and before (i32), whether it is trained (u8). Before that the principal components have a
//! power and a small number (f32), two ways to deal them out (u8, i32), the mean, the variances and all directions. Those are written as a linear transform with its offset.

use std::sync::Arc;

use tilewright_core::{Result, Tensor};

use super::{Reader, Writer};
use crate::recipe::{Codes, Turn};
use crate::snapshot::Snapshot;
use crate::transform::Transform;

/// How far the rows of a matrix may be from orthonormal.
const ORTHONORMAL: f64 = 1e-3;

impl Reader<'_> {
    /// A transform and the index behind it, whose letters have been read.
    pub(super) fn turned(&mut self) -> Result<Snapshot> {
        let header = self.header()?;
        let count = self.word()?;
        if count != 1 {
            return Err(self.failed(format!("turns vectors {count} times, expected once")));
        }
        let letters = self.letters()?;
        match letters.as_str() {
            "LTra" | "rrot" => {}
            "Pcam" | "PcAm" => {
                let power = f32::from_le_bytes(self.number()?);
                if power != 0.0 {
                    return Err(self.failed(format!("scales principal components by a power of {power}")));
                }
                self.take(if letters == "Pcam" { 4 + 1 + 4 } else { 1 + 4 })?;
                for _ in 0..3 {
                    let count = self.count()?;
                    self.array::<f32>(count)?;
                }
            }
            other => {
                let expected = "LTra (OPQ, linear), Pcam, PcAm (PCA) or rrot (random)";
                return Err(self.failed(format!("turns vectors by {other:?}, expected {expected}")));
            }
        }
        let has_offset = self.number::<1>()?[0] != 0;
        let count = self.count()?;
        let a: Vec<f32> = self.array(count)?;
        let count = self.count()?;
        let offset: Vec<f32> = self.array(count)?;
        let (from, to) = (self.word()?, self.word()?);
        let trained = self.number::<1>()?[0] != 0;
        let (d, width) = (header.d, usize::try_from(to).unwrap_or(0));
        let sizes =
            !trained || d.checked_mul(width) == Some(a.len()) && (!has_offset || offset.len() == width);
        if usize::try_from(from) != Ok(d) || width == 0 || width > d || !sizes {
            let got = format!("{} numbers for a turn from {from} to {to}", a.len());
            return Err(self.failed(format!("has {got}, expected from {d} to no more")));
        }
        let inner = match self.letters()?.as_str() {
            "IxF2" | "IxFI" | "IxFl" => self.flat()?,
            "IwFl" => self.lists()?,
            letters @ ("IxPq" | "IPfs" | "IwPQ" | "IwPf") => self.codes(letters)?,
            letters @ ("IxSQ" | "IwSq") => self.scalar(letters)?,
            other => {
                return Err(self.failed(format!("turns vectors of {other:?}, expected flat, lists or codes")));
            }
        };
        if inner.d != width || inner.metric != header.metric || !trained && !inner.is_empty() {
            return Err(self.failed("turns vectors to another length or metric, or before it is trained"));
        }
        let transform = if trained {
            self.check_orthonormal(&a, d)?;
            let offset = has_offset.then(|| Tensor::from_vec(offset, [width])).transpose()?;
            Some(Arc::new(Transform::new(Tensor::from_vec(a, [width, d])?, offset)?))
        } else {
            None
        };
        let turn = match (letters.as_str(), has_offset, inner.recipe.codes()) {
            ("rrot", ..) => Turn::Random { width },
            ("LTra", false, codes) => {
                let m = if let Some(Codes::Product { m, .. }) = codes { m } else { 1 };
                Turn::Product { m, width: Some(width).filter(|&width| width != d) }
            }
            _ => Turn::Principal { width },
        };
        let recipe = inner.recipe.turned(Some(turn));
        recipe.width(d).map_err(|why| self.failed(why))?;
        Ok(Snapshot { recipe, given: d, transform, ..inner })
    }

    fn check_orthonormal(&self, a: &[f32], d: usize) -> Result<()> {
        for (i, row) in a.chunks_exact(d).enumerate() {
            for (j, other) in a.chunks_exact(d).enumerate().take(i + 1) {
                let product: f64 = row.iter().zip(other).map(|(&x, &y)| f64::from(x) * f64::from(y)).sum();
                let off = (product - if i == j { 1.0 } else { 0.0 }).abs();
                if off.is_nan() || off > ORTHONORMAL {
                    return Err(
                        self.failed(format!("turns by a matrix whose rows {j} and {i} are not orthonormal"))
                    );
                }
            }
        }
        Ok(())
    }
}

impl Writer<'_> {
    /// What comes before the index of vectors that are turned.
    pub(super) fn turn(&mut self, turn: Turn, n: usize) -> Result<()> {
        let transform = self.index.transform.clone();
        self.header(b"IxPT", self.index.given, n, transform.is_some());
        self.words(&[1]);
        self.bytes.extend_from_slice(if matches!(turn, Turn::Random { .. }) { b"rrot" } else { b"LTra" });
        let has_offset = matches!(turn, Turn::Principal { .. });
        self.bytes.push(u8::from(has_offset));
        let (a, offset) = match &transform {
            Some(transform) => (transform.a.as_slice::<f32>()?, transform.offset.as_slice::<f32>()?),
            None => (&[][..], &[][..]),
        };
        self.array(a.len(), a);
        let offset = if has_offset { offset } else { &[] };
        self.array(offset.len(), offset);
        self.words(&[self.index.given as i32, self.index.d as i32]);
        self.bytes.push(u8::from(transform.is_some()));
        Ok(())
    }
}
