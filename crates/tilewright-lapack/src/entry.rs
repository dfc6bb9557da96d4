//! Exported functions for a table of routines: for each of them two precisions, integers of 32 and of 64 bits, and a second name of each.

/// The type that an argument of a kind has in a signature.
macro_rules! passed {
    (flag, $real:ty, $int:ty) => { *const u8 };
    (int, $real:ty, $int:ty) => { *const $int };
    (real, $real:ty, $int:ty) => { *const $real };
    (reals, $real:ty, $int:ty) => { *mut $real };
    (ints, $real:ty, $int:ty) => { *mut $int };
    (code, $real:ty, $int:ty) => { i32 };
    (number, $real:ty, $int:ty) => { $int };
    (factor, $real:ty, $int:ty) => { $real };
}

/// What an argument of a kind is: a value, at an address or as it is, or an array of the caller's. A value's address may be any: NumPy passes some that
/// are no multiple of the size.
macro_rules! taken {
    (flag, $argument:ident) => {
        (*$argument).to_ascii_uppercase()
    };
    (int, $argument:ident) => {
        Integer::wide($argument.read_unaligned())
    };
    (real, $argument:ident) => {
        $argument.read_unaligned()
    };
    (reals, $argument:ident) => {
        Array::new($argument)
    };
    (ints, $argument:ident) => {
        Integer::array($argument)
    };
    (code, $argument:ident) => {
        $argument
    };
    (number, $argument:ident) => {
        Integer::wide($argument)
    };
    (factor, $argument:ident) => {
        $argument
    };
}

/// One name.
macro_rules! entry {
    ($symbol:expr, $xerbla:expr, $real:ty, $int:ty, $routine:expr, [$($argument:ident: $kind:ident),*], info, $body:path) => {
        const _: () = {
            #[unsafe(export_name = $symbol)]
            unsafe extern "C" fn entry($($argument: passed!($kind, $real, $int),)* info: *mut $int) {
                // SAFETY: the caller passes what the routine's documentation asks for: addresses of values and of arrays that fit the extents.
                let done = $routine.run::<_, $int>($xerbla, || unsafe { $body($(taken!($kind, $argument)),*) });
                // SAFETY: INFO is the address of an integer that the routine writes.
                unsafe { info.write_unaligned(<$int>::of(done.err().unwrap_or(0))) }
            }
        };
    };
    ($symbol:expr, $xerbla:expr, $real:ty, $int:ty, $routine:expr, [$($argument:ident: $kind:ident),*], none, $body:path) => {
        const _: () = {
            #[unsafe(export_name = $symbol)]
            unsafe extern "C" fn entry($($argument: passed!($kind, $real, $int)),*) {
                // Without INFO, what is wrong is told on the standard error alone.
                // SAFETY: the caller passes what the routine's documentation asks for: addresses of values and of arrays that fit the extents.
                let _ = $routine.run::<_, $int>($xerbla, || unsafe { $body($(taken!($kind, $argument)),*) });
            }
        };
    };
    ($symbol:expr, $xerbla:expr, $real:ty, $int:ty, $routine:expr, [$($argument:ident: $kind:ident),*], real, $body:path) => {
        const _: () = {
            #[unsafe(export_name = $symbol)]
            unsafe extern "C" fn entry($($argument: passed!($kind, $real, $int)),*) -> $real {
                // SAFETY: the caller passes what the routine's documentation asks for: addresses of values and of arrays that fit the extents.
                let done = $routine.run::<_, $int>($xerbla, || unsafe { $body($(taken!($kind, $argument)),*) });
                done.unwrap_or(<$real>::NAN)
            }
        };
    };
    ($symbol:expr, $xerbla:expr, $real:ty, $int:ty, $routine:expr, [$($argument:ident: $kind:ident),*], int, $body:path) => {
        const _: () = {
            #[unsafe(export_name = $symbol)]
            unsafe extern "C" fn entry($($argument: passed!($kind, $real, $int)),*) -> $int {
                // SAFETY: the caller passes what the routine's documentation asks for: addresses of values and of arrays that fit the extents.
                let done = $routine.run::<_, $int>($xerbla, || unsafe { $body($(taken!($kind, $argument)),*) });
                <$int>::of(done.unwrap_or(0))
            }
        };
    };
}

/// The four names of one precision.
macro_rules! names {
    ($before:literal, $letter:literal, $name:ident, $after:literal, $xerbla:literal, $real:ty, $routine:expr, $arguments:tt, $result:ident, $body:path) => {
        entry!(
            concat!($before, $letter, stringify!($name), $after),
            concat!($xerbla, "\0"),
            $real,
            i32,
            $routine,
            $arguments,
            $result,
            $body
        );
        entry!(
            concat!($before, $letter, stringify!($name), $after, "64_"),
            concat!($xerbla, "64_", "\0"),
            $real,
            i64,
            $routine,
            $arguments,
            $result,
            $body
        );
        entry!(
            concat!("scipy_", $before, $letter, stringify!($name), $after),
            concat!("scipy_", $xerbla, "\0"),
            $real,
            i32,
            $routine,
            $arguments,
            $result,
            $body
        );
        entry!(
            concat!("scipy_", $before, $letter, stringify!($name), $after, "64_"),
            concat!("scipy_", $xerbla, "64_", "\0"),
            $real,
            i64,
            $routine,
            $arguments,
            $result,
            $body
        );
    };
}

macro_rules! routines {
    ($after:literal, $xerbla:literal; $($before:literal $name:ident $arguments:tt -> $result:ident = $body:path;)*) => {
        $(
            mod $name {
                use super::*;

                pub(super) static SINGLE: Routine = Routine::new(concat!($before, "s", stringify!($name)));
                pub(super) static DOUBLE: Routine = Routine::new(concat!($before, "d", stringify!($name)));
                names!($before, "s", $name, $after, $xerbla, f32, SINGLE, $arguments, $result, $body);
                names!($before, "d", $name, $after, $xerbla, f64, DOUBLE, $arguments, $result, $body);
            }
        )*

        /// Every routine that has such a name.
        pub(crate) static ROUTINES: &[&Routine] = &[$(&$name::SINGLE, &$name::DOUBLE),*];
    };
}
