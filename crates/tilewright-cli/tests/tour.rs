//! `tilewright tour` on small texts.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;

/// A folder with two topics, each in several files, and things that are not to be read.
fn texts() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let baking = ["dough", "oven", "flour", "yeast", "bread", "crust", "loaf", "salt"];
    let sailing = ["mast", "sail", "anchor", "harbour", "tide", "hull", "rudder", "storm"];
    for (topic, words) in [("baking", baking), ("sailing", sailing)] {
        for file in 0..3 {
            let sentence = |i: usize| format!("The {} and the {}.", words[i % 8], words[(3 * i + file) % 8]);
            let lines: Vec<String> =
                (0..70).map(|i| if i % 8 == 7 { String::new() } else { sentence(i) }).collect();
            write(folder.path(), &format!("{topic}/{file}.md"), lines.join("\n"));
        }
    }
    let loaded = "bread ".repeat(500);
    write(folder.path(), ".hidden/secret.md", &loaded);
    write(folder.path(), "target/built.md", &loaded);
    write(folder.path(), "picture.png", &loaded);
    write(folder.path(), "noise.txt", [0xff, 0xfe, 0x00, 0x41]);
    #[cfg(unix)]
    std::os::unix::fs::symlink(folder.path(), folder.path().join("baking/loop")).unwrap();
    folder
}

fn write(folder: &Path, name: &str, content: impl AsRef<[u8]>) {
    let path: PathBuf = folder.join(name);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, content).unwrap();
}

fn tour(folder: &Path, arguments: &[&str]) -> Output {
    let command = env!("CARGO_BIN_EXE_tilewright");
    // No model is trained where a test does not ask for it.
    let learn = if arguments.contains(&"--learn") { &[][..] } else { &["--learn", "0"] };
    Command::new(command).arg("tour").arg(folder).args(arguments).args(learn).output().unwrap()
}

fn json(folder: &Path, arguments: &[&str]) -> Value {
    let output = tour(folder, &[&["--json"], arguments].concat());
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    serde_json::from_slice(&output.stdout).unwrap()
}

#[test]
fn hits_are_of_the_topic_and_the_same_again() {
    let folder = texts();
    let asked = |query: &str| json(folder.path(), &["--device", "cpu", "--query", query, "--rank", "6"]);
    let (bread, again, ship) =
        (asked("yeast for bread dough"), asked("yeast for bread dough"), asked("a storm tears the sail"));
    for (document, topic) in [(&bread, "baking"), (&ship, "sailing")] {
        let hits = document["hits"].as_array().unwrap();
        assert_eq!(hits.len(), 5);
        for hit in hits {
            let file = hit["file"].as_str().unwrap();
            assert!(file.starts_with(topic), "{file}");
            let content = fs::read_to_string(folder.path().join(file)).unwrap();
            let first = content.lines().nth(hit["line"].as_u64().unwrap() as usize - 1).unwrap();
            assert!(hit["text"].as_str().unwrap().starts_with(first));
        }
        let text = &document["text"];
        assert_eq!((text["files"].as_u64(), text["files_skipped"].as_u64()), (Some(6), Some(1)));
        assert_eq!(document["accuracy"]["neighbours_in_place"], 5, "{}", document["accuracy"]);
        assert!(
            document["accuracy"]["leading_singular_values"].as_f64().unwrap() < 1e-5,
            "{}",
            document["accuracy"]
        );
        assert!(
            document["steps"].as_array().unwrap().iter().any(|step| step["kernel"] == "subspace_iteration")
        );
    }
    let model = &bread["low_rank"];
    let of =
        |name: &str| model[name].as_array().unwrap().iter().map(|x| x.as_f64().unwrap()).collect::<Vec<_>>();
    let (ranks, errors, optimum) = (of("ranks"), of("errors"), of("optimum"));
    assert_eq!(ranks, [1.0, 2.0, 4.0, 6.0]);
    assert!(errors.is_sorted_by(|a, b| a > b) && errors[0] < 1.0, "{model}");
    for (error, best) in errors.iter().zip(optimum) {
        assert!((best - 1e-5..best * 1.02 + 1e-5).contains(error), "{model}");
    }
    let rebuilt = &model["rebuilt"];
    assert_eq!(rebuilt["systems"], bread["text"]["passages"]);
    let number = |name: &str| rebuilt[name].as_f64().unwrap();
    assert!(number("ratio") < 30.0 && number("distance") <= number("nearest"), "{rebuilt}");
    for part in ["hits", "svd", "text", "accuracy", "low_rank", "notes"] {
        assert_eq!(bread[part], again[part], "{part}");
    }
}

#[test]
fn one_file_is_enough_and_tells_it_in_words() {
    let folder = texts();
    let output = tour(&folder.path().join("baking/0.md"), &["--device", "cpu", "--query", "flour"]);
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    for expected in [
        "0.md:",
        "flour",
        "subspace_iteration",
        "flat_scan_topk",
        "randomized_svd",
        "Eckart",
        "systems of",
        "GFLOP/s",
        "neighbours 5 of 5",
    ] {
        assert!(said.contains(expected), "{expected} is missing in {said}");
    }
}

#[test]
fn the_emulator_gives_the_same_hits_of_its_small_problem() {
    let folder = texts();
    let asked = ["--device", "emulated", "--query", "anchor", "--rank", "2", "--neighbours", "3"];
    let output = tour(folder.path(), &[&["--json"], &asked[..]].concat());
    if !output.status.success() {
        // Only the lack of a compiler excuses it.
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(said.contains("--device emulated cannot be used"), "{said}");
        return;
    }
    let document: Value = serde_json::from_slice(&output.stdout).unwrap();
    for hit in document["hits"].as_array().unwrap() {
        assert!(hit["file"].as_str().unwrap().starts_with("sailing"), "{hit}");
    }
    assert!(document["notes"].as_array().unwrap().iter().any(|note| note.as_str().unwrap().contains("slow")));
    assert!(document["steps"].as_array().unwrap().iter().all(|step| step["gflops"].is_null()));
    assert!(document["low_rank"].is_null());
}

#[test]
fn the_model_learns_and_writes() {
    let folder = texts();
    let document = json(folder.path(), &["--device", "cpu", "--query", "bread", "--learn", "1"]);
    let model = &document["model"];
    let number = |name: &str| model[name].as_f64().unwrap();
    // A guess among all bytes costs 5.55, and half the variance 2/5 of the first logits more; in a second even a loaded machine gets below.
    assert!(number("steps") >= 2.0 && number("last_loss") < number("first_loss"), "{model}");
    assert!((number("first_loss") - 5.75).abs() < 0.4, "{model}");
    assert!(!model["written"].as_str().unwrap().is_empty() && number("learned_per_second") > 0.0, "{model}");
    let none = json(folder.path(), &["--device", "cpu", "--query", "bread", "--learn", "0"]);
    assert!(none["model"].is_null());
}

#[test]
fn what_cannot_be_is_said() {
    let folder = texts();
    let empty = tempfile::tempdir().unwrap();
    let root = folder.path();
    let cases: &[(&Path, &[&str], &[&str])] = &[
        (&root.join("absent"), &[], &["PATH", "absent"]),
        (empty.path(), &[], &["PATH", "holds no text"]),
        (&root.join("noise.txt"), &[], &["PATH", "noise.txt"]),
        (root, &["--rank", "0"], &["--rank 0", "expected 1 to"]),
        (root, &["--rank", "5000"], &["--rank 5000", "expected 1 to", "terms"]),
        (root, &["--neighbours", "0"], &["--neighbours 0"]),
        (root, &["--learn", "-1"], &["--learn"]),
        (root, &["--neighbours", "4000"], &["--neighbours 4000", "passages"]),
        (root, &["--query", "zeppelin"], &["--query", "zeppelin", "none of its words"]),
        (root, &["--query", "bread", "--device", "cuda:77"], &["--device cuda:77"]),
        (root, &["--device", "abacus"], &["--device", "abacus"]),
    ];
    for (path, arguments, expected) in cases {
        let device = if arguments.contains(&"--device") { &[][..] } else { &["--device", "cpu"] };
        let query = if arguments.contains(&"--query") { &[][..] } else { &["--query", "bread"] };
        let output = tour(path, &[*arguments, device, query].concat());
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {said}");
        assert!(output.stdout.is_empty());
        for part in *expected {
            assert!(said.contains(part), "{arguments:?}: {part:?} is missing in {said}");
        }
    }
}

#[test]
fn without_a_path_and_outside_of_the_repository_a_path_is_asked_for() {
    let empty = tempfile::tempdir().unwrap();
    let command = env!("CARGO_BIN_EXE_tilewright");
    let output =
        Command::new(command).args(["tour", "--device", "cpu"]).current_dir(empty.path()).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2));
    assert!(said.contains("PATH is not given"), "{said}");
}
