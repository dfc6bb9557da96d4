//! The training of a language model.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::PyString;
use tilewright_core::Result;
use tilewright_lm::train::{Options, Trainer, loss_curve};

use crate::device::{DeviceLike, stream};
use crate::interrupt::interruptible;
use crate::lm::Xlstm;

/// Number, loss, norm of the gradient, rate and tokens of a step.
type Told = (u64, f64, f64, f64, usize);

/// A model in training. `tilewright.lm.Trainer` is its face. One step runs at a time; who else asks waits.
#[pyclass(frozen, module = "tilewright._native")]
pub(crate) struct Training {
    trainer: Arc<Mutex<Trainer>>,
}

impl Training {
    fn of(trainer: Trainer) -> Self {
        Self { trainer: Arc::new(Mutex::new(trainer)) }
    }

    fn with<T: Send + 'static>(
        &self,
        py: Python<'_>,
        work: impl FnOnce(&mut Trainer) -> Result<T> + Send + 'static,
    ) -> PyResult<T> {
        let trainer = self.trainer.clone();
        // A panic within a step leaves weights that the step had not finished with; it is told where it happens.
        let locked = move || work(&mut trainer.lock().unwrap_or_else(PoisonError::into_inner));
        interruptible(py, true, locked)
    }
}

#[pymethods]
impl Training {
    #[new]
    fn new(py: Python<'_>, model: &Xlstm, tokens: Vec<u32>, options: &Bound<'_, PyAny>) -> PyResult<Self> {
        let json = py.import("json")?.call_method1("dumps", (options,))?;
        let options: Options = serde_json::from_str(json.cast::<PyString>()?.to_str()?)
            .map_err(|why| PyValueError::new_err(format!("Trainer: {why}")))?;
        let model = model.model().clone();
        let made = move || Trainer::new(model.duplicate()?, tokens, options);
        interruptible(py, true, made).map(Self::of)
    }

    #[staticmethod]
    fn resume(py: Python<'_>, path: PathBuf, device: DeviceLike, tokens: Vec<u32>) -> PyResult<Self> {
        let device = device.resolve()?;
        interruptible(py, true, move || Trainer::resume(path, &stream(device)?, tokens)).map(Self::of)
    }

    fn save(&self, py: Python<'_>, path: PathBuf) -> PyResult<()> {
        self.with(py, move |trainer| trainer.save(path))
    }

    fn step(&self, py: Python<'_>) -> PyResult<Told> {
        let step = self.with(py, Trainer::step)?;
        Ok((step.step, step.loss, step.norm, step.rate, step.tokens))
    }

    /// The model as it is now.
    fn model(&self, py: Python<'_>) -> PyResult<Xlstm> {
        self.with(py, |trainer| trainer.model().duplicate()).map(Xlstm::of)
    }

    /// Steps done, steps in all.
    fn progress(&self, py: Python<'_>) -> PyResult<(u64, u64)> {
        self.with(py, |trainer| Ok((trainer.steps_done(), trainer.options().steps)))
    }

    fn set_steps(&self, py: Python<'_>, steps: u64) -> PyResult<()> {
        self.with(py, move |trainer| {
            trainer.set_steps(steps);
            Ok(())
        })
    }

    fn losses(&self, py: Python<'_>) -> PyResult<Vec<f64>> {
        self.with(py, |trainer| Ok(trainer.losses().to_vec()))
    }

    /// The losses as an SVG, or why there is none.
    fn curve(&self, py: Python<'_>) -> PyResult<String> {
        loss_curve(&self.losses(py)?).ok_or_else(|| PyValueError::new_err("Trainer: no step is done"))
    }
}
