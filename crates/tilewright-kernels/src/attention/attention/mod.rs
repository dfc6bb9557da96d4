//! Attention of queries over keys and values in a row: prefill, causal or not, grouped heads, soft cap, sliding window.
//!
//! # Math
//! `s_ij = scale q_i . k_j`, or `cap tanh(scale q_i . k_j / cap)`; `out_i = sum_j exp(s_ij - lse_i) v_j`, `lse_i = log sum_j exp(s_ij)`, over the keys
//! that i sees. Query i of s stands at place `p = t - s + i`, so that the last query is at the last key. Causal: j <= p, and with a window w also
//! j > p - w or j < keep.
//!
//! # Shapes
//! | tensor | shape | layout | dtype |
//! |---|---|---|---|
//! | q | `[b, nh, s, d]` | any strides | f32, f16, bf16 |
//! | k, v | `[b, kvh, t, d]`, `[b, kvh, t, dv]`, kvh a divisor of nh | any strides | that of q |
//! | out | `[b, nh, s, dv]` | row-major | that of q |
//! | lse | `[b, nh, s]` | row-major | f32 |
//!
//! # Numerics
//! Products, weights and sums in f32, by the online softmax: no `[s, t]` matrix is stored. The tolerance counts the roundings of a score's d terms,
//! relative to the sum of their absolute values, and those of the sums over keys. Each path sums in a fixed order. A NaN or an infinity in a value
//! may spoil all rows that share its tile of keys, also those that do not see it.
//!
//! # Constraints
//! `d >= 1`. A window is causal. On a GPU: dv up to 256, fewer than 2^31 queries and keys a head.
//!
//! # Sources
//! Milakov and Gimelshein, "Online normalizer calculation for softmax", 2018; Dao et al., "FlashAttention", 2022, Algorithm 1. Window as in Mistral 7B
//! (2023), kept first keys as in Xiao et al., "Efficient Streaming Language Models with Attention Sinks", 2023, cap as in Gemma 2 (2024).
//!
//! # Example
//! ```
//! use tilewright_core::{Stream, Tensor};
//! use tilewright_kernels::attention::{Attention, attention};
//!
//! // The first query sees the first key alone; to the second both are equal.
//! let q = Tensor::from_vec(vec![1.0f32, 1.0], [1, 1, 2, 1])?;
//! let k = Tensor::from_vec(vec![3.0f32, 3.0], [1, 1, 2, 1])?;
//! let v = Tensor::from_vec(vec![2.0f32, 4.0], [1, 1, 2, 1])?;
//! let read = attention(&Stream::cpu(), &q, &k, &v, &Attention { causal: true, ..Attention::default() })?;
//! assert_eq!(read.out.to_vec::<f32>()?, [2.0, 3.0]);
//! # Ok::<(), tilewright_core::Error>(())
//! ```

mod cases;
mod cpu;
mod gpu;
mod reference;
#[cfg(test)]
mod tests;

use tilewright_core::{Device, Error, Result, Stream, Tensor};

pub(crate) use cases::KERNEL;

use super::{Attended, DTYPES, Scores, check_heads};
use crate::arguments::{check_same_dtype, check_tensor};

const NAME: &str = "attention";

/// Arguments of [`attention`].
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Attention {
    /// A query sees no key after its own place. Default false.
    pub causal: bool,
    /// Of the products. Default 1 / sqrt(d).
    pub scale: Option<f32>,
    /// The cap of the scores; 0 is none. Default 0.
    pub soft_cap: f32,
    /// How many keys a query sees, its own included; 0 is all. Default 0.
    pub window: usize,
    /// How many of the first keys every query sees beside its window. Default 0.
    pub keep: usize,
}

struct Plan {
    b: usize,
    heads: usize,
    kv_heads: usize,
    s: usize,
    t: usize,
    d: usize,
    dv: usize,
    causal: bool,
    scores: Scores,
}

/// What each query reads. Fails on a shape, dtype, device or number that does not fit.
pub fn attention(stream: &Stream, q: &Tensor, k: &Tensor, v: &Tensor, args: &Attention) -> Result<Attended> {
    check_tensor(NAME, "q", stream, q, DTYPES)?;
    for (name, tensor) in [("k", k), ("v", v)] {
        check_tensor(NAME, name, stream, tensor, DTYPES)?;
        check_same_dtype(NAME, name, tensor, q)?;
    }
    let &[b, heads, s, d] = q.dims() else {
        return Err(Error::shape(NAME, "q", "[b, nh, s, d]", q.shape()));
    };
    if d == 0 {
        return Err(Error::shape(NAME, "q", "[b, nh, s, d] with d >= 1", q.shape()));
    }
    let (kv_heads, t) = match *k.dims() {
        [kb, kv_heads, t, kd] if kb == b && kd == d => (kv_heads, t),
        _ => return Err(Error::shape(NAME, "k", format!("[{b}, kvh, t, {d}]"), k.shape())),
    };
    check_heads(NAME, q, heads, kv_heads)?;
    let dv = match *v.dims() {
        [vb, vh, vt, dv] if [vb, vh, vt] == [b, kv_heads, t] => dv,
        _ => return Err(Error::shape(NAME, "v", format!("[{b}, {kv_heads}, {t}, dv]"), v.shape())),
    };
    if args.window > 0 && !args.causal {
        return Err(Error::range(NAME, "window", "0 where attention is not causal", args.window));
    }
    let scores = Scores::new(NAME, args.scale, args.soft_cap, [args.window, args.keep], d)?;
    let plan = Plan { b, heads, kv_heads, s, t, d, dv, causal: args.causal, scores };
    match stream.device() {
        Device::Cpu => cpu::attention(q, k, v, &plan),
        _ => gpu::attention(stream, q, k, v, &plan),
    }
}
