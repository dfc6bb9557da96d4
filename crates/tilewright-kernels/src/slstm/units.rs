//! The arithmetic of a unit on the host: loops over the units of a head, compiled for the instructions that the machine has.

use std::ops::Neg;

use bytemuck::Pod;
use pulp::{Arch, Simd, WithSimd};

use super::{ForgetGate, Slstm};
use crate::gemm::number::{Number, Rounded, Sum};
use crate::reduce::exp::Real;

/// A float that data may be, beside the type that states and sums have.
pub(super) trait Data: Number<Sum: Scalar> + Rounded<Self::Sum> {}

impl<T: Number<Sum: Scalar> + Rounded<T::Sum>> Data for T {}

/// The type of states and sums, with its vectors: f32 or f64.
pub(super) trait Scalar: Real + Sum + Neg<Output = Self> {
    /// As many as a register of these instructions holds.
    type Vector<V: Simd>: Pod;
    /// The same number in every place.
    fn splat<V: Simd>(simd: V, x: Self) -> Self::Vector<V>;
    /// `a b + c`, rounded once where that is one instruction.
    fn fused<V: Simd>(simd: V, a: Self::Vector<V>, b: Self::Vector<V>, c: Self::Vector<V>)
    -> Self::Vector<V>;
    /// log(1 + y) of y from 0 to 1, within 4 unit roundoffs.
    fn log_1_plus(y: Self) -> Self;
}

impl Scalar for f32 {
    type Vector<V: Simd> = V::f32s;
    #[inline(always)]
    fn splat<V: Simd>(simd: V, x: f32) -> V::f32s {
        simd.splat_f32s(x)
    }
    #[inline(always)]
    fn fused<V: Simd>(simd: V, a: V::f32s, b: V::f32s, c: V::f32s) -> V::f32s {
        simd.mul_add_e_f32s(a, b, c)
    }
    /// 2 artanh(y / (2 + y)) by its series in t = y / (2 + y) <= 1/3: the first term left out is t^17 / 17 < 5e-10 t.
    #[inline(always)]
    fn log_1_plus(y: f32) -> f32 {
        let t = y / (2.0 + y);
        let q = t * t;
        let tail = q * (1.0 / 9.0 + q * (1.0 / 11.0 + q * (1.0 / 13.0 + q * (1.0 / 15.0))));
        let series = q * (1.0 / 3.0 + q * (1.0 / 5.0 + q * (1.0 / 7.0 + tail)));
        2.0 * (t + t * series)
    }
}

impl Scalar for f64 {
    type Vector<V: Simd> = V::f64s;
    #[inline(always)]
    fn splat<V: Simd>(simd: V, x: f64) -> V::f64s {
        simd.splat_f64s(x)
    }
    #[inline(always)]
    fn fused<V: Simd>(simd: V, a: V::f64s, b: V::f64s, c: V::f64s) -> V::f64s {
        simd.mul_add_e_f64s(a, b, c)
    }
    fn log_1_plus(y: f64) -> f64 {
        y.ln_1p()
    }
}

/// exp(-|x|), which never overflows.
#[inline(always)]
fn decay<S: Scalar>(x: S) -> S {
    Real::exp(if x > S::ZERO { -x } else { x })
}

#[inline(always)]
fn sigmoid<S: Scalar>(x: S) -> S {
    let e = decay(x);
    (if x > S::ZERO { S::ONE } else { e }) / (S::ONE + e)
}

#[inline(always)]
fn log_sigmoid<S: Scalar>(x: S) -> S {
    let least = if x > S::ZERO { S::ZERO } else { x };
    least.minus(S::log_1_plus(decay(x)))
}

#[inline(always)]
fn tanh<S: Scalar>(x: S) -> S {
    let e = decay(x + x);
    let size = S::ONE.minus(e) / (S::ONE + e);
    if x > S::ZERO { size } else { -size }
}

/// The factors of what is kept and of what is taken in, and the stabiliser that both are relative to.
///
/// A unit that has seen nothing, n = 0, starts at its input gate, and stays as it is where that is 0.
#[inline(always)]
fn factors<S: Scalar>(kept: S, i: S, n: S, m: S) -> [S; 3] {
    let empty = n == S::ZERO;
    let larger = if kept > i { kept } else { i };
    let next = if empty { i } else { larger };
    let (keep, take) = (Real::exp(kept.minus(next)), Real::exp(i.minus(next)));
    let nothing = i == S::LOWEST;
    let take = if nothing { S::ZERO } else { take };
    let keep = if empty { S::ZERO } else { keep };
    let next = if empty && nothing { m } else { next };
    [keep, take, next]
}

/// A token of the units of one head: c, n, h and m become those after it. `pre` has the units' z, i, f and o, one after another.
pub(super) struct Forward<'a, S> {
    pub(super) cell: Slstm,
    pub(super) pre: &'a [S],
    /// c, n, h, m
    pub(super) state: [&'a mut [S]; 4],
}

impl<S: Scalar> Forward<'_, S> {
    pub(super) fn run(self) {
        Arch::new().dispatch(self);
    }
}

impl<S: Scalar> WithSimd for Forward<'_, S> {
    type Output = ();

    #[inline(always)]
    fn with_simd<V: Simd>(self, _: V) {
        let [c, n, h, m] = self.state;
        let d = c.len();
        let (n, h, m) = (&mut n[..d], &mut h[..d], &mut m[..d]);
        let [z, i, f, o] = quarters(self.pre, d);
        let exponential = self.cell.forget_gate == ForgetGate::Exponential;
        for unit in 0..d {
            let log_f = if exponential { f[unit] } else { log_sigmoid(f[unit]) };
            let [keep, take, next] = factors(log_f + m[unit], i[unit], n[unit], m[unit]);
            c[unit] = keep * c[unit] + take * tanh(z[unit]);
            n[unit] = keep * n[unit] + take;
            m[unit] = next;
            let mean = c[unit] / n[unit];
            h[unit] = if n[unit] == S::ZERO { S::ZERO } else { sigmoid(o[unit]) * mean };
        }
    }
}

/// The way back over a token of the units of one head: from the gradients by the state after it to those by the pre-activations and by the
/// state before it. That by h before it takes the recurrent weights, which are not here.
pub(super) struct Backward<'a, S> {
    pub(super) cell: Slstm,
    pub(super) pre: &'a [S],
    /// c, n, m before the token
    pub(super) before: [&'a [S]; 3],
    /// c, n after it
    pub(super) after: [&'a [S]; 2],
    /// The gradient by h after it.
    pub(super) dh: &'a [S],
    /// Those by c and n, after it and then before it.
    pub(super) dc: &'a mut [S],
    pub(super) dn: &'a mut [S],
    /// As `pre`.
    pub(super) dpre: &'a mut [S],
}

impl<S: Scalar> Backward<'_, S> {
    pub(super) fn run(self) {
        Arch::new().dispatch(self);
    }
}

impl<S: Scalar> WithSimd for Backward<'_, S> {
    type Output = ();

    #[inline(always)]
    fn with_simd<V: Simd>(self, _: V) {
        let d = self.dc.len();
        let (dc, dn, dh) = (self.dc, &mut self.dn[..d], &self.dh[..d]);
        let [c0, n0, m0] = self.before.map(|part| &part[..d]);
        let [c, n] = self.after.map(|part| &part[..d]);
        let [z, i, f, o] = quarters(self.pre, d);
        let (dz, rest) = self.dpre.split_at_mut(d);
        let (di, rest) = rest.split_at_mut(d);
        let (df, dout) = rest.split_at_mut(d);
        let (dz, dout) = (&mut dz[..d], &mut dout[..d]);
        let exponential = self.cell.forget_gate == ForgetGate::Exponential;
        for unit in 0..d {
            let log_f = if exponential { f[unit] } else { log_sigmoid(f[unit]) };
            let [keep, take, _] = factors(log_f + m0[unit], i[unit], n0[unit], m0[unit]);
            let (value, gate) = (tanh(z[unit]), sigmoid(o[unit]));
            let share = if n[unit] == S::ZERO { S::ZERO } else { S::ONE / n[unit] };
            let mean = c[unit] * share;
            let by_mean = dh[unit] * gate * share;
            let by_c = dc[unit] + by_mean;
            let by_n = dn[unit].minus(by_mean * mean);
            dout[unit] = dh[unit] * mean * gate * sigmoid(-o[unit]);
            dz[unit] = by_c * take * (S::ONE.minus(value * value));
            di[unit] = take * (by_c * value + by_n);
            let by_log_f = keep * (by_c * c0[unit] + by_n * n0[unit]);
            df[unit] = if exponential { by_log_f } else { by_log_f * sigmoid(-f[unit]) };
            dc[unit] = by_c * keep;
            dn[unit] = by_n * keep;
        }
    }
}

/// Four runs of d.
#[inline(always)]
fn quarters<S>(all: &[S], d: usize) -> [&[S]; 4] {
    let (z, rest) = all.split_at(d);
    let (i, rest) = rest.split_at(d);
    let (f, o) = rest.split_at(d);
    [z, i, f, &o[..d]]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn functions_keep_their_digits() {
        let unit = f64::from(f32::EPSILON) / 2.0;
        for step in -4000..=4000 {
            let x = step as f32 / 40.0;
            let wide = f64::from(x);
            let near = |got: f32, truth: f64, size: f64| {
                assert!((f64::from(got) - truth).abs() <= size * unit + 1.2e-38, "{x}: {got} {truth}");
            };
            let sigma = 1.0 / (1.0 + (-wide).exp());
            near(sigmoid(x), sigma, 8.0 * sigma);
            near(tanh(x), wide.tanh(), 8.0);
            let log = wide.min(0.0) - (-wide.abs()).exp().ln_1p();
            near(log_sigmoid(x), log, 12.0 * log.abs());
        }
    }

    #[test]
    fn a_unit_that_saw_nothing_starts_at_its_input_gate() {
        assert_eq!(factors(5.0f32, -90.0, 0.0, 7.0), [0.0, 1.0, -90.0]);
        assert_eq!(factors(5.0f32, f32::NEG_INFINITY, 0.0, 7.0), [0.0, 0.0, 7.0]);
        assert_eq!(factors(5.0f32, f32::NEG_INFINITY, 1.0, 7.0), [1.0, 0.0, 5.0]);
    }
}
