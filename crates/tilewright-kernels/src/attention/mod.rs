//! Attention over keys and values: in a row for prefill, in the blocks of a paged cache for decoding.
//!
//! [`attention()`] · [`attention_decode()`]
//!
//! Each query head h reads the head `h / (nh / kvh)` of keys and values. A query sees the `window` keys up to its own place (0: all of them)
//! and the first `keep`. Both kernels give the logarithm of the sum of exponentials too, by which results over parts of the keys are merged:
//! `out = sum of exp(lse_i - lse) out_i` with `lse = log of the sum of exp(lse_i)`.

#[expect(
    clippy::module_inception,
    reason = "the family is named after its main kernel, as kernels are after their functions"
)]
pub mod attention;
pub mod attention_decode;
mod samples;
mod truth;

pub use attention::{Attention, attention};
pub use attention_decode::{AttentionDecode, Paged, attention_decode};

use pulp::{Arch, Simd, WithSimd};
use tilewright_core::{DType, Error, Result, Tensor};

use crate::reduce::exp::Real;

/// What bodies make of a product.
const SCORES: &str = include_str!("scores.header.metal");

const DTYPES: &[DType] = &[DType::F32, DType::F16, DType::Bf16];

/// What queries read.
#[derive(Debug, Clone)]
pub struct Attended {
    /// The weighted means of the values; zeros where a query sees no key.
    pub out: Tensor,
    /// The logarithm of the sum of exponentials of the scores, f32; minus infinity where a query sees no key.
    pub lse: Tensor,
}

/// How scores are made and which keys are seen, in range.
#[derive(Debug, Clone, Copy)]
struct Scores {
    scale: f32,
    /// 0 is none.
    cap: f32,
    /// 0 is all.
    window: usize,
    keep: usize,
}

impl Scores {
    fn new(
        operation: &'static str,
        scale: Option<f32>,
        cap: f32,
        [window, keep]: [usize; 2],
        d: usize,
    ) -> Result<Self> {
        let scale = scale.unwrap_or((1.0 / (d.max(1) as f64).sqrt()) as f32);
        if !scale.is_finite() {
            return Err(Error::range(operation, "scale", "finite", scale));
        }
        if !(cap.is_finite() && cap >= 0.0) {
            return Err(Error::range(operation, "soft_cap", "finite and at least 0", cap));
        }
        Ok(Self { scale, cap, window, keep })
    }

    /// The first key, beyond the kept ones, that a query at this place sees.
    fn first(&self, place: usize) -> usize {
        if self.window == 0 { 0 } else { (place + 1).saturating_sub(self.window) }
    }
}

/// Refuses query heads that the heads of keys do not divide.
fn check_heads(operation: &'static str, q: &Tensor, heads: usize, kv_heads: usize) -> Result<()> {
    let fits = if kv_heads == 0 { heads == 0 } else { heads.is_multiple_of(kv_heads) };
    if fits {
        return Ok(());
    }
    Err(Error::shape(operation, "q", format!("a multiple of {kv_heads} heads"), q.shape()))
}

/// Whether rows of `d` elements can be read four at a time.
fn is_aligned(tensor: &Tensor, d: usize) -> bool {
    // A view that is not row-major is copied first, to where it starts aligned.
    d.is_multiple_of(4) && (!tensor.is_contiguous() || tensor.layout().offset().is_multiple_of(4))
}

/// Partial sums that are kept side by side.
const LANES: usize = 16;

/// A query's running softmax over the keys seen so far.
#[derive(Debug, Clone, Copy)]
struct Running {
    top: f32,
    total: f32,
}

impl Running {
    const NOTHING: Running = Running { top: f32::NEG_INFINITY, total: 0.0 };

    fn lse(self) -> f32 {
        self.top + self.total.ln()
    }

    /// What sums over the keys before are multiplied by, once those of `top` have come.
    fn kept(self, top: f32) -> f32 {
        if self.top == top { 1.0 } else { (self.top - top).exp() }
    }
}

/// Turns products of a query and keys into scores, and those into weights relative to the largest so far.
struct Weigh<'a> {
    products: &'a mut [f32],
    scores: Scores,
    running: &'a mut Running,
}

impl WithSimd for Weigh<'_> {
    /// What earlier sums are multiplied by.
    type Output = f32;

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) -> f32 {
        let Weigh { products, scores: Scores { scale, cap, .. }, running } = self;
        let (lines, tail) = products.as_chunks_mut::<LANES>();
        let score = |product: f32| {
            let score = scale * product;
            // cap tanh(score / cap); exp's ends are those of tanh.
            if cap > 0.0 { cap - 2.0 * cap / (Real::exp(score * (2.0 / cap)) + 1.0) } else { score }
        };
        let mut tops = [f32::NEG_INFINITY; LANES];
        for line in &mut *lines {
            for (product, top) in line.iter_mut().zip(&mut tops) {
                *product = score(*product);
                *top = top.larger(*product);
            }
        }
        for (product, top) in tail.iter_mut().zip(&mut tops) {
            *product = score(*product);
            *top = top.larger(*product);
        }
        let top = tops.into_iter().fold(running.top, Real::larger);
        if top == f32::NEG_INFINITY && products.iter().all(|&score| score == f32::NEG_INFINITY) {
            products.fill(0.0);
            return 1.0;
        }
        let (lines, tail) = products.as_chunks_mut::<LANES>();
        let mut sums = [0.0f32; LANES];
        for line in lines {
            for (weight, sum) in line.iter_mut().zip(&mut sums) {
                *weight = Real::exp(*weight - top);
                *sum += *weight;
            }
        }
        for (weight, sum) in tail.iter_mut().zip(&mut sums) {
            *weight = Real::exp(*weight - top);
            *sum += *weight;
        }
        let kept = running.kept(top);
        *running = Running { top, total: running.total * kept + folded(sums) };
        kept
    }
}

#[inline(always)]
fn folded(mut lanes: [f32; LANES]) -> f32 {
    for half in [8, 4, 2, 1] {
        for at in 0..half {
            lanes[at] += lanes[at + half];
        }
    }
    lanes[0]
}

/// [`Weigh`]s with the machine's instructions.
fn weigh(products: &mut [f32], scores: Scores, running: &mut Running) -> f32 {
    Arch::new().dispatch(Weigh { products, scores, running })
}
