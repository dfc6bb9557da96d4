//! Evidence that the family shares: the sum of the two parts is judged against a sum that is exact.
//!
//! Tolerance, relative to the sum of the absolute terms: a product of twofold numbers is off by 5 u² and an addition by 3 u² of its result at most (Joldes,
//! Muller, Popescu, 2017), so that a term that goes through d additions is off by `(5 + 3 d) u²`; and terms of u³, which one more of each covers.
//! A float alone would be off by u: 2^24 u² for f32.

use tilewright_core::{Args, Case, Device, Expected, Kernel, Residual, Result, Spec, Stream, Tensor, Work};

use super::exact::Exact;
use super::{Operand, Pair};
use crate::arguments::{check_f64, choose, only_variant};

/// An element of the result: the products that add up to it.
pub(super) type Terms = Vec<(f64, f64)>;

/// An operand: its high parts, and its low ones.
pub(super) type Parts = [Vec<f64>; 2];

/// A kernel of the family in the registry.
pub(super) struct Registered {
    pub(super) spec: &'static Spec,
    pub(super) cases: fn() -> Vec<Case>,
    /// The shapes of the operands.
    pub(super) operands: fn(&Case) -> Vec<Vec<usize>>,
    pub(super) shape: fn(&Case) -> Vec<usize>,
    /// Element `e` of the result, of the operands' two parts.
    pub(super) terms: fn(&Case, &[Parts], usize) -> Terms,
    /// How many additions, one after the other, a term may go through.
    pub(super) depth: fn(&Case) -> usize,
    pub(super) run: fn(&Stream, &Args, &[Operand<'_>]) -> Result<Pair>,
    pub(super) flops: fn(&Case) -> f64,
}

/// The four products of two twofold numbers.
pub(super) fn products(a: &Parts, i: usize, b: &Parts, j: usize) -> [(f64, f64); 4] {
    [(0, 0), (0, 1), (1, 0), (1, 1)].map(|(of_a, of_b)| (a[of_a][i], b[of_b][j]))
}

/// Numbers of a case, the same for the same arguments: `salt` tells operands apart.
fn number(case: &Case, salt: u64, e: usize) -> f64 {
    let mut x = (case.seed << 40) ^ (salt << 32) ^ e as u64;
    for _ in 0..3 {
        x = (x ^ x >> 31).wrapping_mul(0x9e37_79b9_7f4a_7c15).wrapping_add(1);
    }
    (x >> 11) as f64 / (1u64 << 52) as f64 - 1.0
}

impl Registered {
    /// `cancel`: of three terms the second is the first one's negative, and both a thousand times the third.
    fn value(case: &Case, operand: u64, e: usize, along: usize) -> f64 {
        let (row, i) = (e / along.max(1), e % along.max(1));
        let first = i - i % 3;
        match (case.data, i % 3) {
            ("cancel", 0 | 1) if first + 1 < along => {
                let sign = if operand == 0 && i % 3 == 1 { -1.0 } else { 1.0 };
                let size = if operand == 0 { 1000.0 } else { 1.0 };
                sign * size * number(case, operand, row * along + first)
            }
            _ => number(case, operand, e),
        }
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
        let shapes = (self.operands)(case);
        let mut all = Vec::new();
        for part in 0..if case.data == "pairs" { 2 } else { 1 } {
            for (operand, shape) in shapes.iter().enumerate() {
                let along = shape.last().copied().unwrap_or(1);
                let high = |e| Self::value(case, operand as u64, e, along);
                // At most half a unit in the last place of the high part.
                let half = case.dtype.unit_roundoff() / 2.0;
                let low = |e| high(e).abs() * half * number(case, 9 + operand as u64, e);
                let values: Vec<f64> =
                    (0..shape.iter().product()).map(|e| if part == 0 { high(e) } else { low(e) }).collect();
                let tensor = Tensor::from_f64(&values, case.dtype, &shape[..])?;
                all.push(match case.data {
                    "transposed" if shape.len() == 2 && !values.is_empty() => {
                        let turned = tensor.transpose()?.to_f64_vec()?;
                        Tensor::from_f64(&turned, case.dtype, [shape[1], shape[0]])?.transpose()?
                    }
                    _ => tensor,
                });
            }
        }
        Ok(all)
    }

    fn expected(&self, case: &Case, _: &[Tensor]) -> Result<Vec<Expected>> {
        let free = || Expected::Free { shape: (self.shape)(case), dtype: case.dtype };
        Ok(vec![free(), free()])
    }

    fn residuals(&self, case: &Case, inputs: &[Tensor], outputs: &[Tensor]) -> Result<Vec<Residual>> {
        let count = (self.operands)(case).len();
        let operand = |at: usize| {
            let high = inputs[at].to_f64_vec()?;
            let low = match inputs.get(at + count) {
                Some(low) => low.to_f64_vec()?,
                None => vec![0.0; high.len()],
            };
            Ok([high, low])
        };
        let operands = (0..count).map(operand).collect::<Result<Vec<_>>>()?;
        let (high, low) = (outputs[0].to_f64_vec()?, outputs[1].to_f64_vec()?);
        let unit = case.dtype.unit_roundoff();
        let (mut worst, mut normal) = (0.0, true);
        for e in 0..high.len() {
            let terms = (self.terms)(case, &operands, e);
            let error = error(high[e], low[e], &terms, (self.depth)(case) as f64, unit);
            worst = if error > worst || error.is_nan() { error } else { worst };
            normal &= low[e].abs() <= unit * high[e].abs();
        }
        let ratio = if normal { 0.0 } else { 2.0 };
        Ok(vec![
            Residual { name: "|high + low - exact| / ((5 + 3 d) u² sum |terms|)", ratio: worst, limit: 1.0 },
            Residual { name: "|low| <= u |high|", ratio, limit: 1.0 },
        ])
    }

    fn support(&self, device: Device, case: &Case) -> Result<Vec<&'static str>> {
        check_f64(self.spec.name, device, case.dtype)?;
        Ok(vec![only_variant(device)])
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
        let all = self.spec.inputs.len();
        let count = all / 2;
        if inputs.len() != count && inputs.len() != all {
            let expected = format!("{count} or {all}");
            return Err(tilewright_core::Error::range(
                self.spec.name,
                "number of inputs",
                expected,
                inputs.len(),
            ));
        }
        let operand = |at: usize| Operand { high: &inputs[at], low: inputs.get(at + count) };
        let Pair { high, low } = (self.run)(stream, args, &(0..count).map(operand).collect::<Vec<_>>())?;
        Ok(vec![high, low])
    }

    fn work(&self, case: &Case) -> Work {
        let elements = |shape: Vec<usize>| shape.iter().map(|&extent| extent as f64).product::<f64>();
        let read: f64 = (self.operands)(case).into_iter().map(elements).sum();
        let bytes = (read + 2.0 * elements((self.shape)(case))) * case.dtype.size() as f64;
        Work { flops: (self.flops)(case), bytes }
    }
}

/// The error of `high + low` as a share of the tolerance, after so many additions.
fn error(high: f64, low: f64, terms: &[(f64, f64)], depth: f64, unit: f64) -> f64 {
    let mut sum = Exact::new();
    terms.iter().for_each(|&(a, b)| sum.add_product(a, b));
    if !high.is_finite() || !low.is_finite() {
        return f64::NAN;
    }
    sum.add_product(-high, 1.0);
    sum.add_product(-low, 1.0);
    let error = sum.value().0.abs();
    let size: f64 = terms.iter().map(|(a, b)| (a * b).abs()).sum();
    if error == 0.0 { 0.0 } else { error / ((6.0 + 4.0 * depth) * unit * unit * size) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tilewright_core::DType;

    /// What fast-math makes of TwoSum and of TwoProd, their errors taken for zeros, is a float's sum: the judge has to refuse it.
    #[test]
    fn a_sum_without_its_errors_is_refused() {
        let case = Case::new(tilewright_core::Tier::Edge, &[("r", 1), ("n", 300)], DType::F32);
        for data in ["", "cancel"] {
            let case = case.clone().data(data);
            let rounded = |operand, e| f64::from(Registered::value(&case, operand, e, 300) as f32);
            let terms: Terms = (0..300).map(|e| (rounded(0, e), rounded(1, e))).collect();
            let plain = terms.iter().fold(0.0f32, |sum, &(a, b)| sum + a as f32 * b as f32);
            let unit = DType::F32.unit_roundoff();
            let share = error(f64::from(plain), 0.0, &terms, 300.0, unit);
            assert!(share > 100.0, "{data} {share}");
        }
    }
}
