//! Work that Ctrl-C ends.

use std::sync::mpsc::{RecvTimeoutError, sync_channel};
use std::sync::{Arc, OnceLock};
use std::thread::{self, ThreadId};
use std::time::Duration;

use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;
use tilewright_core::{Device, Result, Tensor};

use crate::errors::raise;

/// How long a signal may wait.
const PATIENCE: Duration = Duration::from_millis(50);
/// Inputs of fewer bytes are soon worked off: the other thread would cost more than the wait.
const LARGE: usize = 4 << 20;

/// The thread that signals come to: the one that imports the package, as a rule.
static MAIN: OnceLock<ThreadId> = OnceLock::new();

/// Called once, when the package is imported.
pub(crate) fn remember_main_thread() {
    MAIN.get_or_init(|| thread::current().id());
}

/// Whether work on these inputs may take longer than anybody waits for Ctrl-C. The emulator compiles, which takes seconds.
pub(crate) fn takes_long(device: Device, inputs: &[Tensor]) -> bool {
    device == Device::Emulated || inputs.iter().map(Tensor::bytes).sum::<usize>() >= LARGE
}

/// Runs `work` without the interpreter's lock. Where it takes long and this is the main thread, on another thread, while this one looks for
/// signals: after Ctrl-C the call raises at once, and what is running already ends by itself, its result unseen.
pub(crate) fn interruptible<T: Send + 'static>(
    py: Python<'_>,
    long: bool,
    work: impl FnOnce() -> Result<T> + Send + 'static,
) -> PyResult<T> {
    if !long || MAIN.get() != Some(&thread::current().id()) {
        return py.detach(work).map_err(raise);
    }
    let (sender, receiver) = sync_channel(1);
    // Nobody receives after Ctrl-C.
    let worker = move || drop(sender.send(work()));
    let handle = thread::Builder::new().name("tilewright".to_owned()).spawn(worker)?;
    // A receiver is no `Sync`, which `detach` asks for.
    let receiver = Arc::new(std::sync::Mutex::new(receiver));
    loop {
        let waited = py.detach(|| {
            receiver.lock().unwrap_or_else(std::sync::PoisonError::into_inner).recv_timeout(PATIENCE)
        });
        match waited {
            Ok(result) => return result.map_err(raise),
            Err(RecvTimeoutError::Timeout) => py.check_signals()?,
            Err(RecvTimeoutError::Disconnected) => {
                if let Err(panic) = handle.join() {
                    std::panic::resume_unwind(panic);
                }
                return Err(PyRuntimeError::new_err("the thread that did the work is gone"));
            }
        }
    }
}
