//! Sums along the last axis, of numbers or of products: on a GPU a group of threads a piece of a row, on the host lanes that vectors take.

use std::sync::LazyLock;

use pulp::{Arch, Simd, WithSimd};
use rayon::prelude::*;
use tilewright_core::{DType, Device, Result, Stream, Tensor};
use tilewright_gpu::{Definition, Grid, Program};

use super::number::{Number, Twofold, plus, times};
use super::{Operand, Pair, TWOFOLD, with_number};
use crate::parallel::Each;

static PROGRAM: LazyLock<Program> = LazyLock::new(|| {
    let definition =
        Definition::new("extended_rows", include_str!("rows.metal")).header(TWOFOLD).template("S");
    let definition =
        ["x", "x_low", "y", "y_low"].into_iter().fold(definition.template("PRODUCTS"), Definition::input);
    let definition = ["n", "piece", "pieces"]
        .into_iter()
        .fold(definition, |definition, name| definition.scalar(name, DType::U32));
    let definition = definition.scalar("x_has_low", DType::Bool).scalar("y_has_low", DType::Bool);
    Program::new(definition.output("out").output("out_low")).expect("the definition is valid")
});

/// Terms of a piece: enough for 256 threads to be busy with.
const PIECE: usize = 1 << 14;

/// Of each row of `x`, `[.., n]`, the sum of its elements, or with `y` of the products with those.
pub(super) fn sums(stream: &Stream, x: Operand<'_>, y: Option<Operand<'_>>) -> Result<Pair> {
    let &[ref shape @ .., n] = x.high.dims() else { unreachable!("rows have an axis") };
    if n == 0 || shape.contains(&0) {
        let zeros = || Tensor::zeros(x.high.dtype(), shape)?.to(stream);
        return Ok(Pair { high: zeros()?, low: zeros()? });
    }
    if stream.device() == Device::Cpu {
        return with_number!(x.high.dtype(), T => on_the_host::<T>(x, y, shape, n));
    }
    let pieces = n.div_ceil(PIECE);
    if pieces > 1 {
        let parts = launch(stream, x, y, [shape, &[pieces]].concat(), n, PIECE)?;
        return sums(stream, Operand { high: &parts.high, low: Some(&parts.low) }, None);
    }
    launch(stream, x, y, shape.to_vec(), n, n)
}

fn launch(
    stream: &Stream,
    x: Operand<'_>,
    y: Option<Operand<'_>>,
    shape: Vec<usize>,
    n: usize,
    piece: usize,
) -> Result<Pair> {
    let other = y.unwrap_or(x);
    let groups = shape.iter().product();
    let outputs = PROGRAM
        .launch(stream)
        .template("S", x.high.dtype())
        .template("PRODUCTS", y.is_some())
        .input("x", x.high)
        .input("x_low", x.low.unwrap_or(x.high))
        .input("y", other.high)
        .input("y_low", other.low.unwrap_or(other.high))
        .scalar("n", n as u32)
        .scalar("piece", piece as u32)
        .scalar("pieces", n.div_ceil(piece) as u32)
        .scalar("x_has_low", x.low.is_some())
        .scalar("y_has_low", other.low.is_some())
        .output("out", x.high.dtype(), shape.clone())
        .output("out_low", x.high.dtype(), shape)
        .grid(Grid::groups([groups, 1, 1]), [256, 1, 1])
        .run()?;
    let [high, low] = <[Tensor; 2]>::try_from(outputs).expect("two outputs are declared");
    Ok(Pair { high, low })
}

/// Sums that are held side by side.
const LANES: usize = 16;

/// How many additions, one after the other, a term of a row of n goes through at most: in its lane, over the lanes, over the pieces. On a GPU a
/// thread, a SIMD group, a group and the same over pieces take fewer.
pub(super) fn depth(n: usize) -> usize {
    n.min(PIECE).div_ceil(LANES) + LANES + n.div_ceil(PIECE)
}

struct Row<'a, T> {
    x: &'a [T],
    x_low: &'a [T],
    /// Empty for the sum of x alone.
    y: &'a [T],
    y_low: &'a [T],
}

impl<T: Number> WithSimd for Row<'_, T> {
    type Output = Twofold<T>;

    /// In code for the vector unit that was found, which has fma where the machine has.
    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) -> Twofold<T> {
        let mut sums = [Twofold::ZERO; LANES];
        let at = |low: &[T], i: usize| low.get(i).copied().unwrap_or(T::ZERO);
        let term = |i: usize, sum: &mut Twofold<T>| {
            let a = Twofold { high: self.x[i], low: at(self.x_low, i) };
            let term = match self.y.get(i) {
                Some(&high) => times(a, Twofold { high, low: at(self.y_low, i) }),
                None => a,
            };
            *sum = plus(*sum, term);
        };
        let whole = self.x.len() / LANES * LANES;
        for start in (0..whole).step_by(LANES) {
            for (lane, sum) in sums.iter_mut().enumerate() {
                term(start + lane, sum);
            }
        }
        (whole..self.x.len()).for_each(|i| term(i, &mut sums[i - whole]));
        sums.into_iter().fold(Twofold::ZERO, plus)
    }
}

fn on_the_host<T: Number>(x: Operand<'_>, y: Option<Operand<'_>>, shape: &[usize], n: usize) -> Result<Pair> {
    let numbers = |tensor: Option<&Tensor>| tensor.map_or(Ok(Vec::new()), |tensor| tensor.to_vec::<T>());
    let (high, low) = (numbers(Some(x.high))?, numbers(x.low)?);
    let (other, other_low) = (numbers(y.map(|y| y.high))?, numbers(y.and_then(|y| y.low))?);
    let row = |of: &[T], row: usize| if of.is_empty() { 0..0 } else { row * n..(row + 1) * n };
    let pieces = n.div_ceil(PIECE);
    let part = |part: usize| {
        let (at, begin) = (part / pieces, part % pieces * PIECE);
        let cut = |of: &'_ [T]| {
            let range = row(of, at);
            if range.is_empty() { 0..0 } else { range.start + begin..range.start + (begin + PIECE).min(n) }
        };
        let row = Row {
            x: &high[cut(&high)],
            x_low: &low[cut(&low)],
            y: &other[cut(&other)],
            y_low: &other_low[cut(&other_low)],
        };
        Arch::new().dispatch(row)
    };
    let rows: usize = shape.iter().product();
    let parts: Vec<_> =
        (0..rows * pieces).into_par_iter().with_min_len((PIECE / n).max(1)).each_made(&part).collect();
    let totals: Vec<_> = parts
        .chunks(pieces)
        .map(|parts| parts.iter().fold(Twofold::ZERO, |sum, &part| plus(sum, part)))
        .collect();
    super::pair(&totals, shape)
}
