//! Why a command ends other than well.

use std::io;

use tilewright_core::{Error, Kind};

/// The exit code of a request that cannot be carried out as it was put.
pub(crate) const USAGE: u8 = 2;

/// An early end, with what to tell the user.
#[derive(Debug)]
pub(crate) enum Stop {
    /// The request is at fault: an unknown name, a missing file, an absent device, inputs that do not fit.
    Usage(String),
    /// The work is at fault: a judge found something, a device failed.
    Failed(String),
    /// Nobody reads the output any more.
    Unread,
}

impl Stop {
    /// Tells the user, and gives the exit code.
    pub(crate) fn report(self) -> u8 {
        match self {
            Stop::Usage(why) => {
                eprintln!("error: {why}");
                USAGE
            }
            Stop::Failed(why) => {
                eprintln!("failed: {why}");
                1
            }
            Stop::Unread => 1,
        }
    }
}

impl From<Error> for Stop {
    fn from(error: Error) -> Self {
        let text = error.to_string();
        match error.kind() {
            Kind::Shape { .. }
            | Kind::DType { .. }
            | Kind::Layout { .. }
            | Kind::Range { .. }
            | Kind::Unsupported { .. }
            | Kind::File { .. } => Stop::Usage(text),
            _ => Stop::Failed(text),
        }
    }
}

impl From<io::Error> for Stop {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::BrokenPipe => Stop::Unread,
            _ => Stop::Failed(format!("the output cannot be written: {error}")),
        }
    }
}
