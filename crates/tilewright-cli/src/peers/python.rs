//! Python libraries as peers: a process for each, which answers one line of JSON with another.
//!
//! | request | answer |
//! |---|---|
//! | | once, at the start: `{"library": "numpy 2.1"}`, or `{"absent": "why"}` |
//! | `{"op": "open", "kernel", "args", "device", "folder", "inputs": [{"name", "file", "dtype", "axes"}], "sets"}` | `{"knows": true}`, where it has a function for exactly this |
//! | `{"op": "outputs"}` | `{"outputs": [{"file", "dtype"}], "memory": 4096}` of the problem's inputs; `dtype` is null where the file tells it, `memory` where the library does not count the bytes that its call had in use at most |
//! | `{"op": "sample", "calls"}` | `{"wall_ms": 1.5, "device_ms": null}`, of one call |
//! | `{"op": "close"}` | `{}` |
//! | `{"op": "index", "recipe", "dimension", "device", "folder", "vectors", "shown", "queries", "k", "refine"}` | `{"knows": true, "train_ms": 1.5, "add_ms": 2.5}`, once an index of this recipe has been trained on the first `shown` of the vectors in a file and holds them all |
//! | `{"op": "aim", "nprobe", "batch"}` | `{}`: from now on outputs are the distances and ids that the index finds for the first `batch` queries with so many lists, and a sample is of stretches of as many, one after another |
//!
//! Any answer may be `{"error": "why"}`. Tensors travel as `.npy` files in `folder`; bf16 as the bits in u16. An input lies in its file
//! as it does in memory; `axes` is the transposition that makes the input of it.

use std::cell::RefCell;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::rc::Rc;

use rustix::process::Signal;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tilewright_check::{Contestant, Sample, Trial};
use tilewright_core::{DType, Device, Error, Result, Tensor, bf16};

use crate::files::{self, Format};

/// The libraries that answered.
pub(crate) struct Interpreters {
    libraries: Vec<Rc<RefCell<Library>>>,
    /// Which scripts have nothing to offer, and why.
    pub(crate) absent: Vec<(String, String)>,
}

/// What a library made of a trial's inputs.
pub(crate) struct Made {
    pub(crate) outputs: Vec<Tensor>,
    /// Bytes that its call had in use at most, beside the inputs.
    pub(crate) memory: Option<f64>,
}

/// A peer: its name, what it made, and the means to time it.
type Found = (String, Result<Made>, Box<dyn Contestant>);

impl Interpreters {
    /// Starts every `peer_*.py` of the folder.
    pub(crate) fn start(python: &str, scripts: &Path) -> Result<Self> {
        let fail = |why: &dyn std::fmt::Display| Error::file("peers", scripts, why);
        let entries = std::fs::read_dir(scripts).map_err(|why| fail(&why))?;
        let paths = entries.map(|entry| entry.map(|entry| entry.path())).collect::<std::io::Result<Vec<_>>>();
        let mut paths: Vec<PathBuf> = paths.map_err(|why| fail(&why))?;
        paths.retain(|path| {
            let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            name.starts_with("peer_") && name.ends_with(".py")
        });
        paths.sort();
        if paths.is_empty() {
            return Err(fail(&"holds no peer_*.py"));
        }
        let (mut libraries, mut absent) = (Vec::new(), Vec::new());
        // All at once: several libraries take many seconds to load.
        let started: Vec<_> = paths.iter().map(|path| Library::start(python, path)).collect();
        for (path, library) in paths.iter().zip(started) {
            match library.and_then(Library::named) {
                Ok(library) => libraries.push(Rc::new(RefCell::new(library))),
                Err(why) => {
                    let stem = path.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
                    absent.push((stem.trim_start_matches("peer_").to_owned(), why));
                }
            }
        }
        Ok(Self { libraries, absent })
    }

    /// Offers a problem to every library. None gets one whose inputs have gaps in memory.
    pub(crate) fn open(
        &mut self,
        trial: &Trial,
        device: Device,
        sets: usize,
        folder: &Path,
    ) -> Result<Vec<Found>> {
        let mut inputs = Vec::new();
        for (slot, tensor) in trial.kernel().spec().inputs.iter().zip(trial.inputs()) {
            let Some((stored, axes)) = as_it_lies(tensor)? else { return Ok(Vec::new()) };
            let Some(stored) = numpy_bits(&stored)? else { return Ok(Vec::new()) };
            let file = folder.join(format!("{}.npy", slot.name));
            files::write(&file, Format::Npy, &[(slot.name, stored)])?;
            inputs
                .push(json!({"name": slot.name, "file": file, "dtype": tensor.dtype().name(), "axes": axes}));
        }
        let case = trial.case();
        let args: serde_json::Map<String, Value> =
            case.args.iter().map(|(name, value)| (name.to_owned(), plain(value))).collect();
        let request = json!({
            "op": "open", "kernel": trial.kernel().spec().name, "args": args, "device": device.to_string(),
            "folder": folder, "inputs": inputs, "sets": sets,
        });
        let mut found: Vec<Found> = Vec::new();
        for library in &self.libraries {
            let contestant = Box::new(Scripted(library.clone()));
            let mut library = library.borrow_mut();
            library.pauses = device == Device::Cpu;
            let outputs = match library.ask(&request) {
                Ok(Opened { knows: false }) => continue,
                Ok(Opened { knows: true }) => library.made(),
                Err(error) => Err(error),
            };
            found.push((library.name.clone(), outputs, contestant));
        }
        Ok(found)
    }

    /// Has every library that knows indexes on this device build one; and why those do not that know others.
    pub(crate) fn index(&mut self, order: &IndexOrder) -> (Vec<PeerIndex>, Vec<(String, String)>) {
        let request = json!({
            "op": "index", "recipe": order.recipe, "dimension": order.dimension, "device": order.device.to_string(),
            "folder": order.folder, "vectors": order.vectors, "shown": order.shown, "queries": order.queries,
            "k": order.k, "refine": order.refine,
        });
        let (mut built, mut unable) = (Vec::new(), Vec::new());
        for library in &self.libraries {
            let shared = library.clone();
            let mut library = library.borrow_mut();
            library.pauses = order.device == Device::Cpu;
            match library.ask(&request) {
                Ok(Indexed { knows: false, .. }) => {}
                Ok(Indexed { train_ms, add_ms, .. }) => {
                    built.push(PeerIndex { name: library.name.clone(), train_ms, add_ms, library: shared });
                }
                Err(error) => unable.push((library.name.clone(), error.to_string())),
            }
        }
        (built, unable)
    }

    /// Lets the libraries drop the problem's memory.
    pub(crate) fn close(&mut self) {
        for library in &self.libraries {
            // A library that died has dropped its memory too; its samples have told of it.
            let _ = library.borrow_mut().ask::<Value>(&json!({"op": "close"}));
        }
    }
}

/// An index that libraries are to build.
pub(crate) struct IndexOrder<'a> {
    pub(crate) recipe: String,
    pub(crate) dimension: usize,
    pub(crate) device: Device,
    /// Where results are put.
    pub(crate) folder: &'a Path,
    /// The `.npy` file of the vectors.
    pub(crate) vectors: &'a Path,
    /// How many of them training is shown.
    pub(crate) shown: usize,
    /// The `.npy` file of the queries.
    pub(crate) queries: &'a Path,
    pub(crate) k: usize,
    pub(crate) refine: usize,
}

/// An index that a library has built.
pub(crate) struct PeerIndex {
    /// The library's name and version.
    pub(crate) name: String,
    pub(crate) train_ms: f64,
    pub(crate) add_ms: f64,
    library: Rc<RefCell<Library>>,
}

impl PeerIndex {
    /// The distances and ids `[batch, k]` that it finds for the first queries in so many lists.
    pub(crate) fn found(&self, nprobe: usize, batch: usize) -> Result<(Tensor, Tensor)> {
        self.aim(nprobe, batch)?;
        let mut library = self.library.borrow_mut();
        match <[Tensor; 2]>::try_from(library.made()?.outputs) {
            Ok([distances, ids]) => Ok((distances, ids)),
            Err(other) => Err(broken(&library.name, format!("{} outputs, expected 2", other.len()))),
        }
    }

    /// Its search of so many lists, to be timed until it is asked for anything else.
    pub(crate) fn timed(&self, nprobe: usize, batch: usize) -> Result<Box<dyn Contestant>> {
        self.aim(nprobe, batch)?;
        Ok(Box::new(Scripted(self.library.clone())))
    }

    fn aim(&self, nprobe: usize, batch: usize) -> Result<()> {
        let request = json!({"op": "aim", "nprobe": nprobe, "batch": batch});
        self.library.borrow_mut().ask::<Value>(&request).map(drop)
    }
}

fn plain(value: &tilewright_core::Value) -> Value {
    match value {
        tilewright_core::Value::Bool(value) => json!(value),
        tilewright_core::Value::Int(value) => json!(value),
        tilewright_core::Value::Float(value) => json!(value),
        tilewright_core::Value::Text(value) => json!(value),
    }
}

/// The tensor with its axes in the order in which it lies in memory, and the transposition that leads back; `None` where it has
/// gaps or repeats itself.
fn as_it_lies(tensor: &Tensor) -> Result<Option<(Tensor, Vec<usize>)>> {
    let mut order: Vec<usize> = (0..tensor.rank()).collect();
    order.sort_by_key(|&axis| std::cmp::Reverse(tensor.strides()[axis]));
    let stored = tensor.permute(&order)?;
    let mut back = vec![0; order.len()];
    for (place, &axis) in order.iter().enumerate() {
        back[axis] = place;
    }
    Ok(stored.is_contiguous().then_some((stored, back)))
}

/// The tensor as NumPy can hold it; `None` for the 8-bit floats.
fn numpy_bits(tensor: &Tensor) -> Result<Option<Tensor>> {
    Ok(match tensor.dtype() {
        DType::F8E4M3 | DType::F8E5M2 => None,
        DType::Bf16 => {
            let bits = tensor.to_vec::<bf16>()?.into_iter().map(bf16::to_bits);
            Some(Tensor::from_vec(bits.collect::<Vec<u16>>(), tensor.shape())?)
        }
        _ => Some(tensor.clone()),
    })
}

#[derive(Deserialize)]
struct Opened {
    knows: bool,
}

#[derive(Deserialize)]
struct Indexed {
    knows: bool,
    #[serde(default)]
    train_ms: f64,
    #[serde(default)]
    add_ms: f64,
}

#[derive(Deserialize)]
struct Outputs {
    outputs: Vec<Output>,
    #[serde(default)]
    memory: Option<f64>,
}

#[derive(Deserialize)]
struct Output {
    file: String,
    dtype: Option<String>,
}

#[derive(Deserialize)]
struct Measured {
    wall_ms: f64,
    device_ms: Option<f64>,
}

struct Library {
    /// Its name and version.
    name: String,
    process: Child,
    requests: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
    /// Whether it is stopped between requests. The threads of several libraries go on turning for up to a fifth of a second after
    /// their work, to be ready for more: on the CPU they would take the cores from whoever is timed next.
    pauses: bool,
}

impl Library {
    fn start(python: &str, script: &Path) -> Result<Self, String> {
        let mut command = Command::new(python);
        command.arg(script).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut process = command.spawn().map_err(|why| format!("{python}: {why}"))?;
        let requests = process.stdin.take();
        let answers = BufReader::new(process.stdout.take().expect("the output is piped"));
        Ok(Self { name: String::new(), process, requests, answers, pauses: false })
    }

    /// Once it is loaded and has said its name.
    fn named(mut self) -> Result<Self, String> {
        let hello: Value = self.answer().map_err(|error| error.to_string())?;
        match (hello["library"].as_str(), hello["absent"].as_str()) {
            (Some(name), _) => name.clone_into(&mut self.name),
            (None, why) => return Err(why.unwrap_or("it did not say its name").to_owned()),
        }
        Ok(self)
    }

    fn ask<T: DeserializeOwned>(&mut self, request: &Value) -> Result<T> {
        self.resume();
        let answer = self.exchange(request);
        if self.pauses {
            signal(&self.process, Signal::STOP);
        }
        answer
    }

    fn resume(&self) {
        signal(&self.process, Signal::CONT);
    }

    fn exchange<T: DeserializeOwned>(&mut self, request: &Value) -> Result<T> {
        let requests = self.requests.as_mut().expect("open until the library is dropped");
        let sent = writeln!(requests, "{request}").and_then(|()| requests.flush());
        sent.map_err(|why| broken(&self.name, why))?;
        self.answer()
    }

    fn answer<T: DeserializeOwned>(&mut self) -> Result<T> {
        let mut line = String::new();
        self.answers.read_line(&mut line).map_err(|why| broken(&self.name, why))?;
        if line.is_empty() {
            return Err(broken(&self.name, "the script ended"));
        }
        let answer: Value = serde_json::from_str(&line).map_err(|why| broken(&self.name, why))?;
        match answer.get("error") {
            Some(why) => Err(broken(&self.name, why)),
            None => serde_json::from_value(answer).map_err(|why| broken(&self.name, why)),
        }
    }

    fn made(&mut self) -> Result<Made> {
        let Outputs { outputs, memory } = self.ask(&json!({"op": "outputs"}))?;
        let read = |output: Output| {
            let tensor = files::read(&output.file, "output")?;
            if output.dtype.as_deref() != Some("bf16") {
                return Ok(tensor);
            }
            let bits = tensor.to_vec::<u16>()?.into_iter().map(bf16::from_bits);
            Tensor::from_vec(bits.collect::<Vec<bf16>>(), tensor.shape())
        };
        Ok(Made { outputs: outputs.into_iter().map(read).collect::<Result<_>>()?, memory })
    }
}

impl Drop for Library {
    fn drop(&mut self) {
        // The end of its input ends the script; a script that is stuck is ended by force. Either way it is gone.
        self.resume();
        drop(self.requests.take());
        if !matches!(self.process.try_wait(), Ok(Some(_))) {
            std::thread::sleep(std::time::Duration::from_millis(200));
            let _ = self.process.kill();
        }
        let _ = self.process.wait();
    }
}

/// To a process that has not been waited for, so the number is still its own. One that has ended needs no signal.
fn signal(process: &Child, signal: Signal) {
    let _ = rustix::process::kill_process(rustix::process::Pid::from_child(process), signal);
}

fn broken(library: &str, why: impl std::fmt::Display) -> Error {
    Error::device("peer", Device::Cpu, format!("{library}: {why}"))
}

struct Scripted(Rc<RefCell<Library>>);

impl Contestant for Scripted {
    fn sample(&mut self, calls: usize) -> Result<Sample> {
        let Measured { wall_ms, device_ms } =
            self.0.borrow_mut().ask(&json!({"op": "sample", "calls": calls}))?;
        Ok(Sample { wall: wall_ms, device: device_ms })
    }
}
