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
fn a_shape_is_measured_with_weights_that_say_nothing() {
    let folder = folder();
    let config = folder.path().join("config.json");
    let text =
        r#"{"vocab_size": 320, "hidden_size": 64, "num_hidden_layers": 2, "num_heads": 2, "slstm_at": [1]}"#;
    fs::write(&config, text).unwrap();
    let config = config.display().to_string();
    let found = json(&[
        "bench",
        "--config",
        &config,
        "--prompt",
        "5",
        "--prompt",
        "130",
        "--prefill",
        "64",
        "--tokens",
        "4",
        "--batch",
        "3",
    ]);
    let rows = found["rows"].as_array().unwrap();
    assert_eq!((rows[0]["prompt"].as_u64(), rows[1]["prompt"].as_u64(), rows.len()), (Some(5), Some(130), 2));
    // As much after 130 tokens as after 5.
    assert_eq!(rows[0]["state_bytes"], rows[1]["state_bytes"]);
    assert!(rows.iter().all(|row| row["decode_tokens_per_second"].as_f64().unwrap() > 0.0));
    assert!(rows.iter().all(|row| row["prefill_tokens_per_second"].as_f64().unwrap() > 0.0));
    assert_eq!(
        (&found["dtype"], &found["weight_bytes"]),
        (&"bf16".into(), &(2 * found["parameters"].as_u64().unwrap()).into())
    );
}

#[test]
fn a_model_of_an_slstm_learns_by_muon_in_bf16() {
    let folder = folder();
    let path = |name: &str| folder.path().join(name).display().to_string();
    let (text, out) = (path("text.txt"), path("slstm"));
    let more =
        ["--ratio", "0:1", "--optimizer", "muon", "--precision", "bf16", "--steps", "40", "--rate", "0.01"];
    let learned = json(&train(&text, &out, &more));
    assert!(
        learned["last_loss"].as_f64().unwrap() < 0.7 * learned["first_loss"].as_f64().unwrap(),
        "{learned}"
    );
    let info = json(&["info", "--model", &out]);
    assert_eq!(info["config"]["slstm_at"], serde_json::json!([0]));
    let written = json(&["generate", "--model", &out, "--prompt", "the c", "--tokens", "5"]);
    assert_eq!(written["texts"][0]["tokens"].as_array().unwrap().len(), 5);
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
        (&["train", "--text", &text, "--out", &out, "--ratio", "0:0"], &["--ratio", "such as 7:1"]),
        (&["train", "--text", &text, "--out", &out, "--optimizer", "sgd"], &["optimizer is sgd"]),
        (&["bench", "--shape", "7b", "--tokens", "0"], &["--tokens", "at least 1"]),
        (&["bench", "--config", &absent], &["absent"]),
        (&["generate", "--model", &absent, "--prompt", "a"], &["config.json"]),
        (
            &["generate", "--model", &hugging_face, "--prompt", "a"],
            &["--prompt", "tokenizer.json", "32 tokens"],
        ),
        (&["generate", "--model", &hugging_face, "--prompt-ids", "1,32"], &["token is 32"]),
        (&["generate", "--model", &hugging_face, "--prompt-ids", "x"], &["--prompt-ids"]),
        (&["generate", "--model", &hugging_face, "--prompt-ids", "1", "--top-p", "2"], &["top_p is 2"]),
        (&["generate", "--model", &hugging_face], &["--prompt"]),
        (&["eval", "--model", &hugging_face, "--text", &text], &["--text", "tokenizer.json", "32 tokens"]),
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

#[test]
fn a_device_is_judged_by_the_cpu_and_by_what_stands_beside_a_model() {
    let fixture = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tilewright-lm/tests/hugging_face");
    let check = |folder: &Path, dtype: &str| {
        json(&["check", "--model", &folder.display().to_string(), "--device", "cpu", "--dtype", dtype])
    };
    let found = check(&fixture, "f32");
    assert!(found["logits"].as_f64() > Some(0.0) && found["texts"] == true, "{found}");
    assert!(
        found["expected"].as_f64() > Some(0.0) && found["expected"].as_f64() < found["limit"].as_f64(),
        "{found}"
    );
    assert!(check(&fixture, "bf16")["texts"].is_null());

    // Another model beside the same numbers.
    let folder = tempfile::tempdir().unwrap();
    for file in ["config.json", "expected.safetensors", "model.safetensors"] {
        let mut bytes = fs::read(fixture.join(file)).unwrap();
        if file == "model.safetensors" {
            // The exponent of the last weight.
            *bytes.last_mut().unwrap() ^= 0x0f;
        }
        fs::write(folder.path().join(file), bytes).unwrap();
    }
    let model = folder.path().display().to_string();
    let output = lm(&["check", "--model", &model, "--device", "cpu"]);
    assert_eq!(output.status.code(), Some(1), "{}", String::from_utf8_lossy(&output.stdout));
}
