//! Matrices to judge on, as LAPACK's testers make them: random ones, ones of a given spectrum between random orthogonal factors, and those
//! that have names. All in f64, row-major, seeded.

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use tilewright_core::{Case, DType, Result, Tensor, Tier};

/// Numbers in -1 .. 1; `part` tells those of one case apart.
pub(super) fn uniform(case: &Case, part: u64, elements: usize) -> Vec<f64> {
    let mut random = ChaCha8Rng::seed_from_u64(case.seed);
    random.set_stream(part);
    (0..elements).map(|_| random.random_range(-1.0..1.0)).collect()
}

/// m x n with orthonormal columns, n <= m, made of random numbers by modified Gram-Schmidt, three times.
pub(super) fn orthonormal(case: &Case, part: u64, m: usize, n: usize) -> Vec<f64> {
    let mut a = uniform(case, part, m * n);
    for _ in 0..3 {
        for j in 0..n {
            for i in 0..j {
                let product: f64 = (0..m).map(|r| a[r * n + i] * a[r * n + j]).sum();
                (0..m).for_each(|r| a[r * n + j] -= product * a[r * n + i]);
            }
            let norm = (0..m).map(|r| a[r * n + j].powi(2)).sum::<f64>().sqrt();
            (0..m).for_each(|r| a[r * n + j] /= norm);
        }
    }
    a
}

/// m x n with orthonormal columns; of what is timed and very long, random ones, which are orthonormal to a few hundredths: Gram-Schmidt of them takes minutes.
fn columns(case: &Case, part: u64, m: usize, n: usize) -> Vec<f64> {
    if case.tier == Tier::Bench && m >= 128 * n && m * n > 1 << 24 {
        let scale = (3.0 / m as f64).sqrt();
        return uniform(case, part, m * n).into_iter().map(|x| x * scale).collect();
    }
    orthonormal(case, part, m, n)
}

/// The named spectrum, from 1 down to 1 / `condition` or above; `None` for a name that is no spectrum.
fn spectrum(name: &str, n: usize, condition: f64) -> Option<Vec<f64>> {
    // Steps of the golden ratio, which lie between 0 and 1 as random numbers do and never twice at one place.
    let scattered = |l: usize| (l as f64 * 0.618_033_988_749_894_9).fract();
    let part = |l: usize| l as f64 / (n.max(2) - 1) as f64;
    let value = |l: usize| match name {
        "geometric" => condition.powf(-part(l)),
        "arithmetic" => 1.0 - part(l) * (1.0 - 1.0 / condition),
        "one_large" => f64::from(u8::from(l == 0)).max(1.0 / condition),
        "one_small" => f64::from(u8::from(l + 1 < n)).max(1.0 / condition),
        "low_rank" => f64::from(u8::from(2 * l < n)),
        // Two thirds of the digits lost, one third, and next to none.
        "harsh" => condition.powf(-part(l) * 2.0 / 3.0),
        "moderate" => condition.powf(-part(l) / 3.0),
        "mild" => 2f64.powf(-part(l)),
        // Three heaps of values that agree in all digits but the last few.
        "clustered" => {
            [1.0, 0.5, condition.powf(-0.5)][3 * l / n] * (1.0 + 0.8 * l as f64 / (n as f64 * condition))
        }
        // Their logarithms are scattered.
        "scattered" => condition.powf(-scattered(l)),
        "falling_low_rank" => (1.0 - 2.0 * l as f64 / n as f64).max(0.0),
        _ => f64::NAN,
    };
    let values: Vec<f64> = (0..n).map(value).collect();
    (n == 0 || !values[0].is_nan()).then_some(values)
}

/// The largest finite number, and the smallest one that is not subnormal.
fn range(dtype: DType) -> (f64, f64) {
    match dtype {
        DType::F64 => (f64::MAX, f64::MIN_POSITIVE),
        DType::F16 => (65504.0, 6.103515625e-5),
        _ => (f64::from(f32::MAX), f64::from(f32::MIN_POSITIVE)),
    }
}

/// What a case's numbers are multiplied by: 1, or so much that sums of n of them are just within the dtype's range.
pub(super) fn scale(case: &Case, n: usize) -> f64 {
    let (large, small) = range(case.dtype);
    match case.data {
        "huge" => large / (4 * n.max(1)) as f64,
        "tiny" => small * 64.0,
        _ => 1.0,
    }
}

/// m x n, of the kind that the case's data name.
pub(super) fn general(case: &Case, item: u64, m: usize, n: usize) -> Vec<f64> {
    let part = 8 * item;
    let condition = 0.1 / case.dtype.unit_roundoff();
    if let Some(s) = spectrum(case.data, m.min(n), condition) {
        let k = s.len();
        let (u, v) = (columns(case, part + 1, m, k), columns(case, part + 2, n, k));
        let value = |i, j| (0..k).map(|l| u[i * k + l] * s[l] * v[j * k + l]).sum();
        return (0..m * n).map(|e| value(e / n, e % n)).collect();
    }
    let scale = scale(case, m.max(n));
    let random = uniform(case, part, m * n);
    let value = |e: usize| {
        let (i, j, x) = (e / n, e % n, random[e]);
        match case.data {
            "identity" => f64::from(u8::from(i == j)),
            "zero" => 0.0,
            // Of rank 1, whose other singular values are nothing but roundings.
            "ones" => 1.0,
            "diagonal" => f64::from(u8::from(i == j)) * x,
            "zero_column" if j == n / 3 => 0.0,
            "hilbert" => 1.0 / (i + j + 1) as f64,
            // Vandermonde's, of nodes evenly between -1 and 1: powers that are nearly each other's multiples.
            "vandermonde" => ((2 * i + 1) as f64 / m as f64 - 1.0).powi(j as i32),
            // Kahan's: upper triangular, its smallest singular value far below its smallest diagonal element.
            "kahan" if j < i => 0.0,
            "kahan" => 0.8f64.powi(i as i32) * if i == j { 1.0 } else { -0.6 },
            // Wilkinson's: growth of 2^(n - 1) under partial pivoting.
            "wilkinson" if i == j || j + 1 == n => 1.0,
            "wilkinson" => {
                f64::from(i8::from(j > i)) - f64::from(i8::from(j < i)) - f64::from(i8::from(j > i))
            }
            "graded" => x * 0.5f64.powi((i % 12 + j % 12) as i32),
            "nan" if i == m / 2 && j == n / 2 => f64::NAN,
            "infinity" if i == m / 2 && j == n / 2 => f64::NEG_INFINITY,
            // Every third column is a multiple of the one before it; exactly, so that elimination leaves a zero.
            "dependent" if j % 3 == 2 => 2.0 * (random[e - 1] * 8.0).round() / 8.0,
            "dependent" => (x * 8.0).round() / 8.0,
            _ => x * scale,
        }
    };
    (0..m * n).map(value).collect()
}

/// Symmetric positive definite, n x n, of the kind that the case's data name.
pub(super) fn positive(case: &Case, item: u64, n: usize) -> Vec<f64> {
    let part = 8 * item;
    if case.tier == Tier::Bench && n >= 512 {
        // A spectrum takes n³ operations here. These are so heavy on the diagonal that no eigenvalue is below 1.
        let random = uniform(case, part, n * n);
        let beside = |i: usize, j: usize| random[i.max(j) * n + i.min(j)] / n as f64;
        return (0..n * n)
            .map(|e| f64::from(u8::from(e / n == e % n)) * 2.0 + beside(e / n, e % n))
            .collect();
    }
    // The rounding of the matrix to its dtype must not make it indefinite.
    let condition = 0.01 / (n.max(1) as f64 * case.dtype.unit_roundoff());
    let plain = || uniform(case, part, n).into_iter().map(|x| 1.5 + x).collect();
    let s = spectrum(case.data, n, condition.max(2.0)).unwrap_or_else(plain);
    let q = orthonormal(case, part + 1, n, n);
    let scale = scale(case, 1);
    let value = |e: usize| {
        let (i, j) = ((e / n).max(e % n), (e / n).min(e % n));
        let x: f64 = (0..n).map(|l| q[i * n + l] * s[l] * q[j * n + l]).sum();
        match case.data {
            "hilbert" => 1.0 / (i + j + 1) as f64,
            "identity" => f64::from(u8::from(i == j)),
            "graded" => x * 0.5f64.powi((i % 12 + j % 12) as i32),
            "zero" => 0.0,
            "indefinite" if i == j && i == failing(n) => -1.0,
            "nan" if i == j && i == failing(n) => f64::NAN,
            _ => x * scale,
        }
    };
    (0..n * n).map(value).collect()
}

/// Symmetric, n x n, of the kind that the case's data name.
pub(super) fn symmetric(case: &Case, item: u64, n: usize) -> Vec<f64> {
    let part = 8 * item;
    let condition = 0.1 / case.dtype.unit_roundoff();
    // Eigenvalues of both signs, and with `opposite` each with its negative: the singular values cannot tell them apart.
    let s = match case.data {
        "opposite" => Some((0..n).map(|l| (l / 2 + 1) as f64 / n as f64).collect()),
        name => spectrum(name, n, condition),
    };
    let random = uniform(case, part, n * n);
    let q = s.as_ref().map(|_| orthonormal(case, part + 1, n, n));
    let scale = scale(case, n);
    let upper = case.args.bool("upper", false).unwrap_or(false);
    let value = |e: usize| {
        let (i, j) = ((e / n).max(e % n), (e / n).min(e % n));
        if let (Some(s), Some(q)) = (&s, &q) {
            let sign = |l| if l % 2 == 0 { 1.0 } else { -1.0 };
            return (0..n).map(|l| q[i * n + l] * sign(l) * s[l] * q[j * n + l]).sum();
        }
        let x = random[i * n + j];
        match case.data {
            "identity" => f64::from(u8::from(i == j)),
            "zero" => 0.0,
            "hilbert" => 1.0 / (i + j + 1) as f64,
            // Wilkinson's: pairs of eigenvalues that agree to many digits.
            "wilkinson" if i == j => (i as f64 - (n - 1) as f64 / 2.0).abs(),
            "wilkinson" => f64::from(u8::from(i == j + 1)),
            "graded" => x * 0.5f64.powi((i % 12 + j % 12) as i32),
            "nan" if i == n / 2 && j == n / 3 => f64::NAN,
            "infinity" if i == n / 2 && j == n / 3 => f64::INFINITY,
            // The triangle that nobody may read.
            "one_triangle" if e / n != e % n && (e / n < e % n) != upper => f64::NAN,
            _ => x * scale,
        }
    };
    (0..n * n).map(value).collect()
}

/// The pivot at which [`positive`] matrices that are not positive fail.
pub(super) fn failing(n: usize) -> usize {
    2 * n / 3
}

/// A stack of matrices, one from each call of `matrix`, under strides of the case's choice.
pub(super) fn stack(case: &Case, [m, n]: [usize; 2], matrix: impl Fn(u64) -> Vec<f64>) -> Result<Tensor> {
    let b = case.dim("b");
    let values: Vec<f64> = (0..b.max(1) as u64).flat_map(matrix).collect();
    let dims = |m, n| [b].into_iter().filter(|&b| b != 0).chain([m, n]).collect::<Vec<usize>>();
    match case.data {
        "transposed" => {
            let turned = |e: usize| values[e / (m * n) * m * n + e % m * n + e / m % n];
            let turned: Vec<f64> = (0..values.len()).map(turned).collect();
            Tensor::from_f64(&turned, case.dtype, dims(n, m))?.transpose()
        }
        // In the middle of larger matrices, whose other elements nobody may read.
        "sliced" => {
            let mut larger = vec![f64::NAN; b.max(1) * (m + 2) * (n + 3)];
            for (e, &value) in values.iter().enumerate() {
                let (item, i, j) = (e / (m * n), e / n % m, e % n);
                larger[(item * (m + 2) + i + 1) * (n + 3) + j + 2] = value;
            }
            let larger = Tensor::from_f64(&larger, case.dtype, dims(m + 2, n + 3))?;
            let axis = larger.rank() - 2;
            larger.slice(axis, 1..m + 1)?.slice(axis + 1, 2..n + 2)
        }
        _ => Tensor::from_f64(&values, case.dtype, dims(m, n)),
    }
}

/// m x n with orthonormal columns, n <= m: random ones, or for `signed` data columns of the identity with signs, which every dtype holds exactly.
pub(super) fn turned(case: &Case, item: u64, m: usize, n: usize) -> Vec<f64> {
    if case.data != "signed" {
        return orthonormal(case, 8 * item + 5, m, n);
    }
    let sign = |j: usize| if (j + item as usize).is_multiple_of(2) { 1.0 } else { -1.0 };
    (0..m * n).map(|e| if e / n == (e % n + 1) % m { sign(e % n) } else { 0.0 }).collect()
}
