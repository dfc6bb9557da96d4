//! Rows of the inputs on the host, whatever their strides and dtype.

use tilewright_core::{Element, Result, Tensor};

use super::lanes::Scalar;
use crate::gemm::number::{Number, Rounded};

/// A float that data may be, beside the type that gates, states and sums have.
pub(super) trait Data: Number<Sum: Scalar> + Rounded<Self::Sum> {}

impl<T: Number<Sum: Scalar> + Rounded<T::Sum>> Data for T {}

/// Whether sums leave as they are.
pub(super) fn is_sum<T: Data>() -> bool {
    T::DTYPE == T::Sum::DTYPE
}

/// Where sums that leave as `T` are made: where they go to, if they leave as they are, else at `place`.
pub(super) fn own<'t, T: Data>(to: &'t mut [T], place: &'t mut [T::Sum]) -> &'t mut [T::Sum] {
    if is_sum::<T>() { bytemuck::cast_slice_mut(to) } else { place }
}

/// Runs `$body` with `$T` bound to the type of the data, whose dtype has been checked.
macro_rules! with_data {
    ($dtype:expr, $T:ident => $body:expr) => {{
        use tilewright_core::DType;
        macro_rules! arm {
            ($float:ty) => {{
                type $T = $float;
                $body
            }};
        }
        match $dtype {
            DType::F64 => arm!(f64),
            DType::F32 => arm!(f32),
            DType::F16 => arm!(tilewright_core::f16),
            _ => arm!(tilewright_core::bf16),
        }
    }};
}

pub(super) use with_data;

/// A host tensor `[b, nh, s, d]` as rows of d elements, or `[b, nh, s]` as rows of one.
pub(super) struct Rows<'a, T> {
    elements: &'a [T],
    nh: usize,
    offset: usize,
    /// Of b, nh, s and d.
    strides: [usize; 4],
}

impl<'a, T: Element> Rows<'a, T> {
    pub(super) fn new(tensor: &'a Tensor) -> Result<Self> {
        let layout = tensor.layout();
        let mut strides = [1; 4];
        strides[..tensor.rank()].copy_from_slice(layout.strides());
        Ok(Rows { elements: tensor.host_elements()?, nh: tensor.dims()[1], offset: layout.offset(), strides })
    }

    /// Where row `t` of sequence `head` starts.
    fn start(&self, head: usize, t: usize) -> usize {
        let strides = &self.strides;
        self.offset + head / self.nh * strides[0] + head % self.nh * strides[1] + t * strides[2]
    }

    /// The one element of row `t`, of a tensor without an axis d.
    pub(super) fn scalar(&self, head: usize, t: usize) -> f64 {
        self.elements[self.start(head, t)].to_f64()
    }
}

impl<'a, T: Number> Rows<'a, T> {
    /// Widens the rows from `first` on into `to`, as many as it holds of `d` elements each.
    pub(super) fn load(&self, head: usize, first: usize, d: usize, to: &mut [T::Sum]) {
        let stride = self.strides[3];
        if d == 0 {
            return;
        }
        for (row, to) in to.chunks_exact_mut(d).enumerate() {
            let from = &self.elements[self.start(head, first + row)..];
            if stride == 1 {
                T::widen(&from[..d], to);
            } else {
                for (index, to) in to.iter_mut().enumerate() {
                    T::widen(&from[index * stride..][..1], std::slice::from_mut(to));
                }
            }
        }
    }

    /// The rows from `first` on, as many as `place` holds: where they lie, if they are sums that follow one another, otherwise [loaded](Self::load) there.
    pub(super) fn view<'t>(
        &self,
        head: usize,
        first: usize,
        d: usize,
        place: &'t mut [T::Sum],
    ) -> &'t [T::Sum]
    where
        'a: 't,
    {
        if !place.is_empty() && self.strides[3] == 1 && self.strides[2] == d {
            let elements = &self.elements[self.start(head, first)..][..place.len()];
            if let Some(sums) = T::as_sums(elements) {
                return sums;
            }
        }
        self.load(head, first, d, place);
        place
    }
}
