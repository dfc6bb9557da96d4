//! The tensors of a layer's cache, and the copies that a manager asks for.

use tilewright_core::{DType, Error, Result, Stream, Tensor};
use tilewright_kernels::cache::{KvGather, Layout, kv_append, kv_gather};

use crate::Copy;

/// Keys `[blocks, block, kvh, d]` and values `[blocks, block, kvh, dv]` of one layer, on a device or on the host.
#[derive(Debug)]
pub struct KvStore {
    keys: Tensor,
    values: Tensor,
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
        Ok(KvStore { keys: zeros(d)?, values: zeros(dv)? })
    }

    /// The keys.
    pub fn keys(&self) -> &Tensor {
        &self.keys
    }

    /// The values.
    pub fn values(&self) -> &Tensor {
        &self.values
    }

    /// Writes `k [t, kvh, d]` and `v [t, kvh, dv]` to these slots; a negative one is left out.
    pub fn append(&mut self, stream: &Stream, k: &Tensor, v: &Tensor, slots: &[i64]) -> Result<()> {
        let slots = Tensor::from_slice(slots, [slots.len()])?.to(stream)?;
        kv_append(stream, k, v, &slots, &mut self.keys, &mut self.values)
    }

    /// Copies whole blocks within the store. All are read before any is written.
    pub fn copy(&mut self, stream: &Stream, copies: &[Copy]) -> Result<()> {
        let [k, v] = self.read(stream, copies)?;
        self.write(stream, copies, [k, v])
    }

    /// Copies whole blocks of another store, on another device perhaps, into this one: what [`Manager::swap_out`](crate::Manager::swap_out) and
    /// [`Manager::swap_in`](crate::Manager::swap_in) ask for.
    pub fn copy_from(&mut self, stream: &Stream, from: (&KvStore, &Stream), copies: &[Copy]) -> Result<()> {
        let [k, v] = from.0.read(from.1, copies)?;
        from.1.synchronize()?;
        self.write(stream, copies, [k.to_host()?.to(stream)?, v.to_host()?.to(stream)?])
    }

    /// Bytes of both tensors.
    pub fn bytes(&self) -> usize {
        self.keys.bytes() + self.values.bytes()
    }

    fn block(&self) -> usize {
        self.keys.dims()[1]
    }

    /// The blocks that are copied, as rows of tokens.
    fn read(&self, stream: &Stream, copies: &[Copy]) -> Result<[Tensor; 2]> {
        let block = self.block();
        if let Some(copy) = copies.iter().find(|copy| copy.from as usize >= self.keys.dims()[0]) {
            return Err(Error::range(
                "cache store",
                "from",
                format!("below {}", self.keys.dims()[0]),
                copy.from,
            ));
        }
        let table = copies.iter().map(|copy| copy.from as i32).collect();
        let table = Tensor::from_vec::<i32>(table, [copies.len(), 1])?.to(stream)?;
        let lengths = Tensor::from_vec(vec![block as i32; copies.len()], [copies.len()])?.to(stream)?;
        let args = KvGather { tokens: block, layout: Layout::Nhd };
        let rows = |cache: &Tensor| {
            let [_, _, heads, d] = *cache.dims() else { unreachable!("a cache has four axes") };
            kv_gather(stream, cache, &table, &lengths, &args)?.reshape([copies.len() * block, heads, d])
        };
        Ok([rows(&self.keys)?, rows(&self.values)?])
    }

    fn write(&mut self, stream: &Stream, copies: &[Copy], [k, v]: [Tensor; 2]) -> Result<()> {
        let block = self.block() as i64;
        let first = copies.iter().map(|copy| i64::from(copy.to) * block);
        let slots: Vec<i64> = first.flat_map(|first| first..first + block).collect();
        self.append(stream, &k, &v, &slots)
    }
}
