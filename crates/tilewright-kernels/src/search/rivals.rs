//! The nearest of some centroids for each row of a tile, by |c|²/2 - x·c, in registers from the products to the label.

use super::lanes::{Lanes, WIDEST};
use super::tile::{self, Pack, dots, unrolled};

/// Some centroids side by side, and what their products become scores with.
pub(super) struct Rivals {
    pack: Pack,
    /// |c|²/2; infinity in lanes without a centroid.
    halves: Vec<f32>,
    /// Their numbers.
    numbers: Vec<f32>,
}

impl Rivals {
    /// The `members` of `centroids`, which are numbers of rows of length `d`, as many to a pack as one holds.
    #[inline(always)]
    pub(super) fn all<L: Lanes>(lanes: L, centroids: &[f32], d: usize, members: &[u32]) -> Vec<Self> {
        Pack::all(L::WIDTH, centroids, d, members)
            .into_iter()
            .map(|pack| {
                let squared = |&c: &u32| tile::squared_length(lanes, &centroids[c as usize * d..][..d]);
                let mut halves: Vec<f32> = pack.members.iter().map(|c| 0.5 * squared(c)).collect();
                let mut numbers: Vec<f32> = pack.members.iter().map(|&c| c as f32).collect();
                halves.resize(pack.vectors * L::WIDTH, f32::INFINITY);
                numbers.resize(pack.vectors * L::WIDTH, 0.0);
                Self { pack, halves, numbers }
            })
            .collect()
    }

    /// The number of the centroid with the least score, the lowest among equals, and that score, for each of `ROWS` rows.
    #[inline(always)]
    pub(super) fn nearest<L: Lanes, const ROWS: usize>(
        lanes: L,
        all: &[Self],
        rows: &[f32],
        d: usize,
    ) -> [(usize, f32); ROWS] {
        let mut least = [lanes.splat(f32::INFINITY); ROWS];
        let mut marked = [lanes.splat(0.0); ROWS];
        for rivals in all {
            match rivals.pack.vectors {
                1 => compare::<L, ROWS, 1>(lanes, rows, d, rivals, &mut least, &mut marked),
                2 => compare::<L, ROWS, 2>(lanes, rows, d, rivals, &mut least, &mut marked),
                _ => compare::<L, ROWS, 3>(lanes, rows, d, rivals, &mut least, &mut marked),
            }
        }
        let mut nearest = [(0, 0.0); ROWS];
        for (nearest, (least, marked)) in nearest.iter_mut().zip(least.into_iter().zip(marked)) {
            *nearest = winner::<L>(lanes.array(least), lanes.array(marked));
        }
        nearest
    }
}

#[inline(always)]
fn compare<L: Lanes, const ROWS: usize, const N: usize>(
    lanes: L,
    rows: &[f32],
    d: usize,
    rivals: &Rivals,
    least: &mut [L::V; ROWS],
    marked: &mut [L::V; ROWS],
) {
    let sums = dots::<L, ROWS, N>(lanes, rows, d, &rivals.pack);
    unrolled!(n < N, {
        let half = lanes.load(&rivals.halves[n * L::WIDTH..]);
        let number = lanes.load(&rivals.numbers[n * L::WIDTH..]);
        unrolled!(r < ROWS, {
            lanes.keep_less(lanes.sub(half, sums[r][n]), number, &mut least[r], &mut marked[r]);
        });
    });
}

/// The number of the least score, the lowest among equals.
#[inline(always)]
fn winner<L: Lanes>(least: [f32; WIDEST], marked: [f32; WIDEST]) -> (usize, f32) {
    let mut best = (least[0], marked[0]);
    for lane in 1..L::WIDTH {
        let other = (least[lane], marked[lane]);
        if other.0 < best.0 || other.0 == best.0 && other.1 < best.1 {
            best = other;
        }
    }
    (best.1 as usize, best.0)
}
