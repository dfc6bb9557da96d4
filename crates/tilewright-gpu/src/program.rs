//! A defined kernel, ready to launch.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock, RwLock};

use tilewright_core::{DType, Device, Error, Kind, Result, Shape, Stream, Tensor};

use crate::backend::{self, Backend, Pipeline};
use crate::define::{Definition, Scalar, Template};
use crate::grid::{Extent, Grid};
use crate::signature::{InputClass, Param, Signature, Specialisation, Unit, render};

/// A checked [`Definition`], compiled on demand: once per device, template values and dtypes, never per shape.
///
/// Cheap to clone and usable from any thread; threads that need the same code wait for one compilation.
///
/// ```
/// use tilewright_gpu::{Definition, Grid, Program, stream};
/// use tilewright_core::{Device, DType, Tensor};
///
/// let double = Program::new(
///     Definition::new("double_it", "uint i = thread_position_in_grid.x; y[i] = x[i] + x[i];").input("x").output_like("y", "x"),
/// )?;
/// # if tilewright_gpu::caps(Device::Emulated).is_err() { return Ok(()) }
/// let stream = stream(Device::Emulated)?;
/// let x = Tensor::from_vec(vec![1.0f32, 2.5, -3.0], [3])?.to(&stream)?;
/// let y = double.launch(&stream).input("x", &x).grid(Grid::threads([3, 1, 1]), [32, 1, 1]).run_one()?;
/// assert_eq!(y.to_vec::<f32>()?, [2.0, 5.0, -6.0]);
/// # Ok::<(), tilewright_core::Error>(())
/// ```
#[derive(Clone)]
pub struct Program(Arc<Inner>);

struct Inner {
    definition: Definition,
    ready: RwLock<HashMap<Specialisation, Arc<Ready>>>,
}

struct Ready {
    signature: Signature,
    pipeline: Pipeline,
}

impl Program {
    /// Checks names and options. Compiles nothing yet.
    pub fn new(definition: Definition) -> Result<Self> {
        definition.check()?;
        Ok(Self(Arc::new(Inner { definition, ready: RwLock::default() })))
    }

    /// The program's name.
    pub fn name(&self) -> &str {
        &self.0.definition.name
    }

    /// Begins a launch on `stream`.
    pub fn launch<'a>(&'a self, stream: &'a Stream) -> Launch<'a> {
        let definition = &self.0.definition;
        Launch {
            definition,
            inner: &self.0,
            stream,
            templates: vec![None; definition.templates.len()],
            inputs: vec![None; definition.inputs.len()],
            scalars: vec![None; definition.scalars.len()],
            in_place: definition.in_place.iter().map(|_| None).collect(),
            outputs: definition.outputs.iter().map(|_| Target::Unset).collect(),
            grid: None,
            initial: None,
            threadgroup_bytes: 0,
            failure: None,
        }
    }

    /// The source that `device`'s compiler would get for these template values and dtypes (inputs, in-place, outputs, in order).
    pub fn source(&self, device: Device, templates: &[Template], dtypes: &[DType]) -> Result<String> {
        Ok(self.unit(device, templates, dtypes)?.source)
    }

    /// Compiles the source for a CUDA architecture such as `sm_90`, without a device; what is wrong with it is the compiler's report.
    /// Templates and dtypes as [`source`](Self::source) takes them.
    ///
    /// # Errors
    /// Unsupported where NVRTC is not installed.
    pub fn compile_for(&self, architecture: &str, templates: &[Template], dtypes: &[DType]) -> Result<()> {
        let unit = self.unit(Device::Cuda(0), templates, dtypes)?;
        backend::cuda::trial(&self.0.definition, &unit, architecture)
    }

    fn unit(&self, device: Device, templates: &[Template], dtypes: &[DType]) -> Result<Unit> {
        let definition = &self.0.definition;
        let counts = [definition.inputs.len(), definition.in_place.len(), definition.outputs.len()];
        let complete =
            dtypes.len() == counts.iter().sum::<usize>() && templates.len() == definition.templates.len();
        if !complete {
            let expected = format!("{} templates and {counts:?} dtypes", definition.templates.len());
            let got = format!("{} and {}", templates.len(), dtypes.len());
            return Err(Error::range(self.name().to_owned(), "arguments", expected, got));
        }
        let (inputs, rest) = dtypes.split_at(counts[0]);
        let (in_place, outputs) = rest.split_at(counts[1]);
        let special = Specialisation {
            device,
            templates: templates.to_vec(),
            inputs: inputs.iter().map(|&dtype| (dtype, InputClass::Device)).collect(),
            in_place: in_place.to_vec(),
            outputs: outputs.to_vec(),
        };
        let signature = Signature::new(definition, &special);
        render(definition, &special, &signature)
    }
}

impl Inner {
    fn specialise(&self, backend: &Backend<'_>, special: Specialisation) -> Result<Arc<Ready>> {
        if let Some(ready) = self.ready.read().expect("no panic holds the lock").get(&special) {
            return Ok(ready.clone());
        }
        let signature = Signature::new(&self.definition, &special);
        let unit = render(&self.definition, &special, &signature)?;
        // The compile cache has one lock per key: threads that race to here wait there for a single compilation.
        let pipeline = backend.compile(&self.definition, &unit)?;
        let ready = Arc::new(Ready { signature, pipeline });
        let mut table = self.ready.write().expect("no panic holds the lock");
        Ok(table.entry(special).or_insert(ready).clone())
    }
}

enum Target<'a> {
    Unset,
    Fresh(DType, Shape),
    Into(&'a mut Tensor),
}

/// A launch being put together. What is wrong with it is told by [`Launch::run`], before anything runs.
#[must_use = "nothing runs before `run`"]
pub struct Launch<'a> {
    definition: &'a Definition,
    inner: &'a Inner,
    stream: &'a Stream,
    templates: Vec<Option<Template>>,
    inputs: Vec<Option<&'a Tensor>>,
    scalars: Vec<Option<Scalar>>,
    in_place: Vec<Option<&'a mut Tensor>>,
    outputs: Vec<Target<'a>>,
    grid: Option<(Grid, [usize; 3])>,
    initial: Option<f64>,
    threadgroup_bytes: usize,
    failure: Option<Error>,
}

/// One argument of a launch, in the order of the signature.
pub(crate) enum Arg<'a> {
    /// Memory from `offset`, `bytes` long. `contents` says whether what is in it matters; where not, the kernel must write all of it.
    Memory {
        name: &'a str,
        tensor: &'a Tensor,
        offset: usize,
        bytes: usize,
        writes: bool,
        contents: bool,
    },
    Scalar(Scalar),
    Shape(&'a Tensor),
    Strides(&'a Tensor),
    Ndim(&'a Tensor),
}

/// A checked launch, as back ends take it.
pub(crate) struct Call<'a> {
    pub(crate) name: &'a str,
    pub(crate) args: &'a [Arg<'a>],
    /// The inputs whose shape, strides or rank the body sees, by slot.
    pub(crate) described: &'a [&'a Tensor],
    pub(crate) extent: Extent,
    pub(crate) threadgroup_bytes: usize,
    pub(crate) early: bool,
    pub(crate) cooperative: bool,
}

impl<'a> Launch<'a> {
    fn fail(&mut self, error: impl FnOnce(String) -> Error) {
        let name = self.definition.name.to_string();
        self.failure.get_or_insert_with(|| error(name));
    }

    fn position(
        &mut self,
        kind: &str,
        name: &str,
        mut names: impl Iterator<Item = &'a str>,
    ) -> Option<usize> {
        let position = names.position(|known| known == name);
        if position.is_none() {
            self.fail(|program| {
                Error::range(program, name.to_owned(), format!("the name of {kind}"), "unknown")
            });
        }
        position
    }

    /// Gives a template argument its value.
    pub fn template(mut self, name: &str, value: impl Into<Template>) -> Self {
        let names = self.definition.templates.iter().map(|name| name.as_ref());
        if let Some(position) = self.position("a template argument", name, names) {
            self.templates[position] = Some(value.into());
        }
        self
    }

    /// Gives an input, which lies on the stream's device.
    pub fn input(mut self, name: &str, tensor: &'a Tensor) -> Self {
        let names = self.definition.inputs.iter().map(|name| name.as_ref());
        if let Some(position) = self.position("an input", name, names) {
            self.inputs[position] = Some(tensor);
        }
        self
    }

    /// Gives a scalar, in the very type that was declared.
    pub fn scalar(mut self, name: &str, value: impl Into<Scalar>) -> Self {
        let names = self.definition.scalars.iter().map(|(name, _)| name.as_ref());
        if let Some(position) = self.position("a scalar", name, names) {
            let (value, declared) = (value.into(), self.definition.scalars[position].1);
            if value.dtype != declared {
                self.fail(|program| Error::dtype(program, name.to_owned(), declared, value.dtype));
            }
            self.scalars[position] = Some(value);
        }
        self
    }

    /// Gives a tensor to change in place: row-major, and sharing its memory with no other tensor.
    pub fn in_place(mut self, name: &str, tensor: &'a mut Tensor) -> Self {
        let names = self.definition.in_place.iter().map(|name| name.as_ref());
        if let Some(position) = self.position("an in-place buffer", name, names) {
            self.check_writable(name, tensor);
            self.in_place[position] = Some(tensor);
        }
        self
    }

    /// Allocates an output of this dtype and shape.
    pub fn output(mut self, name: &str, dtype: DType, shape: impl TryInto<Shape, Error = Error>) -> Self {
        let names = self.definition.outputs.iter().map(|output| output.name.as_ref());
        if let Some(position) = self.position("an output", name, names) {
            match shape.try_into() {
                Ok(shape) => self.outputs[position] = Target::Fresh(dtype, shape),
                Err(error) => self.fail(|program| error.within(program)),
            }
        }
        self
    }

    /// Writes an output into memory that is there already: row-major, and shared with no other tensor.
    pub fn output_into(mut self, name: &str, tensor: &'a mut Tensor) -> Self {
        let names = self.definition.outputs.iter().map(|output| output.name.as_ref());
        if let Some(position) = self.position("an output", name, names) {
            self.check_writable(name, tensor);
            self.outputs[position] = Target::Into(tensor);
        }
        self
    }

    fn check_writable(&mut self, name: &str, tensor: &mut Tensor) {
        let why = if !tensor.is_contiguous() {
            "is written, so it must be row-major"
        } else if !tensor.is_exclusive() {
            "is written, but its memory is shared with another tensor"
        } else {
            return;
        };
        self.fail(|program| Error::layout(program, name.to_owned(), why));
    }

    /// Threads or groups in all, and threads per group.
    pub fn grid(mut self, grid: Grid, group: [usize; 3]) -> Self {
        self.grid = Some((grid, group));
        self
    }

    /// Fills every output with this value, cast to its dtype, before the kernel runs. Without it outputs start undefined.
    pub fn initial_value(mut self, value: f64) -> Self {
        self.initial = Some(value);
        self
    }

    /// Bytes of dynamic threadgroup memory.
    pub fn threadgroup_bytes(mut self, bytes: usize) -> Self {
        self.threadgroup_bytes = bytes;
        self
    }

    /// Checks everything, compiles if this specialisation is new, and submits. Returns the outputs that were allocated, in order.
    pub fn run(mut self) -> Result<Vec<Tensor>> {
        if let Some(failure) = self.failure.take() {
            return Err(failure);
        }
        let definition = self.definition;
        let program = || definition.name.to_string();
        let missing =
            |what: &str| Error::range(program(), what.to_owned(), "a value for this launch", "nothing");
        let backend = Backend::of(self.stream, &definition.name)?;
        let device = self.stream.device();
        for (position, output) in definition.outputs.iter().enumerate() {
            let (Target::Unset, Some(like)) = (&self.outputs[position], &output.like) else { continue };
            let source = definition.inputs.iter().position(|name| name == like);
            let source = source.and_then(|position| self.inputs[position]).ok_or_else(|| missing(like))?;
            self.outputs[position] = Target::Fresh(source.dtype(), *source.shape());
        }

        let mut given = Vec::with_capacity(self.inputs.len());
        for (tensor, name) in self.inputs.iter().zip(&definition.inputs) {
            given.push(tensor.ok_or_else(|| missing(name))?);
        }
        let templates: Option<Vec<Template>> = self.templates.iter().copied().collect();
        let absent = self.templates.iter().position(Option::is_none);
        let templates = templates.ok_or_else(|| missing(&definition.templates[absent.unwrap_or(0)]))?;

        for (tensor, name) in given.iter().zip(&definition.inputs) {
            check_place(definition, name, tensor, device)?;
        }
        let mut in_place: Vec<&Tensor> = Vec::with_capacity(self.in_place.len());
        for (tensor, name) in self.in_place.iter().zip(&definition.in_place) {
            let tensor = tensor.as_deref().ok_or_else(|| missing(name))?;
            check_place(definition, name, tensor, device)?;
            in_place.push(tensor);
        }
        // Sources that are not row-major are copied on the device, as `mx.fast.metal_kernel` does by default.
        let copies: Vec<Option<Tensor>> = given
            .iter()
            .map(|tensor| {
                let copy = !definition.any_strides && !tensor.is_contiguous();
                copy.then(|| row_major(self.stream, tensor)).transpose()
            })
            .collect::<Result<_>>()?;
        let inputs: Vec<&Tensor> =
            given.iter().zip(&copies).map(|(&tensor, copy)| copy.as_ref().unwrap_or(tensor)).collect();

        let (grid, group) = self.grid.ok_or_else(|| missing("grid"))?;
        let extent = grid.resolve(&definition.name, group)?;
        let mut fresh = Vec::new();
        for (target, output) in self.outputs.iter().zip(&definition.outputs) {
            match target {
                Target::Unset => return Err(missing(&output.name)),
                Target::Fresh(dtype, shape) => {
                    check_dtype(definition, &output.name, *dtype, device)?;
                    fresh.push(Tensor::empty(self.stream, *dtype, shape)?);
                }
                Target::Into(tensor) => check_place(definition, &output.name, tensor, device)?,
            }
        }
        let mut allocated = fresh.iter();
        let outputs: Vec<&Tensor> = self
            .outputs
            .iter()
            .map(|target| match target {
                Target::Into(tensor) => &**tensor,
                _ => allocated.next().expect("one was allocated for each"),
            })
            .collect();
        for (tensor, output) in outputs.iter().zip(&definition.outputs) {
            if definition.atomic_outputs
                && !matches!(tensor.dtype(), DType::F32 | DType::I32 | DType::U32 | DType::U64 | DType::I64)
            {
                let expected = "f32, i32, u32, i64 or u64 (atomic)";
                return Err(Error::dtype(program(), output.name.to_string(), expected, tensor.dtype()));
            }
            if let Some(value) = self.initial.filter(|_| !tensor.is_empty()) {
                backend.fill(tensor, value)?;
            }
        }
        if extent.is_empty() {
            return Ok(fresh);
        }

        let special = Specialisation {
            device,
            templates,
            inputs: inputs.iter().map(|tensor| (tensor.dtype(), class(definition, tensor))).collect(),
            in_place: in_place.iter().map(|tensor| tensor.dtype()).collect(),
            outputs: outputs.iter().map(|tensor| tensor.dtype()).collect(),
        };
        let ready = self.inner.specialise(&backend, special)?;
        self.check_limits(&ready.pipeline, &extent)?;

        let initial = self.initial.is_some();
        let (mut next_in, mut next_scalar) = (inputs.iter(), self.scalars.iter().zip(&definition.scalars));
        let given_outputs = self.outputs.iter().map(|target| matches!(target, Target::Into(_)));
        let (mut next_place, mut next_out) = (in_place.iter(), outputs.iter().zip(given_outputs));
        let mut args = Vec::with_capacity(ready.signature.params.len());
        let mut current: Option<&Tensor> = None;
        let described: Vec<&Tensor> = ready.signature.described.iter().map(|&index| inputs[index]).collect();
        for tensor in &described {
            check_described(definition, tensor)?;
        }
        for param in &ready.signature.params {
            let described = current;
            args.push(match param {
                Param::Input { name, .. } => {
                    let tensor = *next_in.next().expect("one per parameter");
                    current = Some(tensor);
                    memory(name, tensor, false, true)
                }
                Param::Shape { .. } => Arg::Shape(described.expect("follows its input")),
                Param::Strides { .. } => Arg::Strides(described.expect("follows its input")),
                Param::Ndim { .. } => Arg::Ndim(described.expect("follows its input")),
                Param::Scalar { .. } => {
                    let (value, (name, _)) = next_scalar.next().expect("one per parameter");
                    Arg::Scalar(value.ok_or_else(|| missing(name))?)
                }
                Param::InPlace { name, .. } => {
                    memory(name, next_place.next().expect("one per parameter"), true, true)
                }
                Param::Output { name, .. } => {
                    let (tensor, given) = next_out.next().expect("one per parameter");
                    memory(name, tensor, true, initial || given)
                }
                Param::Threadgroup { .. } | Param::BuiltIn { .. } => continue,
            });
        }
        let call = Call {
            name: &definition.name,
            args: &args,
            described: &described,
            extent,
            threadgroup_bytes: self.threadgroup_bytes,
            early: definition.early,
            cooperative: definition.cooperative,
        };
        backend.launch(&ready.pipeline, &call)?;
        Ok(fresh)
    }

    /// [`Launch::run`] for a program with one allocated output.
    pub fn run_one(self) -> Result<Tensor> {
        let program = self.definition.name.to_string();
        let mut outputs = self.run()?;
        match (outputs.pop(), outputs.pop()) {
            (Some(only), None) => Ok(only),
            (last, _) => {
                let got = outputs.len() + last.iter().len();
                Err(Error::range(program, "outputs", "exactly one allocated output", got))
            }
        }
    }

    fn check_limits(&self, pipeline: &Pipeline, extent: &Extent) -> Result<()> {
        let program = || self.definition.name.to_string();
        let limits = pipeline.limits();
        if extent.threads_per_group() > limits.threads_per_group as u64 {
            let expected = format!(
                "at most {} threads for this program on {}",
                limits.threads_per_group,
                self.stream.device()
            );
            return Err(Error::range(program(), "group", expected, format!("{:?}", extent.group)));
        }
        let (groups, most) = (extent.groups(), limits.groups);
        if (0..3).any(|axis| groups[axis] > most[axis]) {
            return Err(Error::range(
                program(),
                "grid",
                format!("at most {most:?} groups"),
                format!("{groups:?}"),
            ));
        }
        if self.threadgroup_bytes > 0 && self.definition.threadgroup.is_none() {
            let expected = "0: the definition declares no dynamic threadgroup memory";
            return Err(Error::range(program(), "threadgroup_bytes", expected, self.threadgroup_bytes));
        }
        let free = limits.threadgroup_memory.saturating_sub(limits.threadgroup_static);
        if self.threadgroup_bytes > free {
            let expected = format!("at most {free} beside {} of the body's own", limits.threadgroup_static);
            return Err(Error::range(program(), "threadgroup_bytes", expected, self.threadgroup_bytes));
        }
        Ok(())
    }
}

fn memory<'a>(name: &'a str, tensor: &'a Tensor, writes: bool, contents: bool) -> Arg<'a> {
    let size = tensor.dtype().size();
    let (start, end) = (tensor.layout().offset(), tensor.layout().end());
    let bytes = if tensor.is_empty() { 0 } else { (end - start) * size };
    Arg::Memory { name, tensor, offset: start * size, bytes, writes, contents }
}

fn class(definition: &Definition, tensor: &Tensor) -> InputClass {
    match (definition.mlx_inputs, tensor.rank(), tensor.elements()) {
        (false, ..) => InputClass::Device,
        (true, 0, _) => InputClass::Reference,
        (true, _, elements) if elements < 8 => InputClass::Constant,
        _ => InputClass::Device,
    }
}

fn check_place(definition: &Definition, name: &str, tensor: &Tensor, device: Device) -> Result<()> {
    if tensor.device() != device {
        let why = format!("lies on {}, the stream runs on {device}", tensor.device());
        return Err(Error::layout(definition.name.to_string(), name.to_owned(), why));
    }
    check_dtype(definition, name, tensor.dtype(), device)
}

fn check_dtype(definition: &Definition, name: &str, dtype: DType, device: Device) -> Result<()> {
    if dtype == DType::F64 && !matches!(device, Device::Cuda(_)) {
        let kind = Kind::Unsupported {
            device,
            why: format!("{name} is f64, which the Metal dialect does not have"),
        };
        return Err(Error::new(definition.name.to_string(), kind));
    }
    Ok(())
}

fn check_described(definition: &Definition, tensor: &Tensor) -> Result<()> {
    if tensor.dims().iter().all(|&extent| i32::try_from(extent).is_ok()) {
        return Ok(());
    }
    let expected = "extents that fit Metal's int, as the body reads the shape";
    Err(Error::shape(definition.name.to_string(), "input", expected, tensor.shape()))
}

/// A row-major copy on the device, by a program of the runtime's own.
pub(crate) fn row_major(stream: &Stream, tensor: &Tensor) -> Result<Tensor> {
    static GATHER: LazyLock<Program> = LazyLock::new(|| {
        let body = "size_t i = thread_position_in_grid.x + size_t(thread_position_in_grid.y) * threads_per_grid.x;\n\
                    if (i >= size_t(elements)) { return; }\n\
                    size_t rest = i;\n\
                    size_t from = 0;\n\
                    for (int axis = source_ndim - 1; axis >= 0; --axis) {\n\
                    from += (rest % source_shape[axis]) * source_strides[axis];\n\
                    rest /= source_shape[axis];\n\
                    }\n\
                    target[i] = source[from];";
        let definition = Definition::new("row_major", body).any_strides();
        let definition =
            definition.input("source").scalar("elements", DType::U64).output_like("target", "source");
        Program::new(definition).expect("the definition is valid")
    });
    let elements = tensor.elements();
    GATHER
        .launch(stream)
        .input("source", tensor)
        .scalar("elements", elements as u64)
        .grid(Grid::elements(elements), [256, 1, 1])
        .run_one()
}

/// Launches recorded once and replayed many times with the same tensors.
///
/// On CUDA this is a CUDA graph: the replay of many small launches costs the host one call, and what was sent to the device meanwhile is there anew in each.
/// Elsewhere the recorded launches are submitted again, on such tensors as the replay before left them.
pub struct Capture(pub(crate) backend::Recording);

impl Capture {
    /// Runs `work`, which launches on `stream`, and records what it launches instead of running it. Outputs that are allocated meanwhile
    /// belong to the caller and are written by each replay. Nothing in `work` may wait for the stream or read a tensor.
    pub fn record<R>(stream: &Stream, work: impl FnOnce() -> Result<R>) -> Result<(Self, R)> {
        let backend = Backend::of(stream, "capture")?;
        backend.begin_capture()?;
        let result = work();
        let recording = backend.end_capture();
        let result = result?;
        Ok((Self(recording?), result))
    }

    /// Submits the recorded launches to `stream`, which must be on the device that they were recorded on.
    pub fn replay(&self, stream: &Stream) -> Result<()> {
        Backend::of(stream, "replay")?.replay(&self.0)
    }
}
