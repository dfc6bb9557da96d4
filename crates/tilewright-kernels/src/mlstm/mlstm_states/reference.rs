//! The truth: the recurrence, looked at between tokens.

use tilewright_core::DType;

use crate::mlstm::Mlstm;
use crate::mlstm::mlstm_sequence::reference::{Numbers, at_boundaries};

/// C, n and m at all boundaries, with error bounds.
pub(super) fn mlstm_states(x: &Numbers, cell: &Mlstm, stretch: usize, sums: DType) -> [Vec<(f64, f64)>; 3] {
    let truth = at_boundaries(x, cell, stretch, sums);
    [truth.c, truth.n, truth.m]
}

#[cfg(test)]
mod tests {
    use tilewright_core::{Case, Tier};

    use super::*;
    use crate::mlstm::mlstm_sequence::reference::mlstm_sequence;
    use crate::mlstm::{registry, samples};

    #[test]
    fn what_is_seen_between_tokens_is_where_a_shorter_sequence_ends() {
        let case: Case = registry::case(Tier::Edge, [1, 2, 11, 3, 4], DType::F64).data("state");
        let tensors = samples::inputs(&case).unwrap();
        let (x, cell) = (Numbers::new(&tensors).unwrap(), Mlstm::default());
        let [c, _, m] = mlstm_states(&x, &cell, 4, DType::F64);
        assert_eq!((c.len(), m.len()), (2 * 4 * 12, 2 * 4));
        for (entry, tokens) in [0, 4, 8, 11].into_iter().enumerate() {
            let shorter = x.stretch(0..tokens, [x.c.clone(), x.n.clone(), x.m.clone()]);
            let end = mlstm_sequence(&shorter, &cell, 0.0, DType::F64);
            for head in 0..2 {
                assert_eq!(m[head * 4 + entry].0, end.m[head].0);
                for at in 0..12 {
                    assert_eq!(c[(head * 4 + entry) * 12 + at].0, end.c[head * 12 + at].0);
                }
            }
        }
    }
}
