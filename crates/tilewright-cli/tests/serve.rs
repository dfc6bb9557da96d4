//! Two processes hold a model together.

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

fn command() -> Command {
    Command::new(env!("CARGO_BIN_EXE_tilewright"))
}

fn run(arguments: &[&str]) -> Output {
    command().args(arguments).output().unwrap()
}

fn tokens(arguments: &[&str]) -> Value {
    let output = run(&[&["lm", "generate", "--prompt", "the cat", "--json"], arguments].concat());
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice::<Value>(&output.stdout).unwrap()["texts"][0]["tokens"].clone()
}

/// A node, ended with the test.
struct Node {
    child: Child,
    address: String,
}

impl Node {
    fn start(model: &Path, blocks: &str, more: &[&str]) -> Self {
        let mut command = command();
        command
            .args(["serve", "--listen", "127.0.0.1:0", "--blocks", blocks, "--model"])
            .arg(model)
            .args(more);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
        let address = line.strip_prefix("listening on ").and_then(|rest| rest.split_once(": "));
        let Some((address, rest)) = address else {
            let mut why = String::new();
            child.stderr.as_mut().unwrap().read_to_string(&mut why).unwrap();
            panic!("{line}{why}");
        };
        assert!(rest.starts_with(&format!("the blocks {blocks} of model in f32 on cpu")), "{rest}");
        Node { address: address.to_owned(), child }
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A model of three blocks that has seen a text for a moment.
fn model(folder: &Path) -> std::path::PathBuf {
    let (text, out) = (folder.join("text.txt"), folder.join("model"));
    fs::write(&text, "the cat sat on the mat. ".repeat(40)).unwrap();
    let (text, out) = (text.to_str().unwrap(), out.to_str().unwrap());
    let size =
        ["--width", "32", "--blocks", "3", "--heads", "2", "--batch", "2", "--context", "32", "--steps", "4"];
    let output = run(&[&["lm", "train", "--text", text, "--out", out][..], &size].concat());
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    folder.join("model")
}

#[test]
fn two_processes_write_what_one_writes_and_a_killed_one_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let model = model(folder.path());
    let (first, second) = (Node::start(&model, "0..1", &[]), Node::start(&model, "1..3", &[]));
    // In any order: each says what it holds.
    let nodes = format!("{},{}", second.address, first.address);
    for drawn in
        [&["--tokens", "40", "--temperature", "0"][..], &["--tokens", "40", "--seed", "3", "--top-k", "20"]]
    {
        let here = tokens(&[&["--model", model.to_str().unwrap()], drawn].concat());
        assert_eq!(tokens(&[&["--nodes", &nodes], drawn].concat()), here);
        assert_eq!(here.as_array().unwrap().len(), 40);
    }

    let missing = run(&["lm", "generate", "--prompt", "a", "--nodes", &second.address]);
    let error = String::from_utf8_lossy(&missing.stderr).into_owned();
    assert!(
        !missing.status.success() && error.contains("holds the blocks 1..3, where 0 should come next"),
        "{error}"
    );

    let model_path = model.to_str().unwrap();
    let serve =
        |more: &[&str]| run(&[&["serve", "--model", model_path, "--tokenizer", "none.json"], more].concat());
    let (later, lost) = (serve(&["--blocks", "1..3"]), serve(&[]));
    let error = [later.stderr, lost.stderr].map(|text| String::from_utf8_lossy(&text).into_owned());
    assert!(
        later.status.code() == Some(2) && error[0].contains("--tokenizer: only the node with block 0"),
        "{error:?}"
    );
    assert!(!lost.status.success() && error[1].contains("none.json"), "{error:?}");

    // A text that would take hours; the second node is killed once it is being written.
    let long = ["lm", "generate", "--prompt", "the", "--tokens", "100000000", "--nodes", &nodes];
    let mut writing = command().args(long).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut some = [0; 20];
    writing.stdout.as_mut().unwrap().read_exact(&mut some).unwrap();
    let address = second.address.clone();
    drop(second);
    let begin = Instant::now();
    // What is still in the pipe must not keep it from ending.
    let output = writing.wait_with_output().unwrap();
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{error}");
    assert!(error.contains(&format!("nodes: {address}: ")), "{error}");
    assert!(begin.elapsed() < Duration::from_secs(20));
    // The other has lost nothing by it.
    let second = Node::start(&model, "1..3", &[]);
    let nodes = format!("{},{}", first.address, second.address);
    assert_eq!(tokens(&["--nodes", &nodes, "--tokens", "3"]).as_array().unwrap().len(), 3);
}

#[test]
fn a_secret_is_needed_and_an_interrupt_ends_a_node() {
    let folder = tempfile::tempdir().unwrap();
    let model = model(folder.path());
    let secret = folder.path().join("secret");
    fs::write(&secret, "open sesame\n").unwrap();
    let bad = run(&["serve", "--model", model.to_str().unwrap(), "--secret-file", secret.to_str().unwrap()]);
    assert_eq!(bad.status.code(), Some(2), "{}", String::from_utf8_lossy(&bad.stderr));
    fs::write(&secret, "sesame\n").unwrap();
    let secret = secret.to_str().unwrap();
    let mut node = Node::start(&model, "0..3", &["--secret-file", secret]);
    let without = run(&["lm", "generate", "--prompt", "a", "--nodes", &node.address]);
    let error = String::from_utf8_lossy(&without.stderr).into_owned();
    assert!(without.status.code() == Some(1) && error.contains("the secret is missing"), "{error}");
    assert_eq!(
        tokens(&["--nodes", &node.address, "--secret-file", secret, "--tokens", "2"])
            .as_array()
            .unwrap()
            .len(),
        2
    );
    #[cfg(unix)]
    {
        let interrupted = Command::new("kill").args(["-INT", &node.child.id().to_string()]).status().unwrap();
        assert!(interrupted.success());
        assert!(node.child.wait().unwrap().success());
    }
}
