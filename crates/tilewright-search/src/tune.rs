//! How many lists a recall takes, and what a search reads of them.

use tilewright_core::{Error, Result, Tensor};

use crate::coded;
use crate::snapshot::{Found, Query, Snapshot};

/// The least number of at most `nlist` lists whose recall, as `found` measures it, is at least `recall`, and that recall; where all of them together find less, they and what they find.
/// Any index can be asked so, of another library too.
pub fn least_nprobe(
    nlist: usize,
    recall: f64,
    mut found: impl FnMut(usize) -> Result<f64>,
) -> Result<(usize, f64)> {
    // Twice as many lists until there are enough: that takes no more than twice the time of the answer.
    let (mut below, mut enough) = (0, 1);
    let mut reached = found(enough)?;
    while reached < recall && enough < nlist {
        below = enough;
        enough = (2 * enough).min(nlist);
        reached = found(enough)?;
    }
    if reached < recall {
        return Ok((enough, reached));
    }
    // A list more finds no fewer: each exact neighbour is found from the list on that holds it. With codes that is nearly so.
    while enough - below > 1 {
        let middle = below + (enough - below) / 2;
        let got = found(middle)?;
        if got >= recall { (enough, reached) = (middle, got) } else { below = middle }
    }
    Ok((enough, reached))
}

impl Snapshot {
    /// The least number of lists with which these queries find `recall` (above 0, at most 1) of their exact `k` nearest neighbours, and the recall that it has.
    /// Fails where codes are all that is kept, and where all lists together find less.
    pub fn nprobe_for(&self, queries: &Tensor, k: usize, recall: f64) -> Result<(usize, f64)> {
        if !(recall > 0.0 && recall <= 1.0) {
            return Err(Error::range("nprobe_for", "recall", "above 0 and at most 1", recall));
        }
        let exact = self.exact(queries, k)?;
        let found = self.nprobe_with(queries, &exact, &Query { k, ..Query::default() }, recall)?;
        if found.1 < recall {
            let expected = format!("at most {}, which all lists have", found.1);
            return Err(Error::range("nprobe_for", "recall", expected, recall));
        }
        Ok(found)
    }

    /// [`nprobe_for`](Self::nprobe_for) where the exact neighbours, as many as `query` asks for, are known, which lets an index by codes alone be tuned too. Where all lists
    /// together find less, they and what they find.
    pub fn nprobe_with(
        &self,
        queries: &Tensor,
        exact: &Found,
        query: &Query,
        recall: f64,
    ) -> Result<(usize, f64)> {
        if !(recall > 0.0 && recall <= 1.0) {
            return Err(Error::range("nprobe_for", "recall", "above 0 and at most 1", recall));
        }
        let nlist = self.recipe.nlist();
        let found = |nprobe| -> Result<f64> {
            // Every vector is compared.
            if nprobe >= nlist && self.recipe.codes().is_none() {
                return Ok(1.0);
            }
            Ok(self.search(queries, &Query { nprobe, ..*query })?.recall(exact))
        };
        least_nprobe(nlist, recall, found)
    }

    /// How many vectors a search compares with these queries, all queries together: those of the lists that it looks into.
    pub fn compared(&self, queries: &Tensor, nprobe: usize) -> Result<usize> {
        Ok(self.rows_read(queries, nprobe)?.0)
    }

    /// How many vectors a search compares with these queries, each as often as it is, and how many different ones.
    pub fn rows_read(&self, queries: &Tensor, nprobe: usize) -> Result<(usize, usize)> {
        self.check("queries", queries)?;
        let turned = self.turned("search", queries)?.to(&self.stream())?;
        let Some(probes) = self.probes(&turned, nprobe)? else {
            let rows = self.parts.iter().map(|part| part.segment.len()).sum::<usize>();
            let b = queries.dims()[0];
            return Ok((b * rows, if b == 0 { 0 } else { rows }));
        };
        let mut named = vec![0usize; self.recipe.nlist()];
        probes.1.to_vec::<i64>()?.iter().for_each(|&list| named[list as usize] += 1);
        let (mut all, mut different) = (0, 0);
        for part in self.parts.iter() {
            let offsets = part.segment.offsets.as_slice::<u32>()?;
            for (bounds, &times) in offsets.windows(2).zip(&named) {
                let rows = (bounds[1] - bounds[0]) as usize;
                all += rows * times;
                different += if times > 0 { rows } else { 0 };
            }
        }
        Ok((all, different))
    }

    /// Bytes that a search reads of each row that it compares: of its code, where there is one.
    pub fn bytes_compared(&self) -> usize {
        self.recipe.codes().map_or(4 * self.d, |codes| coded::code_bytes(codes, self.d))
    }
}
