//! The truth: a block at a time. Products and quotients of two f32 are rounded to f32 as the contract says; f64 holds products exactly.

use tilewright_core::{DType, Result, Tensor};

use super::{Format, Quantize, extents};

/// The bytes and scales of one row.
pub(crate) fn row(x: &[f64], args: &Quantize) -> Result<(Vec<u8>, Vec<f32>)> {
    let [_, length, _] = extents("quantize", x.len(), args.format, args.bits, args.block)?;
    let largest = match args.format {
        Format::Int if args.bits == 8 => 127.0,
        Format::Int => 7.0,
        Format::E4m3 => 448.0,
        Format::E5m2 => 57_344.0,
    };
    let (mut values, mut scales) = (Vec::with_capacity(x.len()), Vec::new());
    for x in x.chunks(length) {
        let (quotients, scale) = block(x, largest);
        values.extend(quotients);
        scales.push(scale);
    }
    let integer = |value: &f64| value.round_ties_even() as i8 as u8;
    let bytes = match args.format {
        Format::E4m3 => Tensor::from_f64(&values, DType::F8E4M3, [values.len()])?.to_bytes()?,
        Format::E5m2 => Tensor::from_f64(&values, DType::F8E5M2, [values.len()])?.to_bytes()?,
        Format::Int if args.bits == 8 => values.iter().map(integer).collect(),
        Format::Int => {
            let half = |value: Option<&f64>| value.map_or(0, |value| integer(value) & 15);
            values.chunks(2).map(|pair| half(pair.first()) | half(pair.get(1)) << 4).collect()
        }
    };
    Ok((bytes, scales))
}

/// A block's quotients before they are rounded to a value, up to `largest`, and its scale.
fn block(x: &[f64], largest: f64) -> (Vec<f64>, f32) {
    if x.iter().any(|x| !x.is_finite()) {
        return (vec![0.0; x.len()], f32::NAN);
    }
    let magnitude = x.iter().fold(0.0, |a: f64, x| a.max(x.abs()));
    if magnitude < f64::exp2(-100.0) {
        return (vec![0.0; x.len()], 0.0);
    }
    let inverse = f64::from((largest / magnitude) as f32);
    (x.iter().map(|x| f64::from((x * inverse) as f32)).collect(), (magnitude / largest) as f32)
}
