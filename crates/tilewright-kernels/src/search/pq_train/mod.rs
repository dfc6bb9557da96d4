//! Codebooks of a product quantiser: centroids of each part of the vectors.
//!
//! # Math
//! For each of m parts of d / m elements: the 2^bits centroids of that part of the rows, as [`kmeans`](super::kmeans()) finds them.
//!
//! # Shapes
//! | tensor | shape | layout | dtype |
//! |---|---|---|---|
//! | x | `[n, d]`, m divides d, n >= 2^bits | any strides | f32 |
//! | initial (optional) | `[m, 2^bits, d / m]` | any strides | f32 |
//! | codebooks | `[m, 2^bits, d / m]` | row-major | f32 |
//!
//! # Numerics
//! As [`kmeans`](super::kmeans()), part by part; part j draws with seed + j. Deterministic. A row that is not finite is an error on the CPU; on a GPU it makes centroids
//! that are not.
//!
//! # Constraints
//! bits is 8 or 4.
//!
//! # Sources
//! Jégou, Douze and Schmid, Product quantization for nearest neighbor search (2011), section 3.
//!
//! # Example
//! ```
//! use tilewright_core::{Stream, Tensor};
//! use tilewright_kernels::search::{PqTrain, pq_train};
//!
//! let x = Tensor::from_vec((0..32).map(|i| i as f32).collect(), [16, 2])?;
//! let codebooks = pq_train(&Stream::cpu(), &x, None, &PqTrain { m: 2, bits: 4, ..PqTrain::default() })?;
//! assert_eq!(codebooks.dims(), [2, 16, 1]);
//! # Ok::<(), tilewright_core::Error>(())
//! ```

mod cases;
mod reference;

use tilewright_core::{DType, Error, Result, Stream, Tensor};

pub(crate) use cases::KERNEL;

use super::{Kmeans, kmeans};
use crate::arguments::check_tensor;

const NAME: &str = "pq_train";

/// Arguments of [`pq_train`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PqTrain {
    /// Parts of a vector. Default 1.
    pub m: usize,
    /// Bits of a part's code, 8 or 4. Default 8.
    pub bits: usize,
    /// Updates of the centroids. Default 25.
    pub iterations: usize,
    /// Seeds the draws. Default 1.
    pub seed: u64,
}

impl Default for PqTrain {
    fn default() -> Self {
        Self { m: 1, bits: 8, iterations: 25, seed: 1 }
    }
}

/// The codebooks `[m, 2^bits, d / m]` of the rows of `x`. Fails on shapes, dtypes, devices and counts that do not fit, and on the CPU on a row that is not
/// finite, which it names.
pub fn pq_train(stream: &Stream, x: &Tensor, initial: Option<&Tensor>, args: &PqTrain) -> Result<Tensor> {
    check_tensor(NAME, "x", stream, x, &[DType::F32])?;
    let &[n, d] = x.dims() else {
        return Err(Error::shape(NAME, "x", "[n, d]", x.shape()));
    };
    if args.m == 0 || d == 0 || d % args.m != 0 {
        return Err(Error::range(NAME, "m", format!("at least 1, and a divisor of {d}"), args.m));
    }
    if args.bits != 8 && args.bits != 4 {
        return Err(Error::range(NAME, "bits", "8 or 4", args.bits));
    }
    let (words, part) = (1 << args.bits, d / args.m);
    if n < words {
        return Err(Error::shape(NAME, "x", format!("at least {words} rows, one for each word"), x.shape()));
    }
    if let Some(initial) = initial {
        check_tensor(NAME, "initial", stream, initial, &[DType::F32])?;
        if initial.dims() != [args.m, words, part] {
            return Err(Error::shape(
                NAME,
                "initial",
                format!("[{}, {words}, {part}]", args.m),
                initial.shape(),
            ));
        }
    }
    let mut codebooks = Vec::with_capacity(words * d);
    for j in 0..args.m {
        let own = x.slice(1, j * part..(j + 1) * part)?;
        let start = initial.map(|initial| initial.select(0, j)).transpose()?;
        let seed = args.seed.wrapping_add(j as u64);
        let args = Kmeans { k: words, iterations: args.iterations, seed, ..Kmeans::default() };
        let (centroids, _) =
            kmeans(stream, &own, start.as_ref(), &args).map_err(|error| error.within(NAME))?;
        codebooks.extend_from_slice(centroids.to_host()?.as_slice::<f32>()?);
    }
    Tensor::from_vec(codebooks, [args.m, words, part])?.to(stream)
}
