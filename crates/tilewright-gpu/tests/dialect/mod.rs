//! Bodies that hold the dialect to its word, one per hazard or feature, with what each must answer.
//!
//! The bodies lie beside this file; every expected value is computed here from its definition, in f64 or in integers,
//! and shares nothing with the headers under test.

mod arithmetic;
mod functions;
mod lanes;
mod language;
mod memory;
mod threads;
mod vectors;

use tilewright_core::DType;

/// One body, its launch and its answer.
pub(crate) struct Hazard {
    /// Also a valid name of a kernel.
    pub(crate) name: &'static str,
    pub(crate) header: &'static str,
    pub(crate) body: &'static str,
    /// The value of the template argument `T`, where the body has one.
    pub(crate) template: Option<DType>,
    pub(crate) inputs: Vec<Input>,
    pub(crate) outputs: Vec<Output>,
    /// The outputs are `device atomic<T>*`.
    pub(crate) atomic: bool,
    /// What every element of every output holds before.
    pub(crate) initial: Option<f64>,
    pub(crate) threads: [usize; 3],
    pub(crate) group: [usize; 3],
    /// The largest error: a share of the larger of 1 and the expected value. 0 is exact; NaN answers NaN only.
    pub(crate) tolerance: f64,
    /// Metal leaves this undefined; CUDA and the emulator do not.
    pub(crate) beyond_metal: bool,
}

pub(crate) struct Input {
    pub(crate) name: &'static str,
    pub(crate) dtype: DType,
    pub(crate) shape: Vec<usize>,
    /// The order in which the body sees the axes; empty for as they are.
    pub(crate) axes: &'static [usize],
    /// Exact in the dtype.
    pub(crate) values: Vec<f64>,
}

pub(crate) struct Output {
    pub(crate) name: &'static str,
    pub(crate) dtype: DType,
    pub(crate) expected: Vec<f64>,
}

impl Hazard {
    fn new(name: &'static str, body: &'static str, threads: [usize; 3], group: [usize; 3]) -> Self {
        Hazard {
            name,
            header: "",
            body,
            template: None,
            inputs: Vec::new(),
            outputs: Vec::new(),
            atomic: false,
            initial: None,
            threads,
            group,
            tolerance: 0.0,
            beyond_metal: false,
        }
    }

    fn input(mut self, name: &'static str, dtype: DType, values: Vec<f64>) -> Self {
        self.inputs.push(Input { name, dtype, shape: vec![values.len()], axes: &[], values });
        self
    }

    fn output(mut self, name: &'static str, dtype: DType, expected: Vec<f64>) -> Self {
        self.outputs.push(Output { name, dtype, expected });
        self
    }

    fn tolerance(mut self, tolerance: f64) -> Self {
        self.tolerance = tolerance;
        self
    }
}

/// All of them.
pub(crate) fn hazards() -> Vec<Hazard> {
    let families = [
        threads::hazards(),
        lanes::hazards(),
        arithmetic::hazards(),
        functions::hazards(),
        vectors::hazards(),
        memory::hazards(),
        language::hazards(),
    ];
    families.into_iter().flatten().collect()
}

/// A binary float by its stored mantissa bits and largest exponent.
#[derive(Clone, Copy)]
pub(crate) struct Format {
    mantissa: i32,
    exponent: i32,
}

pub(crate) const FLOAT: Format = Format { mantissa: 23, exponent: 127 };
pub(crate) const HALF: Format = Format { mantissa: 10, exponent: 15 };
pub(crate) const BFLOAT: Format = Format { mantissa: 7, exponent: 127 };

impl Format {
    /// `value` to nearest, ties to even; subnormals kept, what is past the largest infinite.
    pub(crate) fn round(self, value: f64) -> f64 {
        if value == 0.0 || !value.is_finite() {
            return value;
        }
        let smallest = 1 - self.exponent;
        let unit = 2f64.powi(((value.abs().to_bits() >> 52) as i32 - 1023).max(smallest) - self.mantissa);
        let rounded = (value / unit).round_ties_even() * unit;
        if rounded.abs() >= 2f64.powi(self.exponent + 1) { f64::INFINITY.copysign(value) } else { rounded }
    }

    /// The encoding of a value of 16 bits, right-aligned.
    pub(crate) fn bits(self, value: f64) -> f64 {
        let sign = f64::from(u8::from(value.is_sign_negative())) * 32768.0;
        let (unit, magnitude) = (2f64.powi(self.mantissa), value.abs());
        if magnitude.is_infinite() {
            return sign + f64::from(2 * self.exponent + 1) * unit;
        }
        let exponent = ((magnitude.to_bits() >> 52) as i32 - 1023).max(1 - self.exponent);
        // The hidden bit of a normal number carries into the exponent's field.
        sign + f64::from(exponent + self.exponent - 1) * unit
            + magnitude / 2f64.powi(exponent - self.mantissa)
    }
}

/// `value` as a float holds it.
fn float(value: f64) -> f64 {
    FLOAT.round(value)
}

#[test]
fn formats_round_as_ieee() {
    assert_eq!(FLOAT.round(0.1), f64::from(0.1f32));
    assert_eq!(HALF.round(65519.9), 65504.0);
    assert_eq!(HALF.round(65520.0), f64::INFINITY);
    assert_eq!(HALF.round(2f64.powi(-25)), 0.0);
    assert_eq!(HALF.round(-3.0 * 2f64.powi(-25)), -(2f64.powi(-23)));
    assert_eq!(HALF.round(2049.0), 2048.0);
    assert_eq!(HALF.bits(-1.5), f64::from(0xbe00u16));
    assert_eq!(HALF.bits(2f64.powi(-24)), 1.0);
    assert_eq!(HALF.bits(f64::INFINITY), f64::from(0x7c00u16));
    assert_eq!(BFLOAT.bits(1.0), f64::from(0x3f80u16));
    assert_eq!(BFLOAT.round(257.0), 256.0);
}
