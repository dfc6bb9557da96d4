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
    /// Whether the tolerances allow the change: some cases cancel so much that even a sign is within the rounding.
    pub excusable: bool,
}

/// What became of a mutant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// The judge refused it, as it has to.
    Caught,
    /// The judge accepted it, and the tolerances of this case say that it may. Where that happens in every case of a
    /// kernel, its tolerances are too wide to tell anything.
    Excused,
    /// The judge accepted what is wrong.
    Missed,
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
        for (mutation, changed, excusable) in changes(expected, original)? {
            let mut outputs = originals.clone();
            outputs[output] = changed;
            mutants.push(Mutant { mutation, output, outputs, excusable });
        }
    }
    Ok(mutants)
}

/// Mutation, changed output, and whether the tolerances excuse it.
type Change = (&'static str, Tensor, bool);

fn changes(expected: &Expected, original: &Tensor) -> Result<Vec<Change>> {
    let elements = Elements { bytes: original.to_bytes()?, numbers: original.to_f64_vec()?, original };
    let mut made = vec![("shape", reshaped(original)?, false)];
    match expected {
        Expected::Absent => made.clear(),
        Expected::Values { value, tolerance, .. } => made.extend(elements.off_by_value(value, tolerance)),
        Expected::Exact(_) => made.extend(elements.off_by_pattern()),
        Expected::Free { .. } => {
            if let Some(at) = elements.largest() {
                // The greatest number of bytes is as much as its double.
                let (largest, double) = (elements.numbers[at], 2.0 * elements.numbers[at]);
                if elements.rounded(double) != largest {
                    made.push(("doubled", elements.with(&[(at, double)]), false));
                }
                made.extend(elements.not_a_number(at));
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
    numbers: Vec<f64>,
    original: &'t Tensor,
}

impl Elements<'_> {
    fn off_by_value(&self, value: &[f64], tolerance: &[f64]) -> Vec<Change> {
        let within = |at: usize, changed: f64| (self.rounded(changed) - value[at]).abs() <= tolerance[at];
        let finite = |at: &usize| value[*at].is_finite();
        // From the middle on, because ends are what special code is written for.
        let middle_first = (value.len() / 2..value.len()).chain(0..value.len() / 2).filter(finite);
        let steps = middle_first.flat_map(|at| {
            // Toward zero first: away from it the dtype may saturate. A whole step is for integers.
            let step = 4.0 * tolerance[at] * value[at].signum();
            [value[at] - step, value[at] + step, value[at] + 1.0].map(|changed| (at, changed))
        });
        let mut made = Vec::new();
        if let Some(step) = steps.into_iter().find(|&(at, changed)| !within(at, changed)) {
            made.push(("tolerance", self.with(&[step]), false));
        }
        made.extend((0..value.len()).find(|&at| !value[at].is_nan()).and_then(|at| self.not_a_number(at)));
        let Some(largest) = self.largest() else { return made };
        let negative = -self.numbers[largest];
        made.push(("sign", self.with(&[(largest, negative)]), within(largest, negative)));
        let other = (0..value.len()).filter(finite).max_by(|&a, &b| {
            let distance = |at: usize| (self.numbers[at] - self.numbers[largest]).abs();
            distance(a).total_cmp(&distance(b))
        });
        if let Some(other) = other.filter(|&other| self.numbers[other] != self.numbers[largest]) {
            let exchanged = [(largest, self.numbers[other]), (other, self.numbers[largest])];
            let excusable = exchanged.iter().all(|&(at, changed)| within(at, changed));
            made.push(("swap", self.with(&exchanged), excusable));
        }
        made
    }

    fn off_by_pattern(&self) -> Vec<Change> {
        let mut made = Vec::new();
        if !self.numbers.is_empty() {
            made.push(("off by one", self.next_pattern(self.numbers.len() / 2), false));
        }
        let different = (1..self.numbers.len()).find(|&at| self.pattern(at) != self.pattern(0));
        made.extend(different.map(|at| ("swap", self.swapped(0, at), false)));
        made
    }

    fn not_a_number(&self, at: usize) -> Option<Change> {
        self.dtype().is_float().then(|| ("nan", self.with(&[(at, f64::NAN)]), false))
    }

    /// The finite element farthest from zero, so that its sign and its double are far from itself.
    fn largest(&self) -> Option<usize> {
        let numbers = &self.numbers;
        let changes = |&at: &usize| numbers[at].is_finite() && self.rounded(-numbers[at]) != numbers[at];
        (0..numbers.len()).filter(changes).max_by(|&a, &b| numbers[a].abs().total_cmp(&numbers[b].abs()))
    }

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
