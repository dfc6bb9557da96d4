//! Scalars: literals, rounding per operation, conversions, NaN, integers.

use tilewright_core::DType;

use super::{BFLOAT, Format, HALF, Hazard, float};

fn literals() -> Hazard {
    let tenth = float(0.1);
    let expected = vec![
        4.0,
        4.0,
        4.0,
        4.0,
        4.0,
        4.0,
        2.0,
        4.0, // sizes
        0.0,
        1.0,
        0.0,
        1255.0,
        1.75,
        float(tenth + 20.0),
        1.0 + 2.0 + 3.0,
        0.0,
    ];
    Hazard::new("literals", include_str!("literals.metal"), [1, 1, 1], [1, 1, 1])
        .input("x", DType::F32, vec![1.0])
        .output("out", DType::F32, expected)
}

/// Pairs at the ends of the range, at ties and among the subnormals; rounded to the format first.
fn operands(format: Format) -> (Vec<f64>, Vec<f64>) {
    let smallest = 2f64.powi(1 - format.exponent - format.mantissa);
    let unit = 2f64.powi(-format.mantissa);
    let largest = (2.0 - unit) * 2f64.powi(format.exponent);
    let pairs = [
        (1.0, unit / 2.0),
        (1.0 + unit, unit / 2.0),
        (0.1, 0.3),
        (largest, largest / 3.0),
        (3.0 * smallest, 2.0 * smallest),
        (-7.0, 3.0),
        (1.0 + 3.0 * unit, 1.0 + 5.0 * unit),
        (2f64.powi(format.mantissa + 1) + 2.0, 1.0),
    ];
    pairs.iter().map(|&(a, b)| (format.round(a), format.round(b))).unzip()
}

fn rounding(name: &'static str, body: &'static str, dtype: DType, format: Format) -> Hazard {
    let (a, b) = operands(format);
    let round = |value: f64| format.round(value);
    let (mut bits, mut wide) = (Vec::new(), Vec::new());
    for (&p, &q) in a.iter().zip(&b) {
        // f64 holds sums and products of these exactly or to far more bits than the second rounding looks at.
        let thousandth = f64::from(0.001f32);
        let results = [
            round(p + q),
            round(p - q),
            round(p * q),
            round(p / q),
            round(round(p + q) * 3.0),
            round(float(p - thousandth)),
        ];
        bits.extend(results.map(|value| format.bits(value)));
        let order = f64::from(u8::from(p < q)) + 2.0 * f64::from(u8::from(p == q));
        let whole = if p.abs() < 1e6 { p.trunc() } else { 0.0 };
        wide.extend([float(p * f64::from(1.001f32)), round(p + 1.0), -p, order + whole * 4.0]);
    }
    Hazard::new(name, body, [1, 1, 1], [1, 1, 1])
        .input("a", dtype, a)
        .input("b", dtype, b)
        .output("bits", DType::U16, bits)
        .output("wide", DType::F32, wide)
}

fn conversions() -> Hazard {
    let x: Vec<f64> = [
        1.0,
        0.1,
        65519.0,
        65520.0,
        -1e30,
        5.9604645e-8,
        2.9802322e-8,
        8.9406967e-8,
        -0.0,
        f64::INFINITY,
        3.3961514e38,
        1.00390625,
    ]
    .iter()
    .map(|&x| float(x))
    .collect();
    let bits = |format: Format| x.iter().map(|&x| format.bits(format.round(x))).collect();
    let back = x.iter().flat_map(|&x| [HALF.round(x), BFLOAT.round(x)]).collect();
    Hazard::new("conversions", include_str!("conversions.metal"), [1, 1, 1], [1, 1, 1])
        .input("x", DType::F32, x.clone())
        .output("h", DType::U16, bits(HALF))
        .output("b", DType::U16, bits(BFLOAT))
        .output("back", DType::F32, back)
}

fn nan() -> Hazard {
    let x: Vec<f64> = (0..32).map(|i| if i == 5 { f64::NAN } else { f64::from(i) - 10.0 }).collect();
    let mut expected = Vec::new();
    for &v in &x {
        expected.extend([1.0, 1.0, 2.0, 2.0, 3.0, 4.0, 6.0, 21.0, -10.0]);
        expected.extend([f64::from(u8::from(v.is_nan())), 1.0, 4.0, 1.0, 0.0]);
        expected.extend([if v.is_nan() { f64::NEG_INFINITY } else { v - 1.0 }, 1.0]);
    }
    Hazard::new("nan", include_str!("nan.metal"), [32, 1, 1], [32, 1, 1]).input("x", DType::F32, x).output(
        "out",
        DType::F32,
        expected,
    )
}

fn integers() -> Hazard {
    let (s, v) = ([7i32, -7, 1_000_000_007, -2147483647], [7u32, 4_000_000_000, 0, 2147483648]);
    let mut expected: Vec<i32> = Vec::new();
    for (s, v) in s.into_iter().zip(v) {
        expected.extend([s / 3, s % 3, s / -3, s % -3, (v / 3) as i32, (v % 3) as i32]);
        expected.extend([s >> 3, (v >> 3) as i32, (v << 5) as i32, (s as u32 / 3) as i32]);
    }
    let (a, b) = (i64::from(s[2]), u64::from(v[1]));
    expected.extend([400, 144, 131071, -1, -56, -201, 0, 1, 0]);
    expected.extend([((a * a) >> 32) as i32, ((b * 5) >> 20) as i32, ((b + u64::from(v[3])) >> 4) as i32]);
    expected.extend([i32::from(s[2] as i8) + i32::from(s[2] as i16), 32]);
    expected.extend([1, 2 + 12, -3, -2, ((0xf0 & 0x30) | 1) ^ 2, 2000 + 800 + 10 + 8]);
    expected.extend([7 + 3 + 7 + 5, (4_000_000_000u32 >> 16) as i32 - 3 + 14]);
    expected.resize(64, 0);
    Hazard::new("integers", include_str!("integers.metal"), [1, 1, 1], [1, 1, 1])
        .input("s", DType::I32, s.map(f64::from).to_vec())
        .input("v", DType::U32, v.map(f64::from).to_vec())
        .output("out", DType::I32, expected.into_iter().map(f64::from).collect())
}

pub(crate) fn hazards() -> Vec<Hazard> {
    vec![
        literals(),
        rounding("half_rounding", include_str!("half_rounding.metal"), DType::F16, HALF),
        rounding("bfloat_rounding", include_str!("bfloat_rounding.metal"), DType::Bf16, BFLOAT),
        conversions(),
        nan(),
        integers(),
    ]
}
