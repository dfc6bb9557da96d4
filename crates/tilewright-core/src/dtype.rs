//! Number formats.

use std::fmt;
use std::str::FromStr;

use bytemuck::{Pod, Zeroable};
use half::{bf16, f16};

use crate::{Error, F8E4M3, F8E5M2, Result};

/// The format of a tensor's elements. All are little-endian in files and on the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum DType {
    /// IEEE 754 binary64. Not available in Metal kernels.
    F64,
    /// IEEE 754 binary32.
    F32,
    /// IEEE 754 binary16.
    F16,
    /// The upper half of a binary32.
    Bf16,
    /// 8-bit float, 4 exponent and 3 mantissa bits, no infinities (OCP E4M3). Storage only.
    F8E4M3,
    /// 8-bit float, 5 exponent and 2 mantissa bits (OCP E5M2). Storage only.
    F8E5M2,
    /// Signed 8-bit integer.
    I8,
    /// Signed 16-bit integer.
    I16,
    /// Signed 32-bit integer.
    I32,
    /// Signed 64-bit integer.
    I64,
    /// Unsigned 8-bit integer.
    U8,
    /// Unsigned 16-bit integer.
    U16,
    /// Unsigned 32-bit integer.
    U32,
    /// Unsigned 64-bit integer.
    U64,
    /// One byte, 0 or 1.
    Bool,
}

impl DType {
    /// Every dtype.
    pub const ALL: [DType; 15] = [
        DType::F64,
        DType::F32,
        DType::F16,
        DType::Bf16,
        DType::F8E4M3,
        DType::F8E5M2,
        DType::I8,
        DType::I16,
        DType::I32,
        DType::I64,
        DType::U8,
        DType::U16,
        DType::U32,
        DType::U64,
        DType::Bool,
    ];

    /// Bytes per element.
    pub const fn size(self) -> usize {
        match self {
            DType::F64 | DType::I64 | DType::U64 => 8,
            DType::F32 | DType::I32 | DType::U32 => 4,
            DType::F16 | DType::Bf16 | DType::I16 | DType::U16 => 2,
            DType::F8E4M3 | DType::F8E5M2 | DType::I8 | DType::U8 | DType::Bool => 1,
        }
    }

    /// The short name: `f32`, `bf16`, `u8`, ...
    pub const fn name(self) -> &'static str {
        match self {
            DType::F64 => "f64",
            DType::F32 => "f32",
            DType::F16 => "f16",
            DType::Bf16 => "bf16",
            DType::F8E4M3 => "f8e4m3",
            DType::F8E5M2 => "f8e5m2",
            DType::I8 => "i8",
            DType::I16 => "i16",
            DType::I32 => "i32",
            DType::I64 => "i64",
            DType::U8 => "u8",
            DType::U16 => "u16",
            DType::U32 => "u32",
            DType::U64 => "u64",
            DType::Bool => "bool",
        }
    }

    /// Whether the format is a floating-point one, storage formats included.
    pub const fn is_float(self) -> bool {
        matches!(self, DType::F64 | DType::F32 | DType::F16 | DType::Bf16 | DType::F8E4M3 | DType::F8E5M2)
    }

    /// The unit roundoff: half the distance from 1 to the next larger number. Zero for integers.
    pub const fn unit_roundoff(self) -> f64 {
        match self {
            DType::F64 => f64::EPSILON / 2.0,
            DType::F32 => f32::EPSILON as f64 / 2.0,
            DType::F16 => 1.0 / 2048.0,
            DType::Bf16 => 1.0 / 256.0,
            DType::F8E4M3 => 1.0 / 16.0,
            DType::F8E5M2 => 1.0 / 8.0,
            _ => 0.0,
        }
    }

    /// The smallest positive number, subnormals included: an absolute error of this size is always allowed.
    pub const fn smallest_positive(self) -> f64 {
        match self {
            DType::F64 => 5e-324,
            DType::F32 => 1.401298464324817e-45,
            DType::F16 => 5.960464477539063e-8,
            DType::Bf16 => 9.183549615799121e-41,
            DType::F8E4M3 => 0.001953125,
            DType::F8E5M2 => 1.52587890625e-5,
            _ => 0.0,
        }
    }
}

impl fmt::Display for DType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for DType {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        DType::ALL.into_iter().find(|dtype| dtype.name() == text).ok_or_else(|| {
            let names = DType::ALL.map(DType::name).join(", ");
            Error::range("dtype", "name", format!("one of {names}"), format!("{text:?}"))
        })
    }
}

/// A `bool` tensor's element: one byte. Any non-zero byte reads as true.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Pod, Zeroable)]
#[repr(transparent)]
pub struct Boolean(u8);

impl From<bool> for Boolean {
    fn from(value: bool) -> Self {
        Boolean(value as u8)
    }
}

impl From<Boolean> for bool {
    fn from(value: Boolean) -> Self {
        value.0 != 0
    }
}

/// A Rust type that a tensor's elements can be read as.
///
/// Conversions through f64 are exact where f64 holds the value; a conversion from f64 to an integer rounds toward zero
/// and saturates, NaN gives 0, as Rust's `as` does.
pub trait Element: Pod + Send + Sync + 'static {
    /// The dtype that this type is.
    const DTYPE: DType;
    /// The value as f64.
    fn to_f64(self) -> f64;
    /// The value nearest to `value`.
    fn from_f64(value: f64) -> Self;
}

macro_rules! primitive_element {
    ($($rust:ty => $dtype:ident),*) => {$(
        impl Element for $rust {
            const DTYPE: DType = DType::$dtype;
            fn to_f64(self) -> f64 { self as f64 }
            fn from_f64(value: f64) -> Self { value as $rust }
        }
    )*};
}

primitive_element!(f64 => F64, f32 => F32, i8 => I8, i16 => I16, i32 => I32, i64 => I64,
    u8 => U8, u16 => U16, u32 => U32, u64 => U64);

macro_rules! small_float_element {
    ($($rust:ty => $dtype:ident),*) => {$(
        impl Element for $rust {
            const DTYPE: DType = DType::$dtype;
            fn to_f64(self) -> f64 { <$rust>::to_f64(self) }
            fn from_f64(value: f64) -> Self { <$rust>::from_f64(value) }
        }
    )*};
}

small_float_element!(f16 => F16, bf16 => Bf16, F8E4M3 => F8E4M3, F8E5M2 => F8E5M2);

impl Element for Boolean {
    const DTYPE: DType = DType::Bool;
    fn to_f64(self) -> f64 {
        bool::from(self) as u8 as f64
    }
    fn from_f64(value: f64) -> Self {
        (value != 0.0).into()
    }
}

/// Runs `$body` with `$T` bound to the Rust type of a dtype.
#[macro_export]
macro_rules! with_element {
    ($dtype:expr, $T:ident => $body:expr) => {{
        macro_rules! arm {
            ($rust:ty) => {{
                type $T = $rust;
                $body
            }};
        }
        match $dtype {
            $crate::DType::F64 => arm!(f64),
            $crate::DType::F32 => arm!(f32),
            $crate::DType::F16 => arm!($crate::f16),
            $crate::DType::Bf16 => arm!($crate::bf16),
            $crate::DType::F8E4M3 => arm!($crate::F8E4M3),
            $crate::DType::F8E5M2 => arm!($crate::F8E5M2),
            $crate::DType::I8 => arm!(i8),
            $crate::DType::I16 => arm!(i16),
            $crate::DType::I32 => arm!(i32),
            $crate::DType::I64 => arm!(i64),
            $crate::DType::U8 => arm!(u8),
            $crate::DType::U16 => arm!(u16),
            $crate::DType::U32 => arm!(u32),
            $crate::DType::U64 => arm!(u64),
            $crate::DType::Bool => arm!($crate::Boolean),
        }
    }};
}
