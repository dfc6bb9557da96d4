//! The exported symbols, called as a Fortran program calls them.

mod blas;
mod bounds;
mod eigen;
mod factor;
mod fortran;
mod least_squares;
mod svd;

// The symbols are called by their names alone; this links them.
extern crate tilewright_lapack;
