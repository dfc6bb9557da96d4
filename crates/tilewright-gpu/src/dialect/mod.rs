//! The Metal dialect: how the text of a Metal kernel becomes text that other compilers take.
//!
//! Most of it is headers that give Metal's names in C++. What no header can do, because it depends on where a word
//! stands (`threadgroup` on a variable or on a pointer, `0.5` without a suffix), the [token pass](tokens) does.

use std::sync::LazyLock;

mod declarations;
mod lexer;
pub(crate) mod swizzles;
pub mod tokens;

/// The compiler that the text is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Target {
    /// NVRTC, behind `cuda.h`.
    Cuda,
    /// The system C++ compiler, behind the headers in `emulator/`.
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

/// Names and texts of headers, in the order of the unit.
type Headers = &'static [(&'static str, &'static str)];

const CUDA: Headers = &[
    ("cuda.h", include_str!("cuda.h")),
    ("types.h", include_str!("types.h")),
    ("vectors.h", include_str!("vectors.h")),
    ("math.h", include_str!("math.h")),
    ("integers.h", include_str!("integers.h")),
    ("cuda_threads.h", include_str!("cuda_threads.h")),
    ("cuda_simd.h", include_str!("cuda_simd.h")),
    ("cuda_atomics.h", include_str!("cuda_atomics.h")),
    ("cuda_matrix.h", include_str!("cuda_matrix.h")),
];

/// Between the emulator's own stand those that it shares with CUDA.
const EMULATED: Headers = &[
    ("runtime.h", include_str!("emulator/runtime.h")),
    ("fibers.h", include_str!("emulator/fibers.h")),
    ("race.h", include_str!("emulator/race.h")),
    ("schedule.h", include_str!("emulator/schedule.h")),
    ("launch.h", include_str!("emulator/launch.h")),
    ("types.h", include_str!("types.h")),
    ("vectors.h", include_str!("vectors.h")),
    ("math.h", include_str!("math.h")),
    ("integers.h", include_str!("integers.h")),
    ("simd.h", include_str!("emulator/simd.h")),
    ("matrix.h", include_str!("emulator/matrix.h")),
    ("atomics.h", include_str!("emulator/atomics.h")),
];

/// Everything that comes before a program's own text, which follows in `namespace tw_user`.
pub(crate) fn preamble(target: Target) -> &'static str {
    static TEXTS: [LazyLock<String>; 2] =
        [LazyLock::new(|| assemble(Target::Cuda)), LazyLock::new(|| assemble(Target::Emulated))];
    match target {
        Target::Cuda => &TEXTS[0],
        Target::Emulated => &TEXTS[1],
    }
}

fn assemble(target: Target) -> String {
    let headers = match target {
        Target::Cuda => CUDA,
        Target::Emulated => EMULATED,
    };
    let mut text = String::new();
    for (name, header) in headers {
        // Reports look through files of this prefix to the author's.
        text += &format!("#line 1 \"tilewright:{name}\"\n{header}\n");
    }
    let conveniences =
        tokens::translate(METAL_PREAMBLE, target, Place::Header).expect("within the dialect").text;
    text + &format!(
        "#line 1 \"tilewright:metal.h\"\nnamespace tw_user {{ using namespace metal;\n{conveniences}\n}}\n"
    )
}

/// The unit that [`Toolchain::build`](crate::backend::emulator_host::Toolchain::build) takes: the emulator, then
/// `generated`, which has been through the token pass, lies in `namespace tw_user { namespace { using namespace metal;`
/// and defines `void tw_invoke(const tw::Arguments&)`. A `#line` in it names the author's source.
pub fn emulator_unit(generated: &str) -> String {
    format!("{}{generated}", preamble(Target::Emulated))
}
