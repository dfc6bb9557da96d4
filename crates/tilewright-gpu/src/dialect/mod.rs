//! The Metal dialect: how the text of a Metal kernel becomes text that other compilers take.
//!
//! Most of it is headers that give Metal's names in C++. What no header can do, because it depends on where a word
//! stands (`threadgroup` on a variable or on a pointer, `0.5` without a suffix), the [token pass](tokens) does.

mod declarations;
mod lexer;
pub mod tokens;

/// The compiler that the text is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Target {
    /// NVRTC, behind `cuda.h`.
    Cuda,
    /// The system C++ compiler, behind `emulator.h`.
    Emulated,
}

/// Where the text stands in the unit, which decides what its outermost scope is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Place {
    /// At namespace scope: a kernel's header, or a whole generated unit.
    Header,
    /// Inside the kernel function.
    Body,
}
