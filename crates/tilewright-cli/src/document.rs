//! `tilewright document`.

use std::path::{Path, PathBuf};

use clap::Args;
use tilewright_check::with_tables;
use tilewright_core::Error;

use crate::Console;
use crate::stop::Stop;

/// Make the tables of speeds in documents anew from the records that they name.
#[derive(Args)]
pub(crate) struct Options {
    /// The documents; their records are looked up beside each.
    #[arg(required = true)]
    files: Vec<PathBuf>,
    /// Change nothing, but fail where a table does not follow from its record.
    #[arg(long)]
    check: bool,
}

pub(crate) fn document(options: &Options, console: &mut Console) -> Result<(), Stop> {
    options.files.iter().try_for_each(|path| one(path, options.check, console))
}

fn one(path: &Path, check: bool, console: &mut Console) -> Result<(), Stop> {
    let fail = |why: std::io::Error| Error::file("document", path, why);
    let before = std::fs::read_to_string(path).map_err(fail)?;
    let after = with_tables(&before, path.parent().unwrap_or(Path::new(".")))?;
    let changed = before != after;
    if console.json {
        console.json(&serde_json::json!({ "file": path, "changed": changed }))?;
    }
    if check {
        let stale =
            || Stop::Failed(format!("{}: its tables do not follow from their records", path.display()));
        return if changed { Err(stale()) } else { Ok(()) };
    }
    if changed {
        let temporary = path.with_extension(format!("{}.part", std::process::id()));
        std::fs::write(&temporary, after).and_then(|()| std::fs::rename(&temporary, path)).map_err(fail)?;
    }
    Ok(())
}
