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

/// What the emulator's unit and a kernel's have in common.
const EMULATOR: Headers = &[
    ("runtime.h", include_str!("emulator/runtime.h")),
    ("fibers.h", include_str!("emulator/fibers.h")),
    ("race.h", include_str!("emulator/race.h")),
    ("schedule.h", include_str!("emulator/schedule.h")),
    ("arguments.h", include_str!("emulator/arguments.h")),
];

/// The rest of the emulator's unit.
const LAUNCH: Headers = &[("launch.h", include_str!("emulator/launch.h"))];

/// What comes in a kernel's unit: between the emulator's own stand those that it shares with CUDA.
const EMULATED: Headers = &[
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

/// Reports look through files of this prefix to the author's.
fn joined<'a>(headers: impl IntoIterator<Item = &'a (&'static str, &'static str)>) -> String {
    headers.into_iter().map(|(name, header)| format!("#line 1 \"tilewright:{name}\"\n{header}\n")).collect()
}

fn assemble(target: Target) -> String {
    let text = match target {
        Target::Cuda => joined(CUDA),
        Target::Emulated => joined(EMULATOR.iter().chain(EMULATED)),
    };
    let conveniences =
        tokens::translate(METAL_PREAMBLE, target, Place::Header).expect("within the dialect").text;
    text + &format!(
        "#line 1 \"tilewright:metal.h\"\nnamespace tw_user {{ using namespace metal;\n{conveniences}\n}}\n"
    )
}

/// The emulator's own unit, the same for every kernel, which
/// [`Toolchain::build_emulator`](crate::backend::emulator_host::Toolchain::build_emulator) compiles.
pub(crate) fn emulator() -> &'static str {
    static TEXT: LazyLock<String> = LazyLock::new(|| joined(EMULATOR.iter().chain(LAUNCH)));
    &TEXT
}

/// The unit that [`Toolchain::build`](crate::backend::emulator_host::Toolchain::build) takes: the emulator's headers, then
/// `generated`, which has been through the token pass, lies in `namespace tw_user { namespace { using namespace metal;`
/// and defines `void tw_invoke(const tw::Arguments&)`. A `#line` in it names the author's source.
pub fn emulator_unit(generated: &str) -> String {
    format!("{}{generated}", preamble(Target::Emulated))
}
