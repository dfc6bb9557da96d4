//! Indexes that change while they are searched.

use std::collections::HashSet;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use rand::SeedableRng;
use rand::seq::index::sample;
use rand_chacha::ChaCha8Rng;
use tilewright_core::{DType, Error, Result, Stream, Tensor};
use tilewright_kernels::search::{Kmeans, Metric, kmeans};

use crate::coded::Coded;
use crate::filter::Filter;
use crate::log::{Change, Identity, Log};
use crate::recipe::{Codes, Recipe};
use crate::segment::{Part, Segment, by_list, gathered, joined};
use crate::snapshot::{Found, InRange, Query, Snapshot, Statistics};
use crate::transform::Transform;
use crate::{coded, file, snapshot};

/// Vectors for each centroid that training looks at, at most: more move centroids less than the next run's draw does.
const ENOUGH: usize = 256;
/// Iterations of training.
const ITERATIONS: usize = 10;

/// Vectors by id. Shared between threads as it is: every method takes `&self`.
///
/// A search runs on the [`Snapshot`] of the moment it began, and waits for nobody; changes wait for each other, and are seen whole or not at all.
pub struct Index {
    now: RwLock<Snapshot>,
    /// Held by whoever makes the next snapshot. Changes go to the log first, where there is one.
    writing: Mutex<Option<Log>>,
    /// Where centroids are found, and vectors' lists.
    stream: Stream,
}

impl Index {
    /// An empty index over vectors of length `d`.
    pub fn new(recipe: Recipe, d: usize, metric: Metric) -> Result<Self> {
        if d == 0 {
            return Err(Error::range("index", "d", "at least 1", 0));
        }
        let width = recipe.width(d)?;
        if let Some(codes) = recipe.codes() {
            coded::check(codes, width, metric)?;
        }
        Ok(Self::from(Snapshot {
            recipe,
            metric,
            given: d,
            d: width,
            transform: None,
            centroids: None,
            codebooks: None,
            parts: Arc::default(),
            device: None,
        }))
    }

    /// The same index, which from now on finds centroids, and the lists and product codes of the vectors that are added, on the stream's device; everything else stays on the host. A GPU's
    /// distances are f32 sums: a vector that is as near to two centroids as they round may get another list or code than on the CPU.
    pub fn building_on(self, stream: &Stream) -> Self {
        Self { stream: stream.clone(), ..self }
    }

    /// The index as it is now.
    pub fn snapshot(&self) -> Snapshot {
        self.now.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Finds the centroids of an index with lists and the codebooks or ranges of one by codes, from a sample of at most 256 vectors for each. An index that has vectors keeps its centroids: that is an
    /// error, and so are fewer vectors than lists. A flat index learns nothing, nor does one of bits.
    pub fn train(&self, vectors: &Tensor) -> Result<()> {
        let (mut writing, mut next) = self.change();
        next.check("vectors", vectors)?;
        if !next.recipe.is_trained() {
            return Ok(());
        }
        let codes = next.recipe.codes();
        let words = codes.map_or(0, coded::words).max(if next.recipe.turn().is_some() { 256 } else { 0 });
        let nlist = next.recipe.nlist();
        if !next.is_empty() {
            return Err(Error::layout("train", "index", "holds vectors in the lists of its centroids"));
        }
        let vectors = sampled(vectors, nlist.max(words).saturating_mul(ENOUGH))?;
        if let Some(turn) = next.recipe.turn() {
            let bits = match codes {
                Some(Codes::Product { bits, .. }) => bits,
                _ => 8,
            };
            let transform = Transform::train(turn, &vectors, bits).map_err(|error| error.within("train"))?;
            next.transform = Some(Arc::new(transform));
        }
        let vectors = next.turned("train", &vectors)?;
        if next.recipe.has_lists() {
            let args = Kmeans { k: nlist, iterations: ITERATIONS, ..Kmeans::default() };
            let there = vectors.to(&self.stream)?;
            let (centroids, _) =
                kmeans(&self.stream, &there, None, &args).map_err(|error| error.within("train"))?;
            next.centroids = Some(centroids.to_host()?);
        }
        if let Some(codes) = next.recipe.codes() {
            let vectors = sampled(&vectors, words.max(256).saturating_mul(ENOUGH))?;
            let labels = next.labels(&self.stream, &vectors)?;
            next.codebooks = None;
            let left = coded::residuals(&next, vectors.as_slice()?, &labels)?;
            let left = Tensor::from_vec(left, [labels.len(), next.d])?;
            next.codebooks =
                coded::train(&next.recipe, codes, &left).map_err(|error| error.within("train"))?;
        }
        self.replace(&mut writing, next)
    }

    /// Takes the centroids `[nlist, d]` as they are, instead of training; of vectors as they are turned, where they are.
    pub fn set_centroids(&self, centroids: &Tensor) -> Result<()> {
        let (mut writing, mut next) = self.change();
        let (nlist, d) = (next.recipe.nlist(), next.d);
        if centroids.dtype() != DType::F32 {
            return Err(Error::dtype("set_centroids", "centroids", "f32", centroids.dtype()));
        }
        if !next.recipe.has_lists() || centroids.dims() != [nlist, d] || !next.is_empty() {
            let expected =
                format!("[{nlist}, {d}], one for each of {nlist} lists of an empty index with lists");
            return Err(Error::shape("set_centroids", "centroids", expected, centroids.shape()));
        }
        next.centroids = Some(centroids.to_host()?);
        self.replace(&mut writing, next)
    }

    /// Takes the codebooks `[m, words, d / m]` of an index by product codes, the ranges `[2, d]` of one by scalar codes, or the mean `[d]` of one by RaBitQ without lists, as they are, instead of training.
    pub fn set_codebooks(&self, codebooks: &Tensor) -> Result<()> {
        let (mut writing, mut next) = self.change();
        let learnt = next.recipe.codes().filter(|_| next.is_empty());
        let Some(expected) = learnt.and_then(|_| coded::learnt_shape(&next.recipe, next.d)) else {
            return Err(Error::layout("set_codebooks", "index", "is not by codes, or holds vectors"));
        };
        if codebooks.dtype() != DType::F32 || codebooks.dims() != expected {
            let expected = format!("{expected:?} of f32");
            return Err(Error::shape("set_codebooks", "codebooks", expected, codebooks.shape()));
        }
        next.codebooks = Some(codebooks.to_host()?);
        self.replace(&mut writing, next)
    }

    /// Adds vectors `[n, d]` of f32, or `[n, d / 8]` of u8 where vectors are bits, under their ids, or under the numbers from the first that is beyond all ids on. Gives the ids. Fails, and adds nothing, on an id
    /// that is negative, there already, or given twice.
    pub fn add(&self, vectors: &Tensor, ids: Option<&[i64]>) -> Result<Vec<i64>> {
        let (mut writing, next) = self.change();
        let (next, ids) = added(next, &self.stream, [Ok(vectors.clone())], ids)?;
        if let Some(log) = writing.as_mut() {
            log.append(&Change::Add(ids.clone(), vectors.to_bytes()?))?;
        }
        self.publish(next);
        Ok(ids)
    }

    /// Adds vectors that come some at a time, as [`Index::add`] adds them together: lists and codes are found for one matrix after another, and the rows are put into
    /// their lists once, at the end. Searches see all of them or none. Fails, and adds nothing, where one of the matrices is an error, and on an index with a log, which takes one change at a time.
    ///
    /// ```
    /// # use tilewright_core::Tensor;
    /// # use tilewright_search::{Index, Metric};
    /// let index = Index::new("Flat".parse()?, 1, Metric::L2)?;
    /// let ids = index.add_all((0..3).map(|x| Tensor::from_vec(vec![x as f32, 0.5], [2, 1])), None)?;
    /// assert_eq!(ids, [0, 1, 2, 3, 4, 5]);
    /// # Ok::<(), tilewright_core::Error>(())
    /// ```
    pub fn add_all(
        &self,
        matrices: impl IntoIterator<Item = Result<Tensor>>,
        ids: Option<&[i64]>,
    ) -> Result<Vec<i64>> {
        let (writing, next) = self.change();
        if writing.is_some() {
            return Err(Error::layout("add_all", "index", "has a log, which takes one change at a time"));
        }
        let (next, ids) = added(next, &self.stream, matrices, ids)?;
        self.publish(next);
        Ok(ids)
    }

    /// Removes the vectors of these ids. Gives how many of them there were.
    pub fn remove(&self, ids: &[i64]) -> Result<usize> {
        let (mut writing, mut next) = self.change();
        let removed = removed(&mut next, ids)?;
        if let Some(log) = writing.as_mut() {
            log.append(&Change::Remove(ids.to_vec()))?;
        }
        self.publish(next);
        Ok(removed)
    }

    /// Gives ids new vectors, whether they were there or not; no search sees them missing.
    pub fn update(&self, vectors: &Tensor, ids: &[i64]) -> Result<()> {
        let (mut writing, mut next) = self.change();
        removed(&mut next, ids)?;
        let (next, _) = added(next, &self.stream, [Ok(vectors.clone())], Some(ids))?;
        if let Some(log) = writing.as_mut() {
            log.append(&Change::Update(ids.to_vec(), vectors.to_bytes()?))?;
        }
        self.publish(next);
        Ok(())
    }

    /// Takes in the vectors of another index with the same recipe, length, metric and centroids. Fails, and takes nothing, on an id that both have.
    pub fn merge(&self, other: &Snapshot) -> Result<()> {
        let (mut writing, mut next) = self.change();
        let learnt = |of: &Snapshot| -> Result<Vec<Option<Vec<u8>>>> {
            let turned = of.transform.as_ref();
            [of.centroids.as_ref(), of.codebooks.as_ref(), turned.map(|t| &t.a), turned.map(|t| &t.offset)]
                .map(|one| one.map(Tensor::to_bytes).transpose())
                .into_iter()
                .collect()
        };
        let same = next.recipe == other.recipe && next.metric == other.metric && next.given == other.given;
        if !same || learnt(&next)? != learnt(other)? {
            return Err(Error::layout(
                "merge",
                "other",
                "has another recipe, metric, length or other centroids or codebooks",
            ));
        }
        let mut parts = next.parts.to_vec();
        for part in other.parts.iter() {
            for (row, &id) in part.segment.ids.as_slice::<i64>()?.iter().enumerate() {
                if part.has(row) && next.contains(id)? {
                    return Err(Error::range("merge", "other", "ids that this index does not hold", id));
                }
            }
            parts.push(part.clone());
        }
        next.parts = Arc::new(settled(parts, next.recipe.nlist(), next.d)?);
        self.replace(&mut writing, next)
    }

    /// Makes one part of all, without what has been removed.
    pub fn compact(&self) -> Result<()> {
        let (_writing, mut next) = self.change();
        if !next.is_empty() {
            next.parts = Arc::new(vec![joined(&next.parts, next.recipe.nlist(), next.d)?]);
            self.publish(next);
        }
        Ok(())
    }

    /// [`Snapshot::search`] of this moment.
    pub fn search(&self, queries: &Tensor, query: &Query) -> Result<Found> {
        self.snapshot().search(queries, query)
    }

    /// [`Snapshot::range_search`] of this moment.
    pub fn range_search(
        &self,
        queries: &Tensor,
        radius: f32,
        nprobe: usize,
        filter: Option<Filter>,
    ) -> Result<InRange> {
        self.snapshot().range_search(queries, radius, nprobe, filter)
    }

    /// [`Snapshot::reconstruct`] of this moment.
    pub fn reconstruct(&self, id: i64) -> Result<Vec<f32>> {
        self.snapshot().reconstruct(id)
    }

    /// [`Snapshot::statistics`] of this moment.
    pub fn statistics(&self) -> Result<Statistics> {
        self.snapshot().statistics()
    }

    /// Writes the index as it is now to a file: under another name first, which then takes the place of `path` at once. Whoever has the old file open keeps it.
    ///
    /// Fails on the file of an index that [`Index::open`] opened: [`Index::checkpoint`] writes that one.
    pub fn save(&self, path: impl AsRef<Path>) -> Result<()> {
        let path = path.as_ref();
        let (writing, now) = self.change();
        let real = |path: &Path| std::fs::canonicalize(path).ok();
        if writing.as_ref().is_some_and(|log| real(log.index()) == real(path)) {
            return Err(Error::file("save", path, "is the file of this index's log: a checkpoint writes it"));
        }
        // Nothing changes the snapshot any more.
        drop(writing);
        file::save(&now, path, |_| Ok(())).map(drop)
    }

    /// An empty index in a new file that takes every change from now on, as [`Index::open`] does. Fails where there is a file.
    pub fn create(path: impl AsRef<Path>, recipe: Recipe, d: usize, metric: Metric) -> Result<Self> {
        let path = path.as_ref();
        if path.exists() {
            return Err(Error::file("create", path, "is there already"));
        }
        Self::new(recipe, d, metric)?.save(path)?;
        Self::open(path)
    }

    /// Opens a file, makes the changes again that its log holds (`<path>.log`), and writes every change from now on to the log before it is
    /// acknowledged: what [`Index::add`], [`Index::remove`] and [`Index::update`] have returned from survives a kill at any moment, and a failure of power
    /// as far as the disk keeps what it says it has. One process at a time: a second one is an error. See [`Index::load`] for the file itself.
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        // No log beside what is no index.
        file::identity(path)?;
        let (log, changes) = Log::open(path, || file::identity(path))?;
        let mut index = Self::from(file::load(path, false)?);
        let snapshot = index.now.get_mut().unwrap_or_else(PoisonError::into_inner);
        for change in changes {
            again(snapshot, change).map_err(|error| error.within("open"))?;
        }
        *index.writing.get_mut().unwrap_or_else(PoisonError::into_inner) = Some(log);
        Ok(index)
    }

    /// Writes the index as it is now to the file that [`Index::open`] opened, and empties the log. Fails on any other index.
    pub fn checkpoint(&self) -> Result<()> {
        let (mut writing, now) = self.change();
        if writing.is_none() {
            return Err(Error::layout("checkpoint", "index", "has no log: it was not opened with `open`"));
        }
        self.replace(&mut writing, now)
    }

    /// Bytes of the log, where there is one: what opening the index has to read beside its file.
    pub fn log_bytes(&self) -> Option<u64> {
        self.change().0.as_ref().map(Log::bytes)
    }

    /// Opens a file. Vectors stay where they are and are read when a search comes by; the checksum of the description is looked at, that of the
    /// vectors only by [`Index::load_verified`]. The file must not be changed in place while the index is in use; [`Index::save`] never does.
    pub fn load(path: impl AsRef<Path>) -> Result<Self> {
        file::load(path.as_ref(), false).map(Self::from)
    }

    /// Opens a file and compares every byte with its checksum.
    pub fn load_verified(path: impl AsRef<Path>) -> Result<Self> {
        file::load(path.as_ref(), true).map(Self::from)
    }

    /// The right to publish the next snapshot, and what it starts from.
    fn change(&self) -> (MutexGuard<'_, Option<Log>>, Snapshot) {
        // What a writer that panicked leaves behind is the snapshot before it: whole.
        let writing = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        let now = self.snapshot();
        (writing, now)
    }

    /// Publishes a snapshot that no record of the log says how to come to: with a log, its file is written anew.
    fn replace(&self, log: &mut Option<Log>, next: Snapshot) -> Result<()> {
        if let Some(log) = log {
            let path = log.index().to_owned();
            let mut seal = |identity: &Identity| log.seal(identity).map_err(std::io::Error::other);
            let identity = file::save(&next, &path, &mut seal)?;
            log.begin(&identity)?;
        }
        self.publish(next);
        Ok(())
    }

    fn publish(&self, next: Snapshot) {
        *self.now.write().unwrap_or_else(PoisonError::into_inner) = next;
    }
}

impl From<Snapshot> for Index {
    /// An index that goes on from a snapshot, on the CPU.
    fn from(snapshot: Snapshot) -> Self {
        let snapshot = Snapshot { device: None, ..snapshot };
        Self { now: RwLock::new(snapshot), writing: Mutex::new(None), stream: Stream::cpu() }
    }
}

/// At most so many of the rows of a matrix, on the host.
fn sampled(vectors: &Tensor, most: usize) -> Result<Tensor> {
    let (n, d) = (vectors.dims()[0], vectors.dims()[1]);
    let vectors = vectors.to_host()?;
    if n <= most {
        return Ok(vectors);
    }
    let mut chosen = sample(&mut ChaCha8Rng::seed_from_u64(1), n, most).into_vec();
    chosen.sort_unstable();
    let places: Vec<_> = chosen.into_iter().map(|row| (0, row as u32)).collect();
    gathered(&[vectors.as_slice::<f32>()?], &places, [most, d])
}

/// Makes a change of the log again.
fn again(snapshot: &mut Snapshot, change: Change) -> Result<()> {
    let (dtype, length) = snapshot.elements();
    let tensor = |vectors: Vec<u8>, ids: &[i64]| match dtype {
        DType::U8 => Tensor::from_vec(vectors, [ids.len(), length]),
        _ if vectors.len().is_multiple_of(4) => {
            Tensor::from_vec(bytemuck::pod_collect_to_vec::<u8, f32>(&vectors), [ids.len(), length])
        }
        _ => Err(Error::layout("open", "log", "has vectors of another kind than the index")),
    };
    let (ids, vectors) = match change {
        Change::Remove(ids) => return removed(snapshot, &ids).map(drop),
        Change::Update(ids, vectors) => {
            let vectors = tensor(vectors, &ids)?;
            removed(snapshot, &ids)?;
            (ids, vectors)
        }
        Change::Add(ids, vectors) => {
            let vectors = tensor(vectors, &ids)?;
            (ids, vectors)
        }
    };
    *snapshot = added(snapshot.clone(), &Stream::cpu(), [Ok(vectors)], Some(&ids))?.0;
    Ok(())
}

/// A snapshot with the vectors of these matrices, and their ids.
fn added(
    mut next: Snapshot,
    stream: &Stream,
    matrices: impl IntoIterator<Item = Result<Tensor>>,
    ids: Option<&[i64]>,
) -> Result<(Snapshot, Vec<i64>)> {
    // The vectors that are kept, the lists and the codes of each matrix.
    let (mut rows, mut labels, mut codes) = (Vec::new(), Vec::new(), Vec::new());
    let (nlist, kept) = (next.recipe.nlist(), next.recipe.kept(next.given, next.d));
    for vectors in matrices {
        let vectors = vectors?;
        next.check("vectors", &vectors)?;
        let vectors = vectors.to_host()?;
        let turned = next.turned("add", &vectors)?;
        let own = next.labels(stream, &turned)?;
        if next.recipe.codes().is_some() {
            codes.push(coded::encode(&next, stream, &turned, &own)?);
        }
        rows.push(match (next.recipe.codes(), kept) {
            (_, 0) => None,
            (None, _) => Some(turned),
            (Some(_), _) => Some(vectors),
        });
        labels.push(own);
    }
    let lengths: Vec<usize> = labels.iter().map(Vec::len).collect();
    let ids = ids_of(&next, lengths.iter().sum(), ids)?;
    let labels: Vec<&[u32]> = labels.iter().map(Vec::as_slice).collect();
    let order = by_list(&labels, nlist)?;
    let mut rest = &ids[..];
    let own_ids: Vec<&[i64]> = lengths.iter().map(|&n| rest.split_off(..n).expect("as many ids")).collect();
    let empty: &[f32] = &[];
    let data = rows.iter().map(|rows| rows.as_ref().map_or(Ok(empty), Tensor::as_slice::<f32>));
    let data = data.collect::<Result<Vec<_>>>()?;
    let codes = next.recipe.codes().map(|_| Coded::of(&codes, &order)).transpose()?;
    let segment = Segment::of(&data, &own_ids, &order, kept)?.with(codes);
    let mut parts = next.parts.to_vec();
    parts.push(Part::new(segment));
    next.parts = Arc::new(settled(parts, nlist, next.d)?);
    Ok((next, ids))
}

/// The ids of `n` vectors that are to be added: these, or the numbers from the first that is beyond all ids on.
fn ids_of(index: &Snapshot, n: usize, ids: Option<&[i64]>) -> Result<Vec<i64>> {
    let Some(ids) = ids else {
        let mut first = 0;
        for part in index.parts.iter() {
            let ids = part.segment.ids.as_slice::<i64>()?.iter();
            first = ids.fold(first, |first, &id| first.max(id.saturating_add(1)));
        }
        let Some(end) = first.checked_add(n as i64) else {
            let expected = format!("given: no {n} numbers come after the greatest id");
            return Err(Error::range("add", "ids", expected, first - 1));
        };
        return Ok((first..end).collect());
    };
    if ids.len() != n {
        return Err(Error::shape("add", "ids", format!("[{n}]"), format!("[{}]", ids.len())));
    }
    let mut seen = HashSet::with_capacity(n);
    for &id in ids {
        if !(0..i64::MAX).contains(&id) || !seen.insert(id) || index.contains(id)? {
            let expected = "ids from 0 on that are not there yet, each once";
            return Err(Error::range("add", "ids", expected, id));
        }
    }
    Ok(ids.to_vec())
}

fn removed(next: &mut snapshot::Snapshot, ids: &[i64]) -> Result<usize> {
    let unique: HashSet<i64> = ids.iter().copied().collect();
    let (mut parts, mut count) = (next.parts.to_vec(), 0);
    for part in &mut parts {
        let mut rows = Vec::new();
        for &id in &unique {
            rows.extend(part.find(id)?);
        }
        if !rows.is_empty() {
            count += rows.len();
            *part = part.without(&rows);
        }
    }
    next.parts = Arc::new(settled(parts, next.recipe.nlist(), next.d)?);
    Ok(count)
}

/// Joins the last parts until each is less than half of the one before it, so that a search meets few parts and a vector is copied seldom: both of
/// the order of the logarithm of their number. A part that is mostly removed is written anew.
fn settled(mut parts: Vec<Part>, nlist: usize, d: usize) -> Result<Vec<Part>> {
    for part in &mut parts {
        if 2 * part.alive < part.segment.len() {
            *part = joined(std::slice::from_ref(part), nlist, d)?;
        }
    }
    parts.retain(|part| part.alive > 0);
    let mut keep = parts.len();
    let mut size = 0;
    while keep > 0 && (keep == parts.len() || 2 * size >= parts[keep - 1].alive) {
        keep -= 1;
        size += parts[keep].alive;
    }
    if parts.len() - keep > 1 {
        let one = joined(&parts[keep..], nlist, d)?;
        parts.truncate(keep);
        parts.push(one);
    }
    Ok(parts)
}
