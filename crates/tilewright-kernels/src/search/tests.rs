//! Scans that find more than a threadgroup selects, and rows that cannot be told apart: on every device what the CPU finds.

use tilewright_core::{Device, Result, Stream, Tensor};

use super::{
    Coded, FlatScanTopk, HammingScanTopk, IvfScanTopk, Metric, PqScan, Rerank, SqRows, SqScan, block_codes,
    flat_scan_topk, hamming_scan_topk, ivf_scan_topk, pq_scan, rerank, sq_scan,
};

/// Whole numbers from -2 to 2 without structure, whose sums every device has exactly.
fn whole(rows: usize, d: usize, mut state: u32) -> Tensor {
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 8) % 5
    };
    Tensor::from_vec((0..rows * d).map(|_| next() as f32 - 2.0).collect(), [rows, d]).unwrap()
}

fn bytes(rows: usize, d: usize, state: u32) -> Tensor {
    let all = whole(rows, d, state).to_vec::<f32>().unwrap();
    Tensor::from_vec(all.into_iter().map(|x| (x + 2.0) as u8).collect(), [rows, d]).unwrap()
}

/// What a scan finds on each device that is here, against what it finds on the CPU.
fn agrees(what: &str, scan: impl Fn(&Stream) -> Result<(Tensor, Tensor)>) {
    let found = |stream: &Stream| {
        let (distances, ids) = scan(stream).unwrap();
        let distances: Vec<f32> = distances.to_vec().unwrap();
        // One NaN is as good as another.
        let bits = distances.iter().map(|x| if x.is_nan() { u32::MAX } else { (x + 0.0).to_bits() });
        (bits.collect::<Vec<_>>(), ids.to_vec::<i64>().unwrap())
    };
    let here = found(&Stream::cpu());
    for device in [Device::Emulated, Device::Cuda(0), Device::Metal(0)] {
        let Ok(stream) = tilewright_gpu::stream(device) else { continue };
        assert_eq!(found(&stream), here, "{what} on {device}");
    }
}

#[test]
fn rows_that_share_ids_and_come_twice_are_found_as_often_as_they_come() {
    let (n, d, k) = (1900, 2, 1890);
    let mut data = whole(n, d, 3).to_vec::<f32>().unwrap();
    for row in (5..n).step_by(90) {
        data[row * d] = f32::NAN;
    }
    let data = Tensor::from_vec(data, [n, d]).unwrap();
    let (queries, metric) = (whole(2, d, 4), Metric::L2);
    let few: Vec<i64> = (0..n as i64).map(|row| row % 7 * (1 << 40) - (1 << 41)).collect();
    let few = Tensor::from_vec(few, [n]).unwrap();
    let narrow = Tensor::from_vec((0..n as u32).map(|row| row % 7).collect(), [n]).unwrap();
    for ids in [&few, &narrow] {
        agrees("flat", |stream| {
            let (queries, data, ids) = (queries.to(stream)?, data.to(stream)?, ids.to(stream)?);
            flat_scan_topk(stream, &queries, &data, Some(&ids), None, &FlatScanTopk { k, metric })
        });
    }
    // A list that is named three times.
    let offsets = Tensor::from_vec(vec![0u32, 600, 1900], [3]).unwrap();
    let probes = Tensor::from_vec(vec![0i64, 0, 0, 1, 0, 1], [2, 3]).unwrap();
    agrees("ivf", |stream| {
        let (queries, data) = (queries.to(stream)?, data.to(stream)?);
        let (offsets, probes) = (offsets.to(stream)?, probes.to(stream)?);
        let args = IvfScanTopk { k, metric };
        ivf_scan_topk(stream, &queries, &data, &offsets, &probes, None, None, &args)
    });
    let codes = bytes(n, d, 5);
    let ranges = Tensor::from_vec(vec![-2.5f32, -2.5, 255.0, 255.0], [2, 2]).unwrap();
    agrees("sq", |stream| {
        let here = |tensor: &Tensor| tensor.to(stream);
        let (codes, ranges, offsets) = (here(&codes)?, here(&ranges)?, here(&offsets)?);
        let rows = SqRows {
            codes: &codes,
            ranges: &ranges,
            offsets: &offsets,
            centroids: None,
            ids: None,
            keep: None,
        };
        let args = SqScan { k, metric, bits: 8 };
        sq_scan(stream, &here(&queries)?, &rows, &here(&probes)?, &args)
    });
    let tables = whole(4, 256, 6).reshape([2, 2, 256]).unwrap();
    let blocks = block_codes(&codes).unwrap();
    agrees("pq", |stream| {
        let here = |tensor: &Tensor| tensor.to(stream);
        let (codes, offsets, ids) = (here(&blocks)?, here(&offsets)?, here(&few)?);
        let rows = Coded {
            codes: &codes,
            offsets: &offsets,
            biases: None,
            factors: None,
            ids: Some(&ids),
            keep: None,
        };
        pq_scan(stream, &here(&tables)?, &rows, &here(&probes)?, None, &PqScan { k })
    });
}

#[test]
fn one_row_of_which_there_are_more_than_a_group_sorts_fills_its_places() {
    // Row 3 five thousand times, and a few nearer and farther ones.
    let (n, c) = (40, 5_300);
    let rows: Vec<i64> = (0..c).map(|at| if at % 19 == 0 { at % n } else { 3 }).collect();
    let rows = Tensor::from_vec(rows, [1, c as usize]).unwrap();
    let (data, query) = (whole(n as usize, 4, 8), whole(1, 4, 9));
    for k in [50, 1_024, 1_025, 5_250, 6_000] {
        agrees("rerank", |stream| {
            let args = Rerank { k, ..Rerank::default() };
            rerank(stream, &query.to(stream)?, &data.to(stream)?, &rows.to(stream)?, None, &args)
        });
    }
    // Every row the same, one id for all of them.
    let (data, ids) = (
        Tensor::from_vec(vec![7u8; 5_000], [5_000, 1]).unwrap(),
        Tensor::from_vec(vec![9u32; 5_000], [5_000]).unwrap(),
    );
    for k in [1_000, 2_500] {
        agrees("hamming", |stream| {
            let (data, ids) = (data.to(stream)?, ids.to(stream)?);
            hamming_scan_topk(
                stream,
                &bytes(1, 1, 2).to(stream)?,
                &data,
                Some(&ids),
                None,
                &HammingScanTopk { k },
            )
        });
    }
}
