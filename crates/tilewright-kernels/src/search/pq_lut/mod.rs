//! The tables that a scan of a product quantiser's codes adds up: a query's distance from every word of every part.
//!
//! # Math
//! tables(q, j, c) = |q_j - w_jc|² (L2), or -q_j·w_jc (inner product), for part j of query q and word c of part j.
//!
//! # Shapes
//! | tensor | shape | layout | dtype |
//! |---|---|---|---|
//! | queries | `[b, d]` | any strides | f32 |
//! | codebooks | `[m, words, d / m]`, words 256 or 16 | any strides | f32 |
//! | tables | `[b, m, words]` | row-major | f32 |
//!
//! # Numerics
//! f32 sums of d / m terms. Deterministic on a device.
//!
//! # Constraints
//! Not by the cosine, which is no sum over parts.
//!
//! # Sources
//! Jégou, Douze and Schmid, Product quantization for nearest neighbor search (2011), equation 13.
//!
//! # Example
//! ```
//! use tilewright_core::{Stream, Tensor};
//! use tilewright_kernels::search::{PqLut, pq_lut};
//!
//! let codebooks = Tensor::from_vec((0..16).map(|w| w as f32).collect(), [1, 16, 1])?;
//! let query = Tensor::from_vec(vec![3.0f32], [1, 1])?;
//! let tables = pq_lut(&Stream::cpu(), &query, &codebooks, &PqLut::default())?;
//! assert_eq!(tables.to_vec::<f32>()?[..5], [9.0, 4.0, 1.0, 0.0, 1.0]);
//! # Ok::<(), tilewright_core::Error>(())
//! ```

mod cases;
mod cpu;
mod gpu;
mod reference;

use tilewright_core::{Device, Error, Result, Stream, Tensor};

pub(crate) use cases::KERNEL;

use super::Metric;
use super::product::{Product, check_rows};

const NAME: &str = "pq_lut";

/// Arguments of [`pq_lut`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct PqLut {
    /// What a distance is: L2 (the default) or the inner product.
    pub metric: Metric,
}

/// The tables `[b, m, words]` of the queries. Fails on shapes, dtypes, devices and metrics that do not fit.
pub fn pq_lut(stream: &Stream, queries: &Tensor, codebooks: &Tensor, args: &PqLut) -> Result<Tensor> {
    let product = Product::of(NAME, stream, codebooks)?;
    check_rows(NAME, "queries", stream, queries, product.d())?;
    if args.metric == Metric::Cosine {
        return Err(Error::range(NAME, "metric", "l2 or ip, which are sums over parts", args.metric));
    }
    let (queries, codebooks) = (queries.to(stream)?, codebooks.to(stream)?);
    match stream.device() {
        Device::Cpu => cpu::pq_lut(&queries, &codebooks, product, args.metric),
        _ => gpu::pq_lut(stream, &queries, &codebooks, product, args.metric),
    }
}
