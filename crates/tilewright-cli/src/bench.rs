//! `tilewright bench`.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;
use tilewright_check::{
    Contestant, KernelContestant, Origin, Pace, Peaks, Role, Row, Trial, Yardsticks, best_peer, html, race,
    read_record, write_record,
};
use tilewright_core::{Case, Device, Error, Kernel, Result, Stream, Tier};

use crate::both_ways::BothWays;
use crate::peers::{self, Interpreters, Peer};
use crate::replayed::Replayed;
use crate::select::{self, Chosen};
use crate::stop::Stop;
use crate::{Console, records, table};

/// Time kernels, after judging them, beside other libraries in the same run.
#[derive(Args)]
pub(crate) struct Options {
    /// Only cases whose family/kernel/case contains one of these.
    filters: Vec<String>,
    /// A device to time, such as cpu or cuda:0; may be repeated [default: all that are there, but not the emulator].
    #[arg(long)]
    device: Vec<Device>,
    #[command(flatten)]
    others: peers::Options,
    /// On a GPU, also time the first variant of each as replays of a capture, where its launches can be captured: what it takes without the host's part.
    #[arg(long)]
    replayed: bool,
    /// Samples of each.
    #[arg(long, default_value_t = 30, value_parser = clap::value_parser!(u16).range(5..))]
    samples: u16,
    /// Seconds that the samples of one of them may take; long calls get fewer samples, but at least 5.
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..))]
    budget: u64,
    /// Add the results to the records, in FOLDER/<host>/<date>_<commit>.csv.
    #[arg(long, value_name = "FOLDER", num_args = 0..=1, require_equals = true, default_missing_value = "bench/record")]
    record: Option<PathBuf>,
    /// The machine's name in the records [default: made of its processor].
    #[arg(long)]
    host: Option<String>,
    /// Write the results as one HTML page.
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
    /// Time nothing, but take the results from this record; may be repeated.
    #[arg(long, value_name = "RECORD", conflicts_with_all = ["filters", "device", "peers", "record"])]
    from: Vec<PathBuf>,
}

#[derive(Serialize)]
struct Document<'r> {
    rows: &'r [Row],
    /// What was asked for and is not there.
    absent: Vec<String>,
}

pub(crate) fn bench(kernels: &[&dyn Kernel], options: &Options, console: &mut Console) -> Result<(), Stop> {
    let (rows, absent) = if options.from.is_empty() {
        measure(kernels, options)?
    } else {
        let records = options.from.iter().map(|path| read_record(path)).collect::<Result<Vec<_>>>()?;
        (records.concat(), Vec::new())
    };
    if console.json {
        console.json(&Document { rows: &rows, absent })?;
    } else {
        print(&rows, &absent, console)?;
    }
    if let Some(path) = &options.report {
        let written = std::fs::write(path, html(&rows));
        written.map_err(|why| Stop::Usage(format!("--report {}: {why}", path.display())))?;
    }
    match rows.iter().filter(|row| row.role == Role::Ours && row.verdict != "pass").count() {
        0 => Ok(()),
        failed => Err(Stop::Failed(format!("{failed} kernels were not accepted, and not timed"))),
    }
}

fn measure(kernels: &[&dyn Kernel], options: &Options) -> Result<(Vec<Row>, Vec<String>), Stop> {
    if options.device.contains(&Device::Emulated) {
        return Err(Stop::Usage(
            "--device emulated: the emulator is a test device and is never timed".into(),
        ));
    }
    let mut streams = select::streams(&options.device)?;
    streams.retain(|stream| stream.device() != Device::Emulated);
    let both_ways = BothWays::of(kernels);
    let mut all = kernels.to_vec();
    all.extend(both_ways.as_ref().map(|both| both as &dyn Kernel));
    let chosen = select::cases(&all, &options.filters, |tier| tier == Tier::Bench)?;
    let mut absent = Vec::new();
    let mut interpreters = options.others.start()?;
    if let Some(started) = &interpreters {
        absent.extend(started.absent.iter().map(|(library, why)| format!("{library}: {why}")));
        absent.extend(peers::missing().map(str::to_owned));
    }
    let origin = records::origin(options.host.as_ref());
    let total = chosen.iter().map(|chosen| chosen.cases.len()).sum::<usize>() * streams.len();
    let progress = ProgressBar::new(total as u64);
    progress.set_style(
        ProgressStyle::with_template("{bar:30} {pos}/{len} {elapsed} {msg}").expect("a fixed template"),
    );
    progress.enable_steady_tick(Duration::from_millis(200));
    let named = |name: &str| kernels.iter().copied().find(|kernel| kernel.spec().name == name);
    let yardsticks = Yardsticks { copy: named("copy"), product: named("matmul") };
    let mut rows = Vec::new();
    let mut recorded = None;
    for stream in &streams {
        progress.set_message(format!("peaks of {}", stream.device()));
        let peaks = Peaks::measure(stream, yardsticks)?;
        let mut bench = Bench::new(stream, &origin, options, &mut interpreters)?;
        for Chosen { kernel, cases } in &chosen {
            for case in cases {
                progress.set_message(format!("{} {} on {}", kernel.spec().name, case.name, stream.device()));
                let mut timed = bench.time(*kernel, case)?;
                for row in &mut timed {
                    row.hold_against(&peaks, case.dtype);
                    progress.suspend(|| eprintln!("{}", said(row)));
                }
                // At once: a run of an hour that ends early keeps what it has found.
                if let Some(folder) = options.record.as_ref().filter(|_| !timed.is_empty()) {
                    recorded = Some(write_record(folder, &timed)?);
                }
                rows.extend(timed);
                progress.inc(1);
            }
        }
    }
    progress.finish_and_clear();
    if let Some(path) = recorded {
        eprintln!("recorded in {}", path.display());
    }
    Ok((rows, absent))
}

/// Assumed where a device does not tell the size of its last cache.
const UNKNOWN_CACHE: usize = 64 << 20;

/// The bench of one device.
struct Bench<'b> {
    stream: &'b Stream,
    /// What all rows have in common.
    blank: Row,
    pace: Pace,
    cache: usize,
    peers: bool,
    replayed: bool,
    interpreters: &'b mut Option<Interpreters>,
}

impl<'b> Bench<'b> {
    fn new(
        stream: &'b Stream,
        origin: &Origin,
        options: &Options,
        interpreters: &'b mut Option<Interpreters>,
    ) -> Result<Self> {
        let device = stream.device();
        let caps = tilewright_gpu::caps(device)?;
        let pace = Pace {
            samples: options.samples.into(),
            budget: Duration::from_secs(options.budget),
            ..Pace::default()
        };
        Ok(Self {
            stream,
            blank: records::blank(origin, device)?,
            pace,
            cache: caps.cache_bytes.unwrap_or(UNKNOWN_CACHE),
            peers: options.others.peers,
            replayed: options.replayed,
            interpreters,
        })
    }

    /// The rows of one case: each variant that the device has, and each peer that knows the problem.
    fn time(&mut self, kernel: &dyn Kernel, case: &Case) -> Result<Vec<Row>> {
        let device = self.stream.device();
        let Ok(variants) = kernel.support(device, case) else { return Ok(Vec::new()) };
        let trial = Trial::new(kernel, case.clone())?;
        let sets = KernelContestant::sets_beyond(self.cache, trial.inputs());
        let mut entries: Vec<(Row, Option<Box<dyn Contestant + '_>>)> = Vec::new();
        for (place, variant) in variants.into_iter().enumerate() {
            let row = self.row(&trial, Role::Ours, variant);
            if self.replayed && place == 0 && device != Device::Cpu {
                let inputs = trial.inputs();
                // A kernel that waits for the device on its way has no such time.
                match Replayed::new(kernel, &case.args, variant, self.stream, inputs, sets) {
                    Ok(again) => {
                        let row = Row { variant: format!("{variant}, replayed"), ..row.clone() };
                        entries.push((row, Some(Box::new(again))));
                    }
                    Err(why) => eprintln!("{} {} on {device}: no replays: {why}", row.kernel, row.case),
                }
            }
            entries.push(match trial.judge(self.stream, Some(variant)) {
                Ok((worst, outputs)) => {
                    let inputs = trial.inputs();
                    let mut contestant =
                        KernelContestant::new(kernel, &case.args, variant, self.stream, inputs, sets)?;
                    let memory = contestant.memory()?.map(|bytes| bytes as f64);
                    let (share, error) = (Some(worst.share), trial.error(&outputs));
                    (Row { share, error, memory, ..row }, Some(Box::new(contestant)))
                }
                Err(failure) => (Row { verdict: failure.to_string(), ..row }, None),
            });
        }
        // Scripted peers read the inputs from here and leave their outputs for the judge.
        let folder = tempfile::tempdir().map_err(|why| Error::file("bench", std::env::temp_dir(), why))?;
        for peer in self.peers(&trial, sets, folder.path())? {
            let row = self.row(&trial, Role::Peer, &peer.name);
            let contestant = peer.contestant.map(|contestant| contestant as Box<dyn Contestant>);
            let Peer { share, error, memory, verdict, .. } = peer;
            entries.push((Row { share, error, memory, verdict, ..row }, contestant));
        }
        let (mut rows, contestants): (Vec<Row>, Vec<_>) = entries.into_iter().unzip();
        let timed: Vec<usize> = (0..rows.len()).filter(|&index| contestants[index].is_some()).collect();
        let mut lanes: Vec<_> = contestants.into_iter().flatten().collect();
        for (index, timing) in timed.into_iter().zip(race(&mut lanes, &self.pace)) {
            match timing {
                Ok(timing) => rows[index].fill(&timing),
                Err(error) => rows[index].verdict = error.to_string(),
            }
        }
        if let Some(interpreters) = self.interpreters {
            interpreters.close();
        }
        Ok(rows)
    }

    fn peers(&mut self, trial: &Trial, sets: usize, folder: &Path) -> Result<Vec<Peer>> {
        if !self.peers {
            return Ok(Vec::new());
        }
        let mut all = peers::built_in(trial, self.stream.device(), sets)?;
        if let Some(interpreters) = self.interpreters {
            all.extend(peers::scripted(interpreters, trial, self.stream.device(), sets, folder)?);
        }
        Ok(all)
    }

    /// A row without times.
    fn row(&self, trial: &Trial, role: Role, variant: &str) -> Row {
        let (kernel, case) = (trial.kernel(), trial.case());
        let work = kernel.work(case);
        let on_host = match role {
            Role::Ours => kernel.on_host(self.stream.device(), variant),
            Role::Peer => None,
        };
        Row {
            kernel: kernel.spec().name.to_owned(),
            case: case.name.clone(),
            dtype: case.dtype.name().to_owned(),
            role,
            variant: variant.to_owned(),
            flops: work.flops,
            bytes: work.bytes,
            on_host: on_host.map(str::to_owned),
            ..self.blank.clone()
        }
    }
}

/// A row as soon as it is there: what a long run has found so far.
fn said(row: &Row) -> String {
    let found = row.median().map_or(row.verdict.clone(), |median| format!("{median:.4} ms"));
    format!("{} {} on {}, {}: {found}", row.kernel, row.case, row.device, row.variant)
}

fn print(rows: &[Row], absent: &[String], console: &mut Console) -> Result<(), Stop> {
    let number =
        |value: Option<f64>, digits: usize| value.map_or(String::new(), |value| format!("{value:.digits$}"));
    let small = |value: Option<f64>| value.map_or(String::new(), |value| format!("{value:.1e}"));
    let line = |row: &Row| {
        let ratio = best_peer(rows, row).zip(row.median()).filter(|_| row.role == Role::Ours);
        [
            row.kernel.clone(),
            row.case.clone(),
            row.device.clone(),
            if row.role == Role::Ours { row.variant.clone() } else { format!("({})", row.variant) },
            number(row.median(), 4),
            number(if row.device_median_ms.is_some() { row.device_mad_ms } else { row.wall_mad_ms }, 4),
            number(row.wall_median_ms, 4),
            number(row.gflops, 1),
            number(row.gbs, 1),
            row.fraction.map_or(String::new(), |fraction| format!("{:.0} %", 100.0 * fraction)),
            ratio.map_or(String::new(), |(peer, ours)| format!("{:.2}x", peer / ours)),
            number(row.share, 3),
            small(row.error),
            number(row.memory.map(|bytes| bytes / 1e6), 1),
            row.verdict.clone(),
        ]
    };
    let lines: Vec<[String; 15]> = rows.iter().map(line).collect();
    let header = [
        "kernel",
        "case",
        "device",
        "by",
        "median ms",
        "MAD",
        "wall ms",
        "GFLOP/s",
        "GB/s",
        "of peak",
        "to best peer",
        "share",
        "error",
        "MB",
        "verdict",
    ];
    table::write(console.out, header, &lines)?;
    let mut told = BTreeSet::new();
    for row in rows {
        if let Some(what) = row.on_host.as_ref().filter(|_| told.insert((&row.kernel, &row.variant))) {
            writeln!(console.out, "on the host: {}, {}: {what}", row.kernel, row.variant)?;
        }
    }
    for absent in absent {
        writeln!(console.out, "absent: {absent}")?;
    }
    Ok(())
}
