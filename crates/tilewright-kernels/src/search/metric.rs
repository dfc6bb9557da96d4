//! What a distance is.

use std::fmt;
use std::str::FromStr;

use tilewright_core::{Error, Result};

/// The distance between two vectors. Smaller is nearer, always.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Metric {
    /// The square of the Euclidean distance, `sum (q - x)²`.
    #[default]
    L2,
    /// The inner product with its sign turned, `-q·x`, so that the nearest comes first here too.
    InnerProduct,
    /// One minus the cosine of the angle, `1 - q·x / (|q| |x|)`; NaN where a vector is zero, which has no direction.
    Cosine,
}

impl Metric {
    /// Every metric.
    pub const ALL: [Metric; 3] = [Metric::L2, Metric::InnerProduct, Metric::Cosine];

    /// The name: `l2`, `ip`, `cosine`.
    pub const fn name(self) -> &'static str {
        match self {
            Metric::L2 => "l2",
            Metric::InnerProduct => "ip",
            Metric::Cosine => "cosine",
        }
    }
}

impl fmt::Display for Metric {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Metric {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let found = Metric::ALL.into_iter().find(|metric| metric.name() == text);
        found.ok_or_else(|| Error::range("metric", "name", "one of l2, ip, cosine", format!("{text:?}")))
    }
}
