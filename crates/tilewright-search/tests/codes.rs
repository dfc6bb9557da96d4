//! Indexes by codes: against the distances of what the codes stand for, in files of both kinds, and while they change.

use std::collections::BTreeMap;

use tilewright_core::Tensor;
use tilewright_search::{Index, Metric, Query, read_faiss, write_faiss};

const RECIPES: [&str; 6] =
    ["PQ3x4", "PQ2x4fs", "IVF4,PQ4", "IVF5,PQ3x4fs", "IVF5,PQ3x4fsr,RFlat", "IVF3,PQ6x4,RFlat"];

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

/// Every list is looked into: the result is the sorted distances of what `reconstruct` gives.
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
    for (recipe, metric) in
        RECIPES.into_iter().flat_map(|recipe| [(recipe, Metric::L2), (recipe, Metric::InnerProduct)])
    {
        let index = Index::new(recipe.parse().unwrap(), d, metric).unwrap();
        let early = index.add(&vectors(1, d, 1), None).unwrap_err().to_string();
        assert!(early.contains("has to be trained first"), "{early}");
        index.train(&vectors(300, d, 1)).unwrap();
        for (batch, n) in [40, 1, 70, 3].into_iter().enumerate() {
            index.add(&vectors(n, d, batch as u64 + 2), None).unwrap();
        }
        let all: Vec<i64> = (0..114).collect();
        check(&index, &all, &queries, metric);
        let query = Query { k: 6, nprobe: 2, ..Query::default() };
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
        let left: Vec<i64> = all.into_iter().filter(|id| id % 3 != 0).collect();
        check(&loaded, &left, &queries, metric);
        let filter = |id: i64| id % 2 == 1;
        let filtered = loaded.search(&queries, &Query { filter: Some(&filter), ..query }).unwrap();
        assert!(filtered.ids.iter().all(|&id| id == -1 || filter(id)));
        loaded.compact().unwrap();
        check(&loaded, &left, &queries, metric);
    }
}

#[test]
fn hostile_files_and_wrong_arguments_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("index.faiss");
    for recipe in RECIPES {
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
