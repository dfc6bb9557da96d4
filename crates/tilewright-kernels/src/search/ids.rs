//! Ids of 64 bits on a GPU, whose candidates have 32 bits for one: the scan gets each id's rank among all, which orders as the id does, and what it finds is named anew.

use std::sync::LazyLock;

use tilewright_core::{DType, Device, Result, Stream, Tensor};
use tilewright_gpu::{Definition, Grid, Program};

use crate::arguments::check_tensor;

const THREADS: usize = 256;

static MERGE: LazyLock<Program> = LazyLock::new(|| {
    let definition = Definition::new("search_ids_merge", include_str!("ids.merge.metal")).input("from");
    let definition = definition.scalar("n", DType::U32).scalar("width", DType::U32);
    Program::new(definition.output("sorted")).expect("the definition is valid")
});

static RANK: LazyLock<Program> = LazyLock::new(|| {
    let definition = Definition::new("search_ids_rank", include_str!("ids.rank.metal"));
    let definition = definition.input("ids").input("sorted").scalar("n", DType::U32);
    Program::new(definition.output("ranks")).expect("the definition is valid")
});

static NAME: LazyLock<Program> = LazyLock::new(|| {
    let definition = Definition::new("search_ids_name", include_str!("ids.name.metal"));
    let definition = definition.input("ranks").input("sorted").scalar("count", DType::U64);
    Program::new(definition.output("ids")).expect("the definition is valid")
});

/// Rows' ids where a scan runs.
pub(super) struct Ids {
    /// `[n]`: u32, or on the CPU i64; ranks where there are `names`. None: a row's number.
    pub(super) known: Option<Tensor>,
    /// `[n]`, i64, ascending: the id of each rank.
    names: Option<Tensor>,
}

impl Ids {
    /// Of ids that [`check_ids`] lets pass.
    pub(super) fn new(stream: &Stream, ids: Option<&Tensor>) -> Result<Self> {
        let known = ids.map(|ids| ids.to(stream)).transpose()?;
        match known {
            Some(ids) if ids.dtype() == DType::I64 && stream.device() != Device::Cpu => ranked(stream, &ids),
            known => Ok(Self { known, names: None }),
        }
    }

    /// Distances and ids `[b, k]` of what a scan found by ranks.
    pub(super) fn named(
        &self,
        stream: &Stream,
        (distances, found): (Tensor, Tensor),
    ) -> Result<(Tensor, Tensor)> {
        let Some(names) = self.names.as_ref().filter(|_| !found.is_empty()) else {
            return Ok((distances, found));
        };
        let count = found.elements();
        let ids = NAME
            .launch(stream)
            .input("ranks", &found)
            .input("sorted", names)
            .scalar("count", count as u64)
            .output("ids", DType::I64, found.dims().to_vec())
            .grid(Grid::groups([count.div_ceil(THREADS), 1, 1]), [THREADS, 1, 1])
            .run_one()?;
        Ok((distances, ids))
    }
}

fn ranked(stream: &Stream, ids: &Tensor) -> Result<Ids> {
    let n = ids.elements();
    if n == 0 {
        return Ok(Ids { known: Some(Tensor::zeros(DType::U32, [0])?.to(stream)?), names: None });
    }
    let (groups, mut sorted) = (Grid::groups([n.div_ceil(THREADS), 1, 1]), ids.clone());
    // A row's number is below 2^32 - 1, so that the last width is at most 2^31.
    let mut width = 1;
    while width < n {
        sorted = MERGE
            .launch(stream)
            .input("from", &sorted)
            .scalar("n", n as u32)
            .scalar("width", width as u32)
            .output("sorted", DType::I64, [n])
            .grid(groups, [THREADS, 1, 1])
            .run_one()?;
        width *= 2;
    }
    let ranks = RANK
        .launch(stream)
        .input("ids", ids)
        .input("sorted", &sorted)
        .scalar("n", n as u32)
        .output("ranks", DType::U32, [n])
        .grid(groups, [THREADS, 1, 1])
        .run_one()?;
    Ok(Ids { known: Some(ranks), names: Some(sorted) })
}

/// Refuses ids that are no ids.
pub(super) fn check_ids(
    operation: &'static str,
    argument: &'static str,
    stream: &Stream,
    ids: &Tensor,
) -> Result<()> {
    check_tensor(operation, argument, stream, ids, &[DType::U32, DType::I64])
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Where NVRTC is installed.
    #[test]
    #[cfg(not(target_vendor = "apple"))]
    fn every_body_compiles_for_cuda() {
        use crate::nvrtc::compiles;
        use DType::{I64, U32};
        compiles(&MERGE, &[], &[I64; 2]);
        compiles(&RANK, &[], &[I64, I64, U32]);
        compiles(&NAME, &[], &[I64; 3]);
    }

    #[test]
    fn ids_get_their_names_back() {
        let most = [i64::MIN, i64::MAX, 0, -1, i64::MAX - 1, 1 << 32, (1 << 32) - 1];
        for device in [Device::Emulated, Device::Cuda(0), Device::Metal(0)] {
            let Ok(stream) = tilewright_gpu::stream(device) else { continue };
            for n in [1usize, 2, 7, 300, 1025] {
                // Some of them more than once.
                let ids: Vec<i64> =
                    (0..n).map(|row| most[row * 5 % 7].wrapping_add(row as i64 / 9)).collect();
                let given = Tensor::from_slice(&ids, [n]).unwrap().to(&stream).unwrap();
                let known = Ids::new(&stream, Some(&given)).unwrap();
                let ranks = known.known.as_ref().unwrap().to_vec::<u32>().unwrap();
                let below = |id: i64| ids.iter().filter(|&&other| other < id).count() as u32;
                assert!(ranks.iter().zip(&ids).all(|(&rank, &id)| rank == below(id)), "{device} {n}");
                let mut found: Vec<i64> = ranks.iter().map(|&rank| i64::from(rank)).collect();
                found.push(-1);
                let found = Tensor::from_vec(found, [1, n + 1]).unwrap().to(&stream).unwrap();
                let distances = Tensor::zeros(DType::F32, [1, n + 1]).unwrap().to(&stream).unwrap();
                let named = known.named(&stream, (distances, found)).unwrap().1.to_vec::<i64>().unwrap();
                assert_eq!(named, [ids.as_slice(), &[-1]].concat(), "{device} {n}");
            }
        }
    }
}
