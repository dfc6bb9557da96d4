//! Seeded inputs for the family's cases.

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use tilewright_core::{Case, DType, Element, Result, Tensor, with_element};

/// What the elements of a case's inputs are like. A case names it in [`Case::data`].
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Data {
    /// Uniform in [-1, 1).
    Uniform,
    /// Whole numbers of at most 4 in magnitude: sums of their products are exact, so results are compared byte for byte.
    Integers,
    /// Uniform, with an infinity and a NaN among the first input's elements.
    Nonfinite,
}

impl Data {
    pub(super) fn of(case: &Case) -> Self {
        match case.data {
            "integers" | "integers_strided" => Data::Integers,
            "nonfinite" => Data::Nonfinite,
            _ => Data::Uniform,
        }
    }
}

/// Makes one input after another from a case's seed.
pub(super) struct Samples {
    random: ChaCha8Rng,
    data: Data,
    /// Every input is a view of a larger tensor: each axis starts at an offset and the last ones have gaps.
    strided: bool,
}

impl Samples {
    pub(super) fn new(case: &Case) -> Self {
        let strided = matches!(case.data, "strided" | "integers_strided");
        Samples { random: ChaCha8Rng::seed_from_u64(case.seed), data: Data::of(case), strided }
    }

    /// The next input.
    pub(super) fn tensor(&mut self, dtype: DType, dims: &[usize]) -> Result<Tensor> {
        if !self.strided {
            return self.dense(dtype, dims);
        }
        let outer: Vec<usize> = dims.iter().map(|extent| extent + 3).collect();
        let mut view = self.dense(dtype, &outer)?;
        for (axis, &extent) in dims.iter().enumerate() {
            view = view.slice(axis, 1..1 + extent)?;
        }
        Ok(view)
    }

    fn dense(&mut self, dtype: DType, dims: &[usize]) -> Result<Tensor> {
        let elements = dims.iter().product();
        with_element!(dtype, T => {
            let mut values: Vec<T> = (0..elements).map(|_| T::from_f64(self.next())).collect();
            if self.data == Data::Nonfinite && elements > 1 {
                values[elements / 3] = T::from_f64(f64::INFINITY);
                values[elements - 1] = T::from_f64(f64::NAN);
                self.data = Data::Uniform;
            }
            Tensor::from_vec(values, dims)
        })
    }

    fn next(&mut self) -> f64 {
        match self.data {
            Data::Integers => f64::from(self.random.random_range(-4i32..=4)),
            Data::Uniform | Data::Nonfinite => self.random.random_range(-1.0..1.0),
        }
    }
}

/// The number of roundings that any order of summing `terms` products leaves on each, plus `more`: `t / (1 - t u)`, Higham's `γ` in units of
/// the roundoff `u`, so that the bound holds for long sums too.
pub(super) fn roundings(terms: usize, more: usize, accumulator: DType) -> f64 {
    let count = (terms + more) as f64;
    count / (1.0 - count * accumulator.unit_roundoff())
}
