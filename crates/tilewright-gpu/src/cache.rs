//! Compiled code, kept in memory and on disk.
//!
//! - The key is a hash of everything that decides the code, each part preceded by its length.
//! - In memory there is one lock per key: threads that ask for one program compile it once, and different programs compile side by side.
//!   A failed build is remembered with its log for the life of the process.
//! - On disk an entry is a folder named by its key, holding the artifact and its checksum; it is made under a temporary name and
//!   renamed, so another process sees a whole entry or none. What does not verify on reading is removed and built again.
//! - A folder that cannot be written costs the disk cache, never the build: [`status`] says so.

use std::collections::HashMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, LazyLock, Mutex, OnceLock};

use sha2::{Digest, Sha256};
use tilewright_core::{Error, Result};

/// The identity of one compilation: a hash of length-delimited parts.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Key(String);

impl Key {
    /// Hashes the parts; no two different lists of parts give the same bytes to the hash.
    pub fn new<'a>(parts: impl IntoIterator<Item = &'a str>) -> Self {
        let mut hash = Sha256::new();
        for part in parts {
            hash.update((part.len() as u64).to_le_bytes());
            hash.update(part);
        }
        Key(hex(&hash.finalize()))
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A compiled artifact: a file that verified, somewhere that stays until the process ends.
pub type Artifact = Arc<PathBuf>;

type Slot = Arc<OnceLock<Result<Artifact>>>;

/// One cache folder with its in-memory table. The process has one, [`shared`]; tests make their own.
#[derive(Debug)]
pub struct Cache {
    folder: PathBuf,
    /// Builds in progress, and artifacts that the folder does not take.
    scratches: Mutex<Vec<PathBuf>>,
    slots: Mutex<HashMap<Key, Slot>>,
    problem: Mutex<Option<String>>,
    built: AtomicU64,
}

/// What a cache has done.
#[derive(Debug, Clone)]
pub struct Status {
    /// The folder on disk.
    pub folder: PathBuf,
    /// Compilations by this process, failed ones included.
    pub built: u64,
    /// Why entries do not reach the disk, if they do not.
    pub problem: Option<String>,
}

/// The process's cache: `TILEWRIGHT_CACHE`, or `tilewright` in the system's cache folder.
pub fn shared() -> &'static Cache {
    static SHARED: LazyLock<Cache> = LazyLock::new(|| Cache::new(default_folder()));
    &SHARED
}

/// [`Cache::status`] of the process's cache.
pub fn status() -> Status {
    shared().status()
}

fn default_folder() -> PathBuf {
    let from = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    if let Some(folder) = from("TILEWRIGHT_CACHE") {
        return folder;
    }
    let home = from("HOME").unwrap_or_else(std::env::temp_dir);
    let system = if cfg!(target_os = "macos") { home.join("Library/Caches") } else { home.join(".cache") };
    from("XDG_CACHE_HOME").unwrap_or(system).join("tilewright")
}

impl Cache {
    /// A cache over `folder`, which is made when the first entry is written.
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        Self {
            folder: folder.into(),
            scratches: Mutex::default(),
            slots: Mutex::default(),
            problem: Mutex::default(),
            built: AtomicU64::new(0),
        }
    }

    /// The folder on disk.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// What it has done so far.
    pub fn status(&self) -> Status {
        let problem = self.problem.lock().expect("no panic holds the lock").clone();
        Status { folder: self.folder.clone(), built: self.built.load(Ordering::Relaxed), problem }
    }

    /// The artifact of `key`: from memory, from disk, or built by `build`, which writes it to the path that it is given.
    ///
    /// Of any number of threads that ask for one key, one builds and the others wait for it.
    pub fn get(&self, key: &Key, build: impl FnOnce(&Path) -> Result<()>) -> Result<Artifact> {
        let slot =
            self.slots.lock().expect("no panic holds the lock").entry(key.clone()).or_default().clone();
        slot.get_or_init(|| self.load_or_build(key, build)).clone()
    }

    fn load_or_build(&self, key: &Key, build: impl FnOnce(&Path) -> Result<()>) -> Result<Artifact> {
        let entry = self.folder.join("programs").join(&key.0[..2]).join(&key.0);
        if let Some(artifact) = verified(&entry) {
            return Ok(Arc::new(artifact));
        }
        self.built.fetch_add(1, Ordering::Relaxed);
        // Built beside the cache, so that a folder that is full or read-only costs the disk cache and never the build.
        let scratch = self.scratch(key)?;
        let built = scratch.join(ARTIFACT);
        build(&built).inspect_err(|_| drop(fs::remove_dir_all(&scratch)))?;
        match publish(&built, &entry) {
            Ok(artifact) => {
                let _ = fs::remove_dir_all(&scratch);
                Ok(Arc::new(artifact))
            }
            Err(why) => {
                let text = format!("{}: {why}", self.folder.display());
                self.problem.lock().expect("no panic holds the lock").get_or_insert(text);
                Ok(Arc::new(built))
            }
        }
    }

    /// A new folder under the system's temporary one, for one build.
    fn scratch(&self, key: &Key) -> Result<PathBuf> {
        let folder = std::env::temp_dir().join(unique(&format!("tilewright-{}", &key.0[..16])));
        fs::create_dir_all(&folder).map_err(|why| Error::file("compile cache", &folder, why))?;
        self.scratches.lock().expect("no panic holds the lock").push(folder.clone());
        Ok(folder)
    }
}

impl Drop for Cache {
    fn drop(&mut self) {
        for folder in self.scratches.get_mut().expect("no panic holds the lock").drain(..) {
            let _ = fs::remove_dir_all(folder);
        }
    }
}

/// A name that no other build of any process uses.
fn unique(stem: &str) -> String {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    format!("{stem}.{}.{}.part", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed))
}

/// Copies an artifact to its entry: under a temporary name with its checksum, then renamed.
fn publish(built: &Path, entry: &Path) -> io::Result<PathBuf> {
    let parent = entry.parent().expect("an entry lies in a folder");
    let staging = parent.join(unique("new"));
    fs::create_dir_all(&staging)?;
    let staged = fs::copy(built, staging.join(ARTIFACT))
        .and_then(|_| fs::write(staging.join(CHECKSUM), checksum(built)?))
        .and_then(|()| {
            if verified(entry).is_none() {
                // Damaged or incomplete: out of the way.
                let _ = fs::remove_dir_all(entry);
            }
            fs::rename(&staging, entry)
        });
    if staged.is_err() {
        let _ = fs::remove_dir_all(&staging);
    }
    // Where the rename lost a race, the other process's entry is as good, if it is whole.
    verified(entry).ok_or_else(|| staged.err().unwrap_or_else(|| io::Error::other("the entry vanished")))
}

const ARTIFACT: &str = "artifact";
const CHECKSUM: &str = "sha256";

fn checksum(artifact: &Path) -> io::Result<String> {
    Ok(hex(&Sha256::digest(fs::read(artifact)?)))
}

fn verified(entry: &Path) -> Option<PathBuf> {
    let artifact = entry.join(ARTIFACT);
    let expected = fs::read_to_string(entry.join(CHECKSUM)).ok()?;
    (checksum(&artifact).ok()? == expected).then_some(artifact)
}
