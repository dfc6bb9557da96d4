//! What runs a translated kernel.

pub mod emulator_host;
