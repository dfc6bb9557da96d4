//! The truth: the recurrence of one token.

use tilewright_core::{Result, Tensor};

use crate::slstm::Slstm;
use crate::slstm::slstm_sequence::reference::{Numbers, slstm_sequence};

pub(super) fn slstm_step(inputs: &[Tensor], cell: &Slstm) -> Result<[Vec<(f64, f64)>; 5]> {
    Ok(slstm_sequence(&Numbers::new(&inputs[0], &inputs[1], &inputs[2..])?, cell))
}
