//! `tilewright linalg` on files.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use tilewright_core::{DType, Tensor, read_safetensors, write_safetensors};

/// Runs the command in a folder.
fn linalg(folder: &Path, arguments: &[&str]) -> (i32, String, String) {
    let command = Command::new(env!("CARGO_BIN_EXE_tilewright"))
        .arg("linalg")
        .args(arguments)
        .current_dir(folder)
        .output()
        .unwrap();
    let Output { status, stdout, stderr } = command;
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (status.code().unwrap(), text(stdout), text(stderr))
}

fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, content) in files {
        std::fs::write(folder.path().join(name), content).unwrap();
    }
    folder
}

fn done(folder: &Path, arguments: &[&str]) -> String {
    let (code, out, err) = linalg(folder, arguments);
    assert_eq!(code, 0, "{arguments:?}: {err}");
    out
}

/// A matrix and a right-hand side: its solution is (1, 2, 3).
const A: &str = "%%MatrixMarket matrix coordinate real symmetric\n% springs\n3 3 5\n1 1 2\n2 2 2\n3 3 2\n2 1 -1\n3 2 -1\n";
const B: &str = "%%MatrixMarket matrix array integer general\n3 1\n0\n0\n4\n";

#[test]
fn matrix_market_goes_in_and_results_come_out_by_name() {
    let folder = folder(&[("a.mtx", A), ("b.mtx", B)]);
    let said = done(folder.path(), &["solve", "a.mtx", "b.mtx", "-o", "x.safetensors"]);
    assert!(
        said.contains("x f64 [3, 1]") && said.contains("info i32 []") && said.contains("solve on cpu took"),
        "{said}"
    );
    let results = read_safetensors(folder.path().join("x.safetensors")).unwrap();
    for (x, expected) in results["x"].to_vec::<f64>().unwrap().into_iter().zip([1.0, 2.0, 3.0]) {
        assert!((x - expected).abs() < 1e-14, "{x}");
    }

    // The same by name, in the other order; through .npz; and out as text again.
    done(folder.path(), &["solve", "b=b.mtx", "a=a.mtx", "-o", "x.npz"]);
    done(folder.path(), &["norm", "x.npz#x", "-o", "length.mtx"]);
    let length = std::fs::read_to_string(folder.path().join("length.mtx")).unwrap();
    let value: f64 = length.lines().last().unwrap().parse().unwrap();
    assert!(
        length.starts_with("%%MatrixMarket matrix array real general\n1 1\n")
            && (value - 14f64.sqrt()).abs() < 1e-14,
        "{length}"
    );

    // Eigenvalues 2 - sqrt 2, 2, 2 + sqrt 2.
    let json =
        done(folder.path(), &["--json", "eigh", "a.mtx", "--set", "descending=true", "-o", "e.safetensors"]);
    let document: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!((&document["kernel"], &document["outputs"][2]["name"]), (&"eigh".into(), &"vectors".into()));
    let values =
        read_safetensors(folder.path().join("e.safetensors")).unwrap()["values"].to_vec::<f64>().unwrap();
    for (value, expected) in values.into_iter().zip([2.0 + 2f64.sqrt(), 2.0, 2.0 - 2f64.sqrt()]) {
        assert!((value - expected).abs() < 1e-14, "{value}");
    }
}

#[test]
fn matrix_market_is_read_in_either_dtype_and_every_form() {
    const HEAD: &str = "%%MatrixMarket matrix";
    let skew = format!("{HEAD} coordinate real skew-symmetric\n2 2 1\n2 1 0.1\n");
    let whole = format!("{HEAD} array real symmetric\n2 2\n0.1\n-2\n3e-3\n");
    let pattern = format!("{HEAD} coordinate pattern symmetric\n3 3 3\n1 1\n2 1\n3 2\n");
    let folder =
        folder(&[("a.mtx", A), ("b.mtx", B), ("s.mtx", &skew), ("w.mtx", &whole), ("p.mtx", &pattern)]);
    // All elements, unchanged, are their own upper and lower triangles.
    let read = |file: &str, dtype: &str| {
        done(folder.path(), &["triu", file, "--dtype", dtype, "--set", "offset=-9", "-o", "t.safetensors"]);
        read_safetensors(folder.path().join("t.safetensors")).unwrap().remove("out").unwrap()
    };
    for (file, elements) in [
        ("a.mtx", vec![2.0, -1.0, 0.0, -1.0, 2.0, -1.0, 0.0, -1.0, 2.0]),
        ("b.mtx", vec![0.0, 0.0, 4.0]),
        ("s.mtx", vec![0.0, -0.1, 0.1, 0.0]),
        ("w.mtx", vec![0.1, -2.0, -2.0, 3e-3]),
        ("p.mtx", vec![1.0, 1.0, 0.0, 1.0, 0.0, 1.0, 0.0, 1.0, 0.0]),
    ] {
        assert_eq!(read(file, "f64").to_vec::<f64>().unwrap(), elements, "{file}");
        let rounded: Vec<f32> = elements.iter().map(|&x| x as f32).collect();
        assert_eq!(read(file, "f32").to_vec::<f32>().unwrap(), rounded, "{file}");
    }
    // Beside a file that has its own dtype.
    let b = Tensor::from_vec(vec![0.0f32, 0.0, 4.0], [3, 1]).unwrap();
    write_safetensors(folder.path().join("b.safetensors"), [("b", &b)]).unwrap();
    let (code, _, err) = linalg(folder.path(), &["solve", "a.mtx", "b.safetensors", "-o", "x.safetensors"]);
    assert!(code == 2 && err.contains("dtype"), "{err}");
    done(folder.path(), &["solve", "a.mtx", "b.safetensors", "--dtype", "f32", "-o", "x.safetensors"]);
    let x = read_safetensors(folder.path().join("x.safetensors")).unwrap()["x"].to_vec::<f32>().unwrap();
    assert!(x.iter().zip([1.0, 2.0, 3.0]).all(|(x, truth)| (x - truth).abs() < 1e-5), "{x:?}");
}

#[test]
fn dtypes_stay_and_least_squares_names_what_it_gives() {
    let folder = folder(&[]);
    for dtype in [DType::F32, DType::F64] {
        let a = Tensor::from_f64(&[1.0, 0.0, 0.0, 1.0, 1.0, 1.0], dtype, [3, 2]).unwrap();
        let b = Tensor::from_f64(&[1.0, 2.0, 3.0], dtype, [3, 1]).unwrap();
        let wide = a.transpose().unwrap();
        let few = Tensor::from_f64(&[1.0, 2.0], dtype, [2, 1]).unwrap();
        let all = [("a", &a), ("b", &b), ("wide", &wide), ("few", &few)];
        write_safetensors(folder.path().join("in.safetensors"), all).unwrap();
        // What there is none of keeps its place and is empty: which one it is, a number of results would not tell.
        for (files, set, residuals, s) in [
            (["in.safetensors", "in.safetensors"], "method=svd", 1, 2),
            (["in.safetensors", "in.safetensors"], "method=qr", 1, 0),
            (["in.safetensors#wide", "in.safetensors#few"], "method=svd", 0, 2),
        ] {
            done(folder.path(), &["lstsq", files[0], files[1], "--set", set, "-o", "out.safetensors"]);
            let results = read_safetensors(folder.path().join("out.safetensors")).unwrap();
            assert_eq!(
                (results["residuals"].dims(), results["s"].dims()),
                (&[residuals][..], &[s][..]),
                "{set}"
            );
            assert_eq!(results["x"].dtype(), dtype);
        }
    }
}

#[test]
fn a_matrix_without_a_result_is_told_and_the_others_are_written() {
    let folder = folder(&[]);
    let batch =
        Tensor::from_vec(vec![1.0f32, 0.0, 0.0, 1.0, 1.0, 1.0, 1.0, 1.0, 2.0, 0.0, 0.0, 4.0], [3, 2, 2])
            .unwrap();
    write_safetensors(folder.path().join("a.safetensors"), [("a", &batch)]).unwrap();
    let (code, out, err) = linalg(folder.path(), &["inverse", "a.safetensors", "-o", "x.safetensors"]);
    assert_eq!(code, 1, "{out}{err}");
    assert!(err.contains("1 of 3 matrices failed; the first is number 1, whose info is 2"), "{err}");
    let results = read_safetensors(folder.path().join("x.safetensors")).unwrap();
    assert_eq!(results["info"].to_vec::<i32>().unwrap(), [0, 2, 0]);
    let x = results["x"].to_vec::<f32>().unwrap();
    assert!(x[4..8].iter().all(|x| x.is_nan()));
    assert_eq!((&x[..4], &x[8..]), (&[1.0, 0.0, 0.0, 1.0][..], &[0.5, 0.0, 0.0, 0.25][..]));
}

#[test]
fn an_iteration_that_stays_short_is_told_and_what_it_has_is_written() {
    let folder = folder(&[("a.mtx", A)]);
    let asked =
        ["subspace_iteration", "a.mtx", "-o", "s.safetensors", "--set", "rank=1", "--set", "oversample=0"];
    // Eigenvalues 2 + sqrt 2, 2, 2 - sqrt 2.
    done(folder.path(), &asked);
    let s = || read_safetensors(folder.path().join("s.safetensors")).unwrap()["s"].to_vec::<f64>().unwrap();
    assert!((s()[0] - (2.0 + 2f64.sqrt())).abs() < 1e-12, "{:?}", s());
    let (code, _, err) = linalg(folder.path(), &[&asked[..], &["--set", "iterations=1"]].concat());
    assert!(
        code == 1 && err.contains("1 of 1 matrices failed; the first is number 0, whose info is 2"),
        "{err}"
    );
    assert!((0.5..3.42).contains(&s()[0]), "{:?}", s());
}

#[test]
fn what_cannot_be_is_said_and_nothing_is_written() {
    let folder = folder(&[
        ("a.mtx", A),
        ("b.mtx", B),
        ("complex.mtx", "%%MatrixMarket matrix coordinate complex general\n1 1 1\n1 1 1 0\n"),
        ("large.mtx", "%%MatrixMarket matrix array real general\n1 1\n1e39\n"),
        ("huge.mtx", "%%MatrixMarket matrix coordinate real general\n1000000000 1000000000 1\n1 1 1\n"),
        ("place.mtx", "%%MatrixMarket matrix coordinate real general\n2 2 1\n3 1 1\n"),
        ("noise.npy", "noise"),
    ]);
    for (arguments, part) in [
        (vec!["cholseky", "a.mtx"], "OP \"cholseky\" is no operation; did you mean [\"cholesky\"]?"),
        (vec!["inv", "a.mtx"], "\"inverse\", "),
        (vec!["zzz", "a.mtx"], "`tilewright linalg list` names them"),
        (vec!["matmul", "a.mtx"], "of the family gemm: take `tilewright run matmul`"),
        (vec!["solve", "a.mtx"], "input b [.., n, k] is missing: add b=FILE"),
        (vec!["solve"], "input a [.., n, n] is missing: add a=FILE"),
        (vec!["det", "a.mtx", "b.mtx"], "FILE b.mtx: det takes 1 inputs: a [.., n, n]"),
        (vec!["solve", "a.mtx", "a=a.mtx"], "a is given twice"),
        (vec!["svd", "a.mtx", "--set", "mod=full"], "argument name"),
        (vec!["svd", "a.mtx", "--set", "mode=fll"], "reduced, full or values"),
        (vec!["solve", "b.mtx", "b.mtx"], "solve: a"),
        (vec!["svd", "absent.mtx"], "absent.mtx"),
        (vec!["svd", "noise.npy"], "a: "),
        (vec!["svd", "complex.mtx"], "its numbers are \"complex\", not real, integer or pattern"),
        (vec!["svd", "large.mtx", "--dtype", "f32"], "1e39 is beyond the range of f32"),
        (vec!["svd", "noise.npy", "--dtype", "f32"], "--dtype f32: no input is a .mtx file"),
        (vec!["svd", "huge.mtx"], "more than the"),
        (vec!["svd", "place.mtx"], "line 3: row 3 of 2"),
        (vec!["svd", "a.mtx#u"], "no named tensors"),
        (vec!["svd", "a.mtx", "--device", "cuda:77"], "--device cuda:77 cannot be used"),
    ] {
        let (code, out, err) = linalg(folder.path(), &[&arguments[..], &["-o", "out.npz"]].concat());
        assert_eq!(code, 2, "{arguments:?}: {out}{err}");
        assert!(err.starts_with("error: ") && err.contains(part) && err.len() < 600, "{arguments:?}: {err}");
    }
    let (code, _, err) = linalg(folder.path(), &["svd", "a.mtx"]);
    assert!(code == 2 && err.contains("--output FILE is missing"), "{err}");
    let (code, _, err) = linalg(folder.path(), &["svd", "a.mtx", "-o", "out.txt"]);
    assert!(code == 2 && err.contains("--output") && err.contains("has to end in"), "{err}");
    // Three results do not fit one array; neither does any part of them stay.
    let (code, _, err) = linalg(folder.path(), &["svd", "a.mtx", "-o", "out.npy"]);
    assert!(code == 2 && err.contains("do not fit"), "{err}");
    let left: Vec<PathBuf> =
        std::fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert_eq!(left.len(), 7, "{left:?}");
    let (code, _, err) = linalg(folder.path(), &["svd", "a.mtx", "--dtype", "f16", "-o", "out.npz"]);
    assert!(code == 2 && err.contains("expected f32 or f64"), "{err}");
}

#[test]
fn the_operations_are_listed_with_their_arguments() {
    let folder = folder(&[]);
    let all = done(folder.path(), &["list"]);
    for part in ["eigh", "solve", "a [.., n, n], b [.., n, k]", "(vectors [.., n, n])", "mode=reduced"] {
        assert!(all.contains(part), "{part} is missing in {all}");
    }
    let some = done(folder.path(), &["list", "lstsq"]);
    assert!(
        some.contains("lstsq: method=svd: svd, or qr for m >= n and full rank") && !some.contains("eigh"),
        "{some}"
    );
    let json: serde_json::Value =
        serde_json::from_str(&done(folder.path(), &["--json", "list", "svd"])).unwrap();
    assert!(json.as_array().unwrap().iter().all(|entry| entry["family"] == "linalg"));
    let (code, _, err) = linalg(folder.path(), &["list", "zzz"]);
    assert!(code == 2 && err.contains("no operation has such a name"), "{err}");
}
