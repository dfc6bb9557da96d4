//! Rows by their codes: what they are made of, and how they are searched.

use rayon::prelude::*;
use tilewright_core::{DType, Error, Result, Stream, Tensor};
use tilewright_kernels::elementwise::{Axpy, axpy};
use tilewright_kernels::search::{
    self, BLOCK, FlatScanTopk, HammingScanTopk, Metric, PqLut, PqScan, PqTrain, Rerank, SqEncode, SqRows,
    SqScan, block_codes, flat_scan_topk, hamming_scan_topk, pq_encode, pq_lut, pq_scan, pq_train,
    rabitq_encode, rerank, row_codes, sq_decode, sq_encode, sq_scan, sq_train,
};

use crate::recipe::{Codes, Recipe};
use crate::segment::{Order, Part, gathered};
use crate::snapshot::{Here, Query, Snapshot};

/// Rows that a thread takes at a time, at least.
const ROWS: usize = 4096;
/// Updates of codebooks in training.
const ITERATIONS: usize = 16;

/// The codes of a segment's rows, in their order.
#[derive(Clone)]
pub(crate) struct Coded {
    /// u8: `[blocks, bytes, 64]` of a product quantiser and of RaBitQ, `[n, bytes]` of others
    pub(crate) codes: Tensor,
    /// `[n]`, f32, by L2: |r|² + 2 y·r of each row, where y is its list's centroid and r what the code stands for, of a product quantiser of residuals; of RaBitQ |r|², where r is what
    /// was coded, and its factor times y·s.
    pub(crate) biases: Option<Tensor>,
    /// `[n]`, f32, of RaBitQ: what the inner product with the signs s is multiplied by.
    pub(crate) factors: Option<Tensor>,
}

/// Codes `[n, bytes]` row by row, and the numbers that they have, before they are put in the order of a segment.
pub(crate) struct Rows {
    codes: Vec<u8>,
    bytes: usize,
    biases: Option<Vec<f32>>,
    factors: Option<Vec<f32>>,
    in_blocks: bool,
}

impl Coded {
    /// Rows of several sources in the order in which a segment has them. Sources of one index all have such numbers, or none has.
    pub(crate) fn of(sources: &[Rows], order: &Order) -> Result<Self> {
        let (n, places) = (order.places.len(), &order.places[..]);
        let codes: Vec<&[u8]> = sources.iter().map(|rows| &rows.codes[..]).collect();
        let (bytes, in_blocks) = sources.first().map_or((0, false), |rows| (rows.bytes, rows.in_blocks));
        let codes = gathered(&codes, places, [n, bytes])?;
        let numbers = |of: fn(&Rows) -> Option<&[f32]>| {
            let own: Option<Vec<&[f32]>> = sources.iter().map(of).collect();
            own.filter(|own| !own.is_empty()).map(|own| gathered(&own, places, [n])).transpose()
        };
        Ok(Self {
            codes: if in_blocks { block_codes(&codes)? } else { codes },
            biases: numbers(|rows| rows.biases.as_deref())?,
            factors: numbers(|rows| rows.factors.as_deref())?,
        })
    }

    /// The codes of the rows of several parts, in this order.
    pub(crate) fn joined(parts: &[Part], order: &Order) -> Result<Option<Self>> {
        let rows = |part: &Part| -> Result<Option<Rows>> {
            let Some(own) = &part.segment.codes else { return Ok(None) };
            let numbers = |own: &Option<Tensor>| own.as_ref().map(Tensor::to_vec::<f32>).transpose();
            Ok(Some(Rows {
                codes: own.rows(part.segment.len())?.to_vec::<u8>()?,
                bytes: own.codes.dims()[1],
                biases: numbers(&own.biases)?,
                factors: numbers(&own.factors)?,
                in_blocks: own.is_in_blocks(),
            }))
        };
        let sources = parts.iter().map(rows).collect::<Result<Option<Vec<_>>>>()?;
        sources.filter(|sources| !sources.is_empty()).map(|sources| Self::of(&sources, order)).transpose()
    }

    fn is_in_blocks(&self) -> bool {
        self.codes.rank() == 3
    }

    /// The codes `[n, bytes]`, row by row.
    pub(crate) fn rows(&self, n: usize) -> Result<Tensor> {
        if self.is_in_blocks() { row_codes(&self.codes, n) } else { Ok(self.codes.clone()) }
    }

    /// The code of one row.
    fn row(&self, row: usize) -> Result<Vec<u8>> {
        let (bytes, codes) = (self.codes.dims()[1], self.codes.as_slice::<u8>()?);
        if !self.is_in_blocks() {
            return Ok(codes[row * bytes..(row + 1) * bytes].to_vec());
        }
        Ok((0..bytes).map(|i| codes[(row / BLOCK * bytes + i) * BLOCK + row % BLOCK]).collect())
    }

    pub(crate) fn bytes(&self) -> usize {
        let numbers = [&self.biases, &self.factors].into_iter().flatten();
        self.codes.bytes() + numbers.map(Tensor::bytes).sum::<usize>()
    }
}

/// Refuses codes that vectors of length `d` do not have, and distances that they do not give.
pub(crate) fn check(codes: Codes, d: usize, metric: Metric) -> Result<()> {
    match codes {
        Codes::Product { m, .. } => {
            if !d.is_multiple_of(m) {
                return Err(Error::range("index", "recipe", format!("PQ of parts that divide {d}"), m));
            }
            if metric == Metric::Cosine {
                let expected = "l2 or ip, which are sums over the parts of a code";
                return Err(Error::range("index", "metric", expected, metric));
            }
        }
        Codes::Scalar { .. } => {}
        Codes::Rabitq => {
            if !d.is_multiple_of(8) {
                let expected = "RaBitQ of vectors whose length is a multiple of 8, for whole bytes of bits";
                return Err(Error::range("index", "recipe", expected, d));
            }
            if metric == Metric::Cosine {
                return Err(Error::range("index", "metric", "l2 or ip, which RaBitQ estimates", metric));
            }
        }
        Codes::Bits => {
            if !d.is_multiple_of(8) {
                return Err(Error::range("index", "d", "a multiple of 8, for whole bytes of bits", d));
            }
            if metric != Metric::L2 {
                let expected = "l2, which of bits is the number of those that differ";
                return Err(Error::range("index", "metric", expected, metric));
            }
        }
    }
    Ok(())
}

/// The bytes of the code of a vector of length `d`.
pub(crate) fn code_bytes(codes: Codes, d: usize) -> usize {
    match codes {
        Codes::Product { m, bits, .. } => (m * bits).div_ceil(8),
        Codes::Scalar { bits } => (d * bits).div_ceil(8),
        Codes::Rabitq | Codes::Bits => d / 8,
    }
}

/// The shape in which the codes of `n` rows lie.
pub(crate) fn code_shape(codes: Codes, d: usize, n: usize) -> Vec<usize> {
    match codes {
        Codes::Product { .. } | Codes::Rabitq => vec![n.div_ceil(BLOCK), code_bytes(codes, d), BLOCK],
        Codes::Scalar { .. } | Codes::Bits => vec![n, code_bytes(codes, d)],
    }
}

/// The shape of what training learns of codes: the codebooks of a product quantiser, the ranges of a scalar one, the mean that RaBitQ without lists takes off.
pub(crate) fn learnt_shape(recipe: &Recipe, d: usize) -> Option<Vec<usize>> {
    match recipe.codes()? {
        Codes::Product { m, bits, .. } => Some(vec![m, 1 << bits, d / m]),
        Codes::Scalar { .. } => Some(vec![2, d]),
        Codes::Rabitq => (!recipe.has_lists()).then(|| vec![d]),
        Codes::Bits => None,
    }
}

/// Whether rows have biases.
pub(crate) fn is_biased(codes: Codes, metric: Metric) -> bool {
    matches!(codes, Codes::Product { residual: true, .. } | Codes::Rabitq) && metric == Metric::L2
}

/// The words whose training needs the most vectors.
pub(crate) fn words(codes: Codes) -> usize {
    match codes {
        Codes::Product { bits, .. } | Codes::Scalar { bits } => 1 << bits,
        Codes::Rabitq => 256,
        Codes::Bits => 0,
    }
}

/// What is learnt of vectors.
pub(crate) fn train(recipe: &Recipe, codes: Codes, vectors: &Tensor) -> Result<Option<Tensor>> {
    let cpu = Stream::cpu();
    match codes {
        Codes::Rabitq if recipe.has_lists() => Ok(None),
        Codes::Rabitq => {
            let (n, d) = (vectors.dims()[0], vectors.dims()[1]);
            let mut mean = vec![0.0f64; d];
            for row in vectors.as_slice::<f32>()?.chunks_exact(d) {
                mean.iter_mut().zip(row).for_each(|(mean, &x)| *mean += f64::from(x));
            }
            mean.iter_mut().for_each(|mean| *mean /= n.max(1) as f64);
            Tensor::from_f64(&mean, DType::F32, [d]).map(Some)
        }
        Codes::Product { m, bits, .. } => {
            let args = PqTrain { m, bits, iterations: ITERATIONS, ..PqTrain::default() };
            pq_train(&cpu, vectors, None, &args).map(Some)
        }
        Codes::Scalar { .. } => sq_train(&cpu, vectors).map(Some),
        Codes::Bits => Ok(None),
    }
}

fn codebooks<'a>(index: &'a Snapshot, operation: &'static str) -> Result<&'a Tensor> {
    let why = || Error::layout(operation, "index", format!("{} has to be trained first", index.recipe));
    index.codebooks.as_ref().ok_or_else(why)
}

/// What the rows of each list are coded without, where anything is taken off: its centroid, or RaBitQ's mean.
fn taken_off<'a>(index: &'a Snapshot, operation: &'static str) -> Result<Option<&'a [f32]>> {
    if index.recipe.is_residual() {
        return Ok(Some(index.trained(operation)?.as_slice::<f32>()?));
    }
    match index.recipe.codes() {
        Some(Codes::Rabitq) => Ok(Some(codebooks(index, operation)?.as_slice::<f32>()?)),
        _ => Ok(None),
    }
}

/// What is coded of rows: what is left after their lists' centroids, or they themselves.
pub(crate) fn residuals(index: &Snapshot, rows: &[f32], labels: &[u32]) -> Result<Vec<f32>> {
    let mut left = rows.to_vec();
    // What RaBitQ takes off is learnt from vectors themselves.
    let centers =
        if index.recipe.has_lists() || index.codebooks.is_some() { taken_off(index, "add")? } else { None };
    if let Some(centers) = centers {
        left.par_chunks_exact_mut(index.d).zip(labels).with_min_len(ROWS).for_each(|(row, &list)| {
            let center = &centers[list as usize * index.d..][..index.d];
            row.iter_mut().zip(center).for_each(|(x, y)| *x -= y);
        });
    }
    Ok(left)
}

/// The codes of vectors. Words of product codes are found on the stream's device.
pub(crate) fn encode(index: &Snapshot, stream: &Stream, vectors: &Tensor, labels: &[u32]) -> Result<Rows> {
    let own = index.recipe.codes().expect("an index by codes");
    if own == Codes::Bits {
        return of_rows(index, vectors.to_vec()?, labels);
    }
    if learnt_shape(&index.recipe, index.d).is_some() {
        codebooks(index, "add")?;
    }
    let left = residuals(index, vectors.as_slice()?, labels)?;
    let left = Tensor::from_vec(left, [labels.len(), index.d])?;
    let codes = match own {
        Codes::Rabitq => return of_signs(index, &left, labels),
        Codes::Scalar { bits } => {
            sq_encode(&Stream::cpu(), &left, codebooks(index, "add")?, &SqEncode { bits })?
        }
        _ => {
            let (left, words) = (left.to(stream)?, codebooks(index, "add")?.to(stream)?);
            pq_encode(stream, &left, &words)?
        }
    };
    of_rows(index, codes.to_vec()?, labels)
}

/// RaBitQ's codes of what is left of vectors.
fn of_signs(index: &Snapshot, left: &Tensor, labels: &[u32]) -> Result<Rows> {
    let (codes, squares, factors) = rabitq_encode(&Stream::cpu(), left)?;
    let (codes, bytes, d) = (codes.as_slice::<u8>()?, index.d / 8, index.d);
    let mut factors = factors.to_vec::<f32>()?;
    let mut biases = None;
    if index.metric == Metric::L2 {
        // |q - y - r|² is about |q - y|² + |r|² - f s·(q - y): what is left of y is the row's own.
        let (centers, mut own) =
            (taken_off(index, "add")?.expect("RaBitQ takes something off"), squares.to_vec::<f32>()?);
        let rows = own.par_iter_mut().zip(&factors).enumerate().with_min_len(ROWS);
        rows.for_each(|(row, (own, &factor))| {
            let (code, center) = (&codes[row * bytes..], &centers[labels[row] as usize * d..][..d]);
            let product: f64 = center.iter().enumerate().map(|(j, &y)| sign(code, j) * f64::from(y)).sum();
            *own = (f64::from(*own) + f64::from(factor) * product) as f32;
        });
        biases = Some(own);
    } else {
        // q·r is about half of it.
        factors.iter_mut().for_each(|factor| *factor /= 2.0);
    }
    Ok(Rows { codes: codes.to_vec(), bytes, biases, factors: Some(factors), in_blocks: true })
}

/// 1 or -1, as bit `j` of a code says.
fn sign(code: &[u8], j: usize) -> f64 {
    if code[j / 8] >> (j % 8) & 1 == 1 { 1.0 } else { -1.0 }
}

/// The patterns of signs of four elements `[d / 4, 16, 4]`, as codebooks of a product quantiser.
fn patterns(d: usize) -> Result<Tensor> {
    let word = (0..16u8).flat_map(|word| (0..4).map(move |j| sign(&[word], j) as f32));
    Tensor::from_vec(word.collect::<Vec<_>>().repeat(d / 4), [d / 4, 16, 4])
}

/// Codes `[n, bytes]` with the biases that they have. RaBitQ's, which are more than codes, are made by [`encode`] alone.
pub(crate) fn of_rows(index: &Snapshot, rows: Vec<u8>, labels: &[u32]) -> Result<Rows> {
    let own = index.recipe.codes().expect("an index by codes");
    let (bytes, in_blocks) = (code_bytes(own, index.d), matches!(own, Codes::Product { .. }));
    let biases = match own {
        Codes::Product { m, bits, .. } if is_biased(own, index.metric) => {
            Some(biases(index, m, bits, &rows, labels)?)
        }
        _ => None,
    };
    Ok(Rows { codes: rows, bytes, biases, factors: None, in_blocks })
}

/// |r|² + 2 y·r for each row.
fn biases(index: &Snapshot, m: usize, bits: usize, rows: &[u8], labels: &[u32]) -> Result<Vec<f32>> {
    let (codebooks, centroids) = (codebooks(index, "add")?.as_slice::<f32>()?, index.trained("add")?);
    let (centroids, part) = (centroids.as_slice::<f32>()?, index.d / m);
    let of_row = |(code, &list): (&[u8], &u32)| {
        let centroid = &centroids[list as usize * index.d..][..index.d];
        let mut sum = 0.0f64;
        for (j, y) in centroid.chunks_exact(part).enumerate() {
            let word = &codebooks[(j << bits | word(bits, code, j)) * part..][..part];
            let term = |(&r, &y): (&f32, &f32)| f64::from(r) * (f64::from(r) + 2.0 * f64::from(y));
            sum += word.iter().zip(y).map(term).sum::<f64>();
        }
        sum as f32
    };
    Ok(rows.par_chunks_exact((m * bits).div_ceil(8)).zip(labels).with_min_len(ROWS).map(of_row).collect())
}

/// The word of part `j`: of two in a byte the first is in the low bits.
pub(crate) fn word(bits: usize, code: &[u8], j: usize) -> usize {
    usize::from(if bits == 4 { code[j / 2] >> (j % 2 * 4) & 15 } else { code[j] })
}

/// What the code of a row stands for, as vectors are turned; bits as zeros and ones.
pub(crate) fn decoded(index: &Snapshot, part: &Part, row: usize) -> Result<Vec<f32>> {
    let own = part.segment.codes.as_ref().expect("an index by codes");
    let code = own.row(row)?;
    let mut vector: Vec<f32> = match index.recipe.codes().expect("an index by codes") {
        Codes::Product { m, bits, .. } => {
            let (codebooks, width) = (codebooks(index, "reconstruct")?.as_slice::<f32>()?, index.d / m);
            let word = |j| &codebooks[(j << bits | word(bits, &code, j)) * width..][..width];
            (0..m).flat_map(word).copied().collect()
        }
        Codes::Scalar { bits } => {
            let bytes = code.len();
            let code = Tensor::from_vec(code, [1, bytes])?;
            sq_decode(&code, codebooks(index, "reconstruct")?, bits)?.to_vec::<f32>()?
        }
        Codes::Rabitq => {
            let factors = own.factors.as_ref().expect("RaBitQ's rows have factors").as_slice::<f32>()?;
            let half = if index.metric == Metric::L2 { 0.5 } else { 1.0 } * f64::from(factors[row]);
            (0..index.d).map(|j| (half * sign(&code, j)) as f32).collect()
        }
        Codes::Bits => (0..index.d).map(|j| f32::from(code[j / 8] >> (j % 8) & 1)).collect(),
    };
    if let Some(centers) = taken_off(index, "reconstruct")? {
        let list =
            part.segment.offsets.as_slice::<u32>()?.partition_point(|&start| start as usize <= row) - 1;
        vector.iter_mut().zip(&centers[list * index.d..]).for_each(|(x, y)| *x += y);
    }
    Ok(vector)
}

/// What a search has of its queries before it looks at rows.
pub(crate) struct Plan<'a> {
    stream: Stream,
    recipe: Recipe,
    metric: Metric,
    /// `[b, d]`, as they were given
    given: &'a Tensor,
    /// `[b, width]`, as the index's own are
    queries: &'a Tensor,
    /// `[b, nprobe]`
    probes: Tensor,
    own: Own<'a>,
}

/// What depends on the codes.
#[expect(clippy::large_enum_variant, reason = "a search has one")]
enum Own<'a> {
    Product {
        /// `[b, m, words]`
        tables: Tensor,
        /// `[b, nprobe]`
        bases: Option<Tensor>,
    },
    Scalar {
        bits: usize,
        /// `[2, d]`
        ranges: &'a Tensor,
        /// `[nlist, d]`
        centroids: Option<&'a Tensor>,
    },
    Bits,
}

impl<'a> Plan<'a> {
    /// `given`, what it is turned to, and `probes`, the distances of the nearest centroids and their lists where there are any, lie where the search runs.
    pub(crate) fn new(
        index: &'a Snapshot,
        given: &'a Tensor,
        queries: &'a Tensor,
        probes: Option<&(Tensor, Tensor)>,
    ) -> Result<Self> {
        let (stream, metric, recipe) = (index.stream(), index.metric, index.recipe);
        let own = recipe.codes().expect("an index by codes");
        let learnt = || index.codebooks_here().ok_or(()).or_else(|()| codebooks(index, "search"));
        let own = match own {
            Codes::Product { .. } => {
                // Of residuals by L2 the distance is |q - y|² + (|r|² + 2 y·r) - 2 q·r: tables of the inner product with queries twice as long.
                let tables = if is_biased(own, metric) {
                    let twice = axpy(&stream, queries, queries, &Axpy::default())?;
                    pq_lut(&stream, &twice, learnt()?, &PqLut { metric: Metric::InnerProduct })?
                } else {
                    pq_lut(&stream, queries, learnt()?, &PqLut { metric })?
                };
                let bases = probes.filter(|_| recipe.is_residual()).map(|(distances, _)| distances.clone());
                Own::Product { tables, bases }
            }
            Codes::Rabitq => {
                let signs = patterns(index.d)?.to(&stream)?;
                let tables = pq_lut(&stream, queries, &signs, &PqLut { metric: Metric::InnerProduct })?;
                let bases = match probes {
                    Some((distances, _)) => distances.clone(),
                    // The one list of all has the mean for a centroid.
                    None => {
                        let mean = learnt()?.reshape([1, index.d])?;
                        let args = FlatScanTopk { k: 1, metric };
                        flat_scan_topk(&stream, queries, &mean, None, None, &args)?.0
                    }
                };
                Own::Product { tables, bases: Some(bases) }
            }
            Codes::Scalar { bits } => {
                let centroids = recipe.is_residual().then(|| index.centroids_here("search")).transpose()?;
                Own::Scalar { bits, ranges: learnt()?, centroids }
            }
            Codes::Bits => Own::Bits,
        };
        let b = queries.dims()[0];
        let probes = match probes {
            Some((_, lists)) => lists.clone(),
            None => Tensor::from_vec(vec![0i64; b], [b, 1])?.to(&stream)?,
        };
        Ok(Self { stream, recipe, metric, given, queries, probes, own })
    }

    /// The nearest rows of a part, which lie `here`.
    pub(crate) fn search(
        &self,
        here: &Here,
        keep: Option<Tensor>,
        query: &Query,
    ) -> Result<(Tensor, Tensor)> {
        let (stream, refine, rows) = (&self.stream, self.recipe.is_refined(), here.ids.elements());
        let coded = here.codes.expect("an index by codes");
        let ids = Some(here.ids).filter(|_| !refine);
        let times = if refine { query.refine.max(1) } else { 1 };
        let k = query.k.saturating_mul(times).min(rows.max(query.k));
        let found = match &self.own {
            Own::Product { tables, bases } => {
                // A scan by places has a bit for each place of the last block.
                let whole = |keep: Tensor| -> Result<Tensor> {
                    let mut bits = keep.to_vec::<u8>()?;
                    bits.resize(rows.div_ceil(BLOCK) * (BLOCK / 8), 0);
                    let bytes = bits.len();
                    Tensor::from_vec(bits, [bytes])?.to(stream)
                };
                let keep = keep.map(whole).transpose()?;
                let Coded { codes, biases, factors } = coded;
                let (offsets, biases, factors) = (here.offsets, biases.as_ref(), factors.as_ref());
                let rows = search::Coded { codes, offsets, biases, factors, ids, keep: keep.as_ref() };
                pq_scan(stream, tables, &rows, &self.probes, bases.as_ref(), &PqScan { k })?
            }
            &Own::Scalar { bits, ranges, centroids } => {
                let keep = keep.map(|keep| keep.to(stream)).transpose()?;
                let (codes, offsets) = (&coded.codes, here.offsets);
                let rows = SqRows { codes, ranges, offsets, centroids, ids, keep: keep.as_ref() };
                let args = SqScan { k, metric: self.metric, bits };
                sq_scan(stream, self.queries, &rows, &self.probes, &args)?
            }
            Own::Bits => {
                let keep = keep.map(|keep| keep.to(stream)).transpose()?;
                let args = HammingScanTopk { k };
                hamming_scan_topk(stream, self.queries, &coded.codes, ids, keep.as_ref(), &args)?
            }
        };
        if !refine {
            return Ok(found);
        }
        let args = Rerank { k: query.k, metric: self.metric };
        rerank(stream, self.given, here.data, &found.1, Some(here.ids), &args)
    }
}
