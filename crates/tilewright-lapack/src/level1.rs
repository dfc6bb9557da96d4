//! Vectors: the first level of BLAS. None of it refuses an argument; a vector of no or fewer elements is empty.

use faer::{Accum, Mat, Par};

use crate::call::Outcome;
use crate::memory::Array;
use crate::real::{Real, largest};

fn count(n: i64) -> usize {
    n.max(0) as usize
}

/// `xᵀ y`
pub(crate) fn dot<T: Real>(n: i64, x: Array<T>, incx: i64, y: Array<T>, incy: i64) -> Outcome<T> {
    let n = count(n);
    let mut sum = Mat::zeros(1, 1);
    if n > 0 {
        let (x, y) = (x.vector(n, incx as isize), y.vector(n, incy as isize));
        T::product(sum.as_mut(), Accum::Replace, x.transpose(), y, T::ONE, Par::Seq);
    }
    Ok(sum[(0, 0)])
}

/// `y = alpha x + y`
pub(crate) fn axpy<T: Real>(n: i64, alpha: T, x: Array<T>, incx: i64, mut y: Array<T>, incy: i64) -> Outcome {
    let n = count(n);
    if n > 0 && alpha != T::ZERO {
        let (x, mut y) = (x.vector(n, incx as isize), y.vector_mut(n, incy as isize));
        for (y, &x) in y.as_mut().col_mut(0).iter_mut().zip(x.col(0).iter()) {
            *y += alpha * x;
        }
    }
    Ok(())
}

/// `x = alpha x`
pub(crate) fn scal<T: Real>(n: i64, alpha: T, mut x: Array<T>, incx: i64) -> Outcome {
    if incx > 0 {
        let mut x = x.vector_mut(count(n), incx as isize);
        x.as_mut().col_mut(0).iter_mut().for_each(|x| *x *= alpha);
    }
    Ok(())
}

/// `y = x`
pub(crate) fn copy<T: Real>(n: i64, x: Array<T>, incx: i64, mut y: Array<T>, incy: i64) -> Outcome {
    let (x, mut y) = (x.vector(count(n), incx as isize), y.vector_mut(count(n), incy as isize));
    y.as_mut().col_mut(0).iter_mut().zip(x.col(0).iter()).for_each(|(y, &x)| *y = x);
    Ok(())
}

/// Exchanges x and y.
pub(crate) fn swap<T: Real>(n: i64, mut x: Array<T>, incx: i64, mut y: Array<T>, incy: i64) -> Outcome {
    let (mut x, mut y) = (x.vector_mut(count(n), incx as isize), y.vector_mut(count(n), incy as isize));
    let (x, y) = (x.as_mut().col_mut(0), y.as_mut().col_mut(0));
    x.iter_mut().zip(y.iter_mut()).for_each(|(x, y)| std::mem::swap(x, y));
    Ok(())
}

/// Turns each (x, y) by a rotation.
pub(crate) fn rot<T: Real>(
    n: i64,
    mut x: Array<T>,
    incx: i64,
    mut y: Array<T>,
    incy: i64,
    cosine: T,
    sine: T,
) -> Outcome {
    let (mut x, mut y) = (x.vector_mut(count(n), incx as isize), y.vector_mut(count(n), incy as isize));
    let (x, y) = (x.as_mut().col_mut(0), y.as_mut().col_mut(0));
    for (x, y) in x.iter_mut().zip(y.iter_mut()) {
        (*x, *y) = (cosine * *x + sine * *y, cosine * *y - sine * *x);
    }
    Ok(())
}

/// The elements of a vector whose increment has to be positive.
fn elements<T: Real>(n: i64, x: &Array<T>, incx: i64) -> impl Iterator<Item = T> {
    let n = if incx > 0 { count(n) } else { 0 };
    x.vector(n, incx as isize).col(0).iter().copied()
}

/// `|x|`, without overflow on the way.
pub(crate) fn nrm2<T: Real>(n: i64, x: Array<T>, incx: i64) -> Outcome<T> {
    Ok(euclidean(|| elements(n, &x, incx)))
}

/// The root of the sum of squares, scaled where squares leave the range.
pub(crate) fn euclidean<T: Real, I: Iterator<Item = T>>(elements: impl Fn() -> I) -> T {
    let plain: T = elements().map(|x| x * x).sum();
    // Above the second bound no square overflowed, above the first one none that counts was lost.
    if plain > T::SAFE_MINIMUM / (T::EPSILON * T::EPSILON) && plain < T::LARGEST {
        return plain.root();
    }
    let size = largest(elements().map(T::magnitude));
    if size == T::ZERO || !size.finite() {
        return size;
    }
    let squares = elements().map(|x| (x / size) * (x / size));
    size * squares.sum::<T>().root()
}

/// The sum of absolute values.
pub(crate) fn asum<T: Real>(n: i64, x: Array<T>, incx: i64) -> Outcome<T> {
    Ok(elements(n, &x, incx).fold(T::ZERO, |sum, x| sum + x.magnitude()))
}

/// The place, counted from 1, of the first of the largest absolute values; 0 of no elements.
pub(crate) fn amax<T: Real>(n: i64, x: Array<T>, incx: i64) -> Outcome<i64> {
    let (mut place, mut most) = (0, T::ZERO);
    for (i, x) in elements(n, &x, incx).map(T::magnitude).enumerate() {
        if i == 0 || x > most {
            (place, most) = (i as i64 + 1, x);
        }
    }
    Ok(place)
}
