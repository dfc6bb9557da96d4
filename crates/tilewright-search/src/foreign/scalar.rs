//! Indexes by scalar codes and of bits: `IndexScalarQuantizer`, `IndexIVFScalarQuantizer`, `IndexBinaryFlat`, `IndexBinaryIDMap` of one.
//!
//! A scalar quantiser: kind (i32: 0 of 8 bits, 1 of 4, 6 of 6), how its ranges were found (i32, f32), length of vectors, bytes of a code (u64), least numbers and widths.
//! A binary index has a head of its own: length of vectors in bits, bytes (i32), their number (i64), whether it is trained (u8), the metric (i32).

use tilewright_core::{Result, Tensor};
use tilewright_kernels::search::Metric;

use super::{Header, Reader, Writer};
use crate::coded;
use crate::recipe::{Codes, Recipe};
use crate::snapshot::Snapshot;

/// faiss's kinds of scalar quantisers, and the bits of their codes.
const KINDS: [(i32, usize); 3] = [(0, 8), (1, 4), (6, 6)];

impl Reader<'_> {
    /// An index by scalar codes whose letters have been read.
    pub(super) fn scalar(&mut self, letters: &str) -> Result<Snapshot> {
        let lists = letters == "IwSq";
        let header = self.header()?;
        let (mut nlist, mut centroids) = (1, None);
        if lists {
            let (count, numbers) = self.quantizer(&header)?;
            nlist = count;
            centroids = header.trained.then(|| Tensor::from_vec(numbers, [nlist, header.d])).transpose()?;
        }
        let kind = self.word()?;
        let Some(&(_, bits)) = KINDS.iter().find(|&&(known, _)| known == kind) else {
            return Err(self.failed(format!("has a scalar quantizer of kind {kind}, expected 0, 1 or 6")));
        };
        self.take(4 + 4)?;
        let (d, _, count) = (self.count()?, self.count()?, self.count()?);
        if d != header.d || header.trained && count != 2 * d || !header.trained && count != 0 {
            let got = format!("{count} numbers for vectors of {d}");
            return Err(self.failed(format!("has a scalar quantizer of {got}, expected twice {}", header.d)));
        }
        let ranges: Vec<f32> = self.array(count)?;
        let ranges = header.trained.then(|| Tensor::from_vec(ranges, [2, d])).transpose()?;
        let recipe = Recipe::new(lists.then_some(nlist), Some(Codes::Scalar { bits }), false);
        let bytes = (d * bits).div_ceil(8);
        let rows = if lists {
            self.count()?;
            if self.number::<1>()?[0] == 0 {
                return Err(self.failed("has codes of vectors in lists of IVFSQ, expected of residuals"));
            }
            self.listed::<u8>(nlist, bytes)?
        } else {
            let codes = self.sized(header.n, bytes)?;
            (codes, (0..header.n as i64).collect(), vec![0; header.n])
        };
        self.by_codes(&header, recipe, (centroids, ranges), rows)
    }

    fn binary_header(&mut self) -> Result<Header> {
        let (d, bytes, n) = (self.word()?, self.word()?, i64::from_le_bytes(self.number()?));
        self.take(1 + 4)?;
        let fits = d > 0 && d % 8 == 0 && bytes == d / 8;
        match usize::try_from(n) {
            Ok(n) if fits && n < u32::MAX as usize => {
                Ok(Header { d: d as usize, n, trained: true, metric: Metric::L2 })
            }
            _ => Err(self.failed(format!("has {n} vectors of {d} bits in {bytes} bytes"))),
        }
    }

    /// An index of bits whose letters have been read.
    pub(super) fn bits(&mut self) -> Result<Snapshot> {
        let header = self.binary_header()?;
        let codes = self.sized(header.n, header.d / 8)?;
        let ids = (0..header.n as i64).collect();
        self.of_bits(&header, codes, ids)
    }

    /// The same, and ids.
    pub(super) fn mapped_bits(&mut self) -> Result<Snapshot> {
        self.binary_header()?;
        let letters = self.letters()?;
        if letters != "IBxF" {
            return Err(self.failed(format!("maps ids of an index of kind {letters:?}, expected a flat one")));
        }
        let header = self.binary_header()?;
        let codes = self.sized(header.n, header.d / 8)?;
        let count = self.count()?;
        let ids: Vec<i64> = self.array(count)?;
        self.of_bits(&header, codes, ids)
    }

    fn of_bits(&self, header: &Header, codes: Vec<u8>, ids: Vec<i64>) -> Result<Snapshot> {
        let recipe = Recipe::new(None, Some(Codes::Bits), false);
        let labels = vec![0; ids.len()];
        self.by_codes(header, recipe, (None, None), (codes, ids, labels))
    }
}

impl Writer<'_> {
    /// An index by scalar codes `[n, bytes]`, list after list.
    pub(super) fn scalar(&mut self, bits: usize, rows: &[u8], offsets: &[u32], ids: &[i64]) -> Result<()> {
        let ranges = self.index.codebooks.as_ref().map(Tensor::as_slice::<f32>).transpose()?;
        let centroids = self.index.centroids.as_ref().map(Tensor::as_slice::<f32>).transpose()?;
        let (d, lists) = (self.index.d, self.index.recipe.has_lists());
        let bytes = coded::code_bytes(Codes::Scalar { bits }, d);
        self.header(if lists { b"IwSq" } else { b"IxSQ" }, d, ids.len(), ranges.is_some());
        if lists {
            self.quantizer(self.index.recipe.nlist(), centroids);
        }
        let kind = KINDS.iter().find(|&&(_, known)| known == bits).map_or(0, |&(kind, _)| kind);
        self.words(&[kind, 0]);
        self.bytes.extend_from_slice(&0.0f32.to_le_bytes());
        self.numbers(&[d as u64, bytes as u64]);
        let ranges = ranges.unwrap_or_default();
        self.array(ranges.len(), ranges);
        if lists {
            self.numbers(&[bytes as u64]);
            self.bytes.push(1);
            self.lists_of(bytes, rows, offsets, ids);
        } else {
            self.array(rows.len(), rows);
        }
        Ok(())
    }

    fn binary_header(&mut self, letters: &[u8; 4], n: usize) {
        self.bytes.extend_from_slice(letters);
        self.words(&[self.index.d as i32, (self.index.d / 8) as i32]);
        self.bytes.extend_from_slice(&(n as i64).to_le_bytes());
        self.bytes.push(1);
        self.words(&[1]);
    }

    /// An index of `n` rows of bits; under ids, where they are not the rows' numbers.
    pub(super) fn bits(&mut self, n: usize, rows: &[u8], ids: Option<&[i64]>) {
        if ids.is_some() {
            self.binary_header(b"IBMp", n);
        }
        self.binary_header(b"IBxF", n);
        self.array(rows.len(), rows);
        if let Some(ids) = ids {
            self.array(n, ids);
        }
    }
}
