//! Is this output what it has to be?

use std::fmt;

use serde::Serialize;
use tilewright_core::{DType, Element, Error, Expected, Tensor, with_element};

/// How near accepted results came to their limit.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Worst {
    /// The largest part of an allowance that was used: 0 is exact, 1 is the limit.
    pub share: f64,
    /// Where, in words; empty when everything was exact.
    pub place: String,
}

impl Worst {
    /// Keeps the larger share of the two.
    pub fn join(self, other: Worst) -> Worst {
        if other.share > self.share { other } else { self }
    }
}

impl fmt::Display for Worst {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.share == 0.0 { f.write_str("exact") } else { write!(f, "{:.3} {}", self.share, self.place) }
    }
}

/// Why an output is not what it has to be.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Mismatch {
    /// There is no such output.
    #[error("is missing")]
    Missing,
    /// The output should not be there.
    #[error("should be absent, but is there")]
    Unexpected,
    /// Its shape is wrong, so also: it is too short or too long.
    #[error("has shape {got:?}, expected {expected:?}")]
    Shape {
        /// What it has.
        got: Vec<usize>,
        /// What it has to have.
        expected: Vec<usize>,
    },
    /// Its dtype is wrong.
    #[error("has dtype {got}, expected {expected}")]
    DType {
        /// What it has.
        got: DType,
        /// What it has to have.
        expected: DType,
    },
    /// Elements are off by more than their tolerance.
    #[error(
        "{wrong} of {elements} elements are wrong; worst at {index:?}: got {got:e}, expected {expected:e} +- {tolerance:e}"
    )]
    Values {
        /// How many are.
        wrong: usize,
        /// Of how many.
        elements: usize,
        /// Where the worst is.
        index: Vec<usize>,
        /// What stands there.
        got: f64,
        /// The truth.
        expected: f64,
        /// Its tolerance.
        tolerance: f64,
    },
    /// Elements differ where the very bytes were asked for.
    #[error("{wrong} of {elements} elements differ; first at {index:?}: got {got}, expected {expected}")]
    Bytes {
        /// How many do.
        wrong: usize,
        /// Of how many.
        elements: usize,
        /// Where the first is.
        index: Vec<usize>,
        /// What stands there, as a number and as bytes.
        got: String,
        /// What has to stand there.
        expected: String,
    },
    /// The truth itself is unusable: a defect of the reference.
    #[error("cannot be judged: {0}")]
    Truth(String),
    /// The output cannot be read back.
    #[error("cannot be read: {0}")]
    Unreadable(#[from] Error),
}

/// Judges one output, from any device. Says which share of the tolerance the worst element used, or what is wrong.
///
/// NaN is right only where the truth is NaN, an infinity only where the truth is the same infinity. For
/// [`Expected::Free`] only shape and dtype are looked at.
pub fn compare(expected: &Expected, output: Option<&Tensor>) -> Result<Worst, Mismatch> {
    let (dims, dtype) = match expected {
        Expected::Absent => return output.map_or(Ok(Worst::default()), |_| Err(Mismatch::Unexpected)),
        Expected::Exact(tensor) => (tensor.dims(), tensor.dtype()),
        Expected::Values { shape, dtype, .. } | Expected::Free { shape, dtype } => (&shape[..], *dtype),
    };
    let output = output.ok_or(Mismatch::Missing)?;
    if output.dims() != dims {
        return Err(Mismatch::Shape { got: output.dims().to_vec(), expected: dims.to_vec() });
    }
    if output.dtype() != dtype {
        return Err(Mismatch::DType { got: output.dtype(), expected: dtype });
    }
    match expected {
        Expected::Values { value, tolerance, .. } => values(output, value, tolerance),
        Expected::Exact(truth) => bytes(output, truth),
        _ => Ok(Worst::default()),
    }
}

/// The share of `tolerance` by which `got` is off: infinite where no tolerance can excuse it.
fn share(got: f64, truth: f64, tolerance: f64) -> f64 {
    if truth.is_nan() || truth.is_infinite() {
        let same = got == truth || (got.is_nan() && truth.is_nan());
        return if same { 0.0 } else { f64::INFINITY };
    }
    let error = (got - truth).abs();
    match error {
        0.0 => 0.0,
        _ if error.is_finite() => error / tolerance,
        _ => f64::INFINITY,
    }
}

fn values(output: &Tensor, truth: &[f64], tolerance: &[f64]) -> Result<Worst, Mismatch> {
    let elements = output.elements();
    if truth.len() != elements || tolerance.len() != elements {
        let (values, tolerances) = (truth.len(), tolerance.len());
        let why =
            format!("the reference has {values} values and {tolerances} tolerances for {elements} elements");
        return Err(Mismatch::Truth(why));
    }
    let unusable = |(&truth, &tolerance): (&f64, &f64)| {
        truth.is_finite() && !(tolerance.is_finite() && tolerance >= 0.0)
    };
    if let Some(at) = truth.iter().zip(tolerance).position(unusable) {
        let why =
            format!("the reference's tolerance is {} at {:?}", tolerance[at], position(output.dims(), at));
        return Err(Mismatch::Truth(why));
    }
    let got = output.to_f64_vec()?;
    let (mut wrong, mut worst, mut at) = (0, 0.0, 0);
    for (index, ((&got, &truth), &tolerance)) in got.iter().zip(truth).zip(tolerance).enumerate() {
        let share = share(got, truth, tolerance);
        wrong += usize::from(share > 1.0);
        if share > worst {
            (worst, at) = (share, index);
        }
    }
    let index = position(output.dims(), at);
    if wrong > 0 {
        let (got, expected, tolerance) = (got[at], truth[at], tolerance[at]);
        return Err(Mismatch::Values { wrong, elements, index, got, expected, tolerance });
    }
    let place = if worst > 0.0 { format!("at {index:?}") } else { String::new() };
    Ok(Worst { share: worst, place })
}

fn bytes(output: &Tensor, truth: &Tensor) -> Result<Worst, Mismatch> {
    let (got, expected) = (output.to_bytes()?, truth.to_bytes()?);
    let size = output.dtype().size();
    let differ = |(_, (got, expected)): &(usize, (&[u8], &[u8]))| got != expected;
    let mut different =
        got.chunks_exact(size).zip(expected.chunks_exact(size)).enumerate().filter(differ).peekable();
    let Some(&(at, (first, should))) = different.peek() else { return Ok(Worst::default()) };
    let show = |bytes: &[u8]| {
        let number = with_element!(output.dtype(), T => bytemuck::pod_read_unaligned::<T>(bytes).to_f64());
        format!("{number} ({bytes:02x?})")
    };
    Err(Mismatch::Bytes {
        elements: output.elements(),
        index: position(output.dims(), at),
        got: show(first),
        expected: show(should),
        wrong: different.count(),
    })
}

/// The index along each axis of the `flat`-th element in row-major order.
fn position(dims: &[usize], mut flat: usize) -> Vec<usize> {
    let mut index = vec![0; dims.len()];
    for (index, &dim) in index.iter_mut().zip(dims).rev() {
        *index = flat % dim.max(1);
        flat /= dim.max(1);
    }
    index
}

#[cfg(test)]
mod tests {
    use super::*;

    const INF: f64 = f64::INFINITY;

    fn expect(truth: &[f64], tolerance: f64) -> Expected {
        let tolerance = vec![tolerance; truth.len()];
        Expected::Values { shape: vec![truth.len()], dtype: DType::F32, value: truth.to_vec(), tolerance }
    }

    fn output(values: &[f64]) -> Tensor {
        Tensor::from_f64(values, DType::F32, [values.len()]).unwrap()
    }

    #[test]
    fn special_values_are_equal_only_to_themselves() {
        let right = [1.0, f64::NAN, INF, -INF, 0.0];
        let truth = expect(&right, 0.5);
        assert_eq!(compare(&truth, Some(&output(&right))).unwrap().share, 0.0);
        for (at, wrong) in
            [(0, f64::NAN), (0, INF), (1, 1.0), (1, INF), (2, -INF), (2, f64::NAN), (2, 3e38), (3, INF)]
        {
            let mut values = right;
            values[at] = wrong;
            let mismatch = compare(&truth, Some(&output(&values))).unwrap_err();
            let Mismatch::Values { wrong: 1, elements: 5, index, .. } = &mismatch else {
                panic!("{mismatch}")
            };
            assert_eq!(index[..], [at], "{mismatch}");
        }
    }

    #[test]
    fn one_wrong_element_in_a_million_shows() {
        let truth = vec![1.0; 1_000_000];
        let expected = Expected::Values {
            shape: vec![1000, 1000],
            dtype: DType::F32,
            value: truth.clone(),
            tolerance: vec![1e-3; truth.len()],
        };
        let mut values = truth;
        let judge = |values: &[f64]| {
            compare(&expected, Some(&Tensor::from_f64(values, DType::F32, [1000, 1000]).unwrap()))
        };
        assert_eq!(judge(&values).unwrap(), Worst::default());
        values[123_456] += 0.75e-3;
        let worst = judge(&values).unwrap();
        assert!((worst.share - 0.75).abs() < 1e-3 && worst.place == "at [123, 456]", "{worst}");
        values[654_321] += 1.01e-3;
        let message = judge(&values).unwrap_err().to_string();
        assert!(message.starts_with("1 of 1000000 elements are wrong; worst at [654, 321]"), "{message}");
    }

    #[test]
    fn wrong_length_shape_dtype_and_presence_fail() {
        let truth = expect(&[1.0, 2.0, 3.0, 4.0], 1e9);
        let right = output(&[1.0, 2.0, 3.0, 4.0]);
        assert!(compare(&truth, Some(&right)).is_ok());
        let narrow = Tensor::from_f64(&[1.0, 2.0, 3.0, 4.0], DType::F16, [4]).unwrap();
        for (output, part) in [
            (Some(output(&[1.0, 2.0, 3.0])), "has shape [3], expected [4]"),
            (Some(output(&[1.0, 2.0, 3.0, 4.0, 5.0])), "has shape [5], expected [4]"),
            (Some(right.reshape([2, 2]).unwrap()), "has shape [2, 2]"),
            (Some(narrow), "has dtype f16, expected f32"),
            (None, "is missing"),
        ] {
            let message = compare(&truth, output.as_ref()).unwrap_err().to_string();
            assert!(message.contains(part), "{message}");
        }
        assert_eq!(compare(&Expected::Absent, Some(&right)).unwrap_err(), Mismatch::Unexpected);
        assert!(compare(&Expected::Absent, None).is_ok());
        let free = Expected::Free { shape: vec![2, 2], dtype: DType::F32 };
        assert!(compare(&free, Some(&right)).is_err());
        assert!(compare(&free, Some(&right.reshape([2, 2]).unwrap())).is_ok());
    }

    #[test]
    fn exact_means_every_bit() {
        let truth = Expected::Exact(Tensor::from_vec(vec![0.0f32, 1.0, 2.0], [3]).unwrap());
        assert!(compare(&truth, Some(&output(&[0.0, 1.0, 2.0]))).is_ok());
        let message = compare(&truth, Some(&output(&[-0.0, 1.0, 2.0]))).unwrap_err().to_string();
        assert!(
            message.starts_with("1 of 3 elements differ; first at [0]: got -0 ([00, 00, 00, 80])"),
            "{message}"
        );
        let large = i64::MAX;
        let truth = Expected::Exact(Tensor::from_vec(vec![large], [1]).unwrap());
        let off_by_one = Tensor::from_vec(vec![large - 1], [1]).unwrap();
        assert!(compare(&truth, Some(&off_by_one)).is_err(), "beyond what f64 can tell apart");
    }

    #[test]
    fn a_truth_that_excuses_everything_is_refused() {
        for tolerance in [f64::NAN, INF, -1.0] {
            let mismatch = compare(&expect(&[1.0], tolerance), Some(&output(&[1.0]))).unwrap_err();
            assert!(matches!(mismatch, Mismatch::Truth(_)), "{mismatch}");
        }
        let short =
            Expected::Values { shape: vec![2], dtype: DType::F32, value: vec![1.0], tolerance: vec![1.0] };
        assert!(matches!(compare(&short, Some(&output(&[1.0, 1.0]))), Err(Mismatch::Truth(_))));
        assert_eq!(compare(&expect(&[], 0.0), Some(&output(&[]))).unwrap(), Worst::default());
        assert!(
            compare(&expect(&[1.0], 0.0), Some(&output(&[1.0 + 1e-6]))).is_err(),
            "no tolerance, no excuse"
        );
    }
}
