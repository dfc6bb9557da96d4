//! Where work runs.

use std::fmt;
use std::str::FromStr;

use crate::{Error, Result};

/// A place that runs kernels, as a value.
///
/// Naming a device costs nothing and needs no hardware; opening a stream on one that is absent is a clear error.
///
/// ```
/// use tilewright_core::Device;
/// assert_eq!("cuda:1".parse::<Device>()?, Device::Cuda(1));
/// assert_eq!(Device::Metal(0).to_string(), "metal:0");
/// # Ok::<(), tilewright_core::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Device {
    /// The host's processors, by native Rust.
    Cpu,
    /// An NVIDIA GPU, by its CUDA ordinal.
    Cuda(u32),
    /// An Apple GPU, by its position among the system's Metal devices.
    Metal(u32),
    /// Metal kernels on the host under sanitizers: a test device, never a fast one.
    Emulated,
}

impl fmt::Display for Device {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Device::Cpu => f.write_str("cpu"),
            Device::Cuda(ordinal) => write!(f, "cuda:{ordinal}"),
            Device::Metal(ordinal) => write!(f, "metal:{ordinal}"),
            Device::Emulated => f.write_str("emulated"),
        }
    }
}

impl FromStr for Device {
    type Err = Error;

    /// Reads `cpu`, `emulated`, `cuda`, `cuda:N`, `metal`, `metal:N`.
    fn from_str(text: &str) -> Result<Self> {
        let wrong =
            || Error::range("device", "name", "cpu, emulated, cuda[:N] or metal[:N]", format!("{text:?}"));
        let (kind, ordinal) = match text.split_once(':') {
            Some((kind, ordinal)) => (kind, Some(ordinal.parse::<u32>().map_err(|_| wrong())?)),
            None => (text, None),
        };
        match (kind, ordinal) {
            ("cpu", None) => Ok(Device::Cpu),
            ("emulated", None) => Ok(Device::Emulated),
            ("cuda", ordinal) => Ok(Device::Cuda(ordinal.unwrap_or(0))),
            ("metal", ordinal) => Ok(Device::Metal(ordinal.unwrap_or(0))),
            _ => Err(wrong()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_round_trip_and_nonsense_is_refused() {
        for device in [Device::Cpu, Device::Emulated, Device::Cuda(3), Device::Metal(0)] {
            assert_eq!(device.to_string().parse::<Device>().unwrap(), device);
        }
        for nonsense in ["", "gpu", "cpu:0", "cuda:", "cuda:-1", "cuda:x", "metal:0:1"] {
            let error = nonsense.parse::<Device>().unwrap_err().to_string();
            assert!(error.contains("name is"), "{error}");
        }
    }
}
