//! A sampler session: many texts, each with parameters, seed and history of its own, drawn for together.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};

use pyo3::exceptions::{PyKeyError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::PyDict;
use tilewright_core::{DType, Error, Kind, Result, Stream, Tensor};
use tilewright_kernels::elementwise::{CopyTo, copy};
use tilewright_kernels::gather::embedding;
use tilewright_kernels::reduce::{Logsumexp, logsumexp};
use tilewright_kernels::sample::{
    Order, Parameters, Penalize, Sample, Sampling, Stage, dry, penalize, sample,
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
    sampling: Sampling,
    repetition: Penalty,
    frequency: Penalty,
    presence: Penalty,
    dry: Dry,
    biases: Vec<(i32, f32)>,
    /// Bits of the tokens that are allowed.
    mask: Option<Vec<u32>>,
    stop: Vec<u32>,
    min_tokens: usize,
    max_tokens: usize,
    logprobs: usize,
    prompt: Vec<i32>,
    output: Vec<i32>,
}

/// A penalty and the tokens that it is for.
#[derive(Clone, Copy, PartialEq)]
struct Penalty {
    value: f32,
    /// Whether the prompt's tokens count.
    prompt: bool,
    /// How many of the last tokens count; 0 is all.
    context: usize,
}

impl Penalty {
    fn read(keywords: &Bound<'_, PyDict>, name: &str, prompt: bool) -> PyResult<Self> {
        let value = take(keywords, name)?.unwrap_or(if name.starts_with("rep") { 1.0 } else { 0.0 });
        let context = take(keywords, &name.replace("penalty", "context_size"))?;
        // With a context, as mlx-lm has it, all penalties see the prompt; without one, as vLLM has it, repetition alone.
        Ok(Self { value, prompt: prompt || context.is_some(), context: context.unwrap_or(0) })
    }

    /// The tokens that count in a row.
    fn history(self, row: &Row) -> Vec<i32> {
        let before = if self.prompt { &row.prompt[..] } else { &[] };
        let all = before.len() + row.output.len();
        let skip = if self.context > 0 { all.saturating_sub(self.context) } else { 0 };
        before.iter().chain(&row.output).skip(skip).copied().collect()
    }
}

/// The penalty on what would go on with a repetition.
#[derive(Clone)]
struct Dry {
    /// 0 is off.
    multiplier: f32,
    base: f32,
    allowed: u32,
    /// How many of the last tokens count, prompt and text.
    last: usize,
    /// Sequences that no repetition reaches across.
    breakers: Vec<Vec<i32>>,
}

impl Dry {
    fn read(
        keywords: &Bound<'_, PyDict>,
        check: impl Fn(&'static str, u32) -> PyResult<i32>,
    ) -> PyResult<Self> {
        let multiplier: f32 = take(keywords, "dry_multiplier")?.unwrap_or(0.0);
        let base: f32 = take(keywords, "dry_base")?.unwrap_or(1.75);
        let allowed = take(keywords, "dry_allowed_length")?.unwrap_or(2);
        let last: i64 = take(keywords, "dry_penalty_last_n")?.unwrap_or(-1);
        for (name, value) in [("dry_multiplier", multiplier), ("dry_base", base)] {
            if !(value >= 0.0 && value.is_finite()) {
                return Err(raise(Error::range(NAME, name, "a finite number >= 0", value)));
            }
        }
        // It goes to the kernel as an f32.
        if allowed > 1 << 24 {
            return Err(raise(Error::range(NAME, "dry_allowed_length", "at most 2^24", allowed)));
        }
        if last < -1 {
            let expected = "at least 1, -1 for all, or 0 for off";
            return Err(raise(Error::range(NAME, "dry_penalty_last_n", expected, last)));
        }
        let given: Vec<Vec<u32>> = take(keywords, "dry_sequence_breakers")?.unwrap_or_default();
        let breaker = |tokens: Vec<u32>| {
            if tokens.is_empty() {
                let expected = "sequences of at least one token";
                return Err(raise(Error::range(NAME, "dry_sequence_breakers", expected, "an empty one")));
            }
            tokens.into_iter().map(|token| check("dry_sequence_breakers", token)).collect()
        };
        let breakers = given.into_iter().map(breaker).collect::<PyResult<_>>()?;
        let multiplier = if last == 0 { 0.0 } else { multiplier };
        Ok(Self { multiplier, base, allowed, last: usize::try_from(last).unwrap_or(usize::MAX), breakers })
    }

    /// The tokens that count in a row.
    fn history(&self, row: &Row) -> Vec<i32> {
        let skip = (row.prompt.len() + row.output.len()).saturating_sub(self.last);
        row.prompt.iter().chain(&row.output).skip(skip).copied().collect()
    }
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
    fn read(key: u64, vocabulary: usize, keywords: &Bound<'_, PyDict>, prompt: &[u32]) -> PyResult<Self> {
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
        // Checks the numbers, with their names.
        Parameters::new(&[sampling]).map_err(raise)?;
        if top_k < -1 {
            let error = Error::range(NAME, "top_k", "at least 1, or 0 or -1 for all", top_k);
            return Err(raise(error));
        }
        let check = |what: &'static str, token: u32| match (token as usize) < vocabulary {
            true => Ok(token as i32),
            false => Err(raise(Error::range(NAME, what, format!("tokens below {vocabulary}"), token))),
        };
        let repetition = Penalty::read(keywords, "repetition_penalty", true)?;
        let frequency = Penalty::read(keywords, "frequency_penalty", false)?;
        let presence = Penalty::read(keywords, "presence_penalty", false)?;
        if !(repetition.value > 0.0 && repetition.value.is_finite()) {
            let expected = "a finite number > 0";
            return Err(raise(Error::range(NAME, "repetition_penalty", expected, repetition.value)));
        }
        for (name, penalty) in [("frequency_penalty", frequency), ("presence_penalty", presence)] {
            if !penalty.value.is_finite() {
                return Err(raise(Error::range(NAME, name, "a finite number", penalty.value)));
            }
        }
        let dry = Dry::read(keywords, check)?;
        let mut biases = Vec::new();
        let given: Option<std::collections::HashMap<u32, f32>> = take(keywords, "logit_bias")?;
        for (token, bias) in given.into_iter().flatten() {
            if bias.is_nan() || bias == f32::INFINITY {
                return Err(raise(Error::range(NAME, "logit_bias", "numbers below infinity", bias)));
            }
            biases.push((check("logit_bias", token)?, bias));
        }
        biases.sort_unstable_by_key(|&(token, _)| token);
        let allowed: Option<Vec<u32>> = take(keywords, "allowed_token_ids")?;
        let mask = allowed.map(|allowed| {
            if allowed.is_empty() {
                return Err(PyValueError::new_err(
                    "sampler: allowed_token_ids is empty: nothing could be drawn",
                ));
            }
            let mut bits = vec![0u32; vocabulary.div_ceil(32)];
            for token in allowed {
                check("allowed_token_ids", token)?;
                bits[token as usize / 32] |= 1 << (token % 32);
            }
            Ok(bits)
        });
        let stop: Vec<u32> = take(keywords, "stop_token_ids")?.unwrap_or_default();
        let row = Self {
            key,
            sampling,
            repetition,
            frequency,
            presence,
            dry,
            biases,
            mask: mask.transpose()?,
            min_tokens: take(keywords, "min_tokens")?.unwrap_or(0),
            max_tokens: take(keywords, "max_tokens")?.unwrap_or(usize::MAX),
            logprobs: take(keywords, "logprobs")?.unwrap_or(0),
            prompt: prompt.iter().map(|&token| check("prompt", token)).collect::<PyResult<_>>()?,
            output: Vec::new(),
            stop,
        };
        row.stop.iter().try_for_each(|&token| check("stop_token_ids", token).map(drop))?;
        if row.logprobs > vocabulary {
            let expected = format!("at most {vocabulary}, the tokens there are");
            return Err(raise(Error::range(NAME, "logprobs", expected, row.logprobs)));
        }
        keywords.iter().find(|(_, value)| !value.is_none()).map_or(Ok(row), |(name, _)| {
            Err(PyValueError::new_err(format!("sampler: {name} is no parameter")))
        })
    }

    /// The biases now: the tokens that end a text have minus infinity for as long as it is too short.
    fn biases(&self) -> Vec<(i32, f32)> {
        let mut biases = self.biases.clone();
        if self.output.len() < self.min_tokens {
            for &token in &self.stop {
                biases.retain(|&(other, _)| other != token as i32);
                biases.push((token as i32, f32::NEG_INFINITY));
            }
        }
        biases
    }

    fn finished(&self) -> Option<&'static str> {
        let last = self.output.last()?;
        if self.stop.contains(&(*last as u32)) && self.output.len() > self.min_tokens {
            return Some("stop");
        }
        (self.output.len() >= self.max_tokens).then_some("length")
    }
}

/// Rows of different lengths as a tensor, filled up.
fn table<T: tilewright_core::Element + Copy>(stream: &Stream, rows: &[Vec<T>], fill: T) -> Result<Tensor> {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0).max(1);
    let mut all = Vec::with_capacity(rows.len() * columns);
    for row in rows {
        all.extend_from_slice(row);
        all.resize(all.len() + columns - row.len(), fill);
    }
    Tensor::from_vec(all, [rows.len(), columns])?.to(stream)
}

/// The logits as all rows' biases, masks and penalties change them, in vLLM's order; `None` where no row asks for any.
fn changed(stream: &Stream, logits: &Tensor, rows: &[Row]) -> Result<Option<Tensor>> {
    let n = rows.len();
    let mut now: Option<Tensor> = None;
    let mut pass =
        |penalties: Vec<f32>, history: &[Vec<i32>], biases: &[Vec<(i32, f32)>], mask: Option<Tensor>| {
            let tokens: Vec<Vec<i32>> =
                biases.iter().map(|row| row.iter().map(|pair| pair.0).collect()).collect();
            let values: Vec<Vec<f32>> =
                biases.iter().map(|row| row.iter().map(|pair| pair.1).collect()).collect();
            let out = penalize(
                stream,
                now.as_ref().unwrap_or(logits),
                &Tensor::from_vec(penalties, [n, 3])?.to(stream)?,
                &table(stream, history, -1)?,
                &table(stream, &tokens, -1)?,
                &table(stream, &values, 0.0)?,
                mask.as_ref(),
                &Penalize::default(),
            )?;
            now = Some(out);
            Result::Ok(())
        };
    let (none, nothing) = (vec![Vec::new(); n], vec![Vec::new(); n]);
    let biases: Vec<_> = rows.iter().map(Row::biases).collect();
    let masked = rows.iter().any(|row| row.mask.is_some());
    if masked || biases.iter().any(|biases| !biases.is_empty()) {
        let mask = masked.then(|| {
            let words = logits.dims()[1].div_ceil(32);
            let rows: Vec<_> =
                rows.iter().map(|row| row.mask.clone().unwrap_or_else(|| vec![u32::MAX; words])).collect();
            table(stream, &rows, u32::MAX)
        });
        pass([1.0, 0.0, 0.0].repeat(n), &none, &biases, mask.transpose()?)?;
    }
    if rows.iter().any(|row| row.repetition.value != 1.0) {
        // Only whether a token came counts: each once.
        let seen = |row: &Row| {
            if row.repetition.value == 1.0 {
                return Vec::new();
            }
            let mut tokens = row.repetition.history(row);
            tokens.sort_unstable();
            tokens.dedup();
            tokens
        };
        let history: Vec<_> = rows.iter().map(seen).collect();
        pass(
            rows.iter().flat_map(|row| [row.repetition.value, 0.0, 0.0]).collect(),
            &history,
            &nothing,
            None,
        )?;
    }
    let same = |row: &Row| {
        (row.frequency.prompt, row.frequency.context) == (row.presence.prompt, row.presence.context)
    };
    if rows.iter().any(|row| row.frequency.value != 0.0 || row.presence.value != 0.0) {
        if rows.iter().all(|row| same(row) || row.frequency.value == 0.0 || row.presence.value == 0.0) {
            let of = |row: &Row| match (row.frequency.value != 0.0, row.presence.value != 0.0) {
                (true, _) => row.frequency.history(row),
                (false, true) => row.presence.history(row),
                (false, false) => Vec::new(),
            };
            let history: Vec<_> = rows.iter().map(of).collect();
            let penalties = rows.iter().flat_map(|row| [1.0, row.frequency.value, row.presence.value]);
            pass(penalties.collect(), &history, &nothing, None)?;
        } else {
            let history: Vec<_> = rows.iter().map(|row| row.frequency.history(row)).collect();
            pass(
                rows.iter().flat_map(|row| [1.0, row.frequency.value, 0.0]).collect(),
                &history,
                &nothing,
                None,
            )?;
            let history: Vec<_> = rows.iter().map(|row| row.presence.history(row)).collect();
            pass(
                rows.iter().flat_map(|row| [1.0, 0.0, row.presence.value]).collect(),
                &history,
                &nothing,
                None,
            )?;
        }
    }
    if rows.iter().any(|row| row.dry.multiplier > 0.0) {
        let mut out = match now {
            Some(out) if out.dtype() == DType::F32 => out,
            now => copy(stream, now.as_ref().unwrap_or(logits), &CopyTo { dtype: Some(DType::F32) })?,
        };
        repetitions(stream, &mut out, rows)?;
        return Ok(Some(out));
    }
    Ok(now)
}

/// Penalises what would go on with a repetition, after all else, as llama.cpp does. A call for each set of breakers, which its rows share.
fn repetitions(stream: &Stream, logits: &mut Tensor, rows: &[Row]) -> Result<()> {
    let mut done: Vec<&[Vec<i32>]> = Vec::new();
    for row in rows.iter().filter(|row| row.dry.multiplier > 0.0) {
        let breakers = &row.dry.breakers[..];
        if done.contains(&breakers) {
            continue;
        }
        done.push(breakers);
        let among = |row: &Row| row.dry.multiplier > 0.0 && row.dry.breakers == breakers;
        let history = rows.iter().map(|row| if among(row) { row.dry.history(row) } else { Vec::new() });
        let settings = rows.iter().flat_map(|row| {
            let multiplier = if among(row) { row.dry.multiplier } else { 0.0 };
            [multiplier, row.dry.base, row.dry.allowed as f32, 0.0]
        });
        let settings = Tensor::from_vec(settings.collect(), [rows.len(), 4])?.to(stream)?;
        let history = table(stream, &history.collect::<Vec<_>>(), -1)?;
        dry(stream, logits, &history, &settings, &table(stream, breakers, -1)?)?;
    }
    Ok(())
}

/// What one step gives: token, log-probability, the likeliest tokens with theirs, and why the text has ended, if so.
type Drawn = (u32, f32, Vec<(u32, f32)>, Option<&'static str>);

/// The log-probabilities of tokens by the logits as given.
fn logprobs_of(stream: &Stream, logits: &Tensor, ids: &[u32]) -> Result<Vec<f32>> {
    let &[rows, n] = logits.dims() else {
        return Err(Error::shape(NAME, "logits", "[rows, v]", logits.shape()));
    };
    let logits = copy(stream, logits, &CopyTo { dtype: Some(DType::F32) })?;
    let totals = logsumexp(stream, &logits, &Logsumexp::default())?;
    let places: Vec<i64> =
        ids.iter().enumerate().map(|(row, &id)| (row * n) as i64 + i64::from(id)).collect();
    let places = Tensor::from_vec(places, [rows])?.to(stream)?;
    let chosen = embedding(stream, &logits.reshape([rows * n, 1])?, &places)?.to_host()?.to_f64_vec()?;
    let totals = totals.to_host()?.to_f64_vec()?;
    Ok(chosen.iter().zip(totals).map(|(logit, total)| (logit - total) as f32).collect())
}

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
    let rows: Vec<Row> = places.iter().map(|&place| session[place].clone()).collect();
    if logits.rank() != 2 || logits.dims()[0] != rows.len() {
        return Err(Error::shape(NAME, "logits", format!("[{}, v]", rows.len()), logits.shape()));
    }
    if rows.is_empty() {
        return Ok(Vec::new());
    }
    let changed = changed(&stream, logits, &rows)?;
    let sampling: Vec<Sampling> =
        rows.iter().map(|row| Sampling { position: row.output.len() as u64, ..row.sampling }).collect();
    let top_n = rows.iter().map(|row| row.logprobs).max().unwrap_or(0);
    let parameters = Parameters::new(&sampling)?.to(&stream)?;
    let args = Sample { top_n: if changed.is_none() { top_n } else { 0 }, ..Sample::default() };
    let mut drawn = sample(&stream, changed.as_ref().unwrap_or(logits), &parameters, &args)?;
    let ids = drawn.ids.to_host()?.to_vec::<u32>()?;
    if let Some(row) = ids.iter().position(|&id| id == u32::MAX) {
        let what = "logits of a row that are NaN, infinite, or leave nothing to draw".into();
        return Err(Error::new(NAME, Kind::Numerical { what, index: row }));
    }
    let mut logprobs = drawn.logprobs.to_host()?.to_vec::<f32>()?;
    if changed.is_some() {
        // Those of the model, as vLLM gives them, not of what penalties made of it.
        logprobs = logprobs_of(&stream, logits, &ids)?;
        if top_n > 0 {
            drawn = sample(&stream, logits, &parameters, &Sample { top_n, ..Sample::default() })?;
        }
    }
    let top_ids = drawn.top_ids.to_host()?.to_vec::<u32>()?;
    let top_logprobs = drawn.top_logprobs.to_host()?.to_vec::<f32>()?;
    let mut given = Vec::with_capacity(rows.len());
    for (index, &place) in places.iter().enumerate() {
        let row = &mut session[place];
        row.output.push(ids[index] as i32);
        let range = index * top_n..index * top_n + row.logprobs;
        let top = top_ids[range.clone()].iter().copied().zip(top_logprobs[range].iter().copied());
        given.push((ids[index], logprobs[index], top.collect(), row.finished()));
    }
    Ok(given)
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
        let row = Row::read(key, self.vocabulary, &parameters.copy()?, &prompt)?;
        let mut rows = self.rows.lock().unwrap_or_else(PoisonError::into_inner);
        if rows.iter().any(|row| row.key == key) {
            return Err(PyKeyError::new_err(format!("sampler: row {key} is there already")));
        }
        rows.push(row);
        Ok(())
    }

    /// Lets a text go; gives what was drawn for it.
    fn remove(&self, key: u64) -> PyResult<Vec<i32>> {
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
    fn output(&self, key: u64) -> PyResult<Vec<i32>> {
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
