//! What all calls have in common: they are counted, their faults are told as LAPACK tells them, and no panic leaves them.

use std::io::Write;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

use faer::Par;

use crate::memory::Integers;
use crate::xerbla;

/// Why a routine did not do its work.
#[derive(Debug)]
pub(crate) enum Fault {
    /// An argument, counted from 1, that the routine does not take.
    Argument(i64),
    /// What a positive INFO says.
    Numerical(i64),
}

pub(crate) type Outcome<R = ()> = Result<R, Fault>;

/// INFO of a call in which something panicked: beyond the number of any argument. The panic's message is on the standard error.
pub(crate) const PANICKED: i64 = -1000;

/// A routine of one precision, in all its names.
pub(crate) struct Routine {
    pub(crate) name: &'static str,
    calls: AtomicU64,
}

impl Routine {
    pub(crate) const fn new(name: &'static str) -> Self {
        Routine { name, calls: AtomicU64::new(0) }
    }

    pub(crate) fn calls(&self) -> u64 {
        self.calls.load(Ordering::Relaxed)
    }

    /// Runs a call whose integers are I; its error is an INFO. `xerbla` is what is told of an argument that is refused.
    pub(crate) fn run<R, I: Integer>(
        &self,
        xerbla: &'static str,
        body: impl FnOnce() -> Outcome<R>,
    ) -> Result<R, i64> {
        self.calls.fetch_add(1, Ordering::Relaxed);
        match catch_unwind(AssertUnwindSafe(body)) {
            Ok(Ok(result)) => Ok(result),
            Ok(Err(Fault::Numerical(info))) => Err(info),
            Ok(Err(Fault::Argument(position))) => {
                let is_c = self.name.starts_with("cblas_");
                let name =
                    if is_c { self.name.to_owned() } else { format!("{:6}", self.name.to_uppercase()) };
                if !xerbla::call::<I>(xerbla, &name, position) {
                    self.tell(format_args!(
                        " ** On entry to {name} parameter number {position:2} had an illegal value"
                    ));
                }
                Err(-position)
            }
            Err(_) => {
                self.tell(format_args!(
                    "{}: a panic was caught; what it was to write is not written",
                    self.name
                ));
                Err(PANICKED)
            }
        }
    }

    fn tell(&self, what: std::fmt::Arguments<'_>) {
        // A closed standard error is no reason to fail.
        let _ = writeln!(std::io::stderr(), "{what}");
    }
}

/// The integers of a caller: 32 bits wide, or 64 in the names that end in `64_`.
pub(crate) trait Integer: Copy {
    fn wide(self) -> i64;
    fn of(value: i64) -> Self;
    /// # Safety
    /// As for `memory::Array::new`.
    unsafe fn array(start: *mut Self) -> Integers;
}

impl Integer for i32 {
    fn wide(self) -> i64 {
        self.into()
    }

    fn of(value: i64) -> Self {
        value as i32
    }

    unsafe fn array(start: *mut Self) -> Integers {
        // SAFETY: the caller's promise is that of this function.
        unsafe { Integers::narrow(start) }
    }
}

impl Integer for i64 {
    fn wide(self) -> i64 {
        self
    }

    fn of(value: i64) -> Self {
        value
    }

    unsafe fn array(start: *mut Self) -> Integers {
        // SAFETY: the caller's promise is that of this function.
        unsafe { Integers::wide(start) }
    }
}

/// Extents from which on a factorization is divided among threads, as in the kernels.
const PARALLEL: usize = 512;
/// Multiply-adds from which on a product may be.
const PARALLEL_PRODUCT: usize = 128 * 128 * 128;

/// How many threads may share a factorization whose largest extent is n.
pub(crate) fn threads(n: usize) -> Par {
    if n < PARALLEL || forked() { Par::Seq } else { Par::rayon(0) }
}

/// How many threads may share a product.
pub(crate) fn product_threads([m, n, k]: [usize; 3]) -> Par {
    if m.saturating_mul(n).saturating_mul(k) < PARALLEL_PRODUCT || forked() {
        Par::Seq
    } else {
        Par::rayon(0)
    }
}

/// Whether this process is a fork of one that had threads: they do not live on in it, and whoever handed them work would wait for ever. Python's
/// `multiprocessing` makes such processes.
fn forked() -> bool {
    static FIRST: OnceLock<u32> = OnceLock::new();
    let own = std::process::id();
    *FIRST.get_or_init(|| own) != own
}
