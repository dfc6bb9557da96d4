//! The norm of an inverse that is not formed, estimated from a few solutions with the factors.

use faer::MatMut;

use super::host::Real;

/// Corners that are visited at most, as by LAPACK.
const CORNERS: usize = 4;

/// A climb over the corners of the unit ball of the 1-norm, on which `|a⁻¹ x|` is convex, to a lower bound of `|a⁻¹|` that is almost always within a
/// factor of 3 of it: Higham's refinement of Hager's method (ACM Transactions on Mathematical Software 14, 1988, algorithm 4.1), LAPACK's `LACN2`.
///
/// It knows no matrix: while it [asks](Self::asks) for a solution, `x` is a right-hand side that has to become it before the climb
/// [goes on](Self::advance).
pub(super) struct Climb<T> {
    pub(super) x: Vec<T>,
    /// The largest `|a⁻¹ x| / |x|` so far.
    pub(super) bound: T,
    /// The solution that shows it.
    steepest: Vec<T>,
    /// Where it is not negative, elements of the last solution but for the transpose's.
    positive: Vec<bool>,
    corner: usize,
    visited: usize,
    stage: Stage,
}

/// Of what `x` is the solution.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// The center of a face, from which the climb begins.
    Center,
    /// The signs of the solution before it, with the transpose: the gradient.
    Slope,
    Corner,
    /// What counterexamples to the climb cannot hide from.
    Spread,
    Done,
}

impl<T: Real> Climb<T> {
    /// For n x n matrices, n > 0.
    pub(super) fn new(n: usize) -> Self {
        Climb {
            x: vec![T::ONE / T::from_count(n); n],
            bound: T::ZERO,
            steepest: Vec::new(),
            positive: Vec::new(),
            corner: 0,
            visited: 0,
            stage: Stage::Center,
        }
    }

    /// Whether it is the transpose that `x` has to be solved with; `None` where the climb is over.
    pub(super) fn asks(&self) -> Option<bool> {
        (self.stage != Stage::Done).then_some(self.stage == Stage::Slope)
    }

    /// Takes `x` for the solution.
    pub(super) fn advance(&mut self) {
        let n = self.x.len();
        let size = self.x.iter().fold(T::ZERO, |sum, x| sum + x.magnitude());
        match self.stage {
            Stage::Center => {
                self.keep(size);
                if n == 1 { self.stage = Stage::Done } else { self.face() }
            }
            Stage::Slope => {
                let x = &self.x;
                let most =
                    (1..n).fold(0, |most, i| if x[i].magnitude() > x[most].magnitude() { i } else { most });
                if self.visited > 0 && x[self.corner].magnitude() == x[most].magnitude() {
                    return self.spread();
                }
                (self.corner, self.visited, self.stage) = (most, self.visited + 1, Stage::Corner);
                self.x.fill(T::ZERO);
                self.x[most] = T::ONE;
            }
            Stage::Corner if size <= self.bound => self.spread(),
            Stage::Corner => {
                self.keep(size);
                self.face();
            }
            Stage::Spread => {
                let size = size * T::from_count(2) / T::from_count(3 * n);
                let is_less = size <= self.bound;
                if !is_less {
                    self.keep(size);
                }
                self.stage = Stage::Done;
            }
            Stage::Done => {}
        }
        // Beyond the range of numbers there is nothing to climb to.
        if !self.bound.finite() {
            self.stage = Stage::Done;
        }
    }

    /// A NaN is kept as well.
    fn keep(&mut self, size: T) {
        self.bound = size;
        self.steepest.clone_from(&self.x);
    }

    /// Where the norm rises from `x`; no further if that is as before.
    fn face(&mut self) {
        let positive: Vec<bool> = self.x.iter().map(|&x| x >= T::ZERO).collect();
        if positive == self.positive || self.visited == CORNERS {
            return self.spread();
        }
        for (x, &positive) in self.x.iter_mut().zip(&positive) {
            *x = if positive { T::ONE } else { -T::ONE };
        }
        (self.positive, self.stage) = (positive, Stage::Slope);
    }

    fn spread(&mut self) {
        let last = T::from_count(self.x.len() - 1);
        for (i, x) in self.x.iter_mut().enumerate() {
            let size = T::ONE + T::from_count(i) / last;
            *x = if i % 2 == 0 { size } else { -size };
        }
        self.stage = Stage::Spread;
    }
}

/// The bound for one matrix, n x n with n > 0, and the solution that shows it. `solve(transpose, x)` makes x into `a⁻¹ x`, or `a⁻ᵀ x`.
pub(super) fn inverse_norm<T: Real>(n: usize, mut solve: impl FnMut(bool, MatMut<'_, T>)) -> (T, Vec<T>) {
    let mut climb = Climb::new(n);
    while let Some(transpose) = climb.asks() {
        solve(transpose, MatMut::from_column_major_slice_mut(&mut climb.x, n, 1));
        climb.advance();
    }
    (climb.bound, climb.steepest)
}

/// `1 / (norm bound)`; 0 for a bound that left the range of numbers: the matrix is singular to every purpose.
pub(super) fn reciprocal<T: Real>(norm: T, bound: T) -> T {
    if bound.finite() { T::ONE / bound / norm } else { T::ZERO }
}
