//! `tilewright lm` from text to a model that writes.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;

fn lm(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_tilewright")).arg("lm").args(arguments).output().unwrap()
}

fn json(arguments: &[&str]) -> Value {
    let output = lm(&[arguments, &["--json"]].concat());
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

/// A folder with a text and room for a model of it.
fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("text.txt"), "the cat sat on the mat. ".repeat(100)).unwrap();
    folder
}

fn train<'a>(text: &'a str, out: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    let size = [
        "--width",
        "32",
        "--blocks",
        "1",
        "--heads",
        "2",
        "--batch",
        "4",
        "--context",
        "32",
        "--warmup",
        "5",
    ];
    [&["train", "--text", text, "--out", out][..], &size, more].concat()
}

#[test]
fn a_model_is_trained_stopped_resumed_measured_and_writes() {
    let folder = folder();
    let path = |name: &str| folder.path().join(name).display().to_string();
    let (text, once, twice) = (path("text.txt"), path("once"), path("twice"));
    let whole = json(&train(&text, &once, &["--steps", "60", "--rate", "0.01"]));
    assert!(whole["last_loss"].as_f64().unwrap() < 0.7 * whole["first_loss"].as_f64().unwrap(), "{whole}");
    assert!(whole["perplexity"].as_f64().unwrap() > 1.0);

    // The rates of a schedule of 60 steps, stopped after 20: as a kill would after a checkpoint.
    let first = train(&text, &twice, &["--steps", "60", "--rate", "0.01", "--save-every", "1"]);
    let mut child = Command::new(env!("CARGO_BIN_EXE_tilewright"))
        .arg("lm")
        .args(&first)
        .stdout(std::process::Stdio::null())
        .spawn()
        .unwrap();
    let table = folder.path().join("twice/loss.csv");
    while fs::read_to_string(&table).map_or(0, |table| table.lines().count()) < 6 {
        assert!(child.try_wait().unwrap().is_none_or(|status| status.success()));
        std::thread::yield_now();
    }
    let _ = child.kill();
    child.wait().unwrap();
    let again = lm(&first);
    assert_eq!(again.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&again.stderr).contains("--resume goes on from it"));
    let resumed = json(&train(&text, &twice, &["--resume"]));
    for part in ["last_loss", "evaluation_loss", "steps", "parameters"] {
        assert_eq!(resumed[part], whole[part], "{part}");
    }
    for file in ["loss.csv", "model.safetensors"] {
        let read = |out: &str| fs::read(Path::new(out).join(file)).unwrap();
        assert!(read(&once) == read(&twice), "{file}");
    }
    assert!(fs::read_to_string(folder.path().join("once/loss.svg")).unwrap().starts_with("<svg"));

    let measured = json(&["eval", "--model", &once, "--text", &text, "--context", "32"]);
    assert!(measured["perplexity"].as_f64().unwrap() < 60.0, "{measured}");
    let info = json(&["info", "--model", &once]);
    assert_eq!(info["config"]["architectures"][0], "xLSTMForCausalLM");
    assert_eq!(info["parameters"], whole["parameters"]);

    let write = ["generate", "--model", &once, "--prompt", "the c", "--tokens", "20", "--temperature", "0"];
    let written = lm(&write);
    assert!(written.status.success());
    assert!(String::from_utf8_lossy(&written.stdout).starts_with("the c"), "{written:?}");
    let ids = json(&[
        "generate",
        "--model",
        &once,
        "--prompt-ids",
        "116,104",
        "--prompt-ids",
        "99",
        "--tokens",
        "7",
    ]);
    assert_eq!(ids["texts"].as_array().unwrap().len(), 2);
    assert!(
        ids["texts"].as_array().unwrap().iter().all(|text| text["tokens"].as_array().unwrap().len() == 7)
    );
}

#[test]
fn what_cannot_be_is_said() {
    let folder = folder();
    let path = |name: &str| folder.path().join(name).display().to_string();
    let (text, out, absent) = (path("text.txt"), path("out"), path("absent"));
    let hugging_face = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tilewright-lm/tests/hugging_face");
    let hugging_face = hugging_face.display().to_string();
    let cases: &[(&[&str], &[&str])] = &[
        (&["train", "--text", &absent, "--out", &out], &["--text", "absent"]),
        (&["train", "--text", &text, "--out", &out, "--heads", "7"], &["qk_dim_factor"]),
        (&["train", "--text", &text, "--out", &out, "--context", "0"], &["context is 0"]),
        (&["train", "--text", &text, "--out", &out, "--save-every", "0"], &["--save-every 0"]),
        (&["train", "--text", &text, "--out", &out, "--resume"], &["training.safetensors"]),
        (&["generate", "--model", &absent, "--prompt", "a"], &["config.json"]),
        (&["generate", "--model", &hugging_face, "--prompt", "a"], &["--prompt", "32 tokens"]),
        (&["generate", "--model", &hugging_face, "--prompt-ids", "1,32"], &["token is 32"]),
        (&["generate", "--model", &hugging_face, "--prompt-ids", "x"], &["--prompt-ids"]),
        (&["generate", "--model", &hugging_face, "--prompt-ids", "1", "--top-p", "2"], &["top_p is 2"]),
        (&["generate", "--model", &hugging_face], &["--prompt"]),
        (&["eval", "--model", &hugging_face, "--text", &text], &["--text", "32 tokens"]),
        (&["info", "--model", &absent], &["config.json"]),
    ];
    for (arguments, expected) in cases {
        let output = lm(arguments);
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {said}");
        for part in *expected {
            assert!(said.contains(part), "{arguments:?}: {part:?} is missing in {said}");
        }
    }
}
