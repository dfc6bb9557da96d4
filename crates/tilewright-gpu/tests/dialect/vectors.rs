//! Vectors, swizzles, and bits seen as another type.

use tilewright_core::DType;

use super::{BFLOAT, HALF, Hazard};

fn one_thread(name: &'static str, body: &'static str) -> Hazard {
    Hazard::new(name, body, [1, 1, 1], [1, 1, 1])
}

fn vectors() -> Hazard {
    let mut expected = vec![8000.0 + 1600.0 + 80.0 + 4.0, 16000.0 + 1200.0 + 40.0 + 2.0, 20.0];
    // c = (1, 2, 5, 6), d = (7, 7, 7, 4), e = (1, 2, 3, 4), f = 0.5.
    expected.extend([7.0 + 14.0 + 35.0 + 24.0, 5.0]);
    expected.extend([2.0 + 0.5 - 1.0, 4.0 + 1.0 - 1.0, 6.0 + 2.5 - 1.0, 8.0 + 3.0 - 1.0]);
    expected.push(-2.0 - 40.0 - 600.0 - 8000.0);
    // ((1, 2, 3) + 1) * (2, 3, 4) = (4, 9, 16), less (9, 16, 4).
    expected.extend([-5.0, -7.0, 12.0]);
    expected.extend([5.0 + 80.0, 3.0, 1.0 - 10.0 + 700.0, 3.0 + 90.0, 4.0 + 1300.0]);
    expected.extend([1.0 + 4.0, -3.0, 5.0 + 2.0, 1.0, 1.0]);
    expected.push(2.5 + 2.0 + 1.5 + 2.0 + 3.0);
    expected.extend([9.0 + 3.0 + 1.0, 1.0 + 9.0 + 3.0, 60.0, 1.0, 2.0, 1.0, 1.0 + 30.0 + 1600.0]);
    expected.push(-2.0 + 3.0 + 4.0 + 1.0);
    expected.resize(80, 0.0);
    one_thread("vectors", include_str!("vectors.metal"))
        .input("x", DType::F32, (1..=8).map(f64::from).collect())
        .output("out", DType::F32, expected)
}

fn swizzles() -> Hazard {
    let groups = [
        [4.0, 3.0, 2.0, 1.0],
        [1.0, 2.0, 3.0, 4.0],
        [2.0, 3.0, 3.0, 4.0],
        [1.0, 2.0, 3.0, 4.0],
        [3.0, 4.0, 0.0, 0.0],
        [0.0, 0.0, 4.0, 6.0],
        [2.0, 4.0, 6.0, 4.0],
        [2.0, 1.0, 3.0, 4.0],
        [2.0, 6.0, 12.0, 11.0],
        [3.0, 1.0, 4.0, 0.0],
        [4.0, 3.0, 2.0, 3.0],
        [3.0, 2.0, 1.0, 4.0],
        [0.0, 2.0, 4.0, 0.0],
        [4.0, 5.0, 5.0, 6.0],
    ];
    let mut expected: Vec<f64> = groups.into_iter().flatten().collect();
    expected.resize(64, 0.0);
    one_thread("swizzles", include_str!("swizzles.metal"))
        .input("x", DType::F32, vec![1.0, 2.0, 3.0, 4.0])
        .output("out", DType::F32, expected)
}

fn as_type() -> Hazard {
    let w = [0x3f80_0000u32, 0xbf80_c000, 0x4000_3c00, 0x7f];
    let expected: Vec<u32> = vec![
        2f32.to_bits(),
        w[1],
        12,
        0x3c00_4000,
        0xc000,
        0xbf80,
        0x3c * 1000 + 0x40,
        HALF.bits(1.5) as u32,
        BFLOAT.bits(1.5) as u32,
        3,
        w[0] + 1,
        w[1],
        w[3],
        2f32.to_bits(),
        1 << 31,
        0xffff_fffe,
    ];
    one_thread("as_type", include_str!("as_type.metal"))
        .input("w", DType::U32, w.map(f64::from).to_vec())
        .output("out", DType::U32, expected.into_iter().map(f64::from).collect())
}

pub(crate) fn hazards() -> Vec<Hazard> {
    vec![vectors(), swizzles(), as_type()]
}
