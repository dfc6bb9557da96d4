//! Native path: a tile of rows' parts meets all words of the part in registers.

use rayon::prelude::*;
use tilewright_core::{Result, Tensor};

use crate::parallel::Each;
use crate::search::lanes::{Lanes, Task, dispatch};
use crate::search::product::Product;
use crate::search::rivals::Rivals;

/// Rows that one thread takes at a time: words are packed once for so many.
const CHUNK: usize = 2048;

pub(super) fn pq_encode(x: &Tensor, codebooks: &Tensor, product: Product) -> Result<Tensor> {
    let (x, codebooks) = (x.as_slice::<f32>()?, codebooks.as_slice::<f32>()?);
    let (d, bytes) = (product.d(), product.bytes());
    let n = x.len() / d;
    let mut codes = vec![0u8; n * bytes];
    x.par_chunks(CHUNK * d)
        .zip(codes.par_chunks_mut(CHUNK * bytes))
        .each(&|(x, codes)| dispatch(Encode { x, codebooks, product, codes }));
    Tensor::from_vec(codes, [n, bytes])
}

struct Encode<'a> {
    x: &'a [f32],
    codebooks: &'a [f32],
    product: Product,
    codes: &'a mut [u8],
}

impl Task for Encode<'_> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes, const ROWS: usize>(self, lanes: L) {
        let Product { m, words, part } = self.product;
        let (d, bytes) = (m * part, self.product.bytes());
        let every: Vec<u32> = (0..words as u32).collect();
        let mut tile = vec![0.0f32; ROWS * part];
        for j in 0..m {
            let words_of = &self.codebooks[j * words * part..(j + 1) * words * part];
            let rivals = Rivals::all(lanes, words_of, part, &every);
            for (rows, codes) in self.x.chunks(ROWS * d).zip(self.codes.chunks_mut(ROWS * bytes)) {
                for (to, row) in tile.chunks_exact_mut(part).zip(rows.chunks_exact(d)) {
                    to.copy_from_slice(&row[j * part..(j + 1) * part]);
                }
                let nearest = Rivals::nearest::<L, ROWS>(lanes, &rivals, &tile, part);
                for (code, (word, score)) in codes.chunks_exact_mut(bytes).zip(nearest) {
                    let word = if score.is_finite() { word as u8 } else { 0 };
                    if words == 16 { code[j / 2] |= word << (j % 2 * 4) } else { code[j] = word }
                }
            }
        }
    }
}
