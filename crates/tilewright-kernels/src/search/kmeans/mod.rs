//! K-means: `k` centroids of the rows, by Lloyd's iteration.
//!
//! # Math
//! Repeat: label(i) = the c with the least |x_i - centroid_c|², the lowest one among equals; centroid_c = the mean of the rows with label c. A centroid without
//! rows starts anew: the j-th of them at the row that is j-th farthest from its own centroid (by distance, then number), or stays where no row is off its own.
//!
//! `spherical`: after each update, and at the start, a centroid other than zero is divided by its length, so that the nearest one has the greatest inner product.
//! `batch`: each iteration looks at that many rows, drawn anew without replacement, and a centroid is the mean of all rows that came to it in any of them; one that none
//! came to stays where it is.
//!
//! # Shapes
//! | tensor | shape | layout | dtype |
//! |---|---|---|---|
//! | x | `[n, d]`, n >= k, d >= 1 | any strides; row-major is read in place | f32; f16, bf16, i8 (CPU, and CUDA as `mma` or `wgmma`) |
//! | initial (optional) | `[k, d]` | any strides | f32 |
//! | centroids | `[k, d]` | row-major | f32 |
//! | labels | `[n]` | row-major | i64 |
//!
//! An update that is seen to move no centroid is the last, since further ones would give the same bits: on the CPU, and by `mma` and `wgmma` unless `spherical`. So `iterations` are an
//! upper bound.
//!
//! `labels` are those that the last update averaged: one assignment older than `centroids`. After mini-batches they are those of the centroids.
//!
//! # Numerics
//! Labels come from |c|²/2 - x·c in f32, off by at most g (|x||c| + |c|²/2), g = (d + 8) u / (1 - (d + 8) u): two centroids whose distances differ by less than twice
//! that may change places (on a GPU: from differences, off by g times the distance). Sums are in f64 on the CPU and in f32 on a GPU. Deterministic: how rows are
//! summed depends on n and k alone, and draws on the seed. Batches are the same on every device. `plusplus` draws by f32 distances, summed in f64 on the CPU and with twice f32's digits on
//! a GPU: the same rows but where a draw falls within the roundings of the border between two. A row that is not finite is an error on the CPU; on a GPU it makes centroids that are not.
//!
//! # Constraints
//! 1 <= k <= n, at least one iteration. `plusplus` on a GPU: each draw waits twice, for sums over all rows and for 256 of their terms.
//!
//! - `portable`: every GPU, f32 rows.
//! - `mma`: CUDA from compute capability 8.0 on, d a multiple of 4, at most 128 for f32 and 256 for other rows. The default from 2048 rows on.
//! - `wgmma`: as `mma`, for f16, bf16 and i8 on Hopper (compute capability 9.0), d at most 128. The default there.
//!
//! # Sources
//! Lloyd, Least squares quantization in PCM (1982); Arthur and Vassilvitskii, k-means++: the advantages of careful seeding (2007); Dhillon and
//! Modha, Concept decompositions for large sparse text data using clustering (2001), for the spherical form; Sculley, Web-scale k-means clustering (2010), for
//! mini-batches.
//!
//! # Example
//! ```
//! use tilewright_core::{Stream, Tensor};
//! use tilewright_kernels::search::{Kmeans, kmeans};
//!
//! let x = Tensor::from_vec(vec![0.0f32, 1.0, 10.0, 12.0], [4, 1])?;
//! let initial = Tensor::from_vec(vec![0.0f32, 9.0], [2, 1])?;
//! let (centroids, labels) = kmeans(&Stream::cpu(), &x, Some(&initial), &Kmeans { k: 2, ..Kmeans::default() })?;
//! assert_eq!(centroids.to_vec::<f32>()?, [0.5, 11.0]);
//! assert_eq!(labels.to_vec::<i64>()?, [0, 0, 1, 1]);
//! # Ok::<(), tilewright_core::Error>(())
//! ```

mod cases;
mod cpu;
mod cuda;
mod gpu;
pub(in crate::search) mod reference;
mod start;
#[cfg(test)]
mod tests;

use std::str::FromStr;

use tilewright_core::{DType, Device, Error, Result, Stream, Tensor};

pub(crate) use cases::KERNEL;

use super::cuda::misaligned;
use super::vectors::DTYPES;
use crate::arguments::{check_tensor, choose, only_variant};

const NAME: &str = "kmeans";

/// Rows below which the portable body is no slower on CUDA.
const FEW: usize = 2048;

/// Where the centroids start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Start {
    /// At different rows, each as likely as any other.
    #[default]
    Random,
    /// At rows that are drawn one after another, each as likely as its squared distance from those before it.
    PlusPlus,
}

impl FromStr for Start {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        match text {
            "random" => Ok(Start::Random),
            "plusplus" => Ok(Start::PlusPlus),
            _ => Err(Error::range(NAME, "start", "random or plusplus", format!("{text:?}"))),
        }
    }
}

/// Arguments of [`kmeans`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Kmeans {
    /// How many centroids. Default 1.
    pub k: usize,
    /// How many updates, unless one before them moves nothing. Default 10.
    pub iterations: usize,
    /// Where they start, without `initial`. Default at random rows.
    pub start: Start,
    /// Seeds the draws. Default 1.
    pub seed: u64,
    /// Whether centroids have length 1, so that rows go by the greatest inner product. Default no.
    pub spherical: bool,
    /// Rows of an iteration, drawn for each; all without it.
    pub batch: Option<usize>,
}

impl Default for Kmeans {
    fn default() -> Self {
        Self { k: 1, iterations: 10, start: Start::Random, seed: 1, spherical: false, batch: None }
    }
}

/// `k` centroids of the rows of `x`, and the rows' labels. Fails on shapes, dtypes, devices and counts that do not fit, and on the CPU on a row that is not
/// finite, which it names.
pub fn kmeans(
    stream: &Stream,
    x: &Tensor,
    initial: Option<&Tensor>,
    args: &Kmeans,
) -> Result<(Tensor, Tensor)> {
    run(stream, None, x, initial, args)
}

fn run(
    stream: &Stream,
    variant: Option<&str>,
    x: &Tensor,
    initial: Option<&Tensor>,
    args: &Kmeans,
) -> Result<(Tensor, Tensor)> {
    check_tensor(NAME, "x", stream, x, DTYPES)?;
    let &[n, d] = x.dims() else {
        return Err(Error::shape(NAME, "x", "[n, d]", x.shape()));
    };
    if d == 0 || n >= u32::MAX as usize {
        return Err(Error::shape(NAME, "x", "[n, d] with d >= 1 and fewer than 2^32 - 1 rows", x.shape()));
    }
    if args.k == 0 || args.k > n {
        return Err(Error::range(NAME, "k", format!("1..={n}, the number of rows"), args.k));
    }
    if args.batch == Some(0) {
        return Err(Error::range(NAME, "batch", "at least 1 row", 0));
    }
    if args.iterations == 0 {
        return Err(Error::range(NAME, "iterations", "at least 1", 0));
    }
    if let Some(initial) = initial {
        check_tensor(NAME, "initial", stream, initial, &[DType::F32])?;
        if initial.dims() != [args.k, d] {
            return Err(Error::shape(NAME, "initial", format!("[{}, {d}]", args.k), initial.shape()));
        }
    }
    let known = variants(stream.device(), x.dtype(), n, d, args.k)?;
    let (x, initial) = (x.to(stream)?, initial.map(|initial| initial.to(stream)).transpose()?);
    // The body that takes any view, where it matters and there is one.
    let portable = only_variant(stream.device());
    let wish = variant.or_else(|| (misaligned(&x) && known.contains(&portable)).then_some(portable));
    let variant = choose(NAME, wish, &known)?;
    match stream.device() {
        Device::Cpu => cpu::kmeans(&x, initial.as_ref(), args),
        _ if variant != portable => cuda::kmeans(stream, &x, initial.as_ref(), args, variant == cuda::WIDE),
        _ => gpu::kmeans(stream, &x, initial.as_ref(), args),
    }
}

/// The variants for rows of this dtype, the default first, or why there is none.
fn variants(device: Device, dtype: DType, n: usize, d: usize, k: usize) -> Result<Vec<&'static str>> {
    let mut known = Vec::new();
    if device == Device::Cpu || dtype == DType::F32 {
        known.push(only_variant(device));
    }
    if cuda::takes(device, dtype, d, k) {
        // Of few rows the portable body makes fewer launches.
        let place = if n < FEW { known.len() } else { 0 };
        known.insert(place, cuda::VARIANT);
        if cuda::takes_wide(device, dtype, d, k) {
            known.insert(place, cuda::WIDE);
        }
    }
    if known.is_empty() {
        let why = format!(
            "a GPU compares rows with centroids of their own dtype, and centroids are f32, not {dtype}; CUDA's matrix units do, where d is a \
             multiple of 4 and at most 256"
        );
        return Err(Error::unsupported(NAME, device, why));
    }
    Ok(known)
}
