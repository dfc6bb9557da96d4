//! On the host: small matrices by double steps of our own, one a thread; larger ones by faer's multishift steps.

use std::cmp::Ordering;

use faer::diag::DiagMut;
use faer::dyn_stack::{MemBuffer, MemStack};
use faer::linalg::evd::{ComputeEigenvectors, evd_real, evd_scratch};
use faer::{Mat, MatRef, Par};
use tilewright_core::{DType, Result, Stream, Tensor};

use super::super::extents::Extents;
use super::super::host::{Matrices, Real, for_each, largest_of, scaled};
use super::super::views::Spectrum;
use super::GeneralEigen;
use super::francis::{Schur, normalize};

/// Up to here double steps are as fast as several shifts at a time.
const SMALL: usize = 96;

/// The eigenvalues and eigenvectors. `a` has elements.
pub(super) fn eig<T: Real>(a: &Tensor, extents: &Extents, vectors: bool) -> Result<GeneralEigen> {
    let n = extents.n;
    let a = Matrices::<T>::new(a)?;
    let empty = |dtype, shape: Vec<usize>| Tensor::empty(&Stream::cpu(), dtype, shape);
    let (mut re, mut im) = (empty(T::DTYPE, extents.shape(&[n]))?, empty(T::DTYPE, extents.shape(&[n]))?);
    let mut info = empty(DType::I32, extents.batch.clone())?;
    let shape = if vectors { extents.shape(&[n, n]) } else { vec![0] };
    let (mut vectors_re, mut vectors_im) = (empty(T::DTYPE, shape.clone())?, empty(T::DTYPE, shape)?);
    let mut each_re = vectors_re.as_slice_mut::<T>()?.chunks_mut(n * n);
    let mut each_im = vectors_im.as_slice_mut::<T>()?.chunks_mut(n * n);
    let values = re.as_slice_mut::<T>()?.chunks_mut(n).zip(im.as_slice_mut::<T>()?.chunks_mut(n));
    let outputs = values.zip(info.as_slice_mut::<i32>()?);
    let items: Vec<_> = outputs
        .enumerate()
        .map(|(item, ((re, im), info))| Item {
            a: a.at(item),
            re,
            im,
            vectors_re: each_re.next().unwrap_or_default(),
            vectors_im: each_im.next().unwrap_or_default(),
            info,
        })
        .collect();
    for_each(items, n, Item::run);
    let [vectors_re, vectors_im] = [vectors_re, vectors_im].map(|part| vectors.then_some(part));
    Ok(GeneralEigen { re, im, vectors_re, vectors_im, info })
}

struct Item<'a, T> {
    a: MatRef<'a, T>,
    re: &'a mut [T],
    im: &'a mut [T],
    /// n x n row-major, or nothing; as the next.
    vectors_re: &'a mut [T],
    vectors_im: &'a mut [T],
    info: &'a mut i32,
}

/// The values of one matrix, and one column for each; of a pair of complex ones real and imaginary part of the first.
struct Found<T> {
    values: Vec<(T, T)>,
    columns: Vec<Vec<T>>,
}

impl<T: Real> Item<'_, T> {
    fn run(self, par: Par) {
        let size = largest_of(self.a);
        let vectors = !self.vectors_re.is_empty();
        let found = if size.finite() { find(self.a, size, vectors, par) } else { None };
        let Some(Found { values, columns }) = found else { return self.fail() };
        let size = if size == T::ZERO { T::ONE } else { size };
        for (place, e) in in_order(&values).into_iter().enumerate() {
            let (re, im) = values[e];
            (self.re[place], self.im[place]) = (re * size, im * size);
            if self.vectors_re.is_empty() {
                continue;
            }
            let second = im < T::ZERO;
            let first = e - usize::from(second);
            let n = columns.len();
            for (i, &real) in columns[first].iter().enumerate() {
                let imaginary = if im == T::ZERO { T::ZERO } else { columns[first + 1][i] };
                self.vectors_re[i * n + place] = real;
                self.vectors_im[i * n + place] = if second { -imaginary } else { imaginary };
            }
        }
        *self.info = 0;
    }

    fn fail(self) {
        [self.re, self.im, self.vectors_re, self.vectors_im].into_iter().for_each(|part| part.fill(T::NAN));
        *self.info = 1;
    }
}

fn find<T: Real>(a: MatRef<'_, T>, size: T, vectors: bool, par: Par) -> Option<Found<T>> {
    let a = scaled(a, size);
    if a.as_ref().nrows() > SMALL
        && let Some(found) = by_faer(a.as_ref(), vectors, par)
    {
        return Some(found);
    }
    let schur = schur(a.as_ref(), vectors)?;
    let columns = if vectors { columns(&schur) } else { Vec::new() };
    Some(Found { values: schur.values, columns })
}

fn schur<T: Real>(a: MatRef<'_, T>, vectors: bool) -> Option<Schur<T>> {
    let n = a.nrows();
    Schur::new(n, (0..n * n).map(|e| a[(e / n, e % n)]).collect(), vectors)
}

fn columns<T: Real>(schur: &Schur<T>) -> Vec<Vec<T>> {
    let n = schur.values.len();
    let (mut columns, mut unused) = (vec![vec![T::ZERO; n]; n], vec![T::ZERO; n]);
    for e in 0..n {
        let im = schur.values[e].1;
        if im == T::ZERO {
            schur.vector(e, &mut columns[e], &mut unused);
        } else if im > T::ZERO {
            let (first, second) = columns.split_at_mut(e + 1);
            schur.vector(e, &mut first[e], &mut second[0]);
        }
    }
    columns
}

/// The values of one matrix of the caller's, in the order of a Schur form, with the columns of right and of left vectors as LAPACK packs them:
/// real and imaginary part of the first of a pair. Columns that are not asked for may be absent.
pub(in super::super) fn single<T: Real>(
    a: MatRef<'_, T>,
    [right, left]: [bool; 2],
    par: Par,
) -> Option<Spectrum<T>> {
    let size = largest_of(a);
    if !size.finite() {
        return None;
    }
    let (mut values, sides) = if left {
        // Both from one Schur form, so that the vectors of either side belong to the values in their order.
        let form = schur(scaled(a, size).as_ref(), true)?;
        let mut left = columns(&form.transposed());
        left.reverse();
        for e in 0..left.len() {
            // y with aᵀ y = w y is the conjugate of the left vector; the columns of a pair were turned with the rest.
            if form.values[e].1 > T::ZERO {
                left.swap(e, e + 1);
                left[e + 1].iter_mut().for_each(|x| *x = -*x);
            }
        }
        let right = if right { columns(&form) } else { Vec::new() };
        (form.values, [right, left])
    } else {
        let found = find(a, size, right, par)?;
        (found.values, [found.columns, Vec::new()])
    };
    if size > T::ZERO {
        values.iter_mut().for_each(|(re, im)| (*re, *im) = (*re * size, *im * size));
    }
    Some((values, sides))
}

/// The larger modulus first, then the larger real part, then the larger imaginary one.
fn in_order<T: Real>(values: &[(T, T)]) -> Vec<usize> {
    let key = |e: usize| {
        let (re, im) = values[e];
        [modulus(re, im), re, im]
    };
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_by(|&i, &j| key(j).partial_cmp(&key(i)).expect("values are numbers"));
    order
}

/// No overflow, and no underflow that counts, on the way.
fn modulus<T: Real>(re: T, im: T) -> T {
    let (re, im) = (re.magnitude(), im.magnitude());
    let (more, fewer) = if re > im { (re, im) } else { (im, re) };
    let ratio = if more > T::ZERO { fewer / more } else { T::ZERO };
    more * (T::ONE + ratio * ratio).root()
}

/// `None` where what faer finds is not finite, as it guards its substitution against no growth, or not a decomposition, as it does not say
/// whether its steps ended.
fn by_faer<T: Real>(a: MatRef<'_, T>, vectors: bool, par: Par) -> Option<Found<T>> {
    let n = a.nrows();
    let compute = if vectors { ComputeEigenvectors::Yes } else { ComputeEigenvectors::No };
    let mut memory =
        MemBuffer::new(evd_scratch::<T>(n, ComputeEigenvectors::No, compute, par, Default::default()));
    let (mut re, mut im) = (vec![T::ZERO; n], vec![T::ZERO; n]);
    let mut u = vectors.then(|| Mat::<T>::zeros(n, n));
    evd_real(
        a,
        DiagMut::from_slice_mut(&mut re),
        DiagMut::from_slice_mut(&mut im),
        None,
        u.as_mut().map(|u| u.as_mut()),
        par,
        MemStack::new(&mut memory),
        Default::default(),
    )
    .ok()?;
    let values: Vec<_> = re.into_iter().zip(im).collect();
    // The sum of the values is the trace.
    let sum = values.iter().fold(T::ZERO, |sum, value| sum + value.0);
    let trace = (0..n).fold(T::ZERO, |sum, i| sum + a[(i, i)]);
    let near = (sum - trace).magnitude() <= T::from_count(n * n) * T::EPSILON;
    if !near || values.iter().any(|value| !value.0.finite() || !value.1.finite()) {
        return None;
    }
    let Some(u) = u else { return Some(Found { values, columns: Vec::new() }) };
    let mut columns: Vec<Vec<T>> = (0..n).map(|j| u.col(j).iter().copied().collect()).collect();
    let mut unused = vec![T::ZERO; n];
    for e in 0..n {
        if values[e].1 == T::ZERO {
            normalize(&mut columns[e], &mut unused, false);
        } else if values[e].1 > T::ZERO {
            let (first, second) = columns.split_at_mut(e + 1);
            normalize(&mut first[e], &mut second[0], true);
        }
    }
    let u = Mat::from_fn(n, n, |i, j| columns[j][i]);
    let sum_of = |j: usize| a.col(j).iter().fold(T::ZERO, |sum, x| sum + x.magnitude());
    let norm = (0..n).map(sum_of).fold(T::ZERO, |most, sum| if sum > most { sum } else { most });
    let mut product = Mat::<T>::zeros(n, n);
    faer::linalg::matmul::matmul(product.as_mut(), faer::Accum::Replace, a, u.as_ref(), T::ONE, par);
    for e in 0..n {
        let (re, im) = values[e];
        let other = if im > T::ZERO { e + 1 } else { e - usize::from(im < T::ZERO) };
        // The real and the imaginary part of a (x + i y) = (re + i im)(x + i y), in the columns e and the other one.
        let off = |i: usize| product[(i, e)] - re * u[(i, e)] + im * u[(i, other)];
        // A third of what the vectors are judged by.
        let error = (0..n).fold(T::ZERO, |sum, i| sum + off(i).magnitude());
        if error.partial_cmp(&(T::from_count(5 * n) * T::EPSILON * norm)).is_none_or(Ordering::is_gt) {
            return None;
        }
    }
    Some(Found { values, columns })
}
