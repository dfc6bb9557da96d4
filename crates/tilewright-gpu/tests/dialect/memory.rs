//! Threadgroup memory, constants, atomics and matrices.

use tilewright_core::DType;

use super::Hazard;

fn threadgroup_memory() -> Hazard {
    let mut expected = Vec::new();
    for i in 0..64usize {
        let (t, first) = (i % 32, (i / 32 * 32) as f64);
        let opposite = first + (31 - t) as f64;
        expected.extend([opposite, opposite, 2.0 * opposite]);
        let line = |at: usize| first + at as f64;
        expected.push(line(t / 2) + line(0) + line(1) + line(2) + 2.0 * (line(8) + line(9)));
        expected.extend([line(t % 8) + 3.0, 8.5, line(t / 2 * 2) + line(t / 2 * 2 + 1)]);
        let x = |at: usize| (i % 8 + at) as f64;
        let whole = 32.0 * first + 496.0;
        expected.push(if t == 0 { whole } else { x(0) + 10.0 * x(1) + 100.0 * x(2) });
    }
    let hazard =
        Hazard::new("threadgroup_memory", include_str!("threadgroup_memory.metal"), [64, 1, 1], [32, 1, 1])
            .input("x", DType::F32, (0..64).map(f64::from).collect())
            .input("three", DType::I32, vec![3.0])
            .output("out", DType::F32, expected);
    Hazard { header: include_str!("threadgroup_memory.header.metal"), ..hazard }
}

fn constants() -> Hazard {
    let table = [0.5, 1.5, 2.5, 3.5, 4.5];
    let (vectors, halves) = ([3.0, 7.0], [1.0, 2.0, 0.5]);
    let codes = [0, 1, 1, 2, 3, 5, 8, 13, 21, 34, 55, 89, 144, 233, 7, 9];
    let mut expected = Vec::new();
    for i in 0..32usize {
        expected.extend([table[i % 5] * 2.5, vectors[i % 2] + 5.0 + (i % 4) as f64, halves[i % 3]]);
        expected.push(f64::from(codes[i % 16]) + table[i % 3]);
        let cell = i % 12;
        expected.extend([(cell / 4 * 10 + cell % 4) as f64, 10.0 * (i % 3 + 1) as f64 + 1.0]);
    }
    let hazard = Hazard::new("constants", include_str!("constants.metal"), [32, 1, 1], [32, 1, 1]);
    Hazard { header: include_str!("constants.header.metal"), ..hazard.output("out", DType::F32, expected) }
}

fn atomics() -> Hazard {
    let v: Vec<u32> = (0..100).map(|i| (i * 37) % 101).collect();
    let w: Vec<i32> = v.iter().map(|&v| v as i32 - 50).collect();
    let total: u32 = v.iter().sum();
    let u = [
        5 + total,
        1_000_000 - total,
        v.iter().min().unwrap() + 3,
        *v.iter().max().unwrap(),
        v.iter().fold(u32::MAX, |all, v| all & !(1 << (v % 8))),
        v.iter().fold(0, |all, v| all | 1 << (v % 13)),
        v.iter().fold(0, |all, v| all ^ v),
        1,
        200,
        total,
        4,
        *v.iter().max().unwrap(),
    ];
    let s = [
        w.iter().sum(),
        *w.iter().min().unwrap(),
        *w.iter().max().unwrap(),
        -w.iter().sum::<i32>(),
        v.iter().fold(0, |all, v| all | 1 << (v % 31)),
        v.iter().fold(-1, |all, v| all & !(1 << (v % 3))),
    ];
    let f = vec![0.5 * f64::from(total), f64::from(*w.iter().max().unwrap()), -25.0, 1.0];
    Hazard::new("atomics", include_str!("atomics.metal"), [100, 1, 1], [100, 1, 1])
        .input("x", DType::U32, v.iter().copied().map(f64::from).collect())
        .output("u", DType::U32, u.map(f64::from).to_vec())
        .output("s", DType::I32, s.map(f64::from).to_vec())
        .output("f", DType::F32, f)
        .output("big", DType::U64, vec![f64::from(u[3]) * 2f64.powi(33)])
}

fn histogram() -> Hazard {
    let x: Vec<usize> = (0..1000).map(|i| (i * i) % 17).collect();
    let counts = (0..17).map(|bin| x.iter().filter(|&&x| x == bin).count() as f64).collect();
    let hazard = Hazard::new("histogram", include_str!("histogram.metal"), [1000, 1, 1], [96, 1, 1])
        .input("x", DType::U32, x.iter().map(|&x| x as f64).collect())
        .output("out", DType::U32, counts);
    Hazard { atomic: true, initial: Some(0.0), ..hazard }
}

fn matrix(name: &'static str, dtype: DType) -> Hazard {
    let a: Vec<f64> = (0..64).map(|i| f64::from(i * 5 % 7) - 3.0).collect();
    let b: Vec<f64> = (0..64).map(|i| f64::from(i * 3 % 11) - 5.0).collect();
    let c: Vec<f64> = (0..256).map(|i| f64::from(i % 127)).collect();
    let product = |right: &dyn Fn(usize, usize) -> f64| -> Vec<f64> {
        (0..64).map(|at| (0..8).map(|k| a[at / 8 * 8 + k] * right(k, at % 8)).sum()).collect()
    };
    let plain = product(&|row, column| b[row * 8 + column]);
    let mut expected = plain.clone();
    expected.extend(plain.iter().map(|value| value + 1.0));
    expected.extend(product(&|row, column| b[column * 8 + row]));
    expected.extend((0..64).map(|at| c[(8 + at / 8) * 16 + 4 + at % 8]));
    expected.extend((0..64).map(|at| c[(8 + at % 8) * 16 + 4 + at / 8]));
    expected.extend((0..64).map(f64::from));
    expected.extend((0..64).map(|at| if at / 8 == at % 8 { 3.0 } else { 0.0 }));
    expected.extend((0..64).map(|at| plain[at % 8 * 8 + at / 8]));
    // Apple's layout: each group of four lanes holds two rows of half the columns.
    let first_held = |lane: usize| (lane / 16 * 4 + lane / 2 % 4) * 8 + lane / 8 % 2 * 4 + lane % 2 * 2;
    expected.extend((0..32).map(|lane| a[first_held(lane)]));
    expected.extend((0..32).map(|lane| a[first_held(lane) + 1]));
    let hazard = Hazard::new(name, include_str!("matrix.metal"), [32, 1, 1], [32, 1, 1])
        .input("a", dtype, a.clone())
        .input("b", dtype, b.clone())
        .input("c", dtype, c)
        .output("out", DType::F32, expected);
    Hazard { template: Some(dtype), ..hazard }
}

pub(crate) fn hazards() -> Vec<Hazard> {
    vec![
        threadgroup_memory(),
        constants(),
        atomics(),
        histogram(),
        matrix("matrix_float", DType::F32),
        matrix("matrix_half", DType::F16),
        matrix("matrix_bfloat", DType::Bf16),
    ]
}
