//! Registered kernels as callables.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use pyo3::IntoPyObjectExt;
use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyDict, PyFloat, PyInt, PyList, PyString, PyTuple};
use tilewright_core::{Args, Coverage, Spec, Stream, Tensor, Tier, Value};
use tilewright_kernels::KERNELS;

use crate::device::{DeviceLike, stream};
use crate::errors::raise;
use crate::interrupt::{interruptible, takes_long};
use crate::tensor::Presenter;
use crate::{array, dtype};

/// A kernel of the registry, with its description. Functions such as `tilewright.linalg.qr` call it.
#[pyclass(frozen, module = "tilewright._native")]
pub(crate) struct Kernel {
    kernel: &'static dyn tilewright_core::Kernel,
    /// The named tuple of several outputs, made once by the package.
    result: Option<Py<PyAny>>,
}

/// Every registered kernel. `result(name, family, fields)` gives the class of the results of those that have several outputs.
#[pyfunction]
pub(crate) fn kernels(py: Python<'_>, result: &Bound<'_, PyAny>) -> PyResult<Vec<Kernel>> {
    let each = |&kernel: &&'static dyn tilewright_core::Kernel| {
        let spec = kernel.spec();
        let result = if spec.outputs.len() > 1 {
            let fields = PyTuple::new(py, spec.outputs.iter().map(|slot| identifier(slot.name)))?;
            Some(result.call1((spec.name, spec.family, fields))?.unbind())
        } else {
            None
        };
        Ok(Kernel { kernel, result })
    };
    KERNELS.iter().map(each).collect()
}

/// Name, shape and whether it may be absent.
type Slot = (Cow<'static, str>, &'static str, bool);

/// A slot's name as an identifier: `m'`, what follows m, is `m_next`.
fn identifier(name: &'static str) -> Cow<'static, str> {
    match name.strip_suffix('\'') {
        Some(before) => format!("{before}_next").into(),
        None => name.into(),
    }
}

fn slots(slots: &'static [tilewright_core::Slot]) -> Vec<Slot> {
    slots.iter().map(|slot| (identifier(slot.name), slot.shape, slot.optional)).collect()
}

#[pymethods]
impl Kernel {
    #[getter]
    fn name(&self) -> &'static str {
        self.spec().name
    }

    #[getter]
    fn family(&self) -> &'static str {
        self.spec().family
    }

    /// The mathematics in one line.
    #[getter]
    fn math(&self) -> &'static str {
        self.spec().math
    }

    /// Inputs: name, shape, whether it may be left out.
    #[getter]
    fn inputs(&self) -> Vec<Slot> {
        slots(self.spec().inputs)
    }

    /// Outputs: name, shape, whether it may be absent.
    #[getter]
    fn outputs(&self) -> Vec<Slot> {
        slots(self.spec().outputs)
    }

    /// The dtypes that data may have.
    #[getter]
    fn dtypes(&self) -> Vec<&'static str> {
        self.spec().dtypes.iter().map(|dtype| dtype.name()).collect()
    }

    /// Arguments: name, default, meaning.
    #[getter]
    fn arguments<'py>(
        &self,
        py: Python<'py>,
    ) -> PyResult<Vec<(&'static str, Bound<'py, PyAny>, &'static str)>> {
        let each = |arg: &tilewright_core::ArgSpec| {
            let Ok(value) = arg.default.parse::<Value>();
            Ok((arg.name, default(py, &value)?, arg.doc))
        };
        self.spec().args.iter().map(each).collect()
    }

    /// The Python types that each argument's default and test cases have.
    fn argument_types(&self) -> BTreeMap<&'static str, Vec<&'static str>> {
        let mut found: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        let kind = |value: &Value| match value {
            Value::Bool(_) => "bool",
            Value::Int(_) => "int",
            Value::Float(_) => "float",
            Value::Text(_) => "str",
        };
        let cases = self.kernel.cases();
        for arg in self.spec().args {
            let Ok(first) = arg.default.parse::<Value>();
            let others = cases.iter().filter_map(|case| case.args.get(arg.name)).map(kind);
            let mut kinds: Vec<&str> = others.chain([kind(&first)]).collect();
            kinds.sort_unstable();
            kinds.dedup();
            found.insert(arg.name, kinds);
        }
        found
    }

    /// What runs the kernel on a kind of device, such as "cuda:0", whether there is one or not: variants, the number of the registry's test cases that some
    /// variant runs, the number of all, and why the others are not run.
    fn support(&self, device: &str) -> PyResult<(BTreeSet<&'static str>, usize, usize, BTreeSet<String>)> {
        let device: tilewright_core::Device = device.parse().map_err(raise)?;
        let cases = self.kernel.cases();
        let coverage = Coverage::of(self.kernel, device, &cases);
        Ok((coverage.variants, coverage.cases, cases.len(), coverage.reasons))
    }

    /// The names of the registry's small test cases of this kernel.
    fn cases(&self) -> Vec<String> {
        let small = self.kernel.cases().into_iter().filter(|case| case.tier == Tier::Edge);
        small.map(|case| case.name).collect()
    }

    /// Inputs, as tensors, and arguments of one of `cases()`: what a test or a benchmark of every kernel calls it with.
    fn case<'py>(
        &self,
        py: Python<'py>,
        name: &str,
    ) -> PyResult<(Vec<crate::tensor::Tensor>, Bound<'py, PyDict>)> {
        let found = self.kernel.cases().into_iter().find(|case| case.name == name);
        let case = found
            .ok_or_else(|| PyValueError::new_err(format!("{}: has no case {name:?}", self.spec().name)))?;
        let inputs = py.detach(|| self.kernel.inputs(&case)).map_err(raise)?;
        let arguments = PyDict::new(py);
        for arg in self.spec().args {
            if let Some(value) = case.args.get(arg.name) {
                arguments.set_item(arg.name, default(py, value)?)?;
            }
        }
        Ok((inputs.into_iter().map(crate::tensor::Tensor::new).collect(), arguments))
    }

    /// The seconds that one call takes from Rust, as the mean of `number`: what a call from Python is measured against.
    fn time(
        &self,
        py: Python<'_>,
        positional: &Bound<'_, PyTuple>,
        keywords: &Bound<'_, PyDict>,
        number: u32,
    ) -> PyResult<f64> {
        let call = self.read(positional, keywords)?;
        let inputs = call.inputs.iter().map(array::tensor).collect::<PyResult<Vec<_>>>()?;
        let home = inputs.first().map_or(tilewright_core::Device::Cpu, Tensor::device);
        let (kernel, args) = (self.kernel, call.args);
        let run = || {
            let stream = stream(home)?;
            let start = Instant::now();
            for _ in 0..number {
                drop(kernel.run(&stream, call.variant.as_deref(), &args, &inputs)?);
            }
            stream.synchronize()?;
            Ok(start.elapsed().as_secs_f64() / f64::from(number.max(1)))
        };
        py.detach(run).map_err(raise)
    }

    /// The class of the results of several outputs.
    #[getter]
    fn result<'py>(&self, py: Python<'py>) -> Option<Bound<'py, PyAny>> {
        self.result.as_ref().map(|class| class.bind(py).clone())
    }

    fn __repr__(&self) -> String {
        format!("<kernel {}.{}>", self.spec().family, self.spec().name)
    }

    /// Runs the kernel: `call(inputs, keywords)`.
    fn call<'py>(
        &self,
        py: Python<'py>,
        positional: &Bound<'py, PyTuple>,
        keywords: &Bound<'py, PyDict>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let call = self.read(positional, keywords)?;
        let inputs =
            call.inputs.iter().zip(self.spec().inputs).map(|(object, slot)| {
                array::tensor(object).map_err(|error| self.within(py, slot.name, error))
            });
        let inputs: Vec<Tensor> = inputs.collect::<PyResult<_>>()?;
        let home = inputs.first().map_or(tilewright_core::Device::Cpu, Tensor::device);
        let asked = call.device.map(DeviceLike::resolve).transpose()?;
        let device = asked.unwrap_or(home);
        let (kernel, args) = (self.kernel, call.args);
        // The streams of this thread: the work may run on another.
        let ours = stream(device).map_err(raise)?;
        let back = if device == home { ours.clone() } else { stream(home).map_err(raise)? };
        let run = move |variant: Option<&str>, inputs: &[Tensor]| {
            let moved;
            let given = if asked.is_some() {
                moved = inputs
                    .iter()
                    .map(|input| place(input, &ours))
                    .collect::<tilewright_core::Result<Vec<_>>>()?;
                &moved
            } else {
                inputs
            };
            let outputs = kernel.run(&ours, variant, &args, given)?;
            if device == home {
                return Ok(outputs);
            }
            // The caller's arrays lie elsewhere, and so do the results.
            outputs.iter().map(|output| output.to(&back)).collect()
        };
        let outputs = if takes_long(device, &inputs) {
            let (variant, inputs) = (call.variant.clone(), inputs.clone());
            interruptible(py, true, move || run(variant.as_deref(), &inputs))?
        } else {
            py.detach(|| run(call.variant.as_deref(), &inputs)).map_err(raise)?
        };
        let presenter = Presenter::of(py, call.inputs.first())?;
        self.present(py, &presenter, outputs, &inputs)
    }
}

/// The arguments of one call, by kind.
struct Call<'py> {
    inputs: Vec<Bound<'py, PyAny>>,
    args: Args,
    device: Option<DeviceLike>,
    variant: Option<String>,
}

impl Kernel {
    fn spec(&self) -> &'static Spec {
        self.kernel.spec()
    }

    fn within(&self, py: Python<'_>, argument: &str, error: PyErr) -> PyErr {
        let text = format!("{}: {argument}: {}", self.spec().name, error.value(py));
        let wrapped = PyErr::from_type(error.get_type(py), (text,));
        wrapped.set_cause(py, Some(error));
        wrapped
    }

    fn read<'py>(
        &self,
        positional: &Bound<'py, PyTuple>,
        keywords: &Bound<'py, PyDict>,
    ) -> PyResult<Call<'py>> {
        let spec = self.spec();
        let mut given: Vec<Option<Bound<'py, PyAny>>> = positional.iter().map(Some).collect();
        if given.len() > spec.inputs.len() {
            let (got, most) = (given.len(), spec.inputs.len());
            let why =
                format!("{}: {got} arrays given, it takes at most {most}; arguments go by name", spec.name);
            return Err(PyTypeError::new_err(why));
        }
        given.resize(spec.inputs.len(), None);
        let mut call =
            Call { inputs: Vec::with_capacity(given.len()), args: Args::new(), device: None, variant: None };
        for (key, value) in keywords {
            let key = key.cast::<PyString>()?.to_str()?;
            if let Some(position) = spec.inputs.iter().position(|slot| identifier(slot.name) == key) {
                if given[position].is_some() {
                    return Err(PyTypeError::new_err(format!("{}: {key} is given twice", spec.name)));
                }
                given[position] = Some(value);
            } else if value.is_none() {
                if !["device", "variant"].contains(&key) && !spec.args.iter().any(|arg| arg.name == key) {
                    return Err(self.unknown(key));
                }
            } else if spec.args.iter().any(|arg| arg.name == key) {
                let value = argument(key, &value).map_err(|error| self.within(value.py(), key, error))?;
                call.args = call.args.set(key, value);
            } else {
                match key {
                    "device" => call.device = Some(value.extract()?),
                    "variant" => call.variant = Some(value.extract()?),
                    _ => return Err(self.unknown(key)),
                }
            }
        }
        let present =
            |given: &Option<Bound<'py, PyAny>>| given.as_ref().is_some_and(|object| !object.is_none());
        let last = given.iter().rposition(present).map_or(0, |last| last + 1);
        for (index, (object, slot)) in given.into_iter().zip(spec.inputs).enumerate() {
            match object.filter(|object| !object.is_none()) {
                Some(object) => call.inputs.push(object),
                None if !slot.optional => {
                    let why = format!("{}: {} {} is missing", spec.name, slot.name, slot.shape);
                    return Err(PyTypeError::new_err(why));
                }
                None if index < last => {
                    let why = format!("{}: {} is left out, but a later array is given", spec.name, slot.name);
                    return Err(PyValueError::new_err(why));
                }
                None => {}
            }
        }
        Ok(call)
    }

    fn unknown(&self, key: &str) -> PyErr {
        let names: Vec<&str> =
            self.spec().args.iter().map(|arg| arg.name).chain(["device", "variant"]).collect();
        PyTypeError::new_err(format!(
            "{}: unknown argument {key}; it has {}",
            self.spec().name,
            names.join(", ")
        ))
    }

    fn present<'py>(
        &self,
        py: Python<'py>,
        presenter: &Presenter<'py>,
        outputs: Vec<Tensor>,
        inputs: &[Tensor],
    ) -> PyResult<Bound<'py, PyAny>> {
        let slots = self.spec().outputs;
        let all = outputs.len() == slots.len();
        let mut outputs = outputs.into_iter();
        let mut values = Vec::with_capacity(slots.len());
        // All of the slots, or exactly those that are always there.
        for slot in slots {
            values.push(match (all || !slot.optional).then(|| outputs.next()).flatten() {
                Some(output) => presenter.present(slot.name, output, inputs)?,
                None => py.None().into_bound(py),
            });
        }
        match &self.result {
            Some(class) => class.bind(py).call1(PyTuple::new(py, values)?),
            None => Ok(values.swap_remove(0)),
        }
    }
}

/// The tensor on the stream's device, as it lies if it is there.
pub(crate) fn place(tensor: &Tensor, stream: &Stream) -> tilewright_core::Result<Tensor> {
    if tensor.device() == stream.device() { Ok(tensor.clone()) } else { tensor.to(stream) }
}

fn default<'py>(py: Python<'py>, value: &Value) -> PyResult<Bound<'py, PyAny>> {
    match value {
        Value::Bool(value) => value.into_bound_py_any(py),
        Value::Int(value) => value.into_bound_py_any(py),
        Value::Float(value) => value.into_bound_py_any(py),
        Value::Text(value) => value.into_bound_py_any(py),
    }
}

/// A Python value as an argument: numbers of any library count as numbers, dtypes as their names where the argument is one.
fn argument(name: &str, object: &Bound<'_, PyAny>) -> PyResult<Value> {
    let is_dtype = name == "dtype" || name.ends_with("_dtype");
    if let Ok(text) = object.cast::<PyString>() {
        let text = text.to_str()?;
        let short = is_dtype.then(|| dtype::named(text)).flatten();
        return Ok(Value::Text(short.map_or(text, |dtype| dtype.name()).to_owned()));
    }
    if is_dtype {
        return Ok(Value::Text(dtype::of_object(object)?.name().to_owned()));
    }
    if object.cast::<PyBool>().is_ok() {
        return Ok(Value::Bool(object.extract()?));
    }
    if object.cast::<PyInt>().is_ok() {
        return Ok(Value::Int(object.extract()?));
    }
    if object.cast::<PyFloat>().is_ok() {
        return Ok(Value::Float(object.extract()?));
    }
    if object.cast::<PyList>().is_ok() {
        return Err(PyTypeError::new_err("a list is no argument"));
    }
    let py = object.py();
    if object.hasattr(intern!(py, "__index__"))?
        && let Ok(value) = object.extract::<i64>()
    {
        return Ok(Value::Int(value));
    }
    object.extract().map(Value::Float)
}
