//! `tilewright search`: indexes in files.

mod allowed;
mod arrow;
mod bench;
mod measured;
#[cfg(feature = "parquet")]
mod parquet;
mod report;
mod vectors;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use clap::{Args as Arguments, Subcommand};
use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;
use tilewright_core::{Device, Error, Stream, Tensor};
use tilewright_gpu::Present;
use tilewright_search::{
    Found, Index, Metric, NamedIds, Neighbours, Query, Recipe, Snapshot, read_faiss, write_faiss,
};

use allowed::Said;
use vectors::Source;

use crate::files::{self, Format};
use crate::stop::Stop;
use crate::{Console, table};

/// Vectors that are compared between two steps of the progress bar.
const STEP: usize = 1 << 16;
/// Elements that are read and given their lists between two steps of it.
const ADDED: usize = 1 << 26;
/// Vectors that training is shown, at most.
const ENOUGH: usize = 1 << 20;

/// Build, fill, query and measure vector indexes.
///
/// Vectors come as .npy, .npz, .safetensors, .fvecs, .ivecs, .bvecs, .arrow and .feather (a column of fixed-size lists, uncompressed; FILE#COLUMN of several), or .parquet (a column of lists of one length, uncompressed or by Snappy or Zstandard); an index file that is called .faiss is one of faiss's own.
#[derive(Arguments)]
pub(crate) struct Options {
    #[command(subcommand)]
    action: Action,
}

#[derive(Subcommand)]
enum Action {
    /// Train an index on vectors, add them, and write it to a file.
    Build {
        /// The index file to write.
        index: PathBuf,
        /// The vectors to add.
        #[arg(long, value_name = "FILE")]
        input: String,
        /// What the index is made of, as faiss's factory strings: Flat, "IVF1024,Flat", PQ32, "IVF1024,PQ32x4fs,RFlat", "IVF1024,SQ8", "OPQ32,IVF1024,PQ32",
        /// "RR128,IVF1024,RaBitQ,RFlat", BFlat (bits, eight in each byte of the file).
        #[arg(long, default_value = "Flat")]
        recipe: Recipe,
        /// What a distance is: l2, ip or cosine.
        #[arg(long, default_value = "l2")]
        metric: Metric,
        /// The vectors to train on, instead of those to add.
        #[arg(long, value_name = "FILE")]
        train: Option<String>,
        /// The vectors' ids, instead of 0, 1, ...
        #[arg(long, value_name = "FILE")]
        ids: Option<String>,
        /// Where centroids and the lists of vectors are found, such as cpu or cuda:0.
        #[arg(long, default_value = "cpu")]
        device: Device,
    },
    /// Add vectors to an index file.
    Add {
        /// The index file.
        index: PathBuf,
        /// The vectors to add.
        #[arg(long, value_name = "FILE")]
        input: String,
        /// The vectors' ids, instead of those after the greatest.
        #[arg(long, value_name = "FILE")]
        ids: Option<String>,
    },
    /// Find the nearest neighbours of queries.
    Query {
        /// The index file.
        index: PathBuf,
        /// The queries.
        #[arg(long, value_name = "FILE")]
        input: String,
        /// How many neighbours.
        #[arg(short, default_value_t = 10)]
        k: usize,
        /// How many lists to look into.
        #[arg(long, default_value_t = 8)]
        nprobe: usize,
        /// The ids that may be found: a range (100..200, 100..=199, 100.., ..200), or a file of ids, or of a bool for each id from 0 on.
        #[arg(long, value_name = "IDS", conflicts_with = "deny")]
        allow: Option<Said>,
        /// The ids that may not be found, in the same way.
        #[arg(long, value_name = "IDS")]
        deny: Option<Said>,
        /// The .npz or .safetensors file for distances and ids; without it the first queries' are printed.
        #[arg(long)]
        output: Option<PathBuf>,
    },
    /// Measure recall against the exact neighbours, and speed.
    Eval {
        /// The index file.
        index: PathBuf,
        /// The queries.
        #[arg(long, value_name = "FILE")]
        input: String,
        /// How many neighbours.
        #[arg(short, default_value_t = 10)]
        k: usize,
        /// Numbers of lists to look into; without them 1, 2, 4, ... up to all.
        #[arg(long, value_delimiter = ',')]
        nprobe: Vec<usize>,
        /// Recalls to reach: the least number of lists for each is found and measured too.
        #[arg(long, value_delimiter = ',')]
        recall: Vec<f64>,
        /// The vectors of the ids 0, 1, ..., to tell the exact neighbours by where the index keeps codes alone.
        #[arg(long, value_name = "FILE")]
        vectors: Option<String>,
        /// How many times k of the nearest codes are compared exactly, where the index keeps vectors beside codes.
        #[arg(long, default_value_t = 4)]
        refine: usize,
        /// Where to search, such as cpu or cuda:0.
        #[arg(long, default_value = "cpu")]
        device: Device,
        /// Write the results as one HTML page with a plot.
        #[arg(long, value_name = "FILE")]
        report: Option<PathBuf>,
    },
    /// Find the exact nearest neighbours in a file of vectors, without an index and without holding the file in memory.
    Exact {
        /// The vectors.
        vectors: String,
        /// The queries.
        #[arg(long, value_name = "FILE")]
        input: String,
        /// How many neighbours.
        #[arg(short, default_value_t = 10)]
        k: usize,
        /// What a distance is: l2, ip or cosine.
        #[arg(long, default_value = "l2")]
        metric: Metric,
        /// Vectors are bits, eight in each byte, and their distance is the number of those that differ.
        #[arg(long)]
        bits: bool,
        /// Vectors that are read at a time.
        #[arg(long, default_value_t = STEP)]
        rows: usize,
        /// Where to search, such as cpu or cuda:0.
        #[arg(long, default_value = "cpu")]
        device: Device,
        /// The .npz or .safetensors file for distances and ids; without it the first queries' are printed.
        #[arg(long)]
        output: Option<PathBuf>,
    },
    /// Measure an index of vectors that are made for it: how long it takes to build, and how fast it finds what part of the neighbours.
    Bench(bench::Options),
    /// What an index file holds.
    Info {
        /// The index file.
        index: PathBuf,
        /// Compare every byte with its checksum too.
        #[arg(long)]
        verify: bool,
    },
}

pub(crate) fn search(options: &Options, console: &mut Console) -> Result<(), Stop> {
    match &options.action {
        Action::Build { index, input, recipe, metric, train, ids, device } => {
            let bits = recipe.is_binary();
            let mut vectors = Source::open(input, bits)?;
            let d = vectors.d * if bits { 8 } else { 1 };
            let made = Index::new(*recipe, d, *metric)?.building_on(&device.stream()?);
            let spinner = progress(ProgressBar::new_spinner(), "{msg} {spinner} {elapsed}", "training");
            let start = Instant::now();
            if !bits {
                made.train(&match train {
                    Some(place) => vectors::read(place, bits)?,
                    None => vectors.some(ENOUGH)?,
                })?;
            }
            spinner.finish_and_clear();
            let trained = start.elapsed();
            fill(&made, &mut vectors, ids.as_deref())?;
            write(&made, index)?;
            told(console, &made, index, trained, start.elapsed())
        }
        Action::Add { index, input, ids } => {
            let (made, start) = (read(index, true)?, Instant::now());
            let bits = made.snapshot().recipe().is_binary();
            fill(&made, &mut Source::open(input, bits)?, ids.as_deref())?;
            write(&made, index)?;
            told(console, &made, index, Duration::ZERO, start.elapsed())
        }
        Action::Query { index, input, k, nprobe, allow, deny, output } => {
            let made = read(index, false)?;
            let queries = &of(&made.snapshot(), input)?;
            let allowed = allow.as_ref().or(deny.as_ref()).map(Said::ids).transpose()?;
            let filter = allowed.as_ref().map(NamedIds::filter);
            let filter = if deny.is_some() { filter.map(|filter| !filter) } else { filter };
            let query = Query { k: *k, nprobe: *nprobe, filter, ..Query::default() };
            show(queries.dims()[0], *k, output.as_deref(), console, || made.search(queries, &query))
        }
        Action::Eval { index, input, k, nprobe, recall, vectors: all, refine, device, report } => {
            let snapshot = read(index, false)?.snapshot();
            let (queries, stream) = (of(&snapshot, input)?, device.stream()?);
            let exact = match all {
                Some(place) => {
                    let source = Source::open(place, snapshot.recipe().is_binary())?;
                    Some(nearest(&stream, &queries, source, *k, snapshot.metric(), STEP)?)
                }
                None => None,
            };
            let (report, exact) = (report.as_deref(), exact.as_ref());
            let wanted = Wanted { k: *k, nprobes: nprobe, recalls: recall, exact, refine: *refine, report };
            eval(&snapshot.on(&stream)?, &queries, &wanted, console)
        }
        Action::Exact { vectors, input, k, metric, bits, rows, device, output } => {
            let queries = vectors::read(input, *bits)?;
            let (source, stream) = (Source::open(vectors, *bits)?, device.stream()?);
            let (b, rows) = (queries.dims()[0], (*rows).max(1));
            show(b, *k, output.as_deref(), console, || nearest(&stream, &queries, source, *k, *metric, rows))
        }
        Action::Bench(options) => bench::bench(options, console),
        Action::Info { index, verify } => info(&read(index, *verify)?, console),
    }
}

/// The vectors of a file as an index takes them.
fn of(index: &Snapshot, place: &str) -> Result<Tensor, Stop> {
    Ok(vectors::read(place, index.recipe().is_binary())?)
}

fn is_foreign(path: &Path) -> bool {
    path.extension().is_some_and(|ending| ending == "faiss")
}

fn read(path: &Path, verify: bool) -> Result<Index, Stop> {
    Ok(match (is_foreign(path), verify) {
        (true, _) => read_faiss(path)?,
        (false, true) => Index::load_verified(path)?,
        (false, false) => Index::load(path)?,
    })
}

fn write(index: &Index, path: &Path) -> Result<(), Stop> {
    if is_foreign(path) {
        write_faiss(&index.snapshot(), path)?
    } else {
        index.save(path)?
    }
    Ok(())
}

fn progress(bar: ProgressBar, template: &str, message: &'static str) -> ProgressBar {
    bar.set_style(ProgressStyle::with_template(template).expect("a fixed template"));
    bar.set_message(message);
    bar.enable_steady_tick(Duration::from_millis(100));
    bar
}

/// Adds all vectors, a step at a time.
fn fill(index: &Index, vectors: &mut Source, ids: Option<&str>) -> Result<(), Stop> {
    let n = vectors.n;
    let ids = ids.map(vectors::ids).transpose()?;
    if let Some(ids) = ids.as_ref().filter(|ids| ids.len() != n) {
        return Err(Stop::Usage(format!("--ids holds {} ids for {n} vectors", ids.len())));
    }
    let bar = progress(ProgressBar::new(n as u64), "{msg} {bar:30} {pos}/{len} {elapsed}", "adding");
    let step = (ADDED / vectors.d).max(1);
    let matrices = (0..n).step_by(step).map(|start| {
        let rows = start..n.min(start + step);
        bar.inc(rows.len() as u64);
        vectors.rows(rows)
    });
    index.add_all(matrices, ids.as_deref())?;
    bar.finish_and_clear();
    Ok(())
}

fn told(
    console: &mut Console,
    index: &Index,
    path: &Path,
    trained: Duration,
    all: Duration,
) -> Result<(), Stop> {
    #[derive(Serialize)]
    struct Document {
        vectors: usize,
        train_seconds: f64,
        seconds: f64,
        file: PathBuf,
    }
    let vectors = index.snapshot().len();
    if console.json {
        let (train_seconds, seconds) = (trained.as_secs_f64(), all.as_secs_f64());
        return console.json(&Document { vectors, train_seconds, seconds, file: path.to_owned() });
    }
    let (trained, all, file) = (trained.as_secs_f64(), all.as_secs_f64(), path.display());
    Ok(writeln!(console.out, "{vectors} vectors in {file}; {all:.2} s, {trained:.2} s of it training")?)
}

/// Writes or prints what a search of `b` queries finds.
fn show(
    b: usize,
    k: usize,
    output: Option<&Path>,
    console: &mut Console,
    search: impl FnOnce() -> tilewright_core::Result<Found>,
) -> Result<(), Stop> {
    // Before any work: a misspelt ending must not cost the result.
    let format = output.map(Format::of).transpose()?;
    if matches!(format, Some(Format::Npy | Format::MatrixMarket)) {
        return Err(Stop::Usage(
            "--output: two arrays do not fit such a file: take .npz or .safetensors".into(),
        ));
    }
    let found = search()?;
    if let (Some(path), Some(format)) = (output, format) {
        let distances = Tensor::from_slice(&found.distances, [b, k])?;
        let ids = Tensor::from_slice(&found.ids, [b, k])?;
        files::write(path, format, &[("distances", distances), ("ids", ids)])?;
        return Ok(writeln!(console.out, "{b} queries; written to {}", path.display())?);
    }
    #[derive(Serialize)]
    struct Neighbours {
        query: usize,
        ids: Vec<i64>,
        distances: Vec<f32>,
    }
    let of_query = |query: usize| {
        let (ids, distances) = found.of(query).unzip();
        Neighbours { query, ids, distances }
    };
    let shown: Vec<Neighbours> = (0..b.min(if console.json { b } else { 20 })).map(of_query).collect();
    if console.json {
        return console.json(&shown);
    }
    for Neighbours { query, ids, distances } in &shown {
        let pairs: Vec<String> =
            ids.iter().zip(distances).map(|(id, distance)| format!("{id} ({distance:.4})")).collect();
        writeln!(console.out, "{query}: {}", pairs.join(" "))?;
    }
    if b > shown.len() {
        writeln!(console.out, "... and {} queries more: take --output", b - shown.len())?;
    }
    Ok(())
}

/// The exact neighbours among the vectors of a file, so many rows of which are read at a time.
fn nearest(
    stream: &Stream,
    queries: &Tensor,
    mut source: Source,
    k: usize,
    metric: Metric,
    rows: usize,
) -> tilewright_core::Result<Found> {
    let mut nearest = Neighbours::new(stream, queries, k, metric)?;
    let bar =
        progress(ProgressBar::new(source.n as u64), "{msg} {bar:30} {pos}/{len} {elapsed}", "comparing");
    for start in (0..source.n).step_by(rows) {
        let own = start..source.n.min(start + rows);
        bar.inc(own.len() as u64);
        nearest.meet(&source.rows(own)?, None)?;
    }
    bar.finish_and_clear();
    nearest.found()
}

/// What an evaluation is of.
struct Wanted<'a> {
    k: usize,
    nprobes: &'a [usize],
    recalls: &'a [f64],
    /// The exact neighbours, if not those that the index finds.
    exact: Option<&'a Found>,
    refine: usize,
    report: Option<&'a Path>,
}

/// One measured number of lists.
#[derive(Serialize)]
struct Point {
    nprobe: usize,
    recall: f64,
    queries_per_second: f64,
    /// Bytes of the vectors or codes that were compared, each as often as it was, in 10^9 a second.
    compared_gb_per_second: f64,
}

fn eval(index: &Snapshot, queries: &Tensor, wanted: &Wanted, console: &mut Console) -> Result<(), Stop> {
    let (k, b, nlist) = (wanted.k, queries.dims()[0], index.recipe().nlist());
    if b == 0 {
        return Err(Stop::Usage("--input holds no queries".into()));
    }
    let mut nprobes = wanted.nprobes.to_vec();
    if let Some(wrong) = nprobes.iter().find(|&&nprobe| nprobe == 0 || nprobe > nlist) {
        return Err(Error::range("search", "nprobe", format!("1..={nlist}"), wrong).into());
    }
    for &recall in wanted.recalls {
        nprobes.push(index.nprobe_for(queries, k, recall)?.0);
    }
    if nprobes.is_empty() {
        nprobes =
            std::iter::successors(Some(1), |nprobe| (nprobe * 2 < nlist).then_some(nprobe * 2)).collect();
        nprobes.push(nlist);
    }
    nprobes.sort_unstable();
    nprobes.dedup();
    let exact = match wanted.exact {
        Some(exact) => exact.clone(),
        None => index.exact(queries, k)?,
    };
    let bar =
        progress(ProgressBar::new(nprobes.len() as u64), "{msg} {bar:30} {pos}/{len} {elapsed}", "measuring");
    let mut points = Vec::with_capacity(nprobes.len());
    for nprobe in nprobes {
        let query = Query { k, nprobe, refine: wanted.refine, ..Query::default() };
        let found = index.search(queries, &query)?;
        let seconds = timed(|| index.search(queries, &query).map(drop))?;
        let median = seconds[seconds.len() / 2];
        let bytes = index.compared(queries, nprobe)? * index.bytes_compared();
        points.push(Point {
            nprobe,
            recall: found.recall(&exact),
            queries_per_second: b as f64 / median,
            compared_gb_per_second: bytes as f64 / median / 1e9,
        });
        bar.inc(1);
    }
    bar.finish_and_clear();
    if let Some(path) = wanted.report {
        let title = format!("{}, {} vectors of length {}", index.recipe(), index.len(), index.dimension());
        let page = report::page(&title, k, &points);
        std::fs::write(path, page).map_err(|why| Error::file("write", path, why))?;
    }
    if console.json {
        return console.json(&points);
    }
    let rows: Vec<[String; 4]> = points.iter().map(report::cells).collect();
    Ok(table::write(&mut *console.out, report::headings(k).each_ref().map(String::as_str), &rows)?)
}

/// The seconds that a search takes, shortest first.
fn timed(mut search: impl FnMut() -> tilewright_core::Result<()>) -> tilewright_core::Result<Vec<f64>> {
    let (mut seconds, all) = (Vec::new(), Instant::now());
    while seconds.len() < 3 || seconds.len() < 20 && all.elapsed() < Duration::from_millis(500) {
        let start = Instant::now();
        search()?;
        seconds.push(start.elapsed().as_secs_f64());
    }
    seconds.sort_by(f64::total_cmp);
    Ok(seconds)
}

fn info(index: &Index, console: &mut Console) -> Result<(), Stop> {
    #[derive(Serialize)]
    struct Document {
        recipe: String,
        metric: String,
        dimension: usize,
        vectors: usize,
        lists: usize,
        empty_lists: usize,
        longest_list: usize,
        imbalance: f64,
        bytes: usize,
    }
    let (snapshot, statistics) = (index.snapshot(), index.statistics()?);
    let document = Document {
        recipe: snapshot.recipe().to_string(),
        metric: snapshot.metric().to_string(),
        dimension: snapshot.dimension(),
        vectors: statistics.vectors,
        lists: statistics.lists,
        empty_lists: statistics.empty_lists,
        longest_list: statistics.longest_list,
        imbalance: statistics.imbalance,
        bytes: statistics.bytes,
    };
    if console.json {
        return console.json(&document);
    }
    let Document { recipe, metric, dimension, vectors, lists, empty_lists, longest_list, imbalance, bytes } =
        document;
    writeln!(console.out, "{recipe}, {metric}: {vectors} vectors of length {dimension}, {bytes} bytes")?;
    writeln!(
        console.out,
        "{lists} lists, {empty_lists} empty, the longest has {longest_list}; imbalance {imbalance:.2}"
    )?;
    Ok(())
}
