//! Around NVIDIA's cuSOLVER: what goes in has no NaN and no scale, what comes out has both again.

use std::sync::LazyLock;

use tilewright_core::{DType, Device, Result, Stream, Tensor};
use tilewright_gpu::backend::cuda::{cublas, cusolver};
use tilewright_gpu::{Definition, Grid, Program};

use super::extents::Extents;
use super::{cholesky, eigh, gram, lu};
use crate::arguments::{choose, only_variant};

/// The variant's name.
pub(super) const VARIANT: &str = "cusolver";

/// Whether the library is on `device`.
pub(super) fn available(device: Device) -> bool {
    cusolver::available(device).is_ok()
}

/// Whether it has a form for batches of symmetric matrices.
pub(super) fn has_batches(device: Device) -> bool {
    cusolver::has_batches(device)
}

/// The side of a single matrix beyond which the library's blocks are faster than one group of threads.
pub(super) const LARGE: usize = 256;

/// The library, where it takes a single matrix whose side is beyond `large`, or that nothing else takes, before what the device has of its own.
pub(super) fn variants(
    device: Device,
    batches: usize,
    (side, large): (usize, usize),
    own: Result<()>,
) -> Result<Vec<&'static str>> {
    let beyond = if own.is_ok() { large } else { 0 };
    let library = (side > beyond && batches == 1 && available(device)).then_some(VARIANT);
    let own = own.map(|()| only_variant(device));
    match (library, own) {
        (None, own) => Ok(vec![own?]),
        (Some(library), own) => Ok([Some(library), own.ok()].into_iter().flatten().collect()),
    }
}

/// The variant that was asked for, or the first: inside a capture no library can be called.
pub(super) fn chosen(
    operation: &'static str,
    stream: &Stream,
    variant: Option<&str>,
    known: &[&'static str],
) -> Result<&'static str> {
    let usable = |name: &&str| match *name {
        VARIANT => cusolver::usable(stream),
        gram::VARIANT | lu::PANELS | cholesky::BLOCKS | eigh::DIVIDED => cublas::usable(stream),
        _ => true,
    };
    let wish = variant.or_else(|| known.iter().copied().find(usable));
    choose(operation, wish, known)
}

/// What such variants of `qr`, `solve` and `inverse` leave to the host.
pub(super) fn decides(device: Device, variant: &str) -> Option<&'static str> {
    (device != Device::Cpu && variant == gram::VARIANT)
        .then_some("which matrices go another way, by a number read of each")
}

fn scalars(definition: Definition, names: &[&'static str]) -> Definition {
    names.iter().fold(definition.template("S"), |definition, name| definition.scalar(*name, DType::U32))
}

static SIZE: LazyLock<Program> = LazyLock::new(|| {
    let definition = Definition::new("vendor_size", include_str!("vendor.size.metal")).input("a");
    let definition = scalars(definition, &["n", "parts"]).scalar("upper", DType::Bool);
    Program::new(definition.output("sizes")).expect("the definition is valid")
});

static WHOLE: LazyLock<Program> = LazyLock::new(|| {
    let definition = Definition::new("vendor_whole", include_str!("vendor.whole.metal"));
    let definition = scalars(definition.input("a").input("sizes"), &["n", "items", "parts"]);
    let definition = definition.scalar("upper", DType::Bool).scalar("negative", DType::Bool);
    Program::new(definition.output("whole").output("scale")).expect("the definition is valid")
});

static FINISH: LazyLock<Program> = LazyLock::new(|| {
    let definition = Definition::new("vendor_finish", include_str!("vendor.finish.metal"));
    let definition = scalars(definition.input("scale").input("info"), &["n", "items", "most", "elements"]);
    Program::new(definition.in_place("values").in_place("vectors").output("verdict"))
        .expect("the definition is valid")
});

static TRANSPOSE: LazyLock<Program> = LazyLock::new(|| {
    let definition =
        Definition::new("vendor_transpose", include_str!("vendor.transpose.metal")).input("from");
    Program::new(scalars(definition, &["rows", "columns"]).output("to")).expect("the definition is valid")
});

static FILL: LazyLock<Program> = LazyLock::new(|| {
    let definition = Definition::new("vendor_fill", include_str!("vendor.fill.metal")).input("info");
    let definition = scalars(definition, &["n"]).scalar("elements", DType::U64);
    Program::new(definition.scalar("identity", DType::Bool).in_place("matrix"))
        .expect("the definition is valid")
});

static PIVOTS: LazyLock<Program> = LazyLock::new(|| {
    let definition = Definition::new("vendor_pivots", include_str!("vendor.pivots.metal")).input("pivots");
    let definition = definition.scalar("m", DType::U32).scalar("count", DType::U32);
    let definition = definition.threadgroup_memory("memory", DType::U32).output("permutation");
    Program::new(definition).expect("the definition is valid")
});

static VERDICT: LazyLock<Program> = LazyLock::new(|| {
    let definition = Definition::new("vendor_verdict", include_str!("vendor.verdict.metal"));
    let definition = scalars(definition.input("factor").input("info"), &["n"]);
    Program::new(definition.output("verdict")).expect("the definition is valid")
});

static TRIANGLE: LazyLock<Program> = LazyLock::new(|| {
    let definition = Definition::new("vendor_triangle", include_str!("vendor.triangle.metal"));
    let definition = scalars(definition.input("verdict"), &["n"]).scalar("upper", DType::Bool);
    Program::new(definition.in_place("factor")).expect("the definition is valid")
});

static ORDER: LazyLock<Program> = LazyLock::new(|| {
    let definition = Definition::new("vendor_order", include_str!("vendor.order.metal"));
    let definition =
        scalars(definition.input("values").input("matrix"), &["n"]).scalar("vectors", DType::Bool);
    Program::new(definition.output("ordered").output("rows")).expect("the definition is valid")
});

/// `values: [.., n]`, ascending, and the rows of each matrix of `rows: [.., n, n]`, if there are any, in their order.
pub(super) fn ascending(stream: &Stream, values: &Tensor, rows: Option<&Tensor>) -> Result<(Tensor, Tensor)> {
    let n = values.dims()[values.rank() - 1];
    // Where there are no vectors, the values stand in for them and are not read as such.
    let shape = rows.map_or(vec![1], |rows| rows.dims().to_vec());
    let outputs = ORDER
        .launch(stream)
        .template("S", values.dtype())
        .input("values", values)
        .input("matrix", rows.unwrap_or(values))
        .scalar("n", n as u32)
        .scalar("vectors", rows.is_some())
        .output("ordered", values.dtype(), values.shape())
        .output("rows", values.dtype(), shape)
        .grid(Grid::groups([values.elements(), 1, 1]), [256, 1, 1])
        .run()?;
    let [ordered, rows] = <[Tensor; 2]>::try_from(outputs).expect("two outputs are declared");
    Ok((ordered, rows))
}

/// The columns of one matrix `[.., m, n]`: `[.., n, m]`.
pub(super) fn columns(stream: &Stream, a: &Tensor) -> Result<Tensor> {
    let &[ref batch @ .., m, n] = a.dims() else { unreachable!("callers have a matrix") };
    TRANSPOSE
        .launch(stream)
        .template("S", a.dtype())
        .input("from", a)
        .scalar("rows", m as u32)
        .scalar("columns", n as u32)
        .output("to", a.dtype(), [batch, &[n, m]].concat())
        .grid(Grid::groups([m.div_ceil(32) * n.div_ceil(32), 1, 1]), [256, 1, 1])
        .run_one()
}

fn fill(stream: &Stream, matrix: &mut Tensor, info: &Tensor, identity: bool) -> Result<()> {
    let (n, elements) = (matrix.dims()[matrix.rank() - 1], matrix.elements());
    FILL.launch(stream)
        .template("S", matrix.dtype())
        .input("info", info)
        .scalar("n", n as u32)
        .scalar("elements", elements as u64)
        .scalar("identity", identity)
        .in_place("matrix", matrix)
        .grid(Grid::elements(elements), [256, 1, 1])
        .run()?;
    Ok(())
}

/// NaN throughout `matrix` unless `info`, one number, is 0.
pub(super) fn spoil(stream: &Stream, matrix: &mut Tensor, info: &Tensor) -> Result<()> {
    fill(stream, matrix, info, false)
}

/// Of this shape, one square matrix.
pub(super) fn identity(stream: &Stream, dtype: DType, shape: Vec<usize>, info: &Tensor) -> Result<Tensor> {
    let mut matrix = Tensor::empty(stream, dtype, shape)?;
    fill(stream, &mut matrix, info, true)?;
    Ok(matrix)
}

/// The most rows whose order [`permutation`] finds: they lie in threadgroup memory.
pub(super) const ROWS: usize = 1 << 14;

/// Which row of a matrix is where after its rows were exchanged, `[m]`, i32.
pub(super) fn permutation(stream: &Stream, pivots: &Tensor, m: usize, shape: Vec<usize>) -> Result<Tensor> {
    let count = pivots.elements();
    PIVOTS
        .launch(stream)
        .input("pivots", pivots)
        .scalar("m", m as u32)
        .scalar("count", count as u32)
        .output("permutation", DType::I32, shape)
        .threadgroup_bytes((m + count) * 4)
        .grid(Grid::groups([1, 1, 1]), [256, 1, 1])
        .run_one()
}

/// Makes `factor`, `[.., n, n]`, triangular, or NaN where it is none; the answer is its info, of the shape of `batch`.
pub(super) fn triangle(
    stream: &Stream,
    factor: &mut Tensor,
    info: &Tensor,
    upper: bool,
    batch: &[usize],
) -> Result<Tensor> {
    let n = factor.dims()[factor.rank() - 1];
    let verdict = VERDICT
        .launch(stream)
        .template("S", factor.dtype())
        .input("factor", factor)
        .input("info", info)
        .scalar("n", n as u32)
        .output("verdict", DType::I32, batch)
        .grid(Grid::groups([1, 1, 1]), [256, 1, 1])
        .run_one()?;
    TRIANGLE
        .launch(stream)
        .template("S", factor.dtype())
        .input("verdict", &verdict)
        .scalar("n", n as u32)
        .scalar("upper", upper)
        .in_place("factor", factor)
        .grid(Grid::elements(n * n), [256, 1, 1])
        .run()?;
    Ok(verdict)
}

/// Both triangles of each symmetric matrix over its largest element, perhaps with the other sign, and what they were divided by, `[..]`: NaN for
/// a matrix with NaN or an infinity, which is 0 then.
pub(super) fn whole(
    stream: &Stream,
    a: &Tensor,
    extents: &Extents,
    (upper, negative): (bool, bool),
) -> Result<(Tensor, Tensor)> {
    let (n, items) = (extents.n, extents.batches());
    let parts = (n * n).div_ceil(1 << 14).clamp(1, 64);
    let sizes = SIZE
        .launch(stream)
        .template("S", a.dtype())
        .input("a", a)
        .scalar("n", n as u32)
        .scalar("parts", parts as u32)
        .scalar("upper", upper)
        .output("sizes", a.dtype(), [items * parts])
        .grid(Grid::groups([items * parts, 1, 1]), [256, 1, 1])
        .run_one()?;
    let outputs = WHOLE
        .launch(stream)
        .template("S", a.dtype())
        .input("a", a)
        .input("sizes", &sizes)
        .scalar("n", n as u32)
        .scalar("items", items as u32)
        .scalar("parts", parts as u32)
        .scalar("upper", upper)
        .scalar("negative", negative)
        .output("whole", a.dtype(), a.shape())
        .output("scale", a.dtype(), &extents.batch[..])
        .grid(Grid::elements(items * n * n), [256, 1, 1])
        .run()?;
    let [whole, scale] = <[Tensor; 2]>::try_from(outputs).expect("two outputs are declared");
    Ok((whole, scale))
}

/// Gives `values: [.., n]` their scale back, and makes all of a matrix NaN that has no result. The answer is its info.
pub(super) fn finished(
    stream: &Stream,
    (scale, info): (&Tensor, &Tensor),
    (values, vectors): (&mut Tensor, &mut Tensor),
    extents: &Extents,
) -> Result<Tensor> {
    let (n, items) = (extents.n, extents.batches());
    let elements = vectors.elements() / items;
    let most = n.max(elements);
    FINISH
        .launch(stream)
        .template("S", values.dtype())
        .input("scale", scale)
        .input("info", info)
        .scalar("n", n as u32)
        .scalar("items", items as u32)
        .scalar("most", most as u32)
        .scalar("elements", elements as u32)
        .in_place("values", values)
        .in_place("vectors", vectors)
        .output("verdict", DType::I32, &extents.batch[..])
        .grid(Grid::elements(items * most), [256, 1, 1])
        .run_one()
}

#[cfg(test)]
mod tests {
    use tilewright_gpu::Present;

    use super::*;

    #[test]
    fn bodies_around_the_library_scale_mirror_and_spread_nan() {
        let Ok(device) = Device::emulated() else { return };
        let stream = device.stream().unwrap();
        let given = |values: &[f32], shape: &[usize]| {
            Tensor::from_vec(values.to_vec(), shape).unwrap().to(&stream).unwrap()
        };
        let extents = Extents { batch: vec![2], m: 2, n: 2 };
        // The NaN of the first is in the triangle that is not read.
        let a = given(&[1.0, f32::NAN, 2.0, 4.0, 1.0, 0.0, f32::NAN, 1.0], &[2, 2, 2]);
        let (found, scale) = whole(&stream, &a, &extents, (false, true)).unwrap();
        assert_eq!(found.to_vec::<f32>().unwrap(), [-0.25, -0.5, -0.5, -1.0, 0.0, 0.0, 0.0, 0.0]);
        let scales = scale.to_vec::<f32>().unwrap();
        assert!(scales[0] == -4.0 && scales[1].is_nan());

        let (mut values, mut vectors) = (given(&[3.0, 1.0, 3.0, 1.0], &[2, 2]), given(&[1.0; 8], &[2, 2, 2]));
        let info = Tensor::from_vec(vec![0i32, 0], [2]).unwrap().to(&stream).unwrap();
        let verdict = finished(&stream, (&scale, &info), (&mut values, &mut vectors), &extents).unwrap();
        assert_eq!(verdict.to_vec::<i32>().unwrap(), [0, 1]);
        let values = values.to_vec::<f32>().unwrap();
        assert!(values[..2] == [-12.0, -4.0] && values[2..].iter().all(|x| x.is_nan()));
        let vectors = vectors.to_vec::<f32>().unwrap();
        assert!(vectors[..4].iter().all(|&x| x == 1.0) && vectors[4..].iter().all(|x| x.is_nan()));
    }

    #[test]
    fn values_are_put_in_order_and_rows_with_them() {
        let Ok(device) = Device::emulated() else { return };
        let stream = device.stream().unwrap();
        let given = |values: &[f32], shape: &[usize]| {
            Tensor::from_vec(values.to_vec(), shape).unwrap().to(&stream).unwrap()
        };
        let values = given(&[3.0, f32::NAN, -1.0, 2.0, 0.0, 2.0], &[2, 3]);
        let rows: Vec<f32> = (0..18).map(|e| (e / 3) as f32).collect();
        let (found, rows) = ascending(&stream, &values, Some(&given(&rows, &[2, 3, 3]))).unwrap();
        let found = found.to_vec::<f32>().unwrap();
        assert!(found[..2] == [-1.0, 3.0] && found[2].is_nan() && found[3..] == [0.0, 2.0, 2.0]);
        let rows = rows.to_vec::<f32>().unwrap();
        let of = rows.chunks_exact(3).map(|row| row[0]).collect::<Vec<_>>();
        assert_eq!(of, [2.0, 0.0, 1.0, 4.0, 3.0, 5.0]);
        assert_eq!(ascending(&stream, &values, None).unwrap().0.to_vec::<f32>().unwrap()[..2], [-1.0, 3.0]);
    }

    #[test]
    fn bodies_around_the_library_order_rows_and_say_what_failed() {
        let Ok(device) = Device::emulated() else { return };
        let stream = device.stream().unwrap();
        let given = |values: &[f32], shape: &[usize]| {
            Tensor::from_vec(values.to_vec(), shape).unwrap().to(&stream).unwrap()
        };
        let info = |value: i32| Tensor::from_vec(vec![value], [1]).unwrap().to(&stream).unwrap();
        let turned = columns(&stream, &given(&[1.0, 2.0, 3.0, 4.0, 5.0, 6.0], &[2, 3])).unwrap();
        assert_eq!(turned.to_vec::<f32>().unwrap(), [1.0, 4.0, 2.0, 5.0, 3.0, 6.0]);
        let pivots = Tensor::from_vec(vec![3i64, 3], [2]).unwrap().to(&stream).unwrap();
        let order = permutation(&stream, &pivots, 3, vec![3]).unwrap();
        assert_eq!(order.to_vec::<i32>().unwrap(), [2, 0, 1]);

        let mut one = identity(&stream, DType::F32, vec![2, 2], &info(1)).unwrap();
        assert_eq!(one.to_vec::<f32>().unwrap(), [1.0, 0.0, 0.0, 1.0]);
        spoil(&stream, &mut one, &info(0)).unwrap();
        assert_eq!(one.to_vec::<f32>().unwrap(), [1.0, 0.0, 0.0, 1.0]);
        spoil(&stream, &mut one, &info(2)).unwrap();
        assert!(one.to_vec::<f32>().unwrap().iter().all(|x| x.is_nan()));

        let mut factor = given(&[2.0, 9.0, 1.0, 3.0], &[2, 2]);
        let verdict = triangle(&stream, &mut factor, &info(0), false, &[]).unwrap();
        assert_eq!(verdict.to_vec::<i32>().unwrap(), [0]);
        assert_eq!(factor.to_vec::<f32>().unwrap(), [2.0, 0.0, 1.0, 3.0]);
        let mut factor = given(&[2.0, 9.0, 1.0, f32::NAN], &[2, 2]);
        let verdict = triangle(&stream, &mut factor, &info(0), true, &[]).unwrap();
        assert_eq!(verdict.to_vec::<i32>().unwrap(), [2]);
        assert!(factor.to_vec::<f32>().unwrap().iter().all(|x| x.is_nan()));
    }
}
