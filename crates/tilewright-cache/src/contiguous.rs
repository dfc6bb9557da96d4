//! Keys and values of a batch of sequences, one stretch of memory for each of them: growing, or turning round in a window.

use tilewright_core::{DType, Error, Result, Stream, Tensor};
use tilewright_kernels::attention::Paged;
use tilewright_kernels::cache::{KvGather, KvGatherQuantized, Layout, kv_gather, kv_gather_quantized};
use tilewright_kernels::elementwise::{CopyTo, copy};
use tilewright_kernels::pack::Quantize;

use crate::KvStore;

const NAME: &str = "kv cache";

/// The tokens that a cache keeps when it may keep no more of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    /// How many in all.
    pub size: usize,
    /// How many of them are the first ones, which stay; the others are the last ones. Below `size`.
    pub keep: usize,
}

/// What a [`KvCache`] holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KvCacheArgs {
    /// Heads of keys and values.
    pub heads: usize,
    /// Elements of a key's head.
    pub d: usize,
    /// Elements of a value's head.
    pub dv: usize,
    /// Keys and values as they come, in this dtype; `None` with `quantized`.
    pub dtype: Option<DType>,
    /// The formats of keys and of values as small numbers.
    pub quantized: Option<[Quantize; 2]>,
    /// What is kept at most; `None`: everything.
    pub window: Option<Window>,
    /// Tokens by which the memory of each sequence grows, at least; by half of what there is if that is more, so that a token is copied three times at most, on average.
    pub step: usize,
}

impl KvCacheArgs {
    /// Of f32, without a window, growing by 256 tokens.
    pub fn new(heads: usize, d: usize, dv: usize) -> Self {
        KvCacheArgs { heads, d, dv, dtype: Some(DType::F32), quantized: None, window: None, step: 256 }
    }
}

/// Keys and values of one layer for `b` sequences, whose lengths may differ. Tokens are written in place; memory is asked for only when a sequence outgrows
/// its stretch, and never where there is a window, which is whole from the start.
///
/// As a paged cache it has one block for each sequence: [`keys`](Self::keys), [`values`](Self::values) and [`batch`](Self::batch) are what
/// [`attention_decode`](tilewright_kernels::attention::attention_decode()) takes. In a window tokens lie in no order once it is full, which attention does not mind
/// as long as positions are in the keys; a prompt's own queries have to be answered before it is appended, as what they see may be written over.
///
/// ```
/// use tilewright_cache::{KvCache, KvCacheArgs, Window};
/// use tilewright_core::{Stream, Tensor};
/// use tilewright_kernels::cache::Layout;
///
/// let cpu = Stream::cpu();
/// let args = KvCacheArgs { window: Some(Window { size: 3, keep: 1 }), ..KvCacheArgs::new(1, 1, 1) };
/// let mut cache = KvCache::new(&cpu, 1, args)?;
/// let tokens = Tensor::from_vec(vec![0.0f32, 1.0, 2.0, 3.0, 4.0], [1, 5, 1, 1])?;
/// cache.append(&cpu, &tokens, &tokens)?;
/// let [keys, _] = cache.read(&cpu, Layout::Nhd)?;
/// assert_eq!(keys.to_vec::<f32>()?, [0.0, 3.0, 4.0]);
/// # Ok::<(), tilewright_core::Error>(())
/// ```
#[derive(Debug)]
pub struct KvCache {
    args: KvCacheArgs,
    store: KvStore,
    /// Tokens that each stretch has room for.
    capacity: usize,
    /// Tokens that each sequence was given, those that left a window among them.
    given: Vec<usize>,
}

impl KvCache {
    /// Of `b` sequences without tokens. Fails on extents of 0, a window that keeps all its tokens, or both or neither of a dtype and formats.
    pub fn new(stream: &Stream, b: usize, args: KvCacheArgs) -> Result<Self> {
        for (name, value) in
            [("b", b), ("heads", args.heads), ("d", args.d), ("dv", args.dv), ("step", args.step)]
        {
            if value == 0 {
                return Err(Error::range(NAME, name, "at least 1", 0));
            }
        }
        if let Some(Window { size, keep }) = args.window
            && keep >= size
        {
            return Err(Error::range(NAME, "keep", format!("below the window's size, {size}"), keep));
        }
        let capacity = args.window.map_or(args.step, |window| window.size);
        Ok(KvCache { store: Self::room(stream, b, capacity, &args)?, args, capacity, given: vec![0; b] })
    }

    fn room(stream: &Stream, b: usize, capacity: usize, args: &KvCacheArgs) -> Result<KvStore> {
        let extents = [b, capacity, args.heads, args.d];
        match (args.dtype, &args.quantized) {
            (Some(dtype), None) => KvStore::new(stream, dtype, extents, args.dv),
            (None, Some([keys, values])) => KvStore::quantized(stream, extents, args.dv, [keys, values]),
            _ => Err(Error::range(NAME, "dtype", "either it or quantized", "both or neither")),
        }
    }

    /// Appends `k [b, t, heads, d]` and `v [b, t, heads, dv]`, t tokens to each sequence.
    pub fn append(&mut self, stream: &Stream, k: &Tensor, v: &Tensor) -> Result<()> {
        let KvCacheArgs { heads, d, dv, .. } = self.args;
        let b = self.given.len();
        let t = if k.rank() == 4 { k.dims()[1] } else { 0 };
        for (name, tensor, d) in [("k", k, d), ("v", v, dv)] {
            if tensor.dims() != [b, t, heads, d] {
                return Err(Error::shape(NAME, name, format!("[{b}, t, {heads}, {d}]"), tensor.shape()));
            }
        }
        self.reserve(stream, t)?;
        let mut slots = Vec::with_capacity(b * t);
        for (row, &given) in self.given.iter().enumerate() {
            // Of tokens that would lie in one place only the last is written.
            let slot = |at: usize| match self.survives(at, given + t) {
                true => (row * self.capacity + self.place(at)) as i64,
                false => -1,
            };
            slots.extend((given..given + t).map(slot));
        }
        let flat = |x: &Tensor, d: usize| {
            let rows = [b * t, heads, d];
            if x.is_contiguous() {
                x.reshape(rows)
            } else {
                copy(stream, x, &CopyTo::default())?.reshape(rows)
            }
        };
        let (k, v) = (flat(k, d)?, flat(v, dv)?);
        self.store.append(stream, &k, &v, &slots)?;
        self.given.iter_mut().for_each(|given| *given += t);
        Ok(())
    }

    /// Where a sequence's token lies in its stretch.
    fn place(&self, at: usize) -> usize {
        match self.args.window {
            Some(Window { size, keep }) if at >= size => keep + (at - keep) % (size - keep),
            _ => at,
        }
    }

    /// Whether a token is still there when `given` have come.
    fn survives(&self, at: usize, given: usize) -> bool {
        self.args
            .window
            .is_none_or(|Window { size, keep }| at < keep || at + (size - keep) >= given || given <= size)
    }

    /// Makes room for so many more tokens of each sequence, so that appending them asks for no memory.
    pub fn reserve(&mut self, stream: &Stream, tokens: usize) -> Result<()> {
        let longest = self.given.iter().max().copied().unwrap_or(0);
        let needed =
            longest.checked_add(tokens).ok_or_else(|| Error::range(NAME, "t", "a length", tokens))?;
        if self.args.window.is_some() || needed <= self.capacity {
            return Ok(());
        }
        let capacity = needed.max(self.capacity + self.capacity / 2).next_multiple_of(self.args.step);
        let rows: Vec<_> = self.rows().collect();
        *self = Self::gathered(stream, self.args, capacity, &rows)?;
        Ok(())
    }

    /// All sequences.
    fn rows(&self) -> impl Iterator<Item = (&KvCache, usize)> {
        (0..self.given.len()).map(move |row| (self, row))
    }

    /// These sequences of caches of one kind, copied.
    fn gathered(
        stream: &Stream,
        args: KvCacheArgs,
        capacity: usize,
        rows: &[(&KvCache, usize)],
    ) -> Result<Self> {
        let mut store = Self::room(stream, rows.len(), capacity, &args)?;
        let mut all = Vec::with_capacity(rows.len());
        for (to, &(cache, row)) in rows.iter().enumerate() {
            let held = 0..cache.held(row);
            let first = (to * capacity) as i64;
            store.put(stream, cache.store.stretch(row, held.clone())?, first..first + held.len() as i64)?;
            all.push(cache.given[row]);
        }
        Ok(KvCache { args, store, capacity, given: all })
    }

    /// Tokens of a sequence that are there.
    fn held(&self, row: usize) -> usize {
        self.given[row].min(self.args.window.map_or(usize::MAX, |window| window.size))
    }

    /// How many tokens of each sequence are there.
    pub fn lengths(&self) -> Vec<usize> {
        (0..self.given.len()).map(|row| self.held(row)).collect()
    }

    /// How many tokens each sequence was given: the next one's position.
    pub fn positions(&self) -> &[usize] {
        &self.given
    }

    /// Tokens of each sequence that fit without more memory.
    pub fn capacity(&self) -> usize {
        self.capacity
    }

    /// Bytes of all tensors.
    pub fn bytes(&self) -> usize {
        self.store.bytes()
    }

    /// The keys: a block for each sequence.
    pub fn keys(&self) -> Paged<'_> {
        self.store.keys()
    }

    /// The values.
    pub fn values(&self) -> Paged<'_> {
        self.store.values()
    }

    /// The table `[b, 1]` and the lengths `[b]` of all sequences, where the stream is.
    pub fn batch(&self, stream: &Stream) -> Result<(Tensor, Tensor)> {
        tables(stream, &self.lengths())
    }

    /// Keys and values where they lie, `[b, t, heads, d]` and `[b, t, heads, dv]` of the longest sequence's t tokens: views, in the order of places. Fails where they
    /// are quantised.
    pub fn views(&self) -> Result<[Tensor; 2]> {
        let longest = self.lengths().into_iter().max().unwrap_or(0);
        let view = |part: Paged<'_>| match part {
            Paged::Plain(x) => x.slice(1, 0..longest),
            Paged::Quantized(_) => {
                Err(Error::layout(NAME, "quantized", "has no view of floats; read gives copies"))
            }
        };
        Ok([view(self.keys())?, view(self.values())?])
    }

    /// A copy of keys and values in the order of tokens, tokens or heads first, zeros beyond each sequence; of small numbers as f32.
    pub fn read(&self, stream: &Stream, layout: Layout) -> Result<[Tensor; 2]> {
        let ordered;
        let cache = match self.is_turned() {
            true => {
                ordered = self.in_order(stream)?;
                &ordered
            }
            false => self,
        };
        let (table, lengths) = cache.batch(stream)?;
        let tokens = cache.lengths().into_iter().max().unwrap_or(0);
        let read = |part: Paged<'_>| match part {
            Paged::Plain(x) => kv_gather(stream, x, &table, &lengths, &KvGather { tokens, layout }),
            Paged::Quantized(x) => {
                let args = KvGatherQuantized { tokens, layout, ..KvGatherQuantized::default() };
                kv_gather_quantized(stream, x, &table, &lengths, &args)
            }
        };
        Ok([read(cache.keys())?, read(cache.values())?])
    }

    /// Whether a sequence has gone round its window.
    fn is_turned(&self) -> bool {
        self.args.window.is_some_and(|window| self.given.iter().any(|&given| given > window.size))
    }

    /// A copy without a window, in the order of tokens.
    fn in_order(&self, stream: &Stream) -> Result<Self> {
        let args = KvCacheArgs { window: None, ..self.args };
        let mut store = Self::room(stream, self.given.len(), self.capacity, &args)?;
        for (row, &given) in self.given.iter().enumerate() {
            let held = self.held(row);
            let first = row * self.capacity;
            let kept = self.args.window.map_or(0, |window| window.keep).min(held);
            // The oldest of those that go round lies where the next token will.
            let turn = if given > held { self.place(given) } else { kept };
            let parts = [(0..kept, 0), (turn..held, kept), (kept..turn, kept + (held - turn))];
            for (from, to) in parts {
                let to = (first + to) as i64;
                store.put(stream, self.store.stretch(row, from.clone())?, to..to + from.len() as i64)?;
            }
        }
        Ok(KvCache { args, store, capacity: self.capacity, given: self.lengths() })
    }

    /// Takes the last `tokens` tokens of each sequence back. Fails where a sequence has fewer, or has gone round its window: what it wrote over is gone.
    pub fn trim(&mut self, tokens: usize) -> Result<()> {
        if self.is_turned() {
            return Err(Error::layout(
                NAME,
                "window",
                "is full: what trimmed tokens have written over is gone",
            ));
        }
        let shortest = self.given.iter().min().copied().unwrap_or(0);
        if tokens > shortest {
            return Err(Error::range(NAME, "tokens", format!("at most {shortest}"), tokens));
        }
        self.given.iter_mut().for_each(|given| *given -= tokens);
        Ok(())
    }

    /// A copy of all sequences with memory of its own: a fork.
    pub fn detached(&self, stream: &Stream) -> Result<Self> {
        Self::merge(stream, &[self])
    }

    /// Copies of these sequences, in this order; one may be named twice.
    pub fn extract(&self, stream: &Stream, rows: &[usize]) -> Result<Self> {
        let b = self.given.len();
        if let Some(row) = rows.iter().find(|&&row| row >= b) {
            return Err(Error::range(NAME, "rows", format!("below {b}"), row));
        }
        if rows.is_empty() {
            return Err(Error::range(NAME, "rows", "at least one", "none"));
        }
        let rows: Vec<_> = rows.iter().map(|&row| (self, row)).collect();
        Self::gathered(stream, self.args, self.capacity, &rows)
    }

    /// The sequences of several caches in one, copied, those of the first one first. Fails where they differ in anything but their lengths.
    pub fn merge(stream: &Stream, caches: &[&KvCache]) -> Result<Self> {
        let Some(&first) = caches.first() else {
            return Err(Error::range(NAME, "caches", "at least one", "none"));
        };
        if let Some(other) = caches.iter().find(|cache| cache.args != first.args) {
            let expected = format!("all with {:?}", first.args);
            return Err(Error::range(NAME, "caches", expected, format!("{:?}", other.args)));
        }
        let capacity = caches.iter().map(|cache| cache.capacity).max().unwrap_or(first.capacity);
        let rows: Vec<_> = caches.iter().flat_map(|cache| cache.rows()).collect();
        Self::gathered(stream, first.args, capacity, &rows)
    }
}

/// A block for each sequence.
fn tables(stream: &Stream, lengths: &[usize]) -> Result<(Tensor, Tensor)> {
    let all = |values: Vec<i32>, shape: &[usize]| Tensor::from_vec(values, shape)?.to(stream);
    let b = lengths.len();
    let table = all((0..b as i32).collect(), &[b, 1])?;
    Ok((table, all(lengths.iter().map(|&length| length as i32).collect(), &[b])?))
}
