//! The gram_schmidt family.
