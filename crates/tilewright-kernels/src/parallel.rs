//! Work dealt to threads, compiled once for each kind of piece.

use rayon::prelude::*;

/// What `for_each` and `map` of rayon do, behind a pointer: rayon's own are compiled anew for every closure, which was a
/// quarter of all code here. A piece has to be worth a call.
pub(crate) trait Each: ParallelIterator {
    /// Calls `work` with every piece.
    fn each(self, work: &(dyn Fn(Self::Item) + Sync)) {
        self.for_each(work);
    }

    /// What `value` makes of every piece, in their order where rayon keeps it.
    fn each_made<R: Send>(
        self,
        value: &(dyn Fn(Self::Item) -> R + Sync),
    ) -> rayon::iter::Map<Self, &(dyn Fn(Self::Item) -> R + Sync)> {
        self.map(value)
    }
}

impl<I: ParallelIterator> Each for I {}
