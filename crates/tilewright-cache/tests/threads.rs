//! Many threads on one manager: nobody writes where another reads.

use std::sync::atomic::{AtomicU64, Ordering};

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use tilewright_cache::{Budget, Copy, Manager, SequenceId, Snapshots};

/// A slot's content: the token and the number of tokens before it.
fn content(token: u32, at: usize) -> u64 {
    u64::from(token) << 32 | at as u64
}

struct Shared {
    manager: Manager,
    slots: Vec<AtomicU64>,
    block: usize,
}

impl Shared {
    fn write(&self, id: SequenceId, first: usize) {
        let tokens = self.manager.tokens(id).unwrap();
        let slots = self.manager.slots(id, first..tokens.len()).unwrap();
        for (at, slot) in (first..).zip(slots) {
            self.slots[slot as usize].store(content(tokens[at], at), Ordering::Relaxed);
        }
        self.manager.commit(id, tokens.len()).unwrap();
    }

    fn copy(&self, copies: &[Copy]) {
        for copy in copies {
            for at in 0..self.block {
                let held = self.slots[copy.from as usize * self.block + at].load(Ordering::Relaxed);
                self.slots[copy.to as usize * self.block + at].store(held, Ordering::Relaxed);
            }
        }
    }

    fn check(&self, id: SequenceId) {
        let tokens = self.manager.tokens(id).unwrap();
        for (at, slot) in self.manager.slots(id, 0..tokens.len()).unwrap().into_iter().enumerate() {
            assert_eq!(self.slots[slot as usize].load(Ordering::Relaxed), content(tokens[at], at));
        }
    }

    /// A thread's work, on sequences of its own and prefixes of all.
    fn work(&self, seed: u64) {
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        for _ in 0..1500 {
            let length = random.random_range(1..40u32);
            let mut tokens: Vec<u32> = (0..length).map(|at| at + 100 * (seed as u32 % 3)).collect();
            *tokens.last_mut().unwrap() = seed as u32;
            let Ok(admitted) = self.manager.admit(&tokens, 0) else { continue };
            let first = admitted.sequence;
            self.write(first, admitted.cached);
            let second = self.manager.fork(first).unwrap();
            for round in 0..4u32 {
                for id in [first, second] {
                    let before = self.manager.tokens(id).unwrap().len();
                    if let Ok(copies) = self.manager.append(id, &[round, seed as u32, round]) {
                        self.copy(&copies);
                        self.write(id, before);
                    }
                }
                let left = self.manager.tokens(second).unwrap().len().saturating_sub(1);
                self.manager.trim(second, left).unwrap();
                self.check(first);
                self.check(second);
            }
            self.manager.release(first).unwrap();
            self.check(second);
            self.manager.release(second).unwrap();
        }
    }
}

#[test]
fn nobody_writes_where_another_reads() {
    let budget = Budget { blocks: 60, host_blocks: 0, block: 4 };
    let slots = (0..budget.blocks * budget.block).map(|_| AtomicU64::new(u64::MAX)).collect();
    let shared = Shared { manager: Manager::new(budget).unwrap(), slots, block: budget.block };
    std::thread::scope(|scope| {
        for seed in 0..16 {
            let shared = &shared;
            scope.spawn(move || shared.work(seed));
        }
    });
    let statistics = shared.manager.statistics();
    assert_eq!((statistics.sequences, statistics.used), (0, 0));
    assert_eq!(statistics.idle + statistics.empty, budget.blocks);
    assert!(statistics.found > 0 && statistics.copied > 0 && statistics.evicted > 0, "{statistics:?}");
}

#[test]
fn snapshots_stay_within_their_budget() {
    let states = Snapshots::new(1000);
    std::thread::scope(|scope| {
        for seed in 0..8u64 {
            let states = &states;
            scope.spawn(move || {
                let mut random = ChaCha8Rng::seed_from_u64(seed);
                for _ in 0..2000 {
                    let length = random.random_range(0..30u32);
                    let tokens: Vec<u32> = (0..length).collect();
                    assert!(states.put(&tokens, seed % 2, (length, seed % 2), random.random_range(1..200)));
                    assert!(states.bytes() <= 1000);
                    let all: Vec<u32> = (0..30).collect();
                    if let Some((length, state)) = states.longest(&all, seed % 2) {
                        assert_eq!(*state, (length as u32, seed % 2));
                    }
                }
            });
        }
    });
    assert!(!states.put(&[1], 0, (1, 0), 1001));
}
