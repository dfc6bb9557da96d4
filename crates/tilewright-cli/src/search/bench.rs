//! `tilewright search bench`.

use std::path::PathBuf;
use std::time::Instant;

use clap::Args;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;
use serde::Serialize;
use tilewright_check::{Peaks, Row, Summary, Timing, Yardsticks, write_record};
use tilewright_core::{DType, Device, Result, Stream, Tensor};
use tilewright_search::{Found, Index, Metric, Neighbours, Query, Recipe, Snapshot};

use super::{ADDED, timed};
use crate::stop::Stop;
use crate::{Console, records, select, table};

/// Dimensions of the subspace, and how far from it vectors are.
const RANK: usize = 16;
const NOISE: f32 = 0.1;
/// Rows that one seed makes.
const ROWS: usize = 4096;
/// Vectors that training is shown for each list.
const SHOWN: usize = 256;

/// Vectors lie on a random subspace of 16 dimensions, with 0.1 of noise in all of them. Recall is against the exact neighbours of the first queries. A scan reads the vectors of a list once for all queries of a
/// batch, and codes for each query: that is what the bytes a second count, beside those of a copy in the same run. Queries lie on the device; results come to the host.
#[derive(Args)]
pub(super) struct Options {
    /// What an index is made of; may be repeated.
    #[arg(long, default_value = "IVF1024,Flat")]
    recipe: Vec<Recipe>,
    /// Vectors.
    #[arg(long, default_value_t = 1_000_000)]
    rows: usize,
    /// Elements of a vector.
    #[arg(long, default_value_t = 128)]
    dimension: usize,
    /// Queries that are searched for together; a row of the table each.
    #[arg(long, value_delimiter = ',', default_value = "10000,1")]
    batch: Vec<usize>,
    /// Queries whose recall is measured, at most.
    #[arg(long, default_value_t = 1000)]
    judged: usize,
    /// How many neighbours.
    #[arg(short, default_value_t = 10)]
    k: usize,
    /// Recalls to reach: the least number of lists for each is found.
    #[arg(long, value_delimiter = ',', default_value = "0.9,0.95,0.99")]
    recall: Vec<f64>,
    /// How many times k of the nearest codes are compared exactly, where the index keeps vectors beside codes.
    #[arg(long, default_value_t = 4)]
    refine: usize,
    /// Where to build and search, such as cpu or cuda:0.
    #[arg(long, default_value = "cpu")]
    device: Device,
    /// Add the results to the records, in FOLDER/<host>/<date>_<commit>.csv.
    #[arg(long, value_name = "FOLDER", num_args = 0..=1, require_equals = true, default_missing_value = "bench/record")]
    record: Option<PathBuf>,
    /// The machine's name in the records [default: made of its processor].
    #[arg(long)]
    host: Option<String>,
}

#[derive(Serialize)]
struct Document {
    device: String,
    rows: usize,
    dimension: usize,
    /// GB/s of a copy, read and written.
    copy_gbs: Option<f64>,
    indexes: Vec<Measured>,
}

#[derive(Serialize)]
struct Measured {
    recipe: String,
    train_seconds: f64,
    add_seconds: f64,
    /// Until all of it lay on the device.
    move_seconds: f64,
    points: Vec<Point>,
    /// Recalls that all lists that can be looked into do not reach.
    beyond: Vec<f64>,
}

#[derive(Serialize)]
struct Point {
    wanted: f64,
    recall: f64,
    nprobe: usize,
    batch: usize,
    milliseconds: f64,
    queries_per_second: f64,
    /// 10^9 bytes a second of what the scan reads.
    gbs: f64,
    /// That over the rate of a copy.
    fraction: Option<f64>,
}

/// What all indexes are measured with.
struct Bench<'a> {
    options: &'a Options,
    stream: Stream,
    vectors: Tensor,
    queries: Tensor,
    /// The exact neighbours of the first queries.
    exact: Found,
    peaks: Peaks,
    blank: Row,
}

pub(super) fn bench(options: &Options, console: &mut Console) -> Result<(), Stop> {
    if options.rows == 0
        || options.dimension == 0
        || options.k == 0
        || options.batch.contains(&0)
        || options.judged == 0
    {
        return Err(Stop::Usage("--rows, --dimension, --batch, --judged and -k: at least 1 each".into()));
    }
    if options.recipe.iter().any(Recipe::is_binary) {
        return Err(Stop::Usage("--recipe: an index of vectors, not of bits".into()));
    }
    let (n, d, stream) = (options.rows, options.dimension, select::stream(options.device)?);
    let most = options.batch.iter().copied().max().unwrap_or(1);
    let start = Instant::now();
    let told = |what: &str| eprintln!("[{:7.2} s] {what}", start.elapsed().as_secs_f64());
    let (vectors, queries) = (subspace(n, d, 1)?, subspace(most, d, 2)?.to(&stream)?);
    told("vectors are made");
    let copy = tilewright_kernels::KERNELS.iter().copied().find(|kernel| kernel.spec().name == "copy");
    let peaks = Peaks::measure(&stream, Yardsticks { copy, product: None })?;
    let judged = queries.slice(0, 0..most.min(options.judged))?;
    let mut exact = Neighbours::new(&stream, &judged, options.k, Metric::L2)?;
    for part in parts(&vectors) {
        exact.meet(&part?, None)?;
    }
    told("exact neighbours are known");
    let blank = records::blank(&records::origin(options.host.as_ref()), options.device)?;
    let bench = Bench { options, stream, vectors, queries, exact: exact.found()?, peaks, blank };
    let (mut indexes, mut rows) = (Vec::new(), Vec::new());
    for &recipe in &options.recipe {
        indexes.push(bench.of(recipe, &told, &mut rows)?);
    }
    if let Some(folder) = &options.record {
        eprintln!("recorded in {}", write_record(folder, &rows)?.display());
    }
    let copy_gbs = bench.peaks.copy_gbs;
    let document = Document { device: options.device.to_string(), rows: n, dimension: d, copy_gbs, indexes };
    if console.json {
        return console.json(&document);
    }
    print(&document, console)
}

impl Bench<'_> {
    fn of(&self, recipe: Recipe, told: &dyn Fn(&str), rows: &mut Vec<Row>) -> Result<Measured, Stop> {
        let (options, n) = (self.options, self.vectors.dims()[0]);
        let index = Index::new(recipe, options.dimension, Metric::L2)?.building_on(&self.stream);
        let shown = (SHOWN * recipe.nlist().max(SHOWN)).min(n);
        let train = seconds(|| index.train(&self.vectors.slice(0, 0..shown)?))?;
        told(&format!("{recipe}: trained in {train:.2} s"));
        let add = seconds(|| index.add_all(parts(&self.vectors), None).map(drop))?;
        told(&format!("{recipe}: added in {add:.2} s"));
        let mut there = None;
        let moved = seconds(|| {
            there = Some(index.snapshot().on(&self.stream)?);
            self.stream.synchronize()
        })?;
        let there = there.expect("it has been moved");
        told(&format!("{recipe}: on {} in {moved:.2} s", options.device));
        for (name, time) in [("train", train), ("add", add), ("move", moved)] {
            rows.push(self.row(&format!("{recipe}_{name}"), 0.0, &[time]));
        }
        let (mut points, mut beyond) = (Vec::new(), Vec::new());
        for &wanted in &options.recall {
            match self.points(&there, wanted, told, rows)? {
                Some(own) => points.extend(own),
                None => beyond.push(wanted),
            }
        }
        Ok(Measured {
            recipe: recipe.to_string(),
            train_seconds: train,
            add_seconds: add,
            move_seconds: moved,
            points,
            beyond,
        })
    }

    /// The points of one recall, of each batch; `None` where as many lists as there are, or as the device selects, find less.
    fn points(
        &self,
        index: &Snapshot,
        wanted: f64,
        told: &dyn Fn(&str),
        rows: &mut Vec<Row>,
    ) -> Result<Option<Vec<Point>>, Stop> {
        let (options, judged) = (self.options, self.exact.ids.len() / self.exact.k);
        let query = Query { k: options.k, refine: options.refine, ..Query::default() };
        let few = self.queries.slice(0, 0..judged)?;
        let (nprobe, recall) = match index.nprobe_with(&few, &self.exact, &query, wanted) {
            // More lists than a GPU selects.
            Err(error) if error.is_unsupported() => {
                told(&format!("{}, recall {wanted}: {error}", index.recipe()));
                return Ok(None);
            }
            found => found?,
        };
        if recall < wanted {
            told(&format!("{}: all lists together find {recall:.4}", index.recipe()));
            return Ok(None);
        }
        let (query, mut points) = (Query { nprobe, ..query }, Vec::new());
        for &batch in &options.batch {
            let queries = self.queries.slice(0, 0..batch)?;
            index.search(&queries, &query)?;
            let times = timed(|| index.search(&queries, &query).map(drop))?;
            let (all, different) = index.rows_read(&queries, nprobe)?;
            let read = if index.recipe().codes().is_some() { all } else { different };
            let bytes = (read * index.bytes_compared()) as f64;
            let case = format!("{}_b{batch}_k{}_recall={wanted}_nprobe={nprobe}", index.recipe(), options.k);
            let row = self.row(&case, bytes, &times);
            let median = Summary::of(&times).median;
            points.push(Point {
                wanted,
                recall,
                nprobe,
                batch,
                milliseconds: 1e3 * median,
                queries_per_second: batch as f64 / median,
                gbs: bytes / median / 1e9,
                fraction: row.fraction,
            });
            told(&format!("{case}: recall {recall:.4}, {:.0} queries/s", batch as f64 / median));
            rows.push(row);
        }
        Ok(Some(points))
    }

    /// A row of the record, from seconds.
    fn row(&self, case: &str, bytes: f64, seconds: &[f64]) -> Row {
        let mut row = Row {
            kernel: "index".to_owned(),
            case: format!("n{}_d{}_{case}", self.options.rows, self.options.dimension),
            dtype: DType::F32.name().to_owned(),
            variant: "search bench".to_owned(),
            bytes,
            ..self.blank.clone()
        };
        let milliseconds: Vec<f64> = seconds.iter().map(|second| 1e3 * second).collect();
        let wall = Summary::of(&milliseconds);
        row.fill(&Timing { samples: seconds.len(), calls: 1, wall, device: None });
        row.hold_against(&self.peaks, DType::F32);
        row
    }
}

/// The vectors some at a time, as an index takes them.
fn parts(vectors: &Tensor) -> impl Iterator<Item = Result<Tensor>> + '_ {
    let (n, step) = (vectors.dims()[0], (ADDED / vectors.dims()[1]).max(1));
    (0..n).step_by(step).map(move |start| vectors.slice(0, start..n.min(start + step)))
}

fn seconds(work: impl FnOnce() -> Result<()>) -> Result<f64> {
    let start = Instant::now();
    work()?;
    Ok(start.elapsed().as_secs_f64())
}

/// Rows `[n, d]` on the subspace that all seeds share, with noise; by all threads.
fn subspace(n: usize, d: usize, seed: u64) -> Result<Tensor> {
    let mut random = ChaCha8Rng::seed_from_u64(0);
    let basis: Vec<f32> = (0..RANK * d).map(|_| normal(&mut random) / (RANK as f32).sqrt()).collect();
    let mut all = vec![0.0f32; n * d];
    all.par_chunks_mut(ROWS * d).enumerate().for_each(|(number, rows)| {
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        random.set_stream(number as u64 + 1);
        for point in rows.chunks_exact_mut(d) {
            point.iter_mut().for_each(|x| *x = NOISE * normal(&mut random));
            for direction in basis.chunks_exact(d) {
                let place = normal(&mut random);
                point.iter_mut().zip(direction).for_each(|(x, along)| *x += place * along);
            }
        }
    });
    Tensor::from_vec(all, [n, d])
}

/// The sum of four uniform deviates, scaled to unit variance: near enough to normal, and cheap.
fn normal(random: &mut ChaCha8Rng) -> f32 {
    let bits: u64 = random.random();
    let sum: u64 = (0..4).map(|part| bits >> (16 * part) & 0xffff).sum();
    (sum as f32 / 65536.0 - 2.0) * 3f32.sqrt()
}

fn print(document: &Document, console: &mut Console) -> Result<(), Stop> {
    let percent =
        |fraction: Option<f64>| fraction.map_or("-".to_owned(), |part| format!("{:.1} %", 100.0 * part));
    for index in &document.indexes {
        let cells = |point: &Point| {
            [
                point.wanted.to_string(),
                format!("{:.4}", point.recall),
                point.nprobe.to_string(),
                point.batch.to_string(),
                format!("{:.3}", point.milliseconds),
                format!("{:.0}", point.queries_per_second),
                format!("{:.0}", point.gbs),
                percent(point.fraction),
            ]
        };
        let cells: Vec<[String; 8]> = index.points.iter().map(cells).collect();
        writeln!(
            console.out,
            "{}, {} vectors of length {} on {}: trained in {:.2} s, added in {:.2} s, moved in {:.2} s",
            index.recipe,
            document.rows,
            document.dimension,
            document.device,
            index.train_seconds,
            index.add_seconds,
            index.move_seconds
        )?;
        let head = ["wanted", "recall", "nprobe", "batch", "ms", "queries/s", "read GB/s", "of a copy"];
        table::write(&mut *console.out, head, &cells)?;
        for recall in &index.beyond {
            writeln!(console.out, "recall {recall} is beyond all lists that can be looked into")?;
        }
    }
    Ok(())
}
