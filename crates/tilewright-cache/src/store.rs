//! The tensors of a layer's cache, and the copies that a manager asks for.

use std::ops::Range;

use tilewright_core::{DType, Error, Result, Stream, Tensor};
use tilewright_kernels::attention::Paged;
use tilewright_kernels::cache::{KvGather, Layout, kv_append, kv_append_quantized, kv_gather};
use tilewright_kernels::pack::{Quantize, Quantized};

use crate::Copy;

/// Keys `[blocks, block, kvh, d]` and values `[blocks, block, kvh, dv]` of one layer, on a device or on the host: as they come, or quantised.
#[derive(Debug)]
pub struct KvStore {
    held: Held,
}

#[derive(Debug)]
enum Held {
    Plain(Box<[Tensor; 2]>),
    Quantized(Box<[Quantized; 2]>),
}

impl KvStore {
    /// Zeros where the stream is.
    pub fn new(
        stream: &Stream,
        dtype: DType,
        [blocks, block, heads, d]: [usize; 4],
        dv: usize,
    ) -> Result<Self> {
        let zeros = |d: usize| Tensor::zeros(dtype, [blocks, block, heads, d])?.to(stream);
        // Of one block each at least: both are written, so neither may share the other's memory.
        Ok(KvStore { held: Held::Plain(Box::new([zeros(d)?, zeros(dv)?])) })
    }

    /// Zeros where the stream is, of small numbers: keys and values each in a format of their own.
    pub fn quantized(
        stream: &Stream,
        [blocks, block, heads, d]: [usize; 4],
        dv: usize,
        [keys, values]: [&Quantize; 2],
    ) -> Result<Self> {
        let zeros = |d: usize, args| Quantized::zeros(stream, &[blocks, block, heads, d], args);
        Ok(KvStore { held: Held::Quantized(Box::new([zeros(d, keys)?, zeros(dv, values)?])) })
    }

    /// The keys, as [`attention_decode`](tilewright_kernels::attention::attention_decode()) takes them.
    pub fn keys(&self) -> Paged<'_> {
        self.part(0)
    }

    /// The values.
    pub fn values(&self) -> Paged<'_> {
        self.part(1)
    }

    fn part(&self, which: usize) -> Paged<'_> {
        match &self.held {
            Held::Plain(parts) => Paged::Plain(&parts[which]),
            Held::Quantized(parts) => Paged::Quantized(&parts[which]),
        }
    }

    /// Writes `k [t, kvh, d]` and `v [t, kvh, dv]` to these slots; a negative one is left out.
    pub fn append(&mut self, stream: &Stream, k: &Tensor, v: &Tensor, slots: &[i64]) -> Result<()> {
        let slots = Tensor::from_slice(slots, [slots.len()])?.to(stream)?;
        match &mut self.held {
            Held::Plain(parts) => {
                let [keys, values] = &mut **parts;
                kv_append(stream, k, v, &slots, keys, values)
            }
            Held::Quantized(parts) => {
                let [keys, values] = &mut **parts;
                kv_append_quantized(stream, k, v, &slots, keys, values)
            }
        }
    }

    /// Copies whole blocks within the store. All are read before any is written.
    pub fn copy(&mut self, stream: &Stream, copies: &[Copy]) -> Result<()> {
        let rows = self.read(stream, copies)?;
        self.write(stream, copies, rows)
    }

    /// Copies whole blocks of another store of the same kind, on another device perhaps, into this one: what
    /// [`Manager::swap_out`](crate::Manager::swap_out) and [`Manager::swap_in`](crate::Manager::swap_in) ask for.
    pub fn copy_from(&mut self, stream: &Stream, from: (&KvStore, &Stream), copies: &[Copy]) -> Result<()> {
        let rows = from.0.read(from.1, copies)?;
        from.1.synchronize()?;
        let moved = rows.into_iter().map(|rows| rows.to_host()?.to(stream)).collect::<Result<_>>()?;
        self.write(stream, copies, moved)
    }

    /// Bytes of all tensors.
    pub fn bytes(&self) -> usize {
        self.parts().iter().map(|part| part.bytes()).sum()
    }

    /// All tensors, in pairs that are moved together.
    fn parts(&self) -> Vec<&Tensor> {
        match &self.held {
            Held::Plain(parts) => parts.iter().collect(),
            Held::Quantized(parts) => parts.iter().flat_map(|part| [part.values(), part.scales()]).collect(),
        }
    }

    /// The blocks that are copied of each tensor, as rows of tokens.
    fn read(&self, stream: &Stream, copies: &[Copy]) -> Result<Vec<Tensor>> {
        let parts = self.parts();
        let (blocks, block) = (parts[0].dims()[0], parts[0].dims()[1]);
        if let Some(copy) = copies.iter().find(|copy| copy.from as usize >= blocks) {
            return Err(Error::range("cache store", "from", format!("below {blocks}"), copy.from));
        }
        let table = copies.iter().map(|copy| copy.from as i32).collect();
        let table = Tensor::from_vec::<i32>(table, [copies.len(), 1])?.to(stream)?;
        let lengths = Tensor::from_vec(vec![block as i32; copies.len()], [copies.len()])?.to(stream)?;
        let args = KvGather { tokens: block, layout: Layout::Nhd };
        let rows = |cache: &&Tensor| {
            let [_, _, heads, d] = *cache.dims() else { unreachable!("a cache has four axes") };
            kv_gather(stream, cache, &table, &lengths, &args)?.reshape([copies.len() * block, heads, d])
        };
        parts.iter().map(rows).collect()
    }

    fn write(&mut self, stream: &Stream, copies: &[Copy], rows: Vec<Tensor>) -> Result<()> {
        let block = self.parts()[0].dims()[1] as i64;
        let first = copies.iter().map(|copy| i64::from(copy.to) * block);
        self.put(stream, rows, first.flat_map(|first| first..first + block))
    }

    /// Tokens of one block of each tensor, where they lie.
    pub(crate) fn stretch(&self, block: usize, tokens: Range<usize>) -> Result<Vec<Tensor>> {
        let part = |part: &Tensor| part.select(0, block)?.slice(0, tokens.clone());
        self.parts().into_iter().map(part).collect()
    }

    /// Writes rows of tokens of each tensor to these slots.
    pub(crate) fn put(
        &mut self,
        stream: &Stream,
        rows: Vec<Tensor>,
        slots: impl Iterator<Item = i64>,
    ) -> Result<()> {
        let slots: Vec<i64> = slots.collect();
        let slots = Tensor::from_slice(&slots, [slots.len()])?.to(stream)?;
        let pairs: Vec<[&mut Tensor; 2]> = match &mut self.held {
            Held::Plain(parts) => vec![parts.each_mut()],
            Held::Quantized(parts) => parts.iter_mut().map(Quantized::parts_mut).collect(),
        };
        if rows.len() != 2 * pairs.len() {
            return Err(Error::layout("cache store", "from", "is of another kind"));
        }
        for ([first, second], rows) in pairs.into_iter().zip(rows.chunks_exact(2)) {
            kv_append(stream, &rows[0], &rows[1], &slots, first, second)?;
        }
        Ok(())
    }
}
