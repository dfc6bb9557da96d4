//! Files of chance: any byte may be anything, and any length may lie. The answer is an index or an error, in no more memory than the file accounts for.

use std::alloc::{GlobalAlloc, Layout, System};
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::Value;
use sha2::{Digest, Sha256};
use tilewright_core::Tensor;
use tilewright_search::{Filter, Index, Metric, Query, read_faiss, write_faiss};

const D: usize = 8;
/// Changed files of each kind.
const ROUNDS: usize = 300;
/// Bytes that nothing here has a use for at once: files have ten thousand.
const ENORMOUS: usize = 64 << 20;
/// Bytes that are not even handed out.
const REFUSED: usize = 1 << 30;

/// The largest piece of memory that anything has asked for.
static LARGEST: AtomicUsize = AtomicUsize::new(0);

struct Watched;

// SAFETY: memory is the system's, or there is none.
unsafe impl GlobalAlloc for Watched {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        LARGEST.fetch_max(layout.size(), Ordering::Relaxed);
        if layout.size() > REFUSED {
            return std::ptr::null_mut();
        }
        // SAFETY: the caller promises what the system asks for.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        // SAFETY: it was the system that gave the memory, by this layout.
        unsafe { System.dealloc(memory, layout) }
    }
}

#[global_allocator]
static MEMORY: Watched = Watched;

/// Recipes of all kinds of codes, with lists and without.
const RECIPES: [&str; 13] = [
    "Flat",
    "IVF3,Flat",
    "PCA4,Flat",
    "PQ4x4fs",
    "IVF3,PQ1",
    "IVF3,PQ2x4",
    "IVF3,PQ2x4fsr,RFlat",
    "OPQ2,IVF3,PQ2x4",
    "SQ8",
    "IVF3,SQ6,RFlat",
    "RR8,RaBitQ",
    "IVF2,RaBitQ,RFlat",
    "BFlat",
];

/// What lengths, numbers and places may say.
const LIES: [u64; 20] = [
    0,
    1,
    2,
    3,
    7,
    8,
    31,
    32,
    33,
    64,
    255,
    1 << 16,
    (1 << 31) - 1,
    1 << 31,
    u32::MAX as u64 - 1,
    u32::MAX as u64,
    1 << 40,
    1 << 62,
    i64::MAX as u64,
    u64::MAX,
];
const ODD: [f32; 6] = [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, f32::MAX, f32::MIN, 1e-42];

/// Numbers without structure, but the same every time.
struct Chance(u64);

impl Chance {
    fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % end.max(1)
    }

    fn of<T: Copy>(&mut self, some: &[T]) -> T {
        some[self.below(some.len())]
    }

    fn lie(&mut self) -> u64 {
        if self.below(3) == 0 { self.below(400) as u64 } else { self.of(&LIES) }
    }
}

fn vectors(n: usize, d: usize, seed: u64) -> Tensor {
    let mut chance = Chance(seed);
    let numbers = (0..n * d).map(|_| chance.below(2001) as f32 / 1000.0 - 1.0);
    Tensor::from_vec(numbers.collect(), [n, d]).unwrap()
}

fn bits(n: usize, bytes: usize, seed: u64) -> Tensor {
    let mut chance = Chance(seed);
    Tensor::from_vec((0..n * bytes).map(|_| chance.below(256) as u8).collect(), [n, bytes]).unwrap()
}

/// Changes a few bytes, or cuts the file, or puts something in.
fn changed(good: &[u8], chance: &mut Chance) -> Vec<u8> {
    let mut bad = good.to_vec();
    for _ in 0..1 + chance.below(3) {
        let at = chance.below(bad.len());
        let mut put = |bytes: &[u8]| bad[at..].iter_mut().zip(bytes).for_each(|(old, &new)| *old = new);
        match chance.below(16) {
            0..3 => put(&[chance.below(256) as u8]),
            3..6 => put(&chance.lie().to_le_bytes()),
            6..9 => put(&(chance.lie() as u32).to_le_bytes()),
            9..11 => put(&chance.of(&ODD).to_le_bytes()),
            11 => bad.truncate(at),
            12 => {
                bad.splice(at..at, good[chance.below(good.len())..].iter().copied().take(16)).for_each(drop)
            }
            _ => bad.get_mut(at).into_iter().for_each(|byte| *byte ^= 1 << chance.below(8)),
        }
    }
    bad
}

/// A file of this library's with another description, which says something else of the same sections.
fn described(good: &[u8], chance: &mut Chance) -> Vec<u8> {
    let length = u32::from_le_bytes(good[12..16].try_into().unwrap()) as usize;
    let mut said: Value = serde_json::from_slice(&good[48..48 + length]).unwrap();
    let names: Vec<Value> =
        said["sections"].as_array().unwrap().iter().map(|section| section["name"].clone()).collect();
    let which = chance.below(names.len());
    match chance.below(8) {
        0 => said["dimension"] = chance.lie().into(),
        1 => said["vectors"] = chance.lie().into(),
        2 => said["recipe"] = chance.of(&RECIPES).into(),
        3 => {
            said["recipe"] =
                chance.of(&["IVF4294967294,Flat", "PQ8", "IVF3,PQ1,RFlat", "SQ4", "RaBitQ"]).into()
        }
        4 => said["sections"][which]["offset"] = chance.lie().into(),
        5 => said["sections"][which]["bytes"] = chance.lie().into(),
        6 => said["sections"][which]["name"] = names[chance.below(names.len())].clone(),
        _ => drop(said["sections"].as_array_mut().unwrap().remove(which)),
    }
    let said = serde_json::to_vec(&said).unwrap();
    let mut bad = good[..48].to_vec();
    bad[12..16].copy_from_slice(&(said.len() as u32).to_le_bytes());
    bad.extend_from_slice(&said);
    bad.resize(bad.len().next_multiple_of(64), 0);
    bad.extend_from_slice(&good[(48 + length).next_multiple_of(64)..]);
    bad
}

/// Gives the description the checksum that it has now, so that it is read.
fn sealed(mut bad: Vec<u8>) -> Vec<u8> {
    let length = bad.get(12..16).map_or(0, |four| u32::from_le_bytes(four.try_into().unwrap()) as usize);
    if let Some(said) = bad.get(48..48 + length) {
        let sum = Sha256::digest(said);
        bad[16..48].copy_from_slice(&sum);
    }
    bad
}

/// Asks an index for all that it can be asked for: it answers, or says why not.
fn ask(index: &Index, round: usize) {
    let now = index.snapshot();
    let (d, binary) = (now.dimension(), now.recipe().is_binary());
    let _ = (now.statistics(), now.reconstruct(round as i64 % 50), now.contains(3));
    if d > 1 << 12 {
        return;
    }
    let some = if binary { bits(3, d.div_ceil(8), 3) } else { vectors(3, d, 3) };
    let query = Query { k: 4, nprobe: 2, refine: 2, ..Query::default() };
    for filter in [None, Some(Filter::range(5..30)), Some(!Filter::ids(&[2, 7, 11]))] {
        if let Ok(found) = now.search(&some, &Query { filter, ..query }) {
            assert_eq!((found.ids.len(), found.distances.len()), (12, 12));
        }
    }
    let _ = now.range_search(&some, 1.0, 3, None);
    let _ = (index.add(&some, None), index.remove(&[1, 2, 3]), index.compact());
    let _ = (index.search(&some, &query), index.merge(&now));
}

fn write(index: &Index, path: &Path, foreign: bool) {
    if foreign { write_faiss(&index.snapshot(), path).unwrap() } else { index.save(path).unwrap() }
}

#[test]
fn files_of_chance_never_crash() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("index");
    for (number, recipe) in RECIPES.into_iter().enumerate() {
        let binary = recipe == "BFlat";
        let index = Index::new(recipe.parse().unwrap(), if binary { 8 * D } else { D }, Metric::L2).unwrap();
        if !binary {
            index.train(&vectors(300, D, 1)).unwrap();
        }
        index.add(&if binary { bits(40, D, 2) } else { vectors(40, D, 2) }, None).unwrap();
        // faiss's files of RaBitQ's codes are not written.
        for foreign in [false, true].into_iter().filter(|foreign| !foreign || !recipe.contains("RaBitQ")) {
            write(&index, &path, foreign);
            let good = std::fs::read(&path).unwrap();
            let mut chance = Chance(1 + 2 * number as u64 + u64::from(foreign));
            let mut read = 0;
            for round in 0..ROUNDS {
                let bad = match (foreign, round % 3) {
                    (true, _) => changed(&good, &mut chance),
                    (false, 0) => sealed(described(&good, &mut chance)),
                    (false, _) => sealed(changed(&good, &mut chance)),
                };
                std::fs::write(&path, &bad).unwrap();
                let loaded = if foreign { read_faiss(&path) } else { Index::load(&path) };
                if let Ok(index) = loaded {
                    read += 1;
                    ask(&index, round);
                    if !foreign {
                        let _ = Index::load_verified(&path).map(|index| ask(&index, round));
                    }
                }
                let largest = LARGEST.load(Ordering::Relaxed);
                assert!(
                    largest < ENORMOUS,
                    "{recipe}, foreign: {foreign}, round {round}: {largest} bytes at once"
                );
            }
            // Otherwise nothing behind the readers would have been asked.
            assert!(read > ROUNDS / 20 && read < ROUNDS, "{recipe}, foreign: {foreign}: {read} were read");
        }
    }
}

/// What says how long it is in two places, and is that long nowhere.
#[test]
fn lists_that_a_file_only_speaks_of_take_no_memory() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("index.faiss");
    let index = Index::new("IVF3,Flat".parse().unwrap(), D, Metric::L2).unwrap();
    write_faiss(&index.snapshot(), &path).unwrap();
    let good = std::fs::read(&path).unwrap();
    // The sizes of the lists that have any: none has.
    let sizes = good.windows(4).position(|four| four == b"full").unwrap();
    let mut bad = [&good[..sizes], b"sprs", &[0; 8]].concat();
    let places: Vec<usize> = (0..sizes - 8).filter(|&at| bad[at..at + 8] == 3u64.to_le_bytes()).collect();
    assert_eq!(places.len(), 2, "the lists of the index and of what stores them");
    let lists = u32::MAX - 1;
    places.iter().for_each(|&at| bad[at..at + 8].copy_from_slice(&u64::from(lists).to_le_bytes()));
    std::fs::write(&path, &bad).unwrap();
    let index = read_faiss(&path).unwrap();
    ask(&index, 0);
    assert_eq!(index.statistics().unwrap().empty_lists, lists as usize);
    assert!(LARGEST.load(Ordering::Relaxed) < ENORMOUS);
}
