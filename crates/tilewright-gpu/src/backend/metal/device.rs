//! Devices, and what they say of themselves.

use std::sync::{Arc, LazyLock, OnceLock};

use objc2::rc::{Retained, autoreleasepool};
use objc2::runtime::ProtocolObject;
use objc2_foundation::NSProcessInfo;
use objc2_metal::{MTLCopyAllDevices, MTLDevice, MTLGPUFamily};
use tilewright_core::{Device, Error, Result};

use super::compile::Compiled;
use crate::caps::Caps;

/// One GPU, for the life of the process.
pub(super) struct Gpu {
    pub(super) ordinal: u32,
    pub(super) raw: Retained<ProtocolObject<dyn MTLDevice>>,
    pub(super) caps: Caps,
    /// What Apple's compiler calls the chip, for the cache's key.
    pub(super) chip: String,
    /// The programs that fill memory with patterns of 1, 2, 4 and 8 bytes.
    pub(super) fills: [OnceLock<Result<Arc<Compiled>>>; 4],
}

/// The families from the newest on: a device of one supports all earlier ones too.
const FAMILIES: [(MTLGPUFamily, &str); 6] = [
    (MTLGPUFamily::Apple10, "apple10"),
    (MTLGPUFamily::Apple9, "apple9"),
    (MTLGPUFamily::Apple8, "apple8"),
    (MTLGPUFamily::Apple7, "apple7"),
    (MTLGPUFamily::Apple6, "apple6"),
    (MTLGPUFamily::Apple5, "apple5"),
];

/// Lanes of a SIMD group on every Apple family. Metal tells the width of a compiled program only, where it is checked.
pub(super) const SIMD_WIDTH: usize = 32;

/// All devices, in the system's order. Asked once, so that an ordinal keeps its meaning.
fn found() -> &'static [Result<Gpu>] {
    static FOUND: LazyLock<Vec<Result<Gpu>>> = LazyLock::new(|| {
        autoreleasepool(|_| {
            let devices = MTLCopyAllDevices().to_vec();
            devices.into_iter().zip(0..).map(|(raw, ordinal)| Gpu::describe(raw, ordinal)).collect()
        })
    });
    &FOUND
}

/// How many devices Metal lists.
pub(crate) fn count() -> u32 {
    found().len() as u32
}

/// What a device says of itself.
pub(crate) fn caps(ordinal: u32) -> Result<Caps> {
    Gpu::open(ordinal).map(|gpu| gpu.caps.clone()).map_err(|error| error.within("caps"))
}

impl Gpu {
    pub(super) fn open(ordinal: u32) -> Result<&'static Self> {
        match found().get(ordinal as usize) {
            Some(Ok(gpu)) => Ok(gpu),
            Some(Err(error)) => Err(error.clone()),
            None => {
                let why = format!("there are {} Metal devices", count());
                Err(Error::unsupported("stream", Device::Metal(ordinal), why))
            }
        }
    }

    pub(super) fn device(&self) -> Device {
        Device::Metal(self.ordinal)
    }

    fn describe(raw: Retained<ProtocolObject<dyn MTLDevice>>, ordinal: u32) -> Result<Self> {
        let cannot = |why: String| Error::unsupported("stream", Device::Metal(ordinal), why);
        if !objc2::available!(macos = 14.0) {
            return Err(cannot(
                "the dialect has bfloat, so it needs Metal 3.1: macOS 14 or later".to_owned(),
            ));
        }
        let name = raw.name().to_string();
        let family = FAMILIES.iter().find(|(family, _)| raw.supportsFamily(*family));
        let (_, family) = family.ok_or_else(|| cannot(format!("{name} is not an Apple GPU")))?;
        let system = format!("macOS {}", NSProcessInfo::processInfo().operatingSystemVersionString());
        let caps = Caps {
            name,
            architecture: (*family).to_owned(),
            simd_width: SIMD_WIDTH,
            max_threads_per_group: raw.maxThreadsPerThreadgroup().width,
            // Metal states no limit of its own; positions in the grid are 32-bit.
            max_groups: [u32::MAX; 3],
            threadgroup_memory: raw.maxThreadgroupMemoryLength(),
            registers_per_group: None,
            multiprocessors: None,
            cache_bytes: None,
            memory_bytes: Some(raw.recommendedMaxWorkingSetSize()),
            compiler: format!("Metal 3.1 of {system}"),
            driver: system,
        };
        let chip = raw.architecture().name().to_string();
        Ok(Self { ordinal, raw, caps, chip, fills: Default::default() })
    }
}
