//! Wrong outputs made from right ones: a judge that accepts one of them cannot fail, so its passes mean nothing.

use tilewright_core::{DType, Element, Expected, Result, Tensor, with_element};

/// One wrong set of outputs.
pub struct Mutant {
    /// What was done: `tolerance`, `nan`, `sign`, `swap`, `shape`, `off by one` or `doubled`.
    pub mutation: &'static str,
    /// Which of the outputs was changed.
    pub output: usize,
    /// All outputs, on the host, the changed one among them.
    pub outputs: Vec<Tensor>,
}

/// Every mutation that makes these accepted outputs wrong. `expected` is what those that are there have to be.
///
/// - `shape`: the last index of the first axis is missing, or, for a 0-d or empty output, there is an axis too many;
/// - `nan`: one element is NaN;
/// - `tolerance`: one element is off by four times its tolerance;
/// - `sign`: the largest element has the other sign;
/// - `swap`: two elements that differ have changed places;
/// - `off by one`: one bit pattern is the next one (for [`Expected::Exact`]);
/// - `doubled`: the largest element is twice itself (for [`Expected::Free`], which has no tolerance).
///
/// A mutation that would leave an output right (no second element, nothing but zeros) is left out.
pub fn mutants(expected: &[&Expected], outputs: &[Tensor]) -> Result<Vec<Mutant>> {
    let originals = outputs.iter().map(Tensor::to_host).collect::<Result<Vec<_>>>()?;
    let mut mutants = Vec::new();
    for (output, (expected, original)) in expected.iter().zip(&originals).enumerate() {
        for (mutation, changed) in changes(expected, original)? {
            let mut outputs = originals.clone();
            outputs[output] = changed;
            mutants.push(Mutant { mutation, output, outputs });
        }
    }
    Ok(mutants)
}

fn changes(expected: &Expected, original: &Tensor) -> Result<Vec<(&'static str, Tensor)>> {
    let elements = Elements { bytes: original.to_bytes()?, original };
    let numbers = original.to_f64_vec()?;
    let mut made = vec![("shape", reshaped(original)?)];
    // The largest element is far from zero, so that its sign and its double are far from itself.
    let finite = |&at: &usize| numbers[at].is_finite() && numbers[at] != 0.0;
    let largest =
        (0..numbers.len()).filter(finite).max_by(|&a, &b| numbers[a].abs().total_cmp(&numbers[b].abs()));
    match expected {
        Expected::Absent => made.clear(),
        Expected::Values { value, tolerance, .. } => {
            let apart = |at: usize, changed: f64| {
                let stored = elements.rounded(changed);
                value[at].is_finite() && (stored - value[at]).abs() > tolerance[at]
            };
            // From the middle on, because ends are what special code is written for.
            let middle_first = (numbers.len() / 2..numbers.len()).chain(0..numbers.len() / 2);
            let off = middle_first.flat_map(|at| {
                let step = 4.0 * tolerance[at] * value[at].signum();
                [(at, value[at] - step), (at, value[at] + step), (at, value[at] + 1.0)]
            });
            made.extend(
                off.into_iter()
                    .find(|&(at, changed)| apart(at, changed))
                    .map(|(at, changed)| ("tolerance", elements.with(&[(at, changed)]))),
            );
            if let Some(at) = (0..numbers.len()).find(|&at| !value[at].is_nan())
                && original.dtype().is_float()
            {
                made.push(("nan", elements.with(&[(at, f64::NAN)])));
            }
            if let Some(at) = largest.filter(|&at| apart(at, -numbers[at])) {
                made.push(("sign", elements.with(&[(at, -numbers[at])])));
            }
            let smallest = (0..numbers.len())
                .filter(|&at| value[at].is_finite())
                .min_by(|&a, &b| numbers[a].total_cmp(&numbers[b]));
            if let (Some(a), Some(b)) = (largest, smallest)
                && (apart(a, numbers[b]) || apart(b, numbers[a]))
            {
                made.push(("swap", elements.with(&[(a, numbers[b]), (b, numbers[a])])));
            }
        }
        Expected::Exact(_) => {
            if !numbers.is_empty() {
                made.push(("off by one", elements.next_pattern(numbers.len() / 2)));
            }
            if let Some(b) = (1..numbers.len()).find(|&at| elements.pattern(at) != elements.pattern(0)) {
                made.push(("swap", elements.swapped(0, b)));
            }
        }
        Expected::Free { .. } => {
            if let Some(at) = largest {
                made.push(("doubled", elements.with(&[(at, 2.0 * numbers[at])])));
                if original.dtype().is_float() {
                    made.push(("nan", elements.with(&[(at, f64::NAN)])));
                }
            }
        }
    }
    Ok(made)
}

fn reshaped(original: &Tensor) -> Result<Tensor> {
    match original.dims().first() {
        Some(&rows) if !original.is_empty() => original.slice(0, 0..rows - 1)?.to_host(),
        _ => original.unsqueeze(0),
    }
}

/// A host tensor's elements in row-major order, to make changed copies of.
struct Elements<'t> {
    bytes: Vec<u8>,
    original: &'t Tensor,
}

impl Elements<'_> {
    fn dtype(&self) -> DType {
        self.original.dtype()
    }

    fn pattern(&self, at: usize) -> &[u8] {
        let size = self.dtype().size();
        &self.bytes[at * size..(at + 1) * size]
    }

    /// What the dtype stores for a number.
    fn rounded(&self, number: f64) -> f64 {
        with_element!(self.dtype(), T => <T as Element>::from_f64(number).to_f64())
    }

    fn with(&self, changes: &[(usize, f64)]) -> Tensor {
        let mut bytes = self.bytes.clone();
        for &(at, number) in changes {
            let size = self.dtype().size();
            let target = &mut bytes[at * size..(at + 1) * size];
            with_element!(self.dtype(), T => target.copy_from_slice(bytemuck::bytes_of(&<T as Element>::from_f64(number))));
        }
        self.tensor(&bytes)
    }

    fn next_pattern(&self, at: usize) -> Tensor {
        let mut bytes = self.bytes.clone();
        let low = &mut bytes[at * self.dtype().size()];
        *low = if self.dtype() == DType::Bool { *low ^ 1 } else { low.wrapping_add(1) };
        self.tensor(&bytes)
    }

    fn swapped(&self, a: usize, b: usize) -> Tensor {
        let size = self.dtype().size();
        let mut bytes = self.bytes.clone();
        bytes[a * size..(a + 1) * size].copy_from_slice(self.pattern(b));
        bytes[b * size..(b + 1) * size].copy_from_slice(self.pattern(a));
        self.tensor(&bytes)
    }

    fn tensor(&self, bytes: &[u8]) -> Tensor {
        with_element!(self.dtype(), T => {
            Tensor::from_vec(bytemuck::pod_collect_to_vec::<u8, T>(bytes), self.original.shape())
        })
        .expect("as many elements as the original")
    }
}
