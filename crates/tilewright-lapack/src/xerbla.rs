//! XERBLA, which LAPACK calls with the name of a routine and the number of an argument that it refuses, and CBLAS_XERBLA, which the C names of BLAS
//! call. A program may have one of its own, in the place of the one that prints.

use crate::call::Integer;

/// Calls the program's, by this name with a 0 at its end; whether there is one.
#[cfg(unix)]
pub(crate) fn call<I: Integer>(symbol: &'static str, routine: &str, position: i64) -> bool {
    use std::ffi::{CStr, CString, c_char, c_void};

    unsafe extern "C" {
        fn dlsym(handle: *mut c_void, symbol: *const c_char) -> *mut c_void;
    }
    // All that is loaded for everyone, in the order in which a linker looks.
    #[cfg(target_vendor = "apple")]
    let everywhere = std::ptr::without_provenance_mut::<c_void>(-2isize as usize);
    #[cfg(not(target_vendor = "apple"))]
    let everywhere = std::ptr::null_mut::<c_void>();
    let Ok(name) = CStr::from_bytes_with_nul(symbol.as_bytes()) else { return false };
    // SAFETY: the handle is one that dlsym knows, the name ends in 0.
    let found = unsafe { dlsym(everywhere, name.as_ptr()) };
    if found.is_null() {
        return false;
    }
    if symbol.contains("cblas") {
        let Ok(routine) = CString::new(routine) else { return false };
        type CblasXerbla<I> = unsafe extern "C" fn(I, *const c_char, *const c_char, ...);
        // SAFETY: whoever defines a function of this name defines it as CBLAS does: a number, a routine's name, and the format of what follows
        // it, here nothing.
        unsafe {
            let xerbla = std::mem::transmute::<*mut c_void, CblasXerbla<I>>(found);
            xerbla(I::of(position), routine.as_ptr(), c"".as_ptr());
        }
        return true;
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
