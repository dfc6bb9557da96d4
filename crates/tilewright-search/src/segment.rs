//! Vectors that came together: they lie in memory list after list and never change.

use std::sync::{Arc, OnceLock};

use tilewright_core::{Result, Tensor};

use crate::coded::Coded;

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
    /// The rows in the order of their ids: made when it is first asked for.
    order: OnceLock<Vec<u32>>,
}

impl Segment {
    pub(crate) fn new(data: Tensor, ids: Tensor, offsets: Tensor) -> Self {
        Self { data, ids, offsets, codes: None, order: OnceLock::new() }
    }

    /// Sorts rows by their lists; the rows of a list keep their order.
    pub(crate) fn sorted(data: &[f32], ids: &[i64], labels: &[u32], nlist: usize, d: usize) -> Result<Self> {
        let mut places = vec![0u32; nlist + 1];
        labels.iter().for_each(|&list| places[list as usize + 1] += 1);
        for list in 0..nlist {
            places[list + 1] += places[list];
        }
        let offsets = Tensor::from_slice(&places, [nlist + 1])?;
        let (mut own_data, mut own_ids) = (vec![0.0f32; data.len()], vec![0i64; ids.len()]);
        for (row, &list) in labels.iter().enumerate() {
            let place = places[list as usize] as usize;
            places[list as usize] += 1;
            own_data[place * d..(place + 1) * d].copy_from_slice(&data[row * d..(row + 1) * d]);
            own_ids[place] = ids[row];
        }
        let n = ids.len();
        Ok(Self::new(Tensor::from_vec(own_data, [n, d])?, Tensor::from_vec(own_ids, [n])?, offsets))
    }

    pub(crate) fn len(&self) -> usize {
        self.ids.elements()
    }

    /// The segment with codes.
    pub(crate) fn with(self, codes: Option<Coded>) -> Self {
        Self { codes, ..self }
    }

    /// The row of an id.
    pub(crate) fn find(&self, id: i64) -> Result<Option<usize>> {
        let ids = self.ids.as_slice::<i64>()?;
        let order = self.order.get_or_init(|| {
            let mut order: Vec<u32> = (0..ids.len() as u32).collect();
            order.sort_unstable_by_key(|&row| ids[row as usize]);
            order
        });
        let found = order.binary_search_by_key(&id, |&row| ids[row as usize]);
        Ok(found.ok().map(|place| order[place] as usize))
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

    /// The list of each row.
    pub(crate) fn labels(&self) -> Result<Vec<u32>> {
        let offsets = self.segment.offsets.as_slice::<u32>()?;
        let mut labels = Vec::with_capacity(self.segment.len());
        for (list, bounds) in offsets.windows(2).enumerate() {
            labels.resize(bounds[1] as usize, list as u32);
        }
        Ok(labels)
    }
}

/// One part of several, without what has been removed.
pub(crate) fn joined(parts: &[Part], nlist: usize, d: usize) -> Result<Part> {
    let d = parts.first().map_or(d, |part| part.segment.data.dims()[1]);
    let rows: usize = parts.iter().map(|part| part.alive).sum();
    let (mut data, mut ids, mut labels) =
        (Vec::with_capacity(rows * d), Vec::with_capacity(rows), Vec::with_capacity(rows));
    for part in parts {
        let (own_data, own_ids) = (part.segment.data.as_slice::<f32>()?, part.segment.ids.as_slice::<i64>()?);
        for (row, label) in part.labels()?.into_iter().enumerate().filter(|&(row, _)| part.has(row)) {
            data.extend_from_slice(&own_data[row * d..(row + 1) * d]);
            ids.push(own_ids[row]);
            labels.push(label);
        }
    }
    let codes = Coded::joined(parts, &labels, nlist)?;
    Ok(Part::new(Segment::sorted(&data, &ids, &labels, nlist, d)?.with(codes)))
}
