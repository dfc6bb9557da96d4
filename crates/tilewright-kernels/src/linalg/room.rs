//! Memory for matrices side by side.

use std::marker::PhantomData;
use std::ops::{Deref, DerefMut};

use pulp::Simd;

use super::lanes::{Lane, Lanes};

/// Memory for lanes. It begins with a cache line, so that no vector lies across two of them.
pub(super) struct Room<S: Simd, T: Lane> {
    lines: Vec<Line>,
    size: usize,
    of: PhantomData<Lanes<S, T>>,
}

#[derive(Clone, Copy, bytemuck::Zeroable)]
#[repr(C, align(64))]
struct Line([u8; 64]);

impl<S: Simd, T: Lane> Room<S, T> {
    /// Zeros.
    #[inline(always)]
    pub(super) fn zeros(_: S, size: usize) -> Self {
        const { assert!(size_of::<Lanes<S, T>>() == size_of::<T::Vector<S>>()) };
        const { assert!(align_of::<Lanes<S, T>>() <= align_of::<Line>()) };
        let bytes = size * size_of::<Lanes<S, T>>();
        Room { lines: bytemuck::zeroed_vec(bytes.div_ceil(size_of::<Line>())), size, of: PhantomData }
    }
}

impl<S: Simd, T: Lane> Deref for Room<S, T> {
    type Target = [Lanes<S, T>];

    #[inline(always)]
    fn deref(&self) -> &[Lanes<S, T>] {
        // SAFETY: the lines are as long as `size` lanes and at least as aligned. Lanes are a vector, of which any bytes are one, beside a token
        // of no size, one of which `zeros` was given.
        unsafe { std::slice::from_raw_parts(self.lines.as_ptr().cast(), self.size) }
    }
}

impl<S: Simd, T: Lane> DerefMut for Room<S, T> {
    #[inline(always)]
    fn deref_mut(&mut self) -> &mut [Lanes<S, T>] {
        // SAFETY: as above; whatever is written are bytes.
        unsafe { std::slice::from_raw_parts_mut(self.lines.as_mut_ptr().cast(), self.size) }
    }
}
