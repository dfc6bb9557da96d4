//! The gemm family.
