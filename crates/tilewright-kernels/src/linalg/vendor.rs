//! Around NVIDIA's cuSOLVER: what goes in has no NaN and no scale, what comes out has both again.

use std::sync::LazyLock;

use tilewright_core::{DType, Device, Result, Stream, Tensor};
use tilewright_gpu::backend::cuda::cusolver;
use tilewright_gpu::{Definition, Grid, Program};

use super::extents::Extents;

/// The variant's name.
pub(super) const VARIANT: &str = "cusolver";

/// Whether the library is on `device`.
pub(super) fn available(device: Device) -> bool {
    cusolver::available(device).is_ok()
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
}
