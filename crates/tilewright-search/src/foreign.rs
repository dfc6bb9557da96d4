//! faiss's own index files, for what both have: `IndexFlat`, `IndexIVFFlat` over a flat quantizer, `IndexIDMap` of a flat index; indexes by product codes,
//! which [`codes`] reads and writes; by scalar codes and of bits, which [`scalar`] does; and of vectors that are turned first, which [`transform`] does.
//!
//! Written from the layout of the files themselves: every index begins with four letters, then length of vectors (i32), their number (i64), two
//! unused numbers (i64), whether it is trained (u8) and the metric (i32: 0 the inner product, 1 L2). Arrays follow their lengths (u64).

mod codes;
mod scalar;
mod transform;

use std::io::Write;
use std::path::Path;
use std::sync::Arc;

use tilewright_core::{Error, Result, Tensor};
use tilewright_kernels::search::Metric;

use crate::recipe::Recipe;
use crate::segment::{Part, Segment, joined};
use crate::snapshot::Snapshot;
use crate::{Index, file};

/// What faiss writes where nothing is.
const UNUSED: i64 = 1 << 20;

/// Reads an index that faiss wrote. Fails on kinds of index that this library does not have, and says which it met.
pub fn read_faiss(path: impl AsRef<Path>) -> Result<Index> {
    let path = path.as_ref();
    let bytes = std::fs::read(path).map_err(|why| Error::file("read_faiss", path, why))?;
    let mut reader = Reader { path, rest: &bytes };
    let index = reader.index()?;
    if !reader.rest.is_empty() {
        return Err(reader.failed(format!("has {} bytes after the index", reader.rest.len())));
    }
    Ok(Index::from(index))
}

/// Writes an index as faiss does, so that `faiss.read_index` reads it. Fails where faiss has no such index: the cosine, which faiss leaves to
/// normalised vectors.
pub fn write_faiss(index: &Snapshot, path: impl AsRef<Path>) -> Result<()> {
    let path = path.as_ref();
    let metric = match index.metric {
        Metric::L2 => 1,
        Metric::InnerProduct => 0,
        Metric::Cosine => return Err(Error::file("write_faiss", path, "faiss has no index by cosine")),
    };
    let whole = joined(&index.parts, index.recipe.nlist(), index.d)?;
    let bytes = Writer { path, index, metric, whole: &whole, bytes: Vec::new() }.all()?;
    file::in_place_of(path, |file| file.write_all(&bytes))
        .map_err(|why| Error::file("write_faiss", path, why))
}

struct Header {
    d: usize,
    n: usize,
    trained: bool,
    metric: Metric,
}

struct Reader<'a> {
    path: &'a Path,
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    fn failed(&self, why: impl std::fmt::Display) -> Error {
        Error::file("read_faiss", self.path, why)
    }

    fn take(&mut self, bytes: usize) -> Result<&'a [u8]> {
        let Some((taken, rest)) = self.rest.split_at_checked(bytes) else {
            return Err(self
                .failed(format!("ends {} bytes before an array of {bytes} does", bytes - self.rest.len())));
        };
        self.rest = rest;
        Ok(taken)
    }

    fn number<const N: usize>(&mut self) -> Result<[u8; N]> {
        Ok(self.take(N)?.try_into().expect("as many bytes"))
    }

    fn count(&mut self) -> Result<usize> {
        let count = u64::from_le_bytes(self.number()?);
        usize::try_from(count).map_err(|_| self.failed(format!("an array of {count} elements")))
    }

    /// An array whose length is given in units of `size` bytes.
    fn array<T: bytemuck::Pod>(&mut self, count: usize) -> Result<Vec<T>> {
        let bytes =
            count.checked_mul(size_of::<T>()).ok_or_else(|| self.failed("an array beyond all memory"))?;
        Ok(bytemuck::pod_collect_to_vec(self.take(bytes)?))
    }

    fn letters(&mut self) -> Result<String> {
        Ok(self.take(4)?.iter().map(|&byte| byte as char).collect())
    }

    fn header(&mut self) -> Result<Header> {
        let d = i32::from_le_bytes(self.number()?);
        let n = i64::from_le_bytes(self.number()?);
        self.take(16)?;
        let trained = self.number::<1>()?[0] != 0;
        let metric = match i32::from_le_bytes(self.number()?) {
            0 => Metric::InnerProduct,
            1 => Metric::L2,
            other => {
                return Err(self.failed(format!("has metric {other}, expected 0 (inner product) or 1 (L2)")));
            }
        };
        match (usize::try_from(d), usize::try_from(n)) {
            (Ok(d), Ok(n)) if d > 0 && n < u32::MAX as usize => Ok(Header { d, n, trained, metric }),
            _ => Err(self.failed(format!("has {n} vectors of length {d}"))),
        }
    }

    fn index(&mut self) -> Result<Snapshot> {
        match self.letters()?.as_str() {
            "IxF2" | "IxFI" | "IxFl" => self.flat(),
            "IxMp" | "IxM2" => self.mapped(),
            "IwFl" => self.lists(),
            letters @ ("IxPq" | "IPfs" | "IwPQ" | "IwPf") => self.codes(letters),
            letters @ ("IxSQ" | "IwSq") => self.scalar(letters),
            "IBxF" => self.bits(),
            "IBMp" | "IBM2" => self.mapped_bits(),
            "IxPT" => self.turned(),
            "IxRF" => self.refined(),
            other => {
                let expected = "IxF2, IxFI, IxMp, IxM2 (flat), IwFl (IVF, flat), IxPq, IPfs, IwPQ, IwPf, IxSQ, IwSq (codes), IBxF, IBMp, IBM2 (bits), IxPT (turned) or IxRF (refined)";
                Err(self.failed(format!("is an index of kind {other:?}, expected {expected}")))
            }
        }
    }

    /// An index without vectors.
    fn empty(
        header: &Header,
        recipe: Recipe,
        centroids: Option<Tensor>,
        codebooks: Option<Tensor>,
    ) -> Snapshot {
        Snapshot {
            recipe,
            metric: header.metric,
            given: header.d,
            d: header.d,
            transform: None,
            centroids,
            codebooks,
            parts: Arc::default(),
            device: None,
        }
    }

    /// The same with vectors.
    fn filled(&self, empty: Snapshot, segment: Segment) -> Result<Snapshot> {
        let part = Part::new(segment);
        let mut ids = part.segment.ids.to_vec::<i64>()?;
        ids.sort_unstable();
        if ids.first().is_some_and(|&id| id < 0) || ids.windows(2).any(|pair| pair[0] == pair[1]) {
            return Err(self.failed("an id is negative or there twice"));
        }
        let parts = Arc::new(if part.alive == 0 { Vec::new() } else { vec![part] });
        Ok(Snapshot { parts, ..empty })
    }

    /// Header and vectors of a flat index whose letters have been read.
    fn vectors(&mut self) -> Result<(Header, Vec<f32>)> {
        let header = self.header()?;
        let elements = self.count()?;
        if header.n.checked_mul(header.d) != Some(elements) {
            return Err(
                self.failed(format!("has {elements} numbers for {} vectors of {}", header.n, header.d))
            );
        }
        let vectors = self.array(elements)?;
        Ok((header, vectors))
    }

    fn flat(&mut self) -> Result<Snapshot> {
        let (header, vectors) = self.vectors()?;
        let ids: Vec<i64> = (0..header.n as i64).collect();
        let segment = Segment::sorted(&vectors, &ids, &vec![0; header.n], 1, header.d)?;
        self.filled(Self::empty(&header, Recipe::FLAT, None, None), segment)
    }

    fn mapped(&mut self) -> Result<Snapshot> {
        self.header()?;
        let letters = self.letters()?;
        if !["IxF2", "IxFI", "IxFl"].contains(&letters.as_str()) {
            return Err(self.failed(format!("maps ids of an index of kind {letters:?}, expected a flat one")));
        }
        let (header, vectors) = self.vectors()?;
        let count = self.count()?;
        if count != header.n {
            return Err(self.failed(format!("has {count} ids for {} vectors", header.n)));
        }
        let ids: Vec<i64> = self.array(count)?;
        let segment = Segment::sorted(&vectors, &ids, &vec![0; header.n], 1, header.d)?;
        self.filled(Self::empty(&header, Recipe::FLAT, None, None), segment)
    }

    fn lists(&mut self) -> Result<Snapshot> {
        let header = self.header()?;
        let (nlist, centroids) = self.quantizer(&header)?;
        let (vectors, ids, labels) = self.listed::<f32>(nlist, header.d)?;
        if ids.len() != header.n {
            return Err(self.failed(format!(
                "has {} vectors in its lists, expected {}",
                ids.len(),
                header.n
            )));
        }
        let centroids = header.trained.then(|| Tensor::from_vec(centroids, [nlist, header.d])).transpose()?;
        let empty = Self::empty(&header, Recipe::new(Some(nlist), None, false), centroids, None);
        // Without centroids nothing in the file is as long as the number of lists says.
        match (ids.is_empty(), &empty.centroids) {
            (true, _) => Ok(empty),
            (false, None) => Err(self.failed("has vectors in lists and is not trained")),
            (false, Some(_)) => {
                self.filled(empty, Segment::sorted(&vectors, &ids, &labels, nlist, header.d)?)
            }
        }
    }

    /// The number of lists and the centroids, after the header of an index with lists, and the map from ids to places, which is made anew when it is asked for.
    fn quantizer(&mut self, header: &Header) -> Result<(usize, Vec<f32>)> {
        let (nlist, _nprobe) = (self.count()?, self.count()?);
        let letters = self.letters()?;
        if !["IxF2", "IxFI", "IxFl"].contains(&letters.as_str()) {
            return Err(self.failed(format!("has a quantizer of kind {letters:?}, expected a flat one")));
        }
        let (quantizer, centroids) = self.vectors()?;
        if quantizer.d != header.d
            || nlist == 0
            || nlist >= u32::MAX as usize
            || header.trained && quantizer.n != nlist
        {
            return Err(
                self.failed(format!("has {} centroids of {} for {nlist} lists", quantizer.n, quantizer.d))
            );
        }
        let kind = self.number::<1>()?[0];
        let entries = self.count()?;
        self.array::<i64>(entries)?;
        if kind == 2 {
            let pairs = self.count()?;
            self.array::<[i64; 2]>(pairs)?;
        }
        Ok((nlist, centroids))
    }

    /// The lists that have rows, and how many, before the rows themselves; `bytes` is the length of a code.
    fn list_sizes(&mut self, nlist: usize, bytes: usize) -> Result<Vec<(usize, usize)>> {
        let kind = self.letters()?;
        let (lists, code) = (self.count()?, self.count()?);
        if kind != "ilar" || lists != nlist || code != bytes {
            return Err(self.failed(format!("has {lists} lists of kind {kind:?} with codes of {code} bytes")));
        }
        let layout = self.letters()?;
        let numbers = self.count()?;
        let numbers: Vec<u64> = self.array(numbers)?;
        let sizes: Vec<(usize, usize)> = match layout.as_str() {
            "full" => numbers.iter().enumerate().map(|(list, &size)| (list, size as usize)).collect(),
            "sprs" => numbers.chunks_exact(2).map(|pair| (pair[0] as usize, pair[1] as usize)).collect(),
            other => {
                return Err(self.failed(format!("stores list sizes as {other:?}, expected full or sprs")));
            }
        };
        match sizes.iter().find(|&&(list, _)| list >= nlist) {
            Some((list, _)) => Err(self.failed(format!("has a list {list} of {nlist}"))),
            None => Ok(sizes),
        }
    }

    /// Rows of so many elements, their ids and their lists.
    fn listed<T: bytemuck::Pod>(
        &mut self,
        nlist: usize,
        width: usize,
    ) -> Result<(Vec<T>, Vec<i64>, Vec<u32>)> {
        let bytes =
            width.checked_mul(size_of::<T>()).ok_or_else(|| self.failed("vectors beyond all memory"))?;
        let (mut rows, mut ids, mut labels) = (Vec::new(), Vec::new(), Vec::new());
        for (list, size) in self.list_sizes(nlist, bytes)? {
            let elements = size.checked_mul(width).ok_or_else(|| self.failed("a list beyond all memory"))?;
            rows.extend(self.array::<T>(elements)?);
            ids.extend(self.array::<i64>(size)?);
            labels.resize(ids.len(), list as u32);
        }
        Ok((rows, ids, labels))
    }
}

struct Writer<'a> {
    path: &'a Path,
    index: &'a Snapshot,
    metric: i32,
    whole: &'a Part,
    bytes: Vec<u8>,
}

impl Writer<'_> {
    fn all(mut self) -> Result<Vec<u8>> {
        let (segment, d) = (&self.whole.segment, self.index.d);
        let (data, ids) = (segment.data.as_slice::<f32>()?, segment.ids.as_slice::<i64>()?);
        let (n, numbered) = (ids.len(), ids.iter().copied().eq(0..ids.len() as i64));
        if let Some(codes) = self.index.recipe.codes() {
            self.codes(codes)?;
            return Ok(self.bytes);
        }
        if let Some(turn) = self.index.recipe.turn() {
            if !numbered && !self.index.recipe.has_lists() {
                return Err(self.failed("faiss's flat index of turned vectors has no ids but their numbers"));
            }
            self.turn(turn, n)?;
        }
        if !self.index.recipe.has_lists() {
            if numbered {
                self.flat(n, d, data);
                return Ok(self.bytes);
            }
            self.header(b"IxMp", d, n, true);
            self.flat(n, d, data);
            self.array(n, ids);
            return Ok(self.bytes);
        }
        let centroids =
            self.index.centroids.as_ref().map(|centroids| centroids.as_slice::<f32>()).transpose()?;
        self.header(b"IwFl", d, n, centroids.is_some());
        self.quantizer(self.index.recipe.nlist(), centroids);
        let offsets = segment.offsets.as_slice::<u32>()?;
        self.lists_of(4 * d, bytemuck::cast_slice(data), offsets, ids);
        Ok(self.bytes)
    }

    fn quantizer(&mut self, nlist: usize, centroids: Option<&[f32]>) {
        self.numbers(&[nlist as u64, 1]);
        self.flat(centroids.map_or(0, |_| nlist), self.index.d, centroids.unwrap_or_default());
        // No map from ids to places.
        self.bytes.push(0);
        self.array::<i64>(0, &[]);
    }

    fn header(&mut self, letters: &[u8; 4], d: usize, n: usize, trained: bool) {
        self.bytes.extend_from_slice(letters);
        self.bytes.extend_from_slice(&(d as i32).to_le_bytes());
        for number in [n as i64, UNUSED, UNUSED] {
            self.bytes.extend_from_slice(&number.to_le_bytes());
        }
        self.bytes.push(u8::from(trained));
        self.bytes.extend_from_slice(&self.metric.to_le_bytes());
    }

    fn flat(&mut self, n: usize, d: usize, vectors: &[f32]) {
        self.header(if self.metric == 1 { b"IxF2" } else { b"IxFI" }, d, n, true);
        self.array(vectors.len(), vectors);
    }

    fn numbers(&mut self, numbers: &[u64]) {
        numbers.iter().for_each(|number| self.bytes.extend_from_slice(&number.to_le_bytes()));
    }

    fn array<T: bytemuck::Pod>(&mut self, count: usize, elements: &[T]) {
        self.numbers(&[count as u64]);
        self.bytes.extend_from_slice(bytemuck::cast_slice(elements));
    }
}
