//! Native path: candidates are collected and now and then cut to the best k; then only what beats the last of those is a candidate.
//! On random rows that is soon almost nothing, and the pass is vector comparisons.
//!
//! A candidate is one integer: a key in the order of the values, above the complement of the position, so that the larger
//! integer is the better candidate and no two are equal.

use pulp::{Arch, Simd, WithSimd};
use tilewright_core::{Result, Tensor};

use super::TopK;
use crate::reduce::fold::Fold;
use crate::reduce::number::{Accumulator, LEAF, Number, with_number};
use crate::reduce::rows::{Rows, positions};

/// Elements that are compared before a branch: 4 vectors of 8.
const GROUP: usize = 32;

pub(super) fn top_k(rows: &Rows, args: &TopK) -> Result<(Tensor, Tensor)> {
    with_number!(rows.x.dtype(), T => match args.largest {
        true => best::<T, true>(rows, args),
        false => best::<T, false>(rows, args),
    })
}

fn best<T: Number<Sum: Ordered>, const LARGEST: bool>(rows: &Rows, args: &TopK) -> Result<(Tensor, Tensor)> {
    let host = rows.host::<T>()?;
    let shape = rows.with_extent(args.k);
    let best: Vec<Vec<(T, u32)>> = match args.k {
        0 => Vec::new(),
        k => host.map(|row| {
            let candidates = Candidates::<LARGEST> { k }.row(row);
            candidates.into_iter().map(T::Sum::position).map(|at| (row[at as usize], at)).collect()
        }),
    };
    let values = best.iter().flatten().map(|&(value, _)| value).collect();
    let found = best.iter().flatten().map(|&(_, at)| at).collect();
    Ok((Tensor::from_vec(values, shape.as_slice())?, positions(found, args.index, &shape)?))
}

/// Finds the best `k`, or all where there are fewer, best first.
struct Candidates<const LARGEST: bool> {
    k: usize,
}

impl<T: Number<Sum: Ordered>, const LARGEST: bool> Fold<T> for Candidates<LARGEST> {
    type Part = Vec<<T::Sum as Ordered>::Candidate>;

    /// Every block has to find its own threshold, so few of them.
    const BLOCK: usize = 1 << 18;

    fn block(&self, block: &[T], first: usize) -> Self::Part {
        let enough = self.k + self.k.max(GROUP);
        let mut kept = Vec::with_capacity((enough + LEAF).min(block.len()));
        let mut stage = [T::Sum::ZERO; LEAF];
        let mut threshold = None;
        for (leaf, source) in block.chunks(LEAF).enumerate() {
            let start = first + leaf * LEAF;
            let mut source = T::load(source, &mut stage);
            let mut start = start;
            while !source.is_empty() {
                let taken = collect::<_, LARGEST>(source, start, threshold, enough, &mut kept);
                source = &source[taken..];
                start += taken;
                if kept.len() >= enough {
                    self.cut(&mut kept);
                    let last = T::Sum::position(kept[self.k - 1]) as usize - first;
                    let mut one = [T::Sum::ZERO; LEAF];
                    // Whatever is a number beats NaN: then there is no threshold yet.
                    threshold = Some(T::load(&block[last..=last], &mut one)[0]).filter(|last| !last.is_nan());
                }
            }
        }
        self.cut(&mut kept);
        kept.sort_unstable_by(|a, b| b.cmp(a));
        kept
    }

    fn merge(&self, mut left: Self::Part, right: Self::Part) -> Self::Part {
        left.extend(right);
        self.cut(&mut left);
        left.sort_unstable_by(|a, b| b.cmp(a));
        left
    }
}

impl<const LARGEST: bool> Candidates<LARGEST> {
    /// Leaves the best k, the last of them at the end.
    fn cut<C: Ord>(&self, kept: &mut Vec<C>) {
        if kept.len() > self.k {
            kept.select_nth_unstable_by(self.k - 1, |a, b| b.cmp(a));
            kept.truncate(self.k);
        }
    }
}

/// Adds the candidates of a stretch until there are enough, and says how many elements it has seen. Later elements that equal the threshold do not beat it.
fn collect<S: Ordered, const LARGEST: bool>(
    source: &[S],
    start: usize,
    threshold: Option<S>,
    enough: usize,
    kept: &mut Vec<S::Candidate>,
) -> usize {
    let candidate = |(i, x): (usize, &S)| x.candidate((start + i) as u32, LARGEST);
    let Some(threshold) = threshold else {
        let taken = source.len().min(enough - kept.len());
        kept.extend(source[..taken].iter().enumerate().map(candidate));
        return taken;
    };
    Arch::new().dispatch(Filter::<_, LARGEST> { source, start, threshold, enough, kept })
}

/// Adds what beats the threshold.
struct Filter<'a, S: Ordered, const LARGEST: bool> {
    source: &'a [S],
    start: usize,
    threshold: S,
    enough: usize,
    kept: &'a mut Vec<S::Candidate>,
}

impl<S: Ordered, const LARGEST: bool> WithSimd for Filter<'_, S, LARGEST> {
    type Output = usize;

    #[inline(always)]
    fn with_simd<V: Simd>(self, _: V) -> usize {
        let beats = |x: S| if LARGEST { x > self.threshold } else { x < self.threshold };
        for (number, group) in self.source.chunks(GROUP).enumerate() {
            let mut any = false;
            for &x in group {
                any |= beats(x);
            }
            if any {
                let start = self.start + number * GROUP;
                for (i, &x) in group.iter().enumerate() {
                    if beats(x) {
                        self.kept.push(x.candidate((start + i) as u32, LARGEST));
                    }
                }
                if self.kept.len() >= self.enough {
                    return number * GROUP + group.len();
                }
            }
        }
        self.source.len()
    }
}

/// An accumulator with candidates.
trait Ordered: Accumulator {
    /// Key and position in one integer.
    type Candidate: Ord + Copy + Send + Sync;
    fn candidate(self, position: u32, largest: bool) -> Self::Candidate;
    fn position(candidate: Self::Candidate) -> u32;
}

macro_rules! ordered {
    ($($T:ty, $Candidate:ty, $key:expr;)*) => {$(
        impl Ordered for $T {
            type Candidate = $Candidate;
            #[inline(always)]
            fn candidate(self, position: u32, largest: bool) -> $Candidate {
                let key = $key(self);
                let key = if Accumulator::is_nan(self) { 0 } else if largest { key } else { !key };
                <$Candidate>::from(key) << 32 | <$Candidate>::from(!position)
            }
            #[inline(always)]
            fn position(candidate: $Candidate) -> u32 {
                !(candidate as u32)
            }
        }
    )*};
}

// The sum with 0 makes -0 a 0. The complement of a negative number's bits, and any other's with the sign bit set, ascend.
ordered! {
    f32, u64, |x: f32| { let bits = (x + 0.0).to_bits(); bits ^ ((bits as i32 >> 31) as u32 | 1 << 31) };
    f64, u128, |x: f64| { let bits = (x + 0.0).to_bits(); bits ^ ((bits as i64 >> 63) as u64 | 1 << 63) };
    i32, u64, |x: i32| x as u32 ^ 1 << 31;
    u32, u64, |x: u32| x;
    i64, u128, |x: i64| x as u64 ^ 1 << 63;
}
