//! The selection on a GPU: what the threadgroups of a scan found, of which further launches select the best; and more than a threadgroup selects, by rounds.
//!
//! A round finds, for each query, the best of the candidates that come after the last one of the round before it, a 64-bit word that orders by (distance, id). Each
//! round scans anew with the same arithmetic, so that a candidate is the same word in all of them; of those that equal the last one, which are rows that a query names
//! twice or ids that rows share, a round counts all, and the results get those that had no place before.

use std::sync::LazyLock;

use tilewright_core::{DType, Error, Result, Stream, Tensor};
use tilewright_gpu::{Definition, Grid, Launch, Program};

/// What a threadgroup selects, at most: it sorts twice as much.
pub(super) const SELECTED: usize = 1024;
/// Candidates that a thread holds (`ITEMS` of the bodies).
const ITEMS: usize = 16;
/// Threads of a group.
const THREADS: usize = 256;

static AGAIN: LazyLock<Program> = LazyLock::new(|| {
    let definition = Definition::new("search_again", include_str!("again.metal"))
        .header(concat!(
            include_str!("../reduce/order.metal"),
            include_str!("../reduce/top_k/gpu.header.metal")
        ))
        .input("from");
    let definition = ["n", "segments", "k"]
        .into_iter()
        .fold(definition, |definition, name| definition.scalar(name, DType::U32));
    Program::new(definition.output("candidates")).expect("the definition is valid")
});

static FINISH: LazyLock<Program> = LazyLock::new(|| {
    let definition = Definition::new("search_finish", include_str!("finish.metal"))
        .header(include_str!("shown.header.metal"))
        .input("candidates")
        .scalar("count", DType::U32)
        .output("distances")
        .output("ids");
    Program::new(definition).expect("the definition is valid")
});

static PLACE: LazyLock<Program> = LazyLock::new(|| {
    let definition = Definition::new("search_place", include_str!("place.metal"))
        .header(include_str!("shown.header.metal"))
        .input("found")
        .input("repeats")
        .input("before");
    let definition =
        definition.scalar("extent", DType::U32).scalar("parts", DType::U32).scalar("k", DType::U64);
    let definition = definition.scalar("ends", DType::Bool).in_place("distances").in_place("ids");
    Program::new(definition.output("after")).expect("the definition is valid")
});

/// A scan that rounds run, from all that is its own: what comes after a bound, so many of it, and how it is given.
pub(super) fn in_rounds(definition: Definition) -> Program {
    let definition = definition.template("BOUNDED").input("bounds").scalar("k", DType::U32);
    Program::new(definition.output("candidates").output("repeats")).expect("the definition is valid")
}

/// Refuses more candidates of all queries' parts in one round than a GPU counts.
pub(super) fn check_candidates(
    operation: &'static str,
    argument: &'static str,
    [b, parts]: [usize; 2],
    k: usize,
) -> Result<()> {
    if b * parts * k.clamp(1, SELECTED) <= i32::MAX as usize {
        return Ok(());
    }
    let got = format!("{b} queries of {parts} parts");
    Err(Error::shape(operation, argument, "fewer than 2^31 candidates on a GPU", got))
}

/// One pass of a scan.
pub(super) struct Round<'a> {
    /// Candidates of each part.
    pub(super) k: usize,
    /// `[b, 3]`, u64, of which the first is the candidate that those of this round come after; none in the first round.
    pub(super) bounds: Option<&'a Tensor>,
}

impl Round<'_> {
    /// Runs the launch of a scan [`in_rounds`] with a threadgroup for each of `parts` of each of `b` queries. `none` stands for bounds that are not there.
    pub(super) fn run<'a>(
        &'a self,
        launch: Launch<'a>,
        none: &'a Tensor,
        [b, parts]: [usize; 2],
        threads: usize,
    ) -> Result<Vec<Tensor>> {
        let groups = b * parts;
        launch
            .template("BOUNDED", self.bounds.is_some())
            .input("bounds", self.bounds.unwrap_or(none))
            .scalar("k", self.k as u32)
            .output("candidates", DType::U64, [b, parts * self.k])
            // For each threadgroup how many of its candidates equal the bound, where there is one.
            .output("repeats", DType::U32, [if self.bounds.is_some() { groups } else { 1 }])
            .grid(Grid::groups([groups, 1, 1]), [threads, 1, 1])
            .run()
    }
}

/// Distances and ids `[b, k]`: the best of `parts` threadgroups of each query, which have `most` candidates at most. A pass of the scan gives `candidates`
/// `[b, parts * round.k]`, each `round.k` sorted and filled up with 0, and `repeats`.
pub(super) fn best(
    stream: &Stream,
    b: usize,
    parts: usize,
    k: usize,
    most: usize,
    scan: impl Fn(&Round) -> Result<Vec<Tensor>>,
) -> Result<(Tensor, Tensor)> {
    let pass = |round: &Round| -> Result<(Tensor, Tensor)> {
        let [candidates, repeats] = scan(round)?.try_into().expect("two outputs are declared");
        Ok((reduced(stream, candidates, b, parts * round.k, round.k)?, repeats))
    };
    if k <= SELECTED {
        let (candidates, _) = pass(&Round { k, bounds: None })?;
        let results = FINISH
            .launch(stream)
            .input("candidates", &candidates)
            .scalar("count", (b * k) as u32)
            .output("distances", DType::F32, [b, k])
            .output("ids", DType::I64, [b, k])
            .grid(Grid::groups([(b * k).div_ceil(THREADS), 1, 1]), [THREADS, 1, 1])
            .run()?;
        let [distances, ids] = results.try_into().expect("two outputs are declared");
        return Ok((distances, ids));
    }
    let mut distances = Tensor::empty(stream, DType::F32, [b, k])?;
    let mut ids = Tensor::empty(stream, DType::I64, [b, k])?;
    let mut before = Tensor::zeros(DType::U64, [b, 3])?.to(stream)?;
    // Each has as many candidates that none before it had, or all that are left.
    let rounds = k.min(most).div_ceil(SELECTED).max(1);
    for number in 0..rounds {
        let (found, repeats) = pass(&Round { k: SELECTED, bounds: (number > 0).then_some(&before) })?;
        before = PLACE
            .launch(stream)
            .input("found", &found)
            .input("repeats", &repeats)
            .input("before", &before)
            .scalar("extent", SELECTED as u32)
            .scalar("parts", if number > 0 { parts as u32 } else { 0 })
            .scalar("k", k as u64)
            .scalar("ends", number + 1 == rounds)
            .in_place("distances", &mut distances)
            .in_place("ids", &mut ids)
            .output("after", DType::U64, [b, 3])
            .grid(Grid::groups([b, 1, 1]), [32, 1, 1])
            .run_one()?;
    }
    Ok((distances, ids))
}

/// The best `k` of each query's candidates `[b, extent]`, u64, of which each `k` are sorted.
fn reduced(stream: &Stream, mut found: Tensor, b: usize, mut extent: usize, k: usize) -> Result<Tensor> {
    while extent > k {
        // With more than 8 segments' worth in each, k candidates of 512 threads leave an eighth for the next launch.
        let most = if k <= 256 { THREADS } else { 2 * THREADS };
        let threads = extent.div_ceil(ITEMS).next_multiple_of(32).min(most);
        let segments = extent.div_ceil(threads * ITEMS);
        found = AGAIN
            .launch(stream)
            .input("from", &found)
            .scalar("n", extent as u32)
            .scalar("segments", segments as u32)
            .scalar("k", k as u32)
            .output("candidates", DType::U64, [b, segments * k])
            .grid(Grid::groups([b * segments, 1, 1]), [threads, 1, 1])
            .run_one()?;
        extent = segments * k;
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Where NVRTC is installed.
    #[test]
    #[cfg(not(target_vendor = "apple"))]
    fn every_body_compiles_for_cuda() {
        use crate::nvrtc::compiles;
        use DType::{F32, I64, U32, U64};
        compiles(&AGAIN, &[], &[U64; 2]);
        compiles(&FINISH, &[], &[U64, F32, I64]);
        compiles(&PLACE, &[], &[U64, U32, U64, F32, I64, U64]);
    }

    #[test]
    fn numbers_are_those_of_the_bodies() {
        let header = include_str!("../reduce/top_k/gpu.header.metal");
        assert!(header.contains(&format!("ITEMS = {ITEMS};")));
        assert!(header.contains(&format!("CAPACITY = {};", 2 * SELECTED)));
    }
}
