//! The driver, devices and their primary contexts.

use std::collections::HashMap;
use std::ffi::{CStr, c_int};
use std::sync::{Arc, LazyLock, Mutex, Weak};

use cudarc::driver::sys::{
    self, CUdevice_attribute as Attribute, CUmemPool_attribute as PoolAttribute, CUresult,
};
use tilewright_core::{Device, Error, Kind, Result};

use super::stream::RawStream;
use crate::caps::Caps;

/// One device's primary context. It lives as long as the process: other libraries in it share it.
pub(super) struct Context {
    pub(super) ordinal: u32,
    raw: sys::CUcontext,
    /// The memory that its streams allocate from.
    pool: sys::CUmemoryPool,
    pub(super) caps: Caps,
    /// The streams of this context by slot; several share a slot beyond 64.
    pub(super) streams: Mutex<Vec<Weak<RawStream>>>,
}

// SAFETY: a CUDA context may be made current in, and used from, any thread.
unsafe impl Send for Context {}
// SAFETY: as above; the driver API is thread-safe.
unsafe impl Sync for Context {}

/// The driver's text for a result.
fn describe(result: CUresult) -> String {
    let mut text = std::ptr::null();
    // SAFETY: `text` receives a pointer to a static string, or stays null for an unknown code.
    let known =
        unsafe { sys::cuGetErrorString(result, &mut text) } == CUresult::CUDA_SUCCESS && !text.is_null();
    if !known {
        return format!("{result:?}");
    }
    // SAFETY: the driver promises a static, null-terminated string.
    let text = unsafe { CStr::from_ptr(text) };
    format!("{} ({result:?})", text.to_string_lossy())
}

/// Turns a driver result into an error of `operation`.
pub(super) fn check(ordinal: u32, operation: &str, result: CUresult) -> Result<()> {
    match result {
        CUresult::CUDA_SUCCESS => Ok(()),
        failure => Err(Error::device(operation.to_owned(), Device::Cuda(ordinal), describe(failure))),
    }
}

/// As [`check`], with exhausted memory told by its own kind.
pub(super) fn check_memory(ordinal: u32, bytes: usize, result: CUresult) -> Result<()> {
    if result == CUresult::CUDA_ERROR_OUT_OF_MEMORY {
        return Err(Error::new("allocate", Kind::OutOfMemory { bytes, device: Device::Cuda(ordinal) }));
    }
    check(ordinal, "allocate", result)
}

/// The number of CUDA devices, or why there are none.
pub(crate) fn count() -> Result<u32, String> {
    static COUNT: LazyLock<Result<u32, String>> = LazyLock::new(|| {
        // SAFETY: only looks for the library's file.
        if !unsafe { sys::is_culib_present() } {
            return Err("no CUDA driver: libcuda was not found".to_owned());
        }
        let mut devices: c_int = 0;
        // SAFETY: the library is there; cuInit takes no pointers and comes before every other call, and the second call writes one int.
        let result = unsafe {
            match sys::cuInit(0) {
                CUresult::CUDA_SUCCESS => sys::cuDeviceGetCount(&mut devices),
                failure => failure,
            }
        };
        match result {
            CUresult::CUDA_SUCCESS => Ok(devices as u32),
            failure => Err(format!("the CUDA driver does not start: {}", describe(failure))),
        }
    });
    COUNT.clone()
}

/// What a device says of itself.
pub(crate) fn caps(ordinal: u32) -> Result<Caps> {
    Ok(Context::open(ordinal)?.caps.clone())
}

impl Context {
    /// The device's context, retained once.
    pub(super) fn open(ordinal: u32) -> Result<Arc<Self>> {
        static OPEN: LazyLock<Mutex<HashMap<u32, Arc<Context>>>> = LazyLock::new(Mutex::default);
        let absent = |why| Error::unsupported("stream", Device::Cuda(ordinal), why);
        let present = count().map_err(absent)?;
        if ordinal >= present {
            return Err(absent(format!("the system has {present} CUDA devices")));
        }
        let mut open = OPEN.lock().expect("no panic holds the lock");
        if let Some(context) = open.get(&ordinal) {
            return Ok(context.clone());
        }
        let context = Arc::new(Self::retain(ordinal)?);
        open.insert(ordinal, context.clone());
        Ok(context)
    }

    fn retain(ordinal: u32) -> Result<Self> {
        let mut device = 0;
        // SAFETY: writes one device handle; the ordinal was checked.
        check(ordinal, "stream", unsafe { sys::cuDeviceGet(&mut device, ordinal as c_int) })?;
        let mut raw = std::ptr::null_mut();
        // SAFETY: writes one context handle of a device that exists.
        check(ordinal, "stream", unsafe { sys::cuDevicePrimaryCtxRetain(&mut raw, device) })?;
        let caps = read_caps(ordinal, device)?;
        let mut pool = std::ptr::null_mut();
        // SAFETY: writes one pool handle.
        check(ordinal, "stream", unsafe { sys::cuDeviceGetDefaultMemPool(&mut pool, device) })?;
        let context = Self { ordinal, raw, pool, caps, streams: Mutex::default() };
        context.bind()?;
        // Freed memory stays with the pool: giving it back to the system at each synchronise would cost milliseconds.
        context.set(PoolAttribute::CU_MEMPOOL_ATTR_RELEASE_THRESHOLD, u64::MAX)?;
        Ok(context)
    }

    /// Sets one of the pool's attributes that are numbers of bytes.
    fn set(&self, attribute: PoolAttribute, mut bytes: u64) -> Result<()> {
        self.bind()?;
        // SAFETY: such an attribute takes a pointer to one u64; the device's own pool lives as long as the context.
        let set = unsafe { sys::cuMemPoolSetAttribute(self.pool, attribute, (&raw mut bytes).cast()) };
        check(self.ordinal, "memory pool", set)
    }

    /// One of the pool's attributes that are numbers of bytes.
    fn get(&self, attribute: PoolAttribute) -> Result<usize> {
        self.bind()?;
        let mut bytes = 0u64;
        // SAFETY: such an attribute writes one u64; the device's own pool lives as long as the context.
        let got = unsafe { sys::cuMemPoolGetAttribute(self.pool, attribute, (&raw mut bytes).cast()) };
        check(self.ordinal, "memory pool", got)?;
        Ok(bytes as usize)
    }

    /// Starts to count anew what is in use of the pool at most, and gives what is in use now.
    pub(super) fn forget_peak_memory(&self) -> Result<usize> {
        // Zero is the only value that this attribute takes.
        self.set(PoolAttribute::CU_MEMPOOL_ATTR_USED_MEM_HIGH, 0)?;
        self.get(PoolAttribute::CU_MEMPOOL_ATTR_USED_MEM_CURRENT)
    }

    /// What has been in use of the pool at most since then.
    pub(super) fn peak_memory(&self) -> Result<usize> {
        self.get(PoolAttribute::CU_MEMPOOL_ATTR_USED_MEM_HIGH)
    }

    /// Makes the context current in this thread. Asked anew each time since other libraries change it; asking is cheaper than setting.
    pub(super) fn bind(&self) -> Result<()> {
        let mut current = std::ptr::null_mut();
        // SAFETY: writes one handle; the context is retained for the life of the process.
        let result = unsafe {
            match sys::cuCtxGetCurrent(&mut current) {
                CUresult::CUDA_SUCCESS if current == self.raw => return Ok(()),
                _ => sys::cuCtxSetCurrent(self.raw),
            }
        };
        check(self.ordinal, "bind", result)
    }
}

fn read_caps(ordinal: u32, device: sys::CUdevice) -> Result<Caps> {
    let read = |attribute: Attribute| -> Result<usize> {
        let mut value: c_int = 0;
        // SAFETY: writes one int of a device that exists.
        check(ordinal, "caps", unsafe { sys::cuDeviceGetAttribute(&mut value, attribute, device) })?;
        Ok(value as usize)
    };
    let mut name = [0; 256];
    // SAFETY: writes at most 256 bytes, null-terminated.
    check(ordinal, "caps", unsafe { sys::cuDeviceGetName(name.as_mut_ptr(), 256, device) })?;
    // SAFETY: null-terminated by the call above.
    let name = unsafe { CStr::from_ptr(name.as_ptr()) }.to_string_lossy().into_owned();
    let mut memory = 0;
    // SAFETY: writes one size.
    check(ordinal, "caps", unsafe { sys::cuDeviceTotalMem_v2(&mut memory, device) })?;
    let mut driver: c_int = 0;
    // SAFETY: writes one int.
    check(ordinal, "caps", unsafe { sys::cuDriverGetVersion(&mut driver) })?;
    let major = read(Attribute::CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR)?;
    let minor = read(Attribute::CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR)?;
    Ok(Caps {
        name,
        // Hopper's own instructions are in a target of their own.
        architecture: format!("sm_{major}{minor}{}", if (major, minor) == (9, 0) { "a" } else { "" }),
        simd_width: read(Attribute::CU_DEVICE_ATTRIBUTE_WARP_SIZE)?,
        max_threads_per_group: read(Attribute::CU_DEVICE_ATTRIBUTE_MAX_THREADS_PER_BLOCK)?,
        max_groups: [
            read(Attribute::CU_DEVICE_ATTRIBUTE_MAX_GRID_DIM_X)? as u32,
            read(Attribute::CU_DEVICE_ATTRIBUTE_MAX_GRID_DIM_Y)? as u32,
            read(Attribute::CU_DEVICE_ATTRIBUTE_MAX_GRID_DIM_Z)? as u32,
        ],
        threadgroup_memory: read(Attribute::CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_BLOCK_OPTIN)?,
        registers_per_group: Some(read(Attribute::CU_DEVICE_ATTRIBUTE_MAX_REGISTERS_PER_BLOCK)?),
        multiprocessors: Some(read(Attribute::CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT)?),
        cache_bytes: Some(read(Attribute::CU_DEVICE_ATTRIBUTE_L2_CACHE_SIZE)?),
        memory_bytes: Some(memory as u64),
        driver: format!("{}.{}", driver / 1000, driver % 1000 / 10),
        compiler: super::compile::compiler_version(),
    })
}
