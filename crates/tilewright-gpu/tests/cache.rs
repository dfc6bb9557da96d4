//! The compile cache under threads, processes, damage, and folders that refuse.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use tilewright_core::{Error, Kind};
use tilewright_gpu::cache::{Cache, Key};

fn write(path: &Path, text: &str) -> Result<(), Error> {
    fs::write(path, text).map_err(|why| Error::file("test", path, why))
}

/// Every file of this name below `folder`.
fn files(folder: &Path, name: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        if entry.path().is_dir() {
            found.extend(files(&entry.path(), name));
        } else if entry.file_name() == name {
            found.push(entry.path());
        }
    }
    found
}

#[test]
fn parts_of_a_key_do_not_run_together() {
    assert_ne!(Key::new(["ab", "c"]), Key::new(["a", "bc"]));
    assert_ne!(Key::new(["a", ""]), Key::new(["a"]));
    assert_eq!(Key::new(["a", "b"]), Key::new(["a", "b"]));
}

#[test]
fn thirty_two_threads_ask_for_one_program_and_it_is_built_once() {
    let folder = tempfile::tempdir().unwrap();
    let cache = Cache::new(folder.path());
    let builds = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..32 {
            scope.spawn(|| {
                let artifact = cache.get(&Key::new(["one"]), |path| {
                    builds.fetch_add(1, Ordering::SeqCst);
                    std::thread::sleep(Duration::from_millis(50));
                    write(path, "code")
                });
                assert_eq!(fs::read_to_string(&*artifact.unwrap()).unwrap(), "code");
            });
        }
    });
    assert_eq!(builds.load(Ordering::SeqCst), 1);
    assert_eq!(cache.status().built, 1);
}

#[test]
fn thirty_two_programs_are_built_side_by_side() {
    let folder = tempfile::tempdir().unwrap();
    let cache = Cache::new(folder.path());
    let inside = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for index in 0..32 {
            let (cache, inside) = (&cache, &inside);
            scope.spawn(move || {
                let name = index.to_string();
                let artifact = cache.get(&Key::new([name.as_str()]), |path| {
                    inside.fetch_add(1, Ordering::SeqCst);
                    // Returns only when all 32 builds are under way at once.
                    let begin = Instant::now();
                    while inside.load(Ordering::SeqCst) < 32 {
                        assert!(begin.elapsed() < Duration::from_secs(20), "builds wait for each other");
                        std::thread::yield_now();
                    }
                    write(path, &name)
                });
                assert_eq!(fs::read_to_string(&*artifact.unwrap()).unwrap(), index.to_string());
            });
        }
    });
    assert_eq!(cache.status().built, 32);
}

#[test]
fn another_process_finds_what_this_one_built() {
    let folder = tempfile::tempdir().unwrap();
    let key = Key::new(["shared"]);
    Cache::new(folder.path()).get(&key, |path| write(path, "first")).unwrap();
    let later = Cache::new(folder.path());
    let artifact = later.get(&key, |_| panic!("it is on disk")).unwrap();
    assert_eq!(fs::read_to_string(&*artifact).unwrap(), "first");
    assert_eq!(later.status().built, 0);
}

const CHILD_FOLDER: &str = "TILEWRIGHT_TEST_CHILD_FOLDER";

/// Not a test of its own: what the test below runs in two processes at once. Without its variable it does nothing.
#[test]
fn child_that_builds_sixteen_programs() {
    let Some(folder) = std::env::var_os(CHILD_FOLDER) else { return };
    let cache = Cache::new(folder);
    for index in 0..16 {
        let text = format!("program {index}").repeat(10_000);
        let artifact = cache.get(&Key::new([text.as_str()]), |path| write(path, &text)).unwrap();
        assert_eq!(fs::read_to_string(&*artifact).unwrap(), text);
    }
    assert_eq!(cache.status().problem, None);
}

#[test]
fn two_processes_share_a_folder_and_leave_only_whole_entries() {
    let folder = tempfile::tempdir().unwrap();
    let children: Vec<_> = (0..2)
        .map(|_| {
            Command::new(std::env::current_exe().unwrap())
                .args(["--exact", "child_that_builds_sixteen_programs", "--nocapture"])
                .env(CHILD_FOLDER, folder.path())
                .stdout(Stdio::piped())
                .stderr(Stdio::piped())
                .spawn()
                .unwrap()
        })
        .collect();
    for child in children {
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
    assert_eq!(files(folder.path(), "artifact").len(), 16);
    assert_eq!(files(folder.path(), "sha256").len(), 16);
    let names = walk(folder.path());
    assert!(names.iter().all(|name| !name.contains(".part")), "{names:?}");
}

fn walk(folder: &Path) -> Vec<String> {
    let mut names = Vec::new();
    for entry in fs::read_dir(folder).unwrap().flatten() {
        names.push(entry.path().display().to_string());
        if entry.path().is_dir() {
            names.extend(walk(&entry.path()));
        }
    }
    names
}

#[test]
fn damaged_entries_are_built_again() {
    type Damage = fn(&Path);
    let damages: [(&str, Damage); 4] = [
        ("truncated", |artifact| {
            let bytes = fs::read(artifact).unwrap();
            fs::write(artifact, &bytes[..bytes.len() / 2]).unwrap();
        }),
        ("one bit flipped", |artifact| {
            let mut bytes = fs::read(artifact).unwrap();
            let middle = bytes.len() / 2;
            bytes[middle] ^= 1;
            fs::write(artifact, bytes).unwrap();
        }),
        ("without its checksum", |artifact| fs::remove_file(artifact.with_file_name("sha256")).unwrap()),
        ("without its artifact", |artifact| fs::remove_file(artifact).unwrap()),
    ];
    for (what, damage) in damages {
        let folder = tempfile::tempdir().unwrap();
        let key = Key::new(["program"]);
        let artifact = Cache::new(folder.path()).get(&key, |path| write(path, "the right code")).unwrap();
        damage(&artifact);
        for expected in [1, 0] {
            let cache = Cache::new(folder.path());
            let artifact = cache.get(&key, |path| write(path, "the right code")).unwrap();
            assert_eq!(fs::read_to_string(&*artifact).unwrap(), "the right code", "{what}");
            assert_eq!(cache.status().built, expected, "{what}");
        }
    }
}

#[test]
fn a_failed_build_is_remembered_with_its_log() {
    let folder = tempfile::tempdir().unwrap();
    let cache = Cache::new(folder.path());
    let builds = AtomicUsize::new(0);
    for _ in 0..3 {
        let error = cache
            .get(&Key::new(["bad"]), |_| {
                builds.fetch_add(1, Ordering::SeqCst);
                Err(Error::new("bad", Kind::Compile { log: "line 3: no".to_owned() }))
            })
            .unwrap_err();
        assert_eq!(error.to_string(), "bad: does not compile:\nline 3: no");
    }
    assert_eq!(builds.load(Ordering::SeqCst), 1);
    assert!(files(folder.path(), "artifact").is_empty());
}

#[test]
fn a_folder_that_cannot_be_written_costs_only_the_disk_cache() {
    let folder = tempfile::tempdir().unwrap();
    let blocked = folder.path().join("file");
    fs::write(&blocked, "").unwrap();
    // Below a file nothing can be made, whoever the user is; permissions would not stop root.
    let cache = Cache::new(blocked.join("cache"));
    let artifact = cache.get(&Key::new(["program"]), |path| write(path, "code")).unwrap();
    assert_eq!(fs::read_to_string(&*artifact).unwrap(), "code");
    let problem = cache.status().problem.unwrap();
    assert!(problem.contains("file/cache"), "{problem}");
    drop(cache);
    assert!(!artifact.exists(), "what could not be cached goes with the cache");
}

/// Not a test of its own: runs under a limit on the size of files, as on a disk without room.
#[test]
fn child_that_builds_a_large_program() {
    let Some(folder) = std::env::var_os(CHILD_FOLDER) else { return };
    let cache = Cache::new(&folder);
    let small = cache.get(&Key::new(["small"]), |path| write(path, "code")).unwrap();
    assert_eq!(fs::read_to_string(&*small).unwrap(), "code");
    assert_eq!(cache.status().problem, None);
    let large = "x".repeat(1 << 20);
    let error = cache.get(&Key::new(["large"]), |path| write(path, &large)).unwrap_err();
    assert!(error.to_string().contains("artifact"), "{error}");
}

#[cfg(unix)]
#[test]
fn no_room_is_an_error_that_leaves_no_half_entry() {
    let folder = tempfile::tempdir().unwrap();
    let output = Command::new("sh")
        .args([
            "-c",
            "trap '' XFSZ; ulimit -f 64; exec \"$0\" --exact child_that_builds_a_large_program --nocapture",
        ])
        .arg(std::env::current_exe().unwrap())
        .env(CHILD_FOLDER, folder.path())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(files(folder.path(), "artifact").len(), 1, "only the small program is there");
}
