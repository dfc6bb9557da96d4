//! What counts of a spectrum: the rank, and rows over the singular values that are not taken for zeros.

use std::sync::LazyLock;

use tilewright_core::{DType, Device, Error, Result, Stream, Tensor};
use tilewright_gpu::{Definition, Grid, Program};

use super::host::{Real, with_real};

static PROGRAM: LazyLock<Program> = LazyLock::new(|| {
    let definition = Definition::new("linalg_truncate", include_str!("truncate.metal"))
        .template("S")
        .input("s")
        .input("rows");
    let definition =
        ["k", "n"].into_iter().fold(definition, |definition, name| definition.scalar(name, DType::U32));
    Program::new(definition.scalar("rcond", DType::F32).output("rank").output("out"))
        .expect("the definition is valid")
});

/// The relative tolerance, `max(m, n) eps` unless given.
pub(super) fn tolerance(
    operation: &'static str,
    rcond: Option<f64>,
    m: usize,
    n: usize,
    dtype: DType,
) -> Result<f64> {
    match rcond {
        None => Ok(m.max(n) as f64 * 2.0 * dtype.unit_roundoff()),
        Some(rcond) if (0.0..f64::INFINITY).contains(&rcond) => Ok(rcond),
        Some(rcond) => Err(Error::range(operation, "rcond", "a finite number >= 0", rcond)),
    }
}

/// The ranks `[..]`, i32, of descending values `s`, `[.., k]`: how many are more than `rcond` times the first; -1 where they are NaN. And the
/// first k rows of `rows`, `[.., k, n]`, each over its value; zeros from the rank on, NaN where there is none.
pub(super) fn truncated(stream: &Stream, s: &Tensor, rows: &Tensor, rcond: f64) -> Result<(Tensor, Tensor)> {
    let (&[ref batch @ .., k], n) = (s.dims(), rows.dims()[rows.rank() - 1]) else {
        unreachable!("spectra have an axis")
    };
    if k == 0 || batch.contains(&0) {
        let rank = Tensor::zeros(DType::I32, batch)?.to(stream)?;
        return Ok((rank, Tensor::empty(stream, s.dtype(), rows.dims())?));
    }
    if stream.device() == Device::Cpu {
        return with_real!(s.dtype(), T => on_the_host::<T>(s, rows, rcond as T, k, n));
    }
    let outputs = PROGRAM
        .launch(stream)
        .template("S", s.dtype())
        .input("s", s)
        .input("rows", rows)
        .scalar("k", k as u32)
        .scalar("n", n as u32)
        .scalar("rcond", rcond as f32)
        .output("rank", DType::I32, batch)
        .output("out", s.dtype(), rows.dims())
        .grid(Grid::groups([batch.iter().product(), 1, 1]), [128, 1, 1])
        .run()?;
    let [rank, out] = <[Tensor; 2]>::try_from(outputs).expect("two outputs are declared");
    Ok((rank, out))
}

fn on_the_host<T: Real>(s: &Tensor, rows: &Tensor, rcond: T, k: usize, n: usize) -> Result<(Tensor, Tensor)> {
    let (s, mut out) = (s.to_vec::<T>()?, rows.to_vec::<T>()?);
    let mut ranks = Vec::with_capacity(s.len() / k);
    for (item, s) in s.chunks_exact(k).enumerate() {
        let valid = s.iter().all(|x| x.finite());
        let rank = s.iter().take_while(|&&x| x > rcond * s[0]).count();
        for (row, &s) in s.iter().enumerate() {
            let out = &mut out[(item * k + row) * n..][..n];
            match (valid, row < rank) {
                (true, true) => out.iter_mut().for_each(|x| *x /= s),
                (true, false) => out.fill(T::ZERO),
                _ => out.fill(T::NAN),
            }
        }
        ranks.push(if valid { rank as i32 } else { -1 });
    }
    let batch = &rows.dims()[..rows.rank() - 2];
    Ok((Tensor::from_vec(ranks, batch)?, Tensor::from_vec(out, rows.dims())?))
}
