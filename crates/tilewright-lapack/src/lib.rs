//! BLAS and LAPACK by their Fortran names, over the CPU paths of tilewright: a shared library that programs load in place of another.
//!
//! ```text
//! cargo build --release -p tilewright-lapack
//! LD_PRELOAD=target/release/libtilewright_lapack.so python program.py
//! ```
//!
//! Routines are there in f32 and f64 (`s`, `d`), with integers of 32 bits (`dgesv_`) and of 64 (`dgesv_64_`), and under the names that the
//! wheels of SciPy and NumPy give their own OpenBLAS (`scipy_dgesv_`, `scipy_dgesv_64_`), so that preloading reaches them too. What is not
//! here, complex numbers above all, stays with the library that was there before: no routine keeps a state that another one needs.
//!
//! # What is as in LAPACK
//! Column-major arrays with leading dimensions, increments of either sign, results in place, workspace queries, INFO, the order in which
//! arguments are checked, and which parts of an array are left alone.
//!
//! # What differs
//! - Workspaces are checked and not used: memory is allocated where it is needed. Queries answer with what LAPACK asks for at least.
//! - An argument that is refused goes to the program's `xerbla_`, of a C name to its `cblas_xerbla` (`xerbla_64_`, `scipy_xerbla_`, .., as the
//!   routine's own name ends and begins), where one is loaded for all to see; this library has none, and tells it on the standard error instead, as
//!   OpenBLAS does. Then the program goes on.
//! - A fault of this library's own is caught: INFO is -1000, and the standard error says what it was.
//! - Threads are those of `rayon` (`RAYON_NUM_THREADS`); a forked process of one that had threads computes with one.
//!
//! # Which calls arrived
//! `tilewright_lapack_calls("dgesv")` gives how often a routine was called so far, in all its names; of no name, how many calls there were in all.

#![allow(clippy::too_many_arguments)] // LAPACK's interfaces are what they are.

#[macro_use]
mod entry;

mod arguments;
mod balance;
mod call;
mod cblas;
mod cholesky;
mod condition;
mod eigen;
mod least_squares;
mod level1;
mod level2;
mod level3;
mod lu;
mod memory;
mod norms;
mod qr;
mod real;
mod svd;
mod symbols;
mod triangular;
mod xerbla;

use std::ffi::{CStr, c_char};

use crate::call::Routine;

fn routines() -> impl Iterator<Item = &'static Routine> {
    symbols::ROUTINES.iter().chain(cblas::ROUTINES).copied()
}

/// How often the routine of this name, such as `dgesv` or `cblas_dgemm`, was called; of the address 0, how often any was.
///
/// # Safety
/// `name` is 0 or the address of a string that ends in 0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tilewright_lapack_calls(name: *const c_char) -> u64 {
    if name.is_null() {
        return routines().map(Routine::calls).sum();
    }
    // SAFETY: the caller's promise.
    let name = unsafe { CStr::from_ptr(name) };
    routines().find(|routine| name.to_bytes() == routine.name.as_bytes()).map_or(0, Routine::calls)
}
