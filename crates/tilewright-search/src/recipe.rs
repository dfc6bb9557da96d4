//! What an index is made of.

use std::fmt;
use std::str::FromStr;

use tilewright_core::{Error, Result};

/// The parts of an index, as faiss's factory strings write them.
///
/// - `Flat`: every vector is compared. `BFlat`: every row of bits.
/// - `PQ32`, `SQ8`, `RaBitQ`: the code of every vector is compared.
/// - `IVF1024,Flat`, `IVF1024,PQ32`, `IVF1024,SQ8`: vectors lie in lists by their nearest centroid, and the lists of the centroids nearest to a query are compared.
/// - `..,RFlat` after codes: the vectors are kept too, and decide between the nearest codes.
/// - `OPQ32,..`, `PCA64,..`, `RR128,..` before all of it: vectors are turned first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Recipe {
    turn: Option<Turn>,
    nlist: Option<usize>,
    codes: Option<Codes>,
    refine: bool,
}

/// What is done to vectors before an index sees them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Turn {
    /// `OPQ32`, `OPQ32_64`: the rotation, to vectors of length `width` where there is one, that suits a product quantiser of `m` parts best.
    Product {
        /// Parts of a vector.
        m: usize,
        /// The length of vectors after; as before without it.
        width: Option<usize>,
    },
    /// `PCA64`: the first principal components.
    Principal {
        /// How many.
        width: usize,
    },
    /// `RR128`: a random rotation.
    Random {
        /// The length of vectors after.
        width: usize,
    },
}

/// The codes of an index.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Codes {
    /// A product quantiser's: `PQ32` (of 8 bits), `PQ32x4` (of 4), `PQ32x4fs` (as faiss's fast scan stores them), `PQ32x4fsr` (of what is left after the list's centroid).
    Product {
        /// Parts of a vector.
        m: usize,
        /// Bits of a part's code, 8 or 4.
        bits: usize,
        /// Whether faiss has this as its fast scan. Here all codes are scanned alike.
        fast: bool,
        /// Whether codes are of what is left of a vector after its list's centroid.
        residual: bool,
    },
    /// A scalar quantiser's: `SQ8`, `SQ6`, `SQ4`; with lists of what is left after the list's centroid.
    Scalar {
        /// Bits of an element's code, 8, 6 or 4.
        bits: usize,
    },
    /// `RaBitQ`: a bit for each element of what is left of a vector after its list's centroid, or after the mean of all, and two numbers; best of vectors that are turned
    /// by a random rotation (`RR128,IVF1024,RaBitQ,RFlat`).
    Rabitq,
    /// `BFlat`: vectors are bits, eight in a byte, and their distance is the number of those that differ.
    Bits,
}

impl Recipe {
    /// `Flat`.
    pub const FLAT: Recipe = Recipe { turn: None, nlist: None, codes: None, refine: false };

    /// That of lists and codes, where it has them, and of vectors beside the codes.
    pub(crate) fn new(nlist: Option<usize>, codes: Option<Codes>, refine: bool) -> Self {
        Self { turn: None, nlist, codes, refine }
    }

    /// The same, of vectors that are turned first.
    pub(crate) fn turned(self, turn: Option<Turn>) -> Self {
        Self { turn, ..self }
    }

    /// What is done to vectors first.
    pub fn turn(&self) -> Option<Turn> {
        self.turn
    }

    /// The length of vectors of length `d` after what is done to them first. Fails where that cannot be.
    pub(crate) fn width(&self, d: usize) -> Result<usize> {
        let (parts, width) = match self.turn {
            None => return Ok(d),
            Some(Turn::Product { m, width }) => (m, width.unwrap_or(d)),
            Some(Turn::Principal { width } | Turn::Random { width }) => (1, width),
        };
        if width > d || !width.is_multiple_of(parts) || self.is_binary() {
            let expected =
                format!("vectors turned to a length of at most {d}, that OPQ's parts divide, and no bits");
            return Err(Error::range("index", "recipe", expected, self));
        }
        Ok(width)
    }

    /// The number of lists; 1 where all vectors are one.
    pub fn nlist(&self) -> usize {
        self.nlist.unwrap_or(1)
    }

    /// Whether vectors lie in lists by their nearest centroid.
    pub fn has_lists(&self) -> bool {
        self.nlist.is_some()
    }

    /// The codes, where there are any.
    pub fn codes(&self) -> Option<Codes> {
        self.codes
    }

    /// Whether vectors are kept beside their codes, and decide between the nearest.
    pub fn is_refined(&self) -> bool {
        self.refine
    }

    /// Whether vectors are bits.
    pub fn is_binary(&self) -> bool {
        self.codes == Some(Codes::Bits)
    }

    /// Whether codes are of what is left of vectors after their lists' centroids.
    pub(crate) fn is_residual(&self) -> bool {
        match self.codes {
            Some(Codes::Product { residual, .. }) => residual,
            Some(Codes::Scalar { .. } | Codes::Rabitq) => self.has_lists(),
            Some(Codes::Bits) | None => false,
        }
    }

    /// Whether training learns anything.
    pub(crate) fn is_trained(&self) -> bool {
        self.turn.is_some() || self.has_lists() || !matches!(self.codes, None | Some(Codes::Bits))
    }

    /// The length of what is kept of vectors beside their codes: of length `d` as they are given, or `width` as they are turned.
    pub(crate) fn kept(&self, d: usize, width: usize) -> usize {
        match (self.codes, self.refine) {
            (None, _) => width,
            (Some(_), true) => d,
            (Some(_), false) => 0,
        }
    }
}

impl fmt::Display for Recipe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.turn {
            None => {}
            Some(Turn::Product { m, width: None }) => write!(f, "OPQ{m},")?,
            Some(Turn::Product { m, width: Some(width) }) => write!(f, "OPQ{m}_{width},")?,
            Some(Turn::Principal { width }) => write!(f, "PCA{width},")?,
            Some(Turn::Random { width }) => write!(f, "RR{width},")?,
        }
        if let Some(nlist) = self.nlist {
            write!(f, "IVF{nlist},")?;
        }
        match self.codes {
            None => f.write_str("Flat")?,
            Some(Codes::Bits) => f.write_str("BFlat")?,
            Some(Codes::Rabitq) => f.write_str("RaBitQ")?,
            Some(Codes::Scalar { bits }) => write!(f, "SQ{bits}")?,
            Some(Codes::Product { m, bits, fast, residual }) => {
                write!(f, "PQ{m}")?;
                if bits != 8 {
                    write!(f, "x{bits}")?;
                }
                let name = if residual { "fsr" } else { "fs" };
                f.write_str(if fast { name } else { "" })?;
            }
        }
        f.write_str(if self.refine { ",RFlat" } else { "" })
    }
}

impl FromStr for Recipe {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        read(text).ok_or_else(|| {
            let expected = "Flat or IVF<lists>,Flat, or instead of Flat PQ<parts>, PQ<parts>x4, PQ<parts>x4fs, PQ<parts>x4fsr, SQ8, SQ6, SQ4 or RaBitQ, and RFlat after those; before them OPQ<parts>, OPQ<parts>_<length>, PCA<length> or RR<length>; or BFlat";
            Error::range("recipe", "text", expected, format!("{text:?}"))
        })
    }
}

fn read(text: &str) -> Option<Recipe> {
    let (turn, text) = turn(text)?;
    let recipe = unturned(text)?.turned(turn);
    (turn.is_none() || !recipe.is_binary()).then_some(recipe)
}

/// What comes before lists and codes, and the rest.
fn turn(text: &str) -> Option<(Option<Turn>, &str)> {
    let split = |rest: &'static str| text.strip_prefix(rest).map(|rest| rest.split_once(','));
    if let Some(parts) = split("OPQ") {
        let (parts, rest) = parts?;
        let (m, width) = match parts.split_once('_') {
            Some((m, width)) => (m, Some(number(width)?)),
            None => (parts, None),
        };
        return Some((Some(Turn::Product { m: number(m)?, width }), rest));
    }
    if let Some(parts) = split("PCA") {
        let (width, rest) = parts?;
        return Some((Some(Turn::Principal { width: number(width)? }), rest));
    }
    if let Some(parts) = split("RR") {
        let (width, rest) = parts?;
        return Some((Some(Turn::Random { width: number(width)? }), rest));
    }
    Some((None, text))
}

/// Lists and codes.
fn unturned(text: &str) -> Option<Recipe> {
    let (nlist, rest) = match text.strip_prefix("IVF") {
        Some(rest) => {
            let (lists, rest) = rest.split_once(',')?;
            (Some(number(lists)?), rest)
        }
        None => (None, text),
    };
    match rest {
        "Flat" => return Some(Recipe::new(nlist, None, false)),
        "BFlat" => return nlist.is_none().then_some(Recipe::new(None, Some(Codes::Bits), false)),
        _ => {}
    }
    let (rest, refine) = rest.strip_suffix(",RFlat").map_or((rest, false), |rest| (rest, true));
    let codes = match rest {
        "RaBitQ" => Codes::Rabitq,
        "SQ8" => Codes::Scalar { bits: 8 },
        "SQ6" => Codes::Scalar { bits: 6 },
        "SQ4" => Codes::Scalar { bits: 4 },
        _ => product(rest.strip_prefix("PQ")?, nlist.is_some())?,
    };
    Some(Recipe::new(nlist, Some(codes), refine))
}

/// What follows `PQ`.
fn product(text: &str, has_lists: bool) -> Option<Codes> {
    let (parts, kind) = text.find('x').map_or((text, ""), |at| text.split_at(at));
    let m = number(parts)?;
    let (bits, fast) = match kind {
        "" | "x8" => (8, false),
        "x4" => (4, false),
        "x4fs" | "x4fsr" => (4, true),
        _ => return None,
    };
    let residual = has_lists && (!fast || kind == "x4fsr");
    (residual || kind != "x4fsr").then_some(Codes::Product { m, bits, fast, residual })
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
            "BFlat",
            "IVF1,Flat",
            "IVF65536,Flat",
            "PQ32",
            "PQ7x4",
            "PQ32x4fs",
            "OPQ8,PQ8x4",
            "OPQ16_64,IVF16,PQ16,RFlat",
            "PCA64,IVF7,Flat",
            "PCA8,Flat",
            "RR128,SQ4",
            "RaBitQ",
            "RR64,IVF1024,RaBitQ,RFlat",
            "SQ8",
            "SQ6,RFlat",
            "IVF16,SQ4",
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
            "IVF4,BFlat",
            "BFlat,RFlat",
            "SQ",
            "SQ5",
            "OPQ,PQ4",
            "OPQ4",
            "OPQ4_,PQ4",
            "PCA0,Flat",
            "PCA4,RR4,Flat",
            "RR8,BFlat",
            "SQ8fs",
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
