//! An index at one moment: what searches run on.

use std::sync::Arc;

use tilewright_core::{DType, Device, Element, Error, Result, Stream, Tensor};
use tilewright_kernels::search::{
    FlatScanTopk, IvfScanTopk, Metric, TopkMerge, flat_scan_topk, ivf_scan_topk, topk_merge,
};

use crate::coded::{self, Coded};
use crate::filter::Filter;
use crate::recipe::Recipe;
use crate::segment::{Part, ids_on};
use crate::transform::Transform;

/// What a search asks for.
#[derive(Clone, Copy)]
pub struct Query<'a> {
    /// How many neighbours. Default 10.
    pub k: usize,
    /// How many lists are looked into, at most all. Default 1. A flat index has one list.
    pub nprobe: usize,
    /// Which ids may be found. Default all.
    pub filter: Option<Filter<'a>>,
    /// How many times `k` of the nearest codes are compared exactly, where the index keeps the vectors (`RFlat`). Default 4.
    pub refine: usize,
}

impl Default for Query<'_> {
    fn default() -> Self {
        Self { k: 10, nprobe: 1, filter: None, refine: 4 }
    }
}

/// The neighbours of each query, nearest first.
#[derive(Debug, Clone, PartialEq)]
pub struct Found {
    /// Neighbours for each query.
    pub k: usize,
    /// `[b, k]`; infinity where there are fewer
    pub distances: Vec<f32>,
    /// `[b, k]`; -1 where there are fewer
    pub ids: Vec<i64>,
}

impl Found {
    /// The ids of one query, without what fills up.
    pub fn of(&self, query: usize) -> impl Iterator<Item = (i64, f32)> + '_ {
        let own = query * self.k..(query + 1) * self.k;
        let pairs = self.ids[own.clone()].iter().copied().zip(self.distances[own].iter().copied());
        pairs.filter(|&(id, _)| id >= 0)
    }

    /// The part of another result's neighbours, usually the exact ones, that are found here too; 1 where those are none.
    pub fn recall(&self, exact: &Found) -> f64 {
        let queries = exact.ids.len().checked_div(exact.k).unwrap_or(0);
        let (mut hits, mut all) = (0usize, 0usize);
        for query in 0..queries {
            let truth: std::collections::HashSet<i64> = exact.of(query).map(|(id, _)| id).collect();
            hits += self.of(query).filter(|(id, _)| truth.contains(id)).count();
            all += truth.len();
        }
        if all == 0 { 1.0 } else { hits as f64 / all as f64 }
    }
}

/// The neighbours within a radius: those of query `i` are `ids[offsets[i]..offsets[i + 1]]`, nearest first.
#[derive(Debug, Clone, PartialEq)]
pub struct InRange {
    /// `[b + 1]`
    pub offsets: Vec<usize>,
    /// Their distances.
    pub distances: Vec<f32>,
    /// Their ids.
    pub ids: Vec<i64>,
}

/// What an index holds.
#[derive(Debug, Clone, PartialEq)]
pub struct Statistics {
    /// Vectors that are there.
    pub vectors: usize,
    /// Vectors that were removed and still take room.
    pub removed: usize,
    /// Stretches of vectors that came together.
    pub parts: usize,
    /// Lists.
    pub lists: usize,
    /// Lists without a vector.
    pub empty_lists: usize,
    /// Vectors of the longest list.
    pub longest_list: usize,
    /// How much more work uneven lists make than even ones: `nlist sum n_l² / (sum n_l)²`, 1 at best.
    pub imbalance: f64,
    /// Bytes of vectors, ids and centroids.
    pub bytes: usize,
}

/// An index at one moment. Cheap to clone; nothing changes it.
#[derive(Clone)]
pub struct Snapshot {
    pub(crate) recipe: Recipe,
    pub(crate) metric: Metric,
    /// The length of vectors as they are given.
    pub(crate) given: usize,
    /// The length of vectors as they are turned: what lists and codes are of.
    pub(crate) d: usize,
    /// What vectors are turned by, once trained.
    pub(crate) transform: Option<Arc<Transform>>,
    /// `[nlist, d]`, f32, once trained
    pub(crate) centroids: Option<Tensor>,
    /// f32, once an index by codes is trained: `[m, words, d / m]`, or the ranges `[2, d]` of a scalar quantiser
    pub(crate) codebooks: Option<Tensor>,
    pub(crate) parts: Arc<Vec<Part>>,
    /// Where searches run, if not on the CPU.
    pub(crate) device: Option<Arc<Resident>>,
}

/// What searches read, on a device.
pub(crate) struct Resident {
    stream: Stream,
    centroids: Option<Tensor>,
    codebooks: Option<Tensor>,
    parts: Vec<OnDevice>,
}

/// A part on a device.
struct OnDevice {
    data: Tensor,
    /// u32, or i64 where one needs it
    ids: Tensor,
    offsets: Tensor,
    codes: Option<Coded>,
}

/// A part's tensors where searches run.
pub(crate) struct Here<'a> {
    pub(crate) data: &'a Tensor,
    pub(crate) ids: &'a Tensor,
    pub(crate) offsets: &'a Tensor,
    pub(crate) codes: Option<&'a Coded>,
}

impl Snapshot {
    /// The same snapshot with its vectors on the stream's device, where its searches run from now on; results come to the host.
    pub fn on(&self, stream: &Stream) -> Result<Self> {
        if stream.device() == Device::Cpu {
            return Ok(Self { device: None, ..self.clone() });
        }
        let part = |part: &Part| -> Result<OnDevice> {
            let segment = &part.segment;
            let ids = ids_on(stream, segment.ids.as_slice::<i64>()?)?;
            let codes = |own: &Coded| -> Result<Coded> {
                let numbers = |own: &Option<Tensor>| own.as_ref().map(|own| own.to(stream)).transpose();
                let (biases, factors) = (numbers(&own.biases)?, numbers(&own.factors)?);
                Ok(Coded { codes: own.codes.to(stream)?, biases, factors })
            };
            Ok(OnDevice {
                data: segment.data.to(stream)?,
                ids,
                offsets: segment.offsets.to(stream)?,
                codes: segment.codes.as_ref().map(codes).transpose()?,
            })
        };
        let parts = self.parts.iter().map(part).collect::<Result<Vec<_>>>()?;
        let there = |learnt: &Option<Tensor>| learnt.as_ref().map(|learnt| learnt.to(stream)).transpose();
        let (centroids, codebooks) = (there(&self.centroids)?, there(&self.codebooks)?);
        let resident = Resident { stream: stream.clone(), centroids, codebooks, parts };
        Ok(Self { device: Some(Arc::new(resident)), ..self.clone() })
    }

    pub(crate) fn stream(&self) -> Stream {
        self.device.as_ref().map_or_else(Stream::cpu, |device| device.stream.clone())
    }

    /// The centroids where searches run.
    pub(crate) fn centroids_here(&self, operation: &'static str) -> Result<&Tensor> {
        let own = self.trained(operation)?;
        Ok(self.device.as_ref().and_then(|device| device.centroids.as_ref()).unwrap_or(own))
    }

    /// The codebooks where searches run, once trained.
    pub(crate) fn codebooks_here(&self) -> Option<&Tensor> {
        self.device.as_ref().map_or(&self.codebooks, |device| &device.codebooks).as_ref()
    }

    /// A part where searches run.
    fn here(&self, number: usize) -> Here<'_> {
        let segment = &self.parts[number].segment;
        match &self.device {
            Some(device) => {
                let OnDevice { data, ids, offsets, codes } = &device.parts[number];
                Here { data, ids, offsets, codes: codes.as_ref() }
            }
            None => Here {
                data: &segment.data,
                ids: &segment.ids,
                offsets: &segment.offsets,
                codes: segment.codes.as_ref(),
            },
        }
    }

    /// Vectors that are there.
    pub fn len(&self) -> usize {
        self.parts.iter().map(|part| part.alive).sum()
    }

    /// Whether there is no vector.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The length of the vectors.
    pub fn dimension(&self) -> usize {
        self.given
    }

    /// What a distance is.
    pub fn metric(&self) -> Metric {
        self.metric
    }

    /// What the index is made of.
    pub fn recipe(&self) -> Recipe {
        self.recipe
    }

    /// Whether vectors can be added: whatever the recipe has to learn has been learnt.
    pub fn is_trained(&self) -> bool {
        let turned = self.recipe.turn().is_none() || self.transform.is_some();
        let listed = !self.recipe.has_lists() || self.centroids.is_some();
        turned && listed && (coded::learnt_shape(&self.recipe, self.d).is_none() || self.codebooks.is_some())
    }

    /// The centroids `[nlist, d]`, once trained; a flat index has none.
    pub fn centroids(&self) -> Option<&Tensor> {
        self.centroids.as_ref()
    }

    /// The nearest neighbours of each of the queries `[b, d]`, which are f32, or `[b, d / 8]` of u8 where vectors are bits. Fails on queries of another shape or dtype, and before training.
    pub fn search(&self, queries: &Tensor, query: &Query) -> Result<Found> {
        self.check("queries", queries)?;
        let (b, given) = (queries.dims()[0], &queries.to(&self.stream())?);
        let queries = &self.turned("search", queries)?.to(&self.stream())?;
        let probes = self.probes(queries, query.nprobe)?;
        let plan = |_| coded::Plan::new(self, given, queries, probes.as_ref());
        let coded = self.recipe.codes().map(plan).transpose()?;
        let probes = probes.as_ref().map(|(_, lists)| lists);
        let of_part = |number: usize| match &coded {
            Some(plan) => {
                plan.search(&self.here(number), self.kept(&self.parts[number], query.filter)?, query)
            }
            None => self.of_part(number, queries, probes, query),
        };
        self.merged((0..self.parts.len()).map(of_part), b, query.k)
    }

    /// The best `k` for each of `b` queries of what the parts gave.
    fn merged(
        &self,
        parts: impl Iterator<Item = Result<(Tensor, Tensor)>>,
        b: usize,
        k: usize,
    ) -> Result<Found> {
        let mut results = Vec::with_capacity(self.parts.len());
        for part in parts {
            let (distances, ids) = part?;
            results.push((distances.to_host()?, ids.to_host()?));
        }
        let (distances, ids) = match results.len() {
            0 => (vec![f32::INFINITY; b * k], vec![-1; b * k]),
            1 => (results[0].0.to_vec()?, results[0].1.to_vec()?),
            parts => {
                let (mut distances, mut ids) = (Vec::new(), Vec::new());
                for (own_distances, own_ids) in &results {
                    distances.extend_from_slice(own_distances.as_slice::<f32>()?);
                    ids.extend_from_slice(own_ids.as_slice::<i64>()?);
                }
                let shape = [parts, b, k];
                let (distances, ids) = (Tensor::from_vec(distances, shape)?, Tensor::from_vec(ids, shape)?);
                let merged = topk_merge(&Stream::cpu(), &distances, &ids, &TopkMerge { k })?;
                (merged.0.to_vec()?, merged.1.to_vec()?)
            }
        };
        Ok(Found { k, distances, ids })
    }

    /// The `k` nearest neighbours of each query among all vectors, whatever the index is made of. Fails where codes are all that is kept.
    pub fn exact(&self, queries: &Tensor, k: usize) -> Result<Found> {
        let query = Query { k, ..Query::default() };
        if self.recipe.is_binary() {
            return self.search(queries, &query);
        }
        if self.recipe.kept(self.given, self.d) == 0 {
            let why = format!("{} keeps no vectors: what is nearest cannot be told from codes", self.recipe);
            return Err(Error::layout("exact", "index", why));
        }
        self.check("queries", queries)?;
        // Vectors that are kept beside codes are as they were given.
        let queries = if self.recipe.is_refined() { queries.clone() } else { self.turned("exact", queries)? };
        let queries = &queries.to(&self.stream())?;
        let of_part = |number| self.of_part(number, queries, None, &query);
        self.merged((0..self.parts.len()).map(of_part), queries.dims()[0], k)
    }

    fn of_part(
        &self,
        number: usize,
        queries: &Tensor,
        probes: Option<&Tensor>,
        query: &Query,
    ) -> Result<(Tensor, Tensor)> {
        let (stream, part, k, metric) = (self.stream(), &self.parts[number], query.k, self.metric);
        let Here { data, ids, offsets, .. } = self.here(number);
        let keep = self.kept(part, query.filter)?.map(|keep| keep.to(&stream)).transpose()?;
        let keep = keep.as_ref();
        match probes {
            None => flat_scan_topk(&stream, queries, data, Some(ids), keep, &FlatScanTopk { k, metric }),
            Some(probes) => {
                let args = IvfScanTopk { k, metric };
                ivf_scan_topk(&stream, queries, data, offsets, probes, Some(ids), keep, &args)
            }
        }
    }

    /// The bits of the rows that are there and may be found; `None` for all.
    fn kept(&self, part: &Part, filter: Option<Filter>) -> Result<Option<Tensor>> {
        let Some(filter) = filter else {
            let bytes = part.keep.as_ref().map(|keep| Tensor::from_slice(keep, [keep.len()]));
            return bytes.transpose();
        };
        let bits = filter.rows(part)?;
        let bytes = bits.len();
        Tensor::from_vec(bits, [bytes]).map(Some)
    }

    /// The distances of the nearest centroids, and their lists, which are to be looked into; `None` where there is but one.
    pub(crate) fn probes(&self, queries: &Tensor, nprobe: usize) -> Result<Option<(Tensor, Tensor)>> {
        if !self.recipe.has_lists() {
            return Ok(None);
        }
        let nlist = self.recipe.nlist();
        if nprobe == 0 {
            return Err(Error::range("search", "nprobe", "at least 1", 0));
        }
        let args = FlatScanTopk { k: nprobe.min(nlist), metric: self.metric };
        let centroids = self.centroids_here("search")?;
        // With every list looked into, lists make no difference; what codes are of may depend on them.
        if nprobe >= nlist && self.recipe.codes().is_none() {
            return Ok(None);
        }
        Ok(Some(flat_scan_topk(&self.stream(), queries, centroids, None, None, &args)?))
    }

    /// The list that each vector belongs in, as it is turned.
    pub(crate) fn labels(&self, stream: &Stream, vectors: &Tensor) -> Result<Vec<u32>> {
        if !self.recipe.has_lists() {
            return Ok(vec![0; vectors.dims()[0]]);
        }
        let args = FlatScanTopk { k: 1, metric: self.metric };
        let (vectors, centroids) = (vectors.to(stream)?, self.trained("add")?.to(stream)?);
        let lists = flat_scan_topk(stream, &vectors, &centroids, None, None, &args)?.1.to_host()?;
        // Centroids have no other numbers, and there is at least one.
        Ok(lists.as_slice::<i64>()?.iter().map(|&list| list as u32).collect())
    }

    /// The centroids, on the host.
    pub(crate) fn trained(&self, operation: &'static str) -> Result<&Tensor> {
        let why = || Error::layout(operation, "index", format!("{} has to be trained first", self.recipe));
        self.centroids.as_ref().ok_or_else(why)
    }

    /// All neighbours of each query whose distance is below `radius`, in the lists that `nprobe` reaches.
    pub fn range_search(
        &self,
        queries: &Tensor,
        radius: f32,
        nprobe: usize,
        filter: Option<Filter>,
    ) -> Result<InRange> {
        const FIRST: usize = 64;
        self.check("queries", queries)?;
        let b = queries.dims()[0];
        let mut found: Vec<Vec<(i64, f32)>> = vec![Vec::new(); b];
        let (mut open, mut k) = ((0..b).collect::<Vec<_>>(), FIRST);
        // The k nearest hold all within the radius as soon as one of them is not, or there are fewer than k.
        while !open.is_empty() {
            let some = if self.recipe.is_binary() {
                chosen::<u8>(queries, &open)?
            } else {
                chosen::<f32>(queries, &open)?
            };
            let nearest = self.search(&some, &Query { k, nprobe, filter, ..Query::default() })?;
            let mut still = Vec::new();
            for (place, &query) in open.iter().enumerate() {
                let inside: Vec<_> =
                    nearest.of(place).take_while(|&(_, distance)| distance < radius).collect();
                if inside.len() == k { still.push(query) } else { found[query] = inside }
            }
            (open, k) = (still, k.saturating_mul(4).min(self.len() + 1).max(k + 1));
        }
        let mut offsets = vec![0];
        offsets.extend(found.iter().scan(0, |end, own| {
            *end += own.len();
            Some(*end)
        }));
        let (ids, distances) = found.into_iter().flatten().unzip();
        Ok(InRange { offsets, distances, ids })
    }

    /// The vector of an id; what its code stands for, where nothing else is kept; bits as zeros and ones. Fails where there is none.
    pub fn reconstruct(&self, id: i64) -> Result<Vec<f32>> {
        for part in self.parts.iter() {
            if let Some(row) = part.find(id)? {
                let kept = self.recipe.kept(self.given, self.d);
                let own = match kept {
                    0 => coded::decoded(self, part, row)?,
                    _ => part.segment.data.as_slice::<f32>()?[row * kept..(row + 1) * kept].to_vec(),
                };
                return match &self.transform {
                    Some(transform) if !self.recipe.is_refined() => transform.back(&own),
                    _ => Ok(own),
                };
            }
        }
        Err(Error::range("reconstruct", "id", "one that the index holds", id))
    }

    /// Whether the index holds an id.
    pub fn contains(&self, id: i64) -> Result<bool> {
        for part in self.parts.iter() {
            if part.find(id)?.is_some() {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// What the index holds.
    pub fn statistics(&self) -> Result<Statistics> {
        let nlist = self.recipe.nlist();
        // An index without vectors may say any number of lists, and have none.
        let mut lists = vec![0usize; if self.parts.is_empty() { 0 } else { nlist }];
        let (mut removed, mut bytes) = (0, 0);
        for part in self.parts.iter() {
            let offsets = part.segment.offsets.as_slice::<u32>()?;
            for (list, bounds) in offsets.windows(2).enumerate() {
                lists[list] += (bounds[0]..bounds[1]).filter(|&row| part.has(row as usize)).count();
            }
            removed += part.segment.len() - part.alive;
            bytes += part.segment.data.bytes() + part.segment.ids.bytes() + part.segment.offsets.bytes();
            bytes += part.segment.codes.as_ref().map_or(0, Coded::bytes);
        }
        let vectors = self.len();
        let squares: f64 = lists.iter().map(|&length| (length as f64).powi(2)).sum();
        Ok(Statistics {
            vectors,
            removed,
            parts: self.parts.len(),
            lists: nlist,
            empty_lists: nlist - lists.iter().filter(|&&length| length > 0).count(),
            longest_list: lists.iter().copied().max().unwrap_or(0),
            imbalance: if vectors == 0 { 1.0 } else { nlist as f64 * squares / (vectors as f64).powi(2) },
            bytes: [&self.centroids, &self.codebooks]
                .into_iter()
                .flatten()
                .fold(bytes, |all, one| all + one.bytes())
                + self.transform.as_ref().map_or(0, |transform| transform.bytes()),
        })
    }

    /// What vectors are made of, and their length in it: f32, or bytes of bits.
    pub(crate) fn elements(&self) -> (DType, usize) {
        if self.recipe.is_binary() { (DType::U8, self.d / 8) } else { (DType::F32, self.given) }
    }

    /// Vectors as lists and codes are of them, on the host where that takes work.
    pub(crate) fn turned(&self, operation: &'static str, vectors: &Tensor) -> Result<Tensor> {
        match (&self.transform, self.recipe.turn()) {
            (Some(transform), _) => transform.apply(&vectors.to_host()?),
            (None, None) => Ok(vectors.clone()),
            (None, Some(_)) => {
                let why = format!("{} has to be trained first", self.recipe);
                Err(Error::layout(operation, "index", why))
            }
        }
    }

    /// Refuses what is not `[rows, d]` of f32, or `[rows, d / 8]` of u8 where vectors are bits.
    pub(crate) fn check(&self, argument: &'static str, vectors: &Tensor) -> Result<()> {
        let (dtype, length) = self.elements();
        if vectors.dtype() != dtype {
            return Err(Error::dtype("index", argument, dtype.name(), vectors.dtype()));
        }
        if vectors.rank() != 2 || vectors.dims()[1] != length {
            return Err(Error::shape("index", argument, format!("[rows, {length}]"), vectors.shape()));
        }
        Ok(())
    }
}

/// Some rows of a matrix.
fn chosen<T: Element>(matrix: &Tensor, rows: &[usize]) -> Result<Tensor> {
    let (all, width) = (matrix.to_vec::<T>()?, matrix.dims()[1]);
    let some = rows.iter().flat_map(|&row| all[row * width..(row + 1) * width].iter().copied());
    Tensor::from_vec(some.collect(), [rows.len(), width])
}
