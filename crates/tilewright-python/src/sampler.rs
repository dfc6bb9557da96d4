//! A sampler session: many texts, each with parameters, seed and history of its own, drawn for together.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};

use pyo3::exceptions::{PyKeyError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::PyDict;
use tilewright_core::{Error, Result, Tensor};
use tilewright_kernels::sample::{
    Dry, Order, Penalty, Sampling, Stage, Text, TextSampler, TextSampling, draw,
};

use crate::array;
use crate::errors::raise;
use crate::interrupt::{interruptible, takes_long};
use crate::kernel::place;

const NAME: &str = "sampler";

/// The session behind `tilewright.sample.Sampler`.
#[pyclass(frozen, module = "tilewright._native")]
pub(crate) struct SamplerSession {
    vocabulary: usize,
    rows: Arc<Mutex<Vec<Row>>>,
}

/// A text that is being written.
#[derive(Clone)]
struct Row {
    key: u64,
    sampler: TextSampler,
    max_tokens: usize,
    prompt: Vec<u32>,
    output: Vec<u32>,
}

/// A penalty by its name.
fn penalty(keywords: &Bound<'_, PyDict>, name: &str, off: Penalty) -> PyResult<Penalty> {
    let value = take(keywords, name)?.unwrap_or(off.value);
    let context = take(keywords, &name.replace("penalty", "context_size"))?;
    // With a context, as mlx-lm has it, all penalties see the prompt; without one, as vLLM has it, repetition alone.
    Ok(Penalty { value, prompt: off.prompt || context.is_some(), window: context.unwrap_or(0) })
}

/// The penalty on what would go on with a repetition.
fn dry(keywords: &Bound<'_, PyDict>) -> PyResult<Dry> {
    let off = Dry::default();
    let multiplier = take(keywords, "dry_multiplier")?.unwrap_or(off.multiplier);
    let last: i64 = take(keywords, "dry_penalty_last_n")?.unwrap_or(-1);
    if last < -1 {
        let expected = "at least 1, -1 for all, or 0 for off";
        return Err(raise(Error::range(NAME, "dry_penalty_last_n", expected, last)));
    }
    Ok(Dry {
        multiplier: if last == 0 { 0.0 } else { multiplier },
        base: take(keywords, "dry_base")?.unwrap_or(off.base),
        allowed_length: take(keywords, "dry_allowed_length")?.unwrap_or(off.allowed_length),
        window: usize::try_from(last).unwrap_or(usize::MAX),
        breakers: take(keywords, "dry_sequence_breakers")?.unwrap_or_default(),
    })
}

fn take<'py, T: FromPyObjectOwned<'py, Error = PyErr>>(
    keywords: &Bound<'py, PyDict>,
    name: &str,
) -> PyResult<Option<T>> {
    let found = keywords.get_item(name)?.filter(|value| !value.is_none());
    if found.is_some() {
        keywords.del_item(name)?;
    }
    let told = |error: PyErr| {
        let py = keywords.py();
        PyErr::from_type(error.get_type(py), (format!("{name}: {}", error.value(py)),))
    };
    found.map(|value| value.extract::<T>()).transpose().map_err(told)
}

fn order(name: &str) -> Result<Order> {
    let stage = |word: &str| match word.trim() {
        "temperature" => Ok(Stage::Temperature),
        "top_n_sigma" => Ok(Stage::TopNSigma),
        "top_k" => Ok(Stage::TopK),
        "typical_p" => Ok(Stage::TypicalP),
        "top_p" => Ok(Stage::TopP),
        "min_p" => Ok(Stage::MinP),
        "xtc" => Ok(Stage::Xtc),
        _ => Err(Error::range(
            NAME,
            "order",
            "vllm, llama.cpp, mlx-lm or stages by comma",
            format!("{name:?}"),
        )),
    };
    match name {
        "vllm" => Ok(Order::VLLM),
        "llama.cpp" => Ok(Order::LLAMA_CPP),
        "mlx-lm" => Ok(Order::MLX_LM),
        _ => Order::new(&name.split(',').map(stage).collect::<Result<Vec<_>>>()?),
    }
}

impl Row {
    fn read(key: u64, vocabulary: usize, keywords: &Bound<'_, PyDict>, prompt: Vec<u32>) -> PyResult<Self> {
        let off = Sampling::default();
        let order_name: Option<String> = take(keywords, "order")?;
        // vLLM writes "all tokens" as -1 or 0.
        let top_k: i64 = take(keywords, "top_k")?.unwrap_or(0);
        let sampling = Sampling {
            temperature: take(keywords, "temperature")?.unwrap_or(1.0),
            top_k: u32::try_from(top_k.max(0)).unwrap_or(u32::MAX),
            top_p: take(keywords, "top_p")?.unwrap_or(off.top_p),
            min_p: take(keywords, "min_p")?.unwrap_or(off.min_p),
            typical_p: take(keywords, "typical_p")?.unwrap_or(off.typical_p),
            top_n_sigma: take(keywords, "top_n_sigma")?.unwrap_or(off.top_n_sigma),
            xtc_probability: take(keywords, "xtc_probability")?.unwrap_or(off.xtc_probability),
            xtc_threshold: take(keywords, "xtc_threshold")?.unwrap_or(off.xtc_threshold),
            order: order_name.map_or(Ok(off.order), |name| order(&name)).map_err(raise)?,
            seed: take(keywords, "seed")?.unwrap_or(0),
            position: 0,
        };
        if top_k < -1 {
            let error = Error::range(NAME, "top_k", "at least 1, or 0 or -1 for all", top_k);
            return Err(raise(error));
        }
        let off = TextSampling::default();
        let bias: Option<HashMap<u32, f32>> = take(keywords, "logit_bias")?;
        let how = TextSampling {
            sampling,
            repetition_penalty: penalty(keywords, "repetition_penalty", off.repetition_penalty)?,
            frequency_penalty: penalty(keywords, "frequency_penalty", off.frequency_penalty)?,
            presence_penalty: penalty(keywords, "presence_penalty", off.presence_penalty)?,
            dry: dry(keywords)?,
            logit_bias: bias.into_iter().flatten().collect(),
            allowed_token_ids: take(keywords, "allowed_token_ids")?,
            stop_token_ids: take(keywords, "stop_token_ids")?.unwrap_or_default(),
            min_tokens: take(keywords, "min_tokens")?.unwrap_or(0),
            logprobs: take(keywords, "logprobs")?.unwrap_or(0),
        };
        let max_tokens = take(keywords, "max_tokens")?.unwrap_or(usize::MAX);
        if let Some((name, _)) = keywords.iter().find(|(_, value)| !value.is_none()) {
            return Err(PyValueError::new_err(format!("sampler: {name} is no parameter")));
        }
        let sampler = TextSampler::new(how, vocabulary).map_err(told)?;
        sampler.check_tokens("prompt", &prompt).map_err(told)?;
        Ok(Self { key, sampler, max_tokens, prompt, output: Vec::new() })
    }

    fn finished(&self) -> Option<&'static str> {
        if self.sampler.ends(&self.output) {
            return Some("stop");
        }
        (!self.output.is_empty() && self.output.len() >= self.max_tokens).then_some("length")
    }
}

/// An error of the kernels as one of the session's.
fn told(error: Error) -> PyErr {
    raise(error.within(NAME))
}

/// What one step gives: token, log-probability, the likeliest tokens with theirs, and why the text has ended, if so.
type Drawn = (u32, f32, Vec<(u32, f32)>, Option<&'static str>);

fn step(logits: &Tensor, session: &Mutex<Vec<Row>>, keys: Option<&[u64]>) -> Result<Vec<Drawn>> {
    let stream = crate::device::stream(logits.device())?;
    let mut session = session.lock().unwrap_or_else(PoisonError::into_inner);
    let places: Vec<usize> = match keys {
        None => (0..session.len()).collect(),
        Some(keys) => {
            let mut seen = HashSet::new();
            let place = |key: &u64| {
                let found = session.iter().position(|row| row.key == *key).filter(|_| seen.insert(*key));
                found.ok_or_else(|| Error::range(NAME, "rows", "keys of this session, each once", *key))
            };
            keys.iter().map(place).collect::<Result<_>>()?
        }
    };
    let texts: Vec<Text<'_>> = places
        .iter()
        .map(|&place| &session[place])
        .map(|row| Text { sampler: &row.sampler, prompt: &row.prompt, output: &row.output })
        .collect();
    let drawn = draw(&stream, logits, &texts).map_err(|error| error.within(NAME))?;
    let given = drawn.into_iter().zip(places).map(|(drawn, place)| {
        let row = &mut session[place];
        row.output.push(drawn.id);
        (drawn.id, drawn.logprob, drawn.top, row.finished())
    });
    Ok(given.collect())
}

#[pymethods]
impl SamplerSession {
    #[new]
    fn new(vocab_size: usize) -> PyResult<Self> {
        if vocab_size == 0 || vocab_size > i32::MAX as usize {
            return Err(PyValueError::new_err(format!(
                "sampler: vocab_size is {vocab_size}, expected 1 to 2^31 - 1"
            )));
        }
        Ok(Self { vocabulary: vocab_size, rows: Arc::default() })
    }

    /// Takes in a text. Its key is the caller's.
    fn add(&self, key: u64, prompt: Vec<u32>, parameters: &Bound<'_, PyDict>) -> PyResult<()> {
        let row = Row::read(key, self.vocabulary, &parameters.copy()?, prompt)?;
        let mut rows = self.rows.lock().unwrap_or_else(PoisonError::into_inner);
        if rows.iter().any(|row| row.key == key) {
            return Err(PyKeyError::new_err(format!("sampler: row {key} is there already")));
        }
        rows.push(row);
        Ok(())
    }

    /// Lets a text go; gives what was drawn for it.
    fn remove(&self, key: u64) -> PyResult<Vec<u32>> {
        let mut rows = self.rows.lock().unwrap_or_else(PoisonError::into_inner);
        let place = rows.iter().position(|row| row.key == key);
        let place = place.ok_or_else(|| PyKeyError::new_err(format!("sampler: there is no row {key}")))?;
        Ok(rows.remove(place).output)
    }

    /// The keys of the rows, in the order that `step` takes logits in.
    #[getter]
    fn rows(&self) -> Vec<u64> {
        self.rows.lock().unwrap_or_else(PoisonError::into_inner).iter().map(|row| row.key).collect()
    }

    /// What was drawn for a text so far.
    fn output(&self, key: u64) -> PyResult<Vec<u32>> {
        let rows = self.rows.lock().unwrap_or_else(PoisonError::into_inner);
        let row = rows.iter().find(|row| row.key == key);
        row.map(|row| row.output.clone())
            .ok_or_else(|| PyKeyError::new_err(format!("sampler: there is no row {key}")))
    }

    /// Draws a token for each row, and takes it into its history.
    fn step(
        &self,
        py: Python<'_>,
        logits: &Bound<'_, PyAny>,
        rows: Option<Vec<u64>>,
        device: Option<crate::device::DeviceLike>,
    ) -> PyResult<Vec<Drawn>> {
        let logits = array::tensor(logits)?;
        let device = device.map(crate::device::DeviceLike::resolve).transpose()?.unwrap_or(logits.device());
        if logits.rank() == 2 && logits.dims()[1] != self.vocabulary {
            let expected = format!("[rows, {}]", self.vocabulary);
            return Err(raise(Error::shape(NAME, "logits", expected, logits.shape())));
        }
        let session = self.rows.clone();
        interruptible(py, takes_long(device, std::slice::from_ref(&logits)), move || {
            let logits = place(&logits, &crate::device::stream(device)?)?;
            step(&logits, &session, rows.as_deref())
        })
    }
}
