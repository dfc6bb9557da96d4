//! Random operations against plain lists: every token of every sequence has to lie where the manager says, and no block may be lost or had twice.

use std::collections::HashMap;

use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use tilewright_cache::{Budget, Copy, Manager, SequenceId};

/// A sequence as a list, and what of it has been given back.
#[derive(Clone)]
struct Model {
    tokens: Vec<u32>,
    salt: u64,
    swapped: bool,
    /// Tokens that may be gone.
    gap: std::ops::Range<usize>,
}

/// What a slot holds: the token and the hash of all tokens up to it, as keys and values depend on all of them.
type Slot = Option<(u32, u64)>;

fn content(tokens: &[u32], salt: u64, at: usize) -> Slot {
    let mix = |hash: u64, token: &u32| {
        (hash ^ u64::from(*token)).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(23)
    };
    Some((tokens[at], tokens[..=at].iter().fold(salt, mix)))
}

struct World {
    manager: Manager,
    budget: Budget,
    device: Vec<Slot>,
    host: Vec<Slot>,
    models: HashMap<SequenceId, Model>,
}

impl World {
    fn new(budget: Budget) -> Self {
        World {
            manager: Manager::new(budget).unwrap(),
            budget,
            device: vec![None; budget.blocks * budget.block],
            host: vec![None; budget.host_blocks * budget.block],
            models: HashMap::new(),
        }
    }

    /// Writes the tokens from `first` on.
    fn write(&mut self, id: SequenceId, first: usize) {
        let model = &self.models[&id];
        let slots = self.manager.slots(id, first..model.tokens.len()).unwrap();
        for (at, slot) in (first..).zip(slots) {
            self.device[usize::try_from(slot).unwrap()] = content(&model.tokens, model.salt, at);
        }
        self.manager.commit(id, model.tokens.len()).unwrap();
    }

    fn copy(&mut self, copies: &[Copy]) {
        let block = self.budget.block;
        for copy in copies {
            let from = copy.from as usize * block;
            self.device.copy_within(from..from + block, copy.to as usize * block);
        }
    }

    fn swap(from: &[Slot], to: &mut [Slot], copies: &[Copy], block: usize) {
        for copy in copies {
            let (from, source) = (copy.from as usize * block, from);
            to[copy.to as usize * block..][..block].copy_from_slice(&source[from..from + block]);
        }
    }

    fn check(&self) {
        let mut used = std::collections::HashSet::new();
        let mut swapped = 0;
        for (&id, model) in &self.models {
            assert_eq!(self.manager.tokens(id).unwrap(), model.tokens);
            if model.swapped {
                assert!(self.manager.slots(id, 0..0).is_err());
                swapped += 1;
                continue;
            }
            for (at, slot) in self.manager.slots(id, 0..model.tokens.len()).unwrap().into_iter().enumerate() {
                if slot < 0 {
                    assert!(model.gap.contains(&at), "token {at} of {id:?} is gone");
                    continue;
                }
                used.insert(slot as usize / self.budget.block);
                let held = self.device[slot as usize];
                assert_eq!(held, content(&model.tokens, model.salt, at), "token {at} of {id:?}");
            }
        }
        let statistics = self.manager.statistics();
        assert_eq!(statistics.sequences, self.models.len());
        assert_eq!(statistics.used, used.len());
        assert_eq!(statistics.used + statistics.idle + statistics.empty, self.budget.blocks);
        assert!(swapped > 0 || statistics.host_used == 0);
    }

    fn step(&mut self, random: &mut ChaCha8Rng) {
        let mut ids: Vec<SequenceId> = self.models.keys().copied().collect();
        ids.sort();
        let chosen = ids.choose(random).copied();
        let before = self.manager.statistics();
        let refused = match (random.random_range(0..100), chosen) {
            (0..25, _) | (_, None) => {
                // Of few kinds of tokens and few beginnings, so that prefixes are met again.
                let beginning = random.random_range(0..3u32);
                let length = random.random_range(0..=5 * self.budget.block);
                let mut tokens: Vec<u32> = (0..length as u32).map(|at| at * 7 + beginning).collect();
                if let Some(last) = tokens.last_mut() {
                    *last = random.random_range(0..3);
                }
                let salt = u64::from(random.random_bool(0.2));
                match self.manager.admit(&tokens, salt) {
                    Ok(admitted) => {
                        assert!(admitted.cached < tokens.len().max(1));
                        assert_eq!(admitted.cached % self.budget.block, 0);
                        let model = Model { tokens, salt, swapped: false, gap: 0..0 };
                        self.models.insert(admitted.sequence, model);
                        self.write(admitted.sequence, admitted.cached);
                        false
                    }
                    Err(_) => true,
                }
            }
            (25..55, Some(id)) => {
                let count = random.random_range(0..=self.budget.block + 1);
                let more: Vec<u32> = (0..count).map(|_| random.random_range(0..3)).collect();
                let first = self.models[&id].tokens.len();
                match self.manager.append(id, &more) {
                    Ok(copies) => {
                        assert!(!self.models[&id].swapped);
                        self.copy(&copies);
                        self.models.get_mut(&id).unwrap().tokens.extend(more);
                        self.write(id, first);
                        false
                    }
                    Err(_) => !self.models[&id].swapped,
                }
            }
            (55..65, Some(id)) => {
                if let Ok(other) = self.manager.fork(id) {
                    self.models.insert(other, self.models[&id].clone());
                }
                false
            }
            (65..75, Some(id)) => {
                let model = self.models.get_mut(&id).unwrap();
                let length = random.random_range(0..=model.tokens.len());
                if self.manager.trim(id, length).is_ok() {
                    model.tokens.truncate(length);
                }
                false
            }
            (75..80, Some(id)) => {
                let model = self.models.get_mut(&id).unwrap();
                let (keep, window) = (random.random_range(0..4), random.random_range(0..8));
                if self.manager.slide(id, keep, window).is_ok() {
                    let end = model.tokens.len().saturating_sub(window);
                    model.gap = if model.gap.is_empty() {
                        keep..end
                    } else {
                        model.gap.start.min(keep)..model.gap.end.max(end)
                    };
                }
                false
            }
            (80..88, Some(id)) => {
                let swapped = self.models[&id].swapped;
                let moved = if swapped { self.manager.swap_in(id) } else { self.manager.swap_out(id) };
                let block = self.budget.block;
                match moved {
                    Ok(copies) if swapped => Self::swap(&self.host, &mut self.device, &copies, block),
                    Ok(copies) => Self::swap(&self.device, &mut self.host, &copies, block),
                    Err(_) => return,
                }
                self.models.get_mut(&id).unwrap().swapped = !swapped;
                false
            }
            (_, Some(id)) => {
                self.manager.release(id).unwrap();
                self.models.remove(&id);
                assert!(self.manager.release(id).is_err());
                false
            }
        };
        if refused {
            let after = self.manager.statistics();
            assert_eq!((after.used, after.idle, after.empty), (before.used, before.idle, before.empty));
            assert_eq!(after.refused, before.refused + 1);
        }
    }
}

#[test]
fn every_token_lies_where_it_should_after_any_operations() {
    for (seed, budget) in [
        Budget { blocks: 24, host_blocks: 9, block: 4 },
        Budget { blocks: 40, host_blocks: 20, block: 1 },
        Budget { blocks: 9, host_blocks: 3, block: 16 },
    ]
    .into_iter()
    .enumerate()
    {
        let mut random = ChaCha8Rng::seed_from_u64(seed as u64);
        let mut world = World::new(budget);
        for _ in 0..6000 {
            world.step(&mut random);
            world.check();
        }
        let statistics = world.manager.statistics();
        // All of it was exercised.
        let counts = [statistics.found, statistics.evicted, statistics.refused];
        assert!(counts.iter().all(|&count| count > 20), "{statistics:?}");
        assert!(statistics.copied > 20 || budget.block == 1, "{statistics:?}");
        let ids: Vec<SequenceId> = world.models.drain().map(|(id, _)| id).collect();
        ids.into_iter().for_each(|id| world.manager.release(id).unwrap());
        world.manager.clear();
        let statistics = world.manager.statistics();
        assert_eq!((statistics.used, statistics.idle, statistics.host_used), (0, 0, 0));
        assert_eq!(statistics.empty, budget.blocks);
    }
}

#[test]
fn the_end_of_the_oldest_prefix_goes_first() {
    let manager = Manager::new(Budget { blocks: 6, host_blocks: 0, block: 2 }).unwrap();
    let (old, new): (Vec<u32>, Vec<u32>) = ((0..6).collect(), (10..16).collect());
    for tokens in [&old, &new] {
        let id = manager.admit(tokens, 0).unwrap().sequence;
        manager.commit(id, 6).unwrap();
        manager.release(id).unwrap();
    }
    // Two blocks are needed: the last two of the older prefix go.
    let id = manager.admit(&[90, 91, 92, 93], 0).unwrap().sequence;
    manager.release(id).unwrap();
    assert_eq!(manager.statistics().evicted, 2);
    assert_eq!(manager.admit(&[10, 11, 12, 13, 14, 15, 0], 0).unwrap().cached, 6);
    assert_eq!(manager.admit(&[0, 1, 2], 0).unwrap().cached, 2);
    assert_eq!(manager.admit(&[0, 1, 2], 5).unwrap_err().to_string().matches("blocks").count(), 2);
}

#[test]
fn what_is_not_written_is_not_shared() {
    let manager = Manager::new(Budget { blocks: 8, host_blocks: 0, block: 2 }).unwrap();
    let tokens: Vec<u32> = (0..6).collect();
    let first = manager.admit(&tokens, 0).unwrap().sequence;
    assert_eq!(manager.admit(&tokens, 0).unwrap().cached, 0);
    manager.commit(first, 3).unwrap();
    manager.release(first).unwrap();
    assert_eq!(manager.admit(&tokens, 0).unwrap().cached, 2);
    assert!(
        manager
            .commit(first, 3)
            .unwrap_err()
            .to_string()
            .contains("sequence is 0, expected one that is alive")
    );
}

#[test]
fn wrong_arguments_are_named() {
    let message = |budget| Manager::new(budget).unwrap_err().to_string();
    assert!(message(Budget { blocks: 1, host_blocks: 0, block: 0 }).contains("block is 0"));
    assert!(message(Budget { blocks: 1 << 40, host_blocks: 0, block: 16 }).contains("blocks is"));
    let budget = Budget::of_bytes(10_000, 999, 16, 10);
    assert_eq!((budget.blocks, budget.host_blocks), (62, 6));
    let manager = Manager::new(Budget { blocks: 2, host_blocks: 0, block: 2 }).unwrap();
    let id = manager.admit(&[1, 2, 3], 0).unwrap().sequence;
    assert!(manager.append(id, &[4, 5]).unwrap_err().to_string().contains("blocks is 1, expected at most 0"));
    assert!(manager.trim(id, 4).unwrap_err().to_string().contains("length is 4, expected at most 3"));
    assert!(manager.commit(id, 4).unwrap_err().to_string().contains("written is 4"));
    assert!(manager.slots(id, 2..4).unwrap_err().to_string().contains("range is 2..4"));
    assert!(manager.swap_in(id).unwrap_err().to_string().contains("one on the host"));
    assert!(manager.swap_out(id).unwrap_err().to_string().contains("blocks is 2, expected at most 0"));
}
