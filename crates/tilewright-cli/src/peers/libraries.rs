//! Rust libraries as peers.

use std::ops::Range;

use faer::linalg::matmul::matmul;
use faer::traits::RealField;
use faer::{Accum, MatMut, MatRef, Par};
use nalgebra::{Const, Dyn};
use tilewright_core::{Args, Case, DType, Element, Result, Tensor, with_element};

use super::{Function, decompositions};

/// The libraries that know this problem.
pub(super) fn functions(
    kernel: &'static str,
    case: &Case,
    inputs: &[Tensor],
) -> Vec<(&'static str, Function)> {
    match kernel {
        "copy" => copies(case, inputs),
        "matmul" => products(&case.args, inputs),
        "gram" => grams(&case.args, inputs),
        _ => decompositions::functions(kernel, &case.args, inputs),
    }
}

fn copies(case: &Case, inputs: &[Tensor]) -> Vec<(&'static str, Function)> {
    let moves =
        case.args.text("dtype", "same").is_ok_and(|dtype| dtype == "same" || dtype == case.dtype.name());
    if !moves || !inputs[0].is_contiguous() {
        return Vec::new();
    }
    let copy = |inputs: &[Tensor]| {
        let x = &inputs[0];
        with_element!(x.dtype(), T => Ok(vec![Tensor::from_slice(x.as_slice::<T>()?, x.shape())?]))
    };
    vec![("memcpy, one thread", Box::new(copy))]
}

/// Products without any of the extras that not every library has.
fn products(args: &Args, inputs: &[Tensor]) -> Vec<(&'static str, Function)> {
    let plain = args.float("alpha", 1.0) == Ok(1.0)
        && args.float("beta", 0.0) == Ok(0.0)
        && args.text("out_dtype", "auto") == Ok("auto");
    let (Ok(transpose_a), Ok(transpose_b)) =
        (args.bool("transpose_a", false), args.bool("transpose_b", false))
    else {
        return Vec::new();
    };
    if !plain || inputs[0].rank() != inputs[1].rank() || inputs[0].rank() > 3 {
        return Vec::new();
    }
    let oriented = move |inputs: &[Tensor]| {
        let turn = |tensor: &Tensor, flag| if flag { tensor.transpose() } else { Ok(tensor.clone()) };
        Ok((turn(&inputs[0], transpose_a)?, turn(&inputs[1], transpose_b)?))
    };
    by_library(inputs[0].dtype(), oriented)
}

/// `aᵀ a` as a general product: no library here has the symmetric one for all dtypes.
fn grams(args: &Args, inputs: &[Tensor]) -> Vec<(&'static str, Function)> {
    let plain = args.iter().next().is_none();
    if !plain || inputs[0].rank() > 3 {
        return Vec::new();
    }
    by_library(inputs[0].dtype(), |inputs| Ok((inputs[0].transpose()?, inputs[0].clone())))
}

fn by_library(
    dtype: DType,
    factors: impl Fn(&[Tensor]) -> Result<(Tensor, Tensor)> + Copy + 'static,
) -> Vec<(&'static str, Function)> {
    fn each<T: Real>(
        factors: impl Fn(&[Tensor]) -> Result<(Tensor, Tensor)> + Copy + 'static,
    ) -> Vec<(&'static str, Function)> {
        let libraries: [(&'static str, Library<T>); 4] = [
            ("faer", by_faer::<T>),
            ("gemm", by_gemm::<T>),
            ("nalgebra", by_nalgebra::<T>),
            ("matrixmultiply", T::by_matrixmultiply),
        ];
        let function = |(name, library): (&'static str, Library<T>)| -> (&'static str, Function) {
            (
                name,
                Box::new(move |inputs| {
                    factors(inputs).and_then(|(a, b)| Ok(vec![multiply(&a, &b, library)?]))
                }),
            )
        };
        libraries.map(function).into()
    }
    match dtype {
        DType::F32 => each::<f32>(factors),
        DType::F64 => each::<f64>(factors),
        _ => Vec::new(),
    }
}

/// `out[m, n] = a[m, k] b[k, n]`: `out` row-major, the factors with any strides of rows and columns.
pub(super) struct Problem<'d, T> {
    m: usize,
    n: usize,
    k: usize,
    a: (&'d [T], [usize; 2]),
    b: (&'d [T], [usize; 2]),
    out: &'d mut [T],
}

/// A library's product.
type Library<T> = fn(Problem<T>);

/// The product of two matrices, or of each of a batch of them.
fn multiply<T: Real>(a: &Tensor, b: &Tensor, library: Library<T>) -> Result<Tensor> {
    let rank = a.rank();
    let (m, k, n) = (a.dims()[rank - 2], a.dims()[rank - 1], b.dims()[rank - 1]);
    let dims = [&a.dims()[..rank - 2], &[m, n]].concat();
    let mut out = vec![T::zeroed(); dims.iter().product()];
    let batch: Range<usize> = if rank == 3 { 0..a.dims()[0] } else { 0..1 };
    let one =
        |tensor: &Tensor, index: usize| if rank == 3 { tensor.select(0, index) } else { Ok(tensor.clone()) };
    for index in batch {
        let (a, b) = (one(a, index)?, one(b, index)?);
        let out = &mut out[index * m * n..(index + 1) * m * n];
        library(Problem { m, n, k, a: matrix(&a)?, b: matrix(&b)?, out });
    }
    Tensor::from_vec(out, dims)
}

fn matrix<T: Real>(tensor: &Tensor) -> Result<(&[T], [usize; 2])> {
    let &[rows, columns] = tensor.strides() else { unreachable!("one matrix at a time") };
    let layout = tensor.layout();
    Ok((&tensor.host_elements::<T>()?[layout.offset()..layout.end()], [rows, columns]))
}

pub(super) trait Real: Element + RealField + nalgebra::RealField {
    const ONE: Self;
    const ZERO: Self;
    fn by_matrixmultiply(problem: Problem<Self>);
}

macro_rules! real {
    ($($real:ty, $function:path);*) => {$(
        impl Real for $real {
            const ONE: Self = 1.0;
            const ZERO: Self = 0.0;
            fn by_matrixmultiply(Problem { m, n, k, a, b, out }: Problem<Self>) {
                let strides = |strides: [usize; 2]| strides.map(|stride| stride as isize);
                let ([ra, ca], [rb, cb]) = (strides(a.1), strides(b.1));
                // SAFETY: the slices reach from the first to the last element of the strided matrices, as the layouts that they were
                // cut by say, and `out` is m rows of n, which nothing else refers to.
                unsafe {
                    $function(m, k, n, 1.0, a.0.as_ptr(), ra, ca, b.0.as_ptr(), rb, cb, 0.0, out.as_mut_ptr(), n as isize, 1);
                }
            }
        }
    )*};
}

real!(f32, matrixmultiply::sgemm; f64, matrixmultiply::dgemm);

fn by_faer<T: Real>(Problem { m, n, k, a, b, out }: Problem<T>) {
    fn view<T>((elements, [rows, columns]): (&[T], [usize; 2]), m: usize, n: usize) -> MatRef<'_, T> {
        // SAFETY: the slice reaches from the first to the last element of the strided matrix.
        unsafe { MatRef::from_raw_parts(elements.as_ptr(), m, n, rows as isize, columns as isize) }
    }
    let out = MatMut::from_row_major_slice_mut(out, m, n);
    matmul(out, Accum::Replace, view(a, m, k), view(b, k, n), T::ONE, Par::rayon(0));
}

fn by_gemm<T: Real>(Problem { m, n, k, a, b, out }: Problem<T>) {
    let strides = |strides: [usize; 2]| strides.map(|stride| stride as isize);
    let ([ra, ca], [rb, cb]) = (strides(a.1), strides(b.1));
    // SAFETY: the slices reach from the first to the last element of the strided matrices, and `out` is m rows of n, which
    // nothing else refers to.
    unsafe {
        let (a, b, out) = (a.0.as_ptr(), b.0.as_ptr(), out.as_mut_ptr());
        let parallelism = gemm::Parallelism::Rayon(0);
        gemm::gemm(
            m,
            n,
            k,
            out,
            1,
            n as isize,
            false,
            a,
            ca,
            ra,
            b,
            cb,
            rb,
            T::ZERO,
            T::ONE,
            false,
            false,
            false,
            parallelism,
        );
    }
}

fn by_nalgebra<T: Real>(Problem { m, n, k, a, b, out }: Problem<T>) {
    type View<'d, T> = nalgebra::MatrixView<'d, T, Dyn, Dyn, Dyn, Dyn>;
    fn view<T: Real>((elements, [rows, columns]): (&[T], [usize; 2]), m: usize, n: usize) -> View<'_, T> {
        View::from_slice_with_strides_generic(elements, Dyn(m), Dyn(n), Dyn(rows), Dyn(columns))
    }
    let (rows, columns, step) = (Dyn(m), Dyn(n), Dyn(n));
    let mut out = nalgebra::MatrixViewMut::<T, Dyn, Dyn, Dyn, Const<1>>::from_slice_with_strides_generic(
        out, rows, columns, step, Const::<1>,
    );
    out.gemm(T::ONE, &view(a, m, k), &view(b, k, n), T::ZERO);
}
