//! Determinants, from the factors of an elimination: as a mantissa and an exponent, so that no product on the way leaves the range.

use std::sync::LazyLock;

use tilewright_core::{DType, Device, Result, Stream, Tensor};
use tilewright_gpu::{Definition, Grid, Program};

use super::convert::{narrowed, widened};
use super::extents::Extents;
use super::lu::{self, LuFactors, lu};

static PROGRAM: LazyLock<Program> = LazyLock::new(|| {
    let definition = Definition::new("determinant", include_str!("determinant.metal")).template("S");
    let definition = definition.input("lu").input("permutation");
    let definition = definition.scalar("n", DType::U32).scalar("items", DType::U32);
    Program::new(definition.output("det").output("sign").output("logarithm"))
        .expect("the definition is valid")
});

/// Of each matrix of a batch, `[..]`.
pub(super) struct Determinants {
    pub(super) det: Tensor,
    /// -1, 0 or 1
    pub(super) sign: Tensor,
    /// Of the absolute value.
    pub(super) log: Tensor,
}

/// Says why a device cannot compute determinants of n x n matrices.
pub(super) fn check(operation: &'static str, device: Device, dtype: DType, n: usize) -> Result<()> {
    lu::check(operation, device, dtype, n)
}

pub(super) fn determinants(operation: &'static str, stream: &Stream, a: &Tensor) -> Result<Determinants> {
    let extents = Extents::square(operation, stream, "a", a)?;
    check(operation, stream.device(), a.dtype(), extents.n)?;
    let wide = widened(stream, a)?;
    let factors = lu(stream, &wide).map_err(|error| error.within(operation))?;
    let batch = &extents.batch[..];
    // The determinant of a matrix without elements is 1, the product of nothing.
    let [det, sign, log] = if stream.device() == Device::Cpu || a.is_empty() {
        let parts = if a.is_empty() {
            vec![(1.0, 0); extents.batches()]
        } else {
            mantissas(&factors.lu.to_f64_vec()?, &factors, extents.n)?
        };
        let tensor = |of: fn((f64, i32)) -> f64| {
            Tensor::from_f64(&parts.iter().map(|&part| of(part)).collect::<Vec<_>>(), wide.dtype(), batch)?
                .to(stream)
        };
        [tensor(product)?, tensor(sign_of)?, tensor(log_of)?]
    } else {
        let outputs = PROGRAM
            .launch(stream)
            .template("S", wide.dtype())
            .input("lu", &factors.lu)
            .input("permutation", &factors.permutation)
            .scalar("n", extents.n as u32)
            .scalar("items", extents.batches() as u32)
            .output("det", wide.dtype(), batch)
            .output("sign", wide.dtype(), batch)
            .output("logarithm", wide.dtype(), batch)
            .grid(Grid::threads([extents.batches() * 32, 1, 1]), [128, 1, 1])
            .run()?;
        <[Tensor; 3]>::try_from(outputs).expect("three outputs are declared")
    };
    let [det, sign, log] = [det, sign, log].map(|tensor| narrowed(stream, tensor, a.dtype()));
    Ok(Determinants { det: det?, sign: sign?, log: log? })
}

/// The product of each diagonal and permutation, as mantissa and exponent of 2.
fn mantissas(lu: &[f64], factors: &LuFactors, n: usize) -> Result<Vec<(f64, i32)>> {
    let permutation = factors.permutation.as_slice::<i32>()?;
    let each = lu.chunks(n * n).zip(permutation.chunks(n)).map(|(lu, permutation)| {
        let sign = if is_odd(permutation) { -1.0 } else { 1.0 };
        lu.iter().step_by(n + 1).fold((sign, 0), |(mantissa, exponent), &x| {
            let (x, more) = split(x);
            let (mantissa, again) = split(mantissa * x);
            (mantissa, exponent + more + again)
        })
    });
    Ok(each.collect())
}

/// Mantissa and exponent; a number that has none is its own mantissa.
fn split(x: f64) -> (f64, i32) {
    if x == 0.0 || !x.is_finite() {
        return (x, 0);
    }
    // Subnormal numbers are made normal first.
    let (x, shift) = if x.abs() < f64::MIN_POSITIVE { (x * 2f64.powi(54), 54) } else { (x, 0) };
    let exponent = ((x.to_bits() >> 52) & 0x7ff) as i32 - 1022;
    (f64::from_bits(x.to_bits() & !(0x7ff << 52) | (1022 << 52)), exponent - shift)
}

fn product((mantissa, exponent): (f64, i32)) -> f64 {
    // In two steps, as a power of 2 alone may be beyond the range.
    let half = exponent.clamp(-2100, 2100) / 2;
    mantissa * 2f64.powi(half) * 2f64.powi(exponent.clamp(-2100, 2100) - half)
}

fn sign_of((mantissa, _): (f64, i32)) -> f64 {
    if mantissa == 0.0 || mantissa.is_nan() { mantissa.abs() } else { mantissa.signum() }
}

fn log_of((mantissa, exponent): (f64, i32)) -> f64 {
    mantissa.abs().ln() + f64::from(exponent) * std::f64::consts::LN_2
}

/// Whether a permutation is the product of an odd number of exchanges.
fn is_odd(permutation: &[i32]) -> bool {
    let mut seen = vec![false; permutation.len()];
    let mut cycles = 0;
    for start in 0..permutation.len() {
        let mut at = start;
        cycles += usize::from(!seen[start]);
        while !seen[at] {
            seen[at] = true;
            at = permutation[at] as usize;
        }
    }
    !(permutation.len() - cycles).is_multiple_of(2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_split_and_put_together() {
        for x in [1.0, -3.5, 1e300, 5e-324, -2.2e-308, 0.0] {
            assert_eq!(product(split(x)), x);
            assert!(x == 0.0 || (0.5..1.0).contains(&split(x).0.abs()));
        }
        assert!(split(f64::NAN).0.is_nan());
    }

    #[test]
    fn permutations_are_odd_or_even() {
        assert!(!is_odd(&[]));
        assert!(!is_odd(&[0, 1, 2]));
        assert!(is_odd(&[1, 0, 2]));
        assert!(!is_odd(&[1, 2, 0]));
    }
}
