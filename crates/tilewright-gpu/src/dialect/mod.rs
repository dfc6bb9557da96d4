//! The Metal dialect: how the text of a Metal kernel becomes text that other compilers take.
//!
//! Most of it is headers that give Metal's names in C++. What no header can do, because it depends on where a word
//! stands (`threadgroup` on a variable or on a pointer, `0.5` without a suffix), the [token pass](tokens) does.

use std::sync::LazyLock;

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

/// The conveniences of MLX's preamble, in plain Metal: verbatim for Metal, through the token pass for the others.
pub(crate) const METAL_PREAMBLE: &str = include_str!("metal.h");

const CUDA: &[&str] = &[
    include_str!("cuda.h"),
    include_str!("types.h"),
    include_str!("vectors.h"),
    include_str!("math.h"),
    include_str!("integers.h"),
    include_str!("cuda_threads.h"),
    include_str!("cuda_simd.h"),
    include_str!("cuda_atomics.h"),
    include_str!("simdgroup_matrix.h"),
];

const EMULATED: &[&str] = &[
    include_str!("emulator/runtime.h"),
    include_str!("emulator/fibers.h"),
    include_str!("emulator/race.h"),
    include_str!("emulator/schedule.h"),
    include_str!("emulator/launch.h"),
    include_str!("types.h"),
    include_str!("vectors.h"),
    include_str!("math.h"),
    include_str!("integers.h"),
    include_str!("emulator/simd.h"),
    include_str!("emulator/matrix.h"),
    include_str!("emulator/atomics.h"),
];

/// Everything that comes before a program's own text for a C++ compiler.
pub(crate) fn preamble(target: Target) -> &'static str {
    static TEXTS: [LazyLock<String>; 2] =
        [LazyLock::new(|| assemble(Target::Cuda)), LazyLock::new(|| assemble(Target::Emulated))];
    match target {
        Target::Cuda => &TEXTS[0],
        Target::Emulated => &TEXTS[1],
    }
}

fn assemble(target: Target) -> String {
    let parts = match target {
        Target::Cuda => CUDA,
        Target::Emulated => EMULATED,
    };
    let conveniences = tokens::translate(METAL_PREAMBLE, target, Place::Header).expect("the preamble is within the dialect");
    let conveniences = conveniences.text;
    format!("{}\nnamespace tw_user {{ using namespace metal;\n{conveniences}\n}}\n", parts.join("\n"))
}
