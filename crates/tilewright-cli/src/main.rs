//! The `tilewright` command over all registered kernels.

use std::process::ExitCode;

fn main() -> ExitCode {
    tilewright_cli::run(tilewright_kernels::KERNELS, std::env::args_os(), &mut std::io::stdout().lock())
        .into()
}
