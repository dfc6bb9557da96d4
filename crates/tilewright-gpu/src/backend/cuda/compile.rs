//! NVRTC: source to a cubin for the very chip, through the cache.

use std::ffi::{CStr, CString};
use std::path::Path;
use std::sync::{Arc, LazyLock};

use cudarc::driver::sys as driver;
use cudarc::nvrtc::sys::{self, nvrtcResult};
use tilewright_core::{Device, Error, Kind, Result};

use super::context::{Context, check};
use super::stream::CudaStream;
use crate::cache::{self, Key};
use crate::caps::Limits;
use crate::define::{Definition, MathMode};
use crate::signature::{Unit, options};

/// A loaded kernel.
pub struct CudaPipeline {
    pub(super) name: Arc<str>,
    pub(super) function: driver::CUfunction,
    pub(crate) limits: Limits,
    _module: Module,
}

// SAFETY: a CUfunction may be launched from any thread; it lives as long as its module.
unsafe impl Send for CudaPipeline {}
// SAFETY: as above.
unsafe impl Sync for CudaPipeline {}

struct Module {
    context: Arc<Context>,
    raw: driver::CUmodule,
}

impl Drop for Module {
    fn drop(&mut self) {
        if self.context.bind().is_ok() {
            // SAFETY: the module was loaded in this context and its function is dropped with it.
            let _ = unsafe { driver::cuModuleUnload(self.raw) };
        }
    }
}

fn nvrtc_present() -> bool {
    // SAFETY: only looks for the library's file.
    static PRESENT: LazyLock<bool> = LazyLock::new(|| unsafe { sys::is_culib_present() });
    *PRESENT
}

fn require_nvrtc(name: &str, ordinal: u32) -> Result<()> {
    let why = "no CUDA compiler: libnvrtc was not found";
    nvrtc_present()
        .then_some(())
        .ok_or_else(|| Error::unsupported(name.to_owned(), Device::Cuda(ordinal), why))
}

pub(super) fn compiler_version() -> String {
    if !nvrtc_present() {
        return "none: libnvrtc was not found".to_owned();
    }
    let (mut major, mut minor) = (0, 0);
    // SAFETY: writes two ints.
    unsafe { sys::nvrtcVersion(&mut major, &mut minor) };
    format!("nvrtc {major}.{minor}")
}

impl CudaStream {
    pub(crate) fn compile(&self, definition: &Definition, unit: &Unit) -> Result<CudaPipeline> {
        let context = &self.0.context;
        let caps = &context.caps;
        let name = definition.name.to_string();
        require_nvrtc(&name, context.ordinal)?;
        let flags = flags(definition, unit, &caps.architecture);
        let mut parts =
            vec!["cuda".to_owned(), unit.source.clone(), unit.entry.clone(), caps.compiler.clone()];
        parts.extend(options(definition, unit));
        parts.extend(flags.iter().cloned());
        let key = Key::new(parts.iter().map(String::as_str));
        let artifact = cache::shared().get(&key, |path| build(&name, unit, &flags, path))?;
        let cubin = std::fs::read(&*artifact).map_err(|why| Error::file(name.clone(), &*artifact, why))?;
        load(context, &name, &unit.entry, &cubin)
    }
}

fn flags(definition: &Definition, unit: &Unit, architecture: &str) -> Vec<String> {
    let mut flags = vec![
        format!("--gpu-architecture={architecture}"),
        "--std=c++17".to_owned(),
        "--device-as-default-execution-space".to_owned(),
        format!("--fmad={}", !unit.contract_off),
    ];
    if definition.math == MathMode::Fast {
        flags.push("--use_fast_math".to_owned());
    }
    if let Some(most) = definition.most_registers {
        flags.push(format!("--maxrregcount={most}"));
    }
    flags
}

/// Compiles for an architecture and keeps nothing.
pub(crate) fn trial(definition: &Definition, unit: &Unit, architecture: &str) -> Result<()> {
    require_nvrtc(&definition.name, 0)?;
    cubin(&definition.name, unit, &flags(definition, unit, architecture)).map(drop)
}

/// Compiles and loads CUDA source as it is, past the cache. `name` is the program's and its entry's.
pub(super) fn plain(context: &Arc<Context>, name: &str, source: &str) -> Result<CudaPipeline> {
    require_nvrtc(name, context.ordinal)?;
    let owned = str::to_owned;
    let unit = Unit { source: owned(source), name: owned(name), entry: owned(name), contract_off: false };
    let flags = [format!("--gpu-architecture={}", context.caps.architecture)];
    load(context, name, name, &cubin(name, &unit, &flags)?)
}

/// Compiles to `path`.
fn build(name: &str, unit: &Unit, flags: &[String], path: &Path) -> Result<()> {
    let cubin = cubin(name, unit, flags)?;
    std::fs::write(path, cubin).map_err(|why| Error::file(name.to_owned(), path, why))
}

fn cubin(name: &str, unit: &Unit, flags: &[String]) -> Result<Vec<u8>> {
    let fail = |log: String| Error::new(name.to_owned(), Kind::Compile { log });
    let text = |text: &str| CString::new(text).map_err(|_| fail("the source holds a null byte".to_owned()));
    let (source, label) = (text(&unit.source)?, text(&format!("{name}.cu"))?);
    let flags: Vec<CString> = flags.iter().map(|flag| text(flag)).collect::<Result<_>>()?;
    let pointers: Vec<_> = flags.iter().map(|flag| flag.as_ptr()).collect();
    let mut raw = std::ptr::null_mut();
    let (none, names) = (std::ptr::null(), std::ptr::null());
    // SAFETY: both strings are null-terminated and outlive the call; no headers are given.
    let created =
        unsafe { sys::nvrtcCreateProgram(&mut raw, source.as_ptr(), label.as_ptr(), 0, none, names) };
    if created != nvrtcResult::NVRTC_SUCCESS {
        return Err(fail(format!("NVRTC does not start: {created:?}")));
    }
    let program = Source(raw);
    // SAFETY: the program was created above; the flags are null-terminated and outlive the call.
    let compiled = unsafe { sys::nvrtcCompileProgram(program.0, pointers.len() as i32, pointers.as_ptr()) };
    if compiled != nvrtcResult::NVRTC_SUCCESS {
        return Err(fail(program.log()));
    }
    let mut size = 0;
    // SAFETY: writes one size; then exactly that many bytes into a buffer of that size.
    let cubin = unsafe {
        sys::nvrtcGetCUBINSize(program.0, &mut size);
        let mut cubin = vec![0u8; size];
        sys::nvrtcGetCUBIN(program.0, cubin.as_mut_ptr().cast());
        cubin
    };
    Ok(cubin)
}

struct Source(sys::nvrtcProgram);

impl Source {
    fn log(&self) -> String {
        let mut size = 0;
        // SAFETY: writes one size; then exactly that many bytes, null-terminated, into a buffer of that size.
        let log = unsafe {
            sys::nvrtcGetProgramLogSize(self.0, &mut size);
            let mut log = vec![0u8; size.max(1)];
            sys::nvrtcGetProgramLog(self.0, log.as_mut_ptr().cast());
            log
        };
        CStr::from_bytes_until_nul(&log).map(|log| log.to_string_lossy().into_owned()).unwrap_or_default()
    }
}

impl Drop for Source {
    fn drop(&mut self) {
        // SAFETY: created by nvrtcCreateProgram and destroyed once.
        unsafe { sys::nvrtcDestroyProgram(&mut self.0) };
    }
}

fn load(context: &Arc<Context>, name: &str, entry: &str, cubin: &[u8]) -> Result<CudaPipeline> {
    context.bind()?;
    let ordinal = context.ordinal;
    let mut raw = std::ptr::null_mut();
    // SAFETY: the cubin verified against its checksum and outlives the call.
    check(ordinal, name, unsafe { driver::cuModuleLoadData(&mut raw, cubin.as_ptr().cast()) })?;
    let module = Module { context: context.clone(), raw };
    let symbol = CString::new(entry).expect("an identifier has no null byte");
    let mut function = std::ptr::null_mut();
    // SAFETY: the module is loaded and the symbol null-terminated.
    check(ordinal, name, unsafe { driver::cuModuleGetFunction(&mut function, raw, symbol.as_ptr()) })?;
    let read = |attribute| -> Result<usize> {
        let mut value = 0;
        // SAFETY: writes one int of a function that was just found.
        check(ordinal, name, unsafe { driver::cuFuncGetAttribute(&mut value, attribute, function) })?;
        Ok(value as usize)
    };
    use driver::CUfunction_attribute as Of;
    let threads = read(Of::CU_FUNC_ATTRIBUTE_MAX_THREADS_PER_BLOCK)?;
    let fixed = read(Of::CU_FUNC_ATTRIBUTE_SHARED_SIZE_BYTES)?;
    let dynamic = context.caps.threadgroup_memory.saturating_sub(fixed);
    // SAFETY: the function exists; the value is within what the device reports.
    let set = unsafe {
        let attribute = Of::CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES;
        driver::cuFuncSetAttribute(function, attribute, dynamic as i32)
    };
    check(ordinal, name, set)?;
    let limits = Limits {
        threads_per_group: threads,
        groups: context.caps.max_groups,
        threadgroup_memory: context.caps.threadgroup_memory,
        threadgroup_static: fixed,
    };
    Ok(CudaPipeline { name: name.into(), function, limits, _module: module })
}
