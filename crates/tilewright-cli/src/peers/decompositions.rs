//! Decompositions and solvers of Rust libraries as peers.
//!
//! Their results lie by columns, and are handed on so, as transposed views. The matrices of a batch are one parallel loop.

use std::cmp::Ordering::Equal;

use faer::linalg::solvers::{DenseSolveCore, Llt, PartialPivLu, Qr, SelfAdjointEigen, Solve, Svd};
use faer::{MatRef, Par, Side};
use nalgebra::DMatrix;
use rayon::prelude::*;
use tilewright_core::{Args, DType, Device, Error, Result, Tensor};

use super::Function;
use super::libraries::Real;

/// One matrix or vector of a result.
enum Part<T> {
    /// By columns.
    Matrix(Vec<T>, [usize; 2]),
    Vector(Vec<T>),
    /// Nothing to say: zero, or the peer would have failed.
    Info,
}

type Library<T> = fn(&str, &[T], &[T], [usize; 3]) -> Option<Vec<Part<T>>>;

/// The libraries that know this problem.
pub(super) fn functions(
    kernel: &'static str,
    args: &Args,
    inputs: &[Tensor],
) -> Vec<(&'static str, Function)> {
    let plain = args.iter().next().is_none();
    if !plain || inputs.iter().any(|input| !input.is_contiguous()) {
        return Vec::new();
    }
    match inputs[0].dtype() {
        DType::F32 => each::<f32>(kernel, &inputs[0]),
        DType::F64 => each::<f64>(kernel, &inputs[0]),
        _ => Vec::new(),
    }
}

fn each<T: Real>(kernel: &'static str, a: &Tensor) -> Vec<(&'static str, Function)> {
    let single: [(&str, Par, Library<T>); 3] = [
        ("faer", Par::rayon(0), by_faer),
        ("faer, one thread", Par::Seq, by_faer),
        ("nalgebra", Par::Seq, by_nalgebra),
    ];
    let batch: [(&str, Par, Library<T>); 2] =
        [("faer + rayon", Par::Seq, by_faer), ("nalgebra + rayon", Par::Seq, by_nalgebra)];
    let libraries = if a.rank() == 2 { &single[..] } else { &batch[..] };
    let function = |&(name, par, library): &(&'static str, Par, Library<T>)| -> (&'static str, Function) {
        (
            name,
            Box::new(move |inputs| {
                faer::set_global_parallelism(par);
                solve_each(kernel, inputs, library)
            }),
        )
    };
    libraries.iter().map(function).collect()
}

fn solve_each<T: Real>(kernel: &str, inputs: &[Tensor], library: Library<T>) -> Result<Vec<Tensor>> {
    let rank = inputs[0].rank();
    let (batch, dims) = inputs[0].dims().split_at(rank - 2);
    let right = inputs.get(1).map(|b| if b.rank() == rank { b.dims()[rank - 1] } else { 1 });
    let shape = [dims[0], dims[1], right.unwrap_or(0)];
    let a = inputs[0].as_slice::<T>()?;
    let b = inputs.get(1).map_or(Ok(&[][..]), |b| b.as_slice::<T>())?;
    let one = |item: usize| {
        let part = |size: usize| item * size..(item + 1) * size;
        library(kernel, &a[part(dims[0] * dims[1])], &b[part(dims[0] * shape[2])], shape)
    };
    let count: usize = batch.iter().product();
    let results: Option<Vec<Vec<Part<T>>>> =
        if rank == 2 { one(0).map(|only| vec![only]) } else { (0..count).into_par_iter().map(one).collect() };
    let results = results.ok_or_else(|| {
        Error::unsupported("peer", Device::Cpu, "the library has no such function, or it failed")
    })?;
    let width = results.first().map_or(0, Vec::len);
    (0..width).map(|index| stacked(batch, results.iter().map(|parts| &parts[index]))).collect()
}

fn stacked<'p, T: Real>(batch: &[usize], parts: impl Iterator<Item = &'p Part<T>>) -> Result<Tensor> {
    let mut values = Vec::new();
    let mut shape = batch.to_vec();
    let mut kind = None;
    for part in parts {
        match part {
            Part::Matrix(elements, dims) => {
                values.extend_from_slice(elements);
                kind = Some([dims[1], dims[0]]);
            }
            Part::Vector(elements) => {
                values.extend_from_slice(elements);
                shape = [batch, &[elements.len()]].concat();
            }
            Part::Info => return Tensor::from_vec(vec![0i32; batch.iter().product()], batch),
        }
    }
    match kind {
        Some(dims) => Tensor::from_vec(values, [batch, &dims].concat())?.transpose(),
        None => Tensor::from_vec(values, shape),
    }
}

fn by_columns<T: Real>(a: MatRef<T>) -> Part<T> {
    let columns = a.col_iter().flat_map(|column| (0..a.nrows()).map(move |row| column[row]));
    Part::Matrix(columns.collect(), [a.nrows(), a.ncols()])
}

fn by_faer<T: Real>(kernel: &str, a: &[T], b: &[T], [m, n, right]: [usize; 3]) -> Option<Vec<Part<T>>> {
    let a = MatRef::from_row_major_slice(a, m, n);
    Some(match kernel {
        "cholesky" => vec![by_columns(Llt::new(a, Side::Lower).ok()?.L()), Part::Info],
        "solve" => {
            let x = PartialPivLu::new(a).solve(MatRef::from_row_major_slice(b, m, right));
            vec![by_columns(x.as_ref()), Part::Info]
        }
        "inverse" => vec![by_columns(PartialPivLu::new(a).inverse().as_ref()), Part::Info],
        "qr" => {
            let factors = Qr::new(a);
            vec![by_columns(factors.thin_R()), by_columns(factors.compute_thin_Q().as_ref())]
        }
        "eigh" => {
            let found = SelfAdjointEigen::new(a, Side::Lower).ok()?;
            let values = found.S().column_vector().iter().copied().collect();
            vec![Part::Vector(values), Part::Info, by_columns(found.U())]
        }
        "svd" => {
            let found = Svd::new_thin(a).ok()?;
            let values = found.S().column_vector().iter().copied().collect();
            vec![Part::Vector(values), Part::Info, by_columns(found.U()), by_columns(found.V().transpose())]
        }
        _ => return None,
    })
}

fn by_nalgebra<T: Real>(kernel: &str, a: &[T], b: &[T], [m, n, right]: [usize; 3]) -> Option<Vec<Part<T>>> {
    let matrix = |a: &DMatrix<T>| Part::Matrix(a.as_slice().to_vec(), [a.nrows(), a.ncols()]);
    let a = DMatrix::from_row_slice(m, n, a);
    Some(match kernel {
        "cholesky" => vec![matrix(&a.cholesky()?.l()), Part::Info],
        "solve" => vec![matrix(&a.lu().solve(&DMatrix::from_row_slice(m, right, b))?), Part::Info],
        "inverse" => vec![matrix(&a.try_inverse()?), Part::Info],
        "qr" => {
            let factors = a.qr();
            vec![matrix(&factors.r()), matrix(&factors.q())]
        }
        "eigh" => {
            let found = a.symmetric_eigen();
            let mut order: Vec<usize> = (0..n).collect();
            order.sort_by(|&i, &j| found.eigenvalues[i].partial_cmp(&found.eigenvalues[j]).unwrap_or(Equal));
            let values = order.iter().map(|&i| found.eigenvalues[i]).collect();
            vec![Part::Vector(values), Part::Info, matrix(&found.eigenvectors.select_columns(&order))]
        }
        "svd" => {
            let found = a.svd(true, true);
            let values = found.singular_values.as_slice().to_vec();
            vec![Part::Vector(values), Part::Info, matrix(found.u.as_ref()?), matrix(found.v_t.as_ref()?)]
        }
        _ => return None,
    })
}
