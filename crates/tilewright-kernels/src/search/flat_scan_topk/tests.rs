use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use tilewright_core::{DType, Stream, Tensor};

use super::reference::nearest;
use super::{FlatScanTopk, flat_scan_topk};
use crate::search::{Metric, TopkMerge, topk_merge};

fn random(rows: usize, d: usize, seed: u64, center: f32) -> Tensor {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let values = (0..rows * d).map(|_| center + random.random_range(-1.0f32..1.0)).collect();
    Tensor::from_vec(values, [rows, d]).unwrap()
}

fn search(queries: &Tensor, data: &Tensor, args: &FlatScanTopk) -> (Vec<f32>, Vec<i64>) {
    let (distances, ids) = flat_scan_topk(&Stream::cpu(), queries, data, None, None, args).unwrap();
    (distances.to_vec().unwrap(), ids.to_vec().unwrap())
}

/// The order of the f64 truth, its distances rounded once.
fn truth(queries: &Tensor, data: &Tensor, args: &FlatScanTopk) -> (Vec<f32>, Vec<i64>) {
    let rows = |tensor: &Tensor| -> Vec<Vec<f64>> {
        tensor.to_f64_vec().unwrap().chunks(tensor.dims()[1]).map(<[f64]>::to_vec).collect()
    };
    let data = rows(data);
    let (mut distances, mut ids) = (Vec::new(), Vec::new());
    for query in rows(queries) {
        let all =
            nearest(args.metric, args.k, &query, data.iter().enumerate().map(|(row, x)| (row as i64, x)));
        distances.extend(all.iter().take(args.k).map(|row| row.distance as f32));
        ids.extend(all.iter().take(args.k).map(|row| row.id));
    }
    (distances, ids)
}

#[test]
fn on_the_cpu_ids_are_those_of_the_f64_scan_also_where_the_expansion_cancels() {
    for metric in Metric::ALL {
        // Around 3000 an expanded square of 1 is off by as much as itself.
        for center in [0.0, 3.0, 3000.0] {
            for (b, n, d) in [(1, 3000, 128), (3, 700, 1), (50, 1100, 37), (200, 600, 16)] {
                let (queries, data) = (random(b, d, 1, center), random(n, d, 2, center));
                let args = FlatScanTopk { k: 20, metric };
                assert_eq!(
                    search(&queries, &data, &args),
                    truth(&queries, &data, &args),
                    "{metric} {center} {b}"
                );
            }
        }
    }
}

#[test]
fn duplicates_come_by_id_and_parts_merge_to_the_whole() {
    let data = random(40, 24, 3, 0.0);
    let copies: Vec<f32> = data.to_vec::<f32>().unwrap().repeat(70);
    let data = Tensor::from_vec(copies, [2800, 24]).unwrap();
    let queries = random(60, 24, 4, 0.0);
    let args = FlatScanTopk { k: 150, ..FlatScanTopk::default() };
    let whole = search(&queries, &data, &args);
    assert_eq!(whole, truth(&queries, &data, &args));
    let cpu = Stream::cpu();
    let ids = Tensor::from_vec((0..2800i64).collect(), [2800]).unwrap();
    let mut parts = Vec::new();
    for range in [0..1, 1..1000, 1000..1090, 1090..2800] {
        let (data, ids) = (data.slice(0, range.clone()).unwrap(), ids.slice(0, range).unwrap());
        parts.push(flat_scan_topk(&cpu, &queries, &data, Some(&ids), None, &args).unwrap());
    }
    let stacked = |part: fn(&(Tensor, Tensor)) -> &Tensor| -> Vec<u8> {
        parts.iter().flat_map(|both| part(both).to_bytes().unwrap()).collect()
    };
    let distances: Vec<f32> = bytemuck::pod_collect_to_vec(&stacked(|both| &both.0));
    let ids: Vec<i64> = bytemuck::pod_collect_to_vec(&stacked(|both| &both.1));
    let distances = Tensor::from_vec(distances, [4, 60, 150]).unwrap();
    let ids = Tensor::from_vec(ids, [4, 60, 150]).unwrap();
    let merged = topk_merge(&cpu, &distances, &ids, &TopkMerge { k: 150 }).unwrap();
    assert_eq!((merged.0.to_vec().unwrap(), merged.1.to_vec().unwrap()), whole);
}

#[test]
fn wrong_arguments_are_named() {
    let cpu = Stream::cpu();
    let (queries, data) = (random(2, 3, 1, 0.0), random(9, 3, 2, 0.0));
    let call = |queries: &Tensor, data: &Tensor, ids: Option<&Tensor>, keep: Option<&Tensor>| {
        flat_scan_topk(&cpu, queries, data, ids, keep, &FlatScanTopk::default()).unwrap_err().to_string()
    };
    let short = Tensor::zeros(DType::U8, [1]).unwrap();
    let ids = Tensor::zeros(DType::I64, [8]).unwrap();
    for (error, part) in [
        (call(&random(2, 4, 1, 0.0), &data, None, None), "queries has shape [2, 4], expected [b, 3]"),
        (call(&queries, &Tensor::zeros(DType::F64, [9, 3]).unwrap(), None, None), "data has dtype f64"),
        (call(&random(2, 0, 1, 0.0), &random(2, 0, 1, 0.0), None, None), "d >= 1"),
        (call(&queries, &data, Some(&ids), None), "ids has shape [8], expected [9]"),
        (call(&queries, &data, None, Some(&short)), "at least 2 bytes"),
        ("l3".parse::<Metric>().unwrap_err().to_string(), "one of l2, ip, cosine"),
    ] {
        assert!(error.contains(part), "{error}");
    }
}
