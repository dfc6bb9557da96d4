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

/// The headers of a unit for the emulator, in order. Between its own stand those that it shares with CUDA.
const EMULATOR: &[(&str, &str)] = &[
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

/// The unit that [`Toolchain::build`](crate::backend::emulator_host::Toolchain::build) takes: the emulator, then
/// `generated`, which has been through the token pass, lies in `namespace tw_user { namespace { using namespace metal;`
/// and defines `void tw_invoke(const tw::Arguments&)`. A `#line` in it names the author's source.
pub fn emulator_unit(generated: &str) -> String {
    let mut unit = String::new();
    for (name, text) in EMULATOR {
        // Reports look through files of this prefix to the author's.
        unit += &format!("#line 1 \"tilewright:{name}\"\n{text}\n");
    }
    unit + "#line 1 \"tilewright:generated\"\n" + generated
}
