//! Rows of the inputs on the host, whatever their strides and dtype.

use tilewright_core::{Element, Layout, Result, Tensor};

use super::lanes::Scalar;
use crate::gemm::number::{Number, Rounded};

/// A float that data may be, beside the type that gates, states and sums have.
pub(super) trait Data: Number<Sum: Scalar> + Rounded<Self::Sum> {}

impl<T: Number<Sum: Scalar> + Rounded<T::Sum>> Data for T {}

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
    layout: &'a Layout,
}

impl<'a, T: Element> Rows<'a, T> {
    pub(super) fn new(tensor: &'a Tensor) -> Result<Self> {
        Ok(Rows { elements: tensor.host_elements()?, layout: tensor.layout() })
    }

    /// Where row `t` of sequence `head` starts.
    fn start(&self, head: usize, t: usize) -> usize {
        let (nh, strides) = (self.layout.shape().dims()[1], self.layout.strides());
        self.layout.offset() + head / nh * strides[0] + head % nh * strides[1] + t * strides[2]
    }

    /// The one element of row `t`, of a tensor without an axis d.
    pub(super) fn scalar(&self, head: usize, t: usize) -> f64 {
        self.elements[self.start(head, t)].to_f64()
    }
}

impl<T: Number> Rows<'_, T> {
    /// Widens the rows from `first` on into `to`, as many as it holds of `d` elements each.
    pub(super) fn load(&self, head: usize, first: usize, d: usize, to: &mut [T::Sum]) {
        let stride = self.layout.strides()[3];
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
}
