//! Indexes against an exact scan in f64, while they change, and in files.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::atomic::{AtomicBool, Ordering};

use tilewright_core::Tensor;
use tilewright_search::{Filter, Index, Metric, Query, Recipe, read_faiss, write_faiss};

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

/// The first `k` of these vectors by (distance as f32 shows it, id).
fn truth(all: &BTreeMap<i64, Vec<f32>>, query: &[f32], k: usize) -> Vec<i64> {
    let distance = |x: &[f32]| -> f64 {
        x.iter().zip(query).map(|(&x, &q)| (f64::from(x) - f64::from(q)).powi(2)).sum()
    };
    let mut order: Vec<(f32, i64)> = all.iter().map(|(&id, x)| (distance(x) as f32, id)).collect();
    order.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
    order.into_iter().take(k).map(|(_, id)| id).collect()
}

fn check(index: &Index, all: &BTreeMap<i64, Vec<f32>>, queries: &Tensor, k: usize) {
    let nprobe = index.snapshot().recipe().nlist();
    let found = index.search(queries, &Query { k, nprobe, ..Query::default() }).unwrap();
    for (query, vector) in queries.to_vec::<f32>().unwrap().chunks(queries.dims()[1]).enumerate() {
        let ids: Vec<i64> = found.of(query).map(|(id, _)| id).collect();
        assert_eq!(ids, truth(all, vector, k), "query {query}");
    }
    assert_eq!(index.snapshot().len(), all.len());
}

fn keep(all: &mut BTreeMap<i64, Vec<f32>>, ids: &[i64], vectors: &Tensor) {
    let d = vectors.dims()[1];
    for (&id, x) in ids.iter().zip(vectors.to_vec::<f32>().unwrap().chunks(d)) {
        all.insert(id, x.to_vec());
    }
}

#[test]
fn what_is_added_removed_and_changed_is_what_is_found() {
    for recipe in ["Flat", "IVF7,Flat"] {
        let (d, queries) = (13, vectors(9, 13, 99));
        let index = Index::new(recipe.parse().unwrap(), d, Metric::L2).unwrap();
        index.train(&vectors(300, d, 1)).unwrap();
        let mut all = BTreeMap::new();
        check(&index, &all, &queries, 4);
        for batch in 0..12 {
            let new = vectors(1 + batch * 17 % 40, d, batch as u64 + 2);
            let ids = if batch % 3 == 2 {
                let ids: Vec<i64> =
                    (0..new.dims()[0] as i64).map(|row| 100_000 * batch as i64 + row * 7).collect();
                index.add(&new, Some(&ids)).unwrap()
            } else {
                index.add(&new, None).unwrap()
            };
            keep(&mut all, &ids, &new);
            // Of one index's every batch a few go, and one comes back elsewhere.
            let gone: Vec<i64> = all.keys().copied().step_by(5 + batch).collect();
            assert_eq!(index.remove(&gone).unwrap(), gone.len());
            assert_eq!(index.remove(&gone).unwrap(), 0);
            gone.iter().for_each(|id| drop(all.remove(id)));
            if let Some(&id) = all.keys().next() {
                let other = vectors(1, d, 1000 + batch as u64);
                index.update(&other, &[id]).unwrap();
                keep(&mut all, &[id], &other);
                assert_eq!(index.reconstruct(id).unwrap(), all[&id]);
            }
            check(&index, &all, &queries, 4);
        }
        check(&index, &all, &queries, all.len() + 3);
        let statistics = index.statistics().unwrap();
        assert!(statistics.vectors == all.len() && statistics.parts < 9, "{statistics:?}");
        index.compact().unwrap();
        assert_eq!(index.statistics().unwrap().removed, 0);
        check(&index, &all, &queries, 30);
    }
}

/// Every kind of filter finds what an exact scan of the vectors that it means finds: where rows lie in the order of their ids and where not, in several parts and after removals.
#[test]
fn filters_and_radii_are_exact() {
    let (d, data, queries) = (8, vectors(500, 8, 1), vectors(6, 8, 2));
    let bits: Vec<u8> = (0..75u8).map(|byte| byte.wrapping_mul(151) ^ byte).collect();
    let set = |id: i64| bits.get(id as usize / 8).is_some_and(|byte| byte >> (id % 8) & 1 == 1);
    let some: Vec<i64> = (0..120).map(|i| (i * 37 + 5) % 1009).chain([5, -3, i64::MAX]).collect();
    let odd = |id: i64| id % 2 == 1;
    type Says<'a> = &'a dyn Fn(i64) -> bool;
    let filters: [(&str, Filter, Says); 12] = [
        ("few of a range", Filter::range(100..130), &|id| (100..130).contains(&id)),
        ("most of a range", Filter::range(13..=900), &|id| (13..=900).contains(&id)),
        ("a range without an end", Filter::range(410..), &|id| id >= 410),
        ("a range without a beginning", Filter::range(..=77), &|id| id <= 77),
        ("one of a range", Filter::range(7..8), &|id| id == 7),
        ("all of a range", Filter::range(..), &|_| true),
        ("none of a range", Filter::range((Bound::Excluded(i64::MAX), Bound::Unbounded)), &|_| false),
        (
            "a range that ends before it begins",
            Filter::range((Bound::Included(90), Bound::Included(20))),
            &|_| false,
        ),
        ("a bitmap", Filter::bitmap(&bits), &set),
        ("a bitmap of nothing", Filter::bitmap(&[]), &|_| false),
        ("a list", Filter::ids(&some), &|id| some.contains(&id)),
        ("a function", Filter::by(&odd), &odd),
    ];
    let scattered: Vec<i64> = (0..500).map(|row| row * 31 % 1009).collect();
    for (recipe, own) in
        [("Flat", None), ("Flat", Some(&scattered)), ("IVF5,Flat", None), ("IVF5,Flat", Some(&scattered))]
    {
        let index = Index::new(recipe.parse().unwrap(), d, Metric::L2).unwrap();
        index.train(&data).unwrap();
        let mut all = BTreeMap::new();
        for rows in [0..350, 350..480, 480..500] {
            let part = data.slice(0, rows.clone()).unwrap();
            let ids = index.add(&part, own.map(|own| &own[rows])).unwrap();
            keep(&mut all, &ids, &part);
        }
        let gone: Vec<i64> = all.keys().copied().step_by(9).collect();
        index.remove(&gone).unwrap();
        gone.iter().for_each(|id| drop(all.remove(id)));
        assert!(index.statistics().unwrap().parts > 1);
        for (what, filter, says) in filters {
            for (filter, deny) in [(filter, false), (!filter, true), (!!filter, false)] {
                let mut left = all.clone();
                left.retain(|&id, _| says(id) != deny);
                let what = format!("{recipe}, {what}, denied: {deny}");
                let query = Query { k: 20, nprobe: 5, filter: Some(filter), ..Query::default() };
                let found = index.search(&queries, &query).unwrap();
                let within = index.range_search(&queries, 2.0, 5, Some(filter)).unwrap();
                for (query, vector) in queries.to_vec::<f32>().unwrap().chunks(d).enumerate() {
                    let ids: Vec<i64> = found.of(query).map(|(id, _)| id).collect();
                    assert_eq!(ids, truth(&left, vector, 20), "{what}");
                    let range = within.offsets[query]..within.offsets[query + 1];
                    let near = |x: &&i64| -> bool {
                        let pairs = left[*x].iter().zip(vector);
                        let distance: f64 = pairs.map(|(&x, &q)| (f64::from(x) - f64::from(q)).powi(2)).sum();
                        (distance as f32) < 2.0
                    };
                    let expected: Vec<i64> = truth(&left, vector, 500).iter().filter(near).copied().collect();
                    assert!(left.len() < 100 || !expected.is_empty(), "{what}");
                    assert_eq!(&within.ids[range.clone()], expected, "{what}");
                    assert!(within.distances[range].is_sorted());
                }
            }
        }
        assert!(index.range_search(&queries, 0.0, 5, None).unwrap().ids.is_empty());
    }
}

/// A function is asked of vectors that are there, and of no other.
#[test]
fn a_filter_is_not_asked_of_what_was_removed() {
    let index = Index::new(Recipe::FLAT, 2, Metric::L2).unwrap();
    index.add(&vectors(40, 2, 1), None).unwrap();
    index.remove(&[3, 17]).unwrap();
    let asked = std::sync::Mutex::new(Vec::new());
    let note = |id: i64| {
        asked.lock().unwrap().push(id);
        true
    };
    let query = Query { filter: Some(Filter::by(&note)), ..Query::default() };
    index.search(&vectors(1, 2, 2), &query).unwrap();
    let mut asked = asked.into_inner().unwrap();
    asked.sort_unstable();
    assert_eq!(asked, (0..40).filter(|id| ![3, 17].contains(id)).collect::<Vec<i64>>());
}

#[test]
fn what_comes_in_parts_is_added_as_one() {
    let all = vectors(700, 24, 5);
    for recipe in
        ["Flat", "IVF6,Flat", "IVF6,PQ4", "IVF6,PQ4x4fsr,RFlat", "SQ8", "RR24,IVF6,RaBitQ", "OPQ4,IVF6,PQ4"]
    {
        let (whole, parts) = (index(recipe, &all), index(recipe, &all));
        whole.add(&all, None).unwrap();
        let cuts = [0, 1, 1, 300, 700];
        let matrices = cuts.windows(2).map(|cut| all.slice(0, cut[0]..cut[1]));
        assert_eq!(parts.add_all(matrices, None).unwrap(), (0..700).collect::<Vec<i64>>(), "{recipe}");
        assert_eq!(parts.statistics().unwrap(), whole.statistics().unwrap(), "{recipe}");
        let query = Query { k: 9, nprobe: 3, ..Query::default() };
        let queries = vectors(20, 24, 6);
        assert_eq!(
            parts.search(&queries, &query).unwrap(),
            whole.search(&queries, &query).unwrap(),
            "{recipe}"
        );
        // One that is wrong, and nothing of all is there.
        let wrong = [all.slice(0, 0..5), vectors(3, 7, 1).slice(0, 0..3)];
        assert!(parts.add_all(wrong, None).is_err());
        assert!(parts.add_all([Ok(all.clone())], Some(&vec![701; 700])).is_err());
        assert_eq!(parts.snapshot().len(), 700);
        assert!(parts.add_all([], None).unwrap().is_empty());
    }
    let folder = tempfile::tempdir().unwrap();
    let logged = Index::create(folder.path().join("i"), Recipe::FLAT, 24, Metric::L2).unwrap();
    assert!(logged.add_all([Ok(all)], None).unwrap_err().to_string().contains("one change at a time"));
}

/// A trained index without vectors.
fn index(recipe: &str, vectors: &Tensor) -> Index {
    let index = Index::new(recipe.parse().unwrap(), vectors.dims()[1], Metric::L2).unwrap();
    index.train(vectors).unwrap();
    index
}

#[test]
fn as_few_lists_as_a_recall_takes() {
    let (data, queries) = (vectors(900, 8, 1), vectors(40, 8, 2));
    let index = Index::new("IVF30,Flat".parse().unwrap(), 8, Metric::L2).unwrap();
    index.train(&data).unwrap();
    index.add(&data, None).unwrap();
    let now = index.snapshot();
    let found = |nprobe| now.search(&queries, &Query { k: 10, nprobe, ..Query::default() }).unwrap();
    let exact = found(30);
    for target in [0.3, 0.8, 0.95, 1.0] {
        let (nprobe, reached) = now.nprobe_for(&queries, 10, target).unwrap();
        assert!(reached >= target && reached == found(nprobe).recall(&exact), "{target}: {nprobe} {reached}");
        assert!(nprobe == 1 || found(nprobe - 1).recall(&exact) < target);
    }
    assert!(now.nprobe_for(&queries, 10, 1.5).unwrap_err().to_string().contains("recall is 1.5"));
    let all = now.compared(&queries, 30).unwrap();
    assert_eq!(all, 40 * 900);
    assert!((1..all).contains(&now.compared(&queries, 3).unwrap()));
}

/// Searches beside additions, changes and removals: each sees exactly what some number of changes leaves.
#[test]
fn every_search_sees_what_some_number_of_changes_leaves() {
    let d = 4;
    let index = Index::new("IVF3,Flat".parse().unwrap(), d, Metric::L2).unwrap();
    index.train(&vectors(60, d, 7)).unwrap();
    let zero = Tensor::from_vec(vec![0.0f32; d], [1, d]).unwrap();
    // Change c puts ids 4c .. 4c + 4 in, takes 4(c - 3) out, and moves 4(c - 2) + 1 to where its distance from zero names c.
    let place = |c: i64| Tensor::from_vec(vec![c as f32, 0.0, 0.0, 0.0], [1, d]).unwrap();
    let changes: i64 = 120;
    let done = AtomicBool::new(false);
    let look = |least: i64| -> i64 {
        let all = index.snapshot().search(&zero, &Query { k: 4000, nprobe: 3, ..Query::default() }).unwrap();
        let found: BTreeMap<i64, f32> = all.of(0).collect();
        let count = found.keys().last().map_or(0, |last| last / 4 + 1);
        assert!(count >= least);
        // Three steps a change, each seen whole: after the addition, after the removal, after the move.
        let whole = (0..count).all(|c| (1..4).all(|i| found.contains_key(&(4 * c + i))));
        assert!(whole, "an addition is seen in part");
        for c in 0..count {
            // Of the last change the removal may not have come yet.
            let (removed_by, there) = (c + 3, found.contains_key(&(4 * c)));
            assert!(removed_by == count - 1 || there == (removed_by >= count), "{c} of {count}");
            let moved_by = c + 2;
            let moved = found[&(4 * c + 1)] == (moved_by * moved_by) as f32;
            assert!(moved_by == count - 1 || moved == (moved_by < count), "{c} of {count}");
        }
        count
    };
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let mut most = 0;
                while !done.load(Ordering::Relaxed) {
                    most = look(most);
                }
            });
        }
        for c in 0..changes {
            let ids: Vec<i64> = (4 * c..4 * c + 4).collect();
            index.add(&vectors(4, d, c as u64 + 100), Some(&ids)).unwrap();
            if c >= 3 {
                assert_eq!(index.remove(&[4 * (c - 3)]).unwrap(), 1);
            }
            if c >= 2 {
                index.update(&place(c), &[4 * (c - 2) + 1]).unwrap();
            }
        }
        done.store(true, Ordering::Relaxed);
    });
    assert_eq!(look(changes), changes);
}

#[test]
fn every_search_sees_some_moment_whole() {
    let d = 6;
    let index = Index::new(Recipe::FLAT, d, Metric::L2).unwrap();
    let done = AtomicBool::new(false);
    let zero = Tensor::from_vec(vec![0.0f32; d], [1, d]).unwrap();
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                let mut most = 0;
                while !done.load(Ordering::Relaxed) {
                    let found = index.search(&zero, &Query { k: 2000, ..Query::default() }).unwrap();
                    let mut ids: Vec<i64> = found.of(0).map(|(id, _)| id).collect();
                    ids.sort_unstable();
                    // Batches of ten come at once, in order.
                    assert!(
                        ids.len().is_multiple_of(10)
                            && ids.len() >= most
                            && ids.iter().copied().eq(0..ids.len() as i64)
                    );
                    most = ids.len();
                }
            });
        }
        for batch in 0..100 {
            index.add(&vectors(10, d, batch + 1), None).unwrap();
        }
        done.store(true, Ordering::Relaxed);
    });
    assert_eq!(index.snapshot().len(), 1000);
}

#[test]
fn a_file_holds_what_was_saved_and_nothing_half() {
    let folder = tempfile::tempdir().unwrap();
    let (path, queries) = (folder.path().join("index"), vectors(5, 9, 3));
    for recipe in ["Flat", "IVF4,Flat"] {
        let index = Index::new(recipe.parse().unwrap(), 9, Metric::Cosine).unwrap();
        index.save(&path).unwrap();
        assert!(Index::load_verified(&path).unwrap().snapshot().is_empty());
        index.train(&vectors(100, 9, 1)).unwrap();
        index.add(&vectors(100, 9, 1), None).unwrap();
        index.add(&vectors(30, 9, 2), None).unwrap();
        index.remove(&[3, 104]).unwrap();
        let query = Query { k: 15, nprobe: 2, ..Query::default() };
        let before = index.search(&queries, &query).unwrap();
        index.save(&path).unwrap();
        let loaded = Index::load_verified(&path).unwrap();
        assert_eq!(loaded.search(&queries, &query).unwrap(), before);
        // A save over the open file, and more in memory on top of what is mapped.
        index.add(&vectors(1, 9, 8), None).unwrap();
        index.save(&path).unwrap();
        loaded.add(&vectors(1, 9, 8), None).unwrap();
        let more = index.search(&queries, &query).unwrap();
        assert_eq!(loaded.search(&queries, &query).unwrap(), more);
        assert_eq!(Index::load(&path).unwrap().search(&queries, &query).unwrap(), more);
    }
    // What a kill leaves behind in the middle of a save is a file of another name.
    std::fs::write(folder.path().join("index.1.0.part"), b"TWSEARCH").unwrap();
    assert_eq!(Index::load_verified(&path).unwrap().snapshot().len(), 129);
}

#[test]
fn hostile_files_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let (path, foreign) = (folder.path().join("index"), folder.path().join("index.faiss"));
    let index = Index::new("IVF3,Flat".parse().unwrap(), 5, Metric::L2).unwrap();
    index.train(&vectors(40, 5, 1)).unwrap();
    index.add(&vectors(40, 5, 1), None).unwrap();
    index.save(&path).unwrap();
    write_faiss(&index.snapshot(), &foreign).unwrap();
    let (good, good_foreign) = (std::fs::read(&path).unwrap(), std::fs::read(&foreign).unwrap());
    // Steps without a common factor with any element's size, so that every place within an element comes up.
    for end in (0..good.len()).step_by(37) {
        std::fs::write(&path, &good[..end]).unwrap();
        assert!(Index::load(&path).is_err(), "cut at {end}");
    }
    for at in (0..good.len()).step_by(11) {
        let mut bad = good.clone();
        bad[at] ^= 0x41;
        std::fs::write(&path, &bad).unwrap();
        let loaded = Index::load_verified(&path);
        // What lies between the sections is the only thing without a checksum.
        assert!(loaded.is_err() || good[at] == 0, "byte {at}");
    }
    for end in (0..good_foreign.len()).step_by(5) {
        std::fs::write(&foreign, &good_foreign[..end]).unwrap();
        assert!(read_faiss(&foreign).is_err(), "cut at {end}");
    }
    for at in (0..good_foreign.len()).step_by(7) {
        let mut bad = good_foreign.clone();
        bad[at] = 0xff;
        std::fs::write(&foreign, &bad).unwrap();
        // Any answer but a panic: most bytes are vectors.
        let _ = read_faiss(&foreign).map(|index| index.statistics());
    }
}

#[test]
fn faiss_files_come_back_as_they_were() {
    let folder = tempfile::tempdir().unwrap();
    let (path, queries) = (folder.path().join("index.faiss"), vectors(5, 9, 3));
    for (recipe, metric) in
        [("Flat", Metric::L2), ("IVF4,Flat", Metric::L2), ("IVF4,Flat", Metric::InnerProduct)]
    {
        for own_ids in [false, true] {
            let index = Index::new(recipe.parse().unwrap(), 9, metric).unwrap();
            index.train(&vectors(100, 9, 1)).unwrap();
            let ids: Vec<i64> = (0..100).map(|row| row * 31 % 1009).collect();
            index.add(&vectors(100, 9, 1), own_ids.then_some(&ids)).unwrap();
            write_faiss(&index.snapshot(), &path).unwrap();
            let query = Query { k: 12, nprobe: 2, ..Query::default() };
            let back = read_faiss(&path).unwrap();
            assert_eq!(back.search(&queries, &query).unwrap(), index.search(&queries, &query).unwrap());
        }
    }
    let cosine = Index::new(Recipe::FLAT, 9, Metric::Cosine).unwrap();
    assert!(write_faiss(&cosine.snapshot(), &path).unwrap_err().to_string().contains("cosine"));
}

#[test]
fn indexes_merge_and_wrong_arguments_are_named() {
    let (d, data) = (4, vectors(60, 4, 1));
    let new = || Index::new("IVF3,Flat".parse().unwrap(), d, Metric::L2).unwrap();
    let (left, right) = (new(), new());
    let early = left.add(&data, None).unwrap_err().to_string();
    assert!(early.contains("IVF3,Flat has to be trained first"), "{early}");
    left.train(&data).unwrap();
    right.set_centroids(left.snapshot().centroids().unwrap()).unwrap();
    left.add(&data, None).unwrap();
    right.add(&data, Some(&(100..160).collect::<Vec<_>>())).unwrap();
    left.merge(&right.snapshot()).unwrap();
    let mut all = BTreeMap::new();
    keep(&mut all, &(0..60).chain(100..160).collect::<Vec<_>>(), &{
        let twice = data.to_vec::<f32>().unwrap().repeat(2);
        Tensor::from_vec(twice, [120, d]).unwrap()
    });
    check(&left, &all, &vectors(3, d, 9), 50);
    let last = Index::new(Recipe::FLAT, d, Metric::L2).unwrap();
    last.add(&vectors(1, 4, 5), Some(&[i64::MAX - 2])).unwrap();
    assert_eq!(Index::from(last.snapshot()).add(&vectors(1, 4, 5), None).unwrap(), [i64::MAX - 1]);
    for (error, part) in [
        (left.merge(&right.snapshot()).unwrap_err(), "other is 1"),
        (left.train(&data).unwrap_err(), "holds vectors"),
        (left.add(&vectors(2, 4, 5), Some(&[500, 500])).unwrap_err(), "ids is 500, expected ids from 0 on"),
        (left.add(&vectors(1, 4, 5), Some(&[7])).unwrap_err(), "ids is 7"),
        (left.add(&vectors(1, 4, 5), Some(&[-1])).unwrap_err(), "ids is -1"),
        (left.add(&vectors(2, 4, 5), Some(&[900])).unwrap_err(), "ids has shape [1], expected [2]"),
        (left.add(&vectors(2, 5, 5), None).unwrap_err(), "vectors has shape [2, 5], expected [rows, 4]"),
        (last.add(&vectors(2, 4, 5), None).unwrap_err(), "no 2 numbers come after the greatest id"),
        (left.reconstruct(99).unwrap_err(), "id is 99"),
        (left.search(&data, &Query { nprobe: 0, ..Query::default() }).unwrap_err(), "nprobe is 0"),
        (Index::new(Recipe::FLAT, 0, Metric::L2).map(drop).unwrap_err(), "d is 0"),
    ] {
        assert!(error.to_string().contains(part), "{error}");
    }
    assert_eq!(left.snapshot().len(), 120);
}

#[test]
fn vectors_that_come_in_parts_give_what_one_scan_gives() {
    use tilewright_core::{Stream, Tensor};
    use tilewright_search::Neighbours;

    // Whole numbers, so that distances tie across parts.
    let rows: Vec<f32> = (0..3000u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 29) as f32).collect();
    let (vectors, queries) = (Tensor::from_slice(&rows, [1000, 3]).unwrap(), &rows[..21]);
    let queries = Tensor::from_slice(queries, [7, 3]).unwrap();
    for metric in Metric::ALL {
        let index = Index::new(Recipe::FLAT, 3, metric).unwrap();
        index.add(&vectors, None).unwrap();
        let whole = index.search(&queries, &Query { k: 40, ..Query::default() }).unwrap();
        for part in [1000, 333, 64, 999] {
            let mut numbered = Neighbours::new(&Stream::cpu(), &queries, 40, metric).unwrap();
            let mut named = Neighbours::new(&Stream::cpu(), &queries, 40, metric).unwrap();
            for start in (0..1000).step_by(part) {
                let own = start..1000.min(start + part);
                numbered.meet(&vectors.slice(0, own.clone()).unwrap(), None).unwrap();
                let ids: Vec<i64> = own.clone().rev().map(|row| row as i64).collect();
                let turned: Vec<f32> =
                    own.rev().flat_map(|row| rows[row * 3..row * 3 + 3].to_vec()).collect();
                named.meet(&Tensor::from_vec(turned, [ids.len(), 3]).unwrap(), Some(&ids)).unwrap();
            }
            let (numbered, named) = (numbered.found().unwrap(), named.found().unwrap());
            assert_eq!((&numbered.ids, &named.ids), (&whole.ids, &whole.ids), "{metric}, {part}");
            let bits = |distances: &[f32]| distances.iter().map(|x| x.to_bits()).collect::<Vec<_>>();
            assert_eq!(bits(&numbered.distances), bits(&whole.distances));
        }
    }
    let mut none = Neighbours::new(&Stream::cpu(), &queries, 2, Metric::L2).unwrap();
    assert_eq!(none.found().unwrap().ids, [-1; 14]);
    assert!(none.meet(&vectors.reshape([3000, 1]).unwrap(), None).is_err());
    assert!(none.meet(&vectors, Some(&[1])).is_err());
}
