//! The language model.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyString};
use tilewright_core::{Error, Tensor};
use tilewright_lm::{Config, Generation, Model, Sampling, State, generate};

use crate::device::{Device, DeviceLike, stream};
use crate::errors::raise;
use crate::interrupt::interruptible;
use crate::{array, dtype};

/// How long a signal may wait.
const PATIENCE: Duration = Duration::from_millis(50);

/// An xLSTM on a device. `tilewright.lm.LanguageModel` is its face.
#[pyclass(frozen, module = "tilewright._native")]
pub(crate) struct Xlstm {
    model: Arc<Model>,
}

impl Xlstm {
    pub(crate) fn of(model: Model) -> Self {
        Self { model: Arc::new(model) }
    }

    pub(crate) fn model(&self) -> &Arc<Model> {
        &self.model
    }
}

/// What a batch of texts leaves to its continuation, of the same size however long the texts are. Nothing changes it: a state may be continued more than once.
#[pyclass(frozen, module = "tilewright.lm")]
pub(crate) struct LmState {
    state: State,
}

/// A text's number and its next token, or why there is none.
type Told = Result<(usize, u32), Error>;

/// Tokens as they are written: pairs of the text's number and the token. Dropped, it ends the work.
#[pyclass(frozen, module = "tilewright._native")]
pub(crate) struct Writing {
    receiver: Mutex<Option<Receiver<Told>>>,
}

fn config(py: Python<'_>, config: &Bound<'_, PyAny>) -> PyResult<Config> {
    let json = py.import("json")?.call_method1("dumps", (config,))?;
    let config: Config = serde_json::from_str(json.cast::<PyString>()?.to_str()?)
        .map_err(|why| PyValueError::new_err(format!("config: {why}")))?;
    config.check().map_err(raise)?;
    Ok(config)
}

#[pymethods]
impl Xlstm {
    /// The model of a folder with `config.json` and `model.safetensors`.
    #[staticmethod]
    #[pyo3(signature = (folder, device, dtype))]
    fn load(
        py: Python<'_>,
        folder: PathBuf,
        device: DeviceLike,
        dtype: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<Self> {
        let device = device.resolve()?;
        let dtype = dtype.map(dtype::of_object).transpose()?;
        let model = interruptible(py, true, move || Model::load(folder, &stream(device)?, dtype))?;
        Ok(Self::of(model))
    }

    /// A model that has learned nothing.
    #[staticmethod]
    #[pyo3(signature = (config, device, dtype, seed))]
    fn random(
        py: Python<'_>,
        config: &Bound<'_, PyAny>,
        device: DeviceLike,
        dtype: &Bound<'_, PyAny>,
        seed: u64,
    ) -> PyResult<Self> {
        let (device, dtype) = (device.resolve()?, dtype::of_object(dtype)?);
        let config = self::config(py, config)?;
        let model = interruptible(py, true, move || Model::random(config, &stream(device)?, dtype, seed))?;
        Ok(Self::of(model))
    }

    fn save(&self, py: Python<'_>, folder: PathBuf) -> PyResult<()> {
        let model = self.model.clone();
        interruptible(py, true, move || model.save(folder))
    }

    #[getter]
    fn config<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let text = serde_json::to_string(self.model.config())
            .map_err(|why| PyValueError::new_err(format!("config: {why}")))?;
        py.import("json")?.call_method1("loads", (text,))
    }

    #[getter]
    fn parameters(&self) -> usize {
        self.model.parameters()
    }

    #[getter]
    fn device(&self) -> Device {
        Device(self.model.stream().device())
    }

    #[getter]
    fn dtype(&self) -> &'static str {
        self.model.dtype().name()
    }

    #[getter]
    fn is_of_bytes(&self) -> bool {
        self.model.is_of_bytes()
    }

    /// Logits after every token or after the last one, and the state.
    fn logits(
        &self,
        py: Python<'_>,
        tokens: Vec<Vec<u32>>,
        state: Option<&LmState>,
        last: bool,
    ) -> PyResult<(crate::tensor::Tensor, LmState)> {
        let (model, state) = (self.model.clone(), state.map(|state| state.state.clone()));
        let work = move || {
            let tokens = model.tokens(&tokens)?;
            if last { model.next(&tokens, state.as_ref()) } else { model.logits(&tokens, state.as_ref()) }
        };
        let (logits, state) = interruptible(py, true, work)?;
        Ok((crate::tensor::Tensor::new(logits), LmState { state }))
    }

    fn evaluate(
        &self,
        py: Python<'_>,
        tokens: Vec<u32>,
        context: usize,
        batch: usize,
    ) -> PyResult<(f64, usize)> {
        let model = self.model.clone();
        let said = interruptible(py, true, move || tilewright_lm::evaluate(&model, &tokens, context, batch))?;
        Ok((said.loss, said.tokens))
    }

    /// Begins to write the prompts on.
    #[expect(clippy::too_many_arguments, reason = "the parameters of a request, by name in Python")]
    fn generate(
        &self,
        prompts: Vec<Vec<u32>>,
        max_tokens: usize,
        temperature: f64,
        top_k: usize,
        top_p: f64,
        seed: u64,
        stop: Vec<u32>,
    ) -> PyResult<Writing> {
        let mut sampler = Sampling::new(temperature, top_k, top_p, seed).map_err(raise)?;
        let model = self.model.clone();
        // One token waits to be taken: the model does not run ahead of a reader who may stop.
        let (sender, receiver) = sync_channel(1);
        let work = move || {
            let options = Generation { tokens: max_tokens, ..Generation::default() };
            let mut gone = false;
            let send = |text: usize, token: u32| {
                gone |= sender.send(Ok((text, token))).is_err();
                !gone && !stop.contains(&token)
            };
            if let Err(error) = generate(&model, &prompts, &options, &mut sampler, send) {
                // Nobody may listen any more.
                let _ = sender.send(Err(error));
            }
        };
        thread::Builder::new().name("tilewright-lm".to_owned()).spawn(work)?;
        Ok(Writing { receiver: Mutex::new(Some(receiver)) })
    }
}

#[pymethods]
impl Writing {
    fn __iter__(slf: Bound<'_, Self>) -> Bound<'_, Self> {
        slf
    }

    fn __next__(&self, py: Python<'_>) -> PyResult<Option<(usize, u32)>> {
        loop {
            let waited = py.detach(|| {
                let receiver = self.receiver.lock().unwrap_or_else(PoisonError::into_inner);
                receiver.as_ref().map(|receiver| receiver.recv_timeout(PATIENCE))
            });
            match waited {
                Some(Ok(Ok(pair))) => return Ok(Some(pair)),
                Some(Ok(Err(error))) => return Err(raise(error)),
                Some(Err(RecvTimeoutError::Timeout)) => {
                    py.check_signals().inspect_err(|_| self.close(py))?;
                }
                Some(Err(RecvTimeoutError::Disconnected)) | None => return Ok(None),
            }
        }
    }

    /// Ends the work at the next token.
    fn close(&self, py: Python<'_>) {
        py.detach(|| drop(self.receiver.lock().unwrap_or_else(PoisonError::into_inner).take()));
    }
}

#[pymethods]
impl LmState {
    /// The number of texts.
    #[getter]
    fn batch(&self) -> usize {
        self.state.batch()
    }

    /// The state as named tensors, to be saved: `layers.0.c`, `layers.0.n`, `layers.0.m`, ...
    fn tensors<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let dict = PyDict::new(py);
        for (name, tensor) in self.state.tensors() {
            dict.set_item(name, crate::tensor::Tensor::new(tensor))?;
        }
        Ok(dict)
    }

    /// A state of named tensors, on `device`.
    #[staticmethod]
    #[pyo3(signature = (tensors, device=None))]
    fn from_tensors(
        py: Python<'_>,
        tensors: &Bound<'_, PyDict>,
        device: Option<DeviceLike>,
    ) -> PyResult<Self> {
        let device = device.map(DeviceLike::resolve).transpose()?.unwrap_or(tilewright_core::Device::Cpu);
        let mut named: BTreeMap<String, Tensor> = BTreeMap::new();
        for (name, tensor) in tensors {
            let name: String =
                name.extract().map_err(|_| PyTypeError::new_err("tensors: names are strings"))?;
            named.insert(name, array::tensor(&tensor)?);
        }
        let state = py.detach(|| State::from_tensors(&stream(device)?, &named)).map_err(raise)?;
        Ok(Self { state })
    }

    fn __repr__(&self) -> String {
        format!("<LmState of {} texts>", self.batch())
    }
}
