//! How gradients are judged: against central differences, in f64, of a loss that weighs each element of the result by its gradient. Other results
//! whose truth is a matrix and a size that errors are relative to are judged alike.

use tilewright_core::{
    Args, Case, DType, Device, Expected, Kernel, Residual, Result, Spec, Stream, Tensor, Work,
};

use super::convert::working;
use super::ratios::{Matrix, eps, judged, largest, residual};
use super::registry;
use crate::arguments::{check_f64, choose, only_variant};

/// The differences are of eighth order, and those of functions whose poles are no nearer than 0.4 know this much of a gradient.
const KNOWN: f64 = 1e-14;

/// The derivative at 0.
fn derivative(f: impl Fn(f64) -> f64) -> f64 {
    let step = 1.0 / 256.0;
    let weights = [4.0 / 5.0, -1.0 / 5.0, 4.0 / 105.0, -1.0 / 280.0];
    let difference = |(k, weight): (usize, f64)| {
        let by = (k + 1) as f64 * step;
        weight * (f(by) - f(-by))
    };
    weights.into_iter().enumerate().map(difference).sum::<f64>() / step
}

/// The gradient of a loss by each element.
pub(super) fn gradient(a: &Matrix, loss: impl Fn(&Matrix) -> f64) -> Matrix {
    Matrix::new(a.m, a.n, |i, j| {
        derivative(|by| {
            let mut moved = a.clone();
            moved.values[i * a.n + j] += by;
            loss(&moved)
        })
    })
}

/// The symmetric gradient of a loss that is defined for symmetric matrices: an element and its mirror image move together.
pub(super) fn symmetric_gradient(a: &Matrix, loss: impl Fn(&Matrix) -> f64) -> Matrix {
    Matrix::new(a.n, a.n, |i, j| {
        derivative(|by| {
            let mut moved = a.clone();
            moved.values[i * a.n + j] += by / 2.0;
            moved.values[j * a.n + i] += by / 2.0;
            loss(&moved)
        })
    })
}

/// The sum of all products of elements: the loss whose gradient by x is `weights`.
pub(super) fn weighed(x: &Matrix, weights: &Matrix) -> f64 {
    x.values.iter().zip(&weights.values).map(|(x, weight)| x * weight).sum()
}

/// The root of the sum of all squares.
pub(super) fn size(a: &Matrix) -> f64 {
    a.values.iter().map(|x| x * x).sum::<f64>().sqrt()
}

/// The inverse, by Gauss and Jordan with pivoting; not finite where a pivot is zero.
pub(super) fn inverse(a: &Matrix) -> Matrix {
    let n = a.n;
    let mut rows =
        Matrix::new(n, 2 * n, |i, j| if j < n { a.at(i, j) } else { f64::from(u8::from(i + n == j)) });
    for k in 0..n {
        let pivot = (k..n).max_by(|&i, &j| rows.at(i, k).abs().total_cmp(&rows.at(j, k).abs()));
        let pivot = pivot.expect("a row is left");
        (0..2 * n).for_each(|j| rows.values.swap(k * 2 * n + j, pivot * 2 * n + j));
        let by = rows.at(k, k);
        (0..2 * n).for_each(|j| rows.values[k * 2 * n + j] /= by);
        for i in (0..n).filter(|&i| i != k) {
            let factor = rows.at(i, k);
            (0..2 * n).for_each(|j| rows.values[i * 2 * n + j] -= factor * rows.at(k, j));
        }
    }
    Matrix::new(n, n, |i, j| rows.at(i, n + j))
}

/// The eigenvector, of length 1, of a symmetric matrix that is next to `value` and `vector`, and its value: by Rayleigh's iteration.
pub(super) fn next_pair(a: &Matrix, value: f64, vector: &[f64]) -> (f64, Vec<f64>) {
    let n = a.n;
    let column = |x: &[f64]| Matrix { m: n, n: 1, values: x.to_vec() };
    let (mut value, mut x) = (value, vector.to_vec());
    for _ in 0..6 {
        // Beside the value, so that the system is regular: the direction is what counts.
        let shift = value + 1e-15 * (1.0 + value.abs());
        let shifted = Matrix::new(n, n, |i, j| a.at(i, j) - if i == j { shift } else { 0.0 });
        let next = inverse(&shifted).times(&column(&x)).values;
        if !next.iter().all(|x| x.is_finite()) {
            break;
        }
        let length = next.iter().map(|x| x * x).sum::<f64>().sqrt();
        x = next.into_iter().map(|x| x / length).collect();
        value = weighed(&column(&x), &a.times(&column(&x)));
    }
    let product: f64 = x.iter().zip(vector).map(|(x, y)| x * y).sum();
    (value, x.into_iter().map(|x| x * product.signum()).collect())
}

/// A matrix, a gradient mostly, and the size of what rounding errors are relative to.
pub(super) type Truth = (Matrix, f64);

/// One matrix of the batch of an input or output: the extents of its last axes, one or two.
pub(super) type Tail = Vec<usize>;

/// An input's, and its numbers.
pub(super) type Input = (Tail, Vec<f64>);

/// A kernel that is judged so, in the registry.
pub(super) struct Registered {
    pub(super) spec: &'static Spec,
    pub(super) cases: fn() -> Vec<Case>,
    /// Those of one item of the batch.
    pub(super) inputs: fn(&Case, u64) -> Vec<Input>,
    pub(super) outputs: fn(&Case) -> Vec<Tail>,
    /// Of one item's inputs, a vector being a row.
    pub(super) truth: fn(&Case, &[Matrix]) -> Vec<Truth>,
    pub(super) check: fn(Device, &Case) -> Result<()>,
    pub(super) run: fn(&Stream, &Args, &[Tensor]) -> Result<Vec<Tensor>>,
    /// Operations of one item.
    pub(super) flops: fn(&Case) -> f64,
}

impl Registered {
    fn batch(case: &Case) -> Vec<usize> {
        [case.dim("b")].into_iter().filter(|&b| b != 0).collect()
    }
}

impl Kernel for Registered {
    fn spec(&self) -> &'static Spec {
        self.spec
    }

    fn cases(&self) -> Vec<Case> {
        (self.cases)()
    }

    fn inputs(&self, case: &Case) -> Result<Vec<Tensor>> {
        let batch = Self::batch(case);
        let items: Vec<_> = (0..case.dim("b").max(1) as u64).map(|item| (self.inputs)(case, item)).collect();
        let stacked = |at: usize| {
            let tail = &items[0][at].0;
            let values: Vec<f64> = items.iter().flat_map(|item| item[at].1.iter().copied()).collect();
            let dense = Tensor::from_f64(&values, case.dtype, [&batch[..], tail].concat())?;
            match tail[..] {
                // The same numbers, the other way round in memory.
                [m, n] if case.data == "transposed" && m * n > 0 => {
                    let turned = dense.transpose()?.to_f64_vec()?;
                    Tensor::from_f64(&turned, case.dtype, [&batch[..], &[n, m]].concat())?.transpose()
                }
                _ => Ok(dense),
            }
        };
        (0..items[0].len()).map(stacked).collect()
    }

    fn expected(&self, case: &Case, _: &[Tensor]) -> Result<Vec<Expected>> {
        let shape = |tail: Tail| [Self::batch(case), tail].concat();
        Ok((self.outputs)(case)
            .into_iter()
            .map(|tail| Expected::Free { shape: shape(tail), dtype: case.dtype })
            .collect())
    }

    fn residuals(&self, case: &Case, inputs: &[Tensor], outputs: &[Tensor]) -> Result<Vec<Residual>> {
        let batch = Self::batch(case).len();
        let split = |tensor: &Tensor| match tensor.rank() - batch {
            0 => Matrix::all(&tensor.unsqueeze(batch)?.unsqueeze(batch)?),
            1 => Matrix::all(&tensor.unsqueeze(batch)?),
            _ => Matrix::all(tensor),
        };
        let inputs = inputs.iter().map(split).collect::<Result<Vec<_>>>()?;
        let outputs = outputs.iter().map(split).collect::<Result<Vec<_>>>()?;
        let mut residuals = Vec::new();
        for item in judged(inputs[0].len()) {
            let of: Vec<Matrix> = inputs.iter().map(|input| input[item].clone()).collect();
            for ((truth, size), found) in (self.truth)(case, &of).into_iter().zip(&outputs) {
                let found = &found[item];
                let longest = of.iter().flat_map(|x| [x.m, x.n]).max().unwrap_or(1) as f64;
                let own = eps(working(case.dtype)).max(KNOWN);
                // A narrow result is rounded once more, by half a unit; the other half is room for a result next to a boundary.
                let last = if case.dtype == working(case.dtype) { 0.0 } else { eps(case.dtype) / 15.0 };
                let unit = longest * own * size + last * truth.largest();
                let error = largest(found.values.iter().zip(&truth.values).map(|(x, y)| (x - y).abs()));
                let ratio = if error == 0.0 { 0.0 } else { error / unit };
                residuals.push(residual("|found - truth| / (n eps |..|)", ratio, DType::F32));
            }
        }
        Ok(residuals)
    }

    fn support(&self, device: Device, case: &Case) -> Result<Vec<&'static str>> {
        check_f64(self.spec.name, device, case.dtype)?;
        (self.check)(device, case)?;
        registry::variants(self.spec.name, device, case.dtype)
    }

    fn run(
        &self,
        stream: &Stream,
        variant: Option<&str>,
        args: &Args,
        inputs: &[Tensor],
    ) -> Result<Vec<Tensor>> {
        args.check_names(self.spec)?;
        choose(self.spec.name, variant, &[only_variant(stream.device())])?;
        (self.run)(stream, args, inputs)
    }

    fn work(&self, case: &Case) -> Work {
        let b = case.dim("b").max(1) as f64;
        let elements =
            |tails: Vec<Tail>| tails.iter().map(|tail| tail.iter().product::<usize>() as f64).sum::<f64>();
        let read = elements((self.inputs)(case, 0).into_iter().map(|(tail, _)| tail).collect());
        let bytes = b * (read + elements((self.outputs)(case))) * case.dtype.size() as f64;
        Work { flops: b * (self.flops)(case), bytes }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn differences_know_derivatives() {
        assert!((derivative(|x| (1.0 + x).ln()) - 1.0).abs() < 1e-13);
        assert!((derivative(|x| 1.0 / (2.0 - x)) - 0.25).abs() < 1e-13);
    }

    #[test]
    fn an_inverse_is_one() {
        let a = Matrix::new(4, 4, |i, j| ((i * 7 + j * 3) as f64).sin() + if i == j { 2.0 } else { 0.0 });
        assert!(size(&a.times(&inverse(&a)).minus(&Matrix::identity(4))) < 1e-13);
    }
}
