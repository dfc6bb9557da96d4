//! On the host: what is left over.

use tilewright_core::{Result, Tensor};

use super::super::host::{Matrices, Real};

/// The squares of the columns of `[.., m, p]`, which has elements.
pub(super) fn squares<T: Real>(rest: &Tensor, shape: Vec<usize>) -> Result<Tensor> {
    let (m, p) = (rest.dims()[rest.rank() - 2], rest.dims()[rest.rank() - 1]);
    let matrices = Matrices::<T>::new(rest)?;
    let mut squares = vec![T::ZERO; shape.iter().product()];
    for (item, squares) in squares.chunks_exact_mut(p).enumerate() {
        let rest = matrices.at(item);
        for i in 0..m {
            for (square, &x) in squares.iter_mut().zip(rest.row(i).iter()) {
                *square = square.minus_product(-x, x);
            }
        }
    }
    Tensor::from_vec(squares, shape)
}

/// Ranks out of the infos of triangular solves.
pub(super) fn ranks(info: &Tensor, n: usize) -> Result<Tensor> {
    let rank = |info: i32| if info == 0 { n as i32 } else { info - 1 };
    Tensor::from_vec::<i32>(info.to_vec::<i32>()?.into_iter().map(rank).collect(), info.dims())
}
