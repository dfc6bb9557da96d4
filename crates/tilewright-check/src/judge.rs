//! One case, judged.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;

use tilewright_core::{Case, Device, Error, Expected, Kernel, Result, Stream, Tensor, poison_new_memory};

use crate::compare::{Mismatch, Worst, compare};
use crate::mutate::{Fate, Mutant, mutants};

/// Why a run was not accepted.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Failure {
    /// The kernel gave an error for a case that it says it supports.
    #[error("{0}")]
    Error(#[from] Error),
    /// The kernel panicked.
    #[error("panicked: {0}")]
    Panicked(String),
    /// An output is wrong.
    #[error("output {name} {mismatch}")]
    Output {
        /// The output.
        name: &'static str,
        /// What is wrong with it.
        mismatch: Mismatch,
    },
    /// The number of outputs is wrong.
    #[error("gave {got} outputs, expected {expected}")]
    Count {
        /// What it gave.
        got: usize,
        /// What it has to give.
        expected: usize,
    },
    /// An output lies on another device than the stream's: work was done elsewhere.
    #[error("output {name} lies on {got}, not on {expected}")]
    Elsewhere {
        /// The output.
        name: &'static str,
        /// Where it lies.
        got: Device,
        /// The stream's device.
        expected: Device,
    },
    /// A quality ratio is above its limit, or NaN.
    #[error("{name} is {ratio:.3e}, the limit is {limit}")]
    Residual {
        /// The formula.
        name: &'static str,
        /// Its value.
        ratio: f64,
        /// What it may be.
        limit: f64,
    },
    /// Memory of an input changed.
    #[error("input {0} was changed")]
    InputChanged(&'static str),
    /// Two runs on the same inputs differ.
    #[error("output {0} differs between two runs on the same inputs")]
    Unrepeatable(&'static str),
}

/// One case of a kernel with its inputs and its truth, which are made once for all devices and variants.
pub struct Trial<'k> {
    kernel: &'k dyn Kernel,
    case: Case,
    inputs: Vec<Tensor>,
    expected: Vec<Expected>,
}

impl<'k> Trial<'k> {
    /// Makes inputs and truth. Fails where the kernel's own evidence does not fit its [`Spec`](tilewright_core::Spec).
    pub fn new(kernel: &'k dyn Kernel, case: Case) -> Result<Self> {
        let spec = kernel.spec();
        let inputs = kernel.inputs(&case)?;
        let needed = spec.inputs.iter().filter(|slot| !slot.optional).count();
        if !(needed..=spec.inputs.len()).contains(&inputs.len()) {
            let allowed = format!("{needed} to {}", spec.inputs.len());
            return Err(Error::range(spec.name, "number of inputs of the case", allowed, inputs.len()));
        }
        let expected = kernel.expected(&case, &inputs)?;
        if expected.len() != spec.outputs.len() {
            let argument = "number of expected outputs of the case";
            return Err(Error::range(spec.name, argument, spec.outputs.len(), expected.len()));
        }
        Ok(Self { kernel, case, inputs, expected })
    }

    /// The kernel.
    pub fn kernel(&self) -> &'k dyn Kernel {
        self.kernel
    }

    /// The case.
    pub fn case(&self) -> &Case {
        &self.case
    }

    /// The inputs, on the host.
    pub fn inputs(&self) -> &[Tensor] {
        &self.inputs
    }

    /// What each output has to be.
    pub fn expected(&self) -> &[Expected] {
        &self.expected
    }

    /// Copies of the inputs on the stream's device, strides kept.
    pub fn upload(&self, stream: &Stream) -> Result<Vec<Tensor>> {
        self.inputs.iter().map(|input| upload(stream, input)).collect()
    }

    /// Runs one variant twice on poisoned memory. Accepted are outputs that lie on the stream's device, are what they
    /// have to be, have good residuals, and come out bit for bit again; inputs must be left as they were.
    ///
    /// Gives the worst share and the outputs of the first run.
    pub fn judge(&self, stream: &Stream, variant: Option<&str>) -> Result<(Worst, Vec<Tensor>), Failure> {
        let _poison = Poison::on();
        let spec = self.kernel.spec();
        let inputs = self.upload(stream)?;
        let run = || {
            let run = || {
                let outputs = self.kernel.run(stream, variant, &self.case.args, &inputs)?;
                stream.synchronize()?;
                Ok::<_, Error>(outputs)
            };
            catch_unwind(AssertUnwindSafe(run)).map_err(panic_message)?.map_err(Failure::Error)
        };
        let outputs = run()?;
        let worst = self.assess(&outputs)?;
        for (slot, output) in self.present().zip(&outputs) {
            let (name, got, expected) = (slot.0, output.device(), stream.device());
            if got != expected {
                return Err(Failure::Elsewhere { name, got, expected });
            }
        }
        let again = run()?;
        for (slot, (first, second)) in self.present().zip(outputs.iter().zip(&again)) {
            if first.dims() != second.dims() || first.to_bytes()? != second.to_bytes()? {
                return Err(Failure::Unrepeatable(slot.0));
            }
        }
        for (slot, (original, used)) in spec.inputs.iter().zip(self.inputs.iter().zip(&inputs)) {
            if whole_buffer(original)? != whole_buffer(used)? {
                return Err(Failure::InputChanged(slot.name));
            }
        }
        Ok((worst, outputs))
    }

    /// Judges outputs, however they came about, against the truth and by their residuals.
    pub fn assess(&self, outputs: &[Tensor]) -> Result<Worst, Failure> {
        let expected = self.present().count();
        if outputs.len() != expected {
            return Err(Failure::Count { got: outputs.len(), expected });
        }
        let mut worst = Worst::default();
        for ((name, expected), output) in self.present().zip(outputs) {
            let mut found =
                compare(expected, Some(output)).map_err(|mismatch| Failure::Output { name, mismatch })?;
            found.place = format!("{name} {}", found.place);
            worst = worst.join(found);
        }
        let outputs = outputs.iter().map(Tensor::to_host).collect::<Result<Vec<_>>>()?;
        let residuals = || self.kernel.residuals(&self.case, &self.inputs, &outputs);
        for residual in catch_unwind(AssertUnwindSafe(residuals)).map_err(panic_message)?? {
            let share = residual.ratio / residual.limit;
            if share.is_nan() || share > 1.0 {
                let (name, ratio, limit) = (residual.name, residual.ratio, residual.limit);
                return Err(Failure::Residual { name, ratio, limit });
            }
            worst = worst.join(Worst { share, place: residual.name.to_owned() });
        }
        Ok(worst)
    }

    /// Whether outputs that are not the expected ones answer the same problem all the same.
    pub fn answers(&self, outputs: &[Tensor]) -> Result<bool> {
        let outputs = outputs.iter().map(Tensor::to_host).collect::<Result<Vec<_>>>()?;
        self.kernel.answers(&self.case, &self.inputs, &outputs)
    }

    /// The worst max |out - truth| / max |truth| of the outputs whose truth is a number each; `None` where there is none, or one has another shape.
    ///
    /// It says how accurate a result is where the judge only says that it is accurate enough, or that it is not.
    pub fn error(&self, outputs: &[Tensor]) -> Option<f64> {
        let mut worst = None;
        for ((_, expected), output) in self.present().zip(outputs) {
            let Expected::Values { shape, value, .. } = expected else { continue };
            if output.dims() != &shape[..] {
                return None;
            }
            let largest = value.iter().fold(0.0f64, |largest, truth| largest.max(truth.abs()));
            let got = output.to_f64_vec().ok()?;
            let apart = got.iter().zip(value).map(|(got, truth)| (got - truth).abs());
            // A NaN is no small error.
            let larger = |most: f64, one: f64| if most.is_nan() || most > one { most } else { one };
            let apart = apart.fold(0.0, larger);
            if largest > 0.0 && largest.is_finite() {
                worst = Some(larger(worst.unwrap_or(0.0), apart / largest));
            }
        }
        worst
    }

    /// Judges every mutant of accepted outputs: the mutation, the output that it hit, and what became of it.
    pub fn mutate(&self, outputs: &[Tensor]) -> Result<Vec<(&'static str, &'static str, Fate)>> {
        let (names, expected): (Vec<_>, Vec<_>) = self.present().unzip();
        let judged = |mutant: Mutant| {
            let fate = match self.assess(&mutant.outputs) {
                Err(_) => Fate::Caught,
                Ok(_) if mutant.excusable => Fate::Excused,
                Ok(_) => Fate::Missed,
            };
            (mutant.mutation, names[mutant.output], fate)
        };
        Ok(mutants(&expected, outputs)?.into_iter().map(judged).collect())
    }

    /// The outputs that this case has, by name, with what they have to be.
    fn present(&self) -> impl Iterator<Item = (&'static str, &Expected)> {
        let named = self.kernel.spec().outputs.iter().zip(&self.expected);
        named
            .filter(|(_, expected)| !matches!(expected, Expected::Absent))
            .map(|(slot, expected)| (slot.name, expected))
    }
}

/// A copy of a host tensor in memory of its own on the stream's device, with the same strides and offset.
pub fn upload(stream: &Stream, tensor: &Tensor) -> Result<Tensor> {
    let bytes = whole_buffer(tensor)?;
    Tensor::from_buffer(stream.driver().upload(&bytes)?, tensor.dtype(), *tensor.layout())
}

/// All bytes of the tensor's memory, also those that the view leaves out.
fn whole_buffer(tensor: &Tensor) -> Result<Vec<u8>> {
    let buffer = tensor.buffer();
    let mut bytes = vec![0; buffer.bytes()];
    if !bytes.is_empty() {
        buffer.download(0, &mut bytes)?;
    }
    Ok(bytes)
}

fn panic_message(payload: Box<dyn std::any::Any + Send>) -> Failure {
    let text = payload.downcast_ref::<String>().map(String::as_str);
    let text = text.or_else(|| payload.downcast_ref::<&str>().copied()).unwrap_or("without a message");
    Failure::Panicked(text.to_owned())
}

/// Poison is a switch of the whole process; it stays on while any judge is at work.
struct Poison;

static JUDGES: Mutex<usize> = Mutex::new(0);

impl Poison {
    fn on() -> Self {
        let mut judges = JUDGES.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        *judges += 1;
        poison_new_memory(true);
        Poison
    }
}

impl Drop for Poison {
    fn drop(&mut self) {
        let mut judges = JUDGES.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        *judges -= 1;
        poison_new_memory(*judges > 0);
    }
}
