//! The program itself, on files: what it reads, what it refuses and with which words.

use std::path::{Path, PathBuf};
use std::process::Command;

use tilewright_core::{DType, Tensor, read_safetensors, write_safetensors};

struct Outcome {
    code: i32,
    out: String,
    err: String,
}

fn tilewright(arguments: &[&str]) -> Outcome {
    let output = Command::new(env!("CARGO_BIN_EXE_tilewright")).args(arguments).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    Outcome { code: output.status.code().unwrap(), out: text(output.stdout), err: text(output.stderr) }
}

/// An `.npy` file: version, header as Python would print it, data.
fn npy(version: u8, header: &str, data: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0x93, b'N', b'U', b'M', b'P', b'Y', version, 0];
    match version {
        1 => bytes.extend((header.len() as u16).to_le_bytes()),
        _ => bytes.extend((header.len() as u32).to_le_bytes()),
    }
    bytes.extend(header.as_bytes());
    bytes.extend(data);
    bytes
}

fn header(descr: &str, fortran: bool, shape: &str) -> String {
    let fortran = if fortran { "True" } else { "False" };
    format!("{{'descr': '{descr}', 'fortran_order': {fortran}, 'shape': {shape}, }}\n")
}

fn floats(values: &[f32]) -> Vec<u8> {
    values.iter().flat_map(|value| value.to_le_bytes()).collect()
}

struct Folder(tempfile::TempDir);

impl Folder {
    fn new() -> Self {
        Folder(tempfile::tempdir().unwrap())
    }
    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }
    fn write(&self, name: &str, bytes: &[u8]) -> String {
        std::fs::write(self.path(name), bytes).unwrap();
        self.path(name).to_str().unwrap().to_owned()
    }
}

#[test]
fn files_of_numpy_and_safetensors_go_in_and_out() {
    let folder = Folder::new();
    // The same matrix, row-major and column-major.
    let rows = npy(1, &header("<f4", false, "(2, 3)"), &floats(&[1.0, 2.0, 3.0, 4.0, 5.0, 6.0]));
    let columns = npy(2, &header("<f4", true, "(2, 3)"), &floats(&[1.0, 4.0, 2.0, 5.0, 3.0, 6.0]));
    let a = format!("a={}", folder.write("rows.npy", &rows));
    let b = format!("b={}", folder.write("columns.npy", &columns));
    let out = folder.path("out.safetensors");
    let arguments = [
        "run",
        "matmul",
        "--input",
        &a,
        "--input",
        &b,
        "--set",
        "transpose_b=true",
        "--output",
        out.to_str().unwrap(),
    ];
    let outcome = tilewright(&arguments);
    assert_eq!(outcome.code, 0, "{}", outcome.err);
    assert!(
        outcome.out.contains("out f32 [2, 2]") && outcome.out.contains("matmul on cpu took"),
        "{}",
        outcome.out
    );
    assert_eq!(read_safetensors(&out).unwrap()["out"].to_vec::<f32>().unwrap(), [14.0, 32.0, 32.0, 77.0]);

    // Through .npy and .npz and back, for every dtype that NumPy has; the others are refused by name.
    for dtype in DType::ALL {
        let values = [0.0, 1.0, 1.0, 0.0, 1.0, 1.0];
        let tensor = Tensor::from_f64(&values, dtype, [3, 2]).unwrap();
        let first = folder.path("in.safetensors");
        write_safetensors(&first, [("x", &tensor)]).unwrap();
        let mut from = first;
        for (name, refused) in
            [("t.npy", !numpy_has(dtype)), ("t.npz", !numpy_has(dtype)), ("t.safetensors", false)]
        {
            let to = folder.path(name);
            let _ = std::fs::remove_file(&to);
            let input = format!("x={}", from.display());
            let outcome = tilewright(&["run", "copy", "--input", &input, "--output", to.to_str().unwrap()]);
            if refused {
                assert_eq!(outcome.code, 2, "{dtype} {name}");
                assert!(
                    outcome.err.contains(&format!("out is {dtype}, which NumPy lacks")),
                    "{}",
                    outcome.err
                );
                assert!(!to.exists());
            } else {
                assert_eq!(outcome.code, 0, "{dtype} {name}: {}", outcome.err);
                from = to;
            }
        }
        let back = read_safetensors(&from).unwrap();
        assert_eq!((back["out"].dtype(), back["out"].to_f64_vec().unwrap()), (dtype, values.to_vec()));
    }
    let left = std::fs::read_dir(folder.0.path()).unwrap().map(|entry| entry.unwrap().path());
    let parts: Vec<_> = left.filter(|path| path.extension().is_some_and(|ending| ending == "part")).collect();
    assert!(parts.is_empty(), "{parts:?}");
}

fn numpy_has(dtype: DType) -> bool {
    !matches!(dtype, DType::Bf16 | DType::F8E4M3 | DType::F8E5M2)
}

#[test]
fn missing_corrupt_and_hostile_files_are_errors_that_name_the_input() {
    let folder = Folder::new();
    let good = header("<f4", false, "(2, 2)");
    let data = floats(&[1.0; 4]);
    let nested = format!(
        "{{'descr': '<f4', 'fortran_order': False, 'shape': {}{}}}\n",
        "(".repeat(20_000),
        ")".repeat(20_000)
    );
    let mut long_header = npy(2, &good, &data);
    long_header[8..12].copy_from_slice(&u32::MAX.to_le_bytes());
    let files: Vec<(&str, Vec<u8>, &str)> = vec![
        ("empty.npy", vec![], ""),
        ("noise.npy", vec![0xa5; 100], "header"),
        ("short.npy", npy(1, &good, &data[..15]), "before reading all data"),
        ("long.npy", npy(1, &good, &[&data[..], &[0]].concat()), "extra bytes"),
        ("huge.npy", npy(1, &header("<f4", false, "(1000000000, 1000000000)"), &data), ""),
        ("overflow.npy", npy(1, &header("<f4", false, "(18446744073709551615, 2)"), &data), "overflow"),
        ("negative.npy", npy(1, &header("<f4", false, "(-1, 2)"), &data), "shape"),
        ("deep.npy", npy(1, &header("<f4", false, "(1, 1, 1, 1, 1, 1, 1, 1, 4)"), &data), "rank"),
        ("nested.npy", npy(1, &nested, &data), "header"),
        ("header.npy", long_header, ""),
        ("complex.npy", npy(1, &header("<c8", false, "(2, 1)"), &data), "dtype is none of"),
        ("swapped.npy", npy(1, &header(">f4", false, "(2, 2)"), &data), "dtype is none of"),
        ("object.npy", npy(1, &header("|O", false, "(2, 2)"), &data), "dtype is none of"),
        ("noise.npz", vec![0xa5; 100], ""),
        ("cut.npz", b"PK\x03\x04".to_vec(), ""),
        ("noise.safetensors", vec![0xa5; 100], ""),
        ("a.txt", data.clone(), "has to end in"),
    ];
    let out = folder.path("out.npz");
    let refuse = |input: &str, part: &str| {
        let outcome = tilewright(&["run", "copy", "--input", input, "--output", out.to_str().unwrap()]);
        assert_eq!(outcome.code, 2, "{input}: {}{}", outcome.out, outcome.err);
        assert!(
            outcome.err.starts_with("error: --input x") && outcome.err.contains(part),
            "{input}: {}",
            outcome.err
        );
        assert!(outcome.err.len() < 1000, "an error is not the place for a file's contents");
        assert!(!out.exists());
    };
    for (name, bytes, part) in files {
        let path = folder.write(name, &bytes);
        refuse(&format!("x={path}"), part);
        refuse(&format!("x={path}"), name);
    }
    refuse("x=absent.npy", "absent.npy");
    refuse(&format!("x={}", folder.path("absent.safetensors").display()), "absent.safetensors");
    let tensor = Tensor::from_vec(vec![1.0f32], [1]).unwrap();
    let two = folder.path("two.safetensors");
    write_safetensors(&two, [("p", &tensor), ("q", &tensor)]).unwrap();
    refuse(&format!("x={}", two.display()), "holds no tensor \"x\", but [\"p\", \"q\"]");
    refuse(&format!("x={}#r", two.display()), "holds no tensor \"r\"");
}

#[test]
fn requests_that_cannot_be_met_say_which_argument_is_at_fault() {
    let folder = Folder::new();
    let matrix = folder.write("a.npy", &npy(1, &header("<f4", false, "(2, 3)"), &floats(&[1.0; 6])));
    let whole = folder.write("i.npy", &npy(1, &header("<i4", false, "(2, 3)"), &floats(&[1.0; 6])));
    let (a, b, i) = (format!("a={matrix}"), format!("b={matrix}"), format!("a={whole}"));
    let out = folder.path("out.npz");
    let output = ["--output", out.to_str().unwrap()];
    fn run<'a>(parts: &[&'a str], output: &[&'a str]) -> Vec<&'a str> {
        [&["run"], parts, output].concat()
    }
    for (arguments, part) in [
        (run(&["matmulx", "--input", &a], &output), "NAME \"matmulx\" is no kernel"),
        (run(&["matmu", "--input", &a], &output), "did you mean [\"extended_matmul\", \"matmul\"]"),
        (run(&["matmul", "--input", &a], &output), "input b [.., k, n] is missing: add --input b=FILE"),
        (run(&["matmul", "--input", &a, "--input", &b], &output), "matmul: b has shape [2, 3]"),
        (run(&["gram", "--input", &i], &output), "gram: a has dtype i32"),
        (run(&["gram", "--input", &a, "--set", "of_row=true"], &output), "--set"),
        (
            run(&["gram", "--input", &a, "--set", "of_rows=7"], &output),
            "of_rows is 7, expected true or false",
        ),
        (run(&["gram", "--input", &a, "--variant", "magic"], &output), "variant"),
        (run(&["gram", "--input", &a, "--device", "metal:7"], &output), "--device metal:7 cannot be used"),
        (
            run(&["gram", "--input", &a, "--input", "z=z.npy"], &output),
            "--input z: gram has the inputs [\"a\"]",
        ),
        (vec!["check", "matmulx"], "FILTER \"matmulx\" matches no case"),
        (vec!["check", "--device", "cuda:99"], "--device cuda:99 cannot be used"),
        (vec!["bench", "--from", "absent.csv"], "absent.csv"),
    ] {
        let outcome = tilewright(&arguments);
        assert_eq!(outcome.code, 2, "{arguments:?}: {}", outcome.err);
        assert!(outcome.err.contains(part), "{arguments:?}: {}", outcome.err);
        assert!(!Path::new(&out).exists());
    }
}

#[test]
fn every_kernel_is_listed_and_the_host_is_always_there() {
    let list: serde_json::Value = serde_json::from_str(&tilewright(&["list", "--json"]).out).unwrap();
    let names: Vec<_> =
        list.as_array().unwrap().iter().map(|entry| entry["name"].as_str().unwrap()).collect();
    let registered: Vec<_> = tilewright_kernels::KERNELS.iter().map(|kernel| kernel.spec().name).collect();
    assert_eq!(names, registered);
    assert!(
        list.as_array().unwrap().iter().all(|entry| entry["support"][0]["cases"].as_u64() > Some(0)),
        "{list}"
    );
    let devices: serde_json::Value = serde_json::from_str(&tilewright(&["devices", "--json"]).out).unwrap();
    assert_eq!(devices["devices"][0]["device"], "cpu");
    assert!(devices["devices"][0]["caps"]["architecture"].is_string());
    for device in devices["devices"].as_array().unwrap() {
        assert!(device["caps"].is_object() != device["why"].is_string(), "{device}");
    }
    assert!(devices["cache"]["folder"].is_string());
}

#[test]
fn the_edge_cases_pass_on_the_host_and_their_mutants_do_not() {
    let outcome = tilewright(&["check", "--device", "cpu", "--tier", "edge", "--mutate", "--json"]);
    assert_eq!(outcome.code, 0, "{}", outcome.err);
    let document: serde_json::Value = serde_json::from_str(&outcome.out).unwrap();
    assert_eq!(document["ok"], true);
    assert!(document["mutations"].as_array().unwrap().iter().all(|row| row["missed"] == 0));
}
