//! `metal_kernel`: bodies written for `mx.fast.metal_kernel`, on any device that runs Metal bodies.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyDict, PyFloat, PyInt};
use tilewright_core::{DType, Tensor};
use tilewright_gpu::{Definition, Grid, MathMode, Program, Template};

use crate::device::{DeviceLike, stream};
use crate::errors::raise;
use crate::kernel::place;
use crate::tensor::Presenter;
use crate::{array, dtype};

/// A kernel made by `metal_kernel`. Safe to call from any thread; it compiles once per device, template values and dtypes.
#[pyclass(frozen, module = "tilewright")]
pub(crate) struct MetalKernel {
    name: String,
    input_names: Vec<String>,
    output_names: Vec<String>,
    source: String,
    header: String,
    ensure_row_contiguous: bool,
    atomic_outputs: bool,
    math: MathMode,
    /// Programs by the names of their template arguments, which come with the first call.
    programs: Mutex<HashMap<Vec<String>, Program>>,
}

/// A kernel from the body of a Metal kernel, with the arguments of `mx.fast.metal_kernel`.
///
/// The signature is generated: inputs as `const device T*` (a 0-d input as a reference), outputs as `device T*`, `<input>_shape`,
/// `<input>_strides` and `<input>_ndim` where the body names them, and any of Metal's thread attributes by name.
/// `compile_options` takes `{"math_mode": "safe" | "relaxed" | "fast"}`.
#[pyfunction]
#[pyo3(signature = (name, input_names, output_names, source, header="", ensure_row_contiguous=true, atomic_outputs=false, compile_options=None))]
#[expect(clippy::too_many_arguments, reason = "the arguments of mx.fast.metal_kernel")]
pub(crate) fn metal_kernel(
    name: String,
    input_names: Vec<String>,
    output_names: Vec<String>,
    source: String,
    header: &str,
    ensure_row_contiguous: bool,
    atomic_outputs: bool,
    compile_options: Option<HashMap<String, String>>,
) -> PyResult<MetalKernel> {
    let mut math = MathMode::Precise;
    for (key, value) in compile_options.unwrap_or_default() {
        math = match (key.as_str(), value.as_str()) {
            // Relaxed allows less than precise does not do.
            ("math_mode", "safe" | "relaxed") => MathMode::Precise,
            ("math_mode", "fast") => MathMode::Fast,
            _ => {
                let why =
                    format!("compile_options: {key}={value:?}, expected math_mode safe, relaxed or fast");
                return Err(PyValueError::new_err(why));
            }
        };
    }
    let kernel = MetalKernel {
        name,
        input_names,
        output_names,
        source,
        header: header.to_owned(),
        ensure_row_contiguous,
        atomic_outputs,
        math,
        programs: Mutex::default(),
    };
    // Wrong names are told now, not at the first call.
    kernel.program(&[]).map_err(raise)?;
    Ok(kernel)
}

impl MetalKernel {
    fn program(&self, templates: &[String]) -> tilewright_core::Result<Program> {
        let mut programs = self.programs.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(program) = programs.get(templates) {
            return Ok(program.clone());
        }
        let mut definition = Definition::new(self.name.clone(), self.source.clone());
        definition = definition.header(self.header.clone()).math(self.math).mlx_inputs();
        definition = templates.iter().fold(definition, |definition, name| definition.template(name.clone()));
        definition =
            self.input_names.iter().fold(definition, |definition, name| definition.input(name.clone()));
        definition =
            self.output_names.iter().fold(definition, |definition, name| definition.output(name.clone()));
        if !self.ensure_row_contiguous {
            definition = definition.any_strides();
        }
        if self.atomic_outputs {
            definition = definition.atomic_outputs();
        }
        let program = Program::new(definition)?;
        programs.insert(templates.to_vec(), program.clone());
        Ok(program)
    }
}

/// The GPU that an array lies on; without one, the first GPU of this machine, or the emulator.
fn preferred(inputs: &[Tensor]) -> tilewright_core::Device {
    use tilewright_core::Device;
    let host = |device: Device| device == Device::Cpu;
    let home = inputs.iter().map(Tensor::device).find(|&device| !host(device));
    let found =
        || tilewright_gpu::devices().into_iter().find(|(device, caps)| !host(*device) && caps.is_ok());
    home.or_else(|| found().map(|(device, _)| device)).unwrap_or(Device::Emulated)
}

fn template(value: &Bound<'_, PyAny>) -> PyResult<Template> {
    if value.cast::<PyBool>().is_ok() {
        return Ok(Template::Bool(value.extract()?));
    }
    if value.cast::<PyInt>().is_ok() {
        return Ok(Template::Int(value.extract()?));
    }
    dtype::of_object(value).map(Template::Type)
}

/// An array, or a number as a 0-d array of MLX's default dtypes.
fn input(object: &Bound<'_, PyAny>) -> PyResult<Tensor> {
    if object.cast::<PyBool>().is_ok() {
        return Tensor::from_f64(&[f64::from(object.extract::<bool>()?)], DType::Bool, []).map_err(raise);
    }
    if object.cast::<PyInt>().is_ok() {
        return Ok(Tensor::scalar(object.extract::<i32>()?));
    }
    if object.cast::<PyFloat>().is_ok() {
        return Ok(Tensor::scalar(object.extract::<f32>()?));
    }
    array::tensor(object)
}

#[pymethods]
impl MetalKernel {
    #[getter]
    fn name(&self) -> &str {
        &self.name
    }

    fn __repr__(&self) -> String {
        format!(
            "<metal_kernel {}({}) -> {}>",
            self.name,
            self.input_names.join(", "),
            self.output_names.join(", ")
        )
    }

    /// Runs the kernel; returns the outputs as a list, as arrays of the library of the first input.
    ///
    /// `grid` counts threads, as Metal does. `template` is a list of (name, value) with dtypes, ints and bools. `verbose` prints the source
    /// that the device's compiler gets. `device` is, by default, where an input lies if that is a GPU, else the first GPU, else the emulator.
    #[pyo3(signature = (*, inputs, grid, threadgroup, output_shapes, output_dtypes, template=None, init_value=None, verbose=false, device=None))]
    #[expect(clippy::too_many_arguments, reason = "the arguments of mx.fast.metal_kernel")]
    fn __call__<'py>(
        &self,
        py: Python<'py>,
        inputs: Vec<Bound<'py, PyAny>>,
        grid: [usize; 3],
        threadgroup: [usize; 3],
        output_shapes: Vec<Vec<usize>>,
        output_dtypes: Vec<Bound<'py, PyAny>>,
        template: Option<Vec<(String, Bound<'py, PyAny>)>>,
        init_value: Option<f64>,
        verbose: bool,
        device: Option<DeviceLike>,
    ) -> PyResult<Vec<Bound<'py, PyAny>>> {
        let count = |what: &str, got: usize, expected: usize| {
            let why = format!("{}: {got} {what} given, it has {expected}", self.name);
            if got == expected { Ok(()) } else { Err(PyValueError::new_err(why)) }
        };
        count("inputs", inputs.len(), self.input_names.len())?;
        count("output_shapes", output_shapes.len(), self.output_names.len())?;
        count("output_dtypes", output_dtypes.len(), self.output_names.len())?;
        let tensors = inputs.iter().zip(&self.input_names).map(|(object, name)| {
            input(object).map_err(|error| {
                PyErr::from_type(error.get_type(py), (format!("{}: {name}: {}", self.name, error.value(py)),))
            })
        });
        let tensors: Vec<Tensor> = tensors.collect::<PyResult<_>>()?;
        let dtypes: Vec<DType> = output_dtypes.iter().map(dtype::of_object).collect::<PyResult<_>>()?;
        let (names, values): (Vec<String>, Vec<_>) = template.unwrap_or_default().into_iter().unzip();
        let values: Vec<Template> = values.iter().map(self::template).collect::<PyResult<_>>()?;
        let home = tensors.first().map_or(tilewright_core::Device::Cpu, Tensor::device);
        let asked = device.map(DeviceLike::resolve).transpose()?;
        let program = self.program(&names).map_err(raise)?;
        if verbose {
            let device = asked.unwrap_or_else(|| py.detach(|| preferred(&tensors)));
            let given: Vec<DType> = tensors.iter().map(Tensor::dtype).chain(dtypes.iter().copied()).collect();
            let source = program.source(device, &values, &given).map_err(raise)?;
            let flush = PyDict::new(py);
            flush.set_item("flush", true)?;
            py.import("builtins")?.call_method("print", (source,), Some(&flush))?;
        }
        let run = || {
            let device = asked.unwrap_or_else(|| preferred(&tensors));
            let stream = stream(device)?;
            let moved = tensors.iter().map(|tensor| place(tensor, &stream));
            let moved = moved.collect::<tilewright_core::Result<Vec<_>>>()?;
            let mut launch = program.launch(&stream).grid(Grid::threads(grid), threadgroup);
            for (name, value) in names.iter().zip(values) {
                launch = launch.template(name, value);
            }
            for (name, tensor) in self.input_names.iter().zip(&moved) {
                launch = launch.input(name, tensor);
            }
            for ((name, dtype), shape) in self.output_names.iter().zip(dtypes).zip(&output_shapes) {
                launch = launch.output(name, dtype, shape);
            }
            if let Some(value) = init_value {
                launch = launch.initial_value(value);
            }
            let outputs = launch.run()?;
            if device == home {
                return Ok(outputs);
            }
            let back = crate::device::stream(home)?;
            outputs.iter().map(|output| output.to(&back)).collect()
        };
        let outputs = py.detach(run).map_err(raise)?;
        let like =
            inputs.iter().find(|input| input.cast::<PyInt>().is_err() && input.cast::<PyFloat>().is_err());
        let presenter = Presenter::of(py, like)?;
        let named = outputs.into_iter().zip(&self.output_names);
        named.map(|(output, name)| presenter.present(name, output, &tensors)).collect()
    }
}
