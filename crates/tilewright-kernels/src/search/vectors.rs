//! Checks and views of the family's tensors.

use std::borrow::Cow;

use tilewright_core::{DType, Error, Result, Stream, Tensor};

use super::best::{Candidate, distance_of};
use super::ids::{Ids, check_ids};
use super::scan::Stored;
use crate::arguments::{check_device, check_same_dtype, check_tensor};

/// The dtypes that vectors have.
pub(super) const DTYPES: &[DType] = &[DType::F32, DType::F16, DType::Bf16, DType::I8];

/// Runs `$body` with `$T` bound to the type of a dtype of vectors, which has been checked to be one.
macro_rules! with_vectors {
    ($dtype:expr, $T:ident => $body:expr) => {{
        use tilewright_core::{DType, bf16, f16};
        macro_rules! arm {
            ($rust:ty) => {{
                type $T = $rust;
                $body
            }};
        }
        match $dtype {
            DType::F32 => arm!(f32),
            DType::F16 => arm!(f16),
            DType::Bf16 => arm!(bf16),
            DType::I8 => arm!(i8),
            other => unreachable!("{other} has been refused"),
        }
    }};
}

pub(super) use with_vectors;

/// Rows to be scanned and what is known of them, checked.
pub(super) struct Vectors {
    /// `[b, d]`, row-major
    pub(super) queries: Tensor,
    /// `[n, d]`, row-major
    pub(super) data: Tensor,
    pub(super) ids: Ids,
    /// `[bytes]`, at least a bit for each row
    pub(super) keep: Option<Tensor>,
    pub(super) b: usize,
    pub(super) n: usize,
    pub(super) d: usize,
}

impl Vectors {
    pub(super) fn new(
        operation: &'static str,
        stream: &Stream,
        queries: &Tensor,
        data: &Tensor,
        ids: Option<&Tensor>,
        keep: Option<&Tensor>,
    ) -> Result<Self> {
        Self::of(operation, DTYPES, stream, queries, data, ids, keep)
    }

    /// Of data of these dtypes.
    pub(super) fn of(
        operation: &'static str,
        dtypes: &[DType],
        stream: &Stream,
        queries: &Tensor,
        data: &Tensor,
        ids: Option<&Tensor>,
        keep: Option<&Tensor>,
    ) -> Result<Self> {
        check_tensor(operation, "data", stream, data, dtypes)?;
        check_device(operation, "queries", stream, queries)?;
        check_same_dtype(operation, "queries", queries, data)?;
        let &[n, d] = data.dims() else {
            return Err(Error::shape(operation, "data", "[n, d]", data.shape()));
        };
        let &[b, of_queries] = queries.dims() else {
            return Err(Error::shape(operation, "queries", format!("[b, {d}]"), queries.shape()));
        };
        if of_queries != d {
            return Err(Error::shape(operation, "queries", format!("[b, {d}]"), queries.shape()));
        }
        if d == 0 {
            return Err(Error::shape(operation, "data", "[n, d] with d >= 1", data.shape()));
        }
        if n >= u32::MAX as usize || b >= u32::MAX as usize {
            let got = format!("{b} queries and {n} rows");
            return Err(Error::shape(operation, "data", "fewer than 2^32 - 1 rows and queries", got));
        }
        if let Some(ids) = ids {
            check_ids(operation, "ids", stream, ids)?;
            if ids.dims() != [n] {
                return Err(Error::shape(operation, "ids", format!("[{n}]"), ids.shape()));
            }
        }
        if let Some(keep) = keep {
            check_tensor(operation, "keep", stream, keep, &[DType::U8])?;
            if keep.rank() != 1 || keep.elements() < n.div_ceil(8) {
                let expected = format!("[bytes] with at least {} bytes, a bit for each row", n.div_ceil(8));
                return Err(Error::shape(operation, "keep", expected, keep.shape()));
            }
        }
        Ok(Self {
            queries: queries.to(stream)?,
            data: data.to(stream)?,
            ids: Ids::new(stream, ids)?,
            keep: keep.map(|keep| keep.to(stream)).transpose()?,
            b,
            n,
            d,
        })
    }

    /// The queries as f32.
    pub(super) fn host_queries(&self) -> Result<Cow<'_, [f32]>> {
        if self.queries.dtype() == DType::F32 {
            return Ok(self.queries.as_slice::<f32>()?.into());
        }
        let mut wide = Vec::new();
        with_vectors!(self.queries.dtype(), T => {
            T::widened(self.queries.as_slice::<T>()?, &mut wide);
        });
        Ok(wide.into())
    }

    /// The rows' ids as i64.
    pub(super) fn host_ids(&self) -> Result<Option<Cow<'_, [i64]>>> {
        self.ids.known.as_ref().map(wide_ids).transpose()
    }

    /// The bits of the rows that count.
    pub(super) fn host_keep(&self) -> Result<Option<&[u8]>> {
        self.keep.as_ref().map(Tensor::as_slice::<u8>).transpose()
    }
}

/// Ids on the host as i64.
pub(super) fn wide_ids(ids: &Tensor) -> Result<Cow<'_, [i64]>> {
    if ids.dtype() == DType::I64 {
        return Ok(ids.as_slice::<i64>()?.into());
    }
    Ok(ids.as_slice::<u32>()?.iter().map(|&id| i64::from(id)).collect())
}

/// Distances and ids `[b, k]` of each query's candidates, filled up where there are fewer.
pub(super) fn results(found: &[Vec<Candidate>], b: usize, k: usize) -> Result<(Tensor, Tensor)> {
    let (mut distances, mut ids) = unfilled(b, k);
    for (query, candidates) in found.iter().enumerate() {
        fill(candidates, &mut distances[query * k..], &mut ids[query * k..]);
    }
    Ok((Tensor::from_vec(distances, [b, k])?, Tensor::from_vec(ids, [b, k])?))
}

/// Distances and ids `[b, k]` of nothing found.
pub(super) fn unfilled(b: usize, k: usize) -> (Vec<f32>, Vec<i64>) {
    (vec![f32::INFINITY; b * k], vec![-1; b * k])
}

/// Writes the candidates of a query where its distances and ids begin.
#[inline(always)]
pub(super) fn fill(found: &[Candidate], distances: &mut [f32], ids: &mut [i64]) {
    for ((candidate, distance), id) in found.iter().zip(distances).zip(ids) {
        (*distance, *id) = (distance_of(candidate.key()), candidate.id());
    }
}
