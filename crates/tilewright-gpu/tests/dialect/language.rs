//! C++ in bodies and headers, and the conveniences of MLX's preamble.

use tilewright_core::DType;

use super::{Hazard, Input};

fn cplusplus() -> Hazard {
    let expected = vec![
        0.5,
        0.5,
        0.5,
        4.0 + 2.0 + 3.0,
        10.0,
        1.5,
        1233.0,
        5.0 + 2.0 + 4.0,
        6.0 + 8.0,
        6.0 + 3.0 + 3.0,
        3.0,
        1.0,
        7.0,
        22.0,
        1.0,
        7.0,
    ];
    let hazard = Hazard::new("cplusplus", include_str!("cplusplus.metal"), [1, 1, 1], [1, 1, 1])
        .input("x", DType::F32, vec![1.0, 2.0, 3.0, 4.0])
        .output("out", DType::F32, expected);
    Hazard { header: include_str!("cplusplus.header.metal"), ..hazard }
}

fn elem_to_loc() -> Hazard {
    let x: Vec<f64> = (0..24).map(|i| f64::from(i * 7 % 24) + 1.0).collect();
    let mut expected = Vec::new();
    for i in 0..24usize {
        let found = x[i / 6 + i / 3 % 2 * 12 + i % 3 * 4];
        expected.extend([found, found, found, found, 0.0, found]);
    }
    let mut hazard = Hazard::new("elem_to_loc", include_str!("elem_to_loc.metal"), [24, 1, 1], [24, 1, 1]);
    hazard.inputs.push(Input {
        name: "x",
        dtype: DType::F32,
        shape: vec![2, 3, 4],
        axes: &[2, 0, 1],
        values: x,
    });
    hazard.output("out", DType::F32, expected)
}

fn conveniences() -> Hazard {
    let mut expected = Vec::new();
    for i in 0..32usize {
        let x = i as f64;
        // (x + i)(2 - i) = 2 x + 1 + (2 - x) i.
        expected.extend([2.0 * x + 2.0, 1.0 - x, x, 496.0 + 32000.0, (i ^ 1) as f64]);
        let less = x < 2.0;
        expected.push(f64::from(u8::from(less)) + if i == 3 { 2.0 } else { 0.0 } - 1.0);
        expected.extend([i.div_ceil(7) as f64 + 4.0, x + 400.0, x + 2.0, 1.0]);
    }
    Hazard::new("conveniences", include_str!("conveniences.metal"), [32, 1, 1], [32, 1, 1])
        .input("x", DType::F32, (0..32).map(f64::from).collect())
        .output("out", DType::F32, expected)
        // The complex quotient rounds a few times.
        .tolerance(4.0 * f64::from(f32::EPSILON))
}

pub(crate) fn hazards() -> Vec<Hazard> {
    vec![cplusplus(), elem_to_loc(), conveniences()]
}
