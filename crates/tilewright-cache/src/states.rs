//! States of recurrent models in few bytes.

use tilewright_core::{DType, Error, Result, Stream, Tensor};
use tilewright_kernels::elementwise::{Axpy, CopyTo, axpy, copy};
use tilewright_kernels::pack::{Format, Quantize, Quantized};

const NAME: &str = "stored state";

/// What a tensor of a state is kept as.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Values {
    /// What it is.
    #[default]
    Whole,
    /// bf16.
    Bf16,
    /// Integers of 8 bits, with one scale for so many neighbours: a power of two from 16 to 1024, or 0 for a row.
    Int8 {
        /// Neighbours of a scale.
        block: usize,
    },
}

/// How a tensor of a state is kept.
///
/// With error feedback what a rounding loses is kept too, in 4 bits, and comes back when the state is read: it is part of the next update instead of being
/// lost again and again. A state that is stored between all steps needs that: updates that are less than half a rounding step would otherwise never
/// arrive. The relative error of what is read from an mLSTM's state (d = 64, forget gates of 0.993, the state stored and restored after each of 400
/// tokens; the test `what_feedback_is_worth` measures it) and the bits of an element:
///
/// | C is kept as | bits | error of h |
/// |---|---|---|
/// | bf16 | 16 | 1.4e-2 |
/// | bf16 with feedback | 20.25 | 1.8e-3 |
/// | int8, blocks of 64 | 8.5 | 4.7e-2 |
/// | int8, blocks of 64, with feedback | 13 | 3.4e-3 |
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct StateFormat {
    /// Default whole.
    pub values: Values,
    /// Whether what rounding loses is kept. Default false.
    pub feedback: bool,
}

/// Neighbours of a scale of what bf16 loses.
const BLOCK: usize = 128;

/// A state as it is kept: its tensors, each in a format of its own. A clone shares their memory, so that forking one copies nothing.
///
/// ```
/// use tilewright_cache::{Snapshots, StateFormat, StoredState, Values};
/// use tilewright_core::{Stream, Tensor};
///
/// let cpu = Stream::cpu();
/// let c = Tensor::from_vec((0..4096).map(|at| (at as f32).sin()).collect::<Vec<_>>(), [64, 64])?;
/// let m = Tensor::from_vec(vec![0.5f32], [1])?;
/// let small = StateFormat { values: Values::Int8 { block: 64 }, feedback: true };
/// let stored = StoredState::new(&cpu, &[(&c, small), (&m, StateFormat::default())])?;
/// assert_eq!(stored.bytes(), 4096 + 64 * 4 + 2048 + 64 * 4 + 4);
/// assert!(stored.errors(&cpu, &[&c, &m])?[0] < 6e-4);
///
/// let states = Snapshots::new(1 << 20);
/// let bytes = stored.bytes();
/// states.put(&[1, 2, 3], 0, stored, bytes);
/// let (_, found) = states.longest(&[1, 2, 3, 4], 0).expect("it is there");
/// assert_eq!(found.restore(&cpu)?[1].to_vec::<f32>()?, [0.5]);
/// # Ok::<(), tilewright_core::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct StoredState {
    parts: Vec<Part>,
}

#[derive(Debug, Clone)]
struct Part {
    dtype: DType,
    held: Held,
    /// What rounding lost.
    residual: Option<Quantized>,
}

#[derive(Debug, Clone)]
enum Held {
    Float(Tensor),
    Int8(Box<Quantized>),
}

fn converted(stream: &Stream, x: &Tensor, dtype: DType) -> Result<Tensor> {
    if x.dtype() == dtype { Ok(x.clone()) } else { copy(stream, x, &CopyTo { dtype: Some(dtype) }) }
}

impl Part {
    fn new(stream: &Stream, x: &Tensor, format: StateFormat) -> Result<Self> {
        let mut part = Part { dtype: x.dtype(), held: Held::Float(x.clone()), residual: None };
        let block = match format.values {
            Values::Whole => return Ok(part),
            Values::Bf16 => BLOCK,
            Values::Int8 { block } => block,
        };
        if !matches!(x.dtype(), DType::F32 | DType::F16 | DType::Bf16) {
            return Err(Error::dtype(NAME, "state", "f32, f16, bf16", x.dtype()));
        }
        let x = converted(stream, x, DType::F32)?;
        let coding = |bits: usize| Quantize { bits, format: Format::Int, block };
        part.held = match format.values {
            Values::Int8 { .. } => Held::Int8(Box::new(Quantized::of(stream, &x, &coding(8))?)),
            _ => Held::Float(converted(stream, &x, DType::Bf16)?),
        };
        if format.feedback {
            let lost = axpy(stream, &part.rounded(stream)?, &x, &Axpy { alpha: -1.0 })?;
            part.residual = Some(Quantized::of(stream, &lost, &coding(4))?);
        }
        Ok(part)
    }

    /// What is kept without what rounding lost, in f32.
    fn rounded(&self, stream: &Stream) -> Result<Tensor> {
        match &self.held {
            Held::Float(x) => converted(stream, x, DType::F32),
            Held::Int8(x) => x.to_float(stream, DType::F32),
        }
    }

    fn restore(&self, stream: &Stream) -> Result<Tensor> {
        let x = match (&self.held, &self.residual) {
            (Held::Float(x), None) => x.clone(),
            (_, None) => self.rounded(stream)?,
            (_, Some(lost)) => {
                let lost = lost.to_float(stream, DType::F32)?;
                axpy(stream, &lost, &self.rounded(stream)?, &Axpy::default())?
            }
        };
        converted(stream, &x, self.dtype)
    }

    fn bytes(&self) -> usize {
        let held = match &self.held {
            Held::Float(x) => x.bytes(),
            Held::Int8(x) => x.bytes(),
        };
        held + self.residual.as_ref().map_or(0, Quantized::bytes)
    }
}

impl StoredState {
    /// Keeps the tensors of a state, where they lie. Fails on a dtype that is not a float of 32 or 16 bits where it is to be rounded, or a block that cannot be.
    pub fn new(stream: &Stream, state: &[(&Tensor, StateFormat)]) -> Result<Self> {
        let part = |&(x, format): &(&Tensor, StateFormat)| Part::new(stream, x, format);
        Ok(StoredState { parts: state.iter().map(part).collect::<Result<_>>()? })
    }

    /// The tensors, in their dtypes.
    pub fn restore(&self, stream: &Stream) -> Result<Vec<Tensor>> {
        self.parts.iter().map(|part| part.restore(stream)).collect()
    }

    /// Bytes of what is kept.
    pub fn bytes(&self) -> usize {
        self.parts.iter().map(Part::bytes).sum()
    }

    /// How far what is restored is from a state, each tensor by the norm of the difference, relative to its own: 0 where both are 0.
    pub fn errors(&self, stream: &Stream, state: &[&Tensor]) -> Result<Vec<f64>> {
        if state.len() != self.parts.len() {
            return Err(Error::range(NAME, "state", format!("{} tensors", self.parts.len()), state.len()));
        }
        let one = |(restored, x): (Tensor, &&Tensor)| {
            if restored.dims() != x.dims() {
                return Err(Error::shape(NAME, "state", restored.shape(), x.shape()));
            }
            let (restored, x) = (restored.to_f64_vec()?, x.to_f64_vec()?);
            let norm = |terms: &mut dyn Iterator<Item = f64>| terms.map(|x| x * x).sum::<f64>().sqrt();
            let distance = norm(&mut restored.iter().zip(&x).map(|(a, b)| a - b));
            Ok(if distance == 0.0 { 0.0 } else { distance / norm(&mut x.iter().copied()) })
        };
        self.restore(stream)?.into_iter().zip(state).map(one).collect()
    }
}
