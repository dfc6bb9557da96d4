//! The `tilewright` command, over any slice of kernels.
//!
//! [`run`] is the whole of it: a program with kernels of its own calls it with its own slice and has the same command.

mod bench;
mod both_ways;
mod check;
mod devices;
mod document;
mod files;
mod launches;
mod linalg;
mod list;
mod lm;
mod matrix_market;
mod numpy;
mod peers;
mod progress;
mod records;
mod replayed;
mod run;
mod search;
mod select;
mod serve;
mod stop;
mod table;
mod tour;
mod wire;

use std::ffi::OsString;
use std::io::Write;

use clap::{Parser, Subcommand};
use tilewright_core::Kernel;

use crate::stop::Stop;

/// Compute kernels on Apple GPUs, NVIDIA GPUs and the CPU: list them, check them, time them, run them on files.
#[derive(Parser)]
#[command(name = "tilewright", version, max_term_width = 110)]
struct Command {
    #[command(subcommand)]
    action: Action,
    /// Results as one JSON document instead of text.
    #[arg(long, global = true)]
    json: bool,
}

#[derive(Subcommand)]
enum Action {
    List(list::Options),
    /// Every device that was found, and why the others were not; what each can do; the tuning choices in force; the cache.
    Devices,
    Check(check::Options),
    Bench(bench::Options),
    Launches(launches::Options),
    Linalg(linalg::Options),
    Lm(lm::Options),
    Document(document::Options),
    Run(run::Options),
    Search(search::Options),
    Serve(serve::Options),
    Tour(tour::Options),
    Wire(wire::Options),
}

/// What every action writes its results to.
struct Console<'a> {
    out: &'a mut dyn Write,
    json: bool,
}

impl Console<'_> {
    /// One JSON document, where that was asked for.
    fn json(&mut self, document: &impl serde::Serialize) -> Result<(), Stop> {
        serde_json::to_writer_pretty(&mut *self.out, document).map_err(std::io::Error::from)?;
        Ok(writeln!(self.out)?)
    }
}

/// Runs the command. Results go to `out`, progress and errors to the standard error.
///
/// Gives the exit code: 0 when all is well, 1 when something failed, 2 when what was asked for cannot be done.
pub fn run(
    kernels: &[&dyn Kernel],
    arguments: impl IntoIterator<Item = impl Into<OsString> + Clone>,
    out: &mut dyn Write,
) -> u8 {
    let command = match Command::try_parse_from(arguments) {
        Ok(command) => command,
        Err(error) => {
            // There is nobody left to tell if even this cannot be written.
            let _ = error.print();
            return if error.use_stderr() { stop::USAGE } else { 0 };
        }
    };
    let console = &mut Console { out, json: command.json };
    let done = match command.action {
        Action::List(options) => list::list(kernels, &options, console),
        Action::Devices => devices::devices(console),
        Action::Check(options) => check::check(kernels, &options, console),
        Action::Bench(options) => bench::bench(kernels, &options, console),
        Action::Document(options) => document::document(&options, console),
        Action::Lm(options) => lm::lm(&options, console),
        Action::Linalg(options) => linalg::linalg(kernels, &options, console),
        Action::Launches(options) => launches::launches(&options, console),
        Action::Run(options) => run::run(kernels, &options, console),
        Action::Search(options) => search::search(&options, console),
        Action::Serve(options) => serve::serve(&options, console),
        Action::Tour(options) => tour::tour(kernels, &options, console),
        Action::Wire(options) => wire::wire(&options, console),
    };
    done.map_or_else(|stop| stop.report(), |()| 0)
}
