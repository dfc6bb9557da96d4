//! Evidence.
//!
//! Tolerance, in unit roundoffs of f32 relative to the result: 1 for rounding `cap`, 1 for x / cap (both reach the result with a factor
//! |y tanh'(y) / tanh(y)| <= 1, the first also directly), 10 for tanh (Metal promises 5 ulp of 2 unit roundoffs each), 1 for the product,
//! 1 for where x itself is returned (y^2 / 3 <= 2^-24 / 3). The native path: 6 for expm1, 1 for the sum, 1 for the quotient.

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use tilewright_core::{
    ArgSpec, Args, Case, DType, Device, Error, Expected, Kernel, Result, Slot, Spec, Stream, Tensor, Tier,
    Work,
};

use super::{DTYPES, NAME, SoftCap, reference, soft_cap};

const ROUNDINGS: f64 = 14.0;

pub(crate) const KERNEL: &dyn Kernel = &Registered;

struct Registered;

static SPEC: Spec = Spec {
    name: NAME,
    family: "elementwise",
    math: "out = cap tanh(x / cap)",
    inputs: &[Slot::new("x", "[..]")],
    outputs: &[Slot::new("out", "[..]")],
    args: &[ArgSpec {
        name: "cap",
        default: "30",
        doc: "the limit that outputs approach, positive and finite",
    }],
    dtypes: DTYPES,
};

/// The cases of a kernel on a tensor `[b, n]`, which `soft_cap_bw` shares.
pub(in crate::elementwise) fn cases() -> Vec<Case> {
    let case = |tier, b, n, dtype| Case::new(tier, &[("b", b), ("n", n)], dtype);
    let mut cases = vec![
        case(Tier::Edge, 0, 5, DType::F32),
        case(Tier::Edge, 1, 1, DType::F32),
        case(Tier::Edge, 3, 37, DType::F32).set("cap", 50.0),
        case(Tier::Edge, 7, 293, DType::F32).data("ends"),
        case(Tier::Edge, 5, 13, DType::F32).set("cap", 1e-3).data("ends"),
        case(Tier::Edge, 5, 13, DType::F32).set("cap", 1e38).data("ends"),
        case(Tier::Edge, 6, 11, DType::F32).data("transposed"),
        case(Tier::Edge, 3, 35, DType::F32).data("offset"),
        case(Tier::Edge, 1, 2053, DType::Bf16),
        case(Tier::Edge, 2, 19, DType::Bf16).data("ends"),
        case(Tier::Edge, 3, 43, DType::F16).data("ends"),
        case(Tier::Edge, 3, 43, DType::F64),
        case(Tier::Edge, 3, 43, DType::F64).data("ends"),
    ];
    for dtype in DTYPES {
        cases.push(case(Tier::Check, 257, 4099, *dtype));
        cases.push(case(Tier::Bench, 1 << 12, 1 << 13, *dtype));
    }
    cases
}

/// Numbers around the bend, or the ends of the range, as a view with the case's strides.
pub(in crate::elementwise) fn values(case: &Case, stream: u64) -> Result<Tensor> {
    let (b, n) = (case.dim("b"), case.dim("n"));
    let cap = case.args.float("cap", SoftCap::default().cap)?;
    let mut random = ChaCha8Rng::seed_from_u64(case.seed);
    random.set_stream(stream);
    let ends =
        [0.0, -0.0, f64::INFINITY, f64::NEG_INFINITY, f64::NAN, 1e-45, -1e-39, 1e-8, 3e38, -6e4, 1e300];
    let skipped = usize::from(case.data == "offset");
    let values: Vec<f64> = (0..b * (n + skipped))
        .map(|index| match case.data {
            "ends" if index < ends.len() => ends[index],
            "ends" => {
                let exponent = random.random_range(-20.0..6.0);
                cap * f64::exp2(exponent) * if random.random() { 1.0 } else { -1.0 }
            }
            _ => random.random_range(-3.0..3.0) * cap,
        })
        .collect();
    match case.data {
        "transposed" => Tensor::from_f64(&values, case.dtype, [n, b])?.transpose(),
        "offset" => {
            Tensor::from_f64(&values, case.dtype, [b * (n + 1)])?.slice(0, b..b * (n + 1))?.reshape([b, n])
        }
        _ => Tensor::from_f64(&values, case.dtype, [b, n]),
    }
}

/// Every dtype on the CPU; f64 on no GPU.
pub(in crate::elementwise) fn variants(
    name: &'static str,
    device: Device,
    dtype: DType,
) -> Result<Vec<&'static str>> {
    match device {
        Device::Cpu => Ok(vec!["cpu"]),
        _ if dtype == DType::F64 => {
            Err(Error::unsupported(name, device, "x is f64, and the GPU body computes in f32"))
        }
        _ => Ok(vec!["portable"]),
    }
}

impl Kernel for Registered {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    fn cases(&self) -> Vec<Case> {
        cases()
    }

    fn inputs(&self, case: &Case) -> Result<Vec<Tensor>> {
        Ok(vec![values(case, 0)?])
    }

    fn expected(&self, case: &Case, inputs: &[Tensor]) -> Result<Vec<Expected>> {
        let cap = case.args.float("cap", SoftCap::default().cap)?;
        let accumulator = if case.dtype == DType::F64 { DType::F64 } else { DType::F32 };
        let values = inputs[0].to_f64_vec()?;
        let truth = values.iter().map(|&x| {
            let value = reference::soft_cap(x, cap);
            (value, value)
        });
        Ok(vec![Expected::values(inputs[0].dims(), case.dtype, accumulator, ROUNDINGS, truth)])
    }

    fn support(&self, device: Device, case: &Case) -> Result<Vec<&'static str>> {
        variants(NAME, device, case.dtype)
    }

    fn run(
        &self,
        stream: &Stream,
        variant: Option<&str>,
        args: &Args,
        inputs: &[Tensor],
    ) -> Result<Vec<Tensor>> {
        args.check_names(&SPEC)?;
        let [x] = inputs else {
            return Err(Error::range(NAME, "number of inputs", 1, inputs.len()));
        };
        crate::arguments::choose(NAME, variant, &variants(NAME, stream.device(), x.dtype())?)?;
        let args = SoftCap { cap: args.float("cap", SoftCap::default().cap)? };
        Ok(vec![soft_cap(stream, x, &args)?])
    }

    fn work(&self, case: &Case) -> Work {
        let elements = (case.dim("b") * case.dim("n")) as f64;
        Work { flops: 3.0 * elements, bytes: 2.0 * elements * case.dtype.size() as f64 }
    }
}
