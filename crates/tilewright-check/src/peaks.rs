//! What this machine can do, measured in this run: the roofs that results are held against.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use faer::linalg::matmul::matmul;
use faer::traits::ComplexField;
use faer::{Accum, Mat, Par};
use serde::Serialize;
use tilewright_core::{DType, Device, Kernel, Result, Stream, Tier, Work};

use crate::time::{Contestant, KernelContestant, Pace, race};

/// Bytes of each of the two buffers of the copy that bandwidth is measured by: beyond any cache.
const COPY_BYTES: usize = 256 << 20;
/// Passes of each measurement; the best is the peak.
const PASSES: usize = 7;

/// The roofs of one device.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Peaks {
    /// GB/s of a copy, bytes read and bytes written both counted.
    pub copy_gbs: Option<f64>,
    /// GFLOP/s of a matrix product of this dtype, by the best library there is.
    #[serde(serialize_with = "by_name")]
    pub gemm_gflops: BTreeMap<DType, f64>,
}

fn by_name<S: serde::Serializer>(peaks: &BTreeMap<DType, f64>, to: S) -> Result<S::Ok, S::Error> {
    to.collect_map(peaks.iter().map(|(dtype, peak)| (dtype.name(), peak)))
}

/// The kernels whose best variants show what a GPU can do.
#[derive(Clone, Copy)]
pub struct Yardsticks<'k> {
    /// Moves its input: its rate in bytes is the bandwidth.
    pub copy: Option<&'k dyn Kernel>,
    /// A matrix product with the vendor's library among its variants: its rate in operations is the arithmetic peak.
    pub product: Option<&'k dyn Kernel>,
}

impl Peaks {
    /// Measures the stream's device: the CPU by a copy on all cores and by `faer`'s matrix product, a GPU by the best
    /// variants of the yardsticks. The emulator has no peaks: it never claims speed.
    pub fn measure(stream: &Stream, yardsticks: Yardsticks) -> Result<Self> {
        match stream.device() {
            Device::Cpu => Ok(Self::cpu()),
            Device::Emulated => Ok(Self::default()),
            _ => {
                let rates = |kernel: Option<&dyn Kernel>, amount: fn(Work) -> f64| {
                    kernel.map_or(Ok(BTreeMap::new()), |kernel| best_rates(kernel, stream, amount))
                };
                let copies = rates(yardsticks.copy, |work| work.bytes)?;
                let gemm_gflops = rates(yardsticks.product, |work| work.flops)?;
                Ok(Self { copy_gbs: copies.into_values().reduce(f64::max), gemm_gflops })
            }
        }
    }

    fn cpu() -> Self {
        let gemm_gflops = [(DType::F32, gemm_gflops::<f32>(1536)), (DType::F64, gemm_gflops::<f64>(1024))];
        Self { copy_gbs: Some(copy_gbs()), gemm_gflops: gemm_gflops.into() }
    }

    /// The matrix-product peak that bounds arithmetic on `dtype`: its own, or f32's for what is computed in f32.
    pub fn gflops(&self, dtype: DType) -> Option<f64> {
        self.gemm_gflops.get(&dtype).or_else(|| self.gemm_gflops.get(&DType::F32)).copied()
    }

    /// The least milliseconds that the roofs allow for this work; `None` where a roof that it needs is unknown.
    pub fn floor_ms(&self, work: Work, dtype: DType) -> Option<f64> {
        let memory = if work.bytes > 0.0 { work.bytes / self.copy_gbs? / 1e6 } else { 0.0 };
        let compute = if work.flops > 0.0 { work.flops / self.gflops(dtype)? / 1e6 } else { 0.0 };
        Some(memory.max(compute)).filter(|&floor| floor > 0.0)
    }
}

/// The shortest of some passes, in seconds.
fn shortest(mut pass: impl FnMut()) -> f64 {
    pass();
    let timed = |_| {
        let start = Instant::now();
        pass();
        start.elapsed().as_secs_f64()
    };
    (0..PASSES).map(timed).fold(f64::INFINITY, f64::min)
}

fn copy_gbs() -> f64 {
    let threads = std::thread::available_parallelism().map_or(1, |threads| threads.get());
    let (source, mut target) = (vec![1u8; COPY_BYTES], vec![2u8; COPY_BYTES]);
    let part = COPY_BYTES.div_ceil(threads);
    let seconds = shortest(|| {
        std::thread::scope(|scope| {
            for (source, target) in source.chunks(part).zip(target.chunks_mut(part)) {
                scope.spawn(|| target.copy_from_slice(source));
            }
        });
        std::hint::black_box(&mut target);
    });
    2.0 * COPY_BYTES as f64 / seconds / 1e9
}

fn gemm_gflops<T: ComplexField + From<f32>>(n: usize) -> f64 {
    let number = |i: usize, j: usize| T::from(((i * 31 + j * 17) % 13) as f32 / 13.0);
    let (a, b) = (Mat::from_fn(n, n, number), Mat::from_fn(n, n, number));
    let mut c = Mat::<T>::zeros(n, n);
    let seconds = shortest(|| {
        matmul(c.as_mut(), Accum::Replace, a.as_ref(), b.as_ref(), T::from(1.0), Par::rayon(0));
    });
    std::hint::black_box(&c);
    2.0 * (n as f64).powi(3) / seconds / 1e9
}

/// The best rate, in 1e9 per second, that any variant reaches on the largest bench case of each dtype.
fn best_rates(kernel: &dyn Kernel, stream: &Stream, amount: fn(Work) -> f64) -> Result<BTreeMap<DType, f64>> {
    let mut largest = BTreeMap::new();
    for case in kernel.cases().into_iter().filter(|case| case.tier == Tier::Bench) {
        let size = amount(kernel.work(&case));
        let best = largest.entry(case.dtype).or_insert((size, case.clone()));
        if size > best.0 {
            *best = (size, case);
        }
    }
    let pace = Pace { samples: 10, pause: Duration::ZERO, budget: Duration::from_secs(2), ..Pace::default() };
    let mut rates = BTreeMap::new();
    for (dtype, (size, case)) in largest {
        let Ok(variants) = kernel.support(stream.device(), &case) else { continue };
        let inputs = kernel.inputs(&case)?;
        let mut contestants: Vec<Box<dyn Contestant + '_>> = Vec::new();
        for variant in variants {
            let contestant = KernelContestant::new(kernel, &case.args, variant, stream, &inputs, 1)?;
            contestants.push(Box::new(contestant));
        }
        for timing in race(&mut contestants, &pace) {
            let rate = size / timing?.best_known().min / 1e6;
            let best: &mut f64 = rates.entry(dtype).or_insert(rate);
            *best = best.max(rate);
        }
    }
    Ok(rates)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_roof_bounds_nothing() {
        let peaks =
            Peaks { copy_gbs: Some(50.0), gemm_gflops: [(DType::F32, 200.0), (DType::F64, 90.0)].into() };
        assert_eq!(peaks.gflops(DType::F64), Some(90.0));
        assert_eq!(peaks.gflops(DType::Bf16), Some(200.0), "computed in f32");
        let work = |flops, bytes| Work { flops, bytes };
        assert_eq!(peaks.floor_ms(work(0.0, 5e7), DType::F32), Some(1.0));
        assert_eq!(peaks.floor_ms(work(4e8, 5e7), DType::F32), Some(2.0));
        assert_eq!(peaks.floor_ms(work(0.0, 0.0), DType::F32), None);
        assert_eq!(Peaks::default().floor_ms(work(1.0, 0.0), DType::F32), None);
    }

    #[test]
    fn the_host_needs_no_yardsticks() {
        let none = Yardsticks { copy: None, product: None };
        let cpu = Peaks::measure(&Stream::cpu(), none).unwrap();
        assert!(cpu.copy_gbs > Some(0.1) && cpu.gflops(DType::F32) > Some(0.1), "{cpu:?}");
    }
}
