//! GPU path: a scan for the nearest centroid, and a threadgroup for each centroid that sums its rows in their order.

use std::sync::LazyLock;

use tilewright_core::{DType, Error, Result, Stream, Tensor};
use tilewright_gpu::{Definition, Grid, Program};

use super::start::{draw, restarts};
use super::{Kmeans, NAME, Start};
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

pub(super) fn kmeans(
    stream: &Stream,
    x: &Tensor,
    initial: Option<&Tensor>,
    args: &Kmeans,
) -> Result<(Tensor, Tensor)> {
    let n = x.dims()[0];
    let none = vec![-1i64; args.k];
    let mut centroids = of_length(stream, draw_start(stream, x, initial, args)?, args)?;
    let mut last = Tensor::empty(stream, DType::I64, [n])?;
    for _ in 0..args.iterations {
        let (distances, nearest) =
            flat_scan_topk(stream, x, &centroids, None, None, &FlatScanTopk::default())?;
        last = nearest.reshape([n])?;
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
    match (initial, args.start) {
        (Some(initial), _) => Ok(initial.clone()),
        (None, Start::Random) => {
            let rows = draw(n, args.k, args.seed).into_iter().map(i64::from).collect::<Vec<_>>();
            let labels = Tensor::from_vec(vec![-1i64; n], [n])?.to(stream)?;
            let nothing = Tensor::zeros(DType::F32, [args.k, d])?.to(stream)?;
            Ok(update(stream, x, &labels, &rows, &nothing)?.0)
        }
        (None, Start::PlusPlus) => {
            let why =
                "k-means++ waits for a sum over all rows before each draw: start at random or give `initial`";
            Err(Error::unsupported(NAME, stream.device(), why))
        }
    }
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
