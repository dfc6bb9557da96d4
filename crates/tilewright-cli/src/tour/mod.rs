//! `tilewright tour`: the main jobs on real text, with what ran where, how fast and how exactly.

mod learn;
mod low_rank;
mod meter;
mod print;
mod read;
mod search;
mod subspace;
mod terms;
mod truth;

use std::path::PathBuf;
use std::time::Instant;

use clap::Args;
use serde::Serialize;
use tilewright_check::{Peaks, Yardsticks};
use tilewright_core::{Device, Kernel, Stream};

pub(crate) use read::joined;

use crate::stop::Stop;
use crate::{Console, progress, select};
use meter::{Measured, Meter};
use read::Text;
use terms::{Row, Vocabulary};
use truth::Accuracy;

/// Search a text by meaning: TF-IDF, truncated SVD by subspace iteration, exact nearest neighbours; and say what ran where, how
/// long, at what share of the machine's peak, and how far from the f64 truth. Beside it a low-rank model against the best there can be, and a
/// batch of small systems. Then train a small language model on the text for some seconds, and
/// let it write.
#[derive(Args)]
pub(crate) struct Options {
    /// A text file, or a folder of them [default: this repository].
    path: Option<PathBuf>,
    /// Where to run, such as cpu or cuda:0; the emulator is slow and gets a small problem [default: the first GPU, else cpu].
    #[arg(long)]
    device: Option<Device>,
    /// What to look for.
    #[arg(long, default_value = "how is a kernel compiled and cached")]
    query: String,
    /// Singular vectors: dimensions of the latent space [default: 64, or as many as the text allows].
    #[arg(long)]
    rank: Option<usize>,
    /// Passages to find [default: 5, or as many as there are].
    #[arg(long)]
    neighbours: Option<usize>,
    /// Seconds that the language model learns; 0 leaves it out.
    #[arg(long, value_name = "SECONDS", default_value_t = 5.0, allow_negative_numbers = true)]
    learn: f64,
}

/// What a device is given at most.
struct Limits {
    passages: usize,
    terms: usize,
    /// By default.
    rank: usize,
    /// Vectors iterated beyond the rank: the error falls with the ratio of the singular values at the two ends of this gap.
    oversampling: usize,
    iterations: usize,
    /// Calls, for the clock, of what is needed once.
    repeats: usize,
}

impl Limits {
    fn of(device: Device) -> Self {
        match device {
            Device::Emulated => {
                Self { passages: 96, terms: 160, rank: 8, oversampling: 8, iterations: 12, repeats: 1 }
            }
            // The dense matrix takes 96 MB.
            _ => {
                Self { passages: 4000, terms: 6000, rank: 64, oversampling: 32, iterations: 100, repeats: 3 }
            }
        }
    }
}

/// The residual of a pair of singular vectors, over the largest value, that ends the iteration. A value is off by about the square of it over the gap to the next.
const TOLERANCE: f64 = 1e-3;

#[derive(Serialize)]
struct Document {
    path: PathBuf,
    query: String,
    device: String,
    device_name: String,
    text: Counts,
    svd: Outcome,
    hits: Vec<Hit>,
    steps: Vec<Measured>,
    peaks: Peaks,
    accuracy: Accuracy,
    /// A low-rank model and a batch of systems; absent on the emulator.
    low_rank: Option<low_rank::LowRank>,
    /// What the language model came to; absent where it was left out.
    model: Option<learn::Learned>,
    /// What a reader of the numbers has to know.
    notes: Vec<String>,
    /// All of it, the peaks and the truth included.
    seconds: f64,
}

#[derive(Serialize)]
struct Counts {
    files: usize,
    files_skipped: usize,
    passages: usize,
    passages_found: usize,
    terms: usize,
    terms_found: usize,
    /// Elements of the matrix that are not 0.
    nonzeros: usize,
}

#[derive(Serialize)]
struct Outcome {
    rank: usize,
    columns: usize,
    iterations: usize,
    /// The largest `|Aᵀ u - s v|`, over the largest singular value.
    residual: f64,
    converged: bool,
    singular_values: Vec<f64>,
}

#[derive(Serialize)]
struct Hit {
    score: f32,
    file: String,
    line: usize,
    text: String,
}

pub(crate) fn tour(kernels: &[&dyn Kernel], options: &Options, console: &mut Console) -> Result<(), Stop> {
    let start = Instant::now();
    if !(0.0..=3600.0).contains(&options.learn) {
        return Err(Stop::Usage(format!("--learn {}: expected 0 to 3600 seconds", options.learn)));
    }
    let stream = open(options.device)?;
    let limits = Limits::of(stream.device());
    let mut meter = Meter::new(&stream, limits.repeats);
    let mut notes = Vec::new();

    let path = options.path.clone().map_or_else(read::repository, Ok)?;
    let mut text = meter.host("read", "files to passages", || read::read(&path))?;
    let found = text.passages.len();
    let (vocabulary, rows) = meter.host("TF-IDF", "words to rows (f64)", || Ok(weigh(&mut text, &limits)))?;
    if rows.is_empty() {
        return Err(Stop::Usage(format!(
            "PATH {}: no word occurs in two passages: too little text",
            path.display()
        )));
    }
    let counts = Counts {
        files: text.files.len(),
        files_skipped: text.skipped,
        passages: rows.len(),
        passages_found: found,
        terms: vocabulary.len(),
        terms_found: vocabulary.found,
        nonzeros: rows.iter().map(Vec::len).sum(),
    };
    if found > limits.passages {
        notes.push(format!(
            "{found} passages were found; every {:.1}th is used",
            found as f64 / limits.passages as f64
        ));
    }
    if stream.device() == Device::Emulated {
        notes.push(
            "the emulator is a slow test device: the problem is small, and its times say nothing".to_owned(),
        );
    }
    let (plan, neighbours) = sizes(options, &limits, &counts)?;
    let query = vocabulary.row(&options.query);
    if query.is_empty() {
        let why = format!("--query {:?}: none of its words is among those of the text", options.query);
        return Err(Stop::Usage(why));
    }

    let a = terms::dense(&rows, counts.terms)?;
    let a = meter.host("matrix", "to the device", || {
        let a = a.to(&stream)?;
        stream.synchronize()?;
        Ok(a)
    })?;
    let svd = subspace::truncated_svd(&mut meter, &a, &plan)?;
    let rank = svd.values.len();
    if rank < plan.rank {
        let note = format!("the rank of the matrix is {rank}, below {}", plan.rank);
        if options.rank.is_some() {
            return Err(Stop::Usage(format!("--rank {}: {note}", plan.rank)));
        }
        notes.push(note);
    }
    let found = search::search(&mut meter, &svd, &query, neighbours)?;
    let (accuracy, exact) = meter.host("truth", "Lanczos, brute force (f64)", || {
        truth::judge(&rows, &svd.values, &svd.directions, &found)
    })?;
    // On the emulator it would compile and run for minutes.
    let low_rank = (stream.device() != Device::Emulated)
        .then(|| low_rank::low_rank(&mut meter, &a, &rows, &exact, &found))
        .transpose()?;

    let converged = svd.residual <= plan.tolerance;
    if !converged {
        let (iterations, residual) = (svd.iterations, svd.residual);
        notes
            .push(format!("not converged after {iterations} iterations: a residual is {residual:.1e} still"));
    }
    notes.push(
        "what says host is no kernel by design: reading, the index file, sums in f64, the truth".to_owned(),
    );
    notes.push(
        "truth: singular values by Lanczos in f64 on the sparse rows; neighbours by brute force in f64"
            .to_owned(),
    );
    let bar = progress::spinner("peaks of this machine");
    let named = |name: &str| kernels.iter().copied().find(|kernel| kernel.spec().name == name);
    let peaks = Peaks::measure(&stream, Yardsticks { copy: named("copy"), product: named("matmul") })?;
    bar.finish_and_clear();

    let model = learn::learn(&stream, &path, options.learn, &mut notes)?;

    let hit = |neighbour: &search::Neighbour| {
        let passage = &text.passages[neighbour.passage];
        let file = text.files[passage.file].clone();
        Hit { score: neighbour.score, file, line: passage.line, text: passage.text.clone() }
    };
    let document = Document {
        path,
        query: options.query.clone(),
        device: stream.device().to_string(),
        device_name: tilewright_gpu::caps(stream.device())?.name,
        hits: found.neighbours.iter().map(hit).collect(),
        text: counts,
        svd: Outcome {
            rank,
            columns: plan.columns,
            iterations: svd.iterations,
            residual: svd.residual,
            converged,
            singular_values: svd.values,
        },
        steps: meter.report(&peaks),
        peaks,
        accuracy,
        low_rank,
        model,
        notes,
        seconds: start.elapsed().as_secs_f64(),
    };
    if console.json {
        console.json(&document)?
    } else {
        print::print(&document, console)?
    }
    let mut faults = document.accuracy.faults();
    faults.extend(document.low_rank.iter().flat_map(low_rank::LowRank::faults));
    match faults {
        faults if faults.is_empty() => Ok(()),
        faults => Err(Stop::Failed(faults.join("; "))),
    }
}

/// The device that was asked for, else the first GPU, else the CPU.
fn open(asked: Option<Device>) -> Result<Stream, Stop> {
    let gpu = |device: &Device| !matches!(device, Device::Cpu | Device::Emulated);
    let found =
        || tilewright_gpu::devices().into_iter().filter(|(_, caps)| caps.is_ok()).map(|(device, _)| device);
    select::stream(asked.or_else(|| found().find(gpu)).unwrap_or(Device::Cpu))
}

/// Keeps as many passages as the limits allow, evenly spread, and of those the ones that have a row; gives the rows.
fn weigh(text: &mut Text, limits: &Limits) -> (Vocabulary, Vec<Row>) {
    let found = text.passages.len();
    if found > limits.passages {
        let mut position = 0;
        text.passages.retain(|_| {
            position += 1;
            // True whenever the scaled position passes a whole number: exactly as often as there is room.
            position * limits.passages / found > (position - 1) * limits.passages / found
        });
    }
    let texts = text.passages.iter().map(|passage| passage.text.as_str());
    let (vocabulary, mut rows) = Vocabulary::of(texts, limits.terms);
    let mut kept = rows.iter().map(|row| !row.is_empty());
    text.passages.retain(|_| kept.next().unwrap_or_default());
    rows.retain(|row| !row.is_empty());
    (vocabulary, rows)
}

/// The sizes of the problem, those that were asked for if they are possible.
fn sizes(options: &Options, limits: &Limits, counts: &Counts) -> Result<(subspace::Plan, usize), Stop> {
    let smaller = counts.passages.min(counts.terms);
    let within = |name: &str, asked: Option<usize>, usual: usize, most: usize, what: &str| match asked {
        None => Ok(usual.min(most)),
        Some(value) if (1..=most).contains(&value) => Ok(value),
        Some(value) => Err(Stop::Usage(format!("--{name} {value}: expected 1 to {most}, {what}"))),
    };
    let shape = format!("the matrix being {} passages x {} terms", counts.passages, counts.terms);
    let rank = within("rank", options.rank, limits.rank, smaller, &shape)?;
    let neighbours = within("neighbours", options.neighbours, 5, counts.passages, "the number of passages")?;
    let columns = (rank + limits.oversampling).min(smaller);
    Ok((subspace::Plan { rank, columns, iterations: limits.iterations, tolerance: TOLERANCE }, neighbours))
}
