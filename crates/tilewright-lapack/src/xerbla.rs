//! XERBLA, which LAPACK calls with the name of a routine and the number of an argument that it refuses. A program may have one of its own, in
//! the place of the one that prints.

use crate::call::Integer;

/// Calls the program's, by this name with a 0 at its end; whether there is one.
#[cfg(unix)]
pub(crate) fn call<I: Integer>(symbol: &'static str, routine: &str, position: i64) -> bool {
    use std::ffi::{CStr, c_char, c_void};

    unsafe extern "C" {
        fn dlsym(handle: *mut c_void, symbol: *const c_char) -> *mut c_void;
    }
    // All that is loaded for everyone, in the order in which a linker looks.
    #[cfg(target_vendor = "apple")]
    let everywhere = std::ptr::without_provenance_mut::<c_void>(-2isize as usize);
    #[cfg(not(target_vendor = "apple"))]
    let everywhere = std::ptr::null_mut::<c_void>();
    let Ok(symbol) = CStr::from_bytes_with_nul(symbol.as_bytes()) else { return false };
    // SAFETY: the handle is one that dlsym knows, the name ends in 0.
    let found = unsafe { dlsym(everywhere, symbol.as_ptr()) };
    if found.is_null() {
        return false;
    }
    type Xerbla<I> = unsafe extern "C" fn(*const u8, *const I, usize);
    // SAFETY: whoever defines a function of this name defines it as LAPACK does: a text, an integer's address, and the text's length, which
    // Fortran's compilers append.
    unsafe {
        let xerbla = std::mem::transmute::<*mut c_void, Xerbla<I>>(found);
        xerbla(routine.as_ptr(), &I::of(position), routine.len());
    }
    true
}

#[cfg(not(unix))]
pub(crate) fn call<I: Integer>(_symbol: &'static str, _routine: &str, _position: i64) -> bool {
    false
}
