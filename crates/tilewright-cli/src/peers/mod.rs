//! Other libraries on the same problems, timed in the same run.

#[cfg(feature = "peers")]
mod decompositions;
#[cfg(feature = "peers")]
mod libraries;
mod python;

use std::path::{Path, PathBuf};
use std::rc::Rc;

use clap::Args;
use tilewright_check::{Contestant, Mismatch, Sample, Trial, compare, timed};
use tilewright_core::{Device, Expected, Result, Stream, Tensor};

pub(crate) use python::{IndexOrder, Interpreters, PeerIndex};

// Which peers there are; no doc comment, which would become that of the commands.
#[derive(Args)]
pub(crate) struct Options {
    /// Also time other libraries.
    #[arg(long)]
    pub(crate) peers: bool,
    /// The Python interpreter that has the libraries.
    #[arg(long, default_value = "python3", value_name = "PROGRAM")]
    python: String,
    /// Where the scripts peer_*.py lie.
    #[arg(long, default_value = "bench/peers", value_name = "FOLDER")]
    peer_scripts: PathBuf,
}

impl Options {
    /// The Python libraries, where they were asked for.
    pub(crate) fn start(&self) -> Result<Option<Interpreters>> {
        self.peers.then(|| Interpreters::start(&self.python, &self.peer_scripts)).transpose()
    }
}

/// A library's function for a problem: from the problem's inputs, on the host, to its outputs.
type Function = Box<dyn Fn(&[Tensor]) -> Result<Vec<Tensor>>>;

/// One peer, ready to be timed.
pub(crate) struct Peer {
    pub(crate) name: String,
    /// What the judge says of its outputs: `pass`, or what is wrong.
    pub(crate) verdict: String,
    /// The worst share of a tolerance that it used.
    pub(crate) share: Option<f64>,
    /// How far its outputs are from the truth, see [`Trial::error`].
    pub(crate) error: Option<f64>,
    /// Bytes of device memory that one call had in use at most, beside its inputs, where the library counts them.
    pub(crate) memory: Option<f64>,
    /// Where it computes the same function. It may do so less accurately, put equal values in another order, or draw by
    /// other random numbers: that stands in the verdict. A peer that solves another problem is not timed.
    pub(crate) contestant: Option<Box<dyn Contestant>>,
}

/// One wrong element in so many of the first output is still the same function: another function is wrong nearly everywhere.
const TOLERATED: usize = 10;

/// Nor is it another function where the difference as a whole is so small a part of the truth: a library that rounds to 16 bits on its way.
const NEAR: f64 = 0.05;

fn same_function(expected: &Expected, output: Option<&Tensor>) -> bool {
    match compare(expected, output) {
        Ok(_) => true,
        Err(Mismatch::Values { wrong, elements, .. } | Mismatch::Bytes { wrong, elements, .. }) => {
            wrong * TOLERATED <= elements || is_near(expected, output)
        }
        Err(_) => false,
    }
}

fn is_near(expected: &Expected, output: Option<&Tensor>) -> bool {
    let (Expected::Values { value, .. }, Some(Ok(got))) = (expected, output.map(Tensor::to_f64_vec)) else {
        return false;
    };
    let apart: f64 = got.iter().zip(value).map(|(got, truth)| (got - truth).powi(2)).sum();
    let all: f64 = value.iter().map(|truth| truth.powi(2)).sum();
    apart <= NEAR * NEAR * all
}

impl Peer {
    fn new(
        name: String,
        trial: &Trial,
        outputs: Result<Vec<Tensor>>,
        memory: Option<f64>,
        contestant: Box<dyn Contestant>,
    ) -> Self {
        let outputs = outputs.map(|outputs| with_our_indices(trial, outputs));
        let judged = match &outputs {
            Ok(outputs) => trial.assess(outputs).map_err(|failure| failure.to_string()),
            Err(error) => Err(error.to_string()),
        };
        let error = outputs.as_ref().ok().and_then(|outputs| trial.error(outputs));
        let same = outputs.is_ok_and(|outputs| {
            trial.expected().first().is_some_and(|expected| same_function(expected, outputs.first()))
                || trial.answers(&outputs).unwrap_or(false)
        });
        let (verdict, share) = match judged {
            Ok(worst) => ("pass".to_owned(), Some(worst.share)),
            Err(why) => (why, None),
        };
        Peer { name, verdict, share, error, memory, contestant: same.then_some(contestant) }
    }
}

/// Positions are positions, whatever integers a library counts them in: they are judged in the kernel's.
fn with_our_indices(trial: &Trial, outputs: Vec<Tensor>) -> Vec<Tensor> {
    let converted = |(index, output): (usize, Tensor)| match trial.expected().get(index) {
        Some(Expected::Exact(truth)) if !truth.dtype().is_float() && !output.dtype().is_float() => {
            let numbers = output.to_f64_vec();
            numbers
                .and_then(|numbers| Tensor::from_f64(&numbers, truth.dtype(), output.shape()))
                .unwrap_or(output)
        }
        _ => output,
    };
    outputs.into_iter().enumerate().map(converted).collect()
}

/// The Rust libraries built into this program that know the problem. On the CPU only.
pub(crate) fn built_in(trial: &Trial, device: Device, sets: usize) -> Result<Vec<Peer>> {
    if device != Device::Cpu {
        return Ok(Vec::new());
    }
    #[cfg(feature = "peers")]
    let functions = libraries::functions(trial.kernel().spec().name, trial.case(), trial.inputs());
    #[cfg(not(feature = "peers"))]
    let functions: Vec<(&'static str, Function)> = Vec::new();
    if functions.is_empty() {
        return Ok(Vec::new());
    }
    let stream = Stream::cpu();
    let sets: Rc<[Vec<Tensor>]> = (0..sets).map(|_| trial.upload(&stream)).collect::<Result<_>>()?;
    let peer = |(name, function): (&'static str, Function)| {
        let outputs = function(trial.inputs());
        let contestant = HostFunction { function, sets: sets.clone(), next: 0 };
        Peer::new(name.to_owned(), trial, outputs, None, Box::new(contestant))
    };
    Ok(functions.into_iter().map(peer).collect())
}

/// What of the peers is missing from this build, in words.
pub(crate) fn missing() -> Option<&'static str> {
    (!cfg!(feature = "peers")).then_some("built without the feature `peers`: no Rust library is timed")
}

/// Every Python library that is there and knows the problem.
pub(crate) fn scripted(
    interpreters: &mut Interpreters,
    trial: &Trial,
    device: Device,
    sets: usize,
    folder: &Path,
) -> Result<Vec<Peer>> {
    let mut peers = Vec::new();
    for (name, made, contestant) in interpreters.open(trial, device, sets, folder)? {
        let memory = made.as_ref().ok().and_then(|made| made.memory);
        peers.push(Peer::new(name, trial, made.map(|made| made.outputs), memory, contestant));
    }
    Ok(peers)
}

struct HostFunction {
    function: Function,
    sets: Rc<[Vec<Tensor>]>,
    next: usize,
}

impl Contestant for HostFunction {
    fn sample(&mut self, calls: usize) -> Result<Sample> {
        timed(calls, || {
            let inputs = &self.sets[self.next % self.sets.len()];
            self.next += 1;
            std::hint::black_box((self.function)(inputs)?);
            Ok(())
        })
    }
}
