//! From source to a pipeline state, with the chip's code kept in a binary archive.
//!
//! Metal compiles in two steps: source to an intermediate library, and a function of it to the chip's code. A binary archive keeps the
//! second and finds it again by the function, so every process makes its library from source anew; there is no public way to store one
//! that was made from source. An archive saves time only: where none can be written or opened, or where it lacks the function, Metal
//! compiles as if there were none. One that cannot be written shows in [`cache::status`].

use std::fs;
use std::path::Path;
use std::sync::Arc;

use objc2::rc::{Retained, autoreleasepool};
use objc2::runtime::ProtocolObject;
use objc2_foundation::{NSArray, NSError, NSString, NSURL};
use objc2_metal::{
    MTLBinaryArchive, MTLBinaryArchiveDescriptor, MTLCompileOptions, MTLComputePipelineDescriptor,
    MTLComputePipelineState, MTLDevice, MTLLanguageVersion, MTLLibrary, MTLMathFloatingPointFunctions,
    MTLMathMode, MTLPipelineOption,
};
use tilewright_core::{Error, Kind, Result};

use super::device::{Gpu, SIMD_WIDTH};
use super::stream::MetalStream;
use crate::cache::{self, Key};
use crate::caps::Limits;
use crate::define::{Definition, MathMode};
use crate::signature::{Unit, options};

/// A program compiled for one device.
pub(crate) struct MetalPipeline {
    pub(super) compiled: Arc<Compiled>,
    pub(crate) limits: Limits,
}

/// What a launch needs of a program.
pub(super) struct Compiled {
    pub(super) name: Arc<str>,
    pub(super) state: Retained<ProtocolObject<dyn MTLComputePipelineState>>,
    /// Whether the signature has dynamic threadgroup memory, which Metal wants sized at every launch.
    pub(super) dynamic: bool,
    /// Whether inputs of fewer than 8 elements lie in the `constant` address space.
    pub(super) mlx_inputs: bool,
}

impl MetalStream {
    pub(crate) fn compile(&self, definition: &Definition, unit: &Unit) -> Result<MetalPipeline> {
        let gpu = self.gpu();
        let state = pipeline_state(gpu, unit, definition.math, &options(definition, unit))?;
        let limits = Limits {
            threads_per_group: state.maxTotalThreadsPerThreadgroup(),
            groups: gpu.caps.max_groups,
            threadgroup_memory: gpu.caps.threadgroup_memory,
            // Rounded as the dynamic part is, so that the two together stay within the whole.
            threadgroup_static: state.staticThreadgroupMemoryLength().next_multiple_of(16),
        };
        let compiled = Compiled {
            name: (&*definition.name).into(),
            state,
            dynamic: definition.threadgroup.is_some(),
            mlx_inputs: definition.mlx_inputs,
        };
        Ok(MetalPipeline { compiled: Arc::new(compiled), limits })
    }
}

impl Gpu {
    /// The program that fills memory with elements of 1, 2, 4 or 8 bytes: target, value, count.
    ///
    /// Metal's own fill writes one byte over and over, and on macOS over multiples of four bytes only.
    pub(super) fn fill(&'static self, size: usize) -> Result<Arc<Compiled>> {
        let width = size.trailing_zeros() as usize;
        let element = ["uchar", "ushort", "uint", "ulong"][width];
        let build = || {
            let source = format!(
                "#include <metal_stdlib>\nusing namespace metal;\n\
                 [[kernel]] void fill_elements(device {element}* target [[buffer(0)]], constant {element}& value [[buffer(1)]],\n\
                 constant ulong& elements [[buffer(2)]], uint2 at [[thread_position_in_grid]], uint2 grid [[threads_per_grid]]) {{\n\
                 ulong i = at.x + ulong(at.y) * grid.x;\n\
                 if (i < elements) {{ target[i] = value; }}\n}}\n"
            );
            let (name, entry) = ("fill".to_owned(), "fill_elements".to_owned());
            let unit = Unit { source, name, entry, contract_off: false };
            let state = pipeline_state(self, &unit, MathMode::Precise, &[])?;
            Ok(Arc::new(Compiled { name: "fill".into(), state, dynamic: false, mlx_inputs: false }))
        };
        self.fills[width].get_or_init(build).clone()
    }
}

fn pipeline_state(
    gpu: &Gpu,
    unit: &Unit,
    math: MathMode,
    options: &[String],
) -> Result<Retained<ProtocolObject<dyn MTLComputePipelineState>>> {
    let fixed = ["metal", &unit.source, &unit.entry, &gpu.caps.compiler, &gpu.caps.name, &gpu.chip];
    let key = Key::new(fixed.into_iter().chain(options.iter().map(String::as_str)));
    let state = autoreleasepool(|_| {
        let mut built = None;
        let artifact = cache::shared().get(&key, |path| {
            let descriptor = describe(gpu, unit, math)?;
            if archive(gpu, &descriptor, path).is_err() {
                // Half an archive must not become an entry; without the file the cache says that it has none.
                let _ = fs::remove_file(path);
            }
            built = Some(finish(gpu, unit, &descriptor)?);
            Ok(())
        })?;
        match built {
            Some(state) => Ok(state),
            None => {
                let descriptor = describe(gpu, unit, math)?;
                if let Some(archive) = open_archive(gpu, &artifact) {
                    descriptor.setBinaryArchives(Some(&NSArray::from_retained_slice(&[archive])));
                }
                finish(gpu, unit, &descriptor)
            }
        }
    })?;
    let width = state.threadExecutionWidth();
    if width != SIMD_WIDTH {
        let why = format!("runs in SIMD groups of {width}, and bodies are written for {SIMD_WIDTH}");
        return Err(Error::unsupported(unit.name.clone(), gpu.device(), why));
    }
    Ok(state)
}

fn does_not_compile(unit: &Unit, error: &NSError) -> Error {
    Error::new(unit.name.clone(), Kind::Compile { log: error.localizedDescription().to_string() })
}

fn compile_options(math: MathMode) -> Retained<MTLCompileOptions> {
    let options = MTLCompileOptions::new();
    // The first with bfloat, and the same on every system, so that a body means the same on all of them.
    options.setLanguageVersion(MTLLanguageVersion::Version3_1);
    if objc2::available!(macos = 15.0) {
        let (mode, functions) = match math {
            MathMode::Precise => (MTLMathMode::Safe, MTLMathFloatingPointFunctions::Precise),
            MathMode::Fast => (MTLMathMode::Fast, MTLMathFloatingPointFunctions::Fast),
        };
        options.setMathMode(mode);
        options.setMathFloatingPointFunctions(functions);
    } else {
        #[expect(
            deprecated,
            reason = "the only way before macOS 15; it decides both the mode and the functions"
        )]
        options.setFastMathEnabled(math == MathMode::Fast);
    }
    options
}

/// The first step: a description of the pipeline that holds the function.
fn describe(gpu: &Gpu, unit: &Unit, math: MathMode) -> Result<Retained<MTLComputePipelineDescriptor>> {
    let source = NSString::from_str(&unit.source);
    let library = gpu.raw.newLibraryWithSource_options_error(&source, Some(&compile_options(math)));
    let library = library.map_err(|error| does_not_compile(unit, &error))?;
    let function = library.newFunctionWithName(&NSString::from_str(&unit.entry)).ok_or_else(|| {
        let log = format!("there is no kernel {} in the compiled source", unit.entry);
        Error::new(unit.name.clone(), Kind::Compile { log })
    })?;
    let descriptor = MTLComputePipelineDescriptor::new();
    descriptor.setLabel(Some(&NSString::from_str(&unit.name)));
    descriptor.setComputeFunction(Some(&function));
    Ok(descriptor)
}

/// The second step: the chip's code, from the descriptor's archive if it has one that holds it.
fn finish(
    gpu: &Gpu,
    unit: &Unit,
    descriptor: &MTLComputePipelineDescriptor,
) -> Result<Retained<ProtocolObject<dyn MTLComputePipelineState>>> {
    let none = MTLPipelineOption::None;
    let state =
        gpu.raw.newComputePipelineStateWithDescriptor_options_reflection_error(descriptor, none, None);
    state.map_err(|error| does_not_compile(unit, &error))
}

/// Compiles the descriptor's function into an archive, which the descriptor then refers to, and writes it to `path`.
fn archive(
    gpu: &Gpu,
    descriptor: &MTLComputePipelineDescriptor,
    path: &Path,
) -> Result<(), Option<Retained<NSError>>> {
    let url = NSURL::from_file_path(path).ok_or(None)?;
    let archive = gpu.raw.newBinaryArchiveWithDescriptor_error(&MTLBinaryArchiveDescriptor::new())?;
    archive.addComputePipelineFunctionsWithDescriptor_error(descriptor)?;
    archive.serializeToURL_error(&url)?;
    descriptor.setBinaryArchives(Some(&NSArray::from_retained_slice(&[archive])));
    Ok(())
}

fn open_archive(gpu: &Gpu, path: &Path) -> Option<Retained<ProtocolObject<dyn MTLBinaryArchive>>> {
    let descriptor = MTLBinaryArchiveDescriptor::new();
    descriptor.setUrl(Some(&*NSURL::from_file_path(path)?));
    gpu.raw.newBinaryArchiveWithDescriptor_error(&descriptor).ok()
}
