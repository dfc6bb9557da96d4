//! Contiguous caches against plain lists of tokens.

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use tilewright_cache::{KvCache, KvCacheArgs, Window};
use tilewright_core::{DType, Stream, Tensor};
use tilewright_kernels::attention::{Attention, AttentionDecode, attention, attention_decode};
use tilewright_kernels::cache::Layout;
use tilewright_kernels::pack::Quantize;

const HEADS: usize = 2;
const D: usize = 3;
const DV: usize = 4;

/// A key's or value's numbers: whole ones, which 8 bits hold beside a scale of 1.
fn number(token: i32, at: usize) -> f32 {
    if at == 0 { 127.0 } else { (token * 7 + at as i32 * 3) as f32 % 101.0 }
}

/// `[b, t, heads, d]`
fn rows(tokens: &[Vec<i32>], d: usize) -> Tensor {
    let values = tokens.iter().flatten();
    let values = values.flat_map(|&token| {
        (0..HEADS).flat_map(move |head| (0..d).map(move |at| number(token + head as i32, at)))
    });
    let t = tokens.first().map_or(0, Vec::len);
    Tensor::from_vec(values.collect::<Vec<f32>>(), [tokens.len(), t, HEADS, d]).unwrap()
}

/// What is left of a list in a window.
fn kept(tokens: &[i32], window: Option<Window>) -> Vec<i32> {
    match window {
        Some(Window { size, keep }) if tokens.len() > size => {
            [&tokens[..keep], &tokens[tokens.len() - (size - keep)..]].concat()
        }
        _ => tokens.to_vec(),
    }
}

/// Every token of every sequence, in order; zeros beyond.
fn check(cache: &KvCache, lists: &[Vec<i32>], window: Option<Window>) {
    let cpu = Stream::cpu();
    let kept: Vec<Vec<i32>> = lists.iter().map(|list| kept(list, window)).collect();
    assert_eq!(cache.lengths(), kept.iter().map(Vec::len).collect::<Vec<_>>());
    assert_eq!(cache.positions(), lists.iter().map(Vec::len).collect::<Vec<_>>());
    for (part, d) in cache.read(&cpu, Layout::Nhd).unwrap().iter().zip([D, DV]) {
        let t = part.dims()[1];
        for (row, list) in kept.iter().enumerate() {
            let held = part.select(0, row).unwrap();
            let expected = rows(std::slice::from_ref(list), d);
            assert_eq!(
                held.slice(0, 0..list.len()).unwrap().to_vec::<f32>().unwrap(),
                expected.to_vec::<f32>().unwrap()
            );
            let beyond = held.slice(0, list.len()..t).unwrap().to_vec::<f32>().unwrap();
            assert!(beyond.iter().all(|&x| x == 0.0));
        }
    }
}

fn follows_lists(args: KvCacheArgs, seed: u64) {
    let cpu = Stream::cpu();
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let mut token = 0;
    let mut world: Vec<(KvCache, Vec<Vec<i32>>)> =
        vec![(KvCache::new(&cpu, 2, args).unwrap(), vec![Vec::new(); 2])];
    for _ in 0..120 {
        let at = random.random_range(0..world.len());
        match random.random_range(0..7) {
            0..3 => {
                let (cache, lists) = &mut world[at];
                let t = [0, 1, 1, 2, 5, 13][random.random_range(0..6)];
                let new: Vec<Vec<i32>> = lists
                    .iter()
                    .map(|_| {
                        (0..t)
                            .map(|_| {
                                token += 1;
                                token
                            })
                            .collect()
                    })
                    .collect();
                cache.append(&cpu, &rows(&new, D), &rows(&new, DV)).unwrap();
                lists.iter_mut().zip(new).for_each(|(list, new)| list.extend(new));
            }
            3 => {
                let (cache, lists) = &mut world[at];
                let shortest = lists.iter().map(Vec::len).min().unwrap();
                let turned =
                    args.window.is_some_and(|window| lists.iter().any(|list| list.len() > window.size));
                let tokens = random.random_range(0..shortest + 2);
                let trimmed = cache.trim(tokens);
                assert_eq!(trimmed.is_ok(), tokens <= shortest && !turned);
                if trimmed.is_ok() {
                    lists.iter_mut().for_each(|list| list.truncate(list.len() - tokens));
                }
            }
            4 if world.len() < 4 => {
                let copy = (world[at].0.detached(&cpu).unwrap(), world[at].1.clone());
                world.push(copy);
            }
            5 if world[at].1.len() < 5 => {
                let other = random.random_range(0..world.len());
                let merged = KvCache::merge(&cpu, &[&world[at].0, &world[other].0]).unwrap();
                let lists = [&world[at].1[..], &world[other].1].concat();
                world[at] = (merged, lists);
            }
            _ => {
                let (cache, lists) = &world[at];
                let chosen: Vec<usize> =
                    (0..random.random_range(1..3)).map(|_| random.random_range(0..lists.len())).collect();
                let taken = cache.extract(&cpu, &chosen).unwrap();
                let lists = chosen.iter().map(|&row| lists[row].clone()).collect();
                world[at] = (taken, lists);
            }
        }
        world.iter().for_each(|(cache, lists)| check(cache, lists, args.window));
    }
}

#[test]
fn growing_caches_follow_lists() {
    for seed in 0..4 {
        follows_lists(KvCacheArgs { step: 3, ..KvCacheArgs::new(HEADS, D, DV) }, seed);
    }
}

#[test]
fn windows_follow_lists() {
    for (size, keep) in [(1, 0), (4, 0), (5, 2), (9, 8), (16, 4)] {
        let window = Some(Window { size, keep });
        follows_lists(KvCacheArgs { window, ..KvCacheArgs::new(HEADS, D, DV) }, size as u64);
    }
}

#[test]
fn small_numbers_grow_and_turn_too() {
    let quantized = Some([Quantize { block: 0, ..Quantize::default() }; 2]);
    for window in [None, Some(Window { size: 6, keep: 2 })] {
        follows_lists(
            KvCacheArgs { dtype: None, quantized, window, step: 2, ..KvCacheArgs::new(HEADS, D, DV) },
            9,
        );
    }
}

#[test]
fn appending_within_the_capacity_moves_nothing() {
    let cpu = Stream::cpu();
    let mut cache = KvCache::new(&cpu, 1, KvCacheArgs { step: 8, ..KvCacheArgs::new(HEADS, D, DV) }).unwrap();
    let first = |cache: &KvCache| cache.views().unwrap()[0].buffer().as_ref() as *const _ as *const u8;
    let one = |at: i32| (rows(&[vec![at]], D), rows(&[vec![at]], DV));
    let start = first(&cache);
    for at in 0..8 {
        let (k, v) = one(at);
        cache.append(&cpu, &k, &v).unwrap();
        assert_eq!(first(&cache), start);
    }
    let (k, v) = one(8);
    cache.append(&cpu, &k, &v).unwrap();
    assert_eq!(cache.capacity(), 16);
    // Memory that somebody else sees is not written to.
    let views = cache.views().unwrap();
    assert!(cache.append(&cpu, &k, &v).unwrap_err().to_string().contains("its memory is shared"));
    assert_eq!(views[1].dims(), [1, 9, HEADS, DV]);
}

#[test]
fn rows_of_any_strides_are_appended() {
    let cpu = Stream::cpu();
    let tokens = [vec![1, 2, 3], vec![4, 5, 6]];
    // Heads before tokens in memory, as models have them.
    let turned = |x: &Tensor| {
        let (d, values) = (x.dims()[3], x.permute(&[0, 2, 1, 3]).unwrap().to_vec::<f32>().unwrap());
        let turned = Tensor::from_vec(values, [2, HEADS, 3, d]).unwrap().permute(&[0, 2, 1, 3]).unwrap();
        assert!(!turned.is_contiguous());
        turned
    };
    let mut cache = KvCache::new(&cpu, 2, KvCacheArgs::new(HEADS, D, DV)).unwrap();
    cache.append(&cpu, &turned(&rows(&tokens, D)), &turned(&rows(&tokens, DV))).unwrap();
    check(&cache, &tokens, None);
}

#[test]
fn attention_reads_it_as_one_block_a_sequence() {
    let cpu = Stream::cpu();
    let mut cache = KvCache::new(&cpu, 1, KvCacheArgs { step: 4, ..KvCacheArgs::new(HEADS, D, D) }).unwrap();
    let other = {
        let mut other =
            KvCache::new(&cpu, 1, KvCacheArgs { step: 4, ..KvCacheArgs::new(HEADS, D, D) }).unwrap();
        let x = rows(&[vec![40, 41]], D);
        other.append(&cpu, &x, &x).unwrap();
        other
    };
    let x = rows(&[vec![3, 9, 27, 11, 5]], D);
    cache.append(&cpu, &x, &x).unwrap();
    let both = KvCache::merge(&cpu, &[&cache, &other]).unwrap();
    let q = Tensor::from_vec(
        (0..2 * HEADS * D).map(|x| (x as f32).sin() / 50.0).collect::<Vec<_>>(),
        [2, HEADS, D],
    )
    .unwrap();
    let (table, lengths) = both.batch(&cpu).unwrap();
    let Ok([k, v]) = both.views() else { unreachable!("of floats") };
    let read = attention_decode(&cpu, &q, &k, &v, &table, &lengths, &AttentionDecode::default()).unwrap();
    for (row, cache) in [&cache, &other].into_iter().enumerate() {
        let [k, v] = cache.read(&cpu, Layout::Hnd).unwrap();
        let q = q.slice(0, row..row + 1).unwrap().unsqueeze(2).unwrap();
        let whole = attention(&cpu, &q, &k, &v, &Attention::default()).unwrap().out.to_vec::<f32>().unwrap();
        let ours = read.out.select(0, row).unwrap().to_vec::<f32>().unwrap();
        assert!(ours.iter().zip(&whole).all(|(a, b)| (a - b).abs() < 1e-4), "{ours:?} {whole:?}");
    }
}

#[test]
fn wrong_arguments_are_named() {
    let cpu = Stream::cpu();
    let args = KvCacheArgs::new(HEADS, D, DV);
    let error = |args, b| KvCache::new(&cpu, b, args).unwrap_err().to_string();
    assert!(
        error(KvCacheArgs { window: Some(Window { size: 4, keep: 4 }), ..args }, 1).contains("keep is 4")
    );
    assert!(error(KvCacheArgs { dtype: None, ..args }, 1).contains("dtype is both or neither"));
    assert!(error(args, 0).contains("b is 0"));
    assert!(error(KvCacheArgs { step: 0, ..args }, 1).contains("step is 0"));
    let mut cache = KvCache::new(&cpu, 2, args).unwrap();
    let x = rows(&[vec![1]], D);
    assert!(cache.append(&cpu, &x, &x).unwrap_err().to_string().contains("k has shape [1, 1, 2, 3]"));
    assert!(cache.extract(&cpu, &[2]).unwrap_err().to_string().contains("rows is 2"));
    assert!(KvCache::merge(&cpu, &[]).unwrap_err().to_string().contains("caches is none"));
    let other = KvCache::new(&cpu, 1, KvCacheArgs { dtype: Some(DType::Bf16), ..args }).unwrap();
    assert!(KvCache::merge(&cpu, &[&cache, &other]).is_err());
    assert!(cache.trim(1).unwrap_err().to_string().contains("tokens is 1"));
}
