//! The contract of a registered kernel: from it follow the tests, the benches, the command line and the docs.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::str::FromStr;

use crate::{DType, Device, Error, Result, Stream, Tensor};

/// A kernel as the registry sees it. One implementation per folder, one line in the slice.
pub trait Kernel: Sync {
    /// Name, mathematics, arguments.
    fn spec(&self) -> &'static Spec;

    /// What it is judged and timed on.
    fn cases(&self) -> Vec<Case>;

    /// The inputs of a case, in the order of [`Spec::inputs`], on the host; the same for the same case, always.
    fn inputs(&self, case: &Case) -> Result<Vec<Tensor>>;

    /// What each output has to be, in the order of [`Spec::outputs`], by the f64 reference, which shares no code with any path that it judges.
    fn expected(&self, case: &Case, inputs: &[Tensor]) -> Result<Vec<Expected>>;

    /// Quality ratios of the outputs, for results that are not unique. Each must stay at or below its limit.
    fn residuals(&self, _case: &Case, _inputs: &[Tensor], _outputs: &[Tensor]) -> Result<Vec<Residual>> {
        Ok(Vec::new())
    }

    /// Whether other outputs than the expected ones answer the same problem, as draws by other random numbers do. Asked of libraries that are timed
    /// beside this one, which may give the first outputs alone; never of its own variants.
    fn answers(&self, _case: &Case, _inputs: &[Tensor], _outputs: &[Tensor]) -> Result<bool> {
        Ok(false)
    }

    /// The variants that run this case on this device, the default first; or an [`Error`] that says why none does.
    fn support(&self, device: Device, case: &Case) -> Result<Vec<&'static str>>;

    /// Runs one variant (`None`: the library's choice) on inputs that lie on the stream's device.
    fn run(
        &self,
        stream: &Stream,
        variant: Option<&str>,
        args: &Args,
        inputs: &[Tensor],
    ) -> Result<Vec<Tensor>>;

    /// The least that must be done and moved.
    fn work(&self, case: &Case) -> Work;

    /// What a variant leaves to the host by design, on a device that is another; `None` where the host submits work and no more.
    fn on_host(&self, _device: Device, _variant: &str) -> Option<&'static str> {
        None
    }
}

/// Which of a kernel's cases a device runs.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Coverage {
    /// How many some variant runs.
    pub cases: usize,
    /// The variants that run them.
    pub variants: BTreeSet<&'static str>,
    /// Why the others are not run.
    pub reasons: BTreeSet<String>,
}

impl Coverage {
    /// That of `cases` of a kernel on a device, whether it is there or not.
    pub fn of(kernel: &dyn Kernel, device: Device, cases: &[Case]) -> Self {
        let mut coverage = Self::default();
        for case in cases {
            match kernel.support(device, case) {
                Ok(variants) => {
                    coverage.cases += 1;
                    coverage.variants.extend(variants);
                }
                Err(error) => {
                    coverage.reasons.insert(error.kind().to_string());
                }
            }
        }
        coverage
    }
}

/// The description of a kernel.
#[derive(Debug)]
pub struct Spec {
    /// Function, folder, registry, CSV and command-line name.
    pub name: &'static str,
    /// The folder above.
    pub family: &'static str,
    /// The mathematics in one line of plain text.
    pub math: &'static str,
    /// Inputs in order.
    pub inputs: &'static [Slot],
    /// Outputs in order.
    pub outputs: &'static [Slot],
    /// Arguments that are not tensors.
    pub args: &'static [ArgSpec],
    /// Dtypes that the data may have.
    pub dtypes: &'static [DType],
}

/// An input or output.
#[derive(Debug)]
pub struct Slot {
    /// Its name.
    pub name: &'static str,
    /// Its shape in the glossary's letters, for example `[.., m, k]`.
    pub shape: &'static str,
    /// Whether it may be left out (inputs, the last ones) or may be absent (outputs).
    pub optional: bool,
}

impl Slot {
    /// A slot that is always there.
    pub const fn new(name: &'static str, shape: &'static str) -> Self {
        Slot { name, shape, optional: false }
    }

    /// A slot that may be left out.
    pub const fn optional(name: &'static str, shape: &'static str) -> Self {
        Slot { name, shape, optional: true }
    }
}

/// An argument that is not a tensor.
#[derive(Debug)]
pub struct ArgSpec {
    /// Its name.
    pub name: &'static str,
    /// The default, as it would be typed.
    pub default: &'static str,
    /// What it means and which values it takes.
    pub doc: &'static str,
}

/// An argument's value.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// A truth value.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// A real number.
    Float(f64),
    /// A name, such as a mode or a dtype.
    Text(String),
}

impl FromStr for Value {
    type Err = std::convert::Infallible;

    /// Reads what is typed: `true`, `12`, `1e-6`, anything else as text.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(match text {
            "true" => Value::Bool(true),
            "false" => Value::Bool(false),
            _ => match (text.parse(), text.parse()) {
                (Ok(int), _) => Value::Int(int),
                (_, Ok(float)) => Value::Float(float),
                _ => Value::Text(text.to_owned()),
            },
        })
    }
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Value::Bool(value) => value.fmt(f),
            Value::Int(value) => value.fmt(f),
            Value::Float(value) => value.fmt(f),
            Value::Text(value) => value.fmt(f),
        }
    }
}

impl From<bool> for Value {
    fn from(value: bool) -> Self {
        Value::Bool(value)
    }
}

impl From<i64> for Value {
    fn from(value: i64) -> Self {
        Value::Int(value)
    }
}

impl From<f64> for Value {
    fn from(value: f64) -> Self {
        Value::Float(value)
    }
}

impl From<&str> for Value {
    fn from(value: &str) -> Self {
        Value::Text(value.to_owned())
    }
}

/// Arguments by name. What is absent has its default.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Args(BTreeMap<String, Value>);

impl Args {
    /// No arguments: all defaults.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds or replaces one.
    pub fn set(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.0.insert(name.to_owned(), value.into());
        self
    }

    /// The value, if given.
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.0.get(name)
    }

    /// All that are given, by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Value)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value))
    }

    /// Fails on a name that `spec` does not have.
    pub fn check_names(&self, spec: &Spec) -> Result<()> {
        for name in self.0.keys() {
            if !spec.args.iter().any(|arg| arg.name == name) {
                let known: Vec<_> = spec.args.iter().map(|arg| arg.name).collect();
                return Err(Error::range(spec.name, "argument name", format!("one of {known:?}"), name));
            }
        }
        Ok(())
    }

    /// A truth value, or `default` where absent.
    pub fn bool(&self, name: &'static str, default: bool) -> Result<bool> {
        match self.0.get(name) {
            None => Ok(default),
            Some(Value::Bool(value)) => Ok(*value),
            Some(other) => Err(Error::range("arguments", name, "true or false", other)),
        }
    }

    /// A whole number >= 0, or `default` where absent.
    pub fn size(&self, name: &'static str, default: usize) -> Result<usize> {
        match self.0.get(name) {
            None => Ok(default),
            Some(&Value::Int(value)) if value >= 0 => Ok(value as usize),
            Some(other) => Err(Error::range("arguments", name, "a whole number >= 0", other)),
        }
    }

    /// A real number, or `default` where absent. Whole numbers convert.
    pub fn float(&self, name: &'static str, default: f64) -> Result<f64> {
        match self.0.get(name) {
            None => Ok(default),
            Some(&Value::Float(value)) => Ok(value),
            Some(&Value::Int(value)) => Ok(value as f64),
            Some(other) => Err(Error::range("arguments", name, "a number", other)),
        }
    }

    /// A name, or `default` where absent.
    pub fn text<'a>(&'a self, name: &'static str, default: &'a str) -> Result<&'a str> {
        match self.0.get(name) {
            None => Ok(default),
            Some(Value::Text(value)) => Ok(value),
            Some(other) => Err(Error::range("arguments", name, "a name", other)),
        }
    }
}

/// What a case is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Tier {
    /// Small, odd, empty: run everywhere, always, the emulator included.
    Edge,
    /// Larger: run by `check` on real devices.
    Check,
    /// Timed by `bench`, and judged before.
    Bench,
}

/// One problem that a kernel is judged or timed on.
#[derive(Debug, Clone)]
pub struct Case {
    /// Unique among the kernel's cases.
    pub name: String,
    /// What it is for.
    pub tier: Tier,
    /// The sizes, in the glossary's letters.
    pub dims: Vec<(&'static str, usize)>,
    /// The dtype of the data.
    pub dtype: DType,
    /// Seed of the inputs.
    pub seed: u64,
    /// Arguments.
    pub args: Args,
    /// How the inputs are made: `""` for the usual random ones; kernels name their own hard ones and strided ones.
    pub data: &'static str,
}

impl Case {
    /// A case with default arguments, the usual data and seed 1; its name is made of its dims and dtype.
    pub fn new(tier: Tier, dims: &[(&'static str, usize)], dtype: DType) -> Self {
        let sizes: Vec<String> = dims.iter().map(|(name, size)| format!("{name}{size}")).collect();
        Self {
            name: format!("{}_{dtype}", sizes.join("_")),
            tier,
            dims: dims.to_vec(),
            dtype,
            seed: 1,
            args: Args::new(),
            data: "",
        }
    }

    /// With an argument, which joins the name.
    pub fn set(mut self, name: &str, value: impl Into<Value>) -> Self {
        let value = value.into();
        self.name = format!("{}_{name}={value}", self.name);
        self.args = self.args.set(name, value);
        self
    }

    /// With special data, which joins the name.
    pub fn data(mut self, data: &'static str) -> Self {
        self.name = format!("{}_{data}", self.name);
        self.data = data;
        self
    }

    /// A size by its letter.
    ///
    /// # Panics
    /// If the case has no such size: cases are written beside the code that reads them.
    pub fn dim(&self, name: &str) -> usize {
        let found = self.dims.iter().find(|(dim, _)| *dim == name);
        found.unwrap_or_else(|| panic!("case {} has no size {name}", self.name)).1
    }
}

/// What an output has to be.
#[derive(Debug, Clone)]
pub enum Expected {
    /// Every element within its own tolerance of the f64 truth; NaN exactly where the truth is NaN, infinities equal.
    Values {
        /// The shape.
        shape: Vec<usize>,
        /// The dtype.
        dtype: DType,
        /// The truth, row-major.
        value: Vec<f64>,
        /// The largest error allowed, per element: derived count x unit roundoff x magnitude.
        tolerance: Vec<f64>,
    },
    /// The very bytes of this host tensor: ids, moves, integer-valued arithmetic.
    Exact(Tensor),
    /// Not unique: judged by [`Kernel::residuals`] alone; shape and dtype must still be these.
    Free {
        /// The shape.
        shape: Vec<usize>,
        /// The dtype.
        dtype: DType,
    },
    /// The output is absent.
    Absent,
}

impl Expected {
    /// Values with the usual tolerance: the rounding of the result to `dtype`, plus `roundings` roundings of the
    /// `accumulator` relative to the magnitude (the sum of the absolute terms) of each element.
    pub fn values(
        shape: &[usize],
        dtype: DType,
        accumulator: DType,
        roundings: f64,
        truth: impl IntoIterator<Item = (f64, f64)>,
    ) -> Self {
        let (stored, inner) = (dtype.unit_roundoff(), accumulator.unit_roundoff() * roundings);
        let (value, tolerance) = truth
            .into_iter()
            .map(|(value, magnitude)| {
                // The stored value may have been rounded from one that is off by the inner error already.
                let inner = inner * magnitude.abs();
                (value, stored * (value.abs() + inner) + inner + dtype.smallest_positive())
            })
            .unzip();
        Expected::Values { shape: shape.to_vec(), dtype, value, tolerance }
    }
}

/// A quality ratio, in LAPACK's manner: computed in f64, passed at or below the limit.
#[derive(Debug, Clone)]
pub struct Residual {
    /// The formula, for example `|A - QR| / (n eps |A|)`.
    pub name: &'static str,
    /// Its value; NaN fails.
    pub ratio: f64,
    /// The limit: LAPACK's threshold is 30.
    pub limit: f64,
}

/// The least work of a case, counted and not measured.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Work {
    /// Floating-point operations.
    pub flops: f64,
    /// Bytes: each input read once, each output written once.
    pub bytes: f64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn typed_text_becomes_values_and_wrong_values_are_named() {
        let parse = |text: &str| text.parse::<Value>().unwrap();
        assert_eq!(parse("true"), Value::Bool(true));
        assert_eq!(parse("-3"), Value::Int(-3));
        assert_eq!(parse("1e-6"), Value::Float(1e-6));
        assert_eq!(parse("reduced"), Value::Text("reduced".into()));
        let args = Args::new().set("k", -1i64).set("mode", "r");
        assert!(args.size("k", 1).unwrap_err().to_string().contains("k is -1, expected a whole number"));
        assert!(args.bool("mode", true).is_err());
        assert_eq!(args.float("k", 0.0).unwrap(), -1.0);
        assert_eq!(args.text("absent", "reduced").unwrap(), "reduced");
    }

    #[test]
    fn tolerance_grows_with_magnitude_and_never_vanishes() {
        let Expected::Values { tolerance, .. } =
            Expected::values(&[2], DType::F32, DType::F32, 4.0, [(0.0, 0.0), (1.0, 10.0)])
        else {
            unreachable!("values gives Values")
        };
        assert!(tolerance[0] > 0.0 && tolerance[0] < 1e-40);
        let unit = DType::F32.unit_roundoff();
        assert!((tolerance[1] / unit - 41.0).abs() < 0.01, "{}", tolerance[1] / unit);
    }
}
