//! Processes that are killed while they change an index: whatever they said was done is there afterwards.
//!
//! 1,000 kills, or as many as `TILEWRIGHT_KILLS` says, in lanes side by side: most of the time a process waits for the disk.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use tilewright_core::Tensor;
use tilewright_search::{Index, Metric, Query};

const D: usize = 6;
const FOLDER: &str = "TILEWRIGHT_KILL_FOLDER";
const FIRST: &str = "TILEWRIGHT_KILL_FIRST";
const LANE: &str = "TILEWRIGHT_KILL_LANE";
const KILLS: &str = "TILEWRIGHT_KILLS";

/// A change, which its number decides.
enum Step {
    Add(Vec<i64>),
    Remove(Vec<i64>),
    Update(Vec<i64>),
    Checkpoint,
}

fn step(number: i64) -> Step {
    match number % 8 {
        2 => Step::Remove(vec![(number - 2) * 3 + 1, (number - 1) * 3]),
        4 => Step::Update(vec![(number - 1) * 3, number * 3 + 2]),
        6 => Step::Checkpoint,
        _ => Step::Add((0..3).map(|i| number * 3 + i).collect()),
    }
}

/// The vectors that change `number` gives these ids.
fn vectors(number: i64, ids: &[i64]) -> Vec<f32> {
    let element = |id: i64, j: usize| ((id * 31 + number * 7 + j as i64 * 3) % 97) as f32;
    ids.iter().flat_map(|&id| (0..D).map(move |j| element(id, j))).collect()
}

/// What the index holds after the first `count` changes.
fn model(count: i64) -> BTreeMap<i64, Vec<f32>> {
    let mut all = BTreeMap::new();
    for number in 0..count {
        match step(number) {
            Step::Add(ids) | Step::Update(ids) => {
                let vectors = vectors(number, &ids);
                ids.iter().zip(vectors.chunks(D)).for_each(|(&id, x)| drop(all.insert(id, x.to_vec())));
            }
            Step::Remove(ids) => ids.iter().for_each(|id| drop(all.remove(id))),
            Step::Checkpoint => {}
        }
    }
    all
}

fn holds(index: &Index, all: &BTreeMap<i64, Vec<f32>>) -> bool {
    index.snapshot().len() == all.len()
        && all.iter().all(|(&id, x)| index.reconstruct(id).is_ok_and(|found| found == *x))
}

/// Makes changes, and tells of each when it is done, until it is killed.
#[test]
fn child() {
    let Ok(folder) = std::env::var(FOLDER) else { return };
    let first: i64 = std::env::var(FIRST).unwrap().parse().unwrap();
    let index = Index::open(Path::new(&folder).join("index")).unwrap();
    let mut out = std::io::stdout().lock();
    for number in first.. {
        match step(number) {
            Step::Add(ids) => {
                let x = Tensor::from_vec(vectors(number, &ids), [ids.len(), D]).unwrap();
                index.add(&x, Some(&ids)).unwrap();
            }
            Step::Update(ids) => {
                let x = Tensor::from_vec(vectors(number, &ids), [ids.len(), D]).unwrap();
                index.update(&x, &ids).unwrap();
            }
            Step::Remove(ids) => drop(index.remove(&ids).unwrap()),
            Step::Checkpoint => index.checkpoint().unwrap(),
        }
        writeln!(out, "done {number}").unwrap();
        out.flush().unwrap();
    }
}

/// Indexes that are killed side by side.
const LANES: usize = 8;
/// What they are made of, in turns: all that keep vectors to the bit.
const RECIPES: [&str; 3] = ["IVF2,Flat", "Flat", "IVF2,SQ8,RFlat"];
/// Vectors with which an index begins anew, so that a round stays short.
const MANY: usize = 1000;

/// An index without vectors in new files, that has learnt what its recipe has to.
fn created(path: &Path, recipe: &str) {
    let index = Index::create(path, recipe.parse().unwrap(), D, Metric::L2).unwrap();
    if recipe.starts_with("IVF2") {
        let centroids: Vec<f32> = (0..2 * D).map(|i| if i < D { 20.0 } else { 70.0 }).collect();
        index.set_centroids(&Tensor::from_vec(centroids, [2, D]).unwrap()).unwrap();
    }
    if recipe.contains("SQ8") {
        let ranges: Vec<f32> = (0..2 * D).map(|i| if i < D { -100.0 } else { 200.0 }).collect();
        index.set_codebooks(&Tensor::from_vec(ranges, [2, D]).unwrap()).unwrap();
    }
    assert!(index.snapshot().is_trained());
}

/// Lanes are processes: of one process's threads each would hold, until the program it starts is there, the locked files of all others.
#[test]
fn nothing_that_was_acknowledged_is_lost() {
    let kills: usize = std::env::var(KILLS).map_or(1000, |kills| kills.parse().unwrap());
    let start = |number: usize| {
        Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "lane", "--nocapture", "--test-threads", "1"])
            .env(LANE, number.to_string())
            .env(KILLS, kills.div_ceil(LANES).to_string())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap()
    };
    // All are begun before one is waited for.
    let lanes: Vec<_> = (0..LANES).map(start).collect();
    for (number, lane) in lanes.into_iter().enumerate() {
        let ended = lane.wait_with_output().unwrap();
        assert!(ended.status.success(), "lane {number}: {}", String::from_utf8_lossy(&ended.stderr));
    }
}

/// Kills processes that change one index, one after another.
#[test]
fn lane() {
    let Ok(number) = std::env::var(LANE) else { return };
    let number: usize = number.parse().unwrap();
    let kills: usize = std::env::var(KILLS).unwrap().parse().unwrap();
    let (folder, recipe) = (tempfile::tempdir().unwrap(), RECIPES[number % RECIPES.len()]);
    let path = folder.path().join("index");
    created(&path, recipe);
    let mut random = ChaCha8Rng::seed_from_u64(1 + number as u64);
    // The log grows and is emptied on the way.
    let mut done = 0i64;
    for kill in 0..kills {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "child", "--nocapture", "--test-threads", "1"])
            .env(FOLDER, folder.path())
            .env(FIRST, done.to_string())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        // The first change shows that the child is at work; after that any moment is as good as another.
        let wait = Duration::from_micros(random.random_range(0..8000));
        let mut acknowledged = done;
        let mut note = |line: String| {
            if let Some((_, number)) = line.split_once("done ") {
                acknowledged = number.trim().parse::<i64>().unwrap() + 1;
                return true;
            }
            false
        };
        while !note(lines.next().expect("the child makes a change").unwrap()) {}
        std::thread::sleep(wait);
        child.kill().unwrap();
        child.wait().unwrap();
        for line in lines.map_while(Result::ok) {
            note(line);
        }
        let index = Index::open(&path).unwrap();
        // The change that was under way may be there or not, but whole.
        let found = [acknowledged, acknowledged + 1].into_iter().find(|&count| holds(&index, &model(count)));
        done = found.unwrap_or_else(|| {
            panic!("{recipe}, kill {kill}: not what {acknowledged} or one more changes leave")
        });
        let query = Tensor::from_vec(vec![40.0f32; D], [1, D]).unwrap();
        let all = index.search(&query, &Query { k: 100_000, nprobe: 2, ..Query::default() }).unwrap();
        assert_eq!(all.of(0).count(), model(done).len());
        if index.snapshot().len() > MANY {
            let everything: Vec<i64> = model(done).into_keys().collect();
            assert_eq!(index.remove(&everything).unwrap(), everything.len());
            index.checkpoint().unwrap();
            drop(index);
            std::fs::remove_file(&path).unwrap();
            std::fs::remove_file(folder.path().join("index.log")).unwrap();
            created(&path, recipe);
            done = 0;
        }
    }
    assert!(Index::load_verified(&path).is_ok());
}
