//! The command over kernels with planted faults, in this process.

#[path = "../../tilewright-check/tests/toy/mod.rs"]
mod toy;

use std::path::Path;

use serde_json::Value;
use tilewright_core::{Kernel, Tensor, read_safetensors, write_safetensors};
use toy::{Fault, Scale};

/// Exit code and output.
fn tilewright(kernels: &[&dyn Kernel], arguments: &[&str]) -> (u8, String) {
    let mut out = Vec::new();
    let code = tilewright_cli::run(
        kernels,
        std::iter::once("tilewright").chain(arguments.iter().copied()),
        &mut out,
    );
    (code, String::from_utf8(out).unwrap())
}

fn json(kernels: &[&dyn Kernel], arguments: &[&str]) -> (u8, Value) {
    let (code, out) = tilewright(kernels, &[arguments, &["--json"]].concat());
    (code, serde_json::from_str(&out).unwrap_or_else(|why| panic!("{why}: {out}")))
}

#[test]
fn list_says_what_runs_where() {
    let kernel = Scale::new(Fault::None);
    let (code, text) = tilewright(&[&kernel], &["list"]);
    assert_eq!(code, 0);
    assert!(text.contains("scale") && text.contains("cpu (4 of 5)") && text.contains(" no"), "{text}");
    let (_, list) = json(&[&kernel], &["list"]);
    assert_eq!(list[0]["args"][0]["name"], "factor");
    assert_eq!(list[0]["support"][0]["reasons"][0], "unsupported on cpu: no f16 here");
    assert_eq!(tilewright(&[&kernel], &["list", "absent"]).0, 2);
}

#[test]
fn check_passes_what_is_right_and_counts_what_is_not_supported() {
    let kernel = Scale::new(Fault::None);
    let (code, text) = tilewright(&[&kernel], &["check", "--device", "cpu"]);
    assert_eq!(code, 0, "{text}");
    assert!(text.contains("3 passed, 0 failed, 1 unsupported"), "{text}");
    assert!(text.contains("no f16 here (1 cases)"), "{text}");
    let (_, edge) = json(&[&kernel], &["check", "--device", "cpu", "--tier", "edge", "--seeds", "3"]);
    assert_eq!(edge["results"][0]["passed"], 9);
    assert_eq!(edge["ok"], true);
    let (_, one) = json(&[&kernel], &["check", "n0", "--device", "cpu"]);
    assert_eq!(one["results"][0]["passed"], 1);
}

#[test]
fn check_fails_on_each_planted_fault() {
    for fault in
        [Fault::OneElementOff, Fault::LastUnwritten, Fault::OffByOne, Fault::MissingOutput, Fault::Panics]
    {
        let (right, wrong) = (Scale::new(Fault::None), Scale::new(fault));
        let (code, text) = tilewright(&[&right, &wrong], &["check", "--device", "cpu"]);
        assert_eq!(code, 1, "{fault:?}: {text}");
        assert!(text.contains("FAIL"), "{fault:?}: {text}");
        let (_, document) = json(&[&wrong], &["check", "--device", "cpu"]);
        assert_eq!(document["ok"], false);
        assert_eq!(document["results"][0]["failures"][0]["case"], "m1_n7_f32", "{fault:?}");
    }
}

#[test]
fn mutants_are_caught_and_a_blind_judge_fails_the_check() {
    let (code, document) = json(&[&Scale::new(Fault::None)], &["check", "--device", "cpu", "--mutate"]);
    assert_eq!(code, 0, "{document}");
    let mutations = document["mutations"].as_array().unwrap();
    assert!(
        mutations.iter().all(|row| row["caught"].as_u64() >= Some(2) && row["missed"] == 0),
        "{document}"
    );
    let (code, text) =
        tilewright(&[&Scale::new(Fault::BlindJudge)], &["check", "--device", "cpu", "--mutate"]);
    assert_eq!(code, 1);
    assert!(text.contains("ACCEPTED") && text.contains("0 failed"), "{text}");
}

#[test]
fn bench_records_reports_and_never_times_what_is_wrong() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let record = format!("--record={}", path("record"));
    let options = ["bench", "--device", "cpu", "--samples", "5", "--budget", "1", "--host", "here", &record];
    let (code, document) =
        json(&[&Scale::new(Fault::None)], &[&options[..], &["--report", &path("a.html")]].concat());
    assert_eq!(code, 0, "{document}");
    let row = &document["rows"][0];
    assert_eq!((&row["variant"], &row["verdict"]), (&"cpu".into(), &"pass".into()));
    for positive in
        ["wall_median_ms", "wall_min_ms", "gbs", "peak_gbs", "peak_gflops", "fraction", "samples", "calls"]
    {
        assert!(row[positive].as_f64() > Some(0.0), "{positive}: {row}");
    }
    assert!(row["device_median_ms"].is_null(), "the host has no timer of its own");
    let page = std::fs::read_to_string(path("a.html")).unwrap();
    assert!(page.contains("m64_n1024_f32") && page.contains("<svg"));

    let files: Vec<_> =
        std::fs::read_dir(path("record/here")).unwrap().map(|entry| entry.unwrap().path()).collect();
    let [file] = &files[..] else { panic!("{files:?}") };
    let again = ["bench", "--from", file.to_str().unwrap(), "--report", &path("b.html")];
    assert_eq!(tilewright(&[], &again).0, 0);
    assert_eq!(std::fs::read_to_string(path("b.html")).unwrap(), page);

    let (code, document) = json(&[&Scale::new(Fault::OneElementOff)], &options[..7]);
    assert_eq!(code, 1);
    let row = &document["rows"][0];
    assert!(row["wall_median_ms"].is_null() && row["verdict"].as_str().unwrap().contains("wrong"), "{row}");
}

/// A peer in plain Python that doubles what is in x.npy, and one whose first output is x itself.
const PEER: &str = r#"
import array, json, sys, time
def npy(path, code, descr, values, shape):
    header = repr({"descr": descr, "fortran_order": False, "shape": shape}) + "\n"
    with open(path, "wb") as file:
        file.write(b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header.encode() + array.array(code, values).tobytes())
print(json.dumps({"library": "FACTOR"}), flush=True)
for line in sys.stdin:
    request = json.loads(line)
    if request["op"] == "open":
        folder, item = request["folder"], request["inputs"][0]
        assert (request["kernel"], item["name"], item["dtype"], item["axes"]) == ("scale", "x", "f32", [0, 1])
        data = open(item["file"], "rb").read()
        x = array.array("f", data[10 + int.from_bytes(data[8:10], "little"):])
        answer = {"knows": True}
    elif request["op"] == "outputs":
        npy(folder + "/out.npy", "f", "<f4", [FACTOR * v for v in x], (64, 1024))
        npy(folder + "/rounded.npy", "q", "<i8", [int(abs(2 * v) + 0.5) * (1 if v > 0 else -1) for v in x], (64, 1024))
        answer = {"outputs": [{"file": folder + "/out.npy", "dtype": None}, {"file": folder + "/rounded.npy", "dtype": None}], "memory": 4096}
    elif request["op"] == "sample":
        answer = {"wall_ms": 1.5, "device_ms": None}
    else:
        answer = {}
    print(json.dumps(answer), flush=True)
"#;

#[test]
fn peers_are_judged_before_they_are_timed_and_absent_ones_are_told() {
    let folder = tempfile::tempdir().unwrap();
    let script = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
    script("peer_right.py", &PEER.replace("FACTOR", "2"));
    script("peer_wrong.py", &PEER.replace("FACTOR", "3"));
    script("peer_gone.py", "import no_such_library");
    script("other.py", "print('not a peer')");
    let scripts = folder.path().to_str().unwrap();
    let options =
        ["bench", "--device", "cpu", "--samples", "5", "--budget", "1", "--peers", "--peer-scripts", scripts];
    let (code, document) = json(&[&Scale::new(Fault::None)], &options);
    assert_eq!(code, 0, "{document}");
    let row = |variant: &str| {
        let rows = document["rows"].as_array().unwrap();
        rows.iter().find(|row| row["variant"] == variant).unwrap_or_else(|| panic!("{variant}: {document}"))
    };
    assert_eq!((&row("2")["role"], &row("2")["verdict"]), (&"peer".into(), &"pass".into()));
    assert_eq!(row("2")["wall_median_ms"], 1.5);
    assert!(
        row("3")["wall_median_ms"].is_null() && row("3")["verdict"].as_str().unwrap().contains("output out")
    );
    let error = |variant: &str| row(variant)["error"].as_f64().unwrap();
    assert!(error("2") < 1e-6 && (error("3") - 0.5).abs() < 1e-6, "of the wrong one too: {document}");
    assert_eq!((&row("3")["memory"], &row("cpu")["memory"]), (&4096.0.into(), &serde_json::Value::Null));
    assert!(document["absent"][0].as_str().unwrap().starts_with("gone: "), "{document}");

    let (code, document) =
        json(&[&Scale::new(Fault::None)], &[&options[..], &["--python", "no-such-python"]].concat());
    assert_eq!(code, 0, "without any interpreter the kernels are still timed: {document}");
    assert_eq!(document["rows"].as_array().unwrap().len(), 1);
}

#[test]
fn run_goes_from_files_to_files() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let x = Tensor::from_vec(vec![1.0f32, -2.0, 3.5, 0.0, 1e-3, 7.0], [2, 3]).unwrap();
    write_safetensors(path("x.safetensors"), [("x", &x), ("other", &x)]).unwrap();
    let kernel = Scale::new(Fault::None);
    // Through each format: the output of one run is the input of the next.
    let mut from = format!("x={}", path("x.safetensors"));
    for (name, next) in [("a.npz", "#out"), ("b.safetensors", "#out"), ("c.npz", "#out")] {
        let arguments = ["run", "scale", "--input", &from, "--set", "factor=-1", "--output", &path(name)];
        let (code, document) = json(&[&kernel], &arguments);
        assert_eq!(code, 0, "{name}: {document}");
        assert_eq!(document["outputs"][1]["name"], "rounded");
        assert_eq!(document["outputs"][1]["shape"], serde_json::json!([2, 3]));
        from = format!("x={}{next}", path(name));
    }
    let arguments = ["run", "scale", "--input", &from, "--output", &path("d.safetensors")];
    assert_eq!(tilewright(&[&kernel], &arguments).0, 0);
    let tensors = read_safetensors(path("d.safetensors")).unwrap();
    assert_eq!(tensors["out"].to_vec::<f32>().unwrap(), [-2.0, 4.0, -7.0, 0.0, -2e-3, -14.0]);
    assert_eq!(tensors["rounded"].to_vec::<i32>().unwrap(), [-2, 4, -7, 0, 0, -14]);
    let left = std::fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().path());
    assert!(!left.into_iter().any(|path| path.extension().is_some_and(|end| end == "part")));
}

#[test]
fn wrong_requests_exit_with_2_and_leave_no_output() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let x = Tensor::from_vec(vec![1.0f32; 4], [4]).unwrap();
    write_safetensors(path("x.safetensors"), [("x", &x)]).unwrap();
    let (input, out) = (format!("x={}", path("x.safetensors")), path("out.npz"));
    let good = ["run", "scale", "--input", &input, "--output", &out];
    let kernel = Scale::new(Fault::None);
    let kernels: &[&dyn Kernel] = &[&kernel];
    for arguments in [
        &["nonsense"][..],
        &["check", "no-such-kernel"],
        &["check", "scale", "no-such-kernel", "--device", "cpu"],
        &["check", "--device", "toaster"],
        &["check", "--device", "cuda:99"],
        &["check", "--seeds", "0"],
        &["bench", "--device", "emulated"],
        &["bench", "--from", "absent.csv"],
        &["bench", "--device", "cpu", "--peers", "--peer-scripts", "absent"],
        &["run", "absent", "--output", &out],
        &["run", "scale", "--output", &out],
        &["run", "scale", "--input", &input, "--output", &path("out.txt")],
        &["run", "scale", "--input", &input, "--output", &path("absent/out.npz")],
        &["run", "scale", "--input", &input, "--output", &path("two.npy")],
        &[&good[..], &["--input", &input]].concat(),
        &[&good[..], &["--input", "y=a.npy"]].concat(),
        &[&good[..], &["--set", "factor"]].concat(),
        &[&good[..], &["--set", "colour=red"]].concat(),
        &[&good[..], &["--set", "factor=red"]].concat(),
        &[&good[..], &["--set", "factor=1", "--set", "factor=2"]].concat(),
        &[&good[..], &["--device", "cuda:99"]].concat(),
    ] {
        assert_eq!(tilewright(kernels, arguments).0, 2, "{arguments:?}");
        assert!(!Path::new(&out).exists(), "{arguments:?}");
    }
    assert_eq!(tilewright(kernels, &good).0, 0);
    assert_eq!(tilewright(kernels, &["--version"]).0, 0);
    let broken = Scale::new(Fault::Panics);
    let panics = std::panic::catch_unwind(|| tilewright(&[&broken], &["check", "--device", "cpu"]).0);
    assert_eq!(panics.unwrap(), 1, "a panicking kernel is a failure, not the end of the check");
}
