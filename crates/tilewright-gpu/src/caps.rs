//! What a device really says of itself.

use std::fmt;

use serde::Serialize;
use tilewright_core::Device;

/// Capabilities as the driver reports them, never from a table of names.
#[derive(Debug, Clone, Serialize)]
pub struct Caps {
    /// The device's own name.
    pub name: String,
    /// What its compiler calls it: `sm_90a`, `apple9`, `x86_64`.
    pub architecture: String,
    /// Threads that run in lockstep.
    pub simd_width: usize,
    /// Threads per group, at most.
    pub max_threads_per_group: usize,
    /// Groups per axis, at most.
    pub max_groups: [u32; 3],
    /// Bytes of threadgroup memory per group, at most, static and dynamic together.
    pub threadgroup_memory: usize,
    /// 32-bit registers per group, where the driver says.
    pub registers_per_group: Option<usize>,
    /// Multiprocessors (NVIDIA), cores (CPU); `None` where the driver does not say.
    pub multiprocessors: Option<usize>,
    /// Bytes of last-level cache, where the driver says.
    pub cache_bytes: Option<usize>,
    /// Bytes of device memory, where the driver says.
    pub memory_bytes: Option<u64>,
    /// Driver version.
    pub driver: String,
    /// Compiler and version, part of every cache key.
    pub compiler: String,
}

impl Caps {
    /// NVIDIA's compute capability, major and minor in one number: 90 for 9.0. `None` of other devices.
    pub fn compute_capability(&self) -> Option<u32> {
        // A letter says that the instructions of this chip alone may be used.
        self.architecture
            .strip_prefix("sm_")?
            .trim_end_matches(|c: char| c.is_ascii_alphabetic())
            .parse()
            .ok()
    }

    /// Whether this is NVIDIA's, of at least this [compute capability](Self::compute_capability).
    pub fn is_cuda_of(&self, least: u32) -> bool {
        self.compute_capability().is_some_and(|capability| capability >= least)
    }
}

impl fmt::Display for Caps {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({}), {} lanes", self.name, self.architecture, self.simd_width)?;
        write!(
            f,
            ", {} threads a group, {} KiB threadgroup memory",
            self.max_threads_per_group,
            self.threadgroup_memory >> 10
        )?;
        if let Some(count) = self.multiprocessors {
            write!(f, ", {count} multiprocessors")?;
        }
        if let Some(bytes) = self.cache_bytes {
            write!(f, ", {} MiB cache", bytes >> 20)?;
        }
        if let Some(bytes) = self.memory_bytes {
            write!(f, ", {} GiB memory", bytes >> 30)?;
        }
        write!(f, "; driver {}; compiler {}", self.driver, self.compiler)
    }
}

/// The host's processors.
pub(crate) fn cpu() -> Caps {
    #[cfg(target_arch = "x86_64")]
    let known = [
        ("avx2", std::arch::is_x86_feature_detected!("avx2")),
        ("fma", std::arch::is_x86_feature_detected!("fma")),
        ("f16c", std::arch::is_x86_feature_detected!("f16c")),
        ("avx512f", std::arch::is_x86_feature_detected!("avx512f")),
        ("avx512bf16", std::arch::is_x86_feature_detected!("avx512bf16")),
    ];
    #[cfg(target_arch = "aarch64")]
    let known = [("neon", true)];
    #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
    let known: [(&str, bool); 0] = [];
    let features: Vec<&str> = known.iter().filter(|(_, present)| *present).map(|(name, _)| *name).collect();
    let lanes = if features.contains(&"avx512f") {
        16
    } else if features.contains(&"avx2") {
        8
    } else {
        4
    };
    Caps {
        name: format!("{} with {}", std::env::consts::OS, features.join(" ")),
        architecture: std::env::consts::ARCH.to_owned(),
        simd_width: lanes,
        max_threads_per_group: 1,
        max_groups: [u32::MAX; 3],
        threadgroup_memory: 0,
        registers_per_group: None,
        multiprocessors: std::thread::available_parallelism().ok().map(usize::from),
        cache_bytes: None,
        memory_bytes: None,
        driver: "none".to_owned(),
        compiler: "rustc".to_owned(),
    }
}

/// The limits of one compiled program on one device.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    pub(crate) threads_per_group: usize,
    pub(crate) groups: [u32; 3],
    /// Bytes in all.
    pub(crate) threadgroup_memory: usize,
    /// Bytes that the body's own arrays take.
    pub(crate) threadgroup_static: usize,
}

/// Whether a device of this kind could exist on this system at all.
pub(crate) fn possible(device: Device) -> Result<(), &'static str> {
    match device {
        Device::Metal(_) if !cfg!(target_os = "macos") => Err("Metal needs macOS"),
        Device::Cuda(_) if cfg!(target_vendor = "apple") => Err("CUDA does not exist on Apple systems"),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_capability_is_the_number_in_the_name() {
        let of =
            |name: &str| super::Caps { architecture: name.to_owned(), ..super::cpu() }.compute_capability();
        assert_eq!(
            ["sm_80", "sm_90a", "sm_103", "apple9", "x86_64"].map(of),
            [Some(80), Some(90), Some(103), None, None]
        );
    }
}
