//! GPU path: a scan for the nearest centroid, and a threadgroup for each centroid that sums its rows in their order.

use std::sync::LazyLock;

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use tilewright_core::{DType, Result, Stream, Tensor};
use tilewright_gpu::{Definition, Grid, Program};

use super::start::{WEIGHED, draw, restarts, weighted};
use super::{Kmeans, Start};
use crate::search::{FlatScanTopk, flat_scan_topk};

/// Threads of a group, as many as labels are looked at in a step (`STEP` of the body).
const THREADS: usize = 256;

static UPDATE: LazyLock<Program> = LazyLock::new(|| {
    let definition = Definition::new("kmeans_update", include_str!("gpu.metal"));
    let inputs = ["x", "labels", "restart", "old"];
    let definition = inputs.into_iter().fold(definition, |definition, name| definition.input(name));
    let definition = definition.scalar("n", DType::U32).scalar("d", DType::U32);
    Program::new(definition.output("centroids").output("counts")).expect("the definition is valid")
});

static UNIT: LazyLock<Program> = LazyLock::new(|| {
    let definition = Definition::new("kmeans_unit", include_str!("unit.metal")).input("centroids");
    Program::new(definition.scalar("d", DType::U32).output("scaled")).expect("the definition is valid")
});

static NEARER: LazyLock<Program> = LazyLock::new(|| {
    let definition = Definition::new("kmeans_nearer", include_str!("nearer.metal"))
        .header(concat!(include_str!("../scan.header.metal"), include_str!("nearer.header.metal")))
        .template("T")
        .input("x");
    let definition =
        ["at", "n", "d"].into_iter().fold(definition, |definition, name| definition.scalar(name, DType::U32));
    let definition = definition.scalar("first", DType::Bool).in_place("nearest").output("sums");
    Program::new(definition).expect("the definition is valid")
});

static GATHER: LazyLock<Program> = LazyLock::new(|| {
    let definition = Definition::new("kmeans_gather", include_str!("gather.metal")).input("x").input("rows");
    Program::new(definition.scalar("d", DType::U32).output("some")).expect("the definition is valid")
});

static BLEND: LazyLock<Program> = LazyLock::new(|| {
    let definition = Definition::new("kmeans_blend", include_str!("blend.metal"));
    let inputs = ["old", "means", "counts", "seen"];
    let definition = inputs.into_iter().fold(definition, |definition, name| definition.input(name));
    let definition = definition.scalar("k", DType::U32).scalar("d", DType::U32);
    Program::new(definition.output("next").output("now")).expect("the definition is valid")
});

pub(super) fn kmeans(
    stream: &Stream,
    x: &Tensor,
    initial: Option<&Tensor>,
    args: &Kmeans,
) -> Result<(Tensor, Tensor)> {
    let n = x.dims()[0];
    let none = vec![-1i64; args.k];
    let mut centroids = of_length(stream, draw_start(stream, x, initial, args)?, args)?;
    let labelled = |x: &Tensor, centroids: &Tensor| -> Result<(Tensor, Tensor)> {
        let (distances, nearest) =
            flat_scan_topk(stream, x, centroids, None, None, &FlatScanTopk::default())?;
        Ok((distances, nearest.reshape([x.dims()[0]])?))
    };
    if let Some(batch) = args.batch {
        let labels = |x: &Tensor, centroids: &Tensor| Ok(labelled(x, centroids)?.1);
        let means = |x: &Tensor, labels: &Tensor, old: &Tensor| update(stream, x, labels, &none, old);
        return mini_batches(stream, x, centroids, args, batch.min(n), labels, means);
    }
    let mut last = Tensor::empty(stream, DType::I64, [n])?;
    for _ in 0..args.iterations {
        let (distances, nearest) = labelled(x, &centroids)?;
        last = nearest;
        let (mut next, counts) = update(stream, x, &last, &none, &centroids)?;
        let counts = counts.to_vec::<u32>()?;
        if counts.contains(&0) {
            let rows = restarts(&counts, &distances.to_vec::<f32>()?);
            next = update(stream, x, &last, &rows, &centroids)?.0;
        }
        centroids = of_length(stream, next, args)?;
    }
    Ok((centroids, last))
}

/// The centroids that the first iteration compares with.
pub(super) fn draw_start(
    stream: &Stream,
    x: &Tensor,
    initial: Option<&Tensor>,
    args: &Kmeans,
) -> Result<Tensor> {
    let &[n, d] = x.dims() else { unreachable!("checked to be a matrix") };
    if let Some(initial) = initial {
        return Ok(initial.clone());
    }
    let rows = match args.start {
        Start::Random => draw(n, args.k, args.seed).into_iter().map(i64::from).collect::<Vec<_>>(),
        Start::PlusPlus => plus_plus(stream, x, args)?,
    };
    let labels = Tensor::from_vec(vec![-1i64; n], [n])?.to(stream)?;
    let nothing = Tensor::zeros(DType::F32, [args.k, d])?.to(stream)?;
    Ok(update(stream, x, &labels, &rows, &nothing)?.0)
}

/// The rows that k-means++ starts at, by the draws of the CPU. Each waits for the sums, and for the weights of one of them.
fn plus_plus(stream: &Stream, x: &Tensor, args: &Kmeans) -> Result<Vec<i64>> {
    let &[n, d] = x.dims() else { unreachable!("checked to be a matrix") };
    let mut random = ChaCha8Rng::seed_from_u64(args.seed);
    let mut last = random.random_range(0..n);
    let mut rows = vec![last as i64];
    let mut nearest = Tensor::empty(stream, DType::F32, [n])?;
    let chunks = n.div_ceil(WEIGHED);
    while rows.len() < args.k {
        let sums = NEARER
            .launch(stream)
            .template("T", x.dtype())
            .input("x", x)
            .scalar("at", last as u32)
            .scalar("n", n as u32)
            .scalar("d", d as u32)
            .scalar("first", rows.len() == 1)
            .in_place("nearest", &mut nearest)
            .output("sums", DType::F32, [chunks, 2])
            .grid(Grid::groups([chunks, 1, 1]), [WEIGHED, 1, 1])
            .run_one()?
            .to_vec::<f32>()?;
        let sums: Vec<f64> = sums.chunks(2).map(|sum| f64::from(sum[0]) + f64::from(sum[1])).collect();
        let weights =
            |chunk: usize| nearest.slice(0, chunk * WEIGHED..n.min((chunk + 1) * WEIGHED))?.to_vec::<f32>();
        last = weighted(&mut random, n, &sums, weights)?;
        rows.push(last as i64);
    }
    Ok(rows)
}

/// Each centroid is the mean of all rows that came to it so far, in whatever batches, which are the CPU's. `labelled` finds the nearest centroids of rows; `means` gives the
/// means of rows by label, the old centroid where there are none, and how many rows each has.
pub(super) fn mini_batches(
    stream: &Stream,
    x: &Tensor,
    mut centroids: Tensor,
    args: &Kmeans,
    batch: usize,
    labelled: impl Fn(&Tensor, &Tensor) -> Result<Tensor>,
    means: impl Fn(&Tensor, &Tensor, &Tensor) -> Result<(Tensor, Tensor)>,
) -> Result<(Tensor, Tensor)> {
    let &[n, d] = x.dims() else { unreachable!("checked to be a matrix") };
    let mut seen = Tensor::zeros(DType::U64, [args.k])?.to(stream)?;
    for iteration in 0..args.iterations {
        // Another seed than the start's.
        let rows = draw(n, batch, args.seed.wrapping_add(1 + iteration as u64));
        let some = GATHER
            .launch(stream)
            .input("x", x)
            .input("rows", &Tensor::from_vec(rows, [batch])?.to(stream)?)
            .scalar("d", d as u32)
            .output("some", x.dtype(), [batch, d])
            .grid(Grid::groups([batch, 1, 1]), [32, 1, 1])
            .run_one()?;
        let labels = labelled(&some, &centroids)?;
        let (own, counts) = means(&some, &labels, &centroids)?;
        let blended = BLEND
            .launch(stream)
            .input("old", &centroids)
            .input("means", &own)
            .input("counts", &counts)
            .input("seen", &seen)
            .scalar("k", args.k as u32)
            .scalar("d", d as u32)
            .output("next", DType::F32, [args.k, d])
            .output("now", DType::U64, [args.k])
            .grid(Grid::groups([(args.k * d).div_ceil(THREADS), 1, 1]), [THREADS, 1, 1])
            .run()?;
        let [next, now] = blended.try_into().expect("two outputs are declared");
        (centroids, seen) = (of_length(stream, next, args)?, now);
    }
    let labels = labelled(x, &centroids)?;
    Ok((centroids, labels))
}

/// The same centroids with length 1, where that is asked for.
pub(super) fn of_length(stream: &Stream, centroids: Tensor, args: &Kmeans) -> Result<Tensor> {
    if !args.spherical {
        return Ok(centroids);
    }
    let &[k, d] = centroids.dims() else { unreachable!("checked to be a matrix") };
    UNIT.launch(stream)
        .input("centroids", &centroids)
        .scalar("d", d as u32)
        .output("scaled", DType::F32, [k, d])
        .grid(Grid::groups([k, 1, 1]), [32, 1, 1])
        .run_one()
}

/// The means of the rows by label; the row `restart` where that is one, and the old centroid where there is nothing else.
pub(super) fn update(
    stream: &Stream,
    x: &Tensor,
    labels: &Tensor,
    restart: &[i64],
    old: &Tensor,
) -> Result<(Tensor, Tensor)> {
    let (&[n, d], k) = (x.dims(), restart.len()) else { unreachable!("checked to be a matrix") };
    let restart = Tensor::from_slice(restart, [k])?.to(stream)?;
    let results = UPDATE
        .launch(stream)
        .input("x", x)
        .input("labels", labels)
        .input("restart", &restart)
        .input("old", old)
        .scalar("n", n as u32)
        .scalar("d", d as u32)
        .output("centroids", DType::F32, [k, d])
        .output("counts", DType::U32, [k])
        .grid(Grid::groups([k, 1, 1]), [THREADS, 1, 1])
        .run()?;
    let [centroids, counts] = results.try_into().expect("two outputs are declared");
    Ok((centroids, counts))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Where NVRTC is installed.
    #[test]
    #[cfg(not(target_vendor = "apple"))]
    fn every_body_compiles_for_cuda() {
        use crate::nvrtc::compiles;
        use DType::{Bf16, F32, I8, U32, U64};
        for dtype in [F32, Bf16, I8] {
            compiles(&NEARER, &[dtype.into()], &[dtype, F32, F32]);
            compiles(&GATHER, &[], &[dtype, U32, dtype]);
        }
        compiles(&BLEND, &[], &[F32, F32, U32, U64, F32, U64]);
    }

    #[test]
    fn numbers_are_those_of_the_bodies() {
        assert!(include_str!("nearer.metal").contains(&format!("group * {WEIGHED} +")));
        assert_eq!(WEIGHED, 8 * 32);
    }
}
