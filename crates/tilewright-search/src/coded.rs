//! Rows by their codes: what they are made of, and how they are searched.

use tilewright_core::{Error, Result, Stream, Tensor};
use tilewright_kernels::search::{
    self, BLOCK, Metric, PqLut, PqScan, PqTrain, Rerank, block_codes, pq_encode, pq_lut, pq_scan, pq_train,
    rerank, row_codes,
};

use crate::recipe::Codes;
use crate::segment::Part;
use crate::snapshot::{Query, Snapshot};

/// Updates of codebooks in training.
const ITERATIONS: usize = 16;

/// The codes of a segment's rows, in their order.
#[derive(Clone)]
pub(crate) struct Coded {
    /// `[blocks, bytes, 64]`, u8
    pub(crate) codes: Tensor,
    /// `[n]`, f32: |r|² + 2 y·r of each row, where y is its list's centroid and r what the code stands for; by L2 and of residuals only.
    pub(crate) biases: Option<Tensor>,
}

impl Coded {
    /// Codes `[n, bytes]` and biases of rows in the order in which [`Segment::sorted`](crate::segment::Segment::sorted) has rows with these labels.
    pub(crate) fn sorted(
        rows: &[u8],
        bytes: usize,
        biases: Option<&[f32]>,
        labels: &[u32],
        nlist: usize,
    ) -> Result<Self> {
        let mut places = vec![0u32; nlist + 1];
        labels.iter().for_each(|&list| places[list as usize + 1] += 1);
        for list in 0..nlist {
            places[list + 1] += places[list];
        }
        let n = labels.len();
        let (mut codes, mut own) = (vec![0u8; rows.len()], vec![0.0f32; biases.map_or(0, <[f32]>::len)]);
        for (row, &list) in labels.iter().enumerate() {
            let place = places[list as usize] as usize;
            places[list as usize] += 1;
            codes[place * bytes..(place + 1) * bytes].copy_from_slice(&rows[row * bytes..(row + 1) * bytes]);
            if let Some(biases) = biases {
                own[place] = biases[row];
            }
        }
        let biases = biases.map(|_| Tensor::from_vec(own, [n])).transpose()?;
        Ok(Self { codes: block_codes(&Tensor::from_vec(codes, [n, bytes])?)?, biases })
    }

    /// The codes of the rows of several parts that are there, whose labels these are.
    pub(crate) fn joined(parts: &[Part], labels: &[u32], nlist: usize) -> Result<Option<Self>> {
        let (mut rows, mut biases, mut bytes) = (Vec::new(), Vec::new(), 0);
        let mut biased = false;
        for part in parts {
            let Some(own) = &part.segment.codes else { return Ok(None) };
            bytes = own.codes.dims()[1];
            let codes = row_codes(&own.codes, part.segment.len())?;
            let codes = codes.as_slice::<u8>()?;
            let own_biases = own.biases.as_ref().map(Tensor::as_slice::<f32>).transpose()?;
            biased |= own_biases.is_some();
            for row in (0..part.segment.len()).filter(|&row| part.has(row)) {
                rows.extend_from_slice(&codes[row * bytes..(row + 1) * bytes]);
                biases.extend(own_biases.map(|biases| biases[row]));
            }
        }
        if parts.is_empty() {
            return Ok(None);
        }
        Self::sorted(&rows, bytes, biased.then_some(&biases[..]), labels, nlist).map(Some)
    }

    pub(crate) fn bytes(&self) -> usize {
        self.codes.bytes() + self.biases.as_ref().map_or(0, Tensor::bytes)
    }
}

/// Refuses codes that vectors of length `d` do not have, and the cosine, which is no sum over parts.
pub(crate) fn check(codes: Codes, d: usize, metric: Metric) -> Result<()> {
    if !d.is_multiple_of(codes.m) {
        return Err(Error::range("index", "recipe", format!("PQ of parts that divide {d}"), codes.m));
    }
    if metric == Metric::Cosine {
        return Err(Error::range(
            "index",
            "metric",
            "l2 or ip, which are sums over the parts of a code",
            metric,
        ));
    }
    Ok(())
}

/// The bytes of a code.
pub(crate) fn code_bytes(codes: Codes) -> usize {
    (codes.m * codes.bits).div_ceil(8)
}

/// Whether rows have biases.
pub(crate) fn is_biased(codes: Codes, metric: Metric) -> bool {
    codes.residual && metric == Metric::L2
}

pub(crate) fn train(codes: Codes, vectors: &Tensor) -> Result<Tensor> {
    let args = PqTrain { m: codes.m, bits: codes.bits, iterations: ITERATIONS, ..PqTrain::default() };
    pq_train(&Stream::cpu(), vectors, None, &args)
}

fn codebooks<'a>(index: &'a Snapshot, operation: &'static str) -> Result<&'a Tensor> {
    let why = || Error::layout(operation, "index", format!("{} has to be trained first", index.recipe));
    index.codebooks.as_ref().ok_or_else(why)
}

/// What is coded of rows: what is left after their lists' centroids, or they themselves.
pub(crate) fn residuals(index: &Snapshot, rows: &[f32], labels: &[u32]) -> Result<Vec<f32>> {
    let mut left = rows.to_vec();
    if index.recipe.codes().is_some_and(|codes| codes.residual) {
        let centroids = index.trained("add")?.as_slice::<f32>()?;
        for (row, &list) in left.chunks_exact_mut(index.d).zip(labels) {
            let centroid = &centroids[list as usize * index.d..][..index.d];
            row.iter_mut().zip(centroid).for_each(|(x, y)| *x -= y);
        }
    }
    Ok(left)
}

/// The codes of rows, in the order of a segment.
pub(crate) fn encode(index: &Snapshot, rows: &[f32], labels: &[u32]) -> Result<Coded> {
    let left = Tensor::from_vec(residuals(index, rows, labels)?, [labels.len(), index.d])?;
    let codes = pq_encode(&Stream::cpu(), &left, codebooks(index, "add")?)?;
    of_rows(index, codes.as_slice()?, labels)
}

/// Codes `[n, bytes]` with the biases that they have.
pub(crate) fn of_rows(index: &Snapshot, rows: &[u8], labels: &[u32]) -> Result<Coded> {
    let own = index.recipe.codes().expect("an index by codes");
    let bytes = code_bytes(own);
    let biases = if is_biased(own, index.metric) { Some(biases(index, rows, labels)?) } else { None };
    Coded::sorted(rows, bytes, biases.as_deref(), labels, index.recipe.nlist())
}

/// |r|² + 2 y·r for each row.
fn biases(index: &Snapshot, rows: &[u8], labels: &[u32]) -> Result<Vec<f32>> {
    let own = index.recipe.codes().expect("an index by codes");
    let (codebooks, centroids) = (codebooks(index, "add")?.as_slice::<f32>()?, index.trained("add")?);
    let (centroids, part) = (centroids.as_slice::<f32>()?, index.d / own.m);
    let of_row = |(code, &list): (&[u8], &u32)| {
        let centroid = &centroids[list as usize * index.d..][..index.d];
        let mut sum = 0.0f64;
        for (j, y) in centroid.chunks_exact(part).enumerate() {
            let word = &codebooks[(j << own.bits | word(own.bits, code, j)) * part..][..part];
            let term = |(&r, &y): (&f32, &f32)| f64::from(r) * (f64::from(r) + 2.0 * f64::from(y));
            sum += word.iter().zip(y).map(term).sum::<f64>();
        }
        sum as f32
    };
    Ok(rows.chunks_exact(code_bytes(own)).zip(labels).map(of_row).collect())
}

/// The word of part `j`: of two in a byte the first is in the low bits.
fn word(bits: usize, code: &[u8], j: usize) -> usize {
    usize::from(if bits == 4 { code[j / 2] >> (j % 2 * 4) & 15 } else { code[j] })
}

/// What the code of a row stands for.
pub(crate) fn decoded(index: &Snapshot, part: &Part, row: usize) -> Result<Vec<f32>> {
    let own = index.recipe.codes().expect("an index by codes");
    let all = &part.segment.codes.as_ref().expect("an index by codes").codes;
    let (bytes, codes) = (code_bytes(own), all.as_slice::<u8>()?);
    let code: Vec<u8> = (0..bytes).map(|i| codes[(row / BLOCK * bytes + i) * BLOCK + row % BLOCK]).collect();
    let (codebooks, width) = (codebooks(index, "reconstruct")?.as_slice::<f32>()?, index.d / own.m);
    let mut vector = Vec::with_capacity(index.d);
    for j in 0..own.m {
        vector.extend_from_slice(&codebooks[(j << own.bits | word(own.bits, &code, j)) * width..][..width]);
    }
    if own.residual {
        let list =
            part.segment.offsets.as_slice::<u32>()?.partition_point(|&start| start as usize <= row) - 1;
        let centroids = index.trained("reconstruct")?.as_slice::<f32>()?;
        vector.iter_mut().zip(&centroids[list * index.d..]).for_each(|(x, y)| *x += y);
    }
    Ok(vector)
}

/// What a search has of its queries before it looks at rows.
pub(crate) struct Plan {
    metric: Metric,
    refine: bool,
    /// `[b, m, words]`
    tables: Tensor,
    /// `[b, nprobe]`
    probes: Tensor,
    /// `[b, nprobe]`
    bases: Option<Tensor>,
}

impl Plan {
    /// `probes`: the distances of the nearest centroids and their lists, where there are any.
    pub(crate) fn new(index: &Snapshot, queries: &Tensor, probes: Option<&(Tensor, Tensor)>) -> Result<Self> {
        let own = index.recipe.codes().expect("an index by codes");
        let (cpu, codebooks, metric) = (Stream::cpu(), codebooks(index, "search")?, index.metric);
        // Of residuals by L2 the distance is |q - y|² + (|r|² + 2 y·r) - 2 q·r: tables of the inner product with queries twice as long.
        let tables = if is_biased(own, metric) {
            let twice: Vec<f32> = queries.to_vec::<f32>()?.iter().map(|x| 2.0 * x).collect();
            let twice = Tensor::from_vec(twice, queries.dims())?;
            pq_lut(&cpu, &twice, codebooks, &PqLut { metric: Metric::InnerProduct })?
        } else {
            pq_lut(&cpu, queries, codebooks, &PqLut { metric })?
        };
        let b = queries.dims()[0];
        let bases = probes.filter(|_| own.residual).map(|(distances, _)| distances.clone());
        let probes = match probes {
            Some((_, lists)) => lists.clone(),
            None => Tensor::from_vec(vec![0i64; b], [b, 1])?,
        };
        Ok(Self { metric, refine: own.refine, tables, probes, bases })
    }

    /// The nearest rows of a part.
    pub(crate) fn search(
        &self,
        part: &Part,
        queries: &Tensor,
        keep: Option<Tensor>,
        query: &Query,
    ) -> Result<(Tensor, Tensor)> {
        let (cpu, segment) = (Stream::cpu(), &part.segment);
        let own = segment.codes.as_ref().expect("an index by codes");
        let ids = Some(&segment.ids).filter(|_| !self.refine);
        // A scan by places has a bit for each place of the last block.
        let whole = |keep: Tensor| -> Result<Tensor> {
            let mut bits = keep.to_vec::<u8>()?;
            bits.resize(segment.len().div_ceil(BLOCK) * (BLOCK / 8), 0);
            let bytes = bits.len();
            Tensor::from_vec(bits, [bytes])
        };
        let keep = keep.map(whole).transpose()?;
        let rows = search::Coded {
            codes: &own.codes,
            offsets: &segment.offsets,
            biases: own.biases.as_ref(),
            ids,
            keep: keep.as_ref(),
        };
        let times = if self.refine { query.refine.max(1) } else { 1 };
        let args = PqScan { k: query.k.saturating_mul(times).min(segment.len().max(query.k)) };
        let found = pq_scan(&cpu, &self.tables, &rows, &self.probes, self.bases.as_ref(), &args)?;
        if !self.refine {
            return Ok(found);
        }
        let args = Rerank { k: query.k, metric: self.metric };
        rerank(&cpu, queries, &segment.data, &found.1, Some(&segment.ids), &args)
    }
}
