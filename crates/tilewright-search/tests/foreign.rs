//! Files that faiss itself wrote (`faiss/make.py`): they give faiss's answers, and are written back to the byte.

use std::path::{Path, PathBuf};

use serde_json::Value;
use tilewright_core::Tensor;
use tilewright_search::{Metric, Query, read_faiss, write_faiss};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/faiss")
}

/// The index files, and what `IVF3_PQ4x4.l2` stands for.
fn files() -> Vec<(PathBuf, String, String, Metric)> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder()).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        let Some(called) = name.strip_suffix(".faiss") else { continue };
        let Some((recipe, metric)) = called.split_once('.') else { continue };
        let metric = metric.parse().unwrap();
        // Two of one recipe differ by a mark at the end of the name.
        let recipe = recipe.trim_end_matches('_').replace('_', ",");
        files.push((path.clone(), called.to_owned(), recipe, metric));
    }
    files.sort_by(|a, b| a.0.cmp(&b.0));
    assert!(files.len() >= 48, "{} files in {}", files.len(), folder().display());
    files
}

#[test]
fn the_files_of_faiss_give_its_answers() {
    let answers = std::fs::read(folder().join("answers.json")).unwrap();
    let answers: Value = serde_json::from_slice(&answers).unwrap();
    let queries: Vec<Vec<f32>> = serde_json::from_value(answers["queries"].clone()).unwrap();
    let queries = Tensor::from_vec(queries.concat(), [queries.len(), queries[0].len()]).unwrap();
    let bits: Vec<Vec<u8>> = serde_json::from_value(answers["bits"].clone()).unwrap();
    let bits = Tensor::from_vec(bits.concat(), [bits.len(), bits[0].len()]).unwrap();
    for (path, called, recipe, metric) in files() {
        let index = read_faiss(&path).unwrap();
        let snapshot = index.snapshot();
        assert_eq!(
            (snapshot.recipe(), snapshot.metric(), snapshot.len()),
            (recipe.parse().unwrap(), metric, 41)
        );
        let answer = |what: &str| answers[&format!("{called}.{what}")].clone();
        let distances: Vec<Vec<f32>> = serde_json::from_value(answer("distances")).unwrap();
        let ids: Vec<Vec<i64>> = serde_json::from_value(answer("ids")).unwrap();
        let (distances, ids) = (distances.concat(), ids.concat());
        let queries = if snapshot.recipe().is_binary() { &bits } else { &queries };
        let k = ids.len() / queries.dims()[0];
        let query = Query { k, nprobe: snapshot.recipe().nlist(), refine: usize::MAX, ..Query::default() };
        let found = index.search(queries, &query).unwrap();
        for (place, (id, distance)) in ids.iter().zip(&distances).enumerate() {
            // Sums in f32 of some ten products below 16, on both sides.
            let near = |other: f32| (other - distance).abs() < 1e-4;
            assert!(near(found.distances[place]), "{called}: {} and {distance}", found.distances[place]);
            // Rows with the same code are as near as each other, and which of them is last is anyone's choice.
            let own = place / k * k..(place / k + 1) * k;
            let same = own.clone().any(|at| found.ids[at] == *id && near(found.distances[at]));
            assert!(same || near(found.distances[own.end - 1]), "{called}: row {id} at {place}");
        }
    }
}

#[test]
fn the_files_of_faiss_are_written_back_to_the_byte() {
    let folder = tempfile::tempdir().unwrap();
    let copy = folder.path().join("copy");
    // Principal components come back as a linear transform, without what faiss keeps of how it found them.
    for (path, called, ..) in files().into_iter().filter(|(_, called, ..)| !called.starts_with("PCA")) {
        write_faiss(&read_faiss(&path).unwrap().snapshot(), &copy).unwrap();
        let (theirs, ours) = (std::fs::read(&path).unwrap(), std::fs::read(&copy).unwrap());
        let differs = theirs.iter().zip(&ours).position(|(a, b)| a != b);
        assert_eq!((differs, ours.len()), (None, theirs.len()), "{called}");
    }
}
