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
}

impl Recipe {
    /// The number of lists; 1 where all vectors are one.
    pub fn nlist(&self) -> usize {
        match *self {
            Recipe::Flat => 1,
            Recipe::IvfFlat { nlist } => nlist,
        }
    }
}

impl fmt::Display for Recipe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Recipe::Flat => f.write_str("Flat"),
            Recipe::IvfFlat { nlist } => write!(f, "IVF{nlist},Flat"),
        }
    }
}

impl FromStr for Recipe {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        if text == "Flat" {
            return Ok(Recipe::Flat);
        }
        let lists = text.strip_prefix("IVF").and_then(|rest| rest.strip_suffix(",Flat"));
        match lists.and_then(|lists| lists.parse().ok()) {
            Some(nlist) if (1..u32::MAX as usize).contains(&nlist) => Ok(Recipe::IvfFlat { nlist }),
            _ => Err(Error::range("recipe", "text", "Flat or IVF<lists>,Flat", format!("{text:?}"))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Recipe;

    #[test]
    fn recipes_are_read_as_they_are_written() {
        for recipe in [Recipe::Flat, Recipe::IvfFlat { nlist: 1 }, Recipe::IvfFlat { nlist: 65_536 }] {
            assert_eq!(recipe.to_string().parse::<Recipe>().unwrap(), recipe);
        }
        for wrong in
            ["", "flat", "IVF0,Flat", "IVF,Flat", "IVF8", "IVF8,PQ4", "IVF-1,Flat", "IVF99999999999999,Flat"]
        {
            assert!(
                wrong.parse::<Recipe>().unwrap_err().to_string().contains("Flat or IVF<lists>,Flat"),
                "{wrong}"
            );
        }
    }
}
