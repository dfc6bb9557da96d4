//! The CPU paths of the family on single matrices of the caller's own, where they lie: views of `faer` instead of tensors.
//!
//! What LAPACK's interface is made of: in place, column-major with a leading dimension, no batch. A column-major view is one whose columns are
//! contiguous. `par` says how many threads may share a matrix; below some hundred rows one is fastest.

use faer::traits::RealField;
use faer::{Accum, MatMut, MatRef, Par};

use super::{cholesky, eig, eigh, elimination, estimate, householder, svd};
use crate::gemm::matmul::{shared, shared_lower, tasks};

/// Eigenvalues, real and imaginary part of each, and the columns of right and of left eigenvectors, of which those that were not asked for may
/// be absent. Conjugate pairs stand side by side, the one above the real axis first; its vector's real part is the first column, the imaginary
/// part the second.
pub type Spectrum<T> = (Vec<(T, T)>, [Vec<Vec<T>>; 2]);

mod sealed {
    pub trait Sealed {}
    impl Sealed for f32 {}
    impl Sealed for f64 {}
}

/// What matrices are computed in: f32 and f64.
pub trait Float: RealField + Copy + PartialOrd + sealed::Sealed {
    /// `out = alpha a b`, or that added to it.
    fn product(
        out: MatMut<'_, Self>,
        accumulate: Accum,
        a: MatRef<'_, Self>,
        b: MatRef<'_, Self>,
        alpha: Self,
        par: Par,
    );

    /// The lower triangle of a square [`product`](Self::product); above it nothing is written.
    fn product_lower(
        out: MatMut<'_, Self>,
        accumulate: Accum,
        a: MatRef<'_, Self>,
        b: MatRef<'_, Self>,
        alpha: Self,
        par: Par,
    );

    /// Makes a column-major `a` into unit lower triangular l and upper triangular u, with partial pivoting. `swaps`, as many as there are pivots:
    /// row k was exchanged with row `swaps[k]`, one after the other. A pivot that is zero is passed over.
    fn eliminate(a: MatMut<'_, Self>, swaps: &mut [usize], par: Par);

    /// A lower bound of the 1-norm of the inverse of an n x n matrix, n > 0, almost always within a factor of 3 of it, and the solution that shows it:
    /// LAPACK's `LACN2`. `solve(transpose, x)` makes x into `a⁻¹ x`, or `a⁻ᵀ x`.
    fn inverse_norm(n: usize, solve: impl FnMut(bool, MatMut<'_, Self>)) -> (Self, Vec<Self>);

    /// Exchanges rows as an elimination did.
    fn exchange(a: MatMut<'_, Self>, swaps: &[usize]);

    /// Makes the lower triangle of a column-major `a` into its lower factor; above the diagonal something may be written. The error is the pivot,
    /// from 0 on, that is not a positive number.
    fn cholesky(a: MatMut<'_, Self>, par: Par) -> Result<(), usize>;

    /// Makes a column-major `a` into r and, below its diagonal, the tails of the vectors of min(m, n) reflections `1 - tau v vᵀ`.
    fn reflect(a: MatMut<'_, Self>, tau: &mut [Self], par: Par);

    /// The product of all reflections, or its transpose, with `c`, in place; their vectors lie below the diagonal of a column-major `v`. With
    /// `identity`, c is the beginning of the identity.
    fn apply(
        v: MatRef<'_, Self>,
        tau: &[Self],
        transpose: bool,
        identity: bool,
        c: MatMut<'_, Self>,
        par: Par,
    );

    /// `a = u diag(s) vt` with n <= m; u is m x p for p of n or m, vt n x n, both row-major, or both empty. Whether it was decomposed; if not,
    /// all are NaN.
    fn svd(a: MatRef<'_, Self>, u_vt: [&mut [Self]; 2], s: &mut [Self], p: usize, par: Par) -> bool;

    /// The eigenvalues, rising, and eigenvectors, n x n row-major or nothing, of a symmetric matrix whose lower triangle is read. Whether it was
    /// decomposed; if not, all are NaN.
    fn eigh(a: MatRef<'_, Self>, values: &mut [Self], vectors: &mut [Self], par: Par) -> bool;

    /// Of a general matrix; with right and left eigenvectors where asked for. `None` where there is a NaN, an infinity or no convergence.
    fn eig(a: MatRef<'_, Self>, right_left: [bool; 2], par: Par) -> Option<Spectrum<Self>>;
}

/// How many pieces a product is cut into.
fn pieces(par: Par, work: usize) -> usize {
    if par.degree() > 1 { tasks(work) } else { 1 }
}

macro_rules! float {
    ($($real:ident)*) => {$(
        impl Float for $real {
            fn product(
                out: MatMut<'_, Self>,
                accumulate: Accum,
                a: MatRef<'_, Self>,
                b: MatRef<'_, Self>,
                alpha: Self,
                par: Par,
            ) {
                let work = out.nrows() * out.ncols() * a.ncols();
                shared(out, accumulate, a, b, alpha, pieces(par, work));
            }

            fn product_lower(
                out: MatMut<'_, Self>,
                accumulate: Accum,
                a: MatRef<'_, Self>,
                b: MatRef<'_, Self>,
                alpha: Self,
                par: Par,
            ) {
                let work = out.nrows() * out.ncols() * a.ncols() / 2;
                shared_lower(out, accumulate, a, b, alpha, pieces(par, work));
            }

            fn eliminate(a: MatMut<'_, Self>, swaps: &mut [usize], par: Par) {
                elimination::eliminate(a, swaps, par);
            }

            fn inverse_norm(n: usize, solve: impl FnMut(bool, MatMut<'_, Self>)) -> (Self, Vec<Self>) {
                estimate::inverse_norm(n, solve)
            }

            fn exchange(a: MatMut<'_, Self>, swaps: &[usize]) {
                elimination::exchange(a, swaps, Par::Seq);
            }

            fn cholesky(a: MatMut<'_, Self>, par: Par) -> Result<(), usize> {
                cholesky::single(a, par)
            }

            fn reflect(a: MatMut<'_, Self>, tau: &mut [Self], par: Par) {
                householder::reflect(a, tau, par);
            }

            fn apply(
                v: MatRef<'_, Self>,
                tau: &[Self],
                transpose: bool,
                identity: bool,
                c: MatMut<'_, Self>,
                par: Par,
            ) {
                householder::apply_all(v, tau, transpose, identity, c, par);
            }

            fn svd(a: MatRef<'_, Self>, u_vt: [&mut [Self]; 2], s: &mut [Self], p: usize, par: Par) -> bool {
                svd::single(a, u_vt, s, p, par)
            }

            fn eigh(a: MatRef<'_, Self>, values: &mut [Self], vectors: &mut [Self], par: Par) -> bool {
                eigh::single(a, values, vectors, par)
            }

            fn eig(a: MatRef<'_, Self>, right_left: [bool; 2], par: Par) -> Option<Spectrum<Self>> {
                eig::single(a, right_left, par)
            }
        }
    )*};
}

float!(f32 f64);
