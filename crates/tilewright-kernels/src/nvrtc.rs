//! Compiling for CUDA on machines without a GPU: no other test there reads those sources, and no emulator shows what f64 makes of a body.

use tilewright_core::DType;
use tilewright_gpu::{Program, Template};

/// Where NVRTC is installed.
pub(crate) fn compiles(program: &Program, templates: &[Template], dtypes: &[DType]) {
    compiles_for("sm_90", program, templates, dtypes);
}

/// [`compiles`], for a chip whose own instructions the body uses.
pub(crate) fn compiles_for(chip: &str, program: &Program, templates: &[Template], dtypes: &[DType]) {
    match program.compile_for(chip, templates, dtypes) {
        Err(error) if error.is_unsupported() => eprintln!("not compiled: {error}"),
        done => done.unwrap(),
    }
}
