//! Host tensors as slices.

use std::borrow::Cow;

use tilewright_core::{Element, Result, Tensor};

/// A host tensor's elements, row-major: where they lie, or copied where they lie otherwise.
pub(crate) fn packed<T: Element>(tensor: &Tensor) -> Result<Cow<'_, [T]>> {
    Ok(if tensor.is_contiguous() { Cow::Borrowed(tensor.as_slice()?) } else { Cow::Owned(tensor.to_vec()?) })
}
