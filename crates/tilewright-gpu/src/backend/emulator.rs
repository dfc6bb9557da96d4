//! The emulated device: a process per launch, under sanitizers.
//!
//! A program is compiled by the system's C++ compiler into an executable of its own, so that no sanitizer runtime enters this process
//! and no fault of a kernel can hurt it. Launches run when they are submitted; what they find surfaces where an asynchronous device's
//! errors do, at the next synchronise or download, with the program's name.

use std::any::Any;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, RwLock};
use std::time::{Duration, Instant};

use tilewright_core::{
    AlignedBytes, Buffer, Device, Error, Event, EventDriver, Kind, Result, StreamDriver, Tensor,
};

use super::emulator_host::{Argument, BuildError, Contents, Mode, Request, Toolchain, run};
use crate::cache::{self, Key};
use crate::caps::{Caps, Limits};
use crate::define::Definition;
use crate::dialect;
use crate::grid::Extent;
use crate::program::{Arg, Call};
use crate::signature::{Unit, options};

/// Which faults the emulator looks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum EmulatorMode {
    /// AddressSanitizer and UndefinedBehaviorSanitizer: memory, indices, shifts, divisions; poisoned threadgroup memory.
    Address,
    /// A shadow of every byte that threads share: races, reads of memory that nothing wrote, outputs left unwritten.
    Race,
}

/// How the emulator runs launches from now on.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct EmulatorOptions {
    /// What to look for.
    pub mode: EmulatorMode,
    /// Seed of the order in which groups, and threads between barriers, run.
    pub seed: u64,
    /// A launch that takes longer is stopped and reported as hanging.
    pub time_limit: Duration,
}

static OPTIONS: Mutex<EmulatorOptions> = Mutex::new(EmulatorOptions {
    mode: EmulatorMode::Address,
    seed: 1,
    time_limit: Duration::from_secs(120),
});

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().expect("no panic holds the lock")
}

/// The options in force.
pub fn emulator_options() -> EmulatorOptions {
    *lock(&OPTIONS)
}

/// Changes the options for every launch from now on.
pub fn set_emulator_options(options: EmulatorOptions) {
    *lock(&OPTIONS) = options;
}

fn toolchain() -> Result<&'static Toolchain> {
    static FOUND: LazyLock<Result<Toolchain, String>> =
        LazyLock::new(|| Toolchain::find().map_err(|why| why.to_string()));
    FOUND.as_ref().map_err(|why| Error::unsupported("emulator", Device::Emulated, why))
}

pub(crate) fn caps() -> Result<Caps> {
    let toolchain = toolchain()?;
    Ok(Caps {
        name: "emulator".to_owned(),
        architecture: format!("metal on {}", std::env::consts::ARCH),
        simd_width: 32,
        max_threads_per_group: 1024,
        max_groups: [u32::MAX; 3],
        threadgroup_memory: THREADGROUP_MEMORY,
        registers_per_group: None,
        multiprocessors: Some(1),
        cache_bytes: None,
        memory_bytes: None,
        driver: "none".to_owned(),
        compiler: toolchain.version().to_owned(),
    })
}

/// What every Apple GPU has.
const THREADGROUP_MEMORY: usize = 32 << 10;

/// Stack of one emulated thread: sanitizers widen frames several times.
const STACK_BYTES: u32 = 256 << 10;

/// A program for the emulator, compiled per mode when first needed.
#[derive(Clone)]
pub(crate) struct EmulatedPipeline {
    unit: Arc<Unit>,
    options: Vec<String>,
    pub(crate) limits: Limits,
}

impl EmulatedPipeline {
    fn executable(&self, mode: EmulatorMode) -> Result<cache::Artifact> {
        let toolchain = toolchain()?;
        let (mode, tag) = match mode {
            EmulatorMode::Address => (Mode::Address, "address"),
            EmulatorMode::Race => (Mode::Race, "race"),
        };
        let fixed =
            ["emulated", &self.unit.source, dialect::emulator(), &self.unit.entry, toolchain.version(), tag];
        let key = Key::new(fixed.into_iter().chain(self.options.iter().map(String::as_str)));
        let failed = |failure: BuildError| Error::new(failure.name, Kind::Compile { log: failure.log });
        cache::shared().get(&key, |path| {
            let own = Key::new(["emulator", dialect::emulator(), toolchain.version(), tag]);
            let emulator =
                cache::shared().get(&own, |path| toolchain.build_emulator(mode, path).map_err(failed))?;
            let Unit { source, name, contract_off, .. } = &*self.unit;
            toolchain.build(source, name, mode, *contract_off, &emulator, path).map_err(failed)
        })
    }
}

/// Host memory that only launches and copies see. What a failed launch should have written stays marked with its error.
struct EmulatedBuffer {
    memory: RwLock<AlignedBytes>,
    bytes: usize,
    failure: Mutex<Option<Error>>,
}

impl Buffer for EmulatedBuffer {
    fn device(&self) -> Device {
        Device::Emulated
    }
    fn bytes(&self) -> usize {
        self.bytes
    }
    fn download(&self, offset: usize, target: &mut [u8]) -> Result<()> {
        if let Some(failure) = &*lock(&self.failure) {
            return Err(failure.clone());
        }
        let memory = self.memory.read().expect("no panic holds the lock");
        target.copy_from_slice(&(*memory).as_ref()[offset..offset + target.len()]);
        Ok(())
    }
    fn as_any(&self) -> &dyn Any {
        self
    }
}

fn own(tensor: &Tensor) -> Result<&EmulatedBuffer> {
    let elsewhere = || Error::layout("launch", "tensor", format!("lies on {}", tensor.device()));
    tensor.buffer().as_any().downcast_ref().ok_or_else(elsewhere)
}

/// A queue of emulated work.
pub(crate) struct EmulatedStream {
    failure: Mutex<Option<Error>>,
    capture: Mutex<Option<Vec<Recorded>>>,
}

/// One recorded launch or fill, with all that it needs to run again.
enum Recorded {
    Launch { pipeline: EmulatedPipeline, job: Job },
    Fill { tensor: Tensor, pattern: Vec<u8> },
}

/// Recorded launches.
pub(crate) struct EmulatedRecording(Vec<Recorded>);

/// A launch that owns what it needs.
struct Job {
    name: String,
    arguments: Vec<JobArgument>,
    extent: Extent,
    threadgroup_bytes: u32,
}

enum JobArgument {
    Memory { name: String, tensor: Tensor, offset: usize, bytes: usize, writes: bool, contents: bool },
    Bytes(Vec<u8>),
}

impl Job {
    fn of(call: &Call<'_>) -> Self {
        let padded =
            |values: Vec<u8>| JobArgument::Bytes(if values.is_empty() { vec![0; 8] } else { values });
        let arguments = call.args.iter().map(|arg| match *arg {
            Arg::Memory { name, tensor, offset, bytes, writes, contents } => {
                let (name, tensor) = (name.to_owned(), tensor.uncounted());
                JobArgument::Memory { name, tensor, offset, bytes, writes, contents }
            }
            Arg::Scalar(scalar) => JobArgument::Bytes(scalar.bytes[..scalar.dtype.size()].to_vec()),
            Arg::Shape(tensor) => {
                padded(tensor.dims().iter().flat_map(|&extent| (extent as i32).to_le_bytes()).collect())
            }
            Arg::Strides(tensor) => {
                padded(tensor.strides().iter().flat_map(|&stride| (stride as i64).to_le_bytes()).collect())
            }
            Arg::Ndim(tensor) => JobArgument::Bytes((tensor.rank() as i32).to_le_bytes().to_vec()),
        });
        Self {
            name: call.name.to_owned(),
            arguments: arguments.collect(),
            extent: call.extent,
            threadgroup_bytes: call.threadgroup_bytes as u32,
        }
    }

    fn run(&self, pipeline: &EmulatedPipeline) -> Result<()> {
        let settings = emulator_options();
        let executable = pipeline.executable(settings.mode)?;
        let outcome = self.execute(&executable, &settings);
        let outcome = outcome.map_err(|error| error.within(self.name.clone()));
        for argument in &self.arguments {
            if let JobArgument::Memory { tensor, writes: true, .. } = argument {
                *lock(&own(tensor)?.failure) = outcome.as_ref().err().cloned();
            }
        }
        outcome
    }

    fn execute(&self, executable: &std::path::Path, settings: &EmulatorOptions) -> Result<()> {
        let mut contents = Vec::with_capacity(self.arguments.len());
        for argument in &self.arguments {
            contents.push(match argument {
                JobArgument::Memory { tensor, offset, bytes, contents: true, .. } => {
                    let mut copy = vec![0; *bytes];
                    own(tensor)?.download(*offset, &mut copy)?;
                    copy
                }
                JobArgument::Memory { .. } => Vec::new(),
                JobArgument::Bytes(bytes) => bytes.clone(),
            });
        }
        let arguments = self.arguments.iter().zip(&contents).map(|(argument, data)| match argument {
            JobArgument::Memory { name, offset, bytes, writes, contents, .. } => Argument {
                name,
                contents: if *contents { Contents::Given(data) } else { Contents::Poisoned(*bytes) },
                returned: *writes,
                read_only: !writes,
                fully_written: !contents,
                misalignment: (offset % 16) as u8,
            },
            JobArgument::Bytes(_) => Argument {
                name: "launch",
                contents: Contents::Given(data),
                returned: false,
                read_only: true,
                fully_written: false,
                misalignment: 0,
            },
        });
        let arguments: Vec<Argument<'_>> = arguments.collect();
        let request = Request {
            seed: settings.seed,
            grid: self.extent.threads,
            group: self.extent.group,
            dynamic_threadgroup_bytes: self.threadgroup_bytes,
            stack_bytes: STACK_BYTES,
            arguments: &arguments,
        };
        let results = run(executable, &request, settings.time_limit)
            .map_err(|fault| Error::device(self.name.clone(), Device::Emulated, fault))?;
        let written = self.arguments.iter().filter_map(|argument| match argument {
            JobArgument::Memory { tensor, offset, writes: true, .. } => Some((tensor, *offset)),
            _ => None,
        });
        for ((tensor, offset), result) in written.zip(results) {
            let mut memory = own(tensor)?.memory.write().expect("no panic holds the lock");
            memory.as_mut()[offset..offset + result.len()].copy_from_slice(&result);
        }
        Ok(())
    }
}

impl EmulatedStream {
    pub(crate) fn open() -> Result<Self> {
        toolchain()?;
        Ok(Self { failure: Mutex::default(), capture: Mutex::default() })
    }

    pub(crate) fn compile(&self, definition: &Definition, unit: &Unit) -> Result<EmulatedPipeline> {
        let limits = Limits {
            threads_per_group: 1024,
            groups: [u32::MAX; 3],
            threadgroup_memory: THREADGROUP_MEMORY,
            threadgroup_static: 0,
        };
        let pipeline =
            EmulatedPipeline { unit: Arc::new(unit.clone()), options: options(definition, unit), limits };
        pipeline.executable(emulator_options().mode)?;
        Ok(pipeline)
    }

    pub(crate) fn launch(&self, pipeline: &EmulatedPipeline, call: &Call<'_>) -> Result<()> {
        self.submit(Recorded::Launch { pipeline: pipeline.clone(), job: Job::of(call) })
    }

    pub(crate) fn fill(&self, tensor: &Tensor, pattern: &[u8]) -> Result<()> {
        self.submit(Recorded::Fill { tensor: tensor.uncounted(), pattern: pattern.to_vec() })
    }

    fn submit(&self, work: Recorded) -> Result<()> {
        if let Some(recorded) = &mut *lock(&self.capture) {
            recorded.push(work);
            return Ok(());
        }
        self.run(&work)
    }

    fn run(&self, work: &Recorded) -> Result<()> {
        match work {
            Recorded::Launch { pipeline, job } => match job.run(pipeline) {
                // What a kernel does wrong is known only later on an asynchronous device, so it is told later here too.
                Err(error) if matches!(error.kind(), Kind::Device { .. }) => {
                    lock(&self.failure).get_or_insert(error);
                    Ok(())
                }
                result => result,
            },
            Recorded::Fill { tensor, pattern } => {
                let size = tensor.dtype().size();
                let start = tensor.layout().offset() * size;
                let mut memory = own(tensor)?.memory.write().expect("no panic holds the lock");
                for element in memory.as_mut()[start..start + tensor.bytes()].chunks_exact_mut(size) {
                    element.copy_from_slice(pattern);
                }
                Ok(())
            }
        }
    }

    pub(crate) fn begin_capture(&self) -> Result<()> {
        let mut capture = lock(&self.capture);
        if capture.is_some() {
            return Err(Error::layout("capture", "stream", "is capturing already"));
        }
        *capture = Some(Vec::new());
        Ok(())
    }

    pub(crate) fn end_capture(&self) -> Result<EmulatedRecording> {
        Ok(EmulatedRecording(lock(&self.capture).take().unwrap_or_default()))
    }

    pub(crate) fn replay(&self, recording: &EmulatedRecording) -> Result<()> {
        recording.0.iter().try_for_each(|work| self.run(work))
    }
}

impl StreamDriver for EmulatedStream {
    fn device(&self) -> Device {
        Device::Emulated
    }

    fn allocate(&self, bytes: usize) -> Result<Arc<dyn Buffer>> {
        let memory = RwLock::new(AlignedBytes::fresh(bytes)?);
        Ok(Arc::new(EmulatedBuffer { memory, bytes, failure: Mutex::default() }))
    }

    fn upload(&self, bytes: &[u8]) -> Result<Arc<dyn Buffer>> {
        let memory = RwLock::new(AlignedBytes::copy_of(bytes)?);
        Ok(Arc::new(EmulatedBuffer { memory, bytes: bytes.len(), failure: Mutex::default() }))
    }

    fn synchronize(&self) -> Result<()> {
        lock(&self.failure).take().map_or(Ok(()), Err)
    }

    fn record(&self) -> Result<Event> {
        static ORDER: AtomicU64 = AtomicU64::new(0);
        let event = Point { order: ORDER.fetch_add(1, Ordering::Relaxed), time: Instant::now() };
        Ok(Event::from_driver(Arc::new(event)))
    }

    fn wait(&self, event: &Event) -> Result<()> {
        event.synchronize()
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

/// Emulated work is done when it was submitted, so an event only has to keep the time.
struct Point {
    order: u64,
    time: Instant,
}

impl EventDriver for Point {
    fn synchronize(&self) -> Result<()> {
        Ok(())
    }
    fn is_complete(&self) -> Result<bool> {
        Ok(true)
    }
    fn milliseconds_since(&self, earlier: &Event) -> Result<Option<f64>> {
        let earlier = earlier.driver().as_any().downcast_ref::<Point>();
        Ok(earlier
            .filter(|earlier| earlier.order <= self.order)
            .map(|earlier| self.time.saturating_duration_since(earlier.time).as_secs_f64() * 1e3))
    }
    fn as_any(&self) -> &dyn Any {
        self
    }
}
