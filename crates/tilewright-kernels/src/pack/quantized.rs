//! A tensor in blocks of small numbers: its values, its scales, and how they were made.

use tilewright_core::{DType, Device, Error, Result, Stream, Tensor};

use super::dequantize::{Dequantize, dequantize};
use super::quantize::{Format, Quantize, extents, quantize};
use super::requantize::requantize;
use crate::arguments::check_dtype;

const NAME: &str = "quantized tensor";

/// A tensor `[.., n]` as [`quantize`] writes it.
///
/// ```
/// use tilewright_core::{DType, Stream, Tensor};
/// use tilewright_kernels::pack::{Quantize, Quantized};
///
/// let cpu = Stream::cpu();
/// let x = Tensor::from_vec((0..64).map(|at| at as f32).collect::<Vec<_>>(), [2, 32])?;
/// let small = Quantized::of(&cpu, &x, &Quantize::default())?;
/// assert_eq!((small.dims(), small.bytes()), (vec![2, 32], 64 + 8));
/// let back = small.to_float(&cpu, DType::F32)?.to_vec::<f32>()?;
/// assert!(back.iter().enumerate().all(|(at, back)| (back - at as f32).abs() < 0.26));
/// # Ok::<(), tilewright_core::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct Quantized {
    pub(crate) values: Tensor,
    pub(crate) scales: Tensor,
    n: usize,
    args: Quantize,
}

impl Quantized {
    /// Of parts `[.., n]`, or `[.., ceil(n / 2)]` of 4 bits, and `[.., ceil(n / block)]`. Fails where dtypes, shapes or devices do not fit.
    pub fn new(values: Tensor, scales: Tensor, n: usize, args: Quantize) -> Result<Self> {
        let [width, _, blocks] = extents(NAME, n, args.format, args.bits, args.block)?;
        check_dtype(NAME, "values", values.dtype(), &[args.format.stored(args.bits).0])?;
        check_dtype(NAME, "scales", scales.dtype(), &[DType::F32])?;
        let outer = match values.dims().split_last() {
            Some((&last, outer)) if last == width => outer,
            _ => return Err(Error::shape(NAME, "values", format!("[.., {width}]"), values.shape())),
        };
        let expected = [outer, &[blocks]].concat();
        if scales.dims() != expected {
            return Err(Error::shape(NAME, "scales", format!("{expected:?}"), scales.shape()));
        }
        if scales.device() != values.device() {
            return Err(Error::layout(NAME, "scales", "lie on another device than the values"));
        }
        Ok(Quantized { values, scales, n, args })
    }

    /// A tensor of f32, f16 or bf16. Fails as [`quantize`].
    pub fn of(stream: &Stream, x: &Tensor, args: &Quantize) -> Result<Self> {
        let (values, scales) = quantize(stream, x, args)?;
        let n = x.dims().last().copied().unwrap_or(0);
        Self::new(values, scales, n, *args)
    }

    /// Zeros of this shape, where the stream is. Fails on no axis, or arguments that do not fit.
    pub fn zeros(stream: &Stream, dims: &[usize], args: &Quantize) -> Result<Self> {
        let Some((&n, outer)) = dims.split_last() else {
            return Err(Error::shape(NAME, "dims", "at least 1 axis", format!("{dims:?}")));
        };
        let [width, _, blocks] = extents(NAME, n, args.format, args.bits, args.block)?;
        let zeros = |dtype, last: usize| Tensor::zeros(dtype, [outer, &[last]].concat())?.to(stream);
        Self::new(zeros(args.format.stored(args.bits).0, width)?, zeros(DType::F32, blocks)?, n, *args)
    }

    /// The tensor as f32, f16 or bf16. Fails as [`dequantize`].
    pub fn to_float(&self, stream: &Stream, dtype: DType) -> Result<Tensor> {
        let Quantize { bits, format, block } = self.args;
        dequantize(stream, &self.values, &self.scales, &Dequantize { bits, format, block, n: self.n, dtype })
    }

    /// Integers of 8 bits in 4, by [`requantize`]. Fails where they are others.
    pub fn requantized(&self, stream: &Stream) -> Result<Self> {
        if self.args.bits != 8 || self.args.format != Format::Int {
            return Err(Error::range(
                NAME,
                "bits",
                "8, of integers",
                format!("{} ({:?})", self.args.bits, self.args.format),
            ));
        }
        let (values, scales) = requantize(stream, &self.values, &self.scales)?;
        Self::new(values, scales, self.n, Quantize { bits: 4, ..self.args })
    }

    /// The same numbers under other extents but the last. A view. Fails where the parts are not row-major, or the extents do not fit.
    pub fn reshape(&self, dims: &[usize]) -> Result<Self> {
        let outer = match dims.split_last() {
            Some((&n, outer)) if n == self.n => outer,
            _ => return Err(Error::shape(NAME, "dims", format!("[.., {}]", self.n), format!("{dims:?}"))),
        };
        let part = |x: &Tensor| {
            let last = x.dims().last().copied().unwrap_or(0);
            x.reshape([outer, &[last]].concat())
        };
        Self::new(part(&self.values)?, part(&self.scales)?, self.n, self.args)
    }

    /// The first `n` columns. A view. Fails where there are fewer, or where a byte or a scale would be of others too.
    pub fn columns(&self, n: usize) -> Result<Self> {
        let [width, group, groups] = extents(NAME, n, self.args.format, self.args.bits, self.args.block)?;
        // A block of 0 is the row's, and so still one scale.
        let whole = n == self.n || self.args.block == 0 || n.is_multiple_of(group);
        let bytes = n == self.n || self.args.bits == 8 || n.is_multiple_of(2);
        if n > self.n || !whole || !bytes {
            let expected = format!("at most {}, of whole bytes and blocks", self.n);
            return Err(Error::range(NAME, "columns", expected, n));
        }
        let last = self.values.rank() - 1;
        Self::new(self.values.slice(last, 0..width)?, self.scales.slice(last, 0..groups)?, n, self.args)
    }

    /// The values.
    pub fn values(&self) -> &Tensor {
        &self.values
    }

    /// The scales.
    pub fn scales(&self) -> &Tensor {
        &self.scales
    }

    /// Both, to be written in place.
    pub fn parts_mut(&mut self) -> [&mut Tensor; 2] {
        [&mut self.values, &mut self.scales]
    }

    /// The shape of the tensor that they stand for.
    pub fn dims(&self) -> Vec<usize> {
        let mut dims = self.values.dims().to_vec();
        dims.pop();
        dims.push(self.n);
        dims
    }

    /// How they were made.
    pub fn args(&self) -> &Quantize {
        &self.args
    }

    /// Bytes of both.
    pub fn bytes(&self) -> usize {
        self.values.bytes() + self.scales.bytes()
    }

    /// Where both lie.
    pub fn device(&self) -> Device {
        self.values.device()
    }
}
