//! `tilewright search bench`.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use clap::Args;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;
use tempfile::TempDir;
use tilewright_check::{
    Contestant, Pace, Peaks, Role, Row, Sample, Summary, Timing, Yardsticks, best_peer, race, timed,
    write_record,
};
use tilewright_core::{DType, Device, Error, Result, Stream, Tensor};
use tilewright_search::{Found, Index, Metric, Neighbours, Query, Recipe, Snapshot, least_nprobe};

use super::ADDED;
use super::measured::{Built, Document, Measured, PeerPoint, Point, print};
use crate::files::{self, Format};
use crate::peers::{self, IndexOrder, Interpreters, PeerIndex};
use crate::stop::Stop;
use crate::{Console, records, select};

/// Dimensions of the subspace, and how far from it vectors are.
const RANK: usize = 16;
const NOISE: f32 = 0.1;
/// Rows that one seed makes.
const ROWS: usize = 4096;
/// Vectors that training is shown for each list.
const SHOWN: usize = 256;
/// Stretches of queries that searches take in turn, at most, so that a small batch does not find its lists in the cache. Other libraries' scripts take as many.
const STRETCHES: usize = 256;

/// Vectors lie on a random subspace of 16 dimensions, with 0.1 of noise in all of them. Recall is against the exact neighbours of the first queries. A scan reads the vectors of a list once for all queries of a
/// batch, and codes for each query: that is what the bytes a second count, beside those of a copy in the same run. Queries lie on the device; results come to the host.
///
/// With --peers, other libraries build the same recipe of the same vectors, with their own defaults for training. Each looks into as many lists as its own index needs for a recall, is judged by the same exact
/// neighbours, and is timed on the same queries, in turns with ours.
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
    /// Seconds that the samples of one search of one of them may take; long ones get fewer samples, but at least 5.
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u64).range(1..))]
    budget: u64,
    #[command(flatten)]
    others: peers::Options,
    /// Add the results to the records, in FOLDER/<host>/<date>_<commit>.csv.
    #[arg(long, value_name = "FOLDER", num_args = 0..=1, require_equals = true, default_missing_value = "bench/record")]
    record: Option<PathBuf>,
    /// The machine's name in the records [default: made of its processor].
    #[arg(long)]
    host: Option<String>,
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
    others: Option<Others>,
    start: Instant,
    rows: Vec<Row>,
    absent: Vec<String>,
}

/// Other libraries, and the files by which vectors and queries come to them; these go with it.
struct Others {
    interpreters: Interpreters,
    folder: TempDir,
}

impl Others {
    fn vectors(&self) -> PathBuf {
        self.folder.path().join("vectors.npy")
    }

    fn queries(&self) -> PathBuf {
        self.folder.path().join("queries.npy")
    }

    fn write(&self, vectors: &Tensor, queries: &Tensor) -> Result<()> {
        files::write(&self.vectors(), Format::Npy, &[("vectors", vectors.clone())])?;
        files::write(&self.queries(), Format::Npy, &[("queries", queries.clone())])
    }
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
    // Before any work: a misspelt folder must not cost it.
    let interpreters = options.others.start()?;
    let (vectors, queries) = (subspace(n, d, 1)?, subspace(most, d, 2)?);
    let mut absent = Vec::new();
    let others = match interpreters {
        Some(interpreters) => {
            absent.extend(interpreters.absent.iter().map(|(library, why)| format!("{library}: {why}")));
            let fail = |why| Error::file("bench", std::env::temp_dir(), why);
            let folder = tempfile::tempdir().map_err(|why: std::io::Error| fail(why))?;
            let others = Others { interpreters, folder };
            others.write(&vectors, &queries)?;
            Some(others)
        }
        None => None,
    };
    let queries = queries.to(&stream)?;
    told(start, "vectors are made");
    let copy = tilewright_kernels::KERNELS.iter().copied().find(|kernel| kernel.spec().name == "copy");
    let peaks = Peaks::measure(&stream, Yardsticks { copy, product: None })?;
    let judged = queries.slice(0, 0..most.min(options.judged))?;
    let mut exact = Neighbours::new(&stream, &judged, options.k, Metric::L2)?;
    for part in parts(&vectors) {
        exact.meet(&part?, None)?;
    }
    told(start, "exact neighbours are known");
    let blank = records::blank(&records::origin(options.host.as_ref()), options.device)?;
    let (exact, rows) = (exact.found()?, Vec::new());
    let mut bench =
        Bench { options, stream, vectors, queries, exact, peaks, blank, others, start, rows, absent };
    let mut indexes = Vec::new();
    for &recipe in &options.recipe {
        indexes.push(bench.of(recipe)?);
    }
    if let Some(folder) = &options.record {
        eprintln!("recorded in {}", write_record(folder, &bench.rows)?.display());
    }
    let Bench { peaks: Peaks { copy_gbs, .. }, absent, .. } = bench;
    let document =
        Document { device: options.device.to_string(), rows: n, dimension: d, copy_gbs, indexes, absent };
    if console.json {
        return console.json(&document);
    }
    print(&document, console)
}

impl Bench<'_> {
    fn told(&self, what: &str) {
        told(self.start, what);
    }

    fn of(&mut self, recipe: Recipe) -> Result<Measured, Stop> {
        let (options, n) = (self.options, self.vectors.dims()[0]);
        let index = Index::new(recipe, options.dimension, Metric::L2)?.building_on(&self.stream);
        let shown = (SHOWN * recipe.nlist().max(SHOWN)).min(n);
        let train = seconds(|| index.train(&self.vectors.slice(0, 0..shown)?))?;
        self.told(&format!("{recipe}: trained in {train:.2} s"));
        let add = seconds(|| index.add_all(parts(&self.vectors), None).map(drop))?;
        self.told(&format!("{recipe}: added in {add:.2} s"));
        let mut there = None;
        let moved = seconds(|| {
            there = Some(index.snapshot().on(&self.stream)?);
            self.stream.synchronize()
        })?;
        let there = there.expect("it has been moved");
        self.told(&format!("{recipe}: on {} in {moved:.2} s", options.device));
        for (name, time) in [("train", train), ("add", add), ("move", moved)] {
            self.built(recipe, name, Role::Ours, "search bench", 1e3 * time);
        }
        let others = self.build(recipe, shown);
        let mut peers: Vec<Built> = Vec::new();
        for other in &others {
            let (train_seconds, add_seconds) = (other.train_ms / 1e3, other.add_ms / 1e3);
            let name = other.name.clone();
            self.told(&format!(
                "{recipe}, {name}: trained in {train_seconds:.2} s, added in {add_seconds:.2} s"
            ));
            self.built(recipe, "train", Role::Peer, &name, other.train_ms);
            self.built(recipe, "add", Role::Peer, &name, other.add_ms);
            peers.push(Built { name, train_seconds, add_seconds, beyond: Vec::new() });
        }
        let (mut points, mut beyond) = (Vec::new(), Vec::new());
        for &wanted in &options.recall {
            let mut aims = Vec::new();
            for (other, built) in others.iter().zip(&mut peers) {
                match self.reached(recipe, other, wanted)? {
                    Some((nprobe, recall)) => aims.push(Aim { other, nprobe, recall }),
                    None => built.beyond.push(wanted),
                }
            }
            match self.points(&there, &aims, wanted)? {
                Some(own) => points.extend(own),
                None => beyond.push(wanted),
            }
        }
        if let Some(others) = &mut self.others {
            others.interpreters.close();
        }
        Ok(Measured {
            recipe: recipe.to_string(),
            train_seconds: train,
            add_seconds: add,
            move_seconds: moved,
            points,
            beyond,
            peers,
        })
    }

    /// The indexes of this recipe that other libraries build.
    fn build(&mut self, recipe: Recipe, shown: usize) -> Vec<PeerIndex> {
        let (options, Some(others)) = (self.options, &mut self.others) else { return Vec::new() };
        let order = IndexOrder {
            recipe: recipe.to_string(),
            dimension: options.dimension,
            device: options.device,
            vectors: &others.vectors(),
            folder: others.folder.path(),
            queries: &others.queries(),
            shown,
            k: options.k,
            refine: options.refine,
        };
        let (built, unable) = others.interpreters.index(&order);
        for (name, why) in unable {
            self.told(&format!("{recipe}, {name}: {why}"));
            self.absent.push(format!("{recipe} by {name}: {why}"));
        }
        if built.is_empty() {
            let why = format!("{recipe} by another library: none here has it on {}", options.device);
            self.absent.push(why);
        }
        built
    }

    /// The least number of lists with which another library's index reaches a recall, and that recall; `None` where all of them do not.
    fn reached(&self, recipe: Recipe, other: &PeerIndex, wanted: f64) -> Result<Option<(usize, f64)>> {
        let (k, judged) = (self.exact.k, self.exact.ids.len() / self.exact.k);
        let (nprobe, recall) = least_nprobe(recipe.nlist(), wanted, |nprobe| {
            let (distances, ids) = other.found(nprobe, judged)?;
            if [distances.dims(), ids.dims()] != [[judged, k]; 2] {
                return Err(Error::shape("bench", "ids", format!("[{judged}, {k}]"), ids.shape()));
            }
            let (distances, ids) = (distances.to_vec()?, ids.to_vec()?);
            Ok(Found { k, distances, ids }.recall(&self.exact))
        })?;
        if recall < wanted {
            self.told(&format!("{recipe}, {}: all lists together find {recall:.4}", other.name));
        }
        Ok((recall >= wanted).then_some((nprobe, recall)))
    }

    /// The points of one recall, of each batch; `None` where as many lists as there are, or as the device selects, find less.
    fn points(&mut self, index: &Snapshot, aims: &[Aim], wanted: f64) -> Result<Option<Vec<Point>>, Stop> {
        let (options, judged) = (self.options, self.exact.ids.len() / self.exact.k);
        let query = Query { k: options.k, refine: options.refine, ..Query::default() };
        let few = self.queries.slice(0, 0..judged)?;
        let (nprobe, recall) = match index.nprobe_with(&few, &self.exact, &query, wanted) {
            // More lists than a GPU selects.
            Err(error) if error.is_unsupported() => {
                self.told(&format!("{}, recall {wanted}: {error}", index.recipe()));
                return Ok(None);
            }
            found => found?,
        };
        if recall < wanted {
            self.told(&format!("{}: all lists together find {recall:.4}", index.recipe()));
            for Aim { other, nprobe, recall } in aims {
                self.told(&format!("{}: {nprobe} lists find {recall:.4}", other.name));
            }
            return Ok(None);
        }
        let (query, mut points) = (Query { nprobe, ..query }, Vec::new());
        let pace = Pace { budget: Duration::from_secs(options.budget), ..Pace::default() };
        for &batch in &options.batch {
            let search = Search { index, query, batches: self.batches(batch)?, next: 0 };
            let bytes = search.bytes()?;
            let case = format!("{}_b{batch}_k{}_recall={wanted}", index.recipe(), options.k);
            let mut rows = vec![Row { bytes, ..self.row(&case, Role::Ours, &format!("nprobe={nprobe}")) }];
            let mut contestants: Vec<Box<dyn Contestant + '_>> = vec![Box::new(search)];
            for Aim { other, nprobe, .. } in aims {
                rows.push(self.row(&case, Role::Peer, &format!("{}, nprobe={nprobe}", other.name)));
                contestants.push(other.timed(*nprobe, batch)?);
            }
            for (row, timing) in rows.iter_mut().zip(race(&mut contestants, &pace)) {
                match timing {
                    Ok(timing) => row.fill(&timing),
                    Err(error) if row.role == Role::Ours => return Err(error.into()),
                    Err(error) => row.verdict = error.to_string(),
                }
                row.hold_against(&self.peaks, DType::F32);
            }
            let own = &rows[0];
            let milliseconds = own.median().expect("it has been timed");
            let peers: Vec<PeerPoint> = aims
                .iter()
                .zip(&rows[1..])
                .map(|(aim, row)| PeerPoint {
                    name: aim.other.name.clone(),
                    recall: aim.recall,
                    nprobe: aim.nprobe,
                    milliseconds: row.median(),
                    verdict: row.verdict.clone(),
                })
                .collect();
            let ratio = best_peer(&rows, own).map_or(String::new(), |peer| {
                format!(", {:.2} times the best other library's", peer / milliseconds)
            });
            let rate = batch as f64 / milliseconds * 1e3;
            self.told(&format!("{case}, nprobe={nprobe}: recall {recall:.4}, {rate:.0} queries/s{ratio}"));
            points.push(Point {
                wanted,
                recall,
                nprobe,
                batch,
                milliseconds,
                queries_per_second: rate,
                gbs: bytes / milliseconds / 1e6,
                fraction: own.fraction,
                peers,
            });
            self.rows.extend(rows);
        }
        Ok(Some(points))
    }

    /// The queries in stretches of so many, the last of fewer left out.
    fn batches(&self, batch: usize) -> Result<Vec<Tensor>> {
        let stretches = (self.queries.dims()[0] / batch).min(STRETCHES);
        (0..stretches).map(|at| self.queries.slice(0, at * batch..(at + 1) * batch)).collect()
    }

    /// Records how long a step of building took, in milliseconds.
    fn built(&mut self, recipe: Recipe, step: &str, role: Role, variant: &str, wall: f64) {
        let mut row = self.row(&format!("{recipe}_{step}"), role, variant);
        row.fill(&Timing { samples: 1, calls: 1, wall: Summary::of(&[wall]), device: None });
        self.rows.push(row);
    }

    /// A row of the record without times.
    fn row(&self, case: &str, role: Role, variant: &str) -> Row {
        Row {
            kernel: "index".to_owned(),
            case: format!("n{}_d{}_{case}", self.options.rows, self.options.dimension),
            dtype: DType::F32.name().to_owned(),
            role,
            variant: variant.to_owned(),
            ..self.blank.clone()
        }
    }
}

/// What another library's index needs for a recall.
struct Aim<'a> {
    other: &'a PeerIndex,
    nprobe: usize,
    recall: f64,
}

/// Searches for one batch after another.
struct Search<'a> {
    index: &'a Snapshot,
    query: Query<'a>,
    batches: Vec<Tensor>,
    next: usize,
}

impl Search<'_> {
    /// What one batch's search reads, on average.
    fn bytes(&self) -> Result<f64> {
        let mut read = 0;
        for queries in &self.batches {
            let (all, different) = self.index.rows_read(queries, self.query.nprobe)?;
            read += if self.index.recipe().codes().is_some() { all } else { different };
        }
        Ok((read * self.index.bytes_compared()) as f64 / self.batches.len() as f64)
    }
}

impl Contestant for Search<'_> {
    fn sample(&mut self, calls: usize) -> Result<Sample> {
        timed(calls, || {
            let queries = &self.batches[self.next % self.batches.len()];
            self.next += 1;
            self.index.search(queries, &self.query).map(drop)
        })
    }
}

fn told(start: Instant, what: &str) {
    eprintln!("[{:7.2} s] {what}", start.elapsed().as_secs_f64());
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
