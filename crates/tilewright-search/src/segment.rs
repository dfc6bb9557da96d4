//! Vectors that came together: they lie in memory list after list and never change.

use std::ops::Range;
use std::sync::{Arc, OnceLock};

use rayon::prelude::*;
use tilewright_core::{AlignedBytes, Device, Element, Error, Layout, Result, Shape, Stream, Tensor};

use crate::coded::Coded;

/// Ids on the stream's device: u32 where those hold them, which a GPU does not sort first.
pub(crate) fn ids_on(stream: &Stream, ids: &[i64]) -> Result<Tensor> {
    if stream.device() != Device::Cpu {
        let narrow = ids.iter().map(|&id| u32::try_from(id).ok().filter(|&id| id < u32::MAX));
        if let Some(narrow) = narrow.collect::<Option<Vec<u32>>>() {
            return Tensor::from_vec(narrow, [ids.len()])?.to(stream);
        }
    }
    Tensor::from_slice(ids, [ids.len()])?.to(stream)
}

/// Immutable vectors with their ids.
pub(crate) struct Segment {
    /// `[n, d]`, f32, list after list; `[n, 0]` where codes are all that is kept
    pub(crate) data: Tensor,
    /// `[n]`, i64
    pub(crate) ids: Tensor,
    /// `[nlist + 1]`, u32
    pub(crate) offsets: Tensor,
    /// What an index by codes has of the rows.
    pub(crate) codes: Option<Coded>,
    /// The rows in the order of their ids, `None` where they lie in it: made when it is first asked for.
    order: OnceLock<Option<Vec<u32>>>,
}

impl Segment {
    pub(crate) fn new(data: Tensor, ids: Tensor, offsets: Tensor) -> Self {
        Self { data, ids, offsets, codes: None, order: OnceLock::new() }
    }

    /// Sorts rows by their lists; the rows of a list keep their order.
    pub(crate) fn sorted(data: &[f32], ids: &[i64], labels: &[u32], nlist: usize, d: usize) -> Result<Self> {
        Self::of(&[data], &[ids], &by_list(&[labels], nlist)?, d)
    }

    /// Rows of several sources, in an order by lists.
    pub(crate) fn of(data: &[&[f32]], ids: &[&[i64]], order: &Order, d: usize) -> Result<Self> {
        let n = order.places.len();
        let data = gathered(data, &order.places, [n, d])?;
        Ok(Self::new(data, gathered(ids, &order.places, [n])?, order.offsets.clone()))
    }

    pub(crate) fn len(&self) -> usize {
        self.ids.elements()
    }

    /// The segment with codes.
    pub(crate) fn with(self, codes: Option<Coded>) -> Self {
        Self { codes, ..self }
    }

    /// The rows in the order of their ids; `None` where they lie in it.
    pub(crate) fn by_id(&self) -> Result<Option<&[u32]>> {
        let ids = self.ids.as_slice::<i64>()?;
        let order = self.order.get_or_init(|| {
            (!ids.is_sorted()).then(|| {
                let mut order: Vec<u32> = (0..ids.len() as u32).collect();
                order.sort_unstable_by_key(|&row| ids[row as usize]);
                order
            })
        });
        Ok(order.as_deref())
    }

    /// The row of an id.
    pub(crate) fn find(&self, id: i64) -> Result<Option<usize>> {
        let ids = self.ids.as_slice::<i64>()?;
        Ok(match self.by_id()? {
            None => ids.binary_search(&id).ok(),
            Some(order) => {
                let found = order.binary_search_by_key(&id, |&row| ids[row as usize]);
                found.ok().map(|place| order[place] as usize)
            }
        })
    }

    /// The places of ids from `first` to `last` in the order of ids; none where `last` is before `first`.
    pub(crate) fn between(&self, first: i64, last: i64) -> Result<Range<usize>> {
        let ids = self.ids.as_slice::<i64>()?;
        let (start, end) = match self.by_id()? {
            None => (ids.partition_point(|&id| id < first), ids.partition_point(|&id| id <= last)),
            Some(order) => (
                order.partition_point(|&row| ids[row as usize] < first),
                order.partition_point(|&row| ids[row as usize] <= last),
            ),
        };
        Ok(start..end.max(start))
    }
}

/// A segment and which of its rows have not been removed.
#[derive(Clone)]
pub(crate) struct Part {
    pub(crate) segment: Arc<Segment>,
    /// Bit `i % 8` of byte `i / 8` for row `i`; `None` while all rows are there.
    pub(crate) keep: Option<Arc<Vec<u8>>>,
    /// How many rows are there.
    pub(crate) alive: usize,
}

impl Part {
    pub(crate) fn new(segment: Segment) -> Self {
        let alive = segment.len();
        Self { segment: Arc::new(segment), keep: None, alive }
    }

    pub(crate) fn has(&self, row: usize) -> bool {
        self.keep.as_ref().is_none_or(|keep| keep[row / 8] >> (row % 8) & 1 == 1)
    }

    /// The row of an id that is there.
    pub(crate) fn find(&self, id: i64) -> Result<Option<usize>> {
        Ok(self.segment.find(id)?.filter(|&row| self.has(row)))
    }

    /// Without these rows, which are there.
    pub(crate) fn without(&self, rows: &[usize]) -> Self {
        let all = || Arc::new(vec![u8::MAX; self.segment.len().div_ceil(8)]);
        let mut keep = self.keep.clone().unwrap_or_else(all);
        let bits = Arc::make_mut(&mut keep);
        rows.iter().for_each(|&row| bits[row / 8] &= !(1 << (row % 8)));
        Self { segment: self.segment.clone(), keep: Some(keep), alive: self.alive - rows.len() }
    }
}

/// A source and a row of it.
pub(crate) type Place = (u32, u32);

/// Rows of several sources list after list.
pub(crate) struct Order {
    pub(crate) places: Vec<Place>,
    /// `[nlist + 1]`, u32
    pub(crate) offsets: Tensor,
}

/// The order by list of rows whose lists these are, source after source; the rows of a list keep their order.
pub(crate) fn by_list(labels: &[&[u32]], nlist: usize) -> Result<Order> {
    let mut starts = vec![0u32; nlist + 1];
    labels.iter().copied().flatten().for_each(|&list| starts[list as usize + 1] += 1);
    for list in 0..nlist {
        starts[list + 1] += starts[list];
    }
    let offsets = Tensor::from_slice(&starts, [nlist + 1])?;
    let mut places = vec![(0, 0); starts[nlist] as usize];
    for (source, labels) in labels.iter().enumerate() {
        for (row, &list) in labels.iter().enumerate() {
            let start = &mut starts[list as usize];
            places[*start as usize] = (source as u32, row as u32);
            *start += 1;
        }
    }
    Ok(Order { places, offsets })
}

/// Rows of several sources, in this order, as a tensor of this shape; many of them by all threads. They lie where the system gives huge pages, since searches read rows anywhere.
pub(crate) fn gathered<T: Element>(
    sources: &[&[T]],
    places: &[Place],
    shape: impl TryInto<Shape, Error = Error>,
) -> Result<Tensor> {
    /// Rows that a thread takes at a time.
    const ROWS: usize = 4096;
    let shape = shape.try_into()?;
    let width: usize = shape.dims()[1..].iter().product();
    let mut bytes = AlignedBytes::fresh(places.len() * width * size_of::<T>())?;
    let fill = |(all, places): (&mut [T], &[Place])| {
        for (to, &(source, row)) in all.chunks_exact_mut(width).zip(places) {
            to.copy_from_slice(&sources[source as usize][row as usize * width..][..width]);
        }
    };
    if width > 0 {
        let all: &mut [T] = bytemuck::cast_slice_mut(bytes.as_mut());
        all.par_chunks_mut(ROWS * width).zip(places.par_chunks(ROWS)).for_each(fill);
    }
    Tensor::from_buffer(Arc::new(bytes), T::DTYPE, Layout::contiguous(shape))
}

/// One part of several, without what has been removed.
pub(crate) fn joined(parts: &[Part], nlist: usize, d: usize) -> Result<Part> {
    let d = parts.first().map_or(d, |part| part.segment.data.dims()[1]);
    let mut offsets = Vec::with_capacity(nlist + 1);
    let mut places: Vec<Place> = Vec::with_capacity(parts.iter().map(|part| part.alive).sum());
    let bounds = parts.iter().map(|part| part.segment.offsets.as_slice::<u32>());
    let bounds = bounds.collect::<Result<Vec<_>>>()?;
    for list in 0..nlist {
        offsets.push(places.len() as u32);
        for (number, (part, bounds)) in parts.iter().zip(&bounds).enumerate() {
            let rows = bounds[list]..bounds[list + 1];
            places.extend(rows.filter(|&row| part.has(row as usize)).map(|row| (number as u32, row)));
        }
    }
    offsets.push(places.len() as u32);
    let order = Order { places, offsets: Tensor::from_vec(offsets, [nlist + 1])? };
    let data = parts.iter().map(|part| part.segment.data.as_slice::<f32>()).collect::<Result<Vec<_>>>()?;
    let ids = parts.iter().map(|part| part.segment.ids.as_slice::<i64>()).collect::<Result<Vec<_>>>()?;
    let codes = Coded::joined(parts, &order)?;
    Ok(Part::new(Segment::of(&data, &ids, &order, d)?.with(codes)))
}
