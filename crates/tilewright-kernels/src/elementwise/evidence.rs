//! Cases and inputs of the kernels over several tensors that are alike.

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use tilewright_core::{Case, DType, Result, Tensor, Tier};

use super::soft_cap::DTYPES;

/// Sizes around a group's share, strides, ends of the range, every dtype.
pub(super) fn cases() -> Vec<Case> {
    use Tier::{Bench, Check, Edge};
    let case = |tier, b, n, dtype| Case::new(tier, &[("b", b), ("n", n)], dtype);
    let mut cases = vec![
        case(Edge, 1, 1, DType::F32),
        case(Edge, 0, 3, DType::F32),
        case(Edge, 3, 85, DType::F32),
        case(Edge, 1, 2049, DType::F32),
        case(Edge, 6, 11, DType::F32).data("transposed"),
        case(Edge, 4, 20, DType::F32).data("ends"),
        case(Edge, 5, 60, DType::Bf16),
    ];
    for dtype in DTYPES {
        cases.push(case(Check, 257, 1031, *dtype));
        cases.push(case(Check, 5, 301, *dtype).data("ends"));
    }
    cases.push(case(Bench, 1 << 12, 1 << 13, DType::F32));
    cases.push(case(Bench, 1 << 12, 1 << 13, DType::Bf16));
    cases
}

/// Numbers around 0, or also the ends of the range, as a view with the case's strides. `stream` tells inputs apart.
pub(super) fn values(case: &Case, stream: u64, range: std::ops::Range<f64>) -> Result<Tensor> {
    let (b, n) = (case.dim("b"), case.dim("n"));
    let mut random = ChaCha8Rng::seed_from_u64(case.seed);
    random.set_stream(stream);
    let ends = [f64::NAN, 0.0, 90.0, 100.0, 1000.0, 1e-30, 1e4];
    let values: Vec<f64> = (0..b * n)
        .map(|index| match case.data {
            "ends" if index < 2 * ends.len() => {
                let end = ends[index / 2];
                if range.start < 0.0 && index % 2 == 1 { -end } else { end }
            }
            _ => random.random_range(range.clone()),
        })
        .collect();
    match case.data {
        "transposed" => Tensor::from_f64(&values, case.dtype, [n, b])?.transpose(),
        _ => Tensor::from_f64(&values, case.dtype, [b, n]),
    }
}

/// The type that numbers of `dtype` are computed in.
pub(super) fn accumulator(dtype: DType) -> DType {
    if dtype == DType::F64 { DType::F64 } else { DType::F32 }
}

/// The smallest normal number of that type, below which a result may be 0, in its unit roundoffs.
pub(super) fn flushed(dtype: DType) -> f64 {
    match accumulator(dtype) {
        DType::F64 => f64::MIN_POSITIVE / DType::F64.unit_roundoff(),
        _ => f64::from(f32::MIN_POSITIVE) / DType::F32.unit_roundoff(),
    }
}
