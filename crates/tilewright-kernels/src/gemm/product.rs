//! What a product of matrices is once its arguments have been checked: views with the operands' axes in place.

use std::str::FromStr;

use tilewright_core::{Args, DType, Error, Layout, Result, Shape, Tensor};

use super::Tile;

/// The dtypes of the family.
pub(super) const DTYPES: &[DType] = &[DType::F64, DType::F32, DType::F16, DType::Bf16];

/// `out = alpha a b + beta c`, over views whose strides say everything: transposed, sliced, broadcast.
pub(super) struct Product {
    /// The operation that errors speak of.
    pub(super) name: &'static str,
    /// `[batch.., m, k]`
    pub(super) a: Tensor,
    /// `[batch.., k, n]`, of the dtype of `a`
    pub(super) b: Tensor,
    /// `[batch.., m, n]`; absent when `beta` is 0.
    pub(super) c: Option<Tensor>,
    pub(super) alpha: f64,
    pub(super) beta: f64,
    /// The output's dtype.
    pub(super) out: DType,
    /// The output's shape as the caller sees it; as many elements as `batch`, `m` and `n` make.
    pub(super) shape: Shape,
    pub(super) batch: Shape,
    pub(super) m: usize,
    pub(super) n: usize,
    pub(super) k: usize,
    /// `b` is the transpose of `a`: only the lower triangle is computed, the upper one is its mirror image.
    pub(super) symmetric: bool,
    /// The tile of the portable GPU body, where the caller chose one.
    pub(super) tile: Option<Tile>,
}

impl Product {
    /// The number of matrices.
    pub(super) fn batches(&self) -> usize {
        self.batch.elements()
    }

    /// Whether `alpha a b` is zero by definition, so that `a` and `b` are not read.
    pub(super) fn is_only_c(&self) -> bool {
        self.k == 0 || self.alpha == 0.0
    }

    /// Stacks the rows of all batches into one tall product where every batch has the same `b` and the rows are evenly spaced.
    pub(super) fn folded(mut self) -> Result<Self> {
        let shared = self.b.strides()[..self.batch.rank()]
            .iter()
            .zip(self.batch.dims())
            .all(|(&stride, &extent)| stride == 0 || extent == 1);
        if self.symmetric || !shared || self.batches() < 2 || self.m == 0 {
            return Ok(self);
        }
        let (a, c) = (stacked(&self.a)?, self.c.as_ref().map(stacked).transpose()?);
        let (Some(a), false) = (a, matches!(c, Some(None))) else {
            return Ok(self);
        };
        let [.., rows, columns] = self.b.strides() else { unreachable!("checked to have at least two axes") };
        self.b = view(&self.b, &[self.k, self.n], &[*rows, *columns])?;
        self.m *= self.batches();
        (self.a, self.c, self.batch) = (a, c.flatten(), Shape::new(&[])?);
        Ok(self)
    }
}

/// `[batch.., m, k]` as `[batch * m, k]`, if one stride leads from each row to the next.
fn stacked(tensor: &Tensor) -> Result<Option<Tensor>> {
    let (dims, strides) = (tensor.dims(), tensor.strides());
    let rank = dims.len();
    let mut next = strides[rank - 2] * dims[rank - 2];
    for axis in (0..rank - 2).rev().filter(|&axis| dims[axis] != 1) {
        if strides[axis] != next {
            return Ok(None);
        }
        next *= dims[axis];
    }
    let rows = dims[..rank - 1].iter().product();
    view(tensor, &[rows, dims[rank - 1]], &[strides[rank - 2], strides[rank - 1]]).map(Some)
}

fn view(tensor: &Tensor, dims: &[usize], strides: &[usize]) -> Result<Tensor> {
    let layout = Layout::strided(Shape::new(dims)?, strides, tensor.layout().offset(), usize::MAX)?;
    Tensor::from_buffer(tensor.buffer().clone(), tensor.dtype(), layout)
}

/// Fails unless there are at least `axes` axes.
pub(super) fn check_rank(
    name: &'static str,
    argument: &'static str,
    expected: &str,
    tensor: &Tensor,
    axes: usize,
) -> Result<()> {
    if tensor.rank() < axes {
        return Err(Error::shape(name, argument, expected, tensor.shape()));
    }
    Ok(())
}

/// The output's dtype: `wanted`, or that of the operands. A sum in f64 stays f64, one in f32 is rounded once to any of the others.
pub(super) fn output_dtype(name: &'static str, operands: DType, wanted: Option<DType>) -> Result<DType> {
    let out = wanted.unwrap_or(operands);
    let fits = DTYPES.contains(&out) && (out == DType::F64) == (operands == DType::F64);
    if fits {
        return Ok(out);
    }
    let expected = if operands == DType::F64 { "f64" } else { "one of f32, f16, bf16" };
    Err(Error::range(name, "out_dtype", format!("{expected} for operands of {operands}"), out))
}

/// The common leading axes of two operands, as NumPy broadcasts them; an error names the second.
pub(super) fn broadcast(
    name: &'static str,
    argument: &'static str,
    first: &[usize],
    second: &Tensor,
    trailing: usize,
) -> Result<Shape> {
    let other = &second.dims()[..second.rank() - trailing];
    let rank = first.len().max(other.len());
    let extent = |dims: &[usize], axis: usize| (axis + dims.len()).checked_sub(rank).map_or(1, |at| dims[at]);
    let mut dims = Vec::with_capacity(rank);
    for axis in 0..rank {
        match (extent(first, axis), extent(other, axis)) {
            (x, y) if x == y || y == 1 => dims.push(x),
            (1, y) => dims.push(y),
            _ => {
                let expected = format!("leading axes that broadcast with {first:?}");
                return Err(Error::shape(name, argument, expected, second.shape()));
            }
        }
    }
    Shape::new(&dims).map_err(|error| error.within(name))
}

/// Repeats a tensor's leading axes to `batch`; the trailing ones stay.
pub(super) fn spread(tensor: &Tensor, batch: &Shape, trailing: usize) -> Result<Tensor> {
    let own = &tensor.dims()[tensor.rank() - trailing..];
    tensor.broadcast_to([batch.dims(), own].concat())
}

/// The dtype that sums are held in.
pub(super) fn accumulator(operands: DType) -> DType {
    if operands == DType::F64 { DType::F64 } else { DType::F32 }
}

/// Fails unless the tile, where there is one, can run.
pub(super) fn check_tile(name: &'static str, operands: DType, tile: Option<Tile>) -> Result<()> {
    let Some((tile, why)) = tile.and_then(|tile| Some((tile, tile.fault(accumulator(operands))?))) else {
        return Ok(());
    };
    Err(Error::layout(name, "tile", format!("{tile}: {why}")))
}

/// An argument that is `auto` unless it is given.
pub(super) fn optional<T: FromStr<Err = Error>>(args: &Args, name: &'static str) -> Result<Option<T>> {
    match args.text(name, "auto")? {
        "auto" => Ok(None),
        text => text.parse().map(Some),
    }
}
