//! `tilewright list`.

use std::collections::BTreeSet;

use clap::Args;
use serde::Serialize;
use tilewright_core::{Coverage, Device, Kernel};

use crate::stop::Stop;
use crate::{Console, table};

/// Every kernel: family, mathematics, dtypes, and what runs it on each kind of device.
#[derive(Args)]
pub(crate) struct Options {
    /// Only kernels whose family/name contains this.
    filter: Option<String>,
}

#[derive(Serialize)]
pub(crate) struct Entry {
    name: &'static str,
    family: &'static str,
    math: &'static str,
    inputs: Vec<Slot>,
    outputs: Vec<Slot>,
    args: Vec<Argument>,
    dtypes: Vec<&'static str>,
    cases: usize,
    support: Vec<Support>,
}

#[derive(Serialize)]
struct Slot {
    name: &'static str,
    shape: &'static str,
    optional: bool,
}

#[derive(Serialize)]
struct Argument {
    name: &'static str,
    default: &'static str,
    doc: &'static str,
}

/// What a kind of device does with the kernel's cases.
#[derive(Serialize)]
struct Support {
    device: String,
    /// Cases that some variant runs.
    cases: usize,
    variants: BTreeSet<&'static str>,
    /// Why the others are not run.
    reasons: BTreeSet<String>,
}

/// One device of each kind: support does not depend on whether it is there.
const KINDS: [Device; 4] = [Device::Cpu, Device::Cuda(0), Device::Metal(0), Device::Emulated];

pub(crate) fn list(kernels: &[&dyn Kernel], options: &Options, console: &mut Console) -> Result<(), Stop> {
    let filter = options.filter.as_deref().unwrap_or_default();
    let matching = kernels.iter().filter(|kernel| {
        let spec = kernel.spec();
        format!("{}/{}", spec.family, spec.name).contains(filter)
    });
    let entries: Vec<Entry> = matching.map(|kernel| entry(*kernel)).collect();
    if entries.is_empty() && !filter.is_empty() {
        return Err(Stop::Usage(format!("FILTER {filter:?} matches no kernel")));
    }
    if console.json {
        return console.json(&entries);
    }
    let rows: Vec<[String; 8]> = entries.iter().map(row).collect();
    let header = ["kernel", "family", "cpu", "cuda", "metal", "emulated", "dtypes", "math"];
    Ok(table::write(console.out, header, &rows)?)
}

pub(crate) fn entry(kernel: &dyn Kernel) -> Entry {
    let spec = kernel.spec();
    let cases = kernel.cases();
    let slot =
        |slot: &tilewright_core::Slot| Slot { name: slot.name, shape: slot.shape, optional: slot.optional };
    let support = |device: Device| {
        let Coverage { cases, variants, reasons } = Coverage::of(kernel, device, &cases);
        Support { device: device.to_string(), cases, variants, reasons }
    };
    Entry {
        name: spec.name,
        family: spec.family,
        math: spec.math,
        inputs: spec.inputs.iter().map(slot).collect(),
        outputs: spec.outputs.iter().map(slot).collect(),
        args: spec
            .args
            .iter()
            .map(|arg| Argument { name: arg.name, default: arg.default, doc: arg.doc })
            .collect(),
        dtypes: spec.dtypes.iter().map(|dtype| dtype.name()).collect(),
        cases: cases.len(),
        support: KINDS.into_iter().map(support).collect(),
    }
}

fn row(entry: &Entry) -> [String; 8] {
    let support = |index: usize| {
        let support = &entry.support[index];
        let variants = support.variants.iter().copied().collect::<Vec<_>>().join(", ");
        match support.cases {
            0 => "no".to_owned(),
            all if all == entry.cases => variants,
            some => format!("{variants} ({some} of {})", entry.cases),
        }
    };
    [
        entry.name.to_owned(),
        entry.family.to_owned(),
        support(0),
        support(1),
        support(2),
        support(3),
        entry.dtypes.join(" "),
        entry.math.to_owned(),
    ]
}
