//! Indexes by codes: against the distances of what the codes stand for, in files of both kinds, and while they change.

use std::collections::BTreeMap;

use tilewright_core::Tensor;
use tilewright_search::{Filter, Index, Metric, Query, read_faiss, write_faiss};

const RECIPES: [&str; 14] = [
    "PQ3x4",
    "PQ2x4fs",
    "IVF4,PQ4",
    "IVF5,PQ3x4fs",
    "IVF5,PQ3x4fsr,RFlat",
    "IVF3,PQ6x4,RFlat",
    "SQ8",
    "SQ6,RFlat",
    "IVF4,SQ4",
    "IVF3,SQ6,RFlat",
    "RR12,SQ8",
    "PCA8,IVF3,SQ8,RFlat",
    "OPQ4,IVF3,PQ4x4",
    "OPQ3_9,PQ3x4,RFlat",
];

/// Vectors without structure, but the same every time.
fn vectors(n: usize, d: usize, seed: u64) -> Tensor {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 40) as f32 / (1 << 23) as f32 - 1.0
    };
    Tensor::from_vec((0..n * d).map(|_| next()).collect(), [n, d]).unwrap()
}

fn distance(metric: Metric, q: &[f32], x: &[f32]) -> f64 {
    let pairs = q.iter().zip(x).map(|(&q, &x)| (f64::from(q), f64::from(x)));
    match metric {
        Metric::L2 => pairs.map(|(q, x)| (q - x) * (q - x)).sum(),
        _ => -pairs.map(|(q, x)| q * x).sum::<f64>(),
    }
}

/// Every list is looked into, and nothing was projected away or the vectors are kept: the result is the sorted distances of what `reconstruct` gives.
fn check(index: &Index, ids: &[i64], queries: &Tensor, metric: Metric) {
    let snapshot = index.snapshot();
    let query = Query { k: 7, nprobe: snapshot.recipe().nlist(), refine: usize::MAX, ..Query::default() };
    let found = index.search(queries, &query).unwrap();
    for (number, q) in queries.to_vec::<f32>().unwrap().chunks(queries.dims()[1]).enumerate() {
        let all: BTreeMap<i64, f64> =
            ids.iter().map(|&id| (id, distance(metric, q, &snapshot.reconstruct(id).unwrap()))).collect();
        let mut sorted: Vec<f64> = all.values().copied().collect();
        sorted.sort_by(f64::total_cmp);
        let own: Vec<(i64, f32)> = found.of(number).collect();
        assert_eq!(own.len(), ids.len().min(7));
        for (place, (id, shown)) in own.into_iter().enumerate() {
            // f32 sums of products of up to 12 terms below 4, in another order.
            assert!((f64::from(shown) - sorted[place]).abs() < 1e-4, "{} at {place}", snapshot.recipe());
            assert!((all[&id] - sorted[place]).abs() < 1e-4, "{} at {place}", snapshot.recipe());
        }
    }
}

#[test]
fn the_nearest_codes_are_found_while_an_index_changes_and_in_its_files() {
    let folder = tempfile::tempdir().unwrap();
    let (own, foreign) = (folder.path().join("own"), folder.path().join("index.faiss"));
    let (d, queries) = (12, vectors(5, 12, 9));
    let cases = RECIPES.into_iter().flat_map(|recipe| [(recipe, Metric::L2), (recipe, Metric::InnerProduct)]);
    for (recipe, metric) in cases {
        let index = Index::new(recipe.parse().unwrap(), d, metric).unwrap();
        let early = index.add(&vectors(1, d, 1), None).unwrap_err().to_string();
        assert!(early.contains("has to be trained first") && !index.snapshot().is_trained(), "{early}");
        index.train(&vectors(300, d, 1)).unwrap();
        assert!(index.snapshot().is_trained());
        for (batch, n) in [40, 1, 70, 3].into_iter().enumerate() {
            index.add(&vectors(n, d, batch as u64 + 2), None).unwrap();
        }
        let all: Vec<i64> = (0..114).collect();
        check(&index, &all, &queries, metric);
        // Each part gives as many candidates for the exact comparison: with fewer than all, one part gives others than several.
        let query = Query { k: 6, nprobe: 2, refine: usize::MAX, ..Query::default() };
        let before = index.search(&queries, &query).unwrap();
        write_faiss(&index.snapshot(), &foreign).unwrap();
        let back = read_faiss(&foreign).unwrap();
        assert_eq!(back.snapshot().recipe(), index.snapshot().recipe());
        assert_eq!(back.search(&queries, &query).unwrap(), before, "{recipe}");
        index.save(&own).unwrap();
        let loaded = Index::load_verified(&own).unwrap();
        assert_eq!(loaded.search(&queries, &query).unwrap(), before, "{recipe}");
        let gone: Vec<i64> = all.iter().copied().step_by(3).collect();
        assert_eq!(loaded.remove(&gone).unwrap(), gone.len());
        loaded.update(&vectors(1, d, 77), &[1]).unwrap();
        let left: Vec<i64> = all.iter().copied().filter(|id| id % 3 != 0).collect();
        check(&loaded, &left, &queries, metric);
        // A filter finds what is left when all others have been removed.
        let odd: Vec<i64> = left.iter().copied().filter(|id| id % 2 == 1).collect();
        let fewer = Index::from(loaded.snapshot());
        fewer.remove(&left.iter().copied().filter(|id| id % 2 == 0).collect::<Vec<_>>()).unwrap();
        let expected = fewer.search(&queries, &query).unwrap();
        for filter in [Filter::by(&|id| id % 2 == 1), Filter::ids(&odd), !Filter::bitmap(&[0x55; 15])] {
            let found = loaded.search(&queries, &Query { filter: Some(filter), ..query }).unwrap();
            assert_eq!(found, expected, "{recipe}");
        }
        loaded.compact().unwrap();
        check(&loaded, &left, &queries, metric);
        let other = Index::from(index.snapshot());
        other.remove(&all).unwrap();
        other.add(&vectors(30, d, 55), Some(&(200..230).collect::<Vec<_>>())).unwrap();
        loaded.merge(&other.snapshot()).unwrap();
        check(&loaded, &left.iter().copied().chain(200..230).collect::<Vec<_>>(), &queries, metric);
        // What lies within a radius is what a search finds first.
        let nearest = index.search(&queries, &query).unwrap();
        let radius = nearest.of(1).nth(3).unwrap().1;
        let inside = index.range_search(&queries, radius, query.nprobe, None).unwrap();
        let own = &inside.ids[inside.offsets[1]..inside.offsets[2]];
        let first: Vec<i64> = nearest.of(1).map(|(id, _)| id).take(own.len()).collect();
        // More codes are compared exactly for a radius than for few neighbours.
        assert!(recipe.ends_with("RFlat") || own == first && own.len() <= 3, "{recipe}");
    }
}

#[test]
fn a_bit_for_each_element_estimates_distances_and_exact_ones_decide() {
    let folder = tempfile::tempdir().unwrap();
    let own = folder.path().join("own");
    let (d, queries) = (64, vectors(20, 64, 9));
    for (recipe, metric) in [
        ("RaBitQ,RFlat", Metric::L2),
        ("RR64,RaBitQ,RFlat", Metric::InnerProduct),
        ("IVF4,RaBitQ,RFlat", Metric::InnerProduct),
        ("RR64,IVF4,RaBitQ,RFlat", Metric::L2),
        ("RR64,IVF4,RaBitQ", Metric::L2),
        ("RR40,IVF4,RaBitQ", Metric::InnerProduct),
    ] {
        let index = Index::new(recipe.parse().unwrap(), d, metric).unwrap();
        index.train(&vectors(300, d, 1)).unwrap();
        // Far from the origin, for what is taken off to matter.
        let far: Vec<f32> = vectors(900, d, 2).to_vec::<f32>().unwrap().iter().map(|x| x + 0.5).collect();
        for part in far.chunks(300 * d) {
            index.add(&Tensor::from_slice(part, [300, d]).unwrap(), None).unwrap();
        }
        let all: Vec<i64> = (0..900).collect();
        if recipe.ends_with("RFlat") {
            check(&index, &all, &queries, metric);
        }
        let flat = Index::new("Flat".parse().unwrap(), d, metric).unwrap();
        flat.add(&Tensor::from_slice(&far, [900, d]).unwrap(), None).unwrap();
        let exact = flat.search(&queries, &Query::default()).unwrap();
        let query = Query { nprobe: index.snapshot().recipe().nlist(), refine: 20, ..Query::default() };
        let found = index.search(&queries, &query).unwrap();
        let recall = found.recall(&exact);
        // A fifth of the rows compared exactly leaves out few; bits alone find a part of them, where drawing lots finds a hundredth.
        let least = if recipe.ends_with("RFlat") { 0.9 } else { 0.1 };
        assert!(recall > least, "{recipe}, {metric}: {recall}");
        index.save(&own).unwrap();
        let loaded = Index::load_verified(&own).unwrap();
        assert_eq!(loaded.search(&queries, &query).unwrap(), found, "{recipe}");
        loaded.remove(&(0..450).collect::<Vec<_>>()).unwrap();
        loaded.update(&vectors(1, d, 77), &[500]).unwrap();
        loaded.compact().unwrap();
        if recipe.ends_with("RFlat") {
            check(&loaded, &all[450..], &queries, metric);
        }
        let why = write_faiss(&index.snapshot(), folder.path().join("f")).unwrap_err().to_string();
        assert!(why.contains("RaBitQ"), "{why}");
    }
    let new = |recipe: &str, d| {
        Index::new(recipe.parse().unwrap(), d, Metric::L2).map(drop).unwrap_err().to_string()
    };
    assert!(new("RaBitQ", 12).contains("multiple of 8"));
    assert!(new("PCA20,Flat", 12).contains("at most 12"));
    assert!(new("OPQ5,PQ4", 12).contains("OPQ's parts divide"));
}

#[test]
fn turned_vectors_are_found_where_they_were() {
    // Points near a plane: two principal directions keep what tells them apart, and an optimised rotation loses less than parts as they come.
    let (n, d) = (600, 16);
    let (place, noise) =
        (vectors(n, 4, 3).to_vec::<f32>().unwrap(), vectors(n, d, 5).to_vec::<f32>().unwrap());
    let basis = vectors(4, d, 6).to_vec::<f32>().unwrap();
    let points: Vec<f32> = (0..n * d)
        .map(|at| {
            let (row, j) = (at / d, at % d);
            let sum: f32 = (0..4).map(|i| place[row * 4 + i] * basis[i * d + j]).sum();
            3.0 + sum + 0.01 * noise[at]
        })
        .collect();
    let points = Tensor::from_vec(points, [n, d]).unwrap();
    let queries = points.slice(0, 0..50).unwrap();
    let flat = Index::new("Flat".parse().unwrap(), d, Metric::L2).unwrap();
    flat.add(&points, None).unwrap();
    let exact = flat.search(&queries, &Query::default()).unwrap();
    let recall = |recipe: &str| {
        let index = Index::new(recipe.parse().unwrap(), d, Metric::L2).unwrap();
        index.train(&points).unwrap();
        index.add(&points, None).unwrap();
        let x = index.reconstruct(7).unwrap();
        let truth = points.slice(0, 7..8).unwrap().to_vec::<f32>().unwrap();
        let off: f32 = x.iter().zip(&truth).map(|(a, b)| (a - b) * (a - b)).sum();
        (index.search(&queries, &Query::default()).unwrap().recall(&exact), off)
    };
    let (found, _) = recall("PCA4,Flat");
    assert!(found > 0.9, "{found}");
    let (plain, _) = recall("PQ4x4");
    let (optimised, _) = recall("OPQ4,PQ4x4");
    let (projected, _) = recall("OPQ4_4,PQ4x4");
    assert!(optimised > plain && projected > plain, "{plain}, {optimised}, {projected}");
    let (turned, off) = recall("RR16,Flat");
    assert!(turned > 0.99 && off < 1e-6, "{turned}, {off}");
}

#[test]
fn the_nearest_rows_of_bits_are_found_while_an_index_changes_and_in_its_files() {
    let folder = tempfile::tempdir().unwrap();
    let (own, foreign) = (folder.path().join("own"), folder.path().join("index.faiss"));
    let bits = |n: usize, seed: u64| {
        let bytes = vectors(n, 5, seed).to_vec::<f32>().unwrap();
        Tensor::from_vec(bytes.iter().map(|x| (x * 1e4) as i32 as u8).collect::<Vec<_>>(), [n, 5]).unwrap()
    };
    let (queries, rows) = (bits(3, 8), bits(90, 1));
    let index = Index::create(&own, "BFlat".parse().unwrap(), 40, Metric::L2).unwrap();
    index.train(&rows).unwrap();
    index.add(&rows, None).unwrap();
    index.update(&bits(2, 4), &[3, 100]).unwrap();
    assert_eq!(index.remove(&[7, 8, 500]).unwrap(), 2);
    let check = |index: &Index| {
        let (found, q) = (index.search(&queries, &Query { k: 95, ..Query::default() }).unwrap(), &queries);
        for (number, q) in q.to_vec::<u8>().unwrap().chunks(5).enumerate() {
            let mut all: Vec<(i64, i64)> = Vec::new();
            for id in (0..90).filter(|id| ![7, 8].contains(id)).chain([100]) {
                let x = index.reconstruct(id).unwrap();
                let differ = |j: &usize| f32::from(q[j / 8] >> (j % 8) & 1) != x[*j];
                all.push(((0..40).filter(differ).count() as i64, id));
            }
            all.sort_unstable();
            let shown: Vec<_> = found.of(number).map(|(id, distance)| (distance as i64, id)).collect();
            assert_eq!(shown, all);
        }
    };
    check(&index);
    let fewer = index.range_search(&queries, 15.0, 1, Some(Filter::range(21..))).unwrap();
    assert!(fewer.distances.iter().all(|&distance| distance < 15.0) && fewer.ids.iter().all(|&id| id > 20));
    drop(index);
    // From the log, from the file, and from faiss's.
    let index = Index::open(&own).unwrap();
    check(&index);
    index.checkpoint().unwrap();
    drop(index);
    check(&Index::load_verified(&own).unwrap());
    write_faiss(&Index::load(&own).unwrap().snapshot(), &foreign).unwrap();
    check(&read_faiss(&foreign).unwrap());
    let good = std::fs::read(&foreign).unwrap();
    for at in 0..good.len() {
        std::fs::write(&foreign, &good[..at]).unwrap();
        assert!(read_faiss(&foreign).is_err(), "cut at {at}");
        let mut bad = good.clone();
        bad[at] ^= 0xff;
        std::fs::write(&foreign, &bad).unwrap();
        let _ = read_faiss(&foreign).map(|index| index.statistics());
    }
    let new = |d, metric| Index::new("BFlat".parse().unwrap(), d, metric).map(drop).unwrap_err().to_string();
    assert!(new(12, Metric::L2).contains("multiple of 8"));
    assert!(new(16, Metric::InnerProduct).contains("number of those that differ"));
    let index = Index::new("BFlat".parse().unwrap(), 40, Metric::L2).unwrap();
    assert!(index.add(&vectors(1, 40, 1), None).unwrap_err().to_string().contains("u8"));
    assert!(
        index.add(&bits(1, 1).slice(1, 0..4).unwrap(), None).unwrap_err().to_string().contains("[rows, 5]")
    );
}

#[test]
fn ends_of_files_within_files_are_refused() {
    // A refined index of a refined index and so on, as deep as the file is long.
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("deep.faiss");
    let mut layer = b"IxRF".to_vec();
    layer.extend_from_slice(&8i32.to_le_bytes());
    layer.extend_from_slice(&[0; 24]);
    layer.push(1);
    layer.extend_from_slice(&1i32.to_le_bytes());
    std::fs::write(&path, layer.repeat(200_000)).unwrap();
    assert!(read_faiss(&path).map(drop).unwrap_err().to_string().contains("refines \"IxRF\""));
}

#[test]
fn hostile_files_and_wrong_arguments_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("index.faiss");
    let kinds = ["PQ2x4fs", "IVF5,PQ3x4fsr,RFlat", "SQ8", "IVF3,SQ6,RFlat", "OPQ3_9,PQ3x4,RFlat", "RR12,SQ8"];
    for recipe in kinds {
        let index = Index::new(recipe.parse().unwrap(), 12, Metric::L2).unwrap();
        index.train(&vectors(300, 12, 1)).unwrap();
        index.add(&vectors(40, 12, 2), None).unwrap();
        write_faiss(&index.snapshot(), &path).unwrap();
        let good = std::fs::read(&path).unwrap();
        for end in (0..good.len()).step_by(53) {
            std::fs::write(&path, &good[..end]).unwrap();
            assert!(read_faiss(&path).is_err(), "{recipe} cut at {end}");
        }
        for at in (0..good.len()).step_by(31).chain(0..200) {
            let mut bad = good.clone();
            bad[at] = 0xff;
            std::fs::write(&path, &bad).unwrap();
            // Any answer but a panic: most bytes are codebooks.
            let _ = read_faiss(&path).map(|index| index.statistics());
        }
    }
    let new = |recipe: &str, metric| Index::new(recipe.parse().unwrap(), 12, metric).map(drop);
    assert!(new("PQ5", Metric::L2).unwrap_err().to_string().contains("parts that divide 12"));
    assert!(new("PQ4", Metric::Cosine).unwrap_err().to_string().contains("l2 or ip"));
}
