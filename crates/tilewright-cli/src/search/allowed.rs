//! Which ids a query may find: `--allow` and `--deny`.

use std::ops::Bound;

use tilewright_core::{DType, Error, Result};
use tilewright_search::NamedIds;

use super::vectors;
use crate::files;

/// What such an option says.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Said {
    /// `10..20`, `10..=19`, `10..`, `..20`.
    Range(Bound<i64>, Bound<i64>),
    /// A file of ids, or of a bool for each id from 0 on.
    File(String),
}

impl std::str::FromStr for Said {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let Some((first, end)) = text.split_once("..") else { return Ok(Said::File(text.to_owned())) };
        let number = |digits: &str| digits.parse::<i64>().ok();
        let (end, is_last) = end.strip_prefix('=').map_or((end, false), |end| (end, true));
        let (from, to) = (number(first), number(end));
        // A path may have two dots too.
        if from.is_none() && !first.is_empty() || to.is_none() && !end.is_empty() || is_last && to.is_none() {
            return Ok(Said::File(text.to_owned()));
        }
        if let (Some(from), Some(to)) = (from, to)
            && (to < from || to == from && !is_last)
        {
            return Err("a range that ends before it begins".to_owned());
        }
        let end = if is_last { Bound::Included } else { Bound::Excluded };
        Ok(Said::Range(from.map_or(Bound::Unbounded, Bound::Included), to.map_or(Bound::Unbounded, end)))
    }
}

impl Said {
    /// The ids themselves.
    pub(super) fn ids(&self) -> Result<NamedIds> {
        let place = match self {
            Said::Range(first, end) => return Ok(NamedIds::Range(*first, *end)),
            Said::File(place) => place,
        };
        let numbers = files::read(place, "ids")?;
        if numbers.dtype() != DType::Bool {
            return vectors::ids_of(place, &numbers).map(NamedIds::Ids);
        }
        if numbers.rank() != 1 {
            let why = format!("holds bools of shape {}, expected one for each id [ids]", numbers.shape());
            return Err(Error::file("read", place, why));
        }
        let flags: Vec<bool> = numbers.to_bytes()?.into_iter().map(|flag| flag != 0).collect();
        Ok(NamedIds::flags(&flags))
    }
}
