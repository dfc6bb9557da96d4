//! `tilewright devices`.

use std::path::PathBuf;

use serde::Serialize;
use tilewright_gpu::tune::{self, Source};
use tilewright_gpu::{Caps, cache};

use crate::Console;
use crate::stop::Stop;

#[derive(Serialize)]
struct Document {
    devices: Vec<Entry>,
    tuning: Vec<Choice>,
    cache: Cache,
}

#[derive(Serialize)]
struct Entry {
    device: String,
    caps: Option<Caps>,
    /// Why it cannot be used.
    why: Option<String>,
}

/// A choice that runs on such a device will find.
#[derive(Serialize)]
struct Choice {
    /// Device, kernel and class of shapes.
    place: String,
    candidate: String,
    source: Source,
}

#[derive(Serialize)]
struct Cache {
    folder: PathBuf,
    /// Why entries do not reach the disk, if they do not.
    problem: Option<String>,
}

pub(crate) fn devices(console: &mut Console) -> Result<(), Stop> {
    let entry = |(device, caps): (tilewright_core::Device, tilewright_core::Result<Caps>)| {
        let (caps, why) = match caps {
            Ok(caps) => (Some(caps), None),
            Err(error) => (None, Some(error.kind().to_string())),
        };
        Entry { device: device.to_string(), caps, why }
    };
    let status = cache::status();
    let choice = |(place, candidate, source)| Choice { place, candidate, source };
    let document = Document {
        devices: tilewright_gpu::devices().into_iter().map(entry).collect(),
        tuning: tune::stored().into_iter().map(choice).collect(),
        cache: Cache { folder: status.folder, problem: status.problem },
    };
    if console.json {
        return console.json(&document);
    }
    for entry in &document.devices {
        match (&entry.caps, &entry.why) {
            (Some(caps), _) => writeln!(console.out, "{:10} {caps}", entry.device)?,
            (None, why) => {
                writeln!(console.out, "{:10} not here: {}", entry.device, why.as_deref().unwrap_or_default())?
            }
        }
    }
    writeln!(console.out)?;
    if document.tuning.is_empty() {
        writeln!(console.out, "tuning     each kernel's own defaults: nothing was measured or loaded here")?;
    }
    for choice in &document.tuning {
        let source = match choice.source {
            Source::File => "from a file",
            Source::Measured => "measured here",
            Source::Default => "the default",
        };
        writeln!(console.out, "tuning     {}: {} ({source})", choice.place, choice.candidate)?;
    }
    writeln!(console.out, "cache      {}", document.cache.folder.display())?;
    if let Some(problem) = &document.cache.problem {
        writeln!(console.out, "           not written: {problem}")?;
    }
    Ok(())
}
