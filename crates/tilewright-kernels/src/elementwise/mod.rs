//! The elementwise family.
