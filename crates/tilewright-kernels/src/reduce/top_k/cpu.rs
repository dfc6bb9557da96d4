//! Native path, in two passes of vector comparisons. The first notes the best of each group of elements: where k groups have a best that
//! is no worse than some value, the k best elements are no worse either. The second reads again what has such a best, and collects
//! candidates; now and then they are cut to the best k, and then only what beats the last of those is a candidate.
//!
//! A candidate is one integer: a key in the order of the values, above the complement of the position, so that the larger
//! integer is the better candidate and no two are equal.

use pulp::{Arch, Simd, WithSimd};
use tilewright_core::{Result, Tensor};

use super::TopK;
use crate::reduce::fold::Fold;
use crate::reduce::number::{Accumulator, LEAF, Number, with_number};
use crate::reduce::rows::{Rows, positions};

/// Elements that are compared before a branch: 4 vectors of 8. Also the groups of a leaf, of which each has every 32nd element, so that
/// their bests are found without a step across lanes.
const GROUP: usize = 32;
/// Groups per wanted element from which the k-th best of the groups' bests is taken: with 8, one candidate in 16 is not among the best.
const GROUPS_PER_ELEMENT: usize = 8;

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
        let tops: Vec<_> = match block.len() / GROUP {
            groups if groups < 2 * self.k => Vec::new(),
            _ => block
                .chunks(LEAF)
                .map(|leaf| best_of_groups::<_, LARGEST>(T::load(leaf, &mut stage)))
                .collect(),
        };
        let mut threshold = self.floor(&tops);
        for (leaf, source) in block.chunks(LEAF).enumerate() {
            let beaten = |threshold| !tops[leaf].iter().any(|&top| beats::<_, LARGEST>(top, threshold));
            if !tops.is_empty() && threshold.is_some_and(beaten) {
                continue;
            }
            let mut start = first + leaf * LEAF;
            let mut source = T::load(source, &mut stage);
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
    /// A value that the k best of a block all beat, if its leaves' bests show one.
    fn floor<S: Ordered>(&self, tops: &[[S; GROUP]]) -> Option<S> {
        let together = (tops.len() * GROUP / (GROUPS_PER_ELEMENT * self.k)).max(1);
        let joined = tops.chunks(together).flat_map(|leaves| {
            let mut joined = leaves[0];
            leaves[1..].iter().for_each(|leaf| better::<_, LARGEST>(&mut joined, leaf));
            joined
        });
        let bests: Vec<S> = joined.collect();
        // Integers, for which the choice has no branches.
        let mut keys: Vec<_> = (0u32..).zip(&bests).map(|(i, x)| x.candidate(i, LARGEST)).collect();
        if keys.len() < self.k {
            return None;
        }
        self.cut(&mut keys);
        let floor = bests[S::position(keys[self.k - 1]) as usize];
        (floor != S::worst(LARGEST)).then(|| floor.before(LARGEST))
    }

    /// Leaves the best k, the last of them at the end.
    fn cut<C: Ord>(&self, kept: &mut Vec<C>) {
        if kept.len() > self.k {
            kept.select_nth_unstable_by(self.k - 1, |a, b| b.cmp(a));
            kept.truncate(self.k);
        }
    }
}

#[inline(always)]
fn beats<S: PartialOrd, const LARGEST: bool>(x: S, threshold: S) -> bool {
    if LARGEST { x > threshold } else { x < threshold }
}

/// Replaces what is beaten by the element at its side; NaN beats nothing.
#[inline(always)]
fn better<S: Ordered, const LARGEST: bool>(bests: &mut [S; GROUP], others: &[S]) {
    for (best, &x) in bests.iter_mut().zip(others) {
        *best = if beats::<_, LARGEST>(x, *best) { x } else { *best };
    }
}

/// The best number of each of the groups of a leaf, or the worst there is.
fn best_of_groups<S: Ordered, const LARGEST: bool>(leaf: &[S]) -> [S; GROUP] {
    Arch::new().dispatch(Tops::<_, LARGEST>(leaf))
}

struct Tops<'a, S, const LARGEST: bool>(&'a [S]);

impl<S: Ordered, const LARGEST: bool> WithSimd for Tops<'_, S, LARGEST> {
    type Output = [S; GROUP];

    #[inline(always)]
    fn with_simd<V: Simd>(self, _: V) -> [S; GROUP] {
        let mut bests = [S::worst(LARGEST); GROUP];
        let (rows, rest) = self.0.as_chunks::<GROUP>();
        rows.iter().for_each(|row| better::<_, LARGEST>(&mut bests, row));
        better::<_, LARGEST>(&mut bests, rest);
        bests
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
        let beats = |x: S| beats::<_, LARGEST>(x, self.threshold);
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
    /// The number that no number is worse than.
    fn worst(largest: bool) -> Self;
    /// The next worse number, where this is not the worst.
    fn before(self, largest: bool) -> Self;
}

macro_rules! ordered {
    ($($T:ty, $Candidate:ty, $key:expr, $least:expr, $greatest:expr, $down:expr, $up:expr;)*) => {$(
        impl Ordered for $T {
            type Candidate = $Candidate;
            fn worst(largest: bool) -> $T {
                if largest { $least } else { $greatest }
            }
            fn before(self, largest: bool) -> $T {
                if largest { $down(self) } else { $up(self) }
            }
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
    f32, u64, |x: f32| { let bits = (x + 0.0).to_bits(); bits ^ ((bits as i32 >> 31) as u32 | 1 << 31) },
        f32::NEG_INFINITY, f32::INFINITY, f32::next_down, f32::next_up;
    f64, u128, |x: f64| { let bits = (x + 0.0).to_bits(); bits ^ ((bits as i64 >> 63) as u64 | 1 << 63) },
        f64::NEG_INFINITY, f64::INFINITY, f64::next_down, f64::next_up;
    i32, u64, |x: i32| x as u32 ^ 1 << 31, i32::MIN, i32::MAX, |x| x - 1, |x| x + 1;
    u32, u64, |x: u32| x, u32::MIN, u32::MAX, |x| x - 1, |x| x + 1;
    i64, u128, |x: i64| x as u64 ^ 1 << 63, i64::MIN, i64::MAX, |x| x - 1, |x| x + 1;
}
