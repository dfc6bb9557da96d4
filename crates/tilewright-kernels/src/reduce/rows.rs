//! The rows of a tensor: what lies along one axis, from any layout.

use std::borrow::Cow;

use rayon::prelude::*;
use tilewright_core::{DType, Device, Element, Error, Result, Stream, Tensor};

use crate::arguments::{check_f64, check_tensor};
use crate::parallel::Each;

/// Elements below which threads cost more than they give.
const SERIAL: usize = 1 << 15;

/// A tensor whose axis of interest has been moved last. A view.
pub(super) struct Rows {
    /// `[.., n]`, any strides.
    pub(super) x: Tensor,
    /// Where the axis was.
    axis: usize,
    /// The number of rows: the product of the other extents.
    pub(super) rows: usize,
    /// The extent of the axis.
    pub(super) n: usize,
}

impl Rows {
    /// Checks device, dtype, rank and axis; a negative axis counts from the end.
    pub(super) fn new(
        operation: &'static str,
        stream: &Stream,
        x: &Tensor,
        axis: i64,
        dtypes: &[DType],
    ) -> Result<Self> {
        check_tensor(operation, "x", stream, x, dtypes)?;
        check_f64(operation, stream.device(), x.dtype())?;
        let rank = x.rank() as i64;
        if rank == 0 {
            return Err(Error::shape(operation, "x", "at least 1 axis", x.shape()));
        }
        if !(-rank..rank).contains(&axis) {
            return Err(Error::range(operation, "axis", format!("-{rank}..{rank}"), axis));
        }
        let axis = axis.rem_euclid(rank) as usize;
        let mut order: Vec<usize> = (0..x.rank()).filter(|&other| other != axis).collect();
        let rows = order.iter().map(|&other| x.dims()[other]).product();
        order.push(axis);
        Ok(Self { x: x.permute(&order)?, axis, rows, n: x.dims()[axis] })
    }

    /// Fails on rows without elements, which `operation` has no value for.
    pub(super) fn require_elements(&self, operation: &'static str) -> Result<()> {
        if self.n == 0 && self.rows > 0 {
            let expected = "at least 1 element along the axis";
            return Err(Error::shape(operation, "x", expected, self.restored_shape(0)));
        }
        Ok(())
    }

    /// The shape without the axis.
    pub(super) fn reduced(&self) -> &[usize] {
        &self.x.dims()[..self.x.rank() - 1]
    }

    /// The shape with `n` elements along the axis, which is last.
    pub(super) fn with_extent(&self, n: usize) -> Vec<usize> {
        [self.reduced(), &[n]].concat()
    }

    fn restored_shape(&self, n: usize) -> String {
        let mut dims = self.reduced().to_vec();
        dims.insert(self.axis, n);
        format!("{dims:?}")
    }

    /// Host memory for a result of the shape of the rows.
    pub(super) fn fresh(&self) -> Result<Tensor> {
        Tensor::empty(&Stream::cpu(), self.x.dtype(), self.x.shape())
    }

    /// Moves the last axis of a result back to where it was. A view.
    pub(super) fn restore(&self, result: Tensor) -> Result<Tensor> {
        let last = result.rank() - 1;
        let mut order: Vec<usize> = (0..last).collect();
        order.insert(self.axis, last);
        result.permute(&order)
    }

    /// The rows in host memory. Copies only where the elements of a row are not adjacent, or the rows not evenly spaced.
    pub(super) fn host<T: Element>(&self) -> Result<HostRows<'_, T>> {
        let (rows, n) = (self.rows, self.n);
        let elements = self.x.host_elements::<T>()?;
        if self.x.is_empty() {
            return Ok(HostRows { data: Cow::Borrowed(&[]), pitch: 0, rows, n });
        }
        let offset = self.x.layout().offset();
        Ok(match self.pitch() {
            Some(pitch) => HostRows { data: Cow::Borrowed(&elements[offset..]), pitch, rows, n },
            None => HostRows { data: Cow::Owned(self.gathered(elements)), pitch: n, rows, n },
        })
    }

    /// Elements from one row to the next, where the rows are contiguous and evenly spaced.
    fn pitch(&self) -> Option<usize> {
        let (dims, strides) = (self.x.dims(), self.x.strides());
        let last = dims.len() - 1;
        if self.n > 1 && strides[last] != 1 {
            return None;
        }
        let mut pitch = None;
        let mut below = 1;
        for axis in (0..last).rev().filter(|&axis| dims[axis] > 1) {
            let pitch = *pitch.get_or_insert(strides[axis]);
            if strides[axis] != pitch * below {
                return None;
            }
            below *= dims[axis];
        }
        Some(pitch.unwrap_or(self.n))
    }

    /// A copy with contiguous rows. Neighbouring rows, adjacent in memory when the axis is not, are gathered together.
    fn gathered<T: Element>(&self, elements: &[T]) -> Vec<T> {
        const TOGETHER: usize = 16;
        let last = self.x.rank() - 1;
        let stride = self.x.strides()[last];
        let first = self.x.slice(last, 0..1).expect("a row has an element");
        let starts: Vec<usize> = first.layout().indices().collect();
        let mut copy = vec![T::zeroed(); self.rows * self.n];
        copy.par_chunks_mut(TOGETHER * self.n).zip(starts.par_chunks(TOGETHER)).each(&|(copy, starts)| {
            for j in 0..self.n {
                for (r, start) in starts.iter().enumerate() {
                    copy[r * self.n + j] = elements[start + j * stride];
                }
            }
        });
        copy
    }
}

/// Fails on f64 where `operation` would need an exponential of it on a GPU.
pub(super) fn check_exponential(operation: &'static str, device: Device, dtype: DType) -> Result<()> {
    if dtype == DType::F64 && device != Device::Cpu {
        return Err(Error::unsupported(operation, device, "the Metal dialect has no exponential of f64"));
    }
    Ok(())
}

/// Fails unless `index`, the dtype of positions along the axis, is u32 or i64 and holds every position.
pub(super) fn check_index(operation: &'static str, index: DType, n: usize) -> Result<()> {
    match index {
        DType::U32 | DType::I64 if n <= u32::MAX as usize => Ok(()),
        DType::U32 | DType::I64 => {
            Err(Error::shape(operation, "x", "fewer than 2^32 elements along the axis", format!("[{n}]")))
        }
        other => Err(Error::dtype(operation, "index", "u32, i64", other)),
    }
}

/// A tensor of positions, of dtype u32 or i64, on the host.
pub(super) fn positions(positions: Vec<u32>, index: DType, shape: &[usize]) -> Result<Tensor> {
    match index {
        DType::U32 => Tensor::from_vec(positions, shape),
        _ => Tensor::from_vec(positions.into_iter().map(i64::from).collect(), shape),
    }
}

/// Evenly spaced contiguous rows in host memory.
pub(super) struct HostRows<'a, T: Element> {
    data: Cow<'a, [T]>,
    pitch: usize,
    pub(super) rows: usize,
    pub(super) n: usize,
}

impl<T: Element> HostRows<'_, T> {
    /// The elements of one row.
    pub(super) fn row(&self, row: usize) -> &[T] {
        &self.data[row * self.pitch..][..self.n]
    }

    /// Calls `each` on every row, on all threads where that pays, and gives the results in order.
    pub(super) fn map<R: Send>(&self, each: impl Fn(&[T]) -> R + Sync) -> Vec<R> {
        if self.rows * self.n <= SERIAL {
            return (0..self.rows).map(|row| each(self.row(row))).collect();
        }
        let at_least = (SERIAL / self.n).max(1);
        (0..self.rows).into_par_iter().with_min_len(at_least).each_made(&|row| each(self.row(row))).collect()
    }

    /// Calls `each` on every row and the row of `result`, `[rows, n]`, beside it, on all threads where that pays.
    pub(super) fn zip<R: Send>(&self, result: &mut [R], each: impl Fn(&[T], &mut [R]) + Sync) {
        if self.rows * self.n == 0 {
            return;
        }
        let at_least = if self.rows * self.n <= SERIAL { self.rows } else { (SERIAL / self.n).max(1) };
        let rows = result.par_chunks_exact_mut(self.n).enumerate().with_min_len(at_least);
        rows.each(&|(row, result)| each(self.row(row), result));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counting(dims: &[usize]) -> Tensor {
        Tensor::from_vec((0..dims.iter().product::<usize>() as i32).collect(), dims).unwrap()
    }

    fn rows_of(x: &Tensor, axis: i64) -> Vec<Vec<i32>> {
        let rows = Rows::new("test", &Stream::cpu(), x, axis, &[DType::I32]).unwrap();
        rows.host::<i32>().unwrap().map(<[i32]>::to_vec)
    }

    #[test]
    fn rows_of_every_layout_are_the_same_rows() {
        let x = counting(&[3, 4, 35]);
        for axis in 0..3 {
            let dims = x.dims();
            let strides = [140, 35, 1];
            let others: Vec<usize> = (0..3).filter(|&other| other != axis).collect();
            let expected: Vec<Vec<i32>> = (0..dims[others[0]])
                .flat_map(|i| (0..dims[others[1]]).map(move |j| (i, j)))
                .map(|(i, j)| {
                    let start = i * strides[others[0]] + j * strides[others[1]];
                    (0..dims[axis]).map(|k| (start + k * strides[axis]) as i32).collect()
                })
                .collect();
            assert_eq!(rows_of(&x, axis as i64), expected, "axis {axis}");
            assert_eq!(rows_of(&x, axis as i64 - 3), expected, "axis {}", axis as i64 - 3);
        }
        let padded = counting(&[3, 10]).slice(1, 2..9).unwrap();
        assert_eq!(rows_of(&padded, -1)[2], (22..29).collect::<Vec<_>>());
        let repeated = counting(&[4]).broadcast_to([3, 4]).unwrap();
        assert_eq!(rows_of(&repeated, 1), vec![vec![0, 1, 2, 3]; 3]);
        assert_eq!(rows_of(&repeated, 0)[1], [1, 1, 1]);
    }

    #[test]
    fn evenly_spaced_rows_are_not_copied() {
        let borrowed = |x: &Tensor, axis| {
            let rows = Rows::new("test", &Stream::cpu(), x, axis, &[DType::I32]).unwrap();
            matches!(rows.host::<i32>().unwrap().data, Cow::Borrowed(_))
        };
        assert!(borrowed(&counting(&[2, 3, 4]), 2));
        assert!(borrowed(&counting(&[2, 8]).slice(1, 1..5).unwrap(), 1));
        assert!(!borrowed(&counting(&[2, 3, 4]), 1));
        assert!(!borrowed(&counting(&[2, 3, 4]).slice(1, 0..2).unwrap(), 2));
    }
}
