//! Indexes by codes: `IndexPQ`, `IndexPQFastScan`, `IndexIVFPQ`, `IndexIVFPQFastScan`, and `IndexRefineFlat` of one of them.
//!
//! faiss's fast scans keep codes of 4 bits in blocks of 32 rows: 32 bytes for two parts, of which byte `2 v` (or `2 (v - 8) + 1` from row 8 on) of the first
//! 16 has row `v` in its low and row `v + 16` in its high bits, for the first part; the other 16 bytes are of the second part.

use std::sync::Arc;

use tilewright_core::{Error, Result, Tensor};

use super::{Header, Reader, Writer};
use crate::coded::{self, Coded};
use crate::recipe::{Codes, Recipe};
use crate::segment::{Part, Segment, by_list};
use crate::snapshot::Snapshot;

/// Rows of a block of faiss's fast scans.
const FAST: usize = 32;

/// Where in a block's bytes the word of a row and part lies, and in which bits.
fn place(row: usize, part: usize) -> (usize, usize) {
    let (shift, row) = (row / 16 * 4, row % 16);
    let at = if row < 8 { 2 * row } else { 2 * (row - 8) + 1 };
    (part / 2 * FAST + part % 2 * 16 + at, shift)
}

/// Codes `[n, ceil(m / 2)]` of blocks of faiss's.
fn unpacked(blocks: &[u8], n: usize, m: usize) -> Vec<u8> {
    let (bytes, size) = (m.div_ceil(2), m.div_ceil(2) * FAST);
    let mut rows = vec![0u8; n * bytes];
    for (row, code) in rows.chunks_exact_mut(bytes).enumerate() {
        let block = &blocks[row / FAST * size..];
        for part in 0..m {
            let (at, shift) = place(row % FAST, part);
            code[part / 2] |= (block[at] >> shift & 15) << (part % 2 * 4);
        }
    }
    rows
}

/// Blocks of faiss's of codes `[n, ceil(m / 2)]`.
fn packed(rows: &[u8], m: usize) -> Vec<u8> {
    let (bytes, size) = (m.div_ceil(2), m.div_ceil(2) * FAST);
    let n = rows.len() / bytes;
    let mut blocks = vec![0u8; n.div_ceil(FAST) * size];
    for (row, code) in rows.chunks_exact(bytes).enumerate() {
        let block = &mut blocks[row / FAST * size..];
        for part in 0..m {
            let (at, shift) = place(row % FAST, part);
            block[at] |= (code[part / 2] >> (part % 2 * 4) & 15) << shift;
        }
    }
    blocks
}

/// Codes row after row, their ids and their lists.
pub(super) type Lists = (Vec<u8>, Vec<i64>, Vec<u32>);

impl Reader<'_> {
    pub(super) fn word(&mut self) -> Result<i32> {
        Ok(i32::from_le_bytes(self.number()?))
    }

    /// The parts, bits and codebooks of a product quantiser.
    fn product(&mut self, header: &Header) -> Result<(usize, usize, Option<Tensor>)> {
        let (d, m, bits, count) = (self.count()?, self.count()?, self.count()?, self.count()?);
        let fits = d == header.d && m > 0 && m <= d && d % m == 0 && (bits == 8 || bits == 4);
        let trained = header.trained && count != 0;
        if !fits || trained && d.checked_mul(1 << bits) != Some(count) || header.trained && !trained {
            let got = format!("{count} numbers for {m} parts of {bits} bits and vectors of {d}");
            return Err(
                self.failed(format!("has a product quantizer of {got}, expected codes of 8 or 4 bits"))
            );
        }
        let codebooks: Vec<f32> = self.array(count)?;
        let shape = [m, 1 << bits, d / m];
        Ok((m, bits, trained.then(|| Tensor::from_vec(codebooks, shape)).transpose()?))
    }

    /// An index by codes whose letters have been read.
    pub(super) fn codes(&mut self, letters: &str) -> Result<Snapshot> {
        let (lists, fast) = (letters.starts_with("Iw"), matches!(letters, "IPfs" | "IwPf"));
        let header = self.header()?;
        let (mut nlist, mut centroids, mut residual) = (1, None, false);
        if lists {
            let (count, numbers) = self.quantizer(&header)?;
            nlist = count;
            centroids = header.trained.then(|| Tensor::from_vec(numbers, [nlist, header.d])).transpose()?;
            residual = self.number::<1>()?[0] != 0;
            self.count()?;
            if fast {
                // The block's size, the rounded number of parts, the way to scan.
                let block = self.word()?;
                self.take(8 + 4 + 8)?;
                self.check_block(block)?;
            }
        }
        let (m, bits, codebooks) = self.product(&header)?;
        if lists && !fast && !residual {
            return Err(self.failed("has codes of vectors in lists of IVFPQ, expected of residuals"));
        }
        let own = Codes::Product { m, bits, fast, residual };
        let bytes = coded::code_bytes(own, header.d);
        let (codes, ids, labels) = match (lists, fast) {
            (false, false) => {
                let codes = self.sized(header.n, bytes)?;
                self.take(4 + 1 + 4)?;
                (codes, (0..header.n as i64).collect(), vec![0; header.n])
            }
            (false, true) => {
                self.word()?;
                let block = self.word()?;
                self.check_block(block)?;
                self.take(4 + 8 + 8)?;
                let count = self.count()?;
                let blocks: Vec<u8> = self.array(count)?;
                let codes = self.unpacked(&blocks, header.n, m)?;
                (codes, (0..header.n as i64).collect(), vec![0; header.n])
            }
            (true, false) => self.listed::<u8>(nlist, bytes)?,
            (true, true) => self.blocked_lists(nlist, m)?,
        };
        let recipe = Recipe::new(lists.then_some(nlist), Some(own), false);
        self.by_codes(&header, recipe, (centroids, codebooks), (codes, ids, labels))
    }

    /// An index of codes `[n, bytes]`, with the centroids and codebooks that it has.
    pub(super) fn by_codes(
        &self,
        header: &Header,
        recipe: Recipe,
        (centroids, codebooks): (Option<Tensor>, Option<Tensor>),
        (codes, ids, labels): Lists,
    ) -> Result<Snapshot> {
        let own = recipe.codes().expect("an index by codes");
        if ids.len() != header.n {
            return Err(self.failed(format!(
                "has {} vectors in its lists, expected {}",
                ids.len(),
                header.n
            )));
        }
        coded::check(own, header.d, header.metric).map_err(|why| self.failed(why))?;
        let empty = Self::empty(header, recipe, centroids, codebooks);
        if ids.is_empty() {
            return Ok(empty);
        }
        if empty.codebooks.is_none() && coded::learnt_shape(&recipe, header.d).is_some() {
            return Err(self.failed("has codes and is not trained"));
        }
        let (rows, order) = (coded::of_rows(&empty, codes, &labels)?, by_list(&[&labels], recipe.nlist())?);
        let coded = Coded::of(&[rows], &order)?;
        let segment = Segment::of(&[&[]], &[&ids], &order, 0)?.with(Some(coded));
        self.filled(empty, segment)
    }

    fn check_block(&self, block: i32) -> Result<()> {
        if block as usize == FAST {
            return Ok(());
        }
        Err(self.failed(format!("has blocks of {block} rows, expected {FAST}")))
    }

    /// An array of so many rows of so many bytes.
    pub(super) fn sized(&mut self, n: usize, bytes: usize) -> Result<Vec<u8>> {
        let count = self.count()?;
        if n.checked_mul(bytes) != Some(count) {
            return Err(self.failed(format!("has {count} bytes for {n} codes of {bytes}")));
        }
        self.array(count)
    }

    fn unpacked(&self, blocks: &[u8], n: usize, m: usize) -> Result<Vec<u8>> {
        if n.div_ceil(FAST).checked_mul(m.div_ceil(2) * FAST).is_none_or(|size| blocks.len() < size) {
            return Err(self.failed(format!("has {} bytes of blocks for {n} codes", blocks.len())));
        }
        Ok(unpacked(blocks, n, m))
    }

    fn blocked_lists(&mut self, nlist: usize, m: usize) -> Result<Lists> {
        let kind = self.letters()?;
        let (lists, _, rows, size) = (self.count()?, self.count()?, self.count()?, self.count()?);
        if kind != "ilbl" || lists != nlist || rows != FAST || size != m.div_ceil(2) * FAST {
            return Err(self.failed(format!("has {lists} lists of kind {kind:?} in blocks of {rows} rows")));
        }
        let (mut codes, mut ids, mut labels) = (Vec::new(), Vec::new(), Vec::new());
        for list in 0..nlist {
            let count = self.count()?;
            let own: Vec<i64> = self.array(count)?;
            let bytes = self.count()?;
            let blocks: Vec<u8> = self.array(bytes)?;
            codes.extend(self.unpacked(&blocks, count, m)?);
            ids.extend(own);
            labels.resize(ids.len(), list as u32);
        }
        Ok((codes, ids, labels))
    }

    /// An index by codes and, in the order of ids, the vectors that decide.
    pub(super) fn refined(&mut self) -> Result<Snapshot> {
        let header = self.header()?;
        // Not any index: one that refines one that refines one would go as deep as a file is long.
        let base = match self.letters()?.as_str() {
            letters @ ("IxPq" | "IPfs" | "IwPQ" | "IwPf") => self.codes(letters)?,
            letters @ ("IxSQ" | "IwSq") => self.scalar(letters)?,
            "IxPT" => self.turned()?,
            other => {
                return Err(self.failed(format!("refines {other:?}, expected an index by codes")));
            }
        };
        if base.recipe.codes().is_none() {
            return Err(self.failed(format!("refines {}, expected an index by codes", base.recipe)));
        }
        let letters = self.letters()?;
        if !["IxF2", "IxFI", "IxFl"].contains(&letters.as_str()) {
            return Err(self.failed(format!("refines by an index of kind {letters:?}, expected a flat one")));
        }
        let (vectors_of, vectors) = self.vectors()?;
        self.take(4)?;
        let fits = base.len() == vectors_of.n && base.given == vectors_of.d && header.metric == base.metric;
        if !fits || vectors_of.metric != base.metric {
            return Err(self.failed("refines another number, length or metric of vectors"));
        }
        let nlist = base.recipe.has_lists().then(|| base.recipe.nlist());
        let recipe = Recipe::new(nlist, base.recipe.codes(), true).turned(base.recipe.turn());
        let Some(part) = base.parts.first() else { return Ok(Snapshot { recipe, ..base }) };
        let mut rows = Vec::with_capacity(vectors.len());
        for &id in part.segment.ids.as_slice::<i64>()? {
            let id = usize::try_from(id).ok().filter(|&id| id < vectors_of.n);
            let id = id.ok_or_else(|| self.failed("refines by the numbers of vectors, and has other ids"))?;
            rows.extend_from_slice(&vectors[id * base.given..(id + 1) * base.given]);
        }
        let data = Tensor::from_vec(rows, [vectors_of.n, base.given])?;
        let (ids, offsets) = (part.segment.ids.clone(), part.segment.offsets.clone());
        let segment = Segment::new(data, ids, offsets).with(part.segment.codes.clone());
        Ok(Snapshot { recipe, parts: Arc::new(vec![Part::new(segment)]), ..base })
    }
}

impl Writer<'_> {
    pub(super) fn failed(&self, why: &str) -> Error {
        Error::file("write_faiss", self.path, why)
    }

    pub(super) fn words(&mut self, words: &[i32]) {
        words.iter().for_each(|word| self.bytes.extend_from_slice(&word.to_le_bytes()));
    }

    /// An index by codes.
    pub(super) fn codes(&mut self, own: Codes) -> Result<()> {
        let segment = &self.whole.segment;
        let (n, d) = (segment.len(), self.index.given);
        let (ids, offsets) = (segment.ids.as_slice::<i64>()?, segment.offsets.as_slice::<u32>()?);
        let rows = match &segment.codes {
            Some(coded) => coded.rows(n)?.to_vec::<u8>()?,
            None => Vec::new(),
        };
        let lists = self.index.recipe.has_lists();
        let numbered = ids.iter().copied().eq(0..n as i64);
        if own == Codes::Bits {
            self.bits(n, &rows, (!numbered).then_some(ids));
            return Ok(());
        }
        if own == Codes::Rabitq {
            return Err(
                self.failed("the numbers beside faiss's RaBitQ codes are not those that are kept here")
            );
        }
        if !lists && !numbered {
            return Err(self.failed("faiss's codes without lists have no ids but their numbers"));
        }
        if self.index.recipe.is_refined() {
            self.header(b"IxRF", d, n, self.index.codebooks.is_some());
        }
        if let Some(turn) = self.index.recipe.turn() {
            self.turn(turn, n)?;
        }
        match own {
            Codes::Product { m, bits, fast, residual } => {
                self.product((m, bits, fast, residual), &rows, offsets, ids)?;
            }
            Codes::Scalar { bits } => self.scalar(bits, &rows, offsets, ids)?,
            Codes::Rabitq | Codes::Bits => {}
        }
        if self.index.recipe.is_refined() {
            let mut vectors = vec![0.0f32; n * d];
            let data = segment.data.as_slice::<f32>()?;
            let mut seen = vec![false; n];
            for (row, &id) in ids.iter().enumerate() {
                let id =
                    usize::try_from(id).ok().filter(|&id| id < n && !std::mem::replace(&mut seen[id], true));
                let why =
                    "faiss refines by the numbers of vectors: ids have to be 0, 1, ... up to their number";
                let id = id.ok_or_else(|| self.failed(why))?;
                vectors[id * d..(id + 1) * d].copy_from_slice(&data[row * d..(row + 1) * d]);
            }
            self.flat(n, d, &vectors);
            self.bytes.extend_from_slice(&4.0f32.to_le_bytes());
        }
        Ok(())
    }

    /// An index by the codes of a product quantiser: its parts, bits, whether it is a fast scan's and whether of residuals.
    fn product(
        &mut self,
        (m, bits, fast, residual): (usize, usize, bool, bool),
        rows: &[u8],
        offsets: &[u32],
        ids: &[i64],
    ) -> Result<()> {
        let codebooks = self.index.codebooks.as_ref().map(Tensor::as_slice::<f32>).transpose()?;
        let centroids = self.index.centroids.as_ref().map(Tensor::as_slice::<f32>).transpose()?;
        let (n, d, lists) = (ids.len(), self.index.d, self.index.recipe.has_lists());
        let bytes = (m * bits).div_ceil(8);
        let letters = match (lists, fast) {
            (false, false) => b"IxPq",
            (false, true) => b"IPfs",
            (true, false) => b"IwPQ",
            (true, true) => b"IwPf",
        };
        self.header(letters, d, n, codebooks.is_some());
        if lists {
            self.quantizer(self.index.recipe.nlist(), centroids);
            self.bytes.push(u8::from(residual));
            self.numbers(&[bytes as u64]);
            if fast {
                self.words(&[FAST as i32]);
                self.numbers(&[m.next_multiple_of(2) as u64]);
                self.words(&[0]);
                self.numbers(&[0]);
            }
        }
        self.numbers(&[d as u64, m as u64, bits as u64]);
        let untrained = vec![0.0; d << bits];
        self.array(d << bits, codebooks.unwrap_or(&untrained));
        match (lists, fast) {
            (false, false) => {
                self.array(rows.len(), rows);
                self.words(&[0]);
                self.bytes.push(0);
                self.words(&[(m * bits) as i32 + 1]);
            }
            (false, true) => {
                let blocks = packed(rows, m);
                self.words(&[0, FAST as i32, 0]);
                self.numbers(&[n.next_multiple_of(FAST) as u64, m.next_multiple_of(2) as u64]);
                self.array(blocks.len(), &blocks);
            }
            (true, false) => self.lists_of(bytes, rows, offsets, ids),
            (true, true) => {
                self.bytes.extend_from_slice(b"ilbl");
                let size = (m.div_ceil(2) * FAST) as u64;
                self.numbers(&[offsets.len() as u64 - 1, u64::MAX, FAST as u64, size]);
                for bounds in offsets.windows(2) {
                    let list = bounds[0] as usize..bounds[1] as usize;
                    self.array(list.len(), &ids[list.clone()]);
                    let blocks = packed(&rows[list.start * bytes..list.end * bytes], m);
                    self.array(blocks.len(), &blocks);
                }
            }
        }
        Ok(())
    }

    /// Inverted lists of codes `[n, bytes]`, list after list.
    pub(super) fn lists_of(&mut self, bytes: usize, rows: &[u8], offsets: &[u32], ids: &[i64]) {
        let nlist = offsets.len() - 1;
        self.bytes.extend_from_slice(b"ilar");
        self.numbers(&[nlist as u64, bytes as u64]);
        self.bytes.extend_from_slice(b"full");
        let sizes: Vec<u64> = offsets.windows(2).map(|bounds| u64::from(bounds[1] - bounds[0])).collect();
        self.array(nlist, &sizes);
        for bounds in offsets.windows(2) {
            let list = bounds[0] as usize..bounds[1] as usize;
            self.bytes.extend_from_slice(&rows[list.start * bytes..list.end * bytes]);
            self.bytes.extend_from_slice(bytemuck::cast_slice(&ids[list]));
        }
    }
}
