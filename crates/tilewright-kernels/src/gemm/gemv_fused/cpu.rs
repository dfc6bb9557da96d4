//! Native path: the vector is short and its maps are long, so that each map is a product of its own, and the rest is plain loops.

use tilewright_core::{Element, Result, Stream, Tensor};

use super::super::gemv::{Gemv, gemv};
use super::super::number::{Number, Rounded, with_numbers};
use super::{After, Before, Fused, Problem};

pub(super) fn gemv_fused(stream: &Stream, problem: &Problem<'_>) -> Result<Fused> {
    with_numbers!((problem.given.x.dtype(), problem.out), T, O => run::<T, O>(stream, problem))
}

fn run<T, O>(stream: &Stream, problem: &Problem<'_>) -> Result<Fused>
where
    T: Number + Rounded<T::Sum>,
    O: Rounded<T::Sum>,
{
    let (given, sums) = (problem.given, Some(problem.sums()));
    let wide = |tensor: &Tensor| -> Result<Vec<T::Sum>> {
        let own = tensor.to_vec::<T>()?;
        let mut all = vec![T::Sum::default(); own.len()];
        T::widen(&own, &mut all);
        Ok(all)
    };
    let rounded = |values: &[T::Sum]| -> Vec<T> {
        let mut out = vec![T::from_f64(0.0); values.len()];
        T::round(values, &mut out);
        out
    };
    let z = match given.before {
        Before::Nothing => given.x.clone(),
        Before::RmsNorm { weight, .. } => {
            let mut z = wide(given.x)?;
            norm(&mut z, &wide(weight)?, 1, false, problem.eps);
            Tensor::from_vec(rounded(&z), [problem.k])?
        }
        Before::GatedHeads { weight, gate, .. } => {
            let mut z = wide(given.x)?;
            norm(&mut z, &wide(weight)?, problem.heads, true, problem.eps);
            T::widen(&rounded(&z), &mut z);
            for (z, gate) in z.iter_mut().zip(wide(gate)?) {
                *z = T::Sum::from_f64(z.to_f64() * sigmoid(gate.to_f64()));
            }
            Tensor::from_vec(rounded(&z), [problem.k])?
        }
    };
    let product = |w: &Tensor| -> Result<Vec<T::Sum>> {
        gemv(stream, w, &z, &Gemv { transpose: false, out_dtype: sums })?.to_vec::<T::Sum>()
    };
    let products = given.maps.iter().map(|w| product(w)).collect::<Result<Vec<_>>>()?;
    let y: Vec<T::Sum> = match given.after {
        After::Nothing => products.concat(),
        After::Plus(plus) => {
            let both = products.concat().into_iter().zip(wide(plus)?);
            both.map(|(y, plus)| T::Sum::from_f64(y.to_f64() + plus.to_f64())).collect()
        }
        After::Glu => {
            let pairs = products[0].iter().zip(&products[1]);
            pairs.map(|(a, b)| T::Sum::from_f64(a.to_f64() * sigmoid(a.to_f64()) * b.to_f64())).collect()
        }
        After::Cap(cap) => {
            products.concat().into_iter().map(|y| T::Sum::from_f64(cap * (y.to_f64() / cap).tanh())).collect()
        }
    };
    let mut out = vec![O::from_f64(0.0); y.len()];
    O::round(&y, &mut out);
    let mut gates = Vec::with_capacity(problem.lengths[1]);
    for (w, bias) in given.gates {
        let own = product(w)?.into_iter().zip(wide(bias)?);
        gates.extend(own.map(|(y, bias)| T::Sum::from_f64(y.to_f64() + bias.to_f64())));
    }
    let [n, m] = problem.lengths;
    Ok(Fused { out: Tensor::from_vec(out, [n])?, gates: Tensor::from_vec(gates, [m])? })
}

fn sigmoid(x: f64) -> f64 {
    1.0 / (1.0 + (-x).exp())
}

/// `(x - mean) r w` of each head; moments in f64, which no vector is too long for.
fn norm<S: Element>(x: &mut [S], weight: &[S], heads: usize, centred: bool, eps: f64) {
    let n = (x.len() / heads).max(1);
    for (x, weight) in x.chunks_mut(n).zip(weight.chunks(n)) {
        let count = x.len() as f64;
        let mean = if centred { x.iter().map(|x| x.to_f64()).sum::<f64>() / count } else { 0.0 };
        let square = x.iter().map(|x| (x.to_f64() - mean) * (x.to_f64() - mean)).sum::<f64>() / count;
        let scale = 1.0 / (square + eps).sqrt();
        for (x, w) in x.iter_mut().zip(weight) {
            *x = S::from_f64((x.to_f64() - mean) * scale * w.to_f64());
        }
    }
}
