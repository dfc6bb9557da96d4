//! Which ids a search may find.

use std::ops::Bound as Limit;

use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyRange, PyRangeMethods, PySlice};
use tilewright_core::DType;
use tilewright_search::{Filter, NamedIds};

use crate::array;
use crate::errors::raise;
use crate::index::ids;

/// What `allowed` or `denied` says.
pub(crate) struct Allowed {
    which: Option<NamedIds>,
    /// Whether it was `denied` that said it.
    denied: bool,
}

impl Allowed {
    pub(crate) fn of(
        allowed: Option<&Bound<'_, PyAny>>,
        denied: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<Self> {
        let which = match (allowed, denied) {
            (None, None) => None,
            (Some(object), None) => Some(which("allowed", object)?),
            (None, Some(object)) => Some(which("denied", object)?),
            (Some(_), Some(_)) => {
                return Err(PyValueError::new_err("allowed and denied are both given, expected one of them"));
            }
        };
        Ok(Self { which, denied: denied.is_some() })
    }

    /// The filter; `None` where all ids may be found.
    pub(crate) fn filter(&self) -> Option<Filter<'_>> {
        let filter = self.which.as_ref()?.filter();
        Some(if self.denied { !filter } else { filter })
    }
}

/// A slice or range of ids; an array of bool, a flag for each id, or of u8, a bit for each; any other is of the ids themselves.
fn which(name: &str, object: &Bound<'_, PyAny>) -> PyResult<NamedIds> {
    if let Ok(slice) = object.cast::<PySlice>() {
        return of_slice(name, slice.as_any());
    }
    if let Ok(range) = object.cast::<PyRange>()
        && range.step()? == 1
    {
        return Ok(NamedIds::Range(
            Limit::Included(range.start()? as i64),
            Limit::Excluded(range.stop()? as i64),
        ));
    }
    let tensor = match array::tensor(object) {
        Ok(tensor) => tensor,
        // No array: a list or the like, of flags or of ids.
        Err(_) => {
            return match object.extract::<Vec<bool>>() {
                Ok(flags) => Ok(NamedIds::flags(&flags)),
                Err(_) => ids(name, object).map(NamedIds::Ids),
            };
        }
    };
    if tensor.rank() != 1 {
        return Err(PyValueError::new_err(format!("{name} has shape {}, expected [n]", tensor.shape())));
    }
    match tensor.dtype() {
        DType::Bool => {
            let flags = tensor.to_bytes().map_err(raise)?;
            Ok(NamedIds::flags(&flags.into_iter().map(|flag| flag != 0).collect::<Vec<_>>()))
        }
        DType::U8 => tensor.to_vec::<u8>().map(NamedIds::Bitmap).map_err(raise),
        _ => ids(name, object).map(NamedIds::Ids),
    }
}

/// The ids from `start` to before `stop`. Unlike those of a sequence, negative ones do not count from an end: ids have none.
fn of_slice(name: &str, slice: &Bound<'_, PyAny>) -> PyResult<NamedIds> {
    let part = |part: &str| {
        slice.getattr(part)?.extract::<Option<i64>>().map_err(|_| {
            PyTypeError::new_err(format!("{name} is a slice whose {part} is no whole number, expected ids"))
        })
    };
    let (start, stop, step) = (part("start")?, part("stop")?, part("step")?);
    if step.is_some_and(|step| step != 1) {
        return Err(PyValueError::new_err(format!(
            "{name} is a slice with a step, expected all ids between two"
        )));
    }
    if start.into_iter().chain(stop).any(|id| id < 0) {
        return Err(PyValueError::new_err(format!(
            "{name} is a slice of negative ids, expected ids from 0 on"
        )));
    }
    Ok(NamedIds::Range(
        start.map_or(Limit::Unbounded, Limit::Included),
        stop.map_or(Limit::Unbounded, Limit::Excluded),
    ))
}
