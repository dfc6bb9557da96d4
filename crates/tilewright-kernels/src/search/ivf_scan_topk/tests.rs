use tilewright_core::{Stream, Tensor};

use super::{IvfScanTopk, ivf_scan_topk};
use crate::search::{FlatScanTopk, Metric, flat_scan_topk};

fn waves(rows: usize, d: usize, step: f32) -> Tensor {
    Tensor::from_vec((0..rows * d).map(|i| (i as f32 * step).sin()).collect(), [rows, d]).unwrap()
}

#[test]
fn with_every_list_probed_it_is_the_flat_scan() {
    let cpu = Stream::cpu();
    let (queries, data) = (waves(65, 20, 0.7), waves(2000, 20, 0.37));
    let offsets = Tensor::from_vec(vec![0u32, 0, 3, 900, 901, 2000, 2000], [7]).unwrap();
    let probes = Tensor::from_vec([5i64, 0, 2, 4, 1, 3].repeat(65), [65, 6]).unwrap();
    for metric in Metric::ALL {
        for (b, k) in [(65, 30), (1, 30), (2, 2000)] {
            let (queries, probes) = (queries.slice(0, 0..b).unwrap(), probes.slice(0, 0..b).unwrap());
            let args = IvfScanTopk { k, metric };
            let lists = ivf_scan_topk(&cpu, &queries, &data, &offsets, &probes, None, None, &args).unwrap();
            let flat =
                flat_scan_topk(&cpu, &queries, &data, None, None, &FlatScanTopk { k, metric }).unwrap();
            assert_eq!(lists.1.to_vec::<i64>().unwrap(), flat.1.to_vec::<i64>().unwrap());
            assert_eq!(lists.0.to_bytes().unwrap(), flat.0.to_bytes().unwrap());
        }
    }
}

#[test]
fn lists_that_do_not_exist_are_named() {
    let cpu = Stream::cpu();
    let (queries, data) = (waves(1, 4, 0.1), waves(10, 4, 0.2));
    let call = |offsets: Vec<u32>, probes: Vec<i64>| {
        let (lists, nprobe) = (offsets.len(), probes.len());
        let offsets = Tensor::from_vec(offsets, [lists]).unwrap();
        let probes = Tensor::from_vec(probes, [1, nprobe]).unwrap();
        let args = IvfScanTopk::default();
        ivf_scan_topk(&cpu, &queries, &data, &offsets, &probes, None, None, &args).map(drop)
    };
    assert!(call(vec![0, 4, 10], vec![1, -1]).is_ok());
    for (offsets, probes, part) in [
        (vec![0, 4, 11], vec![0], "offsets is Some(11) at the end, expected ascending and at most 10"),
        (vec![0, 6, 4], vec![0], "offsets"),
        (vec![0, 4, 10], vec![2], "probes is 2, expected -1 or a list below 2"),
        (vec![0, 4, 10], vec![-2], "probes is -2"),
    ] {
        let error = call(offsets, probes).unwrap_err().to_string();
        assert!(error.contains(part), "{error}");
    }
}
