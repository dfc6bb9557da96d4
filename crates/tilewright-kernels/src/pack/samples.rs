//! Inputs of the family's cases.

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use tilewright_core::{Case, DType, Error, Result, Stream, Tensor, with_element};

/// Formats that are moved, not read.
pub(super) const MOVED: &[DType] = &[
    DType::F32,
    DType::F16,
    DType::Bf16,
    DType::F64,
    DType::F8E4M3,
    DType::F8E5M2,
    DType::I8,
    DType::U8,
    DType::I32,
    DType::I64,
    DType::U32,
];

/// Floats `[m, n]`: uniform in -4..4, or by `data`
///
/// | data | |
/// |---|---|
/// | special | one block in four holds a NaN, one an infinity; one row in three is 0 |
/// | wide | magnitudes from 1e-38 to 1e38, another for each 16 neighbours |
/// | halves | multiples of 1/2 up to 127: quotients fall between two integers |
pub(crate) fn floats(case: &Case) -> Result<Tensor> {
    let mut random = ChaCha8Rng::seed_from_u64(case.seed);
    let (m, n) = (case.dim("m"), case.dim("n"));
    let mut values = Vec::with_capacity(m * n);
    for row in 0..m {
        let mut magnitude = 1.0;
        for column in 0..n {
            if column % 16 == 0 {
                magnitude = 10f64.powi(random.random_range(-38..=38));
            }
            let bits: u32 = random.random();
            let uniform = f64::from(bits as i32) / f64::from(1u32 << 29);
            values.push(match case.data {
                "special" if row % 3 == 2 => 0.0,
                "special" if column % 64 == 17 => [f64::NAN, f64::INFINITY, 1.0, -1.0][column / 64 % 4],
                "wide" => uniform * magnitude / 4.0,
                "halves" if column % 32 == 5 => 127.0,
                "halves" => f64::from(bits as i32 % 255) / 2.0,
                _ => uniform,
            });
        }
    }
    Tensor::from_f64(&values, case.dtype, [m, n])
}

/// Random bits as a tensor.
pub(crate) fn bits(seed: u64, dtype: DType, shape: &[usize]) -> Result<Tensor> {
    let mut bytes = vec![0u8; shape.iter().product::<usize>() * dtype.size()];
    ChaCha8Rng::seed_from_u64(seed).fill(&mut bytes[..]);
    of_bytes(bytes, dtype, shape)
}

/// These bytes as a tensor.
pub(crate) fn of_bytes(bytes: Vec<u8>, dtype: DType, shape: &[usize]) -> Result<Tensor> {
    with_element!(dtype, T => Tensor::from_vec::<T>(bytemuck::pod_collect_to_vec(&bytes), shape))
}

/// A copy on the stream's device, whose memory is its own.
pub(crate) fn own(x: &Tensor, stream: &Stream) -> Result<Tensor> {
    of_bytes(x.to_host()?.to_bytes()?, x.dtype(), x.dims())?.to(stream)
}

/// Reads `0,2,1`.
pub(super) fn numbers(operation: &'static str, argument: &'static str, text: &str) -> Result<Vec<usize>> {
    let parse = |number: &str| {
        number.trim().parse().map_err(|_| Error::range(operation, argument, "numbers as 0,2,1", text))
    };
    if text.is_empty() { Ok(Vec::new()) } else { text.split(',').map(parse).collect() }
}
