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
fn rows_that_wait_are_the_ones_that_a_sort_of_all_finds() {
    let (cpu, n, m, lists) = (Stream::cpu(), 5000usize, 7usize, 6usize);
    let offsets: Vec<u32> = vec![0, 3, 64, 64, 1000, 4000, 5000];
    let bases = [0.0f32, 3e6, -2.0, 7.5, -1e6, f32::MIN_POSITIVE];
    for words in [16usize, 256] {
        let bytes = if words == 16 { m.div_ceil(2) } else { m };
        let mut row_codes: Vec<u8> = numbers(n * bytes, 256, 3).into_iter().map(|x| x as u8).collect();
        if words == 16 {
            row_codes.iter_mut().skip(bytes - 1).step_by(bytes).for_each(|byte| *byte &= 15);
        }
        // Sums of these are exact in any order.
        let tables: Vec<f32> = numbers(m * words, 1000, 5).into_iter().map(|x| x as f32 / 8.0).collect();
        let mut biases: Vec<f32> = numbers(n, 4000, 9).into_iter().map(|x| x as f32 / 64.0).collect();
        // What the bases of two lists are is taken off again.
        biases[3..64].iter_mut().for_each(|bias| *bias -= 3e6);
        biases[1000..4000].iter_mut().for_each(|bias| *bias += 2.0);
        for (row, bias) in [(5, f32::NAN), (70, f32::INFINITY), (1500, f32::NEG_INFINITY), (1501, f32::MAX)] {
            biases[row] = bias;
        }
        let keep: Vec<u8> = numbers(n.div_ceil(64) * 8, 256, 11).into_iter().map(|x| x as u8 | 1).collect();
        let word = |row: usize, j: usize| {
            let code = &row_codes[row * bytes..(row + 1) * bytes];
            usize::from(if words == 16 { code[j / 2] >> (j % 2 * 4) & 15 } else { code[j] })
        };
        let distance = |row: usize, base: f32| {
            let sum: f64 = (0..m).map(|j| f64::from(tables[j * words + word(row, j)])).sum();
            (f64::from(base) + f64::from(biases[row]) + sum) as f32
        };
        let mut all: Vec<(f32, i64)> = (0..lists)
            .flat_map(|list| (offsets[list] as usize..offsets[list + 1] as usize).map(move |row| (list, row)))
            .filter(|&(_, row)| keep[row / 8] >> (row % 8) & 1 == 1)
            .map(|(list, row)| (distance(row, bases[list]), row as i64))
            .collect();
        all.sort_by(|a, b| a.0.is_nan().cmp(&b.0.is_nan()).then(a.0.total_cmp(&b.0)).then(a.1.cmp(&b.1)));
        let tensor = |values: &[f32], shape: &[usize]| Tensor::from_vec(values.to_vec(), shape).unwrap();
        let codes = block_codes(&Tensor::from_vec(row_codes.clone(), [n, bytes]).unwrap()).unwrap();
        let rows = Coded {
            codes: &codes,
            offsets: &Tensor::from_vec(offsets.clone(), [lists + 1]).unwrap(),
            biases: Some(&tensor(&biases, &[n])),
            factors: None,
            ids: None,
            keep: Some(&Tensor::from_vec(keep.clone(), [keep.len()]).unwrap()),
        };
        let probes = Tensor::from_vec((0..lists as i64).collect(), [1, lists]).unwrap();
        let (tables, bases) = (tensor(&tables, &[1, m, words]), tensor(&bases, &[1, lists]));
        for k in [1, 4, 5, 40, 900, 3000] {
            let found = pq_scan(&cpu, &tables, &rows, &probes, Some(&bases), &PqScan { k }).unwrap();
            let bits = |values: Vec<f32>| values.into_iter().map(f32::to_bits).collect::<Vec<_>>();
            let near = || all.iter().copied().chain(std::iter::repeat((f32::INFINITY, -1))).take(k);
            assert_eq!(found.1.to_vec::<i64>().unwrap(), near().map(|near| near.1).collect::<Vec<_>>());
            let distances = found.0.to_vec::<f32>().unwrap();
            assert_eq!(bits(distances), bits(near().map(|near| near.0).collect()), "{k} of {words} words");
        }
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
