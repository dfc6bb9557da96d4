//! Functions of floats and of integers, and the ends of the types' ranges.

use tilewright_core::DType;

use super::{BFLOAT, HALF, Hazard, float};

/// 64 floats in (-4, 4) without a pattern.
fn arguments() -> Vec<f64> {
    (0..64).map(|i| float(f64::from((i * 37 + 11) % 64) / 8.1 - 3.93)).collect()
}

fn smoothstep(low: f64, high: f64, v: f64) -> f64 {
    let t = ((v - low) / (high - low)).clamp(0.0, 1.0);
    t * t * (3.0 - 2.0 * t)
}

fn math() -> Hazard {
    use std::f64::consts::PI;
    let x = arguments();
    let mut expected = Vec::new();
    for &v in &x {
        // As the body rounds its arguments.
        let (p, u) = (float(v.abs() + 0.5), float(v / 4.5));
        expected.extend([
            v.exp(),
            v.exp2(),
            10f64.powf(v),
            p.ln(),
            p.log2(),
            p.log10(),
            v.sin(),
            v.cos(),
            u.tan(),
        ]);
        expected.extend([u.asin(), u.acos(), v.atan(), v.sinh(), v.cosh(), v.tanh(), v.asinh()]);
        expected.extend([
            float(p + 0.5).acosh(),
            u.atanh(),
            p.sqrt(),
            1.0 / p.sqrt(),
            p.powf(v),
            p.powf(1.5),
        ]);
        expected.extend([
            v.atan2(p),
            v % 0.75,
            (PI * v).sin(),
            (PI * u).cos(),
            float(p - float(0.4)).ln_1p(),
        ]);
        expected.extend([v.sin(), v.cos(), v * p + u, v + (p - v) * 0.25, smoothstep(-3.0, 3.0, v)]);
        expected.extend([v.exp() + v.tanh(), 1.0, v / p, v - v.floor(), (PI * float(u / float(2.1))).tan()]);
        expected.extend([0.0, 0.0, p.exp()]);
    }
    // The largest error that CUDA documents for these is 9 ulp (powf 4, tanf 4, exp10f 2); the sums add a rounding.
    Hazard::new("math", include_str!("math.metal"), [64, 1, 1], [64, 1, 1])
        .input("x", DType::F32, x)
        .output("out", DType::F32, expected)
        .tolerance(10.0 * f64::from(f32::EPSILON))
}

fn frexp(v: f64) -> (f64, f64) {
    if v == 0.0 {
        return (v, 0.0);
    }
    let exponent = (v.abs().log2().floor() + 1.0) as i32;
    (v / 2f64.powi(exponent), f64::from(exponent))
}

fn math_exact() -> Hazard {
    let x: Vec<f64> = vec![
        0.0,
        -0.0,
        0.5,
        -0.5,
        1.5,
        -1.5,
        2.5,
        -2.5,
        0.75,
        -0.25,
        3.0,
        -3.0,
        8388609.0,
        -1e20,
        1.0,
        0.499_999_97,
    ];
    let x: Vec<f64> = x.into_iter().map(float).collect();
    let mut expected = Vec::new();
    for &v in &x {
        let away = v.trunc() + if v.fract().abs() >= 0.5 { v.signum() } else { 0.0 };
        expected.extend([v.floor(), v.ceil(), v.trunc(), away, v.round_ties_even(), v.abs(), v.abs()]);
        let sign = if v == 0.0 { 0.0 } else { v.signum() };
        expected.extend([
            sign,
            v.clamp(0.0, 1.0),
            f64::from(u8::from(v >= 1.0)),
            3f64.copysign(v),
            (v - 1.0).max(0.0),
        ]);
        expected.extend([v.clamp(-1.0, 1.0), v * 8.0, frexp(v).0, frexp(v).1, v.fract(), v.trunc()]);
        let extremes = float(float(v.max(1.0) + v.min(0.0) * 4.0) + v.clamp(0.0, 2.0) * 16.0);
        let negative = if v.is_sign_negative() { 10.0 } else { 0.0 };
        expected.extend([extremes, if v > 0.0 { 2.0 } else { 1.0 } + negative]);
    }
    let hazard = Hazard::new("math_exact", include_str!("math_exact.metal"), [16, 1, 1], [16, 1, 1]);
    hazard.input("x", DType::F32, x).output("out", DType::F32, expected)
}

fn fast() -> Hazard {
    let x = arguments();
    let mut expected = Vec::new();
    for &v in &x {
        let p = float(v.abs() + 0.5);
        expected.extend([
            v.exp(),
            p.ln(),
            v.exp2(),
            p.log2(),
            v.sin(),
            v.cos(),
            v / p,
            1.0 / p.sqrt(),
            v.tanh(),
            p.powf(1.5),
        ]);
    }
    Hazard::new("fast", include_str!("fast.metal"), [64, 1, 1], [64, 1, 1])
        .input("x", DType::F32, x)
        .output("out", DType::F32, expected)
        .tolerance(2f64.powi(-17))
}

fn integer_functions() -> Hazard {
    let v = [0u32, 1, 0x8000_0000, 0x1234_5678];
    let mut expected: Vec<u32> = Vec::new();
    for v in v {
        expected.extend([
            v.count_ones(),
            v.leading_zeros(),
            v.trailing_zeros(),
            v.reverse_bits(),
            v.rotate_left(8),
        ]);
        expected.extend([v >> 16, v >> 4 & 255, (v & !0xff00) | 0xab00]);
        expected.extend([v.saturating_add(0xf000_0000), v.saturating_sub(5)]);
    }
    expected.extend([1500 + 80 + 16, 0x80 + 0x8000, ((-5i64 * 0x4000_0000) >> 32) as u32, -1i32 as u32]);
    expected.extend([i32::MAX as u32, i32::MIN as u32, -32768i32 as u32, u32::MAX - 1, 0xffff_fffe, 255]);
    expected.extend([35 + 39 + 64, 1 << 16, i32::MAX as u32, v[3].count_ones(), 3, 4 + 3]);
    expected.resize(64, 0);
    Hazard::new("integer_functions", include_str!("integer_functions.metal"), [1, 1, 1], [1, 1, 1])
        .input("v", DType::U32, v.map(f64::from).to_vec())
        .output("out", DType::U32, expected.into_iter().map(f64::from).collect())
}

fn limits() -> Hazard {
    let (float_max, infinity) = (f64::from(f32::MAX), f64::INFINITY);
    let bfloat_max = BFLOAT.round(float_max * (1.0 - 2f64.powi(-8)));
    let expected = vec![
        float_max,
        f64::from(f32::MIN_POSITIVE),
        -float_max,
        f64::from(f32::EPSILON),
        infinity,
        65504.0,
        2f64.powi(-14),
        2f64.powi(-10),
        bfloat_max,
        2f64.powi(-7),
        -infinity,
        -2147483648.0,
        32767.0,
        65535.0,
        8388607.0,
        127.0,
        float_max,
        2f64.powi(-20),
        HALF.round(65504.0),
        32767.0 + 65535.0,
        float(std::f64::consts::PI),
        -infinity,
        -infinity,
        65504.0,
        -bfloat_max,
        32767.0 + 255.0,
        3.0,
        1.0,
        1.0,
        -infinity,
        2f64.powi(-24),
        24.0 + 16.0,
    ];
    Hazard::new("limits", include_str!("limits.metal"), [1, 1, 1], [1, 1, 1]).output(
        "out",
        DType::F32,
        expected,
    )
}

pub(crate) fn hazards() -> Vec<Hazard> {
    vec![math(), math_exact(), fast(), integer_functions(), limits()]
}
