//! Which of a kernel's own candidate configurations a device runs.
//!
//! A kernel names its candidates, the first being the default, and a class for the shape at hand. The choice is, in this order: what
//! the call says, what [`load`] read from a file, what [`measure`] stored for this device, the default. Nothing is timed unless
//! [`measure`] is called, and no environment variable changes a choice: [`in_force`] lists every one that this process has made.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{LazyLock, Mutex};

use serde::{Deserialize, Serialize};
use tilewright_core::{Device, Error, Result, Stream};

use crate::cache;

/// Where a choice comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Source {
    /// A file that the program loaded.
    File,
    /// Timed on this device, now or in an earlier process.
    Measured,
    /// The kernel's own default.
    Default,
}

/// A choice in force.
#[derive(Debug, Clone, Serialize)]
pub struct Choice {
    /// The device, as [`Device`] displays it.
    pub device: String,
    /// The kernel.
    pub kernel: String,
    /// The class of shapes.
    pub class: String,
    /// The candidate chosen.
    pub candidate: String,
    /// Where the choice comes from.
    pub source: Source,
}

/// Choices as a file holds them: `device name / kernel / class -> candidate`.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    /// Format of the file.
    version: u32,
    choices: BTreeMap<String, String>,
}

const VERSION: u32 = 1;

#[derive(Default)]
struct State {
    loaded: BTreeMap<String, String>,
    /// `None` until the stored choices have been read.
    measured: Option<BTreeMap<String, String>>,
    in_force: BTreeMap<(Device, String, String), (String, Source)>,
}

static STATE: LazyLock<Mutex<State>> = LazyLock::new(Mutex::default);

fn stored_file() -> PathBuf {
    cache::shared().folder().join("tuning.json")
}

/// The same device in another process: its name and driver, not its ordinal.
fn identity(device: Device) -> Result<String> {
    let caps = crate::caps(device)?;
    Ok(format!("{} {} driver {}", caps.name, caps.architecture, caps.driver))
}

fn read(path: &Path) -> Result<BTreeMap<String, String>> {
    let fail = |why: &dyn std::fmt::Display| Error::file("tuning", path, why);
    let text = std::fs::read_to_string(path).map_err(|why| fail(&why))?;
    let table: Table = serde_json::from_str(&text).map_err(|why| fail(&why))?;
    if table.version != VERSION {
        return Err(fail(&format!("version {} where {VERSION} is expected", table.version)));
    }
    Ok(table.choices)
}

impl State {
    fn measured(&mut self) -> &mut BTreeMap<String, String> {
        // A store that is damaged or of another version is as good as none: the next measurement replaces it.
        self.measured.get_or_insert_with(|| read(&stored_file()).unwrap_or_default())
    }
}

/// Takes choices from a file of the user's, for all devices that it names, until the process ends.
///
/// The format is that of `tuning.json` in the cache folder. Its errors name the file.
pub fn load(path: impl AsRef<Path>) -> Result<()> {
    let choices = read(path.as_ref())?;
    STATE.lock().expect("no panic holds the lock").loaded.extend(choices);
    Ok(())
}

/// The index of the candidate to run. A stored or loaded name that is no longer among the candidates counts for nothing.
///
/// # Panics
/// If there are no candidates.
pub fn choose(stream: &Stream, kernel: &str, class: &str, candidates: &[&str]) -> usize {
    assert!(!candidates.is_empty(), "{kernel} offers no candidates");
    let device = stream.device();
    let mut state = STATE.lock().expect("no panic holds the lock");
    let key = (device, kernel.to_owned(), class.to_owned());
    let find = |name: &String| candidates.iter().position(|candidate| candidate == name);
    if let Some(found) = state.in_force.get(&key).and_then(|(name, _)| find(name)) {
        return found;
    }
    let stored =
        identity(device).map(|identity| format!("{identity} / {kernel} / {class}")).unwrap_or_default();
    let loaded = state.loaded.get(&stored).and_then(find).map(|index| (index, Source::File));
    let (index, source) = loaded
        .or_else(|| state.measured().get(&stored).and_then(find).map(|index| (index, Source::Measured)))
        .unwrap_or((0, Source::Default));
    state.in_force.insert(key, (candidates[index].to_owned(), source));
    index
}

/// Times every candidate (`run` launches one; it is called several times each), keeps the fastest by the median, and stores it for this
/// device. A candidate that fails is left out; all failing is the last one's error.
pub fn measure(
    stream: &Stream,
    kernel: &str,
    class: &str,
    candidates: &[&str],
    mut run: impl FnMut(usize) -> Result<()>,
) -> Result<usize> {
    let mut best: Option<(f64, usize)> = None;
    let mut failure = Error::range("tuning", "candidates", "at least one", 0);
    for index in 0..candidates.len() {
        match median_milliseconds(stream, || run(index)) {
            Ok(time) if best.is_none_or(|(fastest, _)| time < fastest) => best = Some((time, index)),
            Ok(_) => {}
            Err(error) => failure = error,
        }
    }
    let (_, index) = best.ok_or(failure)?;
    let device = stream.device();
    let stored = format!("{} / {kernel} / {class}", identity(device)?);
    let mut state = STATE.lock().expect("no panic holds the lock");
    state.measured().insert(stored, candidates[index].to_owned());
    let choices = state.measured().clone();
    let key = (device, kernel.to_owned(), class.to_owned());
    state.in_force.insert(key, (candidates[index].to_owned(), Source::Measured));
    drop(state);
    store(&stored_file(), &Table { version: VERSION, choices })?;
    Ok(index)
}

fn median_milliseconds(stream: &Stream, mut run: impl FnMut() -> Result<()>) -> Result<f64> {
    const SAMPLES: usize = 5;
    run()?;
    stream.synchronize()?;
    let mut times = Vec::with_capacity(SAMPLES);
    for _ in 0..SAMPLES {
        let begin = stream.record()?;
        run()?;
        let end = stream.record()?;
        end.synchronize()?;
        stream.synchronize()?;
        let unsupported = || Error::unsupported("tuning", stream.device(), "the device has no timer");
        times.push(end.milliseconds_since(&begin)?.ok_or_else(unsupported)?);
    }
    times.sort_by(f64::total_cmp);
    Ok(times[SAMPLES / 2])
}

fn store(path: &Path, table: &Table) -> Result<()> {
    let fail = |why: &dyn std::fmt::Display| Error::file("tuning", path, why);
    let text = serde_json::to_string_pretty(table).map_err(|why| fail(&why))?;
    std::fs::create_dir_all(path.parent().expect("the file lies in the cache folder"))
        .map_err(|why| fail(&why))?;
    let temporary = path.with_extension(format!("{}.part", std::process::id()));
    std::fs::write(&temporary, text)
        .and_then(|()| std::fs::rename(&temporary, path))
        .map_err(|why| fail(&why))
}

/// Every choice that this process has made so far.
pub fn in_force() -> Vec<Choice> {
    let state = STATE.lock().expect("no panic holds the lock");
    let choice =
        |((device, kernel, class), (candidate, source)): (&(Device, String, String), &(String, Source))| {
            Choice {
                device: device.to_string(),
                kernel: kernel.clone(),
                class: class.clone(),
                candidate: candidate.clone(),
                source: *source,
            }
        };
    state.in_force.iter().map(choice).collect()
}

/// The choices stored or loaded, by `device / kernel / class`, with where they come from.
pub fn stored() -> Vec<(String, String, Source)> {
    let mut state = STATE.lock().expect("no panic holds the lock");
    let mut all: BTreeMap<String, (String, Source)> =
        state.measured().iter().map(|(key, name)| (key.clone(), (name.clone(), Source::Measured))).collect();
    all.extend(state.loaded.iter().map(|(key, name)| (key.clone(), (name.clone(), Source::File))));
    all.into_iter().map(|(key, (name, source))| (key, name, source)).collect()
}
