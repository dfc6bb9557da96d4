//! The tensors follow what a manager says.

use std::collections::HashMap;

use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use tilewright_cache::{Budget, Copy, KvStore, Manager, SequenceId};
use tilewright_core::{DType, Stream, Tensor};
use tilewright_kernels::attention::{AttentionDecode, Paged, attention_decode};
use tilewright_kernels::cache::{KvGather, KvGatherQuantized, kv_gather, kv_gather_quantized};
use tilewright_kernels::pack::{Format, Quantize, Quantized};

const HEADS: usize = 2;

/// Keys of tokens from one place on, each head's numbers of its own.
fn rows_from(tokens: &[u32], first: usize, d: usize) -> Tensor {
    let number =
        |token: u32, place: usize, at: usize| token as f32 + at as f32 / 8.0 + (place * 37 % 11) as f32;
    let tokens = tokens.iter().zip(first..);
    let values = tokens.flat_map(|(&token, place)| (0..d * HEADS).map(move |at| number(token, place, at)));
    let values: Vec<f32> = values.collect();
    let count = values.len() / (d * HEADS);
    Tensor::from_vec(values, [count, HEADS, d]).unwrap()
}

fn rows(tokens: &[u32]) -> Tensor {
    rows_from(tokens, 0, 2)
}

/// What the store holds of a sequence's keys or values, as f32.
fn held(manager: &Manager, part: Paged<'_>, id: SequenceId) -> Vec<f32> {
    let cpu = Stream::cpu();
    let tokens = manager.tokens(id).unwrap().len();
    let (table, lengths) = manager.batch(&[id]).unwrap();
    let read = match part {
        Paged::Plain(x) => {
            let args = KvGather { tokens, ..KvGather::default() };
            kv_gather(&cpu, x, &table, &lengths, &args)
        }
        Paged::Quantized(x) => {
            let args = KvGatherQuantized { tokens, ..KvGatherQuantized::default() };
            kv_gather_quantized(&cpu, x, &table, &lengths, &args)
        }
    };
    read.unwrap().to_vec().unwrap()
}

#[test]
fn forks_part_and_swapped_sequences_come_back() {
    let cpu = Stream::cpu();
    let manager = Manager::new(Budget { blocks: 6, host_blocks: 4, block: 4 }).unwrap();
    let mut store = KvStore::new(&cpu, DType::F32, [6, 4, HEADS, 2], 2).unwrap();
    let mut host = KvStore::new(&cpu, DType::F32, [4, 4, HEADS, 2], 2).unwrap();
    let write = |store: &mut KvStore, id: SequenceId, first: usize| {
        let tokens = manager.tokens(id).unwrap();
        let rows = rows_from(&tokens[first..], first, 2);
        let slots = manager.slots(id, first..tokens.len()).unwrap();
        store.append(&cpu, &rows, &rows, &slots).unwrap();
        manager.commit(id, tokens.len()).unwrap();
    };
    let one = manager.admit(&[1, 2, 3, 4, 5, 6], 0).unwrap().sequence;
    write(&mut store, one, 0);
    let two = manager.fork(one).unwrap();
    for (id, token) in [(one, 70), (two, 80)] {
        let copies = manager.append(id, &[token]).unwrap();
        assert_eq!(copies.len(), usize::from(id == one), "the second to write is alone already");
        store.copy(&cpu, &copies).unwrap();
        write(&mut store, id, 6);
    }
    let truth = |last: u32| rows(&[1, 2, 3, 4, 5, 6, last]).to_vec::<f32>().unwrap();
    assert_eq!(held(&manager, store.keys(), one), truth(70));
    assert_eq!(held(&manager, store.keys(), two), truth(80));

    let out = manager.swap_out(one).unwrap();
    host.copy_from(&cpu, (&store, &cpu), &out).unwrap();
    let other = manager.admit(&[9; 13], 0).unwrap().sequence;
    write(&mut store, other, 0);
    assert!(manager.swap_in(one).is_err(), "its place is taken");
    manager.release(other).unwrap();
    let back = manager.swap_in(one).unwrap();
    store.copy_from(&cpu, (&host, &cpu), &back).unwrap();
    assert_eq!(held(&manager, store.keys(), one), truth(70));
    assert_eq!(held(&manager, store.keys(), two), truth(80));

    // And the kernel reads both through their tables.
    let (table, lengths) = manager.batch(&[one, two]).unwrap();
    let q = Tensor::zeros(DType::F32, [2, HEADS, 2]).unwrap();
    let args = AttentionDecode::default();
    let read = attention_decode(&cpu, &q, store.keys(), store.values(), &table, &lengths, &args).unwrap();
    let means = read.out.to_vec::<f32>().unwrap();
    let mean = |values: Vec<f32>| values.iter().step_by(2 * HEADS).sum::<f32>() / 7.0;
    for (row, last) in [(0, 70), (1, 80)] {
        assert!((means[4 * row] - mean(truth(last))).abs() < 1e-5, "{means:?}");
    }
    let wrong = store.copy(&cpu, &[Copy { from: 6, to: 0 }]).unwrap_err().to_string();
    assert!(wrong.contains("from is 6, expected below 6"), "{wrong}");
    let small = Quantize { block: 0, ..Quantize::default() };
    let mut other = KvStore::quantized(&cpu, [4, 4, HEADS, 2], 2, [&small; 2]).unwrap();
    let wrong = other.copy_from(&cpu, (&store, &cpu), &out).unwrap_err().to_string();
    assert!(wrong.contains("from: is of another kind"), "{wrong}");
}

/// A manager with stores on both sides, and every sequence as a plain list of tokens.
struct World {
    manager: Manager,
    device: KvStore,
    host: KvStore,
    lists: HashMap<SequenceId, (Vec<u32>, bool)>,
}

const BUDGET: Budget = Budget { blocks: 14, host_blocks: 6, block: 4 };
const D: usize = 18;
const DV: usize = 5;

impl World {
    fn write(&mut self, id: SequenceId, first: usize) {
        let cpu = Stream::cpu();
        let tokens = self.manager.tokens(id).unwrap();
        let slots = self.manager.slots(id, first..tokens.len()).unwrap();
        let of = |d: usize| rows_from(&tokens[first..], first, d);
        self.device.append(&cpu, &of(D), &of(DV), &slots).unwrap();
        self.manager.commit(id, tokens.len()).unwrap();
    }

    fn step(&mut self, random: &mut ChaCha8Rng) {
        let cpu = Stream::cpu();
        let mut ids: Vec<SequenceId> = self.lists.keys().copied().collect();
        ids.sort();
        let chosen = ids.choose(random).copied();
        match (random.random_range(0..100), chosen) {
            (0..25, _) | (_, None) => {
                let length = random.random_range(1..=14);
                let first = random.random_range(0..2);
                let tokens: Vec<u32> = (0..length).map(|at| first + at * 5 % 7).collect();
                if let Ok(admitted) = self.manager.admit(&tokens, 0) {
                    self.lists.insert(admitted.sequence, (tokens, false));
                    self.write(admitted.sequence, admitted.cached);
                }
            }
            (25..50, Some(id)) => {
                let more: Vec<u32> =
                    (0..random.random_range(0..6)).map(|_| random.random_range(0..9)).collect();
                if let Ok(copies) = self.manager.append(id, &more) {
                    self.device.copy(&cpu, &copies).unwrap();
                    let list = &mut self.lists.get_mut(&id).unwrap().0;
                    let first = list.len();
                    list.extend(more);
                    self.write(id, first);
                }
            }
            (50..60, Some(id)) => {
                if let Ok(other) = self.manager.fork(id) {
                    self.lists.insert(other, self.lists[&id].clone());
                }
            }
            (60..68, Some(id)) => {
                let list = &mut self.lists.get_mut(&id).unwrap().0;
                let length = random.random_range(0..=list.len());
                if self.manager.trim(id, length).is_ok() {
                    list.truncate(length);
                }
            }
            (68..78, Some(id)) => {
                let swapped = self.lists[&id].1;
                if swapped {
                    let Ok(copies) = self.manager.swap_in(id) else { return };
                    self.device.copy_from(&cpu, (&self.host, &cpu), &copies).unwrap();
                } else {
                    let Ok(copies) = self.manager.swap_out(id) else { return };
                    self.host.copy_from(&cpu, (&self.device, &cpu), &copies).unwrap();
                }
                self.lists.get_mut(&id).unwrap().1 = !swapped;
            }
            (_, Some(id)) => {
                self.manager.release(id).unwrap();
                self.lists.remove(&id);
            }
        }
    }
}

#[test]
fn what_is_read_is_what_a_list_of_tokens_says_after_any_operations() {
    let cpu = Stream::cpu();
    let small = |bits, format, block| Some(Quantize { bits, format, block });
    let formats = [
        (None, None),
        (small(8, Format::Int, 0), small(4, Format::Int, 16)),
        (small(4, Format::Int, 0), small(8, Format::E4m3, 16)),
    ];
    for (seed, (keys, values)) in formats.into_iter().enumerate() {
        let store = |blocks: usize| match (keys, values) {
            (Some(keys), Some(values)) => {
                KvStore::quantized(&cpu, [blocks, BUDGET.block, HEADS, D], DV, [&keys, &values]).unwrap()
            }
            _ => KvStore::new(&cpu, DType::F32, [blocks, BUDGET.block, HEADS, D], DV).unwrap(),
        };
        let mut world = World {
            manager: Manager::new(BUDGET).unwrap(),
            device: store(BUDGET.blocks),
            host: store(BUDGET.host_blocks),
            lists: HashMap::new(),
        };
        let mut random = ChaCha8Rng::seed_from_u64(seed as u64);
        let mut compared = 0;
        for _ in 0..1500 {
            world.step(&mut random);
            for (&id, (tokens, swapped)) in &world.lists {
                if *swapped {
                    continue;
                }
                for (part, d, args) in [(world.device.keys(), D, keys), (world.device.values(), DV, values)] {
                    let truth = rows_from(tokens, 0, d);
                    let truth = match args {
                        Some(args) => Quantized::of(&cpu, &truth, &args).unwrap().to_float(&cpu, DType::F32),
                        None => Ok(truth),
                    };
                    assert_eq!(held(&world.manager, part, id), truth.unwrap().to_vec::<f32>().unwrap());
                    compared += tokens.len();
                }
            }
        }
        let statistics = world.manager.statistics();
        assert!(compared > 10_000 && statistics.found > 100 && statistics.copied > 10, "{statistics:?}");
    }
}
