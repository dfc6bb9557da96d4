//! What a program is made of: names, parameters, body and options.

use std::borrow::Cow;

use tilewright_core::{DType, Error, Result};

/// How a compiler may treat floating-point arithmetic.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum MathMode {
    /// IEEE infinities, NaNs and subnormals; correctly rounded division and square root; products may contract into fma.
    #[default]
    Precise,
    /// Approximate functions and division, subnormals flushed, infinities and NaNs not relied on.
    Fast,
}

/// The declaration of a program: a Metal kernel body and what its signature is generated from.
///
/// Made in builder style; [`crate::Program::new`] checks it. Parameters appear in the body under their names:
///
/// | declared by | parameter in the body |
/// |---|---|
/// | [`input`](Self::input) | `const device T* x`; and, when the body names them, `x_shape` (`int`), `x_strides` (`int64_t`, elements), `x_ndim` |
/// | [`scalar`](Self::scalar) | `const constant T& s` |
/// | [`in_place`](Self::in_place) | `device T* x`, read and written |
/// | [`output`](Self::output) | `device T* x`, row-major, or `device atomic<T>*` |
/// | [`threadgroup_memory`](Self::threadgroup_memory) | `threadgroup T* scratch`, sized at launch |
/// | the name alone | any of Metal's thread attributes, such as `thread_position_in_grid` |
#[derive(Debug, Clone)]
pub struct Definition {
    pub(crate) name: Cow<'static, str>,
    pub(crate) header: Cow<'static, str>,
    pub(crate) body: Cow<'static, str>,
    pub(crate) templates: Vec<Cow<'static, str>>,
    pub(crate) inputs: Vec<Cow<'static, str>>,
    pub(crate) scalars: Vec<(Cow<'static, str>, DType)>,
    pub(crate) in_place: Vec<Cow<'static, str>>,
    pub(crate) outputs: Vec<Output>,
    pub(crate) threadgroup: Option<(Cow<'static, str>, DType)>,
    pub(crate) atomic_outputs: bool,
    pub(crate) math: MathMode,
    pub(crate) any_strides: bool,
    pub(crate) mlx_inputs: bool,
    pub(crate) cuda_only: bool,
    pub(crate) most_registers: Option<u32>,
    pub(crate) cooperative: bool,
    pub(crate) early: bool,
    pub(crate) verbose: bool,
}

#[derive(Debug, Clone)]
pub(crate) struct Output {
    pub(crate) name: Cow<'static, str>,
    /// The input whose dtype and shape this output has unless the launch says otherwise.
    pub(crate) like: Option<Cow<'static, str>>,
}

impl Definition {
    /// A program of this name (an identifier) with this body.
    pub fn new(name: impl Into<Cow<'static, str>>, body: impl Into<Cow<'static, str>>) -> Self {
        Self {
            name: name.into(),
            header: "".into(),
            body: body.into(),
            templates: Vec::new(),
            inputs: Vec::new(),
            scalars: Vec::new(),
            in_place: Vec::new(),
            outputs: Vec::new(),
            threadgroup: None,
            atomic_outputs: false,
            math: MathMode::Precise,
            any_strides: false,
            mlx_inputs: false,
            cuda_only: false,
            most_registers: None,
            cooperative: false,
            early: false,
            verbose: false,
        }
    }

    /// Helper functions, types and constants, placed before the kernel.
    pub fn header(mut self, header: impl Into<Cow<'static, str>>) -> Self {
        self.header = header.into();
        self
    }

    /// A template argument; its value, a dtype, an integer or a truth value, comes with each launch.
    pub fn template(mut self, name: impl Into<Cow<'static, str>>) -> Self {
        self.templates.push(name.into());
        self
    }

    /// An input tensor, of any dtype that Metal knows.
    pub fn input(mut self, name: impl Into<Cow<'static, str>>) -> Self {
        self.inputs.push(name.into());
        self
    }

    /// A typed number.
    pub fn scalar(mut self, name: impl Into<Cow<'static, str>>, dtype: DType) -> Self {
        self.scalars.push((name.into(), dtype));
        self
    }

    /// A tensor that is read and written in place. It must not share its memory with any other argument.
    pub fn in_place(mut self, name: impl Into<Cow<'static, str>>) -> Self {
        self.in_place.push(name.into());
        self
    }

    /// An output tensor, whose dtype and shape come with each launch.
    pub fn output(mut self, name: impl Into<Cow<'static, str>>) -> Self {
        self.outputs.push(Output { name: name.into(), like: None });
        self
    }

    /// An output tensor with the dtype and shape of an input.
    pub fn output_like(
        mut self,
        name: impl Into<Cow<'static, str>>,
        input: impl Into<Cow<'static, str>>,
    ) -> Self {
        self.outputs.push(Output { name: name.into(), like: Some(input.into()) });
        self
    }

    /// Every output becomes `device atomic<T>*`; the body updates it with `atomic_fetch_add_explicit` and the like.
    pub fn atomic_outputs(mut self) -> Self {
        self.atomic_outputs = true;
        self
    }

    /// Dynamic threadgroup memory as a parameter; each launch says how many bytes.
    pub fn threadgroup_memory(mut self, name: impl Into<Cow<'static, str>>, dtype: DType) -> Self {
        self.threadgroup = Some((name.into(), dtype));
        self
    }

    /// Precise by default; fast by request.
    pub fn math(mut self, math: MathMode) -> Self {
        self.math = math;
        self
    }

    /// Takes inputs as they lie; without this an input that is not row-major is copied first.
    pub fn any_strides(mut self) -> Self {
        self.any_strides = true;
        self
    }

    /// Declares inputs exactly as `mx.fast.metal_kernel` does: a 0-d input is a reference, used as `x` and not `x[0]`, and an
    /// input of fewer than 8 elements lies in the `constant` address space.
    pub fn mlx_inputs(mut self) -> Self {
        self.mlx_inputs = true;
        self
    }

    /// Header and body are CUDA C++, taken as they are, behind the headers of the dialect: for what Metal cannot say, such as a chip's own
    /// instructions. Parameters are the same; every other device refuses the program.
    pub fn cuda_only(mut self) -> Self {
        self.cuda_only = true;
        self
    }

    /// On CUDA a thread gets at most so many registers, so that so many groups share a multiprocessor; what does not fit goes to memory. Other devices choose by
    /// themselves.
    pub fn most_registers(mut self, most: u32) -> Self {
        self.most_registers = Some(most);
        self
    }

    /// On CUDA all groups of a launch are under way at once, and so may wait for each other; the driver refuses a launch of more than the device holds. For
    /// bodies that are [`cuda_only`](Self::cuda_only).
    pub fn cooperative(mut self) -> Self {
        self.cooperative = true;
        self
    }

    /// On CUDA from compute capability 9.0 on, groups take their places while the launch before them on the stream, if it is early too, still runs, and wait there
    /// for its end: for small launches that follow one another. Elsewhere it changes nothing.
    pub fn early(mut self) -> Self {
        self.early = true;
        self
    }

    /// Prints the generated source to standard error each time it is compiled.
    pub fn verbose(mut self) -> Self {
        self.verbose = true;
        self
    }

    pub(crate) fn check(&self) -> Result<()> {
        let names = std::iter::once(&self.name)
            .chain(&self.templates)
            .chain(&self.inputs)
            .chain(self.scalars.iter().map(|(name, _)| name))
            .chain(&self.in_place)
            .chain(self.outputs.iter().map(|output| &output.name))
            .chain(self.threadgroup.iter().map(|(name, _)| name));
        let mut seen = std::collections::HashSet::new();
        for name in names {
            if !is_identifier(name) {
                let expected = "an identifier that Metal does not reserve";
                return Err(Error::range("program", "name", expected, format!("{name:?}")));
            }
            if !seen.insert(name) {
                return Err(Error::range("program", "name", "used once", format!("{name:?}")));
            }
        }
        if self.outputs.is_empty() && self.in_place.is_empty() {
            return Err(Error::range("program", "outputs", "at least one output or in-place buffer", 0));
        }
        if self.cooperative && (!self.cuda_only || self.early) {
            return Err(Error::range("program", "cooperative", "a body for CUDA alone, not early", true));
        }
        for output in &self.outputs {
            let Some(like) = &output.like else { continue };
            if !self.inputs.contains(like) {
                return Err(Error::range(
                    "program",
                    "output_like",
                    "the name of an input",
                    format!("{like:?}"),
                ));
            }
        }
        for (name, dtype) in self.scalars.iter().chain(&self.threadgroup) {
            if matches!(dtype, DType::F8E4M3 | DType::F8E5M2) {
                return Err(Error::dtype(
                    "program",
                    name.clone().into_owned(),
                    "a type that kernels compute in",
                    *dtype,
                ));
            }
        }
        Ok(())
    }
}

/// Words that no parameter can have: C++ and Metal keywords and the types of the dialect.
const RESERVED: &[&str] = &[
    "auto",
    "bfloat",
    "bool",
    "break",
    "case",
    "char",
    "class",
    "const",
    "constant",
    "constexpr",
    "continue",
    "default",
    "device",
    "do",
    "double",
    "else",
    "enum",
    "extern",
    "false",
    "float",
    "for",
    "fragment",
    "goto",
    "half",
    "if",
    "inline",
    "int",
    "kernel",
    "long",
    "metal",
    "namespace",
    "new",
    "operator",
    "private",
    "public",
    "return",
    "short",
    "signed",
    "sizeof",
    "static",
    "struct",
    "switch",
    "template",
    "this",
    "thread",
    "threadgroup",
    "true",
    "typedef",
    "typename",
    "uchar",
    "uint",
    "ulong",
    "union",
    "unsigned",
    "ushort",
    "using",
    "vertex",
    "void",
    "volatile",
    "while",
];

fn is_identifier(name: &str) -> bool {
    let mut bytes = name.bytes();
    bytes.next().is_some_and(|first| first.is_ascii_alphabetic() || first == b'_')
        && bytes.all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
        && !name.starts_with("tw_")
        && !name.starts_with("__")
        && !RESERVED.contains(&name)
}

/// The value of a template argument.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Template {
    /// `typename T`.
    Type(DType),
    /// `int N`.
    Int(i32),
    /// `bool B`.
    Bool(bool),
}

impl From<DType> for Template {
    fn from(dtype: DType) -> Self {
        Template::Type(dtype)
    }
}

impl From<bool> for Template {
    fn from(value: bool) -> Self {
        Template::Bool(value)
    }
}

impl From<i32> for Template {
    fn from(value: i32) -> Self {
        Template::Int(value)
    }
}

impl From<usize> for Template {
    /// # Panics
    /// If the value does not fit Metal's `int`: template integers are tile sizes and counts.
    fn from(value: usize) -> Self {
        Template::Int(i32::try_from(value).expect("a template integer fits int"))
    }
}

/// The value of a scalar parameter.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Scalar {
    pub(crate) dtype: DType,
    pub(crate) bytes: [u8; 8],
}

macro_rules! scalar_from {
    ($($rust:ty => $dtype:ident),*) => {$(
        impl From<$rust> for Scalar {
            fn from(value: $rust) -> Self {
                let mut bytes = [0; 8];
                bytes[..size_of::<$rust>()].copy_from_slice(&value.to_le_bytes());
                Scalar { dtype: DType::$dtype, bytes }
            }
        }
    )*};
}

scalar_from!(f64 => F64, f32 => F32, i64 => I64, u64 => U64, i32 => I32, u32 => U32, i16 => I16, u16 => U16, i8 => I8, u8 => U8);

impl From<bool> for Scalar {
    fn from(value: bool) -> Self {
        Scalar { dtype: DType::Bool, ..Scalar::from(value as u8) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wrong_definitions_name_what_is_wrong() {
        let with = |definition: Definition| definition.check().unwrap_err().to_string();
        for (error, part) in [
            (with(Definition::new("two words", "").output("y")), "\"two words\""),
            (with(Definition::new("k", "").input("float").output("y")), "\"float\""),
            (with(Definition::new("k", "").input("x").output("x")), "used once"),
            (with(Definition::new("k", "").input("x")), "at least one output"),
            (with(Definition::new("k", "").output_like("y", "x")), "the name of an input"),
            (with(Definition::new("k", "").scalar("s", DType::F8E4M3).output("y")), "s has dtype f8e4m3"),
            (with(Definition::new("k", "").cooperative().output("y")), "cooperative is true"),
        ] {
            assert!(error.contains(part), "{error}");
        }
        Definition::new("k", "").input("x").scalar("n", DType::U32).output_like("y", "x").check().unwrap();
    }
}
