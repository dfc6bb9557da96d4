//! One structured error for the whole library.

use std::borrow::Cow;
use std::fmt;

use crate::{DType, Device};

/// The result of every fallible operation of tilewright.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What went wrong, and in which operation.
///
/// Displays as `operation: kind`, for example `matmul: b has shape [3, 4], expected [5, n]`.
#[derive(Debug, Clone, PartialEq)]
pub struct Error {
    operation: Cow<'static, str>,
    kind: Box<Kind>,
}

/// The kinds of failure. Each names the argument or the place that is at fault.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Kind {
    /// A tensor has the wrong rank or extents.
    #[error("{argument} has shape {got}, expected {expected}")]
    Shape {
        /// The argument's name.
        argument: Cow<'static, str>,
        /// What would have been right.
        expected: String,
        /// What was given.
        got: String,
    },
    /// A tensor has a dtype that the operation does not take.
    #[error("{argument} has dtype {got}, expected {expected}")]
    DType {
        /// The argument's name.
        argument: Cow<'static, str>,
        /// What would have been right.
        expected: String,
        /// What was given.
        got: DType,
    },
    /// A tensor's strides, contiguity, aliasing or device do not fit.
    #[error("{argument}: {why}")]
    Layout {
        /// The argument's name.
        argument: Cow<'static, str>,
        /// What does not fit.
        why: String,
    },
    /// A number lies outside the range that the operation is defined on.
    #[error("{argument} is {got}, expected {expected}")]
    Range {
        /// The argument's name.
        argument: Cow<'static, str>,
        /// The range.
        expected: String,
        /// What was given.
        got: String,
    },
    /// The device cannot do this, and nothing was run elsewhere instead.
    #[error("unsupported on {device}: {why}")]
    Unsupported {
        /// The device asked.
        device: Device,
        /// The reason.
        why: String,
    },
    /// The numbers do not allow a result, for example "not positive definite" at pivot 17.
    #[error("{what} at {index}")]
    Numerical {
        /// What failed.
        what: String,
        /// Where: pivot, batch item or element.
        index: usize,
    },
    /// Memory could not be had.
    #[error("out of memory: {bytes} bytes asked of {device}")]
    OutOfMemory {
        /// Bytes asked for.
        bytes: usize,
        /// The device asked.
        device: Device,
    },
    /// A kernel's source did not compile.
    #[error("does not compile:\n{log}")]
    Compile {
        /// The compiler's log.
        log: String,
    },
    /// The device, its driver, or a kernel that ran on it, failed.
    #[error("{device} failed: {why}")]
    Device {
        /// The device.
        device: Device,
        /// What it said.
        why: String,
    },
    /// A file is missing, unreadable, or not what its name promises.
    #[error("{path}: {why}")]
    File {
        /// The file.
        path: String,
        /// What is wrong with it.
        why: String,
    },
}

impl Error {
    /// An error of `operation`.
    pub fn new(operation: impl Into<Cow<'static, str>>, kind: Kind) -> Self {
        Self { operation: operation.into(), kind: Box::new(kind) }
    }

    /// The operation that failed.
    pub fn operation(&self) -> &str {
        &self.operation
    }

    /// What went wrong.
    pub fn kind(&self) -> &Kind {
        &self.kind
    }

    /// Whether this says "cannot" rather than "failed".
    pub fn is_unsupported(&self) -> bool {
        matches!(*self.kind, Kind::Unsupported { .. })
    }

    /// The same failure, told of the operation that the caller asked for.
    pub fn within(mut self, operation: impl Into<Cow<'static, str>>) -> Self {
        self.operation = operation.into();
        self
    }

    /// A wrong shape.
    pub fn shape(
        operation: impl Into<Cow<'static, str>>,
        argument: impl Into<Cow<'static, str>>,
        expected: impl fmt::Display,
        got: impl fmt::Display,
    ) -> Self {
        let (expected, got) = (expected.to_string(), got.to_string());
        Self::new(operation, Kind::Shape { argument: argument.into(), expected, got })
    }

    /// A wrong dtype.
    pub fn dtype(
        operation: impl Into<Cow<'static, str>>,
        argument: impl Into<Cow<'static, str>>,
        expected: impl fmt::Display,
        got: DType,
    ) -> Self {
        Self::new(operation, Kind::DType { argument: argument.into(), expected: expected.to_string(), got })
    }

    /// A layout, aliasing or device mismatch.
    pub fn layout(
        operation: impl Into<Cow<'static, str>>,
        argument: impl Into<Cow<'static, str>>,
        why: impl fmt::Display,
    ) -> Self {
        Self::new(operation, Kind::Layout { argument: argument.into(), why: why.to_string() })
    }

    /// A value out of range.
    pub fn range(
        operation: impl Into<Cow<'static, str>>,
        argument: impl Into<Cow<'static, str>>,
        expected: impl fmt::Display,
        got: impl fmt::Display,
    ) -> Self {
        let (expected, got) = (expected.to_string(), got.to_string());
        Self::new(operation, Kind::Range { argument: argument.into(), expected, got })
    }

    /// An honest "cannot".
    pub fn unsupported(
        operation: impl Into<Cow<'static, str>>,
        device: Device,
        why: impl fmt::Display,
    ) -> Self {
        Self::new(operation, Kind::Unsupported { device, why: why.to_string() })
    }

    /// A failure of the device or its driver.
    pub fn device(operation: impl Into<Cow<'static, str>>, device: Device, why: impl fmt::Display) -> Self {
        Self::new(operation, Kind::Device { device, why: why.to_string() })
    }

    /// A file that cannot be used.
    pub fn file(
        operation: impl Into<Cow<'static, str>>,
        path: impl AsRef<std::path::Path>,
        why: impl fmt::Display,
    ) -> Self {
        let path = path.as_ref().display().to_string();
        Self::new(operation, Kind::File { path, why: why.to_string() })
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.operation, self.kind)
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&*self.kind)
    }
}
