//! `eigh` and `svd` of large matrices by NVIDIA's cuSOLVER: what goes in has no NaN and no scale, what comes out has both again.

use std::sync::LazyLock;

use tilewright_core::{DType, Device, Result, Stream, Tensor};
use tilewright_gpu::backend::cuda::cusolver;
use tilewright_gpu::{Definition, Grid, Program};

use super::extents::Extents;

/// The variant's name.
pub(super) const VARIANT: &str = "cusolver";

fn program(definition: Definition, scalars: &[&'static str], flags: &[&'static str]) -> Definition {
    let definition = scalars.iter().fold(definition.template("S"), |d, name| d.scalar(*name, DType::U32));
    flags.iter().fold(definition, |d, name| d.scalar(*name, DType::Bool))
}

static SIZE: LazyLock<Program> = LazyLock::new(|| {
    let definition = Definition::new("vendor_size", include_str!("vendor.size.metal")).input("a");
    let definition = program(definition, &["m", "n", "parts"], &["symmetric", "upper"]);
    Program::new(definition.output("sizes")).expect("the definition is valid")
});

static COLUMNS: LazyLock<Program> = LazyLock::new(|| {
    let definition = Definition::new("vendor_columns", include_str!("vendor.columns.metal"));
    let scalars = ["m", "n", "items", "parts"];
    let definition =
        program(definition.input("a").input("sizes"), &scalars, &["symmetric", "upper", "negative"]);
    Program::new(definition.output("columns").output("scale")).expect("the definition is valid")
});

static FINISH: LazyLock<Program> = LazyLock::new(|| {
    let definition = Definition::new("vendor_finish", include_str!("vendor.finish.metal"));
    let scalars = ["n", "items", "most", "left_elements", "right_elements"];
    let definition = program(definition.input("scale").input("info"), &scalars, &[]);
    let definition = ["values", "left", "right"].into_iter().fold(definition, Definition::in_place);
    Program::new(definition.output("verdict")).expect("the definition is valid")
});

/// Which matrix is meant.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// All of `a`.
    Whole,
    /// A triangle of `a` and its mirror image, perhaps with the other sign.
    Symmetric { upper: bool, negative: bool },
}

/// A grid of at least so many threads. Rows of 2^30 keep each axis within 32 bits.
fn threads(count: usize) -> Grid {
    let width = count.min(1 << 30);
    Grid::threads([width, count.div_ceil(width), 1])
}

/// The columns of each matrix of a batch, `[.., n, m]`, over its largest element, and what they were divided by, `[..]`: NaN for a matrix with
/// NaN or an infinity, whose columns are 0.
pub(super) fn columns(
    stream: &Stream,
    a: &Tensor,
    extents: &Extents,
    form: Form,
) -> Result<(Tensor, Tensor)> {
    let (m, n, items) = (extents.m, extents.n, extents.batches());
    let parts = (m * n).div_ceil(1 << 14).clamp(1, 64);
    let (symmetric, upper, negative) = match form {
        Form::Whole => (false, false, false),
        Form::Symmetric { upper, negative } => (true, upper, negative),
    };
    let sizes = SIZE
        .launch(stream)
        .template("S", a.dtype())
        .input("a", a)
        .scalar("m", m as u32)
        .scalar("n", n as u32)
        .scalar("parts", parts as u32)
        .scalar("symmetric", symmetric)
        .scalar("upper", upper)
        .output("sizes", a.dtype(), [items * parts])
        .grid(Grid::groups([items * parts, 1, 1]), [256, 1, 1])
        .run_one()?;
    let outputs = COLUMNS
        .launch(stream)
        .template("S", a.dtype())
        .input("a", a)
        .input("sizes", &sizes)
        .scalar("m", m as u32)
        .scalar("n", n as u32)
        .scalar("items", items as u32)
        .scalar("parts", parts as u32)
        .scalar("symmetric", symmetric)
        .scalar("upper", upper)
        .scalar("negative", negative)
        .output("columns", a.dtype(), extents.shape(&[n, m]))
        .output("scale", a.dtype(), &extents.batch[..])
        .grid(threads(items * m * n), [256, 1, 1])
        .run()?;
    let [columns, scale] = <[Tensor; 2]>::try_from(outputs).expect("two outputs are declared");
    Ok((columns, scale))
}

/// Gives `values: [.., n]` their scale back, and makes all of a matrix NaN that has no result. The answer is its info.
pub(super) fn finished(
    stream: &Stream,
    (scale, info): (&Tensor, &Tensor),
    (values, left, right): (&mut Tensor, &mut Tensor, &mut Tensor),
    extents: &Extents,
) -> Result<Tensor> {
    let (n, items) = (extents.n, extents.batches());
    let (left_elements, right_elements) = (left.elements() / items, right.elements() / items);
    let most = n.max(left_elements).max(right_elements);
    FINISH
        .launch(stream)
        .template("S", values.dtype())
        .input("scale", scale)
        .input("info", info)
        .scalar("n", n as u32)
        .scalar("items", items as u32)
        .scalar("most", most as u32)
        .scalar("left_elements", left_elements as u32)
        .scalar("right_elements", right_elements as u32)
        .in_place("values", values)
        .in_place("left", left)
        .in_place("right", right)
        .output("verdict", DType::I32, &extents.batch[..])
        .grid(threads(items * most), [256, 1, 1])
        .run_one()
}

/// Whether the library is on `device`.
pub(super) fn available(device: Device) -> bool {
    cusolver::available(device).is_ok()
}

#[cfg(test)]
mod tests {
    use tilewright_gpu::Present;

    use super::*;

    #[test]
    fn bodies_around_the_library_scale_mirror_and_spread_nan() {
        let Ok(device) = Device::emulated() else { return };
        let stream = device.stream().unwrap();
        let extents = Extents { batch: vec![2], m: 3, n: 2 };
        let a = [1.0f32, -8.0, 2.0, 4.0, 0.5, 6.0, f32::NAN, 1.0, 1.0, 1.0, 1.0, 1.0];
        let a = Tensor::from_vec(a.to_vec(), [2, 3, 2]).unwrap().to(&stream).unwrap();
        let (found, scale) = columns(&stream, &a, &extents, Form::Whole).unwrap();
        let expected = [0.125, 0.25, 0.0625, -1.0, 0.5, 0.75, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0];
        assert_eq!(found.to_vec::<f32>().unwrap(), expected);
        let scales = scale.to_vec::<f32>().unwrap();
        assert!(scales[0] == 8.0 && scales[1].is_nan());

        let square = Extents { batch: vec![], m: 2, n: 2 };
        let a = Tensor::from_vec(vec![1.0f32, f32::NAN, 2.0, 4.0], [2, 2]).unwrap().to(&stream).unwrap();
        let lower = Form::Symmetric { upper: false, negative: true };
        let (found, scale) = columns(&stream, &a, &square, lower).unwrap();
        assert_eq!(found.to_vec::<f32>().unwrap(), [-0.25, -0.5, -0.5, -1.0]);
        assert_eq!(scale.to_vec::<f32>().unwrap(), [-4.0]);

        let given = |values: &[f32], shape: &[usize]| {
            Tensor::from_vec(values.to_vec(), shape).unwrap().to(&stream).unwrap()
        };
        let (scale, mut values) = (given(&[2.0, f32::NAN], &[2]), given(&[3.0, 1.0, 3.0, 1.0], &[2, 2]));
        let (mut left, mut right) = (given(&[1.0; 12], &[2, 2, 3]), given(&[], &[0]));
        let info = Tensor::from_vec(vec![0i32, 0], [2]).unwrap().to(&stream).unwrap();
        let written = (&mut values, &mut left, &mut right);
        let verdict = finished(&stream, (&scale, &info), written, &extents).unwrap();
        assert_eq!(verdict.to_vec::<i32>().unwrap(), [0, 1]);
        let values = values.to_vec::<f32>().unwrap();
        assert!(values[..2] == [6.0, 2.0] && values[2..].iter().all(|x| x.is_nan()));
        let left = left.to_vec::<f32>().unwrap();
        assert!(left[..6].iter().all(|&x| x == 1.0) && left[6..].iter().all(|x| x.is_nan()));
    }
}
