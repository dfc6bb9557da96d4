//! Neighbours among more vectors than memory holds.

use tilewright_core::{DType, Error, Result, Stream, Tensor};
use tilewright_kernels::search::{
    FlatScanTopk, HammingScanTopk, Metric, TopkMerge, flat_scan_topk, hamming_scan_topk, topk_merge,
};

use crate::Found;
use crate::segment::ids_on;

/// The nearest neighbours of a few queries among vectors that come some at a time: what one scan of all of them would find, in the memory of one part and of the results.
///
/// ```
/// use tilewright_core::{Stream, Tensor};
/// use tilewright_search::{Metric, Neighbours};
///
/// let query = Tensor::from_vec(vec![5.2f32], [1, 1])?;
/// let mut nearest = Neighbours::new(&Stream::cpu(), &query, 2, Metric::L2)?;
/// for part in [[1.0f32, 5.0], [9.0, 6.0]] {
///     nearest.meet(&Tensor::from_slice(&part, [2, 1])?, None)?;
/// }
/// assert_eq!(nearest.found()?.ids, [1, 3]);
/// # Ok::<(), tilewright_core::Error>(())
/// ```
pub struct Neighbours {
    stream: Stream,
    queries: Tensor,
    k: usize,
    metric: Metric,
    /// Distances and ids `[b, k]` so far, on the host.
    best: Option<(Tensor, Tensor)>,
    met: usize,
}

impl Neighbours {
    /// Nothing met yet. Queries `[b, d]` of f32, or of u8 as bits, whose metric is L2: the number of those that differ. Distances are computed on the stream's device.
    pub fn new(stream: &Stream, queries: &Tensor, k: usize, metric: Metric) -> Result<Self> {
        if queries.rank() != 2 || queries.dims()[1] == 0 {
            return Err(Error::shape("neighbours", "queries", "[b, d] with d >= 1", queries.shape()));
        }
        match queries.dtype() {
            DType::F32 => {}
            DType::U8 if metric == Metric::L2 => {}
            DType::U8 => return Err(Error::range("neighbours", "metric", "l2 of bits", metric)),
            other => return Err(Error::dtype("neighbours", "queries", "f32 or u8", other)),
        }
        Ok(Self { stream: stream.clone(), queries: queries.to(stream)?, k, metric, best: None, met: 0 })
    }

    /// Compares the next vectors `[n, d]`, of the queries' dtype, under their ids; without ids, under the numbers that go on from those met before. Fails on other shapes and dtypes, on an
    /// id that is negative.
    pub fn meet(&mut self, vectors: &Tensor, ids: Option<&[i64]>) -> Result<()> {
        let n = if vectors.rank() == 2 { vectors.dims()[0] } else { 0 };
        if let Some(wrong) = ids.and_then(|ids| ids.iter().find(|&&id| id < 0)) {
            return Err(Error::range("neighbours", "ids", "from 0 on", wrong));
        }
        let (stream, k) = (&self.stream, self.k);
        let own = ids.map(|ids| ids_on(stream, ids)).transpose()?;
        let (vectors, own) = (vectors.to(stream)?, own.as_ref());
        let (distances, found) = if self.queries.dtype() == DType::U8 {
            hamming_scan_topk(stream, &self.queries, &vectors, own, None, &HammingScanTopk { k })?
        } else {
            let args = FlatScanTopk { k, metric: self.metric };
            flat_scan_topk(stream, &self.queries, &vectors, own, None, &args)?
        };
        let (distances, mut found) = (distances.to_host()?, found.to_host()?);
        if ids.is_none() && self.met > 0 {
            // Numbers ascend as rows do, so that equal distances stay in order.
            let first = self.met as i64;
            let moved = found.as_slice::<i64>()?.iter().map(|&id| if id < 0 { id } else { id + first });
            found = Tensor::from_vec(moved.collect(), found.dims())?;
        }
        self.best = Some(match self.best.take() {
            None => (distances, found),
            Some(best) => {
                let both = [2, self.queries.dims()[0], k];
                let all = [best.0.to_vec::<f32>()?, distances.to_vec()?].concat();
                let every = [best.1.to_vec::<i64>()?, found.to_vec()?].concat();
                let (all, every) = (Tensor::from_vec(all, both)?, Tensor::from_vec(every, both)?);
                topk_merge(&Stream::cpu(), &all, &every, &TopkMerge { k })?
            }
        });
        self.met += n;
        Ok(())
    }

    /// Vectors met so far.
    pub fn met(&self) -> usize {
        self.met
    }

    /// The neighbours among those met so far.
    pub fn found(&self) -> Result<Found> {
        let (b, k) = (self.queries.dims()[0], self.k);
        let (distances, ids) = match &self.best {
            None => (vec![f32::INFINITY; b * k], vec![-1; b * k]),
            Some((distances, ids)) => (distances.to_vec()?, ids.to_vec()?),
        };
        Ok(Found { k, distances, ids })
    }
}
