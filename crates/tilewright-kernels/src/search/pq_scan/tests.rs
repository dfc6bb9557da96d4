use tilewright_core::{Stream, Tensor};

use super::{Coded, PqScan, pq_scan};
use crate::search::block_codes;

/// Numbers without structure below `end`.
fn numbers(count: usize, end: u32, mut state: u32) -> Vec<u32> {
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 8) % end
    };
    (0..count).map(|_| next()).collect()
}

#[test]
fn one_query_of_many_rows_and_many_queries_of_each_find_the_same() {
    let (cpu, n, m) = (Stream::cpu(), 200_000, 6);
    for words in [16usize, 256] {
        let bytes = if words == 16 { m / 2 } else { m };
        let codes: Vec<u8> = numbers(n * bytes, 256, 3).into_iter().map(|x| x as u8).collect();
        let codes = block_codes(&Tensor::from_vec(codes, [n, bytes]).unwrap()).unwrap();
        let tables = numbers(m * words, 1000, 5).into_iter().map(|x| x as f32 / 7.0).collect::<Vec<_>>();
        // One list for a query alone, whose rows threads share; and the same rows as ten lists, for each of forty queries.
        let found: Vec<_> = [(1usize, 1usize), (40, 10)]
            .into_iter()
            .map(|(b, lists)| {
                let tables = Tensor::from_vec(tables.repeat(b), [b, m, words]).unwrap();
                let offsets: Vec<u32> = (0..=lists).map(|list| (list * n / lists) as u32).collect();
                let offsets = Tensor::from_vec(offsets, [lists + 1]).unwrap();
                let probes = (0..lists as i64).collect::<Vec<_>>().repeat(b);
                let probes = Tensor::from_vec(probes, [b, lists]).unwrap();
                let rows = Coded {
                    codes: &codes,
                    offsets: &offsets,
                    biases: None,
                    factors: None,
                    ids: None,
                    keep: None,
                };
                let found = pq_scan(&cpu, &tables, &rows, &probes, None, &PqScan { k: 20 }).unwrap();
                (found.0.to_vec::<f32>().unwrap(), found.1.to_vec::<i64>().unwrap())
            })
            .collect();
        assert!(found[0].0.is_sorted());
        assert_eq!(found[1].0, found[0].0.repeat(40));
        assert_eq!(found[1].1, found[0].1.repeat(40));
    }
}

#[test]
fn wrong_arguments_are_named() {
    let cpu = Stream::cpu();
    let zeros = |shape: &[usize]| Tensor::from_vec(vec![0.0f32; shape.iter().product()], shape).unwrap();
    let codes = block_codes(&Tensor::from_vec(vec![0u8; 20], [10, 2]).unwrap()).unwrap();
    let call = |tables: &Tensor, biases: usize, offsets: Vec<u32>, list: i64| {
        let lists = offsets.len();
        let offsets = Tensor::from_vec(offsets, [lists]).unwrap();
        let probes = Tensor::from_vec(vec![list], [1, 1]).unwrap();
        let biases = zeros(&[biases]);
        let rows = Coded {
            codes: &codes,
            offsets: &offsets,
            biases: Some(&biases),
            factors: None,
            ids: None,
            keep: None,
        };
        pq_scan(&cpu, tables, &rows, &probes, None, &PqScan { k: 1 }).map(drop)
    };
    let tables = zeros(&[1, 4, 16]);
    assert!(call(&tables, 10, vec![0, 10], 0).is_ok());
    for (error, part) in [
        (call(&zeros(&[1, 4, 17]), 10, vec![0, 10], 0), "tables"),
        (
            call(&zeros(&[1, 7, 16]), 10, vec![0, 10], 0),
            "codes has shape [1, 2, 64], expected [blocks, 4, 64]",
        ),
        (call(&tables, 65, vec![0, 10], 0), "biases"),
        (call(&tables, 10, vec![0, 11], 0), "offsets"),
        (call(&tables, 10, vec![0, 10], 1), "probes is 1"),
    ] {
        let error = error.unwrap_err().to_string();
        assert!(error.contains(part), "{error}");
    }
}
