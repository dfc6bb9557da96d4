//! `tilewright check`.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;
use tilewright_check::{Fate, Trial, Worst};
use tilewright_core::{Case, Device, Kernel, Stream, Tier};
use tilewright_gpu::{EmulatorMode, EmulatorOptions, emulator_options, set_emulator_options};

use crate::select::{self, Chosen, Depth, Part};
use crate::stop::Stop;
use crate::{Console, table};

/// Judge every kernel on every device against its f64 truth.
///
/// Each case runs twice on poisoned memory; outputs, residuals and untouched inputs are looked at. The emulator runs edge
/// cases only.
#[derive(Args)]
pub(crate) struct Options {
    /// Only cases whose family/kernel/case contains one of these.
    filters: Vec<String>,
    /// A device to judge on, such as cpu, cuda:0, metal:0 or emulated; may be repeated [default: all that are there].
    #[arg(long)]
    device: Vec<Device>,
    /// Which cases: each tier includes those before it.
    #[arg(long, value_enum, default_value = "check")]
    tier: Depth,
    /// Also change accepted outputs in ways that make them wrong, and demand that the judges notice.
    #[arg(long)]
    mutate: bool,
    /// Judge each case on this many seeds, of its data and of the emulator's schedule.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..))]
    seeds: u64,
    /// On the emulator, also look for data races and for reads of memory that nothing wrote.
    #[arg(long)]
    races: bool,
    /// Only the K-th of every N kernels, for N runs side by side.
    #[arg(long, value_name = "K/N")]
    part: Option<Part>,
}

/// What was found about one kernel on one device.
#[derive(Serialize)]
struct Tally {
    kernel: &'static str,
    device: String,
    passed: usize,
    failed: usize,
    unsupported: usize,
    worst: Option<Worst>,
    /// The case that used the worst share.
    worst_case: String,
    /// Why cases are not supported, and how many each.
    reasons: BTreeMap<String, usize>,
    failures: Vec<Failure>,
    seconds: f64,
}

#[derive(Serialize)]
struct Failure {
    case: String,
    variant: String,
    seed: u64,
    why: String,
}

/// What became of one mutation of one output, over all cases of a kernel.
#[derive(Debug, Default, Clone, Copy, Serialize)]
struct Mutation {
    caught: usize,
    excused: usize,
    missed: usize,
}

#[derive(Serialize)]
struct MutationRow {
    kernel: &'static str,
    output: &'static str,
    mutation: &'static str,
    #[serde(flatten)]
    fates: Mutation,
    ok: bool,
}

#[derive(Serialize)]
struct Document {
    ok: bool,
    results: Vec<Tally>,
    mutations: Vec<MutationRow>,
}

impl Mutation {
    /// None was missed, and not all were excused: tolerances that excuse a mutation in every case cannot tell anything.
    fn ok(&self) -> bool {
        self.missed == 0 && (self.caught > 0 || self.excused == 0)
    }
}

pub(crate) fn check(kernels: &[&dyn Kernel], options: &Options, console: &mut Console) -> Result<(), Stop> {
    let streams = select::streams(&options.device)?;
    let mut chosen = select::cases(kernels, &options.filters, |tier| options.tier.covers(tier))?;
    if let Some(part) = options.part {
        chosen = part.of(chosen);
    }
    let total: usize = chosen.iter().map(|chosen| chosen.cases.len()).sum();
    let progress = ProgressBar::new(total as u64 * options.seeds);
    progress.set_style(
        ProgressStyle::with_template("{bar:30} {pos}/{len} {elapsed} {msg}").expect("a fixed template"),
    );
    progress.enable_steady_tick(Duration::from_millis(200));
    let mut session = Session { options, streams, progress, mutations: BTreeMap::new() };
    let results: Vec<Tally> = chosen.iter().flat_map(|chosen| session.judge(chosen)).collect();
    session.progress.finish_and_clear();
    let mutations = session.mutations.into_iter().map(|((kernel, output, mutation), fates)| {
        let ok = fates.ok();
        MutationRow { kernel, output, mutation, fates, ok }
    });
    let mutations: Vec<MutationRow> = mutations.collect();
    let failed: usize = results.iter().map(|tally| tally.failed).sum();
    let blind = mutations.iter().filter(|row| !row.ok).count();
    let document = Document { ok: failed + blind == 0, results, mutations };
    if console.json {
        console.json(&document)?
    } else {
        print(&document, console)?
    }
    match (failed, blind) {
        (0, 0) => Ok(()),
        (0, blind) => Err(Stop::Failed(format!("{blind} kinds of wrong output were accepted"))),
        (failed, _) => Err(Stop::Failed(format!("{failed} runs were not accepted"))),
    }
}

/// One variant on one device, in the eyes of one of the emulator's modes.
struct Run {
    /// Position among the session's streams, and among the tallies.
    device: usize,
    variant: &'static str,
    mode: EmulatorMode,
}

struct Session<'o> {
    options: &'o Options,
    streams: Vec<Stream>,
    progress: ProgressBar,
    /// By kernel, output and mutation.
    mutations: BTreeMap<(&'static str, &'static str, &'static str), Mutation>,
}

impl Session<'_> {
    fn judge(&mut self, chosen: &Chosen) -> Vec<Tally> {
        let kernel = chosen.kernel.spec().name;
        let mut tallies: Vec<Tally> =
            self.streams.iter().map(|stream| Tally::new(kernel, stream.device())).collect();
        for case in &chosen.cases {
            for seed in 0..self.options.seeds {
                self.progress.set_message(format!("{kernel} {}", case.name));
                let case = Case { seed: case.seed + seed, ..case.clone() };
                self.judge_case(chosen.kernel, &case, &mut tallies);
                self.progress.inc(1);
            }
        }
        tallies
    }

    /// One case on all devices, which share its inputs and its truth.
    fn judge_case(&mut self, kernel: &dyn Kernel, case: &Case, tallies: &mut [Tally]) {
        let runs = self.runs(kernel, case, tallies);
        if runs.is_empty() {
            return;
        }
        let trial = Trial::new(kernel, case.clone()).map_err(|error| format!("the evidence: {error}"));
        let mut mutate = self.options.mutate;
        for run in runs {
            let start = Instant::now();
            let judged = trial
                .as_ref()
                .map_err(String::clone)
                .and_then(|trial| self.judge_run(trial, &run, &mut mutate));
            let tally = &mut tallies[run.device];
            tally.seconds += start.elapsed().as_secs_f64();
            match judged {
                Ok(worst) => tally.accept(worst, case),
                Err(why) => {
                    let (kernel, device) = (tally.kernel, &tally.device);
                    let line = format!(
                        "{kernel} on {device}, {}, {}, seed {}: {why}",
                        run.variant, case.name, case.seed
                    );
                    self.progress.suspend(|| eprintln!("{line}"));
                    tally.refuse(why, run.variant, case);
                }
            }
        }
    }

    /// What there is to run for a case. Devices that do not support it are noted in their tallies.
    fn runs(&self, kernel: &dyn Kernel, case: &Case, tallies: &mut [Tally]) -> Vec<Run> {
        let mut runs = Vec::new();
        for (device, stream) in self.streams.iter().enumerate() {
            let emulated = stream.device() == Device::Emulated;
            if emulated && case.tier != Tier::Edge {
                continue;
            }
            let both = [EmulatorMode::Address, EmulatorMode::Race];
            let modes = if emulated && self.options.races { &both[..] } else { &both[..1] };
            match kernel.support(stream.device(), case) {
                Ok(variants) => runs.extend(
                    variants
                        .iter()
                        .flat_map(|&variant| modes.iter().map(move |&mode| Run { device, variant, mode })),
                ),
                Err(error) => {
                    tallies[device].unsupported += 1;
                    *tallies[device].reasons.entry(error.kind().to_string()).or_default() += 1;
                }
            }
        }
        runs
    }

    /// Judges one run; where `mutate` still says so, the judge itself as well, on what it accepted.
    fn judge_run(&mut self, trial: &Trial, run: &Run, mutate: &mut bool) -> Result<Worst, String> {
        set_emulator_options(EmulatorOptions {
            mode: run.mode,
            seed: trial.case().seed,
            ..emulator_options()
        });
        let judged = trial.judge(&self.streams[run.device], Some(run.variant));
        let (worst, outputs) = judged.map_err(|failure| failure.to_string())?;
        if std::mem::take(mutate) {
            for (mutation, output, fate) in trial.mutate(&outputs).map_err(|error| error.to_string())? {
                let kernel = trial.kernel().spec().name;
                let fates = self.mutations.entry((kernel, output, mutation)).or_default();
                match fate {
                    Fate::Caught => fates.caught += 1,
                    Fate::Excused => fates.excused += 1,
                    Fate::Missed => fates.missed += 1,
                }
            }
        }
        Ok(worst)
    }
}

impl Tally {
    fn new(kernel: &'static str, device: Device) -> Self {
        Self {
            kernel,
            device: device.to_string(),
            passed: 0,
            failed: 0,
            unsupported: 0,
            worst: None,
            worst_case: String::new(),
            reasons: BTreeMap::new(),
            failures: Vec::new(),
            seconds: 0.0,
        }
    }

    fn accept(&mut self, found: Worst, case: &Case) {
        self.passed += 1;
        if self.worst.as_ref().is_none_or(|worst| found.share > worst.share) {
            self.worst = Some(found);
            self.worst_case = case.name.clone();
        }
    }

    fn refuse(&mut self, why: String, variant: &str, case: &Case) {
        self.failed += 1;
        let (case, variant, seed) = (case.name.clone(), variant.to_owned(), case.seed);
        self.failures.push(Failure { case, variant, seed, why });
    }

    fn verdict(&self) -> String {
        let reasons = || {
            let counted = self.reasons.iter().map(|(reason, count)| format!("{reason} ({count} cases)"));
            counted.collect::<Vec<_>>().join("; ")
        };
        match (self.passed, self.failed, self.unsupported) {
            (0, 0, 0) => "no case of this tier".to_owned(),
            (0, 0, _) => reasons(),
            (_, 0, _) => {
                let worst = self.worst.as_ref().map(Worst::to_string).unwrap_or_default();
                let place = if worst == "exact" { worst } else { format!("{worst} of {}", self.worst_case) };
                if self.unsupported == 0 { place } else { format!("{place}; {}", reasons()) }
            }
            _ => {
                let first = &self.failures[0];
                format!("{} ({}): {}", first.case, first.variant, first.why)
            }
        }
    }
}

fn print(document: &Document, console: &mut Console) -> Result<(), Stop> {
    let rows = document.results.iter().map(|tally| {
        let state = match (tally.passed, tally.failed) {
            (_, 1..) => "FAIL",
            (0, 0) => "unsupported",
            _ => "pass",
        };
        [
            tally.kernel.to_owned(),
            tally.device.clone(),
            state.to_owned(),
            tally.passed.to_string(),
            tally.failed.to_string(),
            tally.unsupported.to_string(),
            format!("{:.1}", tally.seconds),
            tally.verdict(),
        ]
    });
    let rows: Vec<[String; 8]> = rows.collect();
    let header = [
        "kernel",
        "device",
        "",
        "passed",
        "failed",
        "unsupported",
        "s",
        "worst share of a tolerance, or why",
    ];
    table::write(console.out, header, &rows)?;
    if !document.mutations.is_empty() {
        let rows: Vec<[String; 4]> = document.mutations.chunk_by(same_output).map(mutation_row).collect();
        writeln!(console.out)?;
        table::write(console.out, ["kernel", "output", "mutants", "caught, of made"], &rows)?;
    }
    let count = |of: fn(&Tally) -> usize| document.results.iter().map(of).sum::<usize>();
    let (passed, failed, unsupported) = (count(|t| t.passed), count(|t| t.failed), count(|t| t.unsupported));
    Ok(writeln!(console.out, "\n{passed} passed, {failed} failed, {unsupported} unsupported")?)
}

fn same_output(a: &MutationRow, b: &MutationRow) -> bool {
    (a.kernel, a.output) == (b.kernel, b.output)
}

/// All mutations of one output.
fn mutation_row(rows: &[MutationRow]) -> [String; 4] {
    let count = |row: &MutationRow| {
        let Mutation { caught, excused, missed } = row.fates;
        let excuse =
            if excused == 0 { String::new() } else { format!(" ({excused} excused by the tolerance)") };
        format!("{} {caught}/{}{excuse}", row.mutation, caught + excused + missed)
    };
    let counts: Vec<String> = rows.iter().map(count).collect();
    let state = if rows.iter().all(|row| row.ok) { "caught" } else { "ACCEPTED" };
    [rows[0].kernel.to_owned(), rows[0].output.to_owned(), state.to_owned(), counts.join(", ")]
}
