//! What an index is made of.

use std::fmt;
use std::str::FromStr;

use tilewright_core::{Error, Result};

/// The parts of an index, as faiss's factory strings write them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Recipe {
    /// `Flat`: every vector is compared.
    Flat,
    /// `IVF1024,Flat`: vectors lie in lists by their nearest centroid, and the lists of the centroids nearest to a query are compared.
    IvfFlat {
        /// The number of lists.
        nlist: usize,
    },
    /// `PQ32`, `PQ32x4fs,RFlat`: every vector's code is compared.
    Pq(Codes),
    /// `IVF1024,PQ32`, `IVF1024,PQ32x4fs,RFlat`: the codes in the lists of the centroids nearest to a query are compared.
    IvfPq {
        /// The number of lists.
        nlist: usize,
        /// What the codes are.
        codes: Codes,
    },
}

/// The codes of a product quantiser, as a recipe names them: `PQ32` (of 8 bits), `PQ32x4` (of 4), `PQ32x4fs` (as faiss's fast scan stores them), `PQ32x4fsr`
/// (of what is left after the list's centroid); and `,RFlat` where the vectors are kept, and decide between the nearest codes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Codes {
    /// Parts of a vector.
    pub m: usize,
    /// Bits of a part's code, 8 or 4.
    pub bits: usize,
    /// Whether faiss has this as its fast scan. Here all codes are scanned alike.
    pub fast: bool,
    /// Whether codes are of what is left of a vector after its list's centroid.
    pub residual: bool,
    /// Whether the vectors are kept to compare the nearest exactly.
    pub refine: bool,
}

impl Recipe {
    /// The number of lists; 1 where all vectors are one.
    pub fn nlist(&self) -> usize {
        match *self {
            Recipe::Flat | Recipe::Pq(_) => 1,
            Recipe::IvfFlat { nlist } | Recipe::IvfPq { nlist, .. } => nlist,
        }
    }

    /// Whether vectors lie in lists by their nearest centroid.
    pub fn has_lists(&self) -> bool {
        matches!(self, Recipe::IvfFlat { .. } | Recipe::IvfPq { .. })
    }

    /// The codes, where there are any.
    pub fn codes(&self) -> Option<Codes> {
        match *self {
            Recipe::Pq(codes) | Recipe::IvfPq { codes, .. } => Some(codes),
            Recipe::Flat | Recipe::IvfFlat { .. } => None,
        }
    }

    /// The length of what is kept of vectors of length `d` beside their codes.
    pub(crate) fn kept(&self, d: usize) -> usize {
        if self.codes().is_none_or(|codes| codes.refine) { d } else { 0 }
    }
}

impl fmt::Display for Recipe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.has_lists() {
            write!(f, "IVF{},", self.nlist())?;
        }
        let Some(codes) = self.codes() else { return f.write_str("Flat") };
        write!(f, "PQ{}", codes.m)?;
        if codes.bits != 8 {
            write!(f, "x{}", codes.bits)?;
        }
        let fast = if codes.residual { "fsr" } else { "fs" };
        f.write_str(if codes.fast { fast } else { "" })?;
        f.write_str(if codes.refine { ",RFlat" } else { "" })
    }
}

impl FromStr for Recipe {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        read(text).ok_or_else(|| {
            let expected = "Flat or IVF<lists>,Flat, or with PQ<parts>, PQ<parts>x4, PQ<parts>x4fs or PQ<parts>x4fsr instead of Flat and RFlat after it";
            Error::range("recipe", "text", expected, format!("{text:?}"))
        })
    }
}

fn read(text: &str) -> Option<Recipe> {
    let (nlist, rest) = match text.strip_prefix("IVF") {
        Some(rest) => {
            let (lists, rest) = rest.split_once(',')?;
            (Some(number(lists)?), rest)
        }
        None => (None, text),
    };
    if rest == "Flat" {
        return Some(nlist.map_or(Recipe::Flat, |nlist| Recipe::IvfFlat { nlist }));
    }
    let (rest, refine) = rest.strip_suffix(",RFlat").map_or((rest, false), |rest| (rest, true));
    let rest = rest.strip_prefix("PQ")?;
    let (parts, kind) = rest.find('x').map_or((rest, ""), |at| rest.split_at(at));
    let m = number(parts)?;
    let (bits, fast) = match kind {
        "" | "x8" => (8, false),
        "x4" => (4, false),
        "x4fs" | "x4fsr" => (4, true),
        _ => return None,
    };
    let residual = nlist.is_some() && (!fast || kind == "x4fsr");
    if kind == "x4fsr" && !residual {
        return None;
    }
    let codes = Codes { m, bits, fast, residual, refine };
    Some(nlist.map_or(Recipe::Pq(codes), |nlist| Recipe::IvfPq { nlist, codes }))
}

/// Digits alone, from 1 on.
fn number(text: &str) -> Option<usize> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|number| digits && (1..u32::MAX as usize).contains(number))
}

#[cfg(test)]
mod tests {
    use super::Recipe;

    #[test]
    fn recipes_are_read_as_they_are_written() {
        for text in [
            "Flat",
            "IVF1,Flat",
            "IVF65536,Flat",
            "PQ32",
            "PQ7x4",
            "PQ32x4fs",
            "IVF16,PQ32",
            "IVF16,PQ32x4,RFlat",
            "IVF1024,PQ32x4fs,RFlat",
            "IVF1024,PQ32x4fsr",
        ] {
            assert_eq!(text.parse::<Recipe>().unwrap().to_string(), text);
        }
        assert_eq!("IVF16,PQ32x8".parse::<Recipe>().unwrap(), "IVF16,PQ32".parse().unwrap());
        for wrong in [
            "",
            "flat",
            "IVF0,Flat",
            "IVF,Flat",
            "IVF8",
            "IVF-1,Flat",
            "IVF99999999999999,Flat",
            "PQ",
            "PQ0",
            "PQ4x5",
            "PQ4fs",
            "PQ4x4fsr",
            "IVF8,PQ4x8fs",
            "Flat,RFlat",
            "IVF8,PQ+4",
            "PQ4,RFlat,RFlat",
        ] {
            assert!(
                wrong.parse::<Recipe>().unwrap_err().to_string().contains("Flat or IVF<lists>,Flat"),
                "{wrong}"
            );
        }
    }
}
