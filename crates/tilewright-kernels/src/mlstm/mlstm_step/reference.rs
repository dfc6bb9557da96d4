//! The truth: the recurrence of one token.

use tilewright_core::{DType, Result, Tensor};

use crate::mlstm::Mlstm;
use crate::mlstm::mlstm_sequence::reference::{Numbers, Truth, mlstm_sequence};

pub(super) fn mlstm_step(inputs: &[Tensor], cell: &Mlstm, sums: DType) -> Result<Truth> {
    Ok(mlstm_sequence(&Numbers::new(inputs)?, cell, 0.0, sums))
}
