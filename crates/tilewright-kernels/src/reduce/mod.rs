//! The reduce family.
