//! The caller's memory, and the only place that touches it.
//!
//! A Fortran routine is given addresses and extents and has to believe them. Each argument becomes an [`Array`] or [`Integers`] once, in
//! `symbols.rs`, under the promise that the documentation of every routine asks of its caller: the array has the elements that the extents,
//! the leading dimension and the increment say, what is read of it has been written, and no array that is written overlaps another one.
//! From there on the borrow checker keeps views apart: what writes borrows its array exclusively.

use faer::{MatMut, MatRef};

/// An array of numbers that a caller passed. An address of zero is an array without elements.
pub(crate) struct Array<T> {
    start: *mut T,
}

impl<T: Copy> Array<T> {
    /// # Safety
    /// For as long as the value lives, `start` is an array as the module describes it, of all the elements that the routine's documentation
    /// gives it for the arguments of this call.
    pub(crate) unsafe fn new(start: *mut T) -> Self {
        Array { start }
    }

    fn elements(&self, count: usize) -> *mut T {
        assert!(count == 0 || !self.start.is_null(), "an array argument that has elements is at address 0");
        if count == 0 { std::ptr::NonNull::dangling().as_ptr() } else { self.start }
    }

    /// A column-major matrix; `leading` is at least the number of its rows.
    pub(crate) fn matrix(&self, [m, n]: [usize; 2], leading: usize) -> MatRef<'_, T> {
        // SAFETY: by the promise to `new`, column j has m elements from j * leading on.
        unsafe { MatRef::from_raw_parts(self.elements(m * n), m, n, 1, leading as isize) }
    }

    pub(crate) fn matrix_mut(&mut self, [m, n]: [usize; 2], leading: usize) -> MatMut<'_, T> {
        // SAFETY: as in `matrix`; the array is borrowed exclusively, and columns do not overlap as `leading` is at least m.
        unsafe { MatMut::from_raw_parts_mut(self.elements(m * n), m, n, 1, leading as isize) }
    }

    /// A vector as a matrix of one column. Of a negative increment the last element comes first in memory.
    pub(crate) fn vector(&self, n: usize, increment: isize) -> MatRef<'_, T> {
        let start = self.elements(n);
        let first = if increment < 0 { n.saturating_sub(1) * increment.unsigned_abs() } else { 0 };
        // SAFETY: by the promise to `new`, there are n elements, `increment` apart, and `first` is the place of one of them, or 0.
        unsafe { MatRef::from_raw_parts(start.add(first), n, 1, increment, 0) }
    }

    /// As `vector`, of an increment that is not 0.
    pub(crate) fn vector_mut(&mut self, n: usize, increment: isize) -> MatMut<'_, T> {
        assert!(increment != 0 || n <= 1, "a vector that is written has an increment of 0");
        let start = self.elements(n);
        let first = if increment < 0 { n.saturating_sub(1) * increment.unsigned_abs() } else { 0 };
        // SAFETY: as in `vector`; the array is borrowed exclusively, and no two elements are in one place.
        unsafe { MatMut::from_raw_parts_mut(start.add(first), n, 1, increment, 0) }
    }

    /// The first elements.
    pub(crate) fn read(&self, n: usize) -> Vec<T> {
        self.vector(n, 1).col(0).iter().copied().collect()
    }

    /// Writes the first elements, which need not have been written before.
    pub(crate) fn write(&mut self, values: &[T]) {
        let start = self.elements(values.len());
        // SAFETY: by the promise to `new`; `values` is memory of ours.
        unsafe { std::ptr::copy_nonoverlapping(values.as_ptr(), start, values.len()) }
    }
}

/// An array of a caller's integers, or one of them, at any address.
pub(crate) struct Integers {
    start: Start,
}

enum Start {
    Narrow(*mut i32),
    Wide(*mut i64),
}

impl Integers {
    /// # Safety
    /// As for [`Array::new`].
    pub(crate) unsafe fn narrow(start: *mut i32) -> Self {
        Integers { start: Start::Narrow(start) }
    }

    /// # Safety
    /// As for [`Array::new`].
    pub(crate) unsafe fn wide(start: *mut i64) -> Self {
        Integers { start: Start::Wide(start) }
    }

    pub(crate) fn get(&self, index: usize) -> i64 {
        // SAFETY: by the promise to the constructor.
        unsafe {
            match self.start {
                Start::Narrow(start) => i64::from(start.add(index).read_unaligned()),
                Start::Wide(start) => start.add(index).read_unaligned(),
            }
        }
    }

    pub(crate) fn set(&mut self, index: usize, value: usize) {
        // SAFETY: by the promise to the constructor.
        unsafe {
            match self.start {
                Start::Narrow(start) => start.add(index).write_unaligned(value as i32),
                Start::Wide(start) => start.add(index).write_unaligned(value as i64),
            }
        }
    }
}
