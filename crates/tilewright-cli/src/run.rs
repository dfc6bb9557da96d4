//! `tilewright run`.

use std::path::{Path, PathBuf};
use std::time::Instant;

use clap::Args as Arguments;
use serde::Serialize;
use tilewright_core::{Args, DType, Device, Kernel, Spec, Tensor, Value};

use crate::files::{self, Format};
use crate::stop::Stop;
use crate::{Console, progress, select};

/// Run a kernel on files.
///
/// Files are .npy, .npz, .safetensors or .mtx (Matrix Market), by their names; bf16 and f8 exist in .safetensors only.
#[derive(Arguments)]
pub(crate) struct Options {
    /// The kernel.
    name: String,
    /// Where to run it, such as cpu or cuda:0.
    #[arg(long, default_value = "cpu")]
    device: Device,
    /// An input: NAME=FILE, or NAME=FILE#TENSOR where the file holds several and none has the input's name.
    #[arg(long = "input", value_name = "NAME=FILE", value_parser = pair)]
    inputs: Vec<(String, String)>,
    /// An argument: KEY=VALUE.
    #[arg(long = "set", value_name = "KEY=VALUE", value_parser = pair)]
    sets: Vec<(String, String)>,
    /// The file that the outputs go to, each under its name; .npy and .mtx take one only.
    #[arg(long)]
    output: PathBuf,
    /// A variant instead of the library's own choice.
    #[arg(long)]
    variant: Option<String>,
    /// What .mtx files are read as: f32 or f64 [default: f64].
    #[arg(long, value_parser = text_dtype)]
    dtype: Option<DType>,
}

/// What numbers of text are read as.
pub(crate) fn text_dtype(text: &str) -> Result<DType, String> {
    match text {
        "f32" => Ok(DType::F32),
        "f64" => Ok(DType::F64),
        _ => Err("expected f32 or f64".to_owned()),
    }
}

/// Splits `NAME=VALUE`.
pub(crate) fn pair(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() && !value.is_empty() => {
            Ok((name.to_owned(), value.to_owned()))
        }
        _ => Err("expected NAME=VALUE".to_owned()),
    }
}

#[derive(Serialize)]
pub(crate) struct Document {
    kernel: &'static str,
    device: String,
    milliseconds: f64,
    outputs: Vec<Output>,
    file: PathBuf,
}

#[derive(Serialize)]
struct Output {
    name: String,
    dtype: &'static str,
    shape: Vec<usize>,
}

pub(crate) fn run(kernels: &[&dyn Kernel], options: &Options, console: &mut Console) -> Result<(), Stop> {
    let document = Job {
        kernel: select::kernel(kernels, &options.name)?,
        device: options.device,
        variant: options.variant.as_deref(),
        inputs: &options.inputs,
        sets: &options.sets,
        output: &options.output,
        text: options.dtype,
        flag: "--input ",
    }
    .carry_out()?
    .0;
    tell(&document, console)
}

/// Outputs with their names.
type Named = Vec<(&'static str, Tensor)>;

/// A kernel with files for its inputs and outputs.
pub(crate) struct Job<'a> {
    pub(crate) kernel: &'a dyn Kernel,
    pub(crate) device: Device,
    pub(crate) variant: Option<&'a str>,
    /// Each with its file, or `FILE#TENSOR`.
    pub(crate) inputs: &'a [(String, String)],
    /// Arguments and their values.
    pub(crate) sets: &'a [(String, String)],
    pub(crate) output: &'a Path,
    /// What .mtx files are read as, where it is asked for.
    pub(crate) text: Option<DType>,
    /// What stands before the name of an input where it is asked for.
    pub(crate) flag: &'static str,
}

impl Job<'_> {
    /// Reads, runs and writes. What was done, and the outputs with their names.
    pub(crate) fn carry_out(&self) -> Result<(Document, Named), Stop> {
        let spec = self.kernel.spec();
        let args = arguments(spec, self.sets)?;
        // Before any work: an hour's result must not be lost to a misspelt ending.
        let format = Format::of(self.output).map_err(|error| Stop::Usage(format!("--output: {error}")))?;
        let stream = select::stream(self.device)?;
        let inputs = self.read()?;
        let inputs = inputs.iter().map(|input| input.to(&stream)).collect::<Result<Vec<_>, _>>()?;
        let start = Instant::now();
        let message = format!("{} on {}", spec.name, self.device);
        let outputs = progress::during(message, || {
            let outputs = self.kernel.run(&stream, self.variant, &args, &inputs)?;
            stream.synchronize()?;
            Ok::<_, Stop>(outputs)
        })?;
        let milliseconds = start.elapsed().as_secs_f64() * 1e3;
        let named = names(spec, outputs)?;
        files::write(self.output, format, &named)
            .map_err(|error| Stop::Usage(format!("--output: {error}")))?;
        let output = |(name, tensor): &(&'static str, Tensor)| Output {
            name: (*name).to_owned(),
            dtype: tensor.dtype().name(),
            shape: tensor.dims().to_vec(),
        };
        let document = Document {
            kernel: spec.name,
            device: self.device.to_string(),
            milliseconds,
            outputs: named.iter().map(output).collect(),
            file: self.output.to_owned(),
        };
        Ok((document, named))
    }

    /// The inputs in the order of the spec. Only the last ones may be left out, and only optional ones.
    fn read(&self) -> Result<Vec<Tensor>, Stop> {
        let (spec, flag, given) = (self.kernel.spec(), self.flag, self.inputs);
        for (index, (name, _)) in given.iter().enumerate() {
            if !spec.inputs.iter().any(|slot| slot.name == name) {
                let known: Vec<_> = spec.inputs.iter().map(|slot| slot.name).collect();
                return Err(Stop::Usage(format!("{flag}{name}: {} has the inputs {known:?}", spec.name)));
            }
            if given[..index].iter().any(|(earlier, _)| earlier == name) {
                return Err(Stop::Usage(format!("{flag}{name} is given twice")));
            }
        }
        let is_text = |place: &String| matches!(Format::of(Path::new(place)), Ok(Format::MatrixMarket));
        if let Some(dtype) = self.text
            && !given.iter().any(|(_, place)| is_text(place))
        {
            let why = "no input is a .mtx file, and others have dtypes of their own";
            return Err(Stop::Usage(format!("--dtype {dtype}: {why}")));
        }
        let found = |name: &str| given.iter().find(|(given, _)| given == name).map(|(_, place)| place);
        let last = spec.inputs.iter().rposition(|slot| !slot.optional || found(slot.name).is_some());
        let mut tensors = Vec::new();
        for slot in &spec.inputs[..last.map_or(0, |last| last + 1)] {
            let place = found(slot.name).ok_or_else(|| {
                let later = if slot.optional { ", because a later one is given" } else { "" };
                let (name, shape) = (slot.name, slot.shape);
                Stop::Usage(format!("input {name} {shape} is missing{later}: add {flag}{name}=FILE"))
            })?;
            let tensor = files::read_as(place, slot.name, self.text.unwrap_or(DType::F64));
            tensors.push(tensor.map_err(|error| Stop::Usage(format!("{flag}{}: {error}", slot.name)))?);
        }
        Ok(tensors)
    }
}

/// What was done, as text or JSON.
pub(crate) fn tell(document: &Document, console: &mut Console) -> Result<(), Stop> {
    if console.json {
        return console.json(document);
    }
    for output in &document.outputs {
        writeln!(console.out, "{} {} {:?}", output.name, output.dtype, output.shape)?;
    }
    let (kernel, device, file) = (document.kernel, &document.device, document.file.display());
    let milliseconds = document.milliseconds;
    Ok(writeln!(console.out, "{kernel} on {device} took {milliseconds:.3} ms; written to {file}")?)
}

fn arguments(spec: &Spec, sets: &[(String, String)]) -> Result<Args, Stop> {
    let mut args = Args::new();
    for (key, value) in sets {
        if args.get(key).is_some() {
            return Err(Stop::Usage(format!("--set {key} is given twice")));
        }
        let Ok(value) = value.parse::<Value>();
        args = args.set(key, value);
    }
    args.check_names(spec).map_err(|error| Stop::Usage(format!("--set: {error}")))?;
    Ok(args)
}

/// Outputs with their names: all of the spec's, or exactly those that are always there.
fn names(spec: &'static Spec, outputs: Vec<Tensor>) -> Result<Named, Stop> {
    let all: Vec<&str> = spec.outputs.iter().map(|slot| slot.name).collect();
    let required: Vec<&str> =
        spec.outputs.iter().filter(|slot| !slot.optional).map(|slot| slot.name).collect();
    let names = if outputs.len() == all.len() { all } else { required };
    if outputs.len() != names.len() {
        let (got, expected) = (outputs.len(), spec.outputs.len());
        return Err(Stop::Failed(format!(
            "{} gave {got} outputs, its description has {expected}",
            spec.name
        )));
    }
    Ok(names.into_iter().zip(outputs).collect())
}
