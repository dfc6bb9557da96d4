//! `tilewright linalg`.

use std::path::PathBuf;

use clap::Args;
use tilewright_core::{DType, Device, Kernel, Slot, Tensor};

use crate::run::{self, Job};
use crate::stop::Stop;
use crate::{Console, list, select, table};

/// The family whose kernels are the operations.
const FAMILY: &str = "linalg";

/// Linear algebra on files: decompositions, solvers and what belongs to them, of one matrix or of a batch.
///
///   tilewright linalg svd a.npy -o svd.npz
///   tilewright linalg solve a.mtx b.npy -o x.npz
///   tilewright linalg qr a.mtx --dtype f32 -o qr.npz
///   tilewright linalg eigh a.npz#covariance --set descending=true -o eigen.safetensors
///   tilewright linalg list            (every operation with its inputs and arguments; a word after it: those that contain it)
///
/// Files are .npy, .npz, .safetensors or .mtx (Matrix Market: real, integer and pattern), by their names. f32 stays f32, f64 stays f64;
/// .mtx is f64, or f32 by --dtype. The results go to one file under the names that `list` shows, which is written whole or not at all. Where a
/// matrix has no result (it is singular, say), its `info` is not 0, its results are NaN, and the exit code is 1. So is it where an iteration
/// stayed short of its tolerance, whose results are the last ones.
#[derive(Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct Options {
    /// The operation, such as qr, svd, eigh, solve, lstsq, inverse; or `list`.
    #[arg(value_name = "OP")]
    operation: String,
    /// Its inputs in their order, each FILE, FILE#TENSOR or NAME=FILE.
    #[arg(value_name = "FILE")]
    files: Vec<String>,
    /// An argument of the operation.
    #[arg(long = "set", value_name = "NAME=VALUE", value_parser = run::pair)]
    sets: Vec<(String, String)>,
    /// The file that the results go to; .npy and .mtx take one result only.
    #[arg(short, long)]
    output: Option<PathBuf>,
    /// Where to run it, such as cpu or cuda:0.
    #[arg(long, default_value = "cpu")]
    device: Device,
    /// A variant instead of the library's own choice.
    #[arg(long)]
    variant: Option<String>,
    /// What .mtx files are read as: f32 or f64 [default: f64].
    #[arg(long, value_parser = run::text_dtype)]
    dtype: Option<DType>,
}

pub(crate) fn linalg(kernels: &[&dyn Kernel], options: &Options, console: &mut Console) -> Result<(), Stop> {
    let operations: Vec<&dyn Kernel> =
        kernels.iter().copied().filter(|kernel| kernel.spec().family == FAMILY).collect();
    if options.operation == "list" {
        return show(&operations, &options.files, console);
    }
    let kernel = operation(kernels, &operations, &options.operation)?;
    let output = options.output.as_deref().ok_or_else(|| {
        Stop::Usage("--output FILE is missing: where the results go, such as -o out.npz".to_owned())
    })?;
    let job = Job {
        kernel,
        device: options.device,
        variant: options.variant.as_deref(),
        inputs: &named(kernel, &options.files)?,
        sets: &options.sets,
        output,
        text: options.dtype,
        flag: "",
    };
    let (document, results) = job.carry_out()?;
    run::tell(&document, console)?;
    let info = results.iter().find(|(name, _)| *name == "info");
    info.map_or(Ok(()), |(_, info)| judge(info))
}

fn operation<'k>(
    kernels: &[&'k dyn Kernel],
    operations: &[&'k dyn Kernel],
    name: &str,
) -> Result<&'k dyn Kernel, Stop> {
    let known =
        |kernels: &[&'k dyn Kernel]| kernels.iter().copied().find(|kernel| kernel.spec().name == name);
    if let Some(kernel) = known(operations) {
        return Ok(kernel);
    }
    if let Some(other) = known(kernels) {
        let family = other.spec().family;
        return Err(Stop::Usage(format!(
            "OP {name:?} is of the family {family}: take `tilewright run {name}`"
        )));
    }
    let names = operations.iter().map(|kernel| kernel.spec().name).chain(["list"]);
    let hint = select::hint(name, names, "`tilewright linalg list` names them");
    Err(Stop::Usage(format!("OP {name:?} is no operation; {hint}")))
}

/// The files with the inputs that they are for: by name, or by place among those not named.
fn named(kernel: &dyn Kernel, files: &[String]) -> Result<Vec<(String, String)>, Stop> {
    let slots = kernel.spec().inputs;
    let by_name = |file: &str| {
        let (name, file) = file.split_once('=')?;
        slots.iter().any(|slot| slot.name == name).then(|| (name.to_owned(), file.to_owned()))
    };
    let mut named: Vec<(String, String)> = Vec::new();
    for (position, file) in files.iter().enumerate() {
        let pair = by_name(file).or_else(|| Some((slots.get(position)?.name.to_owned(), file.clone())));
        named.push(pair.ok_or_else(|| {
            let (name, takes) = (kernel.spec().name, slots.len());
            Stop::Usage(format!("FILE {file}: {name} takes {takes} inputs: {}", described(slots)))
        })?);
    }
    Ok(named)
}

/// An error that says how many matrices have no result, or one short of what was asked for, and which is the first.
fn judge(info: &Tensor) -> Result<(), Stop> {
    if info.dtype() != DType::I32 {
        return Ok(());
    }
    let infos = info.to_vec::<i32>()?;
    let failed = infos.iter().filter(|&&info| info != 0).count();
    match infos.iter().position(|&info| info != 0) {
        None => Ok(()),
        Some(first) => Err(Stop::Failed(format!(
            "{failed} of {} matrices failed; the first is number {first}, whose info is {}",
            infos.len(),
            infos[first]
        ))),
    }
}

/// Every operation whose name contains one of the words; all where there are none.
fn show(operations: &[&dyn Kernel], words: &[String], console: &mut Console) -> Result<(), Stop> {
    let wanted: Vec<&dyn Kernel> = operations
        .iter()
        .copied()
        .filter(|kernel| {
            words.is_empty() || words.iter().any(|word| kernel.spec().name.contains(word.as_str()))
        })
        .collect();
    if wanted.is_empty() {
        return Err(Stop::Usage(format!(
            "{words:?}: no operation has such a name; `tilewright linalg list` names them"
        )));
    }
    if console.json {
        return console.json(&wanted.iter().map(|kernel| list::entry(*kernel)).collect::<Vec<_>>());
    }
    let rows: Vec<[String; 5]> = wanted
        .iter()
        .map(|kernel| {
            let spec = kernel.spec();
            let args: Vec<_> = spec.args.iter().map(|arg| format!("{}={}", arg.name, arg.default)).collect();
            [
                spec.name.to_owned(),
                described(spec.inputs),
                described(spec.outputs),
                args.join(" "),
                spec.math.to_owned(),
            ]
        })
        .collect();
    table::write(console.out, ["operation", "inputs", "results", "arguments (--set)", "math"], &rows)?;
    if !words.is_empty() {
        for kernel in &wanted {
            let spec = kernel.spec();
            for arg in spec.args {
                writeln!(console.out, "{}: {}={}: {}", spec.name, arg.name, arg.default, arg.doc)?;
            }
        }
    }
    Ok(writeln!(console.out, "\na result in brackets is there where an argument asks for it")?)
}

/// Names and shapes; optional ones in brackets.
fn described(slots: &[Slot]) -> String {
    let one = |slot: &Slot| {
        let text = format!("{} {}", slot.name, slot.shape);
        if slot.optional { format!("({text})") } else { text }
    };
    slots.iter().map(one).collect::<Vec<_>>().join(", ")
}
